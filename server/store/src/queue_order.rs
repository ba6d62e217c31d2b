//! The order of the queue: who is next, who waits how long, and moving runs about.
//!
//! A waiting run stands at its number until somebody moves it; then at `place`, on the same scale.

use sqlx::SqliteConnection;
use transferscope_domain::{ExperimentId, RunId, RunState, api::QueueView, run::QueueMove};

use crate::{
    Result, Store, StoreError,
    error::{from_name, to_json},
    rows::{RunRow, select_runs, views},
    state::{change, state},
};

/// Waiting runs that are listed.
const LISTED: i64 = 200;

impl Store {
    /// The queue as it is served, with `jobs` workers.
    ///
    /// # Errors
    /// `Database` or `Corrupt`.
    pub async fn queue(&self, jobs: usize) -> Result<QueueView> {
        let mut tx = self.read().begin().await?;
        let running: Vec<RunRow> = sqlx::query_as(select_runs!(
            "where r.state in ('preparing', 'running', 'stopping') order by r.number"
        ))
        .fetch_all(&mut *tx)
        .await?;
        let waiting: Vec<RunRow> = sqlx::query_as(select_runs!(
            "where r.state = 'queued' order by coalesce(r.place, r.number), r.number limit ?"
        ))
        .bind(LISTED)
        .fetch_all(&mut *tx)
        .await?;
        // A run that was interrupted counts its idle time too, and says nothing.
        let (waiting_count, measured, seconds): (i64, i64, Option<f64>) = sqlx::query_as(
            "with took as (
                select backbone, task, arm, dataset,
                    coalesce(request ->> '$.training.label_share', 1.0) as label_share,
                    avg(max(finished_ms - started_ms, 0) / 1000.0 / max(epochs, 1)) as epoch_s
                from runs
                where state = 'succeeded' and attempts = 1 and started_ms is not null
                group by backbone, task, arm, dataset, label_share
            )
            select count(*), count(t.epoch_s), sum(q.epochs * t.epoch_s)
            from runs q
            left join took t on (q.backbone, q.task, q.arm, q.dataset) = (t.backbone, t.task, t.arm, t.dataset)
                and coalesce(q.request ->> '$.training.label_share', 1.0) = t.label_share
            where q.state = 'queued'",
        )
        .fetch_one(&mut *tx)
        .await?;
        let (mut running, mut waiting) = (views(&mut tx, &running).await?, views(&mut tx, &waiting).await?);
        self.hide_paths(&mut running);
        self.hide_paths(&mut waiting);
        let of: Vec<&str> =
            running.iter().chain(&waiting).filter_map(|r| Some(r.experiment.as_ref()?.as_str())).collect();
        let names: Vec<(String, String)> = sqlx::query_as(
            "select id, name from experiments where name <> '' and id in (select value from json_each(?))",
        )
        .bind(to_json("experiment ids", &of)?)
        .fetch_all(&mut *tx)
        .await?;
        let jobs = jobs.max(1);
        // Workers that run now take the next ones when they are done.
        let left: Vec<f64> = running.iter().filter_map(|r| r.eta_s).collect();
        let work = left.iter().sum::<f64>() + seconds.unwrap_or(0.0);
        let longest = left.iter().copied().fold(0.0, f64::max);
        let known = seconds.is_some() || !left.is_empty();
        Ok(QueueView {
            running,
            waiting,
            experiment_names: names.into_iter().collect(),
            waiting_count: u32::try_from(waiting_count).unwrap_or(u32::MAX),
            measured: u32::try_from(measured).unwrap_or(u32::MAX),
            jobs: u32::try_from(jobs).unwrap_or(u32::MAX),
            time_left_s: known.then(|| (work / jobs as f64).max(longest)),
            // Known to whoever starts workers.
            paused: None,
        })
    }

    /// Moves a waiting run.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it does not wait.
    pub async fn move_run(&self, id: &RunId, to: QueueMove) -> Result<()> {
        let mut tx = self.begin().await?;
        let now = state(&mut tx, id).await?;
        if now != RunState::Queued {
            return Err(StoreError::Conflict(format!("run {id} is {now} and does not wait in the queue")));
        }
        match to {
            QueueMove::First | QueueMove::Last => to_end(&mut tx, std::slice::from_ref(id), to).await?,
            QueueMove::Up | QueueMove::Down => swap(&mut tx, id, to).await?,
        }
        let kept = self.keep_queue(&mut tx).await?;
        self.commit(tx, kept).await
    }

    /// Moves the waiting runs of an experiment to the front or the end, in the order that they have, and says how
    /// many there were.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for another move than to an end.
    pub async fn move_experiment(&self, id: &ExperimentId, to: QueueMove) -> Result<usize> {
        if !matches!(to, QueueMove::First | QueueMove::Last) {
            let message = format!("an experiment cannot go {to}: use first or last");
            return Err(StoreError::Invalid { field: "to", message });
        }
        let mut tx = self.begin().await?;
        exists(&mut tx, id).await?;
        let runs = of_experiment(&mut tx, id, &[RunState::Queued]).await?;
        to_end(&mut tx, &runs, to).await?;
        let kept = self.keep_queue(&mut tx).await?;
        self.commit(tx, kept).await?;
        Ok(runs.len())
    }

    /// Asks every run of an experiment that has not ended to stop, and says which ones there were.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stop_experiment(&self, id: &ExperimentId, now_ms: i64) -> Result<Vec<RunId>> {
        let mut tx = self.begin().await?;
        exists(&mut tx, id).await?;
        let mut stopped = of_experiment(&mut tx, id, &[RunState::Queued]).await?;
        for run in &stopped {
            change(&mut tx, run.as_str(), RunState::Stopped, None, now_ms).await?;
        }
        // The worker of a run that is thought lost may live: only a look at it ends the run.
        let stopping =
            of_experiment(&mut tx, id, &[RunState::Preparing, RunState::Running, RunState::Lost]).await?;
        for run in &stopping {
            change(&mut tx, run.as_str(), RunState::Stopping, None, now_ms).await?;
        }
        let kept = self.keep_stopped(stopped.iter().map(RunId::to_string), now_ms).await?;
        self.commit(tx, kept).await?;
        stopped.extend(stopping);
        Ok(stopped)
    }
}

