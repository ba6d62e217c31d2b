//! How sure the leaderboard's means and ranks are, from the crossed layout of seeds and test patients.

use std::collections::HashMap;

use transferscope_domain::{
    MetricKind, Unsure,
    api::LeaderboardView,
    leaderboard::{Resolution, Row},
};

use crate::{
    analysis::{CaseTable, Cases, Patients, cell_mean},
    statistics::{Estimate, between, crossed, holm, quantile},
};

/// Most rows that are judged against each other: the work grows with the pairs.
pub const ROWS_MAX: usize = 100;
/// Error that a rank's interval allows.
const ALPHA: f64 = 0.05;

/// What the runs of a board scored on their test cases, and the patients of these, by run.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    pub cases: &'a HashMap<String, Cases>,
    pub patients: &'a HashMap<String, Patients>,
}

/// Gives every row the interval of its mean, the interval of its rank and the rows that cannot be distinguished from
/// it,
/// and says what difference the cases can resolve. Rows of one seed and rows without scores of single cases are not
/// judged; they only widen what the ranks of others may be. Ranks are not judged where there are more than
/// [`ROWS_MAX`] rows.
pub fn judge(view: &mut LeaderboardView, scored: Scored<'_>) {
    for row in &mut view.rows {
        give_interval(row, scored);
    }
    let mut left: Vec<usize> = (0..view.rows.len()).collect();
    while let Some(first) = left.first().copied() {
        let (peers, others): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|i| view.rows[*i].is_peer_of(&view.rows[first], view.mixed));
        left = others;
        judge_peers(view, &peers, scored);
    }
}

fn cases_of<'a>(row: &Row, scored: Scored<'a>) -> Option<Vec<&'a Cases>> {
    row.seeds.iter().map(|seed| scored.cases.get(seed.run.as_str())).collect()
}

/// The patients as one of the runs has them: rows that are compared have the same test cases.
fn patients_of<'a>(row: &Row, scored: Scored<'a>) -> Option<&'a Patients> {
    scored.patients.get(row.seeds.first()?.run.as_str())
}

fn give_interval(row: &mut Row, scored: Scored<'_>) {
    let Some(metric) = MetricKind::of_name(&row.metric) else { return };
    let none = Patients::new();
    let table = cases_of(row, scored)
        .ok_or(Unsure::NoCaseScores)
        .and_then(|cases| CaseTable::by(metric, &cases, patients_of(row, scored).unwrap_or(&none)));
    let values: Vec<f64> = row.seeds.iter().map(|seed| seed.value).collect();
    let estimate = cell_mean(metric, &values, &table);
    row.ci95 = estimate.and_then(|e| e.interval).map(|i| [i.low, i.high]);
    row.unsure = estimate.and_then(|e| e.unsure);
}

/// What each patient adds to each seed of a row, `[seed][patient]`, and the seeds.
struct Judged {
    place: usize,
    seeds: Vec<u64>,
    parts: Vec<Vec<f64>>,
    mean: f64,
}

impl Judged {
    /// The difference to another row. Runs of one seed share the order of their batches, so that rows of the same seeds
    /// are paired by them; else their seeds are taken for independent.
    fn less(&self, other: &Judged) -> Estimate {
        let spread = if self.seeds == other.seeds {
            let pairs = self.parts.iter().zip(&other.parts);
            let rows: Vec<Vec<f64>> =
                pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect();
            crossed(&rows)
        } else {
            between(&self.parts, &other.parts)
        };
        Estimate::of(self.mean - other.mean, spread)
    }
}

fn judge_peers(view: &mut LeaderboardView, peers: &[usize], scored: Scored<'_>) {
    if !(2..=ROWS_MAX).contains(&peers.len()) {
        return;
    }
    let Some(metric) = MetricKind::of_name(&view.rows[peers[0]].metric) else { return };
    let fit = |i: &&usize| {
        let row = &view.rows[**i];
        row.n > 1 && cases_of(row, scored).is_some()
    };
    let places: Vec<usize> = peers.iter().filter(fit).copied().collect();
    let runs: Vec<&Cases> =
        places.iter().filter_map(|i| cases_of(&view.rows[*i], scored)).flatten().collect();
    let none = Patients::new();
    let patients = places.first().and_then(|i| patients_of(&view.rows[*i], scored)).unwrap_or(&none);
    let Ok(table) = CaseTable::by(metric, &runs, patients) else { return };
    let mut run = 0;
    let judged: Vec<Judged> = places
        .iter()
        .map(|place| {
            let row = &view.rows[*place];
            let from = run;
            run += row.seeds.len();
            Judged {
                place: *place,
                seeds: row.seeds.iter().map(|s| s.seed).collect(),
                parts: (from..run).map(|r| table.parts(r)).collect(),
                mean: row.mean,
            }
        })
        .collect();
    let sign = metric.direction().sign();
    let mut widths = Vec::new();
    let mut changes = Vec::new();
    for one in &judged {
        let others: Vec<(&Judged, Estimate)> = judged
            .iter()
            .filter(|other| other.place != one.place)
            .map(|other| (other, one.less(other)))
            .collect();
        let mut tied: Vec<u32> = others
            .iter()
            .filter(|(_, difference)| difference.interval.is_none_or(|i| i.contains(0.0)))
            .map(|(other, _)| view.rows[other.place].rank)
            .collect();
        tied.sort_unstable();
        tied.dedup();
        widths.extend(others.iter().filter_map(|(_, d)| d.interval).map(|i| (i.high - i.low) / 2.0));
        changes.push((one.place, rank_interval(&others, sign, peers.len()), tied));
    }
    for (place, interval, tied) in changes {
        view.rows[place].rank_interval = Some(interval);
        view.rows[place].tied_with = tied;
    }
    widths.sort_by(f64::total_cmp);
    let row = &view.rows[peers[0]];
    let resolution = quantile(&widths, 0.5).map(|difference| Resolution {
        task: row.task,
        dataset: row.dataset.clone(),
        comparable: (!view.mixed).then_some(row.comparable),
        difference,
        cases: table.cases as u32,
    });
    view.resolution.extend(resolution);
}

