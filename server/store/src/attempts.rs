//! What becomes of a run whose worker could not be started, has gone, or was wrongly thought gone; and what of
//! that counts. An attempt counts as one without progress from when it is claimed; progress, which the recorder
//! sees in the log, takes all of them back.

use sqlx::SqliteConnection;
use transferscope_domain::{Failure, RunId, RunState, pretraining::Pretraining};

use crate::{
    Result, Store, StoreError,
    error::{from_json, from_name},
    rows::unsigned,
    state::{change, state},
};

/// How far a run has come, over all its attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Attempts in a row without progress, the one that is under way included until it has made some.
    pub misses: u32,
    /// Steps at the last checkpoint.
    pub checkpoint_step: Option<u64>,
    /// Bytes of its log that are recorded.
    pub offset: u64,
}

/// Takes back that a claimed run was an attempt.
const UNCOUNT: &str = "update runs
    set attempts = max(attempts - 1, 0), misses = max(misses - 1, 0)
    where id = ?";

impl Store {
    /// How far a run has come.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn reached(&self, id: &RunId) -> Result<Reached> {
        let found: Option<(u32, Option<i64>, i64)> =
            sqlx::query_as("select misses, checkpoint_step, events_offset from runs where id = ?")
                .bind(id.as_str())
                .fetch_optional(self.read())
                .await?;
        let (misses, step, offset) = found.ok_or_else(|| StoreError::not_found("run", id))?;
        Ok(Reached { misses, checkpoint_step: step.map(unsigned), offset: unsigned(offset) })
    }

    /// Puts a claimed run for which no worker could be started back to its place in the queue, as if nobody had
    /// taken it, and says whether it was claimed. One that was asked to stop meanwhile stays as it is.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn unclaim(&self, id: &RunId, now_ms: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let claimed = state(&mut tx, id).await? == RunState::Preparing;
        if claimed {
            change(&mut tx, id.as_str(), RunState::Queued, None, now_ms).await?;
            sqlx::query(UNCOUNT).bind(id.as_str()).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        Ok(claimed)
    }

    /// Says that a run's worker is gone and another shall go on; `counted` says whether the attempt counts where
    /// it made no progress. False where the run has become something else meanwhile.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn lose(&self, id: &RunId, failure: &Failure, counted: bool, now_ms: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let lost = state(&mut tx, id).await?.may_become(RunState::Lost);
        if lost {
            change(&mut tx, id.as_str(), RunState::Lost, Some(failure), now_ms).await?;
            if !counted {
                sqlx::query("update runs set misses = max(misses - 1, 0) where id = ?")
                    .bind(id.as_str())
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
        }
        Ok(lost)
    }

    /// Takes up a run whose worker lives, although it was thought lost or another one was about to be started
    /// (`claimed`: that one is no attempt).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn reattach(&self, id: &RunId, claimed: bool, now_ms: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        let now = state(&mut tx, id).await?;
        if matches!(now, RunState::Lost | RunState::Preparing) {
            let started: Option<i64> = sqlx::query_scalar("select started_ms from runs where id = ?")
                .bind(id.as_str())
                .fetch_one(&mut *tx)
                .await?;
            let next = if started.is_some() { RunState::Running } else { RunState::Preparing };
            change(&mut tx, id.as_str(), next, None, now_ms).await?;
            sqlx::query("update runs set failure = null where id = ?")
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        if claimed {
            sqlx::query(UNCOUNT).bind(id.as_str()).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Whether [`Store::resume`] would be refused now.
    ///
    /// # Errors
    /// As [`Store::resume`].
    pub async fn may_resume(&self, id: &RunId) -> Result<()> {
        can_go_on(&mut *self.read().acquire().await?, id).await
    }

    /// Queues a run that failed or was stopped again, to go on from its checkpoint; all its attempts are forgiven.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is in another state, or is a pre-training whose name another one has taken.
    pub async fn resume(&self, id: &RunId, now_ms: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        can_go_on(&mut tx, id).await?;
        change(&mut tx, id.as_str(), RunState::Queued, None, now_ms).await?;
        sqlx::query(
            "update runs set misses = 0, failure = null, finished_ms = null, place = null where id = ?",
        )
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Failed runs with the bytes of their logs that are recorded: a longer log knows more than who gave them up.
    ///
    /// # Errors
    /// `Database` or `Corrupt`.
    pub async fn failed_runs(&self) -> Result<Vec<(RunId, u64)>> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("select id, events_offset from runs where state = 'failed' order by number")
                .fetch_all(self.read())
                .await?;
        rows.into_iter().map(|(id, offset)| Ok((from_name("run id", &id)?, unsigned(offset)))).collect()
    }

    /// Forgets how much of a run's log is recorded, since it is another log now. Its first `started` line takes
    /// back what was recorded of the old one.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn rewind(&self, id: &RunId) -> Result<()> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("update runs set events_offset = 0, last_seq = 0 where id = ?")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found("run", id));
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Refuses to let a run go on that has not ended, or whose pre-training's name another one has taken.
async fn can_go_on(conn: &mut SqliteConnection, id: &RunId) -> Result<()> {
    let now = state(conn, id).await?;
    if !matches!(now, RunState::Failed | RunState::Stopped) {
        return Err(StoreError::Conflict(format!(
            "run {id} is {now}; only a run that failed or was stopped can be continued"
        )));
    }
    let request: String = sqlx::query_scalar("select request from runs where id = ?")
        .bind(id.as_str())
        .fetch_one(&mut *conn)
        .await?;
    let request = from_json::<transferscope_domain::RunRequest>("run request", &request)?;
    refuse_double(conn, id, request.pretraining.as_ref()).await
}

/// Refuses a pre-training while another one that has not ended makes a backbone of the same name.
pub(crate) async fn refuse_double(
    conn: &mut SqliteConnection,
    id: &RunId,
    pretraining: Option<&Pretraining>,
) -> Result<()> {
    let Some(pretraining) = pretraining.filter(|p| p.publish.is_some()) else { return Ok(()) };
    let other: Option<String> = sqlx::query_scalar(
        "select id from runs
        where request ->> '$.pretraining.name' = ? and id <> ?
            and state in ('queued', 'preparing', 'running', 'stopping', 'lost')
        limit 1",
    )
    .bind(&pretraining.name)
    .bind(id.as_str())
    .fetch_optional(conn)
    .await?;
    match other {
        None => Ok(()),
        Some(other) => Err(StoreError::Conflict(format!(
            "run {other} is already training a backbone named {:?}: wait for it, or choose another name",
            pretraining.name
        ))),
    }
}

#[cfg(test)]
mod tests;
