//! Runs: adding, finding, listing.

use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::Ordering,
};

use sqlx::SqliteConnection;
use transferscope_domain::{
    Adaptation, Arm, ExperimentId, RunId, RunRequest, RunState, Task,
    api::{RunDetail, RunList, RunView},
};

use crate::{
    Result, Store, StoreError,
    attempts::refuse_double,
    error::{from_json, from_name, to_json},
    now_ms,
    records::{Arrival, RECORD_SCHEMA},
    rows::{RunRow, select_runs, signed, unsigned, views},
};

/// A run that is about to be stored; its directory with `request.json` is there already.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    pub request: RunRequest,
    /// Whether its data set is computed phantoms.
    pub synthetic: bool,
    /// When it was asked for and as the how manieth, where that stands in its directory; else it is decided when the
    /// run is stored.
    pub arrival: Option<Arrival>,
}

/// Which runs to list; an empty filter lists all, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    pub state: Option<RunState>,
    /// Without a target it stands for all of its kind.
    pub task: Option<Task>,
    pub dataset: Option<String>,
    pub experiment: Option<ExperimentId>,
    pub backbone: Option<String>,
    /// Runs on a page; 100 unless given, 500 at most.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Runs on a page unless asked otherwise.
pub const LIMIT_DEFAULT: u32 = 100;
/// Most runs on a page.
pub const LIMIT_MAX: u32 = 500;

impl Store {
    /// The number and time of a run that is asked for now. A number that is not used after all leaves a gap, which
    /// nobody sees.
    pub fn arrive(&self, synthetic: bool) -> Arrival {
        let number = self.inner.last_number.fetch_add(1, Ordering::AcqRel) + 1;
        Arrival { schema: RECORD_SCHEMA, number, created_ms: now_ms(), synthetic }
    }

    pub(crate) fn arrival_of(&self, run: &NewRun) -> Arrival {
        run.arrival.unwrap_or_else(|| self.arrive(run.synthetic))
    }

