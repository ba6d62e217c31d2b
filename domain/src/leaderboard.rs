//! The leaderboard: seeds of a cell and arm as one row, with mean and rank; intervals are made from the cases' scores by
//! `study::board`.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    Adaptation, Arm, Direction, ExperimentId, MetricKind, RunId, Task, TrainingSpec, Unsure,
    study::{Provenance, differences},
};

/// How rows are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// One row for the seeds of a backbone, task, arm, adaptation and data set.
    #[default]
    Cell,
    /// One row a run.
    Run,
}

/// One finished run as the leaderboard sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    pub run: RunId,
    pub experiment: Option<ExperimentId>,
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    pub seed: u64,
    pub dataset: String,
    /// What must agree before results are compared, beside the training.
    pub provenance: Provenance,
    pub training: TrainingSpec,
    /// What `value` measures on the test split; one run comes with one metric.
    pub metric: MetricKind,
    pub value: f64,
    pub baseline: Option<(String, f64)>,
    pub finished_ms: i64,
}

/// One row of the board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Row {
    /// Rank, 1 = best, among the rows of its task and data set that it compares with.
    pub rank: u32,
    /// 95 % interval of that rank; none for a row of one seed and where single cases have no scores.
    #[serde(default)]
    pub rank_interval: Option<[u32; 2]>,
    /// Ranks of the rows that cannot be distinguished from this one: the interval of the difference contains zero. A row of
    /// one seed is not told apart from any and names none.
    #[serde(default)]
    pub tied_with: Vec<u32>,
    /// Rows of a task and data set with the same number agree in everything that must agree; 1 is the largest such
    /// group, and its rows differ in nothing.
    #[serde(default)]
    pub comparable: u32,
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    #[serde(default)]
    pub adaptation: Adaptation,
    pub dataset: String,
    pub metric: String,
    pub direction: Direction,
    pub mean: f64,
    /// 95 % interval of the mean, from the crossed layout of seeds and test patients, inside the metric's range: that of
    /// the experiment's page.
    pub ci95: Option<[f64; 2]>,
    /// Why there is no interval.
    #[serde(default)]
    pub unsure: Option<Unsure>,
    pub n: u32,
    /// The best simple baseline on the same cases, and its score.
    pub baseline: Option<Baseline>,
    /// Whether the mean beats that method; none where there is none.
    pub beats_baseline: Option<bool>,
    /// Fields in which this row differs from the rows of group 1, so that ranks against them mislead.
    pub differs: Vec<String>,
    /// Settings, as `name value`, that tell it from other rows of the same backbone and arm.
    #[serde(default)]
    pub settings: Vec<String>,
    /// How its runs were trained.
    pub training: TrainingSpec,
    pub epochs: u32,
    pub seeds: Vec<SeedScore>,
    pub finished_ms: i64,
}

/// A simple baseline's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Baseline {
    pub name: String,
    pub value: f64,
}

/// One seed of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeedScore {
    pub run: RunId,
    pub seed: u64,
    pub value: f64,
}

/// The smallest difference that the cases and seeds of some rows can resolve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resolution {
    pub task: Task,
    pub dataset: String,
    /// Which rows: [`Row::comparable`]; none where all are ranked together.
    pub comparable: Option<u32>,
    /// Median over pairs of rows of half the 95 % interval of their difference.
    pub difference: f64,
    /// Test cases that all runs of these rows have scored.
    pub cases: u32,
}