async fn exists(conn: &mut SqliteConnection, id: &ExperimentId) -> Result<()> {
    let known: i64 = sqlx::query_scalar("select exists (select 1 from experiments where id = ?)")
        .bind(id.as_str())
        .fetch_one(conn)
        .await?;
    if known == 0 { Err(StoreError::not_found("experiment", id)) } else { Ok(()) }
}

/// Runs of an experiment that are in one of these states, in the order of the queue.
async fn of_experiment(
    conn: &mut SqliteConnection,
    id: &ExperimentId,
    states: &[RunState],
) -> Result<Vec<RunId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "select id from runs where experiment_id = ? and state in (select value from json_each(?))
        order by coalesce(place, number), number",
    )
    .bind(id.as_str())
    .bind(to_json("states", &states)?)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| from_name("run id", id)).collect()
}

/// Puts runs before the first or behind the last that waits.
async fn to_end(conn: &mut SqliteConnection, runs: &[RunId], to: QueueMove) -> Result<()> {
    let (first, last): (Option<f64>, Option<f64>) = sqlx::query_as(
        "select min(coalesce(place, cast(number as real))), max(coalesce(place, cast(number as real)))
        from runs where state = 'queued'",
    )
    .fetch_one(&mut *conn)
    .await?;
    let start = match to {
        QueueMove::Last => last.unwrap_or(0.0) + 1.0,
        _ => first.unwrap_or(0.0) - runs.len() as f64,
    };
    for (i, run) in runs.iter().enumerate() {
        place(conn, run.as_str(), start + i as f64).await?;
    }
    Ok(())
}

