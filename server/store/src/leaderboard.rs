//! The leaderboard's question; ranking and ties are rules of `domain::leaderboard`.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;
use transferscope_domain::{
    ExperimentId, MetricKind, RunState, Task,
    api::LeaderboardView,
    leaderboard::{Finished, Group, Row, rows},
    metric::Split,
};

use crate::{
    Result, Store, StoreError,
    error::{from_json, from_name},
    rows::latest_metrics,
    study::best_baseline,
};

/// Which runs are ranked, by what, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderboardQuery {
    /// Without a target it stands for all of its kind.
    pub task: Option<Task>,
    pub dataset: Option<String>,
    pub experiment: Option<ExperimentId>,
    pub group: Group,
    /// The metric to rank by; each task's primary one unless given. Tasks that do not report it
    /// are left out.
    pub metric: Option<MetricKind>,
    /// Whether rows are ranked against others that differ in what should agree.
    pub mixed: bool,
    /// The board as it was at the end of this day (UTC), as `2026-11-25`.
    pub asof: Option<String>,
    /// One of [`SORT_KEYS`], with `-` before it for the other direction; rank unless given.
    pub sort: Option<String>,
}

/// What rows can be sorted by.
pub const SORT_KEYS: [&str; 8] = ["rank", "mean", "backbone", "task", "arm", "dataset", "n", "finished"];

/// Runs that finished without the value that is asked for, in `not_shown`.
const WITHOUT_RESULT: &str = "without-result";
/// Runs that finished after the day that is asked for, in `not_shown`.
const LATER: &str = "finished-later";

impl Store {
    /// Counts every change of what a board shows: the same number, the same boards.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn results_version(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("select version from results_version").fetch_one(self.read()).await?)
    }

    /// Ranked rows of the finished runs, and how many runs the board does not show and why.
    ///
    /// # Errors
    /// `Invalid` when the sort key is unknown or the day is none.
    pub async fn leaderboard(&self, query: &LeaderboardQuery) -> Result<LeaderboardView> {
        let mut tx = self.read().begin().await?;
        let end = match &query.asof {
            Some(day) => end_of_day(&mut tx, day).await?,
            None => i64::MAX,
        };
        #[derive(sqlx::FromRow)]
        struct Found {
            id: String,
            state: String,
            request: String,
            finished_ms: Option<i64>,
        }
        // Requests are read for succeeded runs only; the others are counted.
        let found: Vec<Found> = sqlx::query_as(
            "select id, state, case when state = 'succeeded' then request else '' end as request, finished_ms
            from runs
            where task <> 'pretraining'
                and (?1 is null or task = ?1 or task like ?1 || ':%')
                and (?2 is null or dataset = ?2)
                and (?3 is null or experiment_id = ?3)
                and created_ms < ?4
            order by number",
        )
        .bind(query.task.map(String::from))
        .bind(query.dataset.as_deref())
        .bind(query.experiment.as_ref().map(ExperimentId::as_str))
        .bind(end)
        .fetch_all(&mut *tx)
        .await?;
        let mut not_shown: BTreeMap<String, u32> = BTreeMap::new();
        let succeeded: Vec<&Found> = found
            .iter()
            .filter(|f| {
                let why = match f.finished_ms {
                    Some(at) if at >= end => LATER,
                    _ if f.state == RunState::Succeeded.as_str() => return true,
                    _ => f.state.as_str(),
                };
                *not_shown.entry(why.to_owned()).or_default() += 1;
                false
            })
            .collect();
        let ids: Vec<&str> = succeeded.iter().map(|f| f.id.as_str()).collect();
        let metrics = latest_metrics(&mut tx, &ids).await?;
        let mut finished = Vec::with_capacity(succeeded.len());
        for run in succeeded {
            let request: transferscope_domain::RunRequest = from_json("run request", &run.request)?;
            let metric = query.metric.unwrap_or(request.task.primary_metric());
            let value = value_of(&metrics, &run.id, &metric.name(Split::Test));
            let (true, Some(value)) = (request.task.metrics().contains(&metric), value) else {
                *not_shown.entry(WITHOUT_RESULT.into()).or_default() += 1;
                continue;
            };
            finished.push(Finished {
                provenance: (&request).into(),
                run: from_name("run id", &run.id)?,
                experiment: request.experiment,
                backbone: request.backbone,
                task: request.task,
                arm: request.arm,
                seed: request.seed,
                dataset: request.dataset,
                training: request.training,
                metric,
                value,
                baseline: best_baseline(request.task, metric, &|name| value_of(&metrics, &run.id, name)),
                finished_ms: run.finished_ms.unwrap_or(0),
            });
        }
        let mut rows = rows(finished, query.group, query.mixed);
        if let Some(sort) = &query.sort {
            sort_rows(&mut rows, sort)?;
        }
        Ok(LeaderboardView { rows, mixed: query.mixed, resolution: Vec::new(), not_shown })
    }
}

