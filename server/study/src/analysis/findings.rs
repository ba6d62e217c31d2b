//! Whether the source's findings hold here, in words made from the numbers.

use serde::{Deserialize, Serialize};
use transferscope_domain::{Arm, Task, leaderboard::mean_ci95};

use super::{BackboneFacts, Cell, Choice, Counts, Outcome, Relation, restores};
use crate::statistics::{Interval, mean, p_in_words, variance};

/// What the numbers say of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Holds,
    /// The opposite is seen.
    Contradicted,
    CannotBeTold,
}

impl Verdict {
    pub fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds here",
            Self::Contradicted => "does not hold here: the opposite is seen",
            Self::CannotBeTold => "cannot be told from these runs",
        }
    }

    /// By an interval of what should be above 0.
    fn of(interval: Option<Interval>) -> Self {
        match interval {
            Some(i) if i.low > 0.0 => Self::Holds,
            Some(i) if i.high < 0.0 => Self::Contradicted,
            _ => Self::CannotBeTold,
        }
    }
}

/// A finding with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub claim: String,
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub because: Vec<String>,
}

/// The source's two findings, from the cells that count; `unlearnt` are the tasks that no network has learnt.
pub fn findings(
    cells: &[&Cell],
    relations: &[Relation],
    unlearnt: &[Task],
    backbones: &[BackboneFacts],
    counts: Counts,
    choice: Choice,
) -> Vec<Finding> {
    let mut all = vec![fits(cells, backbones, choice)];
    all.extend(relations.iter().map(|r| closeness(r, choice)));
    if !unlearnt.is_empty() {
        let names = unlearnt.iter().map(|t| t.label()).collect::<Vec<_>>().join(" and ");
        let left = if choice.unlearnt { "Counted all the same" } else { "Left out" };
        let note = format!(
            "{left}: {names}, where no network can be told from the best trivial method, so that gains are noise."
        );
        all.iter_mut().for_each(|finding| finding.because.push(note.clone()));
    }
    let unfinished = counts.planned.saturating_sub(counts.succeeded);
    if unfinished > 0 {
        let gone = counts.failed + counts.stopped;
        let note = format!(
            "{} of {} runs have a result; {gone} failed or were stopped, {} are still to come.",
            counts.succeeded,
            counts.planned,
            unfinished.saturating_sub(gone)
        );
        for finding in &mut all {
            finding.because.push(note.clone());
            // What is seen of a part may turn round with the rest; runs that failed will not come.
            if unfinished > counts.failed && finding.verdict != Verdict::CannotBeTold {
                let so_far = finding.verdict.label();
                finding
                    .because
                    .push(format!("So far it {so_far}; there is a verdict when all runs are done."));
                finding.verdict = Verdict::CannotBeTold;
            }
        }
    }
    all
}

/// What a backbone learnt from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reconstruction,
    Contrast,
}

fn kind(backbones: &[BackboneFacts], name: &str) -> Option<Kind> {
    let objective = backbones.iter().find(|b| b.name == name)?.objective.as_deref()?;
    Some(if objective == "mae" { Kind::Reconstruction } else { Kind::Contrast })
}

fn percent(value: f64) -> String {
    format!("{value:+.2} %")
}

/// Gains of a seed by what the backbone learnt from and what the task asks for, as means over tasks.
struct Gains<'a> {
    cells: &'a [&'a Cell],
    backbones: &'a [BackboneFacts],
    against: Arm,
}

impl Gains<'_> {
    /// As they are, or in the spread of each task's own.
    fn of(&self, wanted: Kind, restoring: bool, seed: u64, standardised: bool) -> Option<f64> {
        // All of the tasks or none: means over different tasks of different seeds are no difference.
        let gains: Option<Vec<f64>> = self
            .cells
            .iter()
            .filter(|c| {
                restores(c.key.task) == restoring && kind(self.backbones, &c.key.backbone) == Some(wanted)
            })
            .map(|c| {
                let pairs = &c.gain(self.against)?.pairs;
                let gain = pairs.iter().find(|p| p.seed == seed)?.gain;
                Some(if standardised { gain / self.spread(c.key.task)? } else { gain })
            })
            .collect();
        mean(&gains?)
    }

    /// Standard deviation of all gains on a task.
    fn spread(&self, task: Task) -> Option<f64> {
        let of_task = self.cells.iter().filter(|c| c.key.task == task).filter_map(|c| c.gain(self.against));
        let gains: Vec<f64> = of_task.flat_map(|g| &g.pairs).map(|p| p.gain).collect();
        variance(&gains).map(f64::sqrt).filter(|d| *d > 0.0)
    }

    fn seeds(&self) -> Vec<u64> {
        let gains = self.cells.iter().filter_map(|c| c.gain(self.against));
        let mut seeds: Vec<u64> = gains.flat_map(|g| &g.pairs).map(|p| p.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }

    /// How much more reconstruction gains on restoration than elsewhere, less the same of contrast.
    fn interaction(&self, seed: u64, standardised: bool) -> Option<f64> {
        let advantage =
            |kind| Some(self.of(kind, true, seed, standardised)? - self.of(kind, false, seed, standardised)?);
        Some(advantage(Kind::Reconstruction)? - advantage(Kind::Contrast)?)
    }
}

