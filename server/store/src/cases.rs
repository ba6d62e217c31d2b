//! Scores by case.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;
use transferscope_domain::{RunId, api::CaseScores, report::CaseScore};

use crate::{
    Result, Store, StoreError,
    error::{from_json, to_json},
    pool::run_exists,
};

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

    /// Scores of each test case of some runs.
    ///
    /// # Errors
    /// `Database` only; an unknown run has no cases.
    pub async fn test_cases(&self, ids: &[&str]) -> Result<TestCases> {
        let mut tx = self.read().begin().await?;
        test_cases(&mut tx, &to_json("run ids", &ids)?).await
    }
}

/// What runs scored on their test cases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestCases {
    /// By run, test case and metric.
    pub scores: HashMap<String, BTreeMap<String, BTreeMap<String, f64>>>,
    /// The patient of each case, by run and case.
    pub patients: HashMap<String, BTreeMap<String, String>>,
}

/// `ids` is a JSON list.
pub(crate) async fn test_cases(conn: &mut SqliteConnection, ids: &str) -> Result<TestCases> {
    let scores: Vec<(String, String, String, String)> = sqlx::query_as(
        "select run_id, case_id, patient_id, scores
        from case_scores
        where run_id in (select value from json_each(?)) and split = 'test'",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?;
    let mut cases = TestCases::default();
    for (run, case, patient, scores) in scores {
        cases.patients.entry(run.clone()).or_default().insert(case.clone(), patient);
        cases.scores.entry(run).or_default().insert(case, from_json("case scores", &scores)?);
    }
    Ok(cases)
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
