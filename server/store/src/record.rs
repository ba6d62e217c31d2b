//! From a run's event log to rows: every line counts exactly once, whatever is killed when.
//!
//! The position in the log is stored in the transaction that stores what the lines said. A batch
//! that was committed is never applied again (its numbers are not above `last_seq`), one that was
//! not leaves no trace. When a worker goes on from a checkpoint, what was said about later steps
//! is void and is deleted where its `started` line is recorded.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use transferscope_domain::{
    RunId, RunState,
    alignment::AlignmentValue,
    dataset::LeftOut,
    event::{CheckpointKind, EventBody, Phase, RunEvent},
    metric::{MetricKind, Split},
    report::{LoadReport, RunReport},
};

use crate::{
    Result, Store, StoreError,
    error::to_json,
    rows::phase_name,
    rows::{signed, unsigned},
    state::{change, state},
};

/// Lines of a log that follow the recorded position.
#[derive(Debug, Clone, Copy)]
pub struct RecordBatch<'a> {
    pub events: &'a [RunEvent],
    /// Bytes of the log up to the end of the last of these lines.
    pub new_offset: u64,
    /// With the `finished` line: scores by case, and test values that the log does not say. A succeeded run always has
    /// its cases.
    pub report: Option<&'a RunReport>,
}

impl<'a> RecordBatch<'a> {
    /// Lines without an end that has a report.
    pub fn of(events: &'a [RunEvent], new_offset: u64) -> Self {
        Self { events, new_offset, report: None }
    }

    /// A report alone, of a run whose lines are recorded.
    pub fn report(report: &'a RunReport) -> Self {
        Self { events: &[], new_offset: 0, report: Some(report) }
    }
}

/// How much of a run's log is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordPosition {
    /// Bytes from the start of `events.jsonl`.
    pub offset: u64,
    pub last_seq: u64,
}

/// What recording a batch led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Events that were new.
    pub events: u64,
    pub state: RunState,
    /// Whether the state is another than before.
    pub state_changed: bool,
    pub last_seq: u64,
}

impl Store {
    /// Where reading a run's log goes on.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn record_position(&self, id: &RunId) -> Result<RecordPosition> {
        let found: Option<(i64, i64)> =
            sqlx::query_as("select events_offset, last_seq from runs where id = ?")
                .bind(id.as_str())
                .fetch_optional(self.read())
                .await?;
        let (offset, last_seq) = found.ok_or_else(|| StoreError::not_found("run", id))?;
        Ok(RecordPosition { offset: unsigned(offset), last_seq: unsigned(last_seq) })
    }

    /// Applies lines of a run's log in one transaction. Events at or below the recorded number
    /// are skipped, so that a batch may be handed in again. A run that has ended keeps its state.
    ///
    /// # Errors
    /// `NotFound`, or `Database`: then nothing of the batch is stored.
    pub async fn record(&self, id: &RunId, batch: RecordBatch<'_>) -> Result<Recorded> {
        let mut tx = self.begin().await?;
        let before = state(&mut tx, id).await?;
        let (last_seq, attempts, total_steps, total_epochs): (i64, u32, Option<i64>, Option<u32>) =
            sqlx::query_as("select last_seq, attempts, total_steps, total_epochs from runs where id = ?")
                .bind(id.as_str())
                .fetch_one(&mut *tx)
                .await?;
        let mut recording = Recording {
            tx: &mut tx,
            id,
            state: before,
            attempts,
            total_steps: total_steps.map_or(0, unsigned),
            total_epochs: total_epochs.unwrap_or(0),
            latest: BTreeMap::new(),
            truncated: false,
            furthest: 0,
            heartbeat_ms: None,
        };
        let mut last_seq = unsigned(last_seq);
        let mut events = 0;
        for event in batch.events {
            if event.seq <= last_seq {
                continue;
            }
            recording.apply(event).await?;
            last_seq = event.seq;
            events += 1;
        }
        let state = recording.finish().await?;
        if let Some(report) = batch.report {
            store_report(&mut tx, id, report).await?;
        }
        // A batch that is handed in again must not move the position back.
        sqlx::query("update runs set events_offset = max(events_offset, ?), last_seq = ? where id = ?")
            .bind(signed(batch.new_offset))
            .bind(signed(last_seq))
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Recorded { events, state, state_changed: state != before, last_seq })
    }
}

