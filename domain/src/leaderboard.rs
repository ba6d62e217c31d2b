//! The leaderboard: seeds of a cell and arm as one row, with mean, interval and rank.

use serde::{Deserialize, Serialize};

use crate::{Adaptation, Arm, Direction, ExperimentId, MetricKind, RunId, Task};

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
    pub adaptation: Adaptation,
    pub seed: u64,
    pub dataset: String,
    pub dataset_hash: String,
    /// What must agree before rows may be ranked against each other, besides task and data set:
    /// epochs, for now.
    pub epochs: u32,
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
    /// Rank within task and data set, 1 = best.
    pub rank: u32,
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    #[serde(default)]
    pub adaptation: Adaptation,
    pub dataset: String,
    pub metric: String,
    pub direction: Direction,
    pub mean: f64,
    /// 95 % interval of the mean over seeds (Student's t); none for fewer than two seeds.
    pub ci95: Option<[f64; 2]>,
    pub n: u32,
    /// The best trivial method on the same cases, and its score.
    pub baseline: Option<Baseline>,
    /// Whether the mean beats that method; none where there is none.
    pub beats_baseline: Option<bool>,
    /// Fields in which this row differs from most rows of its task and data set, so that ranks
    /// against them mislead.
    pub differs: Vec<String>,
    pub epochs: u32,
    pub seeds: Vec<SeedScore>,
    pub finished_ms: i64,
}

/// A trivial method's score.
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

/// Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom; 1.96 beyond.
const T95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Mean and its 95 % interval by Student's t; no interval for fewer than two values.
pub fn mean_ci95(values: &[f64]) -> (f64, Option<[f64; 2]>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, None);
    }
    let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = T95.get(values.len() - 2).copied().unwrap_or(1.96);
    let half = t * (var / n).sqrt();
    (mean, Some([mean - half, mean + half]))
}

/// Makes the rows of the board. A group of seeds holds only runs that agree in backbone, task,
/// arm, adaptation, data set (by hash) and epochs; a seed that was run twice counts with its latest run.
pub fn rows(mut finished: Vec<Finished>, group: Group) -> Vec<Row> {
    finished.retain(|f| f.value.is_finite());
    finished.sort_by_key(|f| f.finished_ms);
    let mut groups: Vec<Vec<Finished>> = Vec::new();
    for f in finished {
        let same = |g: &&mut Vec<Finished>| {
            let h = &g[0];
            group == Group::Cell
                && (h.arm, h.adaptation) == (f.arm, f.adaptation)
                && (&h.backbone, h.task, &h.dataset, &h.dataset_hash, h.epochs, h.metric)
                    == (&f.backbone, f.task, &f.dataset, &f.dataset_hash, f.epochs, f.metric)
        };
        match groups.iter_mut().find(same) {
            Some(g) => {
                g.retain(|other| other.seed != f.seed);
                g.push(f);
            }
            None => groups.push(vec![f]),
        }
    }
    let mut rows: Vec<(Row, String)> = groups.into_iter().map(|g| row_of(g, group)).collect();
    // Rank and compare within task and data set name.
    let keys: Vec<_> =
        rows.iter().map(|(r, hash)| (r.task, r.dataset.clone(), r.epochs, hash.clone())).collect();
    for i in 0..rows.len() {
        let peers: Vec<usize> =
            (0..rows.len()).filter(|j| keys[*j].0 == keys[i].0 && keys[*j].1 == keys[i].1).collect();
        let better =
            peers.iter().filter(|j| rows[i].0.direction.better(rows[**j].0.mean, rows[i].0.mean)).count();
        rows[i].0.rank = better as u32 + 1;
        let minority =
            |same: &dyn Fn(usize) -> bool| peers.iter().filter(|j| same(**j)).count() * 2 < peers.len();
        if minority(&|j| keys[j].2 == keys[i].2) {
            rows[i].0.differs.push("epochs".into());
        }
        if minority(&|j| keys[j].3 == keys[i].3) {
            rows[i].0.differs.push("data set content".into());
        }
    }
    let mut rows: Vec<Row> = rows.into_iter().map(|(r, _)| r).collect();
    rows.sort_by(|a, b| {
        let start = (a.task, &a.dataset, a.rank, &a.backbone);
        let way = (a.arm, a.adaptation).cmp(&(b.arm, b.adaptation));
        start.cmp(&(b.task, &b.dataset, b.rank, &b.backbone)).then(way)
    });
    rows
}