/// Changes places with the neighbour; at an end nothing happens.
async fn swap(conn: &mut SqliteConnection, id: &RunId, to: QueueMove) -> Result<()> {
    let waiting: Vec<(String, f64)> = sqlx::query_as(
        "select id, coalesce(place, cast(number as real)) from runs
        where state = 'queued' order by coalesce(place, number), number",
    )
    .fetch_all(&mut *conn)
    .await?;
    let Some(at) = waiting.iter().position(|(other, _)| other == id.as_str()) else { return Ok(()) };
    let neighbour = if to == QueueMove::Up { at.checked_sub(1) } else { Some(at + 1) };
    if let Some((other, its_place)) = neighbour.and_then(|i| waiting.get(i)) {
        place(conn, other, waiting[at].1).await?;
        place(conn, id.as_str(), *its_place).await?;
    }
    Ok(())
}

async fn place(conn: &mut SqliteConnection, id: &str, place: f64) -> Result<()> {
    sqlx::query("update runs set place = ? where id = ?").bind(place).bind(id).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{new_run, store_with_runs};
    use transferscope_domain::experiment::ExperimentSpec;

    async fn order(store: &Store) -> Vec<RunId> {
        store.queue(1).await.unwrap().waiting.into_iter().map(|r| r.id).collect()
    }

    #[tokio::test]
    async fn runs_are_served_as_they_were_put() {
        let (store, ids) = store_with_runs(4).await;
        let [a, b, c, d] = <[RunId; 4]>::try_from(ids).unwrap();
        let put = async |id: &RunId, to| store.move_run(id, to).await.unwrap();
        put(&c, QueueMove::First).await;
        assert_eq!(order(&store).await, [&c, &a, &b, &d].map(Clone::clone));
        assert_eq!(store.run(&a).await.unwrap().run.queue_position, Some(2));
        put(&a, QueueMove::Last).await;
        assert_eq!(order(&store).await, [&c, &b, &d, &a].map(Clone::clone));
        put(&d, QueueMove::Up).await;
        put(&c, QueueMove::Up).await;
        put(&a, QueueMove::Down).await;
        assert_eq!(order(&store).await, [&c, &d, &b, &a].map(Clone::clone));
        assert_eq!(store.claim_next(1).await.unwrap().unwrap().id, c);
        assert!(matches!(store.move_run(&c, QueueMove::First).await, Err(StoreError::Conflict(_))));
        assert_eq!(store.claim_next(1).await.unwrap().unwrap().id, d);
        let view = store.queue(1).await.unwrap();
        assert_eq!((view.running.len(), view.waiting_count, view.measured), (2, 2, 0));
        assert_eq!(view.time_left_s, None);
    }

    #[tokio::test]
    async fn an_experiment_moves_and_stops_as_one() {
        let (store, others) = store_with_runs(2).await;
        let runs = vec![new_run(), new_run()];
        let mine: Vec<RunId> = runs.iter().map(|r| r.request.id.clone()).collect();
        let spec = ExperimentSpec::quick("phantom");
        let id = store.create_experiment(&spec, runs).await.unwrap().id;
        assert_eq!(store.move_experiment(&id, QueueMove::First).await.unwrap(), 2);
        assert_eq!(order(&store).await, [mine.clone(), others.clone()].concat());
        let refused = store.move_experiment(&id, QueueMove::Up).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })));
        store.claim_next(1).await.unwrap();
        assert_eq!(store.stop_experiment(&id, 2).await.unwrap().len(), 2);
        assert_eq!(store.stop_experiment(&id, 3).await.unwrap().len(), 0);
        let names = store.queue(1).await.unwrap().experiment_names;
        assert_eq!(names.get(id.as_str()), (!spec.name.is_empty()).then_some(&spec.name));
        let states: Vec<RunState> =
            store.experiment(&id).await.unwrap().runs.into_iter().map(|r| r.state).collect();
        assert_eq!(states, [RunState::Stopping, RunState::Stopped]);
        assert_eq!(order(&store).await, others);
        let unknown = "nosuchexperiment".parse().unwrap();
        assert!(matches!(store.stop_experiment(&unknown, 1).await, Err(StoreError::NotFound { .. })));
    }
}
