//! How sure the leaderboard's ranks are: cases and seeds resampled together for all rows that are ranked against
//! each other.

use std::collections::{BTreeMap, HashMap};

use transferscope_domain::{
    MetricKind,
    api::LeaderboardView,
    leaderboard::{Resolution, Row},
};

use crate::{
    analysis::CaseTable,
    statistics::{percentile_interval, quantile, resampled},
};

/// Resamples of cases and seeds.
const RESAMPLES: usize = 1000;
const SEED: u64 = 1;
/// Most rows that are judged against each other: the work grows with the pairs.
pub const ROWS_MAX: usize = 100;

/// Scores by run, test case and metric.
pub type Cases = HashMap<String, BTreeMap<String, BTreeMap<String, f64>>>;

/// Gives every row the interval of its rank and the rows that it cannot be told apart from, and says what
/// difference the cases can resolve. Each resample draws the test cases, the same for all rows, and within each row
/// its seeds. Rows stay as they are where their metric has no scores of single cases, where fewer than two cases
/// are scored by all runs, and where there are more than [`ROWS_MAX`].
pub fn judge(view: &mut LeaderboardView, cases: &Cases) {
    let mut left: Vec<usize> = (0..view.rows.len()).collect();
    while let Some(first) = left.first().copied() {
        let (peers, others): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|i| view.rows[*i].is_peer_of(&view.rows[first], view.mixed));
        left = others;
        judge_peers(view, &peers, cases);
    }
}

fn judge_peers(view: &mut LeaderboardView, peers: &[usize], cases: &Cases) {
    let rows: Vec<&Row> = peers.iter().map(|i| &view.rows[*i]).collect();
    if !(2..=ROWS_MAX).contains(&rows.len()) {
        return;
    }
    let (Some(metric), Some(scored)) = (MetricKind::of_name(&rows[0].metric), scored_runs(&rows, cases))
    else {
        return;
    };
    let Some(table) = CaseTable::by(metric, &scored) else { return };
    let draws = draws(&rows, &table);
    let Some(intervals) = rank_intervals(&rows, &draws) else { return };
    let mut widths = Vec::new();
    let mut tied: Vec<Vec<u32>> = vec![Vec::new(); rows.len()];
    for a in 0..rows.len() {
        for b in a + 1..rows.len() {
            let differences = draws.iter().map(|values| values[a] - values[b]).collect();
            let Some(interval) = percentile_interval(differences) else { continue };
            widths.push((interval.high - interval.low) / 2.0);
            if interval.contains(0.0) {
                tied[a].push(rows[b].rank);
                tied[b].push(rows[a].rank);
            }
        }
    }
    widths.sort_by(f64::total_cmp);
    let resolution = quantile(&widths, 0.5).map(|difference| Resolution {
        task: rows[0].task,
        dataset: rows[0].dataset.clone(),
        comparable: (!view.mixed).then_some(rows[0].comparable),
        difference,
        cases: table.cases.len() as u32,
    });
    for ((place, interval), mut tied) in peers.iter().zip(intervals).zip(tied) {
        tied.sort_unstable();
        tied.dedup();
        view.rows[*place].rank_interval = Some(interval);
        view.rows[*place].tied_with = tied;
    }
    view.resolution.extend(resolution);
}

type Scores = BTreeMap<String, BTreeMap<String, f64>>;

/// The scores of all runs of some rows, row after row; none where one has no scores of cases.
fn scored_runs<'a>(rows: &[&Row], cases: &'a Cases) -> Option<Vec<&'a Scores>> {
    rows.iter().flat_map(|row| &row.seeds).map(|seed| cases.get(seed.run.as_str())).collect()
}

/// Means of the rows in each resample in which all of them are defined.
fn draws(rows: &[&Row], table: &CaseTable) -> Vec<Vec<f64>> {
    use rand::RngExt;

    let cases = table.cases.len();
    let values = resampled(RESAMPLES, SEED, |rng| {
        let drawn: Vec<usize> = (0..cases).map(|_| rng.random_range(0..cases)).collect();
        let mut run = 0;
        rows.iter()
            .map(|row| {
                let n = row.seeds.len();
                let seeds: Option<Vec<f64>> = (run..run + n).map(|r| table.metric(r, &drawn)).collect();
                run += n;
                let seeds = seeds?;
                Some((0..n).map(|_| seeds[rng.random_range(0..n)]).sum::<f64>() / n as f64)
            })
            .collect::<Option<Vec<f64>>>()
    });
    values.into_iter().flatten().filter(|v| v.iter().all(|v| v.is_finite())).collect()
}

