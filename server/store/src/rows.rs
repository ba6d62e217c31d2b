//! Rows of `runs` and what they become.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;
use transferscope_domain::{
    ExperimentId, Failure, RunId, RunRequest, RunState, Task,
    api::{Primary, RunView},
    dataset::LeftOut,
    event::Phase,
    report::LoadReport,
};

use crate::{
    Result,
    error::{from_json, from_name, to_json},
};

/// A `select` of all columns of [`RunRow`] from `runs r`, followed by the given rest.
macro_rules! select_runs {
    ($rest:literal) => {
        concat!(
            "select r.number, r.id, r.experiment_id, r.state, r.request, r.synthetic, r.device, r.phase,
                r.progress, r.eta_s, r.failure, r.attempts, r.created_ms, r.started_ms, r.finished_ms,
                r.heartbeat_ms, r.parameters, r.total_epochs, r.total_steps, r.load_report, r.left_out,
                r.seconds, r.peak_memory_bytes, r.checkpoint_step, r.last_seq
            from runs r ",
            $rest
        )
    };
}
pub(crate) use select_runs;

/// A row of `runs`, without what only the recorder needs.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct RunRow {
    pub number: i64,
    pub id: String,
    pub experiment_id: Option<String>,
    pub state: String,
    pub request: String,
    pub synthetic: bool,
    pub device: Option<String>,
    pub phase: Option<String>,
    pub progress: f64,
    pub eta_s: Option<f64>,
    pub failure: Option<String>,
    pub attempts: u32,
    pub created_ms: i64,
    pub started_ms: Option<i64>,
    pub finished_ms: Option<i64>,
    pub heartbeat_ms: Option<i64>,
    pub parameters: Option<i64>,
    pub total_epochs: Option<u32>,
    pub total_steps: Option<i64>,
    pub load_report: Option<String>,
    pub left_out: String,
    pub seconds: Option<f64>,
    pub peak_memory_bytes: Option<i64>,
    pub checkpoint_step: Option<i64>,
    pub last_seq: i64,
}

impl RunRow {
    pub(crate) fn request(&self) -> Result<RunRequest> {
        from_json("run request", &self.request)
    }

    pub(crate) fn load_report(&self) -> Result<Option<LoadReport>> {
        self.load_report.as_deref().map(|text| from_json("load report", text)).transpose()
    }

    pub(crate) fn left_out(&self) -> Result<Vec<LeftOut>> {
        from_json("list of left-out cases", &self.left_out)
    }

    /// The run with the latest value of each of its metrics, and its position in the queue if it waits there.
    fn view(&self, metrics: BTreeMap<String, f64>, queue_position: Option<u32>) -> Result<RunView> {
        let request = self.request()?;
        let state: RunState = from_name("run state", &self.state)?;
        let primary = (state == RunState::Succeeded).then(|| primary(request.task, &metrics)).flatten();
        Ok(RunView {
            id: from_name::<RunId>("run id", &self.id)?,
            state,
            experiment: self
                .experiment_id
                .as_deref()
                .map(|id| from_name::<ExperimentId>("experiment id", id))
                .transpose()?,
            progress: self.progress,
            eta_s: self.eta_s,
            phase: self.phase.as_deref().map(phase_from_name).transpose()?,
            device: self.device.clone().unwrap_or_else(|| request.device.to_string()),
            metrics,
            primary,
            failure: self.failure.as_deref().map(|f| from_json::<Failure>("failure", f)).transpose()?,
            synthetic: self.synthetic,
            created_ms: self.created_ms,
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
            heartbeat_ms: self.heartbeat_ms,
            attempts: self.attempts,
            queue_position,
            backbone: request.backbone,
            task: request.task,
            arm: request.arm,
            seed: request.seed,
            dataset: request.dataset,
            training: request.training,
            pretraining: request.pretraining,
        })
    }
}

/// The value that ranks a run.
fn primary(task: Task, metrics: &BTreeMap<String, f64>) -> Option<Primary> {
    let metric = task.primary_metric();
    let name = metric.name(task.result_split());
    let value = *metrics.get(&name)?;
    Some(Primary { name, value, direction: metric.direction() })
}

/// A phase's name as stored: the same as in JSON.
pub(crate) fn phase_name(phase: Phase) -> Result<String> {
    Ok(to_json("phase", &phase)?.trim_matches('"').to_owned())
}

fn phase_from_name(text: &str) -> Result<Phase> {
    from_json("phase", &format!("\"{text}\""))
}

/// The latest metric values of many runs by one question.
pub(crate) async fn latest_metrics(
    conn: &mut SqliteConnection,
    ids: &[&str],
) -> Result<HashMap<String, BTreeMap<String, f64>>> {
    let rows: Vec<(String, String, f64)> = sqlx::query_as(
        "select run_id, name, value
        from metric_latest
        where run_id in (select value from json_each(?))",
    )
    .bind(to_json("run ids", &ids)?)
    .fetch_all(conn)
    .await?;
    let mut by_run: HashMap<String, BTreeMap<String, f64>> = HashMap::new();
    for (run, name, value) in rows {
        by_run.entry(run).or_default().insert(name, value);
    }
    Ok(by_run)
}

/// The views of rows, in their order.
pub(crate) async fn views(conn: &mut SqliteConnection, rows: &[RunRow]) -> Result<Vec<RunView>> {
    let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
    let mut metrics = latest_metrics(conn, &ids).await?;
    let positions = queue_positions(conn, rows).await?;
    rows.iter()
        .map(|row| row.view(metrics.remove(&row.id).unwrap_or_default(), positions.get(&row.number).copied()))
        .collect()
}

/// Where those of some runs that wait stand in the queue, 1 for the next; by number. Counted once for all of them,
/// from an index that holds nothing but the queue.
async fn queue_positions(conn: &mut SqliteConnection, rows: &[RunRow]) -> Result<HashMap<i64, u32>> {
    let waiting: Vec<i64> =
        rows.iter().filter(|r| r.state == RunState::Queued.as_str()).map(|r| r.number).collect();
    if waiting.is_empty() {
        return Ok(HashMap::new());
    }
    let positions: Vec<(i64, u32)> = sqlx::query_as(
        "select number, position
        from (
            select number, row_number() over (order by coalesce(place, number), number) as position
            from runs
            where state = 'queued'
        )
        where number in (select value from json_each(?))",
    )
    .bind(to_json("run numbers", &waiting)?)
    .fetch_all(conn)
    .await?;
    Ok(positions.into_iter().collect())
}

/// A number that is stored signed and never below zero.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number for a column; what is too large for it cannot come from a run.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
