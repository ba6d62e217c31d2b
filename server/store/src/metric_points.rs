//! Curves.

use sqlx::SqliteConnection;
use tokio_stream::StreamExt;
use transferscope_domain::{RunId, api::MetricSeries};

use crate::{Result, Store, StoreError, downsample::Thinner, pool::run_exists, runs::unsigned};

impl Store {
    /// One curve of a run in the order of its steps; empty where the run has not said such a
    /// value yet. Where it has more than `max_points`, the ends and the smallest and largest
    /// value of equal stretches are returned, in order.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub async fn metrics(&self, id: &RunId, name: &str, max_points: usize) -> Result<MetricSeries> {
        let mut tx = self.read().begin().await?;
        if !run_exists(&mut tx, id.as_str()).await? {
            return Err(StoreError::not_found("run", id));
        }
        series(&mut tx, id, name, max_points).await
    }

    /// All curves of a run by name, each as in [`Store::metrics`].
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub async fn all_series(&self, id: &RunId, max_points: usize) -> Result<Vec<MetricSeries>> {
        let mut tx = self.read().begin().await?;
        if !run_exists(&mut tx, id.as_str()).await? {
            return Err(StoreError::not_found("run", id));
        }
        of_run(&mut tx, id, max_points).await
    }
}

pub(crate) async fn of_run(
    conn: &mut SqliteConnection,
    id: &RunId,
    max_points: usize,
) -> Result<Vec<MetricSeries>> {
    let names: Vec<String> =
        sqlx::query_scalar("select name from metric_latest where run_id = ? order by name")
            .bind(id.as_str())
            .fetch_all(&mut *conn)
            .await?;
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        all.push(series(conn, id, &name, max_points).await?);
    }
    Ok(all)
}

async fn series(
    conn: &mut SqliteConnection,
    id: &RunId,
    name: &str,
    max_points: usize,
) -> Result<MetricSeries> {
    let count: i64 = sqlx::query_scalar("select count(*) from metric_points where run_id = ? and name = ?")
        .bind(id.as_str())
        .bind(name)
        .fetch_one(&mut *conn)
        .await?;
    let mut thinner = Thinner::new(usize::try_from(count).unwrap_or(0), max_points);
    let mut rows = sqlx::query_as::<_, (i64, f64, i64, f64)>(
        "select step, epoch, t_ms, value
        from metric_points
        where run_id = ? and name = ?
        order by step",
    )
    .bind(id.as_str())
    .bind(name)
    .fetch(conn);
    while let Some((step, epoch, t_ms, value)) = rows.next().await.transpose()? {
        thinner.push((unsigned(step), epoch, t_ms, value));
    }
    Ok(MetricSeries { name: name.to_owned(), points: thinner.finish() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{metric, say, started, step, store_with_runs};

    #[tokio::test]
    async fn a_long_curve_is_thinned_and_keeps_its_spike() {
        let (store, ids) = store_with_runs(1).await;
        let loss = |s: u64| if s == 777 { 50.0 } else { 1.0 };
        say(&store, &ids[0], std::iter::once(started(1, 0)).chain((1..=2000).map(|s| step(s, loss(s)))))
            .await;
        say(&store, &ids[0], [metric("val/dice", 2000, 0.5)]).await;
        let thin = store.metrics(&ids[0], "train/loss", 100).await.unwrap();
        assert!(thin.points.len() <= 100);
        assert!(thin.points.iter().any(|p| p.0 == 777 && p.3 == 50.0));
        assert_eq!(store.metrics(&ids[0], "train/loss", 2000).await.unwrap().points.len(), 2000);
        assert!(store.metrics(&ids[0], "val/none", 100).await.unwrap().points.is_empty());
        let names: Vec<_> =
            store.all_series(&ids[0], 10).await.unwrap().into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["train/grad_norm", "train/loss", "train/lr", "train/step_ms", "val/dice"]);
        let unknown = "no-such-run".parse().unwrap();
        assert!(matches!(store.metrics(&unknown, "x", 1).await, Err(StoreError::NotFound { .. })));
    }
}