/// When a day ends (UTC), in milliseconds since 1970.
async fn end_of_day(conn: &mut SqliteConnection, day: &str) -> Result<i64> {
    let wrong = || StoreError::Invalid {
        field: "asof",
        message: format!("{day:?} is not a day: write it as 2026-11-25"),
    };
    // SQLite knows many other ways to write a time.
    let plain = day.len() == 10 && day.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if !plain {
        return Err(wrong());
    }
    let end: Option<i64> =
        sqlx::query_scalar("select unixepoch(?, '+1 day') * 1000").bind(day).fetch_one(conn).await?;
    end.ok_or_else(wrong)
}

type Metrics = HashMap<String, BTreeMap<String, f64>>;

fn value_of(metrics: &Metrics, run: &str, name: &str) -> Option<f64> {
    metrics.get(run)?.get(name).copied()
}

/// Sorts rows; equal ones stay in the order of their ranks.
fn sort_rows(rows: &mut [Row], sort: &str) -> Result<()> {
    let (key, down) = match sort.strip_prefix('-') {
        Some(key) => (key, true),
        None => (sort, false),
    };
    let compare: fn(&Row, &Row) -> std::cmp::Ordering = match key {
        "rank" => |a, b| a.rank.cmp(&b.rank),
        "mean" => |a, b| a.mean.total_cmp(&b.mean),
        "backbone" => |a, b| a.backbone.cmp(&b.backbone),
        "task" => |a, b| a.task.cmp(&b.task),
        "arm" => |a, b| a.arm.cmp(&b.arm),
        "dataset" => |a, b| a.dataset.cmp(&b.dataset),
        "n" => |a, b| a.n.cmp(&b.n),
        "finished" => |a, b| a.finished_ms.cmp(&b.finished_ms),
        _ => {
            return Err(StoreError::Invalid {
                field: "sort",
                message: format!(
                    "{sort:?} is unknown: use one of {}, with - before it for descending",
                    SORT_KEYS.join(", ")
                ),
            });
        }
    };
    rows.sort_by(|a, b| if down { compare(b, a) } else { compare(a, b) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use transferscope_domain::{TaskKind, event::EventBody};

    use super::*;
    use crate::testing::{metric, new_run, say, started};

    async fn finished_run(store: &Store, backbone: &str, task: Task, seed: u64, values: &[(&str, f64)]) {
        let mut run = new_run();
        run.request.backbone = backbone.into();
        run.request.task = task;
        run.request.seed = seed;
        store.enqueue_run(&run).await.unwrap();
        let end = EventBody::Finished { step: 100, seconds: 1.0, peak_memory_bytes: 1 };
        let said = values.iter().map(|(name, value)| metric(name, 100, *value));
        say(store, &run.request.id, std::iter::once(started(1, 0)).chain(said).chain([end])).await;
    }

    #[tokio::test]
    async fn finished_runs_are_ranked_and_the_others_counted() {
        let store = Store::open_temp().await.unwrap();
        let seg = Task::from(TaskKind::Segmentation);
        finished_run(&store, "a", seg, 0, &[("test/dice", 0.8)]).await;
        finished_run(&store, "a", seg, 1, &[("test/dice", 0.6)]).await;
        finished_run(&store, "b", seg, 0, &[("test/dice", 0.9)]).await;
        finished_run(&store, "c", seg, 0, &[("val/dice", 0.9)]).await;
        let sr = Task::from(TaskKind::SuperResolution);
        let restored = [
            ("test/psnr_db", 30.0),
            ("test/psnr_db@zero-filled", 31.0),
            ("test/psnr_db@bicubic", 29.0),
            ("test/ssim", 0.9),
            ("test/ssim@bicubic", 0.8),
        ];
        finished_run(&store, "a", sr, 0, &restored).await;
        store.enqueue_run(&new_run()).await.unwrap();

        let board = store.leaderboard(&LeaderboardQuery::default()).await.unwrap();
        let short: Vec<_> = board.rows.iter().map(|r| (r.backbone.as_str(), r.task, r.rank, r.n)).collect();
        assert_eq!(short, [("b", seg, 1, 1), ("a", seg, 2, 2), ("a", sr, 1, 1)]);
        assert!((board.rows[1].mean - 0.7).abs() < 1e-12);
        let baseline = board.rows[2].baseline.clone().unwrap();
        assert_eq!((baseline.name.as_str(), baseline.value), ("zero-filled", 31.0));
        assert_eq!(board.rows[2].beats_baseline, Some(false));
        assert_eq!(board.not_shown["queued"], 1);
        assert_eq!(board.not_shown["without-result"], 1);

        let by_ssim = LeaderboardQuery { metric: Some(MetricKind::Ssim), ..Default::default() };
        let board = store.leaderboard(&by_ssim).await.unwrap();
        assert_eq!(board.rows.len(), 1);
        assert_eq!((board.rows[0].metric.as_str(), board.rows[0].mean), ("test/ssim", 0.9));
        assert_eq!(board.rows[0].beats_baseline, Some(true));

        let sorted = |sort: &str| LeaderboardQuery {
            task: Some(seg),
            group: Group::Run,
            sort: Some(sort.into()),
            ..Default::default()
        };
        let rows = store.leaderboard(&sorted("-mean")).await.unwrap().rows;
        assert_eq!(rows.iter().map(|r| r.mean).collect::<Vec<_>>(), [0.9, 0.8, 0.6]);
        let bad = store.leaderboard(&sorted("colour")).await;
        assert!(matches!(bad, Err(StoreError::Invalid { field: "sort", .. })));
        let asof = |day: &str| LeaderboardQuery { asof: Some(day.into()), ..Default::default() };
        let today = store.leaderboard(&asof("9999-12-30")).await.unwrap();
        assert_eq!(today.rows.len(), 3);
        let before = store.leaderboard(&asof("2001-02-03")).await.unwrap();
        assert!(before.rows.is_empty() && before.not_shown.is_empty(), "{before:?}");
        for bad in ["now", "2026-13-01", "2026-11-2x", "--........"] {
            let answer = store.leaderboard(&asof(bad)).await;
            assert!(matches!(answer, Err(StoreError::Invalid { field: "asof", .. })), "{bad}");
        }
        let lesion: Task = "segmentation:lesion".parse().unwrap();
        finished_run(&store, "a", lesion, 0, &[("test/dice", 0.5)]).await;
        for (task, ranks) in [(seg, vec![(seg, 1), (seg, 2), (lesion, 1)]), (lesion, vec![(lesion, 1)])] {
            let of_task = LeaderboardQuery { task: Some(task), ..Default::default() };
            let rows = store.leaderboard(&of_task).await.unwrap().rows;
            assert_eq!(rows.iter().map(|r| (r.task, r.rank)).collect::<Vec<_>>(), ranks, "{task}");
        }
        let one = LeaderboardQuery { dataset: Some("other".into()), ..Default::default() };
        assert!(store.leaderboard(&one).await.unwrap().rows.is_empty());
    }
}