/// Makes the rows of the board. A group of seeds holds only runs that agree in everything but the seed; a seed that
/// was run twice counts with its latest run. Rows are ranked among those that they compare with, or, if they are to
/// be `mixed`, among all of their task and data set.
pub fn rows(mut finished: Vec<Finished>, group: Group, mixed: bool) -> Vec<Row> {
    finished.retain(|f| f.value.is_finite());
    finished.sort_by_key(|f| f.finished_ms);
    let mut groups: Vec<Vec<Finished>> = Vec::new();
    // Rows of a backbone and data set are looked through one by one, not those of all.
    let mut of_backbone: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for f in finished {
        let known = of_backbone.entry((f.backbone.clone(), f.dataset.clone())).or_default();
        match known.iter().find(|g| group == Group::Cell && same_row(&groups[**g][0], &f)) {
            Some(g) => {
                groups[*g].retain(|other| other.seed != f.seed);
                groups[*g].push(f);
            }
            None => {
                known.push(groups.len());
                groups.push(vec![f]);
            }
        }
    }
    let mut rows: Vec<(Row, Finished)> = groups.into_iter().map(row_of).collect();
    mark_comparable(&mut rows);
    tell_apart(&mut rows);
    let mut rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
    rank(&mut rows, mixed);
    rows.sort_by(|a, b| {
        let place = |r: &Row| if mixed { 0 } else { r.comparable };
        let start = (a.task, &a.dataset, place(a), a.rank, &a.backbone);
        let way = (a.arm, a.adaptation).cmp(&(b.arm, b.adaptation));
        start.cmp(&(b.task, &b.dataset, place(b), b.rank, &b.backbone)).then(way)
    });
    rows
}

/// Gives every row its rank among its peers: one more than there are better ones.
fn rank(rows: &mut [Row], mixed: bool) {
    let mut peers: BTreeMap<(Task, String, u32), Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        let group = if mixed { 0 } else { row.comparable };
        peers.entry((row.task, row.dataset.clone(), group)).or_default().push(i);
    }
    for mut places in peers.into_values() {
        let direction = rows[places[0]].direction;
        let worse = |a: f64, b: f64| direction.better(b, a);
        places.sort_by(|a, b| {
            let (a, b) = (rows[*a].mean, rows[*b].mean);
            worse(a, b).cmp(&worse(b, a))
        });
        let means: Vec<f64> = places.iter().map(|i| rows[*i].mean).collect();
        for (place, mean) in places.iter().zip(&means) {
            let better = means.partition_point(|other| direction.better(*other, *mean));
            rows[*place].rank = better as u32 + 1;
        }
    }
}

impl Row {
    /// Whether two rows are ranked against each other.
    pub fn is_peer_of(&self, other: &Row, mixed: bool) -> bool {
        (self.task, &self.dataset) == (other.task, &other.dataset)
            && (mixed || self.comparable == other.comparable)
    }
}

/// Whether two runs are seeds of one row.
fn same_row(a: &Finished, b: &Finished) -> bool {
    (&a.backbone, a.task, a.arm, &a.dataset, a.metric) == (&b.backbone, b.task, b.arm, &b.dataset, b.metric)
        && (&a.provenance, &a.training) == (&b.provenance, &b.training)
}

