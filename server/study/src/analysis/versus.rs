//! Whole experiments against each other: each network of each task, experiment by experiment.

use serde::{Deserialize, Serialize};
use transferscope_domain::{Arm, Direction, RunState, Task, Unsure, experiment::Variant, study::RunRecord};

use super::{
    Input,
    cells::{Wanted, seeds, summary},
    gain::Compared,
};
use crate::statistics::{Interval, holm, mean};

/// A network on a task, in every experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Network {
    pub backbone: String,
    pub task: Task,
    pub arm: Arm,
    pub adaptation: transferscope_domain::Adaptation,
    pub label_share: f64,
    pub metric: String,
    pub direction: Direction,
    /// One for each experiment, in their order; none where the experiment does not plan it.
    pub sides: Vec<Option<Side>>,
}

/// A network in one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Side {
    /// Test metric, mean over seeds.
    pub mean: Option<f64>,
    pub interval: Option<Interval>,
    /// Why there is no interval.
    #[serde(default)]
    pub unsure: Option<Unsure>,
    pub n: usize,
    pub runs: Vec<transferscope_domain::RunId>,
    /// Against the first experiment; none of the first one itself, and without a pair.
    pub against_first: Option<Against>,
}

/// The difference to the first experiment, seed by seed and case by case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Against {
    /// Seeds that both have.
    pub seeds: usize,
    /// Fields that say what the runs differ in; those of the first pair.
    pub differs: Vec<String>,
    /// Of the metric, this experiment's less the first one's; none where their test cases are not the same.
    pub difference: Option<f64>,
    /// 95 %, from the crossed layout of seeds and test patients.
    pub interval: Option<Interval>,
    /// Of the difference being 0, from the same layout.
    pub p: Option<f64>,
    /// The same corrected for all networks of the experiment (Holm).
    pub p_corrected: Option<f64>,
    pub cases: usize,
    pub cases_better: usize,
    /// Why there is no interval.
    #[serde(default)]
    pub unsure: Option<Unsure>,
}

/// What makes a network of an experiment.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    backbone: String,
    task: Task,
    arm: Arm,
    variant: Variant,
}

impl Key {
    fn wanted(&self) -> Wanted<'_> {
        Wanted { backbone: &self.backbone, task: self.task, variant: Some(self.variant) }
    }

    /// The runs with a result, seed by seed.
    fn finished<'a>(&self, input: Input<'a>) -> Vec<&'a RunRecord> {
        let wanted = self.wanted();
        let runs = seeds(input).into_iter().filter_map(|seed| wanted.latest(input.records, self.arm, seed));
        runs.filter(|r| r.state == RunState::Succeeded && r.value.is_some_and(f64::is_finite)).collect()
    }
}

/// Every network that one of the experiments plans, by task in the order of the plans.
pub fn versus(experiments: &[Input<'_>]) -> Vec<Network> {
    let mut keys: Vec<Key> = Vec::new();
    for planned in experiments.iter().flat_map(|e| e.planned) {
        let key = Key {
            backbone: planned.backbone.clone(),
            task: planned.task,
            arm: planned.arm,
            variant: planned.variant,
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|key| key.task);
    let mut networks: Vec<Network> = keys.iter().map(|key| network(key, experiments)).collect();
    for place in 1..experiments.len() {
        let of = |network: &Network| network.sides[place].as_ref()?.against_first.as_ref()?.p;
        let p: Vec<f64> = networks.iter().filter_map(of).collect();
        let mut corrected = holm(&p).into_iter();
        let all = networks.iter_mut().filter_map(|n| n.sides[place].as_mut()?.against_first.as_mut());
        for against in all.filter(|a| a.p.is_some()) {
            against.p_corrected = corrected.next();
        }
    }
    networks
}

fn network(key: &Key, experiments: &[Input<'_>]) -> Network {
    let metric = key.task.primary_metric();
    let first = experiments.first().map(|input| key.finished(*input)).unwrap_or_default();
    let side = |(place, input): (usize, &Input<'_>)| {
        let planned = input.planned.iter().any(|p| {
            p.backbone == key.backbone && p.task == key.task && p.arm == key.arm && p.variant == key.variant
        });
        planned.then(|| {
            let of = summary(*input, key.wanted(), key.arm);
            let finished = key.finished(*input);
            Side {
                mean: of.mean,
                interval: of.interval,
                unsure: of.unsure,
                n: of.n,
                runs: finished.iter().map(|run| run.id.clone()).collect(),
                against_first: (place > 0).then(|| against(&finished, &first)).flatten(),
            }
        })
    };
    Network {
        backbone: key.backbone.clone(),
        task: key.task,
        arm: key.arm,
        adaptation: key.variant.adaptation,
        label_share: key.variant.label_share,
        metric: metric.name(transferscope_domain::metric::Split::Test),
        direction: metric.direction(),
        sides: experiments.iter().enumerate().map(side).collect(),
    }
}

/// Runs against those of the same seeds in the first experiment.
fn against(runs: &[&RunRecord], first: &[&RunRecord]) -> Option<Against> {
    let (runs, first): (Vec<&RunRecord>, Vec<&RunRecord>) = runs
        .iter()
        .filter_map(|run| Some((*run, *first.iter().find(|other| other.seed == run.seed)?)))
        .unzip();
    let differs = first.first()?.differences(runs.first()?).into_iter().map(str::to_owned).collect();
    // Data set and split by hash: other test cases make no pair.
    let same_cases = runs.iter().zip(&first).all(|(a, b)| {
        (&a.provenance.dataset, &a.provenance.split) == (&b.provenance.dataset, &b.provenance.split)
    });
    let mut against = Against {
        seeds: runs.len(),
        differs,
        difference: None,
        interval: None,
        p: None,
        p_corrected: None,
        cases: 0,
        cases_better: 0,
        unsure: None,
    };
    if same_cases {
        let values = runs.iter().zip(&first).map(|(a, b)| Some(a.value? - b.value?));
        let value = mean(&values.collect::<Option<Vec<f64>>>()?)?;
        let pairs: Vec<_> = runs.iter().copied().zip(first.iter().copied()).collect();
        let compared = Compared::of(&pairs);
        let found = compared.difference(1.0, value);
        against = Against {
            difference: Some(value),
            interval: found.interval,
            p: found.p,
            cases: compared.cases,
            cases_better: compared.cases_better,
            unsure: found.unsure,
            ..against
        };
    }
    Some(against)
}
