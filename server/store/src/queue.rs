//! The queue: how a run finds a worker, and what its state may become.
//!
//! A claimed run has no open transaction and no lease: its worker holds a lock in the run
//! directory, and the dispatcher, which can see that lock, tells the store what became of it.

use transferscope_domain::{Failure, FailureKind, RunId, RunRequest, RunState};

use crate::{
    Result, Store, StoreError,
    error::{from_json, from_name, to_json},
    rows::unsigned,
    state::{change, state},
};

/// A run that has, may have, or had a worker and has not ended for good.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveRun {
    pub id: RunId,
    /// `preparing`, `running`, `stopping` or `lost`.
    pub state: RunState,
    /// Workers started for it so far.
    pub attempts: u32,
    /// When it came into this state.
    pub state_ms: i64,
    pub heartbeat_ms: Option<i64>,
    /// What the executor left to find the worker by.
    pub handle: Option<String>,
    /// The last step of which a value is recorded, and its epoch.
    pub last_step: Option<(u64, f64)>,
}

impl Store {
    /// Takes the first queued run for a worker: `queued` becomes `preparing` and `attempts`
    /// counts one more, in one statement, so that no two callers get the same run. Until it has
    /// made progress the attempt is one without.
    ///
    /// # Errors
    /// `Database`, or `Corrupt` when the request cannot be read (the run is then `failed`).
    pub async fn claim_next(&self, now_ms: i64) -> Result<Option<RunRequest>> {
        self.claim_other(&[], now_ms).await
    }

    /// As [`Store::claim_next`], but leaves these runs where they are.
    ///
    /// # Errors
    /// As [`Store::claim_next`].
    pub async fn claim_other(&self, than: &[RunId], now_ms: i64) -> Result<Option<RunRequest>> {
        let than: Vec<&str> = than.iter().map(RunId::as_str).collect();
        let than = to_json("run ids", &than)?;
        let mut tx = self.begin().await?;
        let claimed: Option<(String, String)> = sqlx::query_as(
            "update runs
            set state = 'preparing', state_ms = ?1, attempts = attempts + 1, misses = misses + 1, progress = 0,
                eta_s = null, phase = null, handle = null
            where number = (
                select number from runs
                where state = 'queued' and id not in (select value from json_each(?2))
                order by coalesce(place, number), number limit 1
            )
            returning id, request",
        )
        .bind(now_ms)
        .bind(than)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((id, request)) = claimed else { return Ok(None) };
        let request = from_json::<RunRequest>("run request", &request);
        if let Err(error) = &request {
            // It would block the queue for ever.
            let failure = Failure::new(FailureKind::Internal, error.to_string())
                .with_hint("Start the run again: this one was stored by another version of the program.");
            change(&mut tx, &id, RunState::Failed, Some(&failure), now_ms).await?;
        }
        tx.commit().await?;
        request.map(Some)
    }

