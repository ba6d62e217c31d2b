//! Scores by case.

use sqlx::SqliteConnection;
use transferscope_domain::{RunId, api::CaseScores, report::CaseScore};

use crate::{Result, Store, StoreError, error::from_json, pool::run_exists};

impl Store {
    /// Scores of the cases of a run; none until it has finished.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub async fn cases(&self, id: &RunId) -> Result<CaseScores> {
        let mut tx = self.read().begin().await?;
        if !run_exists(&mut tx, id.as_str()).await? {
            return Err(StoreError::not_found("run", id));
        }
        Ok(CaseScores { cases: of_run(&mut tx, id).await? })
    }
}

pub(crate) async fn of_run(conn: &mut SqliteConnection, id: &RunId) -> Result<Vec<CaseScore>> {
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "select case_id, patient_id, split, scores
        from case_scores
        where run_id = ?
        order by split, case_id",
    )
    .bind(id.as_str())
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(case_id, patient_id, split, scores)| {
            Ok(CaseScore { case_id, patient_id, split, scores: from_json("case scores", &scores)? })
        })
        .collect()
}
