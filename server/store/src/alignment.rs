//! Alignment values of a run.

use sqlx::SqliteConnection;
use transferscope_domain::{
    RunId,
    alignment::{AlignmentValue, ESTIMATOR, KERNEL},
    api::AlignmentView,
};

use crate::{Result, Store, StoreError, pool::run_exists};

impl Store {
    /// All alignment values of a run with kernel, estimator and bandwidths; no values yet is no
    /// error.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub async fn alignment(&self, id: &RunId) -> Result<AlignmentView> {
        let mut tx = self.read().begin().await?;
        if !run_exists(&mut tx, id.as_str()).await? {
            return Err(StoreError::not_found("run", id));
        }
        of_run(&mut tx, id).await
    }
}

pub(crate) async fn of_run(conn: &mut SqliteConnection, id: &RunId) -> Result<AlignmentView> {
    type Row = (f64, String, u32, String, f64, Option<f64>, f64, u32);
    let rows: Vec<Row> = sqlx::query_as(
        "select epoch, layer, depth, metric, value, p, bandwidth, n
        from alignment_values
        where run_id = ?
        order by epoch, depth, layer, metric",
    )
    .bind(id.as_str())
    .fetch_all(conn)
    .await?;
    let values: Vec<AlignmentValue> = rows
        .into_iter()
        .map(|(epoch, layer, depth, metric, value, p, bandwidth, n)| AlignmentValue {
            epoch,
            layer,
            depth,
            metric,
            value,
            p,
            bandwidth,
            n,
        })
        .collect();
    // The latest value of a layer stands for its bandwidth.
    let mut layers: Vec<(u32, &str, f64)> = Vec::new();
    for v in &values {
        match layers.iter_mut().find(|l| l.1 == v.layer) {
            Some(known) => known.2 = v.bandwidth,
            None => layers.push((v.depth, &v.layer, v.bandwidth)),
        }
    }
    layers.sort_by_key(|l| l.0);
    Ok(AlignmentView {
        bandwidth: layers.iter().map(|l| l.2).collect(),
        layers: layers.into_iter().map(|l| l.1.to_owned()).collect(),
        kernel: KERNEL.into(),
        estimator: ESTIMATOR.into(),
        n: values.last().map_or(0, |v| v.n),
        values,
    })
}