/// Stores a finished run's scores by case, and those test values that its log did not say, beside what the log said.
/// Storing a report again changes nothing.
async fn store_report(conn: &mut SqliteConnection, id: &RunId, report: &RunReport) -> Result<()> {
    let (steps, epochs, t_ms): (Option<i64>, Option<u32>, Option<i64>) =
        sqlx::query_as("select total_steps, total_epochs, heartbeat_ms from runs where id = ?")
            .bind(id.as_str())
            .fetch_one(&mut *conn)
            .await?;
    let (step, epoch) = (steps.unwrap_or(0), f64::from(epochs.unwrap_or(report.request.training.epochs)));
    sqlx::query("delete from case_scores where run_id = ?").bind(id.as_str()).execute(&mut *conn).await?;
    for case in &report.cases {
        sqlx::query(
            "insert into case_scores (run_id, split, case_id, patient_id, scores)
            values (?, ?, ?, ?, ?)
            on conflict (run_id, split, case_id) do update set scores = excluded.scores",
        )
        .bind(id.as_str())
        .bind(&case.split)
        .bind(&case.case_id)
        .bind(&case.patient_id)
        .bind(to_json("case scores", &case.scores)?)
        .execute(&mut *conn)
        .await?;
    }
    let test = |name: &str| name.split_once('/').is_some_and(|(split, _)| split == Split::Test.as_str());
    for (name, value) in report.metrics.iter().filter(|(name, value)| test(name) && value.is_finite()) {
        // What the log said about this metric stands; only its last value must be the report's.
        sqlx::query(
            "insert into metric_points (run_id, name, step, epoch, t_ms, value)
            select ?1, ?2, ?3, ?4, ?5, ?6
            where not exists (select 1 from metric_points where run_id = ?1 and name = ?2)",
        )
        .bind(id.as_str())
        .bind(name)
        .bind(step)
        .bind(epoch)
        .bind(t_ms.unwrap_or(0))
        .bind(value)
        .execute(&mut *conn)
        .await?;
        write_latest(conn, id, name, &Latest { step: unsigned(step), epoch, value: *value }).await?;
    }
    Ok(())
}

/// The last point of a curve.
struct Latest {
    step: u64,
    epoch: f64,
    value: f64,
}

/// One batch on its way into the database.
struct Recording<'a> {
    tx: &'a mut SqliteConnection,
    id: &'a RunId,
    state: RunState,
    attempts: u32,
    total_steps: u64,
    total_epochs: u32,
    /// Last points of this batch by name.
    latest: BTreeMap<String, Latest>,
    /// Whether points were deleted, so that the last points must be found again.
    truncated: bool,
    /// The largest step of this batch.
    furthest: u64,
    heartbeat_ms: Option<i64>,
}