    /// Puts one run at the end of the queue.
    ///
    /// # Errors
    /// `Conflict` when the id is taken or another pre-training that has not ended has the name of this one,
    /// `NotFound` when its experiment is not stored.
    pub async fn enqueue_run(&self, run: &NewRun) -> Result<()> {
        let mut tx = self.begin().await?;
        if let Some(experiment) = &run.request.experiment {
            known_experiment(&mut tx, experiment).await?;
        }
        refuse_double(&mut tx, &run.request.id, run.request.pretraining.as_ref()).await?;
        insert(&mut tx, run, self.arrival_of(run)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Queues those of an experiment's runs that are still missing: of which it has none that waits, is under way or
    /// has a result. Says which ones were queued; they are all stored, or none.
    ///
    /// # Errors
    /// `Conflict` when an id is taken, `NotFound` when there is no such experiment.
    pub async fn enqueue_missing(&self, experiment: &ExperimentId, runs: &[NewRun]) -> Result<Vec<RunId>> {
        let mut tx = self.begin().await?;
        known_experiment(&mut tx, experiment).await?;
        let there: Vec<String> = sqlx::query_scalar(
            "select request from runs where experiment_id = ? and state not in ('failed', 'stopped')",
        )
        .bind(experiment.as_str())
        .fetch_all(&mut *tx)
        .await?;
        let mut taken = there
            .iter()
            .map(|text| Ok(cell(&from_json::<RunRequest>("run request", text)?)))
            .collect::<Result<HashSet<_>>>()?;
        let mut stored = Vec::new();
        for run in runs {
            if taken.insert(cell(&run.request)) {
                insert(&mut tx, run, self.arrival_of(run)).await?;
                stored.push(run.request.id.clone());
            }
        }
        tx.commit().await?;
        Ok(stored)
    }

    /// Everything about one run.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn run(&self, id: &RunId) -> Result<RunDetail> {
        let mut tx = self.read().begin().await?;
        let row = row(&mut tx, id).await?;
        let mut runs = views(&mut tx, std::slice::from_ref(&row)).await?;
        self.hide_paths(&mut runs);
        let run = runs.pop().ok_or_else(|| StoreError::not_found("run", id))?;
        let request = row.request()?;
        Ok(RunDetail {
            metric_names: run.metrics.keys().cloned().collect(),
            run,
            parameters: row.parameters.map(unsigned),
            total_epochs: row.total_epochs,
            total_steps: row.total_steps.map(unsigned),
            load_report: row.load_report()?,
            left_out: row.left_out()?,
            previews: crate::previews::of_run(&mut tx, id).await?,
            code_version: request.code_version,
            dataset_hash: request.dataset_hash,
            checkpoint_hash: request.checkpoint_hash,
            seconds: row.seconds,
            peak_memory_bytes: row.peak_memory_bytes.map(unsigned),
            checkpoint_step: row.checkpoint_step.map(unsigned),
            last_seq: unsigned(row.last_seq),
        })
    }

    /// One page of runs, newest first. Pages by position, so that a run that arrives meanwhile
    /// neither repeats nor hides another.
    ///
    /// # Errors
    /// `Invalid` when the cursor is none that this function gave.
    pub async fn runs(&self, filter: &RunFilter) -> Result<RunList> {
        let limit = filter.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let before = match filter.cursor.as_deref().filter(|c| !c.is_empty()) {
            None => i64::MAX,
            Some(text) => text.parse::<i64>().map_err(|_| StoreError::Invalid {
                field: "cursor",
                message: format!("{text:?} is not a cursor: use next_cursor of the page before"),
            })?,
        };
        let mut tx = self.read().begin().await?;
        let mut rows: Vec<RunRow> = sqlx::query_as(select_runs!(
            "where r.number < ?1
                and (?2 is null or r.state = ?2)
                and (?3 is null or r.task = ?3 or r.task like ?3 || ':%')
                and (?4 is null or r.dataset = ?4)
                and (?5 is null or r.experiment_id = ?5)
                and (?6 is null or r.backbone = ?6)
            order by r.number desc
            limit ?7"
        ))
        .bind(before)
        .bind(filter.state.map(RunState::as_str))
        .bind(filter.task.map(String::from))
        .bind(filter.dataset.as_deref())
        .bind(filter.experiment.as_ref().map(ExperimentId::as_str))
        .bind(filter.backbone.as_deref())
        // One more than asked for tells whether there is a next page.
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *tx)
        .await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = if more { rows.last().map(|r| r.number.to_string()) } else { None };
        let mut runs = views(&mut tx, &rows).await?;
        self.hide_paths(&mut runs);
        Ok(RunList { runs, next_cursor })
    }