/// Reconstruction gains more on restoration, contrast more on semantics: an interaction, seed by seed. The verdict
/// counts each task in the spread of its own gains; in percent those of AUROC are tens of times those of PSNR.
fn fits(cells: &[&Cell], backbones: &[BackboneFacts], choice: Choice) -> Finding {
    let claim =
        "Pre-training by reconstruction gains more on restoring images, pre-training by contrast more on \
                 telling what is in them."
            .to_owned();
    let gains = Gains { cells, backbones, against: choice.against };
    let seeds = gains.seeds();
    let control = match choice.against {
        Arm::Scratch => "the same network from scratch",
        Arm::Specialist | Arm::Pretrained => "the specialist",
    };
    let mut because = Vec::new();
    for (kind, name) in [(Kind::Reconstruction, "reconstruction"), (Kind::Contrast, "contrast")] {
        let over = |restoring: bool| {
            mean(&seeds.iter().filter_map(|s| gains.of(kind, restoring, *s, false)).collect::<Vec<_>>())
        };
        if let (Some(restoring), Some(telling)) = (over(true), over(false)) {
            because.push(format!(
                "Pre-training by {name} gains {} over {control} where images are restored and {} where they are \
                 segmented or classified.",
                percent(restoring),
                percent(telling)
            ));
        }
    }
    let interactions: Vec<f64> = seeds.iter().filter_map(|s| gains.interaction(*s, true)).collect();
    if interactions.is_empty() {
        because.push(
            "There is no seed yet with the gains of both kinds of pre-training on all tasks of both kinds."
                .into(),
        );
        return Finding { claim, verdict: Verdict::CannotBeTold, because };
    }
    let (value, ends) = mean_ci95(&interactions);
    let interval = ends.map(|[low, high]| Interval { low, high });
    let words = "The difference of these differences, each task in standard deviations of its own gains so that all \
                 count the same, is";
    because.push(match interval {
        Some(i) => format!(
            "{words} {value:+.2} (95 % interval {:+.2} to {:+.2}, Student's t over {} seeds; above 0 the finding \
             holds).",
            i.low,
            i.high,
            interactions.len()
        ),
        None => format!("{words} {value:+.2}, from one seed."),
    });
    let in_percent: Vec<f64> = seeds.iter().filter_map(|s| gains.interaction(*s, false)).collect();
    if let Some(percent) = mean(&in_percent) {
        because.push(format!(
            "In percentage points, where the metrics with the largest gains outweigh the others, it is {percent:+.1}."
        ));
    }
    Finding { claim, verdict: Verdict::of(interval), because }
}

/// Closer alignment goes with a larger gain, or with fewer epochs.
fn closeness(relation: &Relation, choice: Choice) -> Finding {
    // The sign of the correlation where the finding holds: closer is a smaller distance, or a larger similarity.
    let closer = if choice.measured.larger_is_closer() { 1.0 } else { -1.0 };
    let (what, sign) = match relation.outcome {
        Outcome::Gain => ("with a larger gain", closer),
        Outcome::Epochs => ("with faster convergence", -closer),
    };
    let claim = format!("Closer alignment of the features before and after fine-tuning goes {what}.");
    let n = relation.points.len();
    let Some(spearman) = relation.spearman else {
        let why = format!("Cells with both values: {n}. Fewer than three say nothing.");
        return Finding { claim, verdict: Verdict::CannotBeTold, because: vec![why] };
    };
    let turned = spearman.interval.map(|i| {
        let (a, b) = (sign * i.low, sign * i.high);
        Interval { low: a.min(b), high: a.max(b) }
    });
    let mut because = vec![match (spearman.interval, spearman.p) {
        (Some(i), Some(p)) => format!(
            "Spearman's correlation over {n} cells is {:+.2} (95 % interval {:+.2} to {:+.2}, permutation p {}); {} 0 \
             the finding holds.",
            spearman.value,
            i.low,
            i.high,
            p_in_words(p),
            if sign > 0.0 { "above" } else { "below" }
        ),
        _ => format!(
            "Spearman's correlation over {n} cells is {:+.2}; so few points have no interval.",
            spearman.value
        ),
    }];
    if relation.without_value > 0 {
        because.push(format!(
            "{} further cells have an alignment and no such value (no complete pair, or never improved): they are not \
             among the points.",
            relation.without_value
        ));
    }
    because.push(format!(
        "The points come from {} backbones and {} tasks: points that share one are not independent, so the interval is \
         narrower than it should be.",
        relation.backbones, relation.tasks
    ));
    let changes = relation
        .without_task
        .iter()
        .chain(&relation.without_backbone)
        .filter(|l| l.spearman.is_some_and(|v| v * spearman.value < 0.0))
        .map(|l| l.left_out.clone())
        .collect::<Vec<_>>();
    if !changes.is_empty() {
        because.push(format!("Its sign turns round where {} is left out.", changes.join(" or ")));
    }
    for dumb in &relation.dumb {
        if let Some(value) = dumb.spearman {
            because.push(format!(
                "What knows nothing of features reaches {value:+.2} on the same points: {}.",
                dumb.name
            ));
        }
    }
    because.push(
        "Published work disputes that such scores foretell transfer in medical imaging (arXiv 2308.07444, 2510.06448)."
            .into(),
    );
    let verdict = if changes.is_empty() { Verdict::of(turned) } else { Verdict::CannotBeTold };
    Finding { claim, verdict, because }
}