/// Ranks that a row may have among `count`: below those that it is surely worse than and above those that it is surely
/// better than, by Holm's correction over its own comparisons.
fn rank_interval(others: &[(&Judged, Estimate)], sign: f64, count: usize) -> [u32; 2] {
    let known: Vec<(f64, f64)> =
        others.iter().filter_map(|(_, difference)| Some((difference.p?, sign * difference.value))).collect();
    let corrected = holm(&known.iter().map(|(p, _)| *p).collect::<Vec<_>>());
    let sure = || known.iter().zip(&corrected).filter(|(_, p)| **p <= ALPHA);
    let better = sure().filter(|((_, value), _)| *value < 0.0).count();
    let worse = sure().filter(|((_, value), _)| *value > 0.0).count();
    [1 + better as u32, (count - worse) as u32]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use transferscope_domain::{
        Arm, Family, TaskKind, TrainingSpec,
        leaderboard::{Finished, Group, rows},
    };

    use super::*;

    type AllCases = HashMap<String, Cases>;

    fn judged(mut view: LeaderboardView, cases: &AllCases) -> LeaderboardView {
        judge(&mut view, Scored { cases, patients: &HashMap::new() });
        view
    }

    /// A board of rows with some seeds each: `offsets` above scores that vary over twenty cases.
    fn board(offsets: &[f64], seeds: u64) -> (LeaderboardView, AllCases) {
        let (mut finished, mut cases) = (Vec::new(), AllCases::new());
        for (row, offset) in offsets.iter().enumerate() {
            for seed in 0..seeds {
                let id = format!("row{row}-seed{seed}");
                let score = |case: usize| {
                    let wobble = ((case * 7 + seed as usize * 3 + row * 5) % 11) as f64 / 100.0;
                    0.4 + offset + case as f64 / 100.0 + wobble
                };
                let scores: Cases = (0..20)
                    .map(|case| (format!("case-{case:02}"), [("dice".to_owned(), score(case))].into()))
                    .collect();
                let value = (0..20).map(score).sum::<f64>() / 20.0;
                cases.insert(id.clone(), scores);
                finished.push(Finished {
                    run: id.parse().unwrap(),
                    experiment: None,
                    backbone: format!("backbone-{row}"),
                    task: TaskKind::Segmentation.into(),
                    arm: Arm::Pretrained,
                    seed,
                    dataset: "phantom".into(),
                    provenance: Default::default(),
                    training: TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation),
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
        let (view, cases) = board(&[0.3, 0.0, 0.001], 3);
        let view = judged(view, &cases);
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
        assert!(resolution.difference > 0.0 && resolution.difference < 0.04, "{resolution:?}");
        assert_eq!((resolution.cases, resolution.comparable), (20, Some(1)));
        for row in &view.rows {
            let [low, high] = row.ci95.unwrap();
            assert!(0.0 < low && low < row.mean && row.mean < high && high < 1.0 && row.unsure.is_none());
        }
    }

    #[test]
    fn one_seed_has_no_interval_and_says_so() {
        let (view, cases) = board(&[0.3, 0.0], 1);
        let view = judged(view, &cases);
        assert!(view.rows.iter().all(|r| r.ci95.is_none() && r.unsure == Some(Unsure::OneSeed)));
        assert!(view.rows.iter().all(|r| r.rank_interval.is_none() && r.tied_with.is_empty()));
        assert!(view.resolution.is_empty());
    }

    #[test]
    fn a_row_without_scores_of_cases_is_not_judged_and_widens_the_ranks_of_others() {
        let (view, mut cases) = board(&[0.3, 0.2, 0.0], 3);
        cases.remove("row1-seed2");
        let view = judged(view, &cases);
        assert_eq!((view.rows[1].rank_interval, view.rows[1].unsure), (None, Some(Unsure::NoCaseScores)));
        assert_eq!(view.rows[0].rank_interval, Some([1, 2]), "surely above one of the two others");
        assert_eq!(view.rows[2].rank_interval, Some([2, 3]));
    }

    #[test]
    fn rows_of_other_seeds_are_told_apart_without_pairs() {
        let (mut view, cases) = board(&[0.3, 0.0], 3);
        view.rows[1].seeds.iter_mut().for_each(|s| s.seed += 100);
        let view = judged(view, &cases);
        assert_eq!((view.rows[0].rank_interval, view.rows[1].rank_interval), (Some([1, 1]), Some([2, 2])));
    }
}