    /// The named runs in the order of `ids`; unknown ones are left out.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn runs_by_id(&self, ids: &[RunId]) -> Result<Vec<RunView>> {
        let mut tx = self.read().begin().await?;
        let mut runs = by_id(&mut tx, ids).await?;
        self.hide_paths(&mut runs);
        Ok(runs)
    }

    /// The state of a run alone.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn run_state(&self, id: &RunId) -> Result<RunState> {
        let mut conn = self.read().acquire().await?;
        crate::state::state(&mut conn, id).await
    }

    /// What a stored run was asked to do.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn request(&self, id: &RunId) -> Result<RunRequest> {
        let text: Option<String> = sqlx::query_scalar("select request from runs where id = ?")
            .bind(id.as_str())
            .fetch_optional(self.read())
            .await?;
        from_json("run request", &text.ok_or_else(|| StoreError::not_found("run", id))?)
    }

    /// A stored run as a template for another: the caller gives it a new id and a directory, and
    /// hands it to [`Store::enqueue_run`].
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn repeat(&self, id: &RunId) -> Result<NewRun> {
        let found: Option<(String, bool)> =
            sqlx::query_as("select request, synthetic from runs where id = ?")
                .bind(id.as_str())
                .fetch_optional(self.read())
                .await?;
        let (request, synthetic) = found.ok_or_else(|| StoreError::not_found("run", id))?;
        Ok(NewRun { request: from_json("run request", &request)?, synthetic, arrival: None })
    }

    /// The downstream tasks that there are runs of, sorted.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn tasks(&self) -> Result<Vec<Task>> {
        let found: Vec<String> =
            sqlx::query_scalar("select distinct task from runs where task <> 'pretraining'")
                .fetch_all(self.read())
                .await?;
        let mut tasks: Vec<Task> = found.iter().map(|task| from_name("task", task)).collect::<Result<_>>()?;
        tasks.sort_unstable();
        Ok(tasks)
    }

    /// How many runs there are of each backbone; backbones without a run are absent.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn runs_by_backbone(&self) -> Result<BTreeMap<String, u32>> {
        let rows: Vec<(String, u32)> =
            sqlx::query_as("select backbone, count(*) from runs group by backbone")
                .fetch_all(self.read())
                .await?;
        Ok(rows.into_iter().collect())
    }

    /// How many runs there are on each data set, by its name; those without a run are absent.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn runs_by_dataset(&self) -> Result<BTreeMap<String, u32>> {
        let rows: Vec<(String, u32)> = sqlx::query_as("select dataset, count(*) from runs group by dataset")
            .fetch_all(self.read())
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// How many runs are in each state; states without a run are absent.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn counts(&self) -> Result<BTreeMap<RunState, u32>> {
        let rows: Vec<(String, u32)> =
            sqlx::query_as("select state, count(*) from runs group by state").fetch_all(self.read()).await?;
        rows.into_iter().map(|(state, n)| Ok((from_name("run state", &state)?, n))).collect()
    }
}

pub(crate) async fn row(conn: &mut SqliteConnection, id: &RunId) -> Result<RunRow> {
    let found: Option<RunRow> =
        sqlx::query_as(select_runs!("where r.id = ?")).bind(id.as_str()).fetch_optional(conn).await?;
    found.ok_or_else(|| StoreError::not_found("run", id))
}

pub(crate) async fn by_id(conn: &mut SqliteConnection, ids: &[RunId]) -> Result<Vec<RunView>> {
    let rows: Vec<RunRow> = sqlx::query_as(select_runs!("where r.id in (select value from json_each(?))"))
        .bind(to_json("run ids", &ids)?)
        .fetch_all(&mut *conn)
        .await?;
    let mut found = views(conn, &rows).await?;
    found.sort_by_key(|run| ids.iter().position(|id| *id == run.id));
    Ok(found)
}

/// What tells a run from every other run of its experiment's plan.
fn cell(request: &RunRequest) -> (String, Task, Arm, u64, Adaptation, u64) {
    let RunRequest { backbone, task, arm, seed, training, .. } = request;
    (backbone.clone(), *task, *arm, *seed, training.adaptation, training.label_share.to_bits())
}

async fn known_experiment(conn: &mut SqliteConnection, id: &ExperimentId) -> Result<()> {
    let known: i64 = sqlx::query_scalar("select exists (select 1 from experiments where id = ?)")
        .bind(id.as_str())
        .fetch_one(conn)
        .await?;
    if known == 0 { Err(StoreError::not_found("experiment", id)) } else { Ok(()) }
}