/// 95 % intervals of the rows' ranks over the resamples.
fn rank_intervals(rows: &[&Row], draws: &[Vec<f64>]) -> Option<Vec<[u32; 2]>> {
    let direction = rows[0].direction;
    (0..rows.len())
        .map(|i| {
            let rank = |values: &Vec<f64>| {
                1.0 + values.iter().filter(|other| direction.better(**other, values[i])).count() as f64
            };
            let interval = percentile_interval(draws.iter().map(rank).collect())?;
            Some([interval.low.floor() as u32, interval.high.ceil() as u32])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use transferscope_domain::{
        Arm, Family, Task, TrainingSpec,
        leaderboard::{Finished, Group, rows},
    };

    use super::*;

    /// A board of rows with three seeds each: `offsets` above scores that vary over twenty cases.
    fn board(offsets: &[f64]) -> (LeaderboardView, Cases) {
        let (mut finished, mut cases) = (Vec::new(), Cases::new());
        for (row, offset) in offsets.iter().enumerate() {
            for seed in 0..3_u64 {
                let id = format!("row{row}-seed{seed}");
                let score = |case: usize| {
                    let wobble = ((case * 7 + seed as usize * 3 + row * 5) % 11) as f64 / 100.0;
                    0.4 + offset + case as f64 / 100.0 + wobble
                };
                let scores: Scores = (0..20)
                    .map(|case| (format!("case-{case:02}"), [("dice".to_owned(), score(case))].into()))
                    .collect();
                let value = (0..20).map(score).sum::<f64>() / 20.0;
                cases.insert(id.clone(), scores);
                finished.push(Finished {
                    run: id.parse().unwrap(),
                    experiment: None,
                    backbone: format!("backbone-{row}"),
                    task: Task::Segmentation,
                    arm: Arm::Pretrained,
                    seed,
                    dataset: "phantom".into(),
                    provenance: ["data", "split", "0.1"].map(str::to_owned),
                    training: TrainingSpec::default_for(Family::Provicnet, Task::Segmentation),
                    metric: MetricKind::Dice,
                    value,
                    baseline: None,
                    finished_ms: 1,
                });
            }
        }
        let rows = rows(finished, Group::Cell, false);
        (LeaderboardView { rows, mixed: false, resolution: Vec::new(), not_shown: BTreeMap::new() }, cases)
    }

    #[test]
    fn rows_far_apart_keep_their_ranks_and_close_ones_are_tied() {
        let (mut view, cases) = board(&[0.3, 0.0, 0.001]);
        judge(&mut view, &cases);
        assert_eq!(
            (view.rows[0].backbone.as_str(), view.rows[0].rank_interval),
            ("backbone-0", Some([1, 1]))
        );
        assert!(view.rows[0].tied_with.is_empty());
        assert_eq!(view.rows[1].rank_interval, Some([2, 3]));
        assert_eq!(
            (view.rows[1].tied_with.as_slice(), view.rows[2].tied_with.as_slice()),
            (&[3][..], &[2][..])
        );
        let [resolution] = view.resolution.as_slice() else { panic!("{:?}", view.resolution) };
        // Paired over cases: far below the spread of single scores, which is about 0.07.
        assert!(resolution.difference > 0.0 && resolution.difference < 0.03, "{resolution:?}");
        assert_eq!((resolution.cases, resolution.comparable), (20, Some(1)));
    }

    #[test]
    fn rows_without_scores_of_cases_stay_as_they_are() {
        let (mut view, mut cases) = board(&[0.3, 0.0]);
        cases.remove("row1-seed2");
        let before = view.clone();
        judge(&mut view, &cases);
        assert_eq!(view, before);
    }
}