fn row_of(mut seeds: Vec<Finished>, _group: Group) -> (Row, String) {
    seeds.sort_by_key(|f| f.seed);
    let values: Vec<f64> = seeds.iter().map(|f| f.value).collect();
    let (mean, ci95) = mean_ci95(&values);
    let first = seeds[0].clone();
    let metric = first.metric;
    let baseline = first.baseline.map(|(name, value)| Baseline { name, value });
    let row = Row {
        rank: 0,
        backbone: first.backbone,
        task: first.task,
        arm: first.arm,
        adaptation: first.adaptation,
        dataset: first.dataset,
        metric: metric.name(crate::metric::Split::Test),
        direction: metric.direction(),
        mean,
        ci95,
        n: values.len() as u32,
        beats_baseline: baseline.as_ref().map(|b| metric.direction().better(mean, b.value)),
        baseline,
        differs: Vec::new(),
        epochs: first.epochs,
        finished_ms: seeds.iter().map(|f| f.finished_ms).max().unwrap_or(0),
        seeds: seeds.into_iter().map(|f| SeedScore { run: f.run, seed: f.seed, value: f.value }).collect(),
    };
    (row, first.dataset_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(id: &str, backbone: &str, seed: u64, value: f64, t: i64) -> Finished {
        Finished {
            run: id.parse().unwrap(),
            experiment: None,
            backbone: backbone.into(),
            task: Task::Segmentation,
            arm: Arm::Pretrained,
            adaptation: Adaptation::Full,
            seed,
            dataset: "phantom".into(),
            dataset_hash: "h".into(),
            epochs: 10,
            metric: MetricKind::Dice,
            value,
            baseline: None,
            finished_ms: t,
        }
    }

    #[test]
    fn seeds_become_one_row_with_interval() {
        let rows = rows(
            vec![
                finished("aaa1", "a", 0, 0.8, 1),
                finished("aaa2", "a", 1, 0.9, 2),
                finished("bbb1", "b", 0, 0.95, 3),
                finished("aaa3", "a", 0, 0.7, 4),
            ],
            Group::Cell,
        );
        assert_eq!(
            rows.iter().map(|r| (r.backbone.as_str(), r.rank, r.n)).collect::<Vec<_>>(),
            [("b", 1, 1), ("a", 2, 2)]
        );
        // The later run of seed 0 counts: mean of 0.7 and 0.9, half width 12.706 * 0.1.
        assert!((rows[1].mean - 0.8).abs() < 1e-12);
        let [low, high] = rows[1].ci95.unwrap();
        assert!((high - low - 2.0 * 12.706 * 0.1).abs() < 1e-9);
        assert_eq!(rows[0].ci95, None);
    }

    #[test]
    fn ways_to_adapt_a_backbone_are_rows_of_their_own() {
        let mut lora = finished("aaa2", "a", 0, 0.9, 2);
        lora.adaptation = Adaptation::Lora;
        let rows = rows(vec![finished("aaa1", "a", 0, 0.8, 1), lora], Group::Cell);
        let shown: Vec<_> = rows.iter().map(|r| (r.adaptation, r.rank, r.n)).collect();
        assert_eq!(shown, [(Adaptation::Lora, 1, 1), (Adaptation::Full, 2, 1)]);
        assert!(rows.iter().all(|r| r.differs.is_empty()));
    }

    #[test]
    fn a_row_with_another_budget_is_marked_and_a_nan_is_not_ranked() {
        let mut odd = finished("ccc1", "c", 0, 0.99, 9);
        odd.epochs = 50;
        let rows = rows(
            vec![
                finished("aaa1", "a", 0, 0.8, 1),
                finished("bbb1", "b", 0, 0.7, 2),
                odd,
                finished("ddd1", "d", 0, f64::NAN, 2),
            ],
            Group::Run,
        );
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].differs, ["epochs"]);
        assert!(rows[1].differs.is_empty());
    }
}