/// Numbers the groups of rows that compare with each other, the largest first and of equal ones the latest, and
/// names what tells the others from it.
fn mark_comparable(rows: &mut [(Row, Finished)]) {
    fn sides(run: &Finished) -> (&Provenance, &TrainingSpec) {
        (&run.provenance, &run.training)
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for i in 0..rows.len() {
        let (row, run) = &rows[i];
        let fits = |g: &&mut Vec<usize>| {
            let (other, of) = &rows[g[0]];
            (row.task, &row.dataset) == (other.task, &other.dataset)
                && differences(sides(run), sides(of)).is_empty()
        };
        match groups.iter_mut().find(fits) {
            Some(g) => g.push(i),
            None => groups.push(vec![i]),
        }
    }
    let latest = |g: &[usize]| g.iter().map(|i| rows[*i].0.finished_ms).max();
    groups.sort_by_key(|g| std::cmp::Reverse((g.len(), latest(g))));
    let mut first: Vec<(Task, String, Finished, u32)> = Vec::new();
    for group in groups {
        let (row, run) = rows[group[0]].clone();
        let known = first
            .iter_mut()
            .find(|(task, dataset, ..)| (*task, dataset as &String) == (row.task, &row.dataset));
        let (number, differs) = match known {
            Some((.., main, count)) => {
                *count += 1;
                (*count, differences(sides(&run), sides(main)))
            }
            None => {
                first.push((row.task, row.dataset, run, 1));
                (1, Vec::new())
            }
        };
        for i in group {
            rows[i].0.comparable = number;
            rows[i].0.differs = differs.iter().map(|field| (*field).to_owned()).collect();
        }
    }
}

/// Names the settings in which rows of one backbone and arm differ.
fn tell_apart(rows: &mut [(Row, Finished)]) {
    let key = |r: &Row| (r.backbone.clone(), r.task, r.arm, r.adaptation, r.dataset.clone());
    let mut twins: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (i, (row, _)) in rows.iter().enumerate() {
        twins.entry(key(row)).or_default().push(i);
    }
    for places in twins.into_values().filter(|places| places.len() > 1) {
        let all: Vec<Vec<(String, String)>> = places.iter().map(|i| settings(&rows[*i].1.training)).collect();
        let mut have: HashMap<&(String, String), usize> = HashMap::new();
        for setting in all.iter().flatten() {
            *have.entry(setting).or_default() += 1;
        }
        for (place, settings) in places.iter().zip(&all) {
            // What not all of them have tells one from another.
            let own = settings.iter().filter(|setting| have[setting] < places.len());
            rows[*place].0.settings =
                own.map(|(name, value)| format!("{} {value}", name.replace('_', " "))).collect();
        }
    }
}

/// A training's settings as names and values.
fn settings(training: &TrainingSpec) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(all)) = serde_json::to_value(training) else { return Vec::new() };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    all.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn row_of(mut seeds: Vec<Finished>) -> (Row, Finished) {
    seeds.sort_by_key(|f| f.seed);
    let values: Vec<f64> = seeds.iter().map(|f| f.value).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let first = seeds[0].clone();
    let metric = first.metric;
    let baseline = first.baseline.clone().map(|(name, value)| Baseline { name, value });
    let row = Row {
        rank: 0,
        rank_interval: None,
        tied_with: Vec::new(),
        comparable: 0,
        backbone: first.backbone.clone(),
        task: first.task,
        arm: first.arm,
        adaptation: first.training.adaptation,
        dataset: first.dataset.clone(),
        metric: metric.name(crate::metric::Split::Test),
        direction: metric.direction(),
        mean,
        // Made from the cases' scores, by `study::board`.
        ci95: None,
        unsure: Some(if values.len() < 2 { Unsure::OneSeed } else { Unsure::NoCaseScores }),
        n: values.len() as u32,
        beats_baseline: baseline.as_ref().map(|b| metric.direction().better(mean, b.value)),
        baseline,
        differs: Vec::new(),
        settings: Vec::new(),
        training: first.training.clone(),
        epochs: first.training.epochs,
        finished_ms: seeds.iter().map(|f| f.finished_ms).max().unwrap_or(0),
        seeds: seeds.into_iter().map(|f| SeedScore { run: f.run, seed: f.seed, value: f.value }).collect(),
    };
    (row, first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskKind;

    fn finished(id: &str, backbone: &str, seed: u64, value: f64, t: i64) -> Finished {
        Finished {
            run: id.parse().unwrap(),
            experiment: None,
            backbone: backbone.into(),
            task: TaskKind::Segmentation.into(),
            arm: Arm::Pretrained,
            seed,
            dataset: "phantom".into(),
            provenance: Provenance::default(),
            training: TrainingSpec::default_for(crate::Family::Provicnet, TaskKind::Segmentation),
            metric: MetricKind::Dice,
            value,
            baseline: None,
            finished_ms: t,
        }
    }

    #[test]
    fn seeds_become_one_row() {
        let rows = rows(
            vec![
                finished("aaa1", "a", 0, 0.8, 1),
                finished("aaa2", "a", 1, 0.9, 2),
                finished("bbb1", "b", 0, 0.95, 3),
                finished("aaa3", "a", 0, 0.7, 4),
            ],
            Group::Cell,
            false,
        );
        assert_eq!(
            rows.iter().map(|r| (r.backbone.as_str(), r.rank, r.n)).collect::<Vec<_>>(),
            [("b", 1, 1), ("a", 2, 2)]
        );
        // The later run of seed 0 counts: mean of 0.7 and 0.9.
        assert!((rows[1].mean - 0.8).abs() < 1e-12);
        assert_eq!((rows[0].unsure, rows[1].unsure), (Some(Unsure::OneSeed), Some(Unsure::NoCaseScores)));
    }

    #[test]
    fn ways_to_adapt_a_backbone_are_rows_of_their_own() {
        let mut lora = finished("aaa2", "a", 0, 0.9, 2);
        lora.training.adaptation = Adaptation::Lora;
        let rows = rows(vec![finished("aaa1", "a", 0, 0.8, 1), lora], Group::Cell, false);
        let shown: Vec<_> = rows.iter().map(|r| (r.adaptation, r.rank, r.n)).collect();
        assert_eq!(shown, [(Adaptation::Lora, 1, 1), (Adaptation::Full, 2, 1)]);
        assert!(rows.iter().all(|r| r.differs.is_empty()));
    }

    #[test]
    fn a_row_with_another_budget_ranks_for_itself_unless_all_are_mixed() {
        let mut odd = finished("ccc1", "c", 0, 0.99, 9);
        odd.training.epochs += 40;
        odd.provenance.split = "other".into();
        let all = vec![
            finished("aaa1", "a", 0, 0.8, 1),
            finished("bbb1", "b", 0, 0.7, 2),
            odd,
            finished("ddd1", "d", 0, f64::NAN, 2),
        ];
        let apart = rows(all.clone(), Group::Run, false);
        let shown: Vec<_> = apart.iter().map(|r| (r.backbone.as_str(), r.comparable, r.rank)).collect();
        assert_eq!(shown, [("a", 1, 1), ("b", 1, 2), ("c", 2, 1)]);
        assert_eq!(apart[2].differs, ["split", "epochs"]);
        assert!(apart[0].differs.is_empty() && apart[1].differs.is_empty());
        let mixed = rows(all, Group::Run, true);
        let shown: Vec<_> = mixed.iter().map(|r| (r.backbone.as_str(), r.comparable, r.rank)).collect();
        assert_eq!(shown, [("c", 2, 1), ("a", 1, 2), ("b", 1, 3)]);
    }

    #[test]
    fn ties_share_a_rank_and_thousands_of_rows_take_no_time() {
        let all: Vec<Finished> = (0..10_000_u32)
            .map(|n| {
                let id = format!("run-{n:05}");
                finished(&id, &format!("b{}", n % 50), u64::from(n), f64::from(n / 2), 1)
            })
            .collect();
        let began = std::time::Instant::now();
        let board = rows(all, Group::Run, false);
        // Pair by pair this takes minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
        let ranks: Vec<u32> = board.iter().take(6).map(|r| r.rank).collect();
        assert_eq!(ranks, [1, 1, 3, 3, 5, 5]);
        assert_eq!(board.last().map(|r| (r.mean, r.rank)), Some((0.0, 9999)));
    }

    #[test]
    fn seeds_of_other_settings_are_other_rows_and_say_which() {
        let mut slow = finished("aaa2", "a", 1, 0.9, 2);
        slow.training.lr = 0.5;
        let board = rows(vec![finished("aaa1", "a", 0, 0.8, 1), slow], Group::Cell, false);
        assert_eq!(board.iter().map(|r| (r.n, r.comparable)).collect::<Vec<_>>(), [(1, 1), (1, 1)]);
        assert_eq!(board[0].settings, ["lr 0.5"]);
        assert_eq!(board[1].settings.len(), 1);
    }
}
