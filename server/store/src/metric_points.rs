//! Curves.
//!
//! A long curve is drawn from its stretches (`metric_stretches`, kept by triggers): a page of a run of 300,000 steps
//! reads a few thousand rows and not two million. Single points are read where they are shown, and for files.

use std::ops::RangeInclusive;

use sqlx::SqliteConnection;
use tokio_stream::StreamExt;
use transferscope_domain::{
    RunId,
    api::{MetricSeries, Point},
};

use crate::{
    Result, Store, StoreError,
    downsample::Thinner,
    error::to_json,
    pool::run_exists,
    rows::{signed, unsigned},
};

/// Curves of up to this many points are read point by point.
const SHORT: usize = 8192;
/// Steps of the stretches that are kept, longest first.
const SIZES: [i64; 2] = [512, 32];

/// Where reading all points of a run goes on: behind this curve and step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointsCursor {
    name: String,
    step: i64,
}

/// A point with the name of its curve.
pub type NamedPoint = (String, Point);

impl Store {
    /// One curve of a run in the order of its steps; empty where the run has not said such a
    /// value yet. Where it has more than `max_points`, the ends and the smallest and largest
    /// value of about equal stretches are returned, in order.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub async fn metrics(&self, id: &RunId, name: &str, max_points: usize) -> Result<MetricSeries> {
        self.metrics_between(id, name, 0..=u64::MAX, max_points).await
    }

    /// The same of some steps only; a part that is thinned may begin and end a few hundred steps outside of them.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub async fn metrics_between(
        &self,
        id: &RunId,
        name: &str,
        steps: RangeInclusive<u64>,
        max_points: usize,
    ) -> Result<MetricSeries> {
        let mut tx = self.read().begin().await?;
        if !run_exists(&mut tx, id.as_str()).await? {
            return Err(StoreError::not_found("run", id));
        }
        let steps = signed(*steps.start())..=signed(*steps.end());
        series(&mut tx, id, name, steps, max_points).await
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

    /// The next points of a run (of one curve, or of all, curve by curve), at most `limit`; none at the end. Each call
    /// is a question of its own, so that a reader who takes an hour for a file neither keeps a connection nor holds
    /// the write-ahead log open.
    ///
    /// # Errors
    /// `Database` only; an unknown run has no points.
    pub async fn next_points(
        &self,
        id: &RunId,
        only: Option<&str>,
        after: &mut PointsCursor,
        limit: u32,
    ) -> Result<Vec<NamedPoint>> {
        if let Some(name) = only
            && after.name.is_empty()
        {
            *after = PointsCursor { name: name.to_owned(), step: -1 };
        }
        let rows: Vec<(String, i64, f64, i64, f64)> = sqlx::query_as(
            "select name, step, epoch, t_ms, value
            from metric_points
            where run_id = ?1 and (name, step) > (?2, ?3) and (?4 is null or name = ?4)
            order by name, step
            limit ?5",
        )
        .bind(id.as_str())
        .bind(&after.name)
        .bind(after.step)
        .bind(only)
        .bind(limit)
        .fetch_all(self.read())
        .await?;
        if let Some((name, step, ..)) = rows.last() {
            *after = PointsCursor { name: name.clone(), step: *step };
        }
        Ok(rows
            .into_iter()
            .map(|(name, step, epoch, t_ms, value)| {
                (name, Point { step: unsigned(step), epoch, t_ms, value })
            })
            .collect())
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
        all.push(series(conn, id, &name, 0..=i64::MAX, max_points).await?);
    }
    Ok(all)
}

/// Steps are not below 0.
async fn series(
    conn: &mut SqliteConnection,
    id: &RunId,
    name: &str,
    steps: RangeInclusive<i64>,
    max_points: usize,
) -> Result<MetricSeries> {
    let [long, short] = SIZES;
    // Counted in the short stretches that the steps touch: never too few.
    let (points, shorts) = count(conn, id, name, short, &steps).await?;
    let points = if points <= SHORT.max(max_points) {
        single_points(conn, id, name, &steps, points, max_points).await?
    } else {
        let (_, longs) = count(conn, id, name, long, &steps).await?;
        // Two points a stretch: as many as are asked for, or the most that there are.
        let (size, stretches) = if longs * 2 >= max_points { (long, longs) } else { (short, shorts) };
        of_stretches(conn, id, name, &steps, size, stretches, max_points).await?
    };
    Ok(MetricSeries { name: name.to_owned(), points })
}

/// How many points there are in the stretches that some steps touch, and how many stretches.
async fn count(
    conn: &mut SqliteConnection,
    id: &RunId,
    name: &str,
    size: i64,
    steps: &RangeInclusive<i64>,
) -> Result<(usize, usize)> {
    let (points, stretches): (i64, i64) = sqlx::query_as(
        "select coalesce(sum(points), 0), count(*)
        from metric_stretches
        where run_id = ? and name = ? and size = ? and stretch between ? and ?",
    )
    .bind(id.as_str())
    .bind(name)
    .bind(size)
    .bind(steps.start() / size)
    .bind(steps.end() / size)
    .fetch_one(conn)
    .await?;
    Ok((usize::try_from(points).unwrap_or(0), usize::try_from(stretches).unwrap_or(0)))
}