impl Recording<'_> {
    async fn apply(&mut self, event: &RunEvent) -> Result<()> {
        self.heartbeat_ms = Some(event.t);
        match &event.body {
            EventBody::Started {
                attempt,
                resumed_from_step,
                total_epochs,
                total_steps,
                device,
                left_out,
                load_report,
                parameters,
                ..
            } => {
                self.total_epochs = *total_epochs;
                self.total_steps = *total_steps;
                self.started(event.t, *attempt, device, left_out, load_report.as_ref(), *parameters).await?;
                self.truncate(*resumed_from_step).await?;
            }
            EventBody::Step { step, epoch, loss, lr, grad_norm, ms } => {
                let values = [
                    (MetricKind::Loss, *loss),
                    (MetricKind::Lr, *lr),
                    (MetricKind::GradNorm, *grad_norm),
                    (MetricKind::StepMs, *ms),
                ];
                self.furthest = self.furthest.max(*step);
                for (kind, value) in values {
                    self.point(&kind.name(Split::Train), *step, *epoch, event.t, value).await?;
                }
            }
            EventBody::Metric { name, step, epoch, value } => {
                self.point(name, *step, *epoch, event.t, *value).await?;
            }
            EventBody::Alignment(value) => self.alignment(value).await?,
            EventBody::Preview { step, epoch, case_id, file, caption } => {
                self.preview(file, *step, *epoch, case_id, caption).await?;
            }
            EventBody::Heartbeat { progress, phase, eta_s, .. } => {
                self.heartbeat(*progress, *phase, *eta_s).await?;
            }
            EventBody::Finished { seconds, peak_memory_bytes, .. } => {
                self.succeeded(event.t, *seconds, *peak_memory_bytes).await?;
            }
            EventBody::Failed { failure } => {
                self.end(RunState::Failed, Some(failure), event.t).await?;
            }
            EventBody::Cancelled { .. } => {
                self.end(RunState::Stopped, None, event.t).await?;
            }
            EventBody::Checkpoint { step, which: CheckpointKind::Last, .. } => self.checkpoint(*step).await?,
            // In the log and in its stream; no page asks for them by the thousand.
            EventBody::Epoch { .. } | EventBody::Checkpoint { .. } | EventBody::Log { .. } => {}
        }
        Ok(())
    }

    async fn started(
        &mut self,
        t_ms: i64,
        attempt: u32,
        device: &str,
        left_out: &[LeftOut],
        load_report: Option<&LoadReport>,
        parameters: u64,
    ) -> Result<()> {
        sqlx::query(
            "update runs
            set device = ?2, total_epochs = ?3, total_steps = ?4, parameters = ?5, left_out = ?6,
                load_report = ?7, started_ms = coalesce(started_ms, ?8), attempts = max(attempts, ?9)
            where id = ?1",
        )
        .bind(self.id.as_str())
        .bind(device)
        .bind(self.total_epochs)
        .bind(signed(self.total_steps))
        .bind(signed(parameters))
        .bind(to_json("list of left-out cases", &left_out)?)
        .bind(load_report.map(|r| to_json("load report", r)).transpose()?)
        .bind(t_ms)
        .bind(attempt)
        .execute(&mut *self.tx)
        .await?;
        // A line of an earlier attempt says nothing about the present worker. A worker that was
        // started by hand begins from `queued` or `lost`.
        let waiting = matches!(self.state, RunState::Queued | RunState::Preparing | RunState::Lost);
        if waiting && attempt >= self.attempts {
            change(self.tx, self.id.as_str(), RunState::Running, None, t_ms).await?;
            self.state = RunState::Running;
        }
        self.attempts = self.attempts.max(attempt);
        Ok(())
    }

    async fn preview(
        &mut self,
        file: &str,
        step: u64,
        epoch: f64,
        case_id: &str,
        caption: &str,
    ) -> Result<()> {
        sqlx::query(
            "insert into previews (run_id, file, step, epoch, case_id, caption)
            values (?, ?, ?, ?, ?, ?)
            on conflict (run_id, file) do update
            set step = excluded.step, epoch = excluded.epoch, case_id = excluded.case_id,
                caption = excluded.caption",
        )
        .bind(self.id.as_str())
        .bind(file)
        .bind(signed(step))
        .bind(epoch)
        .bind(case_id)
        .bind(caption)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// How far the worker is; of a run that has ended this says nothing new.
    async fn heartbeat(&mut self, progress: f64, phase: Phase, eta_s: Option<f64>) -> Result<()> {
        if !self.state.is_final() {
            sqlx::query("update runs set progress = ?, phase = ?, eta_s = ? where id = ?")
                .bind(progress.clamp(0.0, 1.0))
                .bind(phase_name(phase)?)
                .bind(eta_s)
                .bind(self.id.as_str())
                .execute(&mut *self.tx)
                .await?;
        }
        Ok(())
    }

    async fn succeeded(&mut self, t_ms: i64, seconds: f64, peak_memory_bytes: u64) -> Result<()> {
        if self.end(RunState::Succeeded, None, t_ms).await? {
            sqlx::query(
                "update runs
                set seconds = ?, peak_memory_bytes = ?, progress = 1, failure = null
                where id = ?",
            )
            .bind(seconds)
            .bind(signed(peak_memory_bytes))
            .bind(self.id.as_str())
            .execute(&mut *self.tx)
            .await?;
        }
        Ok(())
    }

    /// Notes a checkpoint to go on from. A new one is progress, and forgives the attempts that made none.
    async fn checkpoint(&mut self, step: u64) -> Result<()> {
        sqlx::query(
            "update runs
            set misses = case when ?2 > coalesce(checkpoint_step, -1) then 0 else misses end, checkpoint_step = ?2
            where id = ?1",
        )
        .bind(self.id.as_str())
        .bind(signed(step))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Takes back everything that was said about steps after `step`.
    async fn truncate(&mut self, step: u64) -> Result<()> {
        for sql in [
            "delete from metric_points where run_id = ? and step > ?",
            "delete from previews where run_id = ? and step > ?",
        ] {
            sqlx::query(sql).bind(self.id.as_str()).bind(signed(step)).execute(&mut *self.tx).await?;
        }
        // Alignment values know their epoch only.
        let epoch = step as f64 * f64::from(self.total_epochs) / (self.total_steps.max(1)) as f64;
        sqlx::query("delete from alignment_values where run_id = ? and epoch > ? + 1e-6")
            .bind(self.id.as_str())
            .bind(epoch)
            .execute(&mut *self.tx)
            .await?;
        self.latest.clear();
        self.truncated = true;
        Ok(())
    }

    async fn point(&mut self, name: &str, step: u64, epoch: f64, t_ms: i64, value: f64) -> Result<()> {
        // A value that is no number has no place in a curve; JSON cannot carry it either.
        if !value.is_finite() || !epoch.is_finite() {
            return Ok(());
        }
        sqlx::query(
            "insert into metric_points (run_id, name, step, epoch, t_ms, value)
            values (?, ?, ?, ?, ?, ?)
            on conflict (run_id, name, step) do update
            set epoch = excluded.epoch, t_ms = excluded.t_ms, value = excluded.value",
        )
        .bind(self.id.as_str())
        .bind(name)
        .bind(signed(step))
        .bind(epoch)
        .bind(t_ms)
        .bind(value)
        .execute(&mut *self.tx)
        .await?;
        match self.latest.get_mut(name) {
            Some(latest) if latest.step > step => {}
            Some(latest) => *latest = Latest { step, epoch, value },
            None => drop(self.latest.insert(name.to_owned(), Latest { step, epoch, value })),
        }
        Ok(())
    }

    async fn alignment(&mut self, v: &AlignmentValue) -> Result<()> {
        if !v.value.is_finite() || !v.bandwidth.is_finite() {
            return Ok(());
        }
        sqlx::query(
            "insert into alignment_values (run_id, metric, layer, epoch, depth, value, p, bandwidth, n)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (run_id, metric, layer, epoch) do update
            set depth = excluded.depth, value = excluded.value, p = excluded.p,
                bandwidth = excluded.bandwidth, n = excluded.n",
        )
        .bind(self.id.as_str())
        .bind(&v.metric)
        .bind(&v.layer)
        .bind(v.epoch)
        .bind(v.depth)
        .bind(v.value)
        .bind(v.p)
        .bind(v.bandwidth)
        .bind(v.n)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Ends the run. The log is the truth: it also ends a run that was thought lost or was given up. Only what a
    /// person has stopped stays so, and a success stays one.
    async fn end(
        &mut self,
        next: RunState,
        failure: Option<&transferscope_domain::Failure>,
        t_ms: i64,
    ) -> Result<bool> {
        if matches!(self.state, RunState::Stopped | RunState::Succeeded) {
            return Ok(false);
        }
        change(self.tx, self.id.as_str(), next, failure, t_ms).await?;
        self.state = next;
        Ok(true)
    }

    /// Writes what the whole batch comes to.
    async fn finish(self) -> Result<RunState> {
        if let Some(t_ms) = self.heartbeat_ms {
            sqlx::query("update runs set heartbeat_ms = max(coalesce(heartbeat_ms, 0), ?) where id = ?")
                .bind(t_ms)
                .bind(self.id.as_str())
                .execute(&mut *self.tx)
                .await?;
        }
        // A step that no attempt came to is progress too.
        sqlx::query("update runs set misses = 0, step_max = ?2 where id = ?1 and step_max < ?2")
            .bind(self.id.as_str())
            .bind(signed(self.furthest))
            .execute(&mut *self.tx)
            .await?;
        if self.truncated {
            sqlx::query("delete from metric_latest where run_id = ?")
                .bind(self.id.as_str())
                .execute(&mut *self.tx)
                .await?;
            // With max() SQLite takes the other columns from the row that has the maximum.
            sqlx::query(
                "insert into metric_latest (run_id, name, step, epoch, value)
                select run_id, name, max(step), epoch, value
                from metric_points
                where run_id = ?
                group by name",
            )
            .bind(self.id.as_str())
            .execute(&mut *self.tx)
            .await?;
        } else {
            for (name, latest) in &self.latest {
                write_latest(self.tx, self.id, name, latest).await?;
            }
        }
        Ok(self.state)
    }
}

async fn write_latest(conn: &mut SqliteConnection, id: &RunId, name: &str, latest: &Latest) -> Result<()> {
    sqlx::query(
        "insert into metric_latest (run_id, name, step, epoch, value)
        values (?, ?, ?, ?, ?)
        on conflict (run_id, name) do update
        set step = excluded.step, epoch = excluded.epoch, value = excluded.value
        where excluded.step >= step",
    )
    .bind(id.as_str())
    .bind(name)
    .bind(signed(latest.step))
    .bind(latest.epoch)
    .bind(latest.value)
    .execute(conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