    /// Every run that a dispatcher must look after, oldest first.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn active_runs(&self) -> Result<Vec<ActiveRun>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            id: String,
            state: String,
            attempts: u32,
            state_ms: i64,
            heartbeat_ms: Option<i64>,
            handle: Option<String>,
            step: Option<i64>,
            epoch: Option<f64>,
        }
        let rows: Vec<Row> = sqlx::query_as(
            "select r.id, r.state, r.attempts, r.state_ms, r.heartbeat_ms, r.handle,
                max(m.step) as step, m.epoch as epoch
            from runs r
            left join metric_latest m on m.run_id = r.id
            where r.state in ('preparing', 'running', 'stopping', 'lost')
            group by r.number
            order by r.number",
        )
        .fetch_all(self.read())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ActiveRun {
                    id: from_name("run id", &row.id)?,
                    state: from_name("run state", &row.state)?,
                    attempts: row.attempts,
                    state_ms: row.state_ms,
                    heartbeat_ms: row.heartbeat_ms,
                    handle: row.handle,
                    last_step: row.step.map(unsigned).zip(row.epoch),
                })
            })
            .collect()
    }

    /// Changes a run's state where the rules allow it, and says whether it changed. A failure is
    /// stored beside the new state; without one, an earlier failure stays.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn set_state(
        &self,
        id: &RunId,
        next: RunState,
        failure: Option<&Failure>,
        now_ms: i64,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let changed = state(&mut tx, id).await?.may_become(next);
        if changed {
            change(&mut tx, id.as_str(), next, failure, now_ms).await?;
            tx.commit().await?;
        }
        Ok(changed)
    }

    /// Asks a run to stop and returns what it became: `stopped` where no worker was started, else
    /// `stopping` until it is known that the worker has ended: one that is thought lost may live.
    /// Asking twice is no error.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the run has ended already.
    pub async fn request_stop(&self, id: &RunId, now_ms: i64) -> Result<RunState> {
        let mut tx = self.begin().await?;
        let next = match state(&mut tx, id).await? {
            RunState::Queued => RunState::Stopped,
            RunState::Preparing | RunState::Running | RunState::Lost => RunState::Stopping,
            RunState::Stopping => return Ok(RunState::Stopping),
            ended @ (RunState::Stopped | RunState::Succeeded | RunState::Failed) => {
                return Err(StoreError::Conflict(format!(
                    "run {id} has {ended} already and cannot be stopped"
                )));
            }
        };
        change(&mut tx, id.as_str(), next, None, now_ms).await?;
        // No worker is there to say it in the run's log.
        let stopped = (next == RunState::Stopped).then(|| id.to_string());
        let kept = self.keep_stopped(stopped, now_ms).await?;
        self.commit(tx, kept).await?;
        Ok(next)
    }

    /// Puts a lost run back into the queue, at its old place, and says whether it was lost.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn requeue_lost(&self, id: &RunId, now_ms: i64) -> Result<bool> {
        self.set_state(id, RunState::Queued, None, now_ms).await
    }

    /// Notes what the executor needs to find a run's worker again.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn set_handle(&self, id: &RunId, handle: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("update runs set handle = ? where id = ?")
            .bind(handle)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::store_with_runs;

    fn died() -> Failure {
        Failure::new(FailureKind::WorkerDied, "killed").with_hint("wait")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_claimers_never_get_the_same_run() {
        let (store, ids) = store_with_runs(40).await;
        let claimers: Vec<_> = (0..4)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut mine = Vec::new();
                    while let Some(request) = store.claim_next(5).await.unwrap() {
                        mine.push(request.id);
                    }
                    mine
                })
            })
            .collect();
        let mut all = Vec::new();
        for claimer in claimers {
            all.extend(claimer.await.unwrap());
        }
        assert_eq!(all.len(), 40);
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), ids.into_iter().collect());
        assert!(store.active_runs().await.unwrap().iter().all(|r| r.attempts == 1 && r.state_ms == 5));
    }

    #[tokio::test]
    async fn the_oldest_is_claimed_first_and_a_lost_run_keeps_its_place() {
        let (store, ids) = store_with_runs(2).await;
        assert_eq!(store.claim_next(1).await.unwrap().unwrap().id, ids[0]);
        assert!(store.set_state(&ids[0], RunState::Lost, Some(&died()), 2).await.unwrap());
        assert_eq!(store.run(&ids[0]).await.unwrap().run.failure, Some(died()));
        assert!(store.requeue_lost(&ids[0], 3).await.unwrap());
        assert!(!store.requeue_lost(&ids[0], 4).await.unwrap());
        assert_eq!(store.claim_next(5).await.unwrap().unwrap().id, ids[0]);
        let active = store.active_runs().await.unwrap();
        assert_eq!((active.len(), active[0].attempts, active[0].last_step), (1, 2, None));
    }

    #[tokio::test]
    async fn stopping_depends_on_the_worker_and_an_ended_run_cannot_stop() {
        let (store, ids) = store_with_runs(2).await;
        assert_eq!(store.request_stop(&ids[1], 1).await.unwrap(), RunState::Stopped);
        assert_eq!(store.run(&ids[1]).await.unwrap().run.finished_ms, Some(1));
        assert!(matches!(store.request_stop(&ids[1], 2).await, Err(StoreError::Conflict(_))));
        store.claim_next(3).await.unwrap();
        assert_eq!(store.request_stop(&ids[0], 4).await.unwrap(), RunState::Stopping);
        assert_eq!(store.request_stop(&ids[0], 5).await.unwrap(), RunState::Stopping);
        assert!(!store.set_state(&ids[0], RunState::Running, None, 6).await.unwrap());
        assert!(store.set_state(&ids[0], RunState::Stopped, None, 7).await.unwrap());
        assert_eq!(store.claim_next(8).await.unwrap(), None);
    }
}