async fn single_points(
    conn: &mut SqliteConnection,
    id: &RunId,
    name: &str,
    steps: &RangeInclusive<i64>,
    at_most: usize,
    max_points: usize,
) -> Result<Vec<Point>> {
    let mut rows = sqlx::query_as::<_, (i64, f64, i64, f64)>(
        "select step, epoch, t_ms, value
        from metric_points
        where run_id = ? and name = ? and step between ? and ?
        order by step",
    )
    .bind(id.as_str())
    .bind(name)
    .bind(steps.start())
    .bind(steps.end())
    .fetch(conn);
    let mut points = Vec::with_capacity(at_most.min(SHORT));
    while let Some((step, epoch, t_ms, value)) = rows.next().await.transpose()? {
        points.push(Point { step: unsigned(step), epoch, t_ms, value });
    }
    let mut thinner = Thinner::new(points.len(), max_points);
    points.into_iter().for_each(|point| thinner.push(point));
    Ok(thinner.finish())
}

async fn of_stretches(
    conn: &mut SqliteConnection,
    id: &RunId,
    name: &str,
    steps: &RangeInclusive<i64>,
    size: i64,
    stretches: usize,
    max_points: usize,
) -> Result<Vec<Point>> {
    let (first, last) = (steps.start() / size, steps.end() / size);
    let ends: (Option<i64>, Option<i64>) = sqlx::query_as(
        "select
            (select min(step) from metric_points where run_id = ?1 and name = ?2 and step >= ?3),
            (select max(step) from metric_points where run_id = ?1 and name = ?2 and step <= ?4)",
    )
    .bind(id.as_str())
    .bind(name)
    .bind(first * size)
    .bind(last.saturating_add(1).saturating_mul(size).saturating_sub(1))
    .fetch_one(&mut *conn)
    .await?;
    let (Some(start), Some(end)) = ends else { return Ok(Vec::new()) };
    let mut rows = sqlx::query_as::<_, (f64, i64, f64, i64)>(
        "select low, low_step, high, high_step
        from metric_stretches
        where run_id = ? and name = ? and size = ? and stretch between ? and ?
        order by stretch",
    )
    .bind(id.as_str())
    .bind(name)
    .bind(size)
    .bind(first)
    .bind(last)
    .fetch(&mut *conn);
    // Time and epoch come with the points that stay. The ends count as points of their own.
    let mut thinner = Thinner::new(2 * stretches + 2, max_points);
    let at = |step: i64, value: f64| Point { step: unsigned(step), epoch: 0.0, t_ms: 0, value };
    thinner.push(at(start, 0.0));
    while let Some((low, low_step, high, high_step)) = rows.next().await.transpose()? {
        let mut two = [at(low_step, low), at(high_step, high)];
        two.sort_by_key(|point| point.step);
        two.into_iter().for_each(|point| thinner.push(point));
    }
    drop(rows);
    thinner.push(at(end, 0.0));
    let kept: Vec<u64> = thinner.finish().into_iter().map(|point| point.step).collect();
    let points: Vec<(i64, f64, i64, f64)> = sqlx::query_as(
        "select step, epoch, t_ms, value
        from metric_points
        where run_id = ? and name = ? and step in (select value from json_each(?))
        order by step",
    )
    .bind(id.as_str())
    .bind(name)
    .bind(to_json("steps", &kept)?)
    .fetch_all(conn)
    .await?;
    let point = |(step, epoch, t_ms, value)| Point { step: unsigned(step), epoch, t_ms, value };
    Ok(points.into_iter().map(point).collect())
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
        assert!(thin.points.iter().any(|p| p.step == 777 && p.value == 50.0));
        assert_eq!(store.metrics(&ids[0], "train/loss", 2000).await.unwrap().points.len(), 2000);
        assert!(store.metrics(&ids[0], "val/none", 100).await.unwrap().points.is_empty());
        let names: Vec<_> =
            store.all_series(&ids[0], 10).await.unwrap().into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["train/grad_norm", "train/loss", "train/lr", "train/step_ms", "val/dice"]);
        let unknown = "no-such-run".parse().unwrap();
        assert!(matches!(store.metrics(&unknown, "x", 1).await, Err(StoreError::NotFound { .. })));
    }

    /// A value that looks like noise and is the same every time.
    fn noise(step: u64) -> f64 {
        (step.wrapping_mul(2_654_435_761) % 100_003) as f64 / 1000.0
    }

    #[tokio::test]
    async fn a_very_long_curve_is_drawn_from_its_stretches_and_exact_where_one_looks_closer() {
        let (store, ids) = store_with_runs(1).await;
        let last = 40_000;
        let loss = |s: u64| match s {
            23_456 => 900.0,
            31_111 => -900.0,
            _ => noise(s),
        };
        let steps = (1..=last).map(|s| metric("train/loss", s, loss(s)));
        say(&store, &ids[0], std::iter::once(started(1, 0)).chain(steps)).await;

        for max_points in [4, 10, 100, 1000, 5000] {
            let thin = store.metrics(&ids[0], "train/loss", max_points).await.unwrap().points;
            assert!(thin.len() <= max_points && thin.len() * 3 >= max_points, "{}", thin.len());
            assert_eq!((thin[0].step, thin[thin.len() - 1].step), (1, last));
            assert!(thin.windows(2).all(|w| w[0].step < w[1].step));
            assert!(thin.iter().any(|p| p.value == 900.0) && thin.iter().any(|p| p.value == -900.0));
            for Point { step, epoch, t_ms, value } in thin {
                assert_eq!((value, epoch), (loss(step), step as f64 / 10.0));
                assert_eq!(t_ms, (step as i64 + 1) * 1000);
            }
        }
        // A part that fits is there point by point.
        let near = store.metrics_between(&ids[0], "train/loss", 23_400..=23_500, 200).await.unwrap();
        let expected: Vec<u64> = (23_400..=23_500).collect();
        assert_eq!(near.points.iter().map(|p| p.step).collect::<Vec<_>>(), expected);
        let part = store.metrics_between(&ids[0], "train/loss", 10_000..=29_999, 400).await.unwrap().points;
        assert!(part.len() <= 400 && part.iter().any(|p| p.value == 900.0));
        assert!(part[0].step <= 10_000 && part[0].step > 9_000 && part[part.len() - 1].step < 31_000);
        let beyond = store.metrics_between(&ids[0], "train/loss", 50_000..=60_000, 400).await.unwrap();
        assert!(beyond.points.is_empty());
    }

    #[tokio::test]
    async fn stretches_follow_what_a_resumed_run_takes_back_and_says_again() {
        let (store, ids) = store_with_runs(1).await;
        say(&store, &ids[0], [started(1, 0)].into_iter().chain((1..=20_000).map(|s| step(s, noise(s)))))
            .await;
        // From a checkpoint on, everything is said anew and is another.
        say(
            &store,
            &ids[0],
            [started(2, 9_000)].into_iter().chain((9_001..=19_000).map(|s| step(s, 500.0 + noise(s)))),
        )
        .await;
        let value = |s: u64| if s <= 9_000 { noise(s) } else { 500.0 + noise(s) };
        let mut conn = store.read().acquire().await.unwrap();
        type Stretch = (i64, i64, i64, f64, i64, f64, i64);
        let stretches: Vec<Stretch> = sqlx::query_as(
            "select size, stretch, points, low, low_step, high, high_step from metric_stretches where name = 'train/loss'",
        )
        .fetch_all(&mut *conn)
        .await
        .unwrap();
        assert_eq!(stretches.len(), 19_000 / 512 + 1 + 19_000 / 32 + 1);
        for (size, stretch, points, low, low_step, high, high_step) in stretches {
            let steps = (stretch * size).max(1)..((stretch + 1) * size).min(19_001);
            let all: Vec<f64> = steps.map(|s| value(unsigned(s))).collect();
            assert_eq!(points as usize, all.len());
            assert_eq!(low, all.iter().copied().fold(f64::MAX, f64::min));
            assert_eq!(high, all.iter().copied().fold(f64::MIN, f64::max));
            assert_eq!((value(unsigned(low_step)), value(unsigned(high_step))), (low, high));
        }
    }

    #[tokio::test]
    async fn all_points_come_piece_by_piece_once_each() {
        let (store, ids) = store_with_runs(1).await;
        say(&store, &ids[0], [started(1, 0)].into_iter().chain((1..=100).map(|s| step(s, 1.0)))).await;
        say(&store, &ids[0], [metric("val/dice", 0, 0.5)]).await;
        let read = async |only: Option<&str>, limit| {
            let (mut cursor, mut all) = (PointsCursor::default(), Vec::new());
            loop {
                let piece = store.next_points(&ids[0], only, &mut cursor, limit).await.unwrap();
                assert!(piece.len() <= limit as usize);
                if piece.is_empty() {
                    return all;
                }
                all.extend(piece);
            }
        };
        let all = read(None, 7).await;
        assert_eq!(all.len(), 401);
        assert!(all.windows(2).all(|w| (&w[0].0, w[0].1.step) < (&w[1].0, w[1].1.step)));
        assert_eq!(read(Some("train/loss"), 7).await.len(), 100);
        assert_eq!(read(Some("val/dice"), 1).await, [("val/dice".to_owned(), (0, 0.0, 102_000, 0.5).into())]);
        assert!(read(Some("val/none"), 5).await.is_empty());
    }
}