/// Adds a queued run.
pub(crate) async fn insert(conn: &mut SqliteConnection, run: &NewRun, arrival: Arrival) -> Result<()> {
    let request = &run.request;
    sqlx::query(
        "insert into runs
            (number, id, experiment_id, state, state_ms, request, backbone, task, arm, seed, dataset, dataset_hash,
             epochs, synthetic, created_ms)
        values (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(arrival.number)
    .bind(request.id.as_str())
    .bind(request.experiment.as_ref().map(ExperimentId::as_str))
    .bind(arrival.created_ms)
    .bind(to_json("run request", request)?)
    .bind(&request.backbone)
    .bind(String::from(request.task))
    .bind(request.arm.as_str())
    .bind(signed(request.seed))
    .bind(&request.dataset)
    .bind(&request.dataset_hash)
    .bind(request.training.epochs)
    .bind(run.synthetic)
    .bind(arrival.created_ms)
    .execute(conn)
    .await
    .map_err(|e| StoreError::on_unique(e, || format!("there is a run {} already", request.id)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use transferscope_domain::TaskKind;

    use super::*;
    use crate::testing::{new_run, store_with_runs};

    #[tokio::test]
    async fn pages_hold_every_run_once_while_others_arrive() {
        let (store, ids) = store_with_runs(7).await;
        let mut filter = RunFilter { limit: Some(3), ..RunFilter::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.runs(&filter).await.unwrap();
            seen.extend(page.runs.into_iter().map(|r| r.id));
            // A newcomer between two pages must not shift them.
            store.enqueue_run(&new_run()).await.unwrap();
            match page.next_cursor {
                Some(cursor) => filter.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(seen, ids.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 7);
    }

    #[tokio::test]
    async fn filters_narrow_and_a_bad_cursor_is_named() {
        let (store, ids) = store_with_runs(2).await;
        let count = |filter: RunFilter| {
            let store = store.clone();
            async move { store.runs(&filter).await.unwrap().runs.len() }
        };
        assert_eq!(count(RunFilter { state: Some(RunState::Queued), ..RunFilter::default() }).await, 2);
        assert_eq!(count(RunFilter { state: Some(RunState::Failed), ..RunFilter::default() }).await, 0);
        let task = Some(TaskKind::SuperResolution.into());
        assert_eq!(count(RunFilter { task, ..RunFilter::default() }).await, 0);
        assert_eq!(count(RunFilter { dataset: Some("phantom".into()), ..RunFilter::default() }).await, 2);
        assert_eq!(count(RunFilter { backbone: Some("no-such".into()), ..RunFilter::default() }).await, 0);
        assert_eq!(store.runs_by_backbone().await.unwrap().values().sum::<u32>(), 2);
        assert_eq!(store.runs_by_dataset().await.unwrap().values().copied().collect::<Vec<_>>(), [2]);
        let bad = store.runs(&RunFilter { cursor: Some("x".into()), ..RunFilter::default() }).await;
        assert!(matches!(bad, Err(StoreError::Invalid { field: "cursor", .. })));
        let detail = store.run(&ids[1]).await.unwrap();
        assert_eq!(detail.run.queue_position, Some(2));
        assert_eq!(detail.run.device, "cpu");
        assert_eq!(detail.last_seq, 0);
        assert_eq!(store.counts().await.unwrap()[&RunState::Queued], 2);
    }

    #[tokio::test]
    async fn a_kind_finds_all_its_targets_and_a_target_itself_alone() {
        let (store, _) = store_with_runs(1).await;
        let mut run = new_run();
        run.request.task = "segmentation:lesion".parse().unwrap();
        store.enqueue_run(&run).await.unwrap();
        for (task, found) in [
            ("segmentation", 2),
            ("segmentation:lesion", 1),
            ("segmentation:zones", 0),
            ("segmentation:les", 0),
            ("classification", 0),
        ] {
            let filter = RunFilter { task: Some(task.parse().unwrap()), ..RunFilter::default() };
            let runs = store.runs(&filter).await.unwrap().runs;
            assert_eq!(runs.len(), found, "{task}");
            assert!(found != 1 || runs[0].task == run.request.task);
        }
        let tasks = store.tasks().await.unwrap();
        assert_eq!(tasks, [TaskKind::Segmentation.into(), run.request.task]);
    }

    #[tokio::test]
    async fn an_unknown_run_and_a_double_are_told_apart() {
        let (store, ids) = store_with_runs(1).await;
        assert!(matches!(store.run(&"nope-nope".parse().unwrap()).await, Err(StoreError::NotFound { .. })));
        let again = store.repeat(&ids[0]).await.unwrap();
        assert!(matches!(store.enqueue_run(&again).await, Err(StoreError::Conflict(_))));
        let mut orphan = new_run();
        orphan.request.experiment = Some("no-such-thing".parse().unwrap());
        assert!(matches!(store.enqueue_run(&orphan).await, Err(StoreError::NotFound { .. })));
    }
}
