//! Whether the source's findings hold here, in words made from the numbers.

use serde::{Deserialize, Serialize};
use transferscope_domain::{Arm, leaderboard::mean_ci95};

use super::{BackboneFacts, Cell, Choice, Counts, Outcome, Relation, restores};
use crate::statistics::{Interval, mean, p_in_words};

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

/// The source's two findings.
pub fn findings(
    cells: &[Cell],
    relations: &[Relation],
    backbones: &[BackboneFacts],
    counts: Counts,
    choice: Choice,
) -> Vec<Finding> {
    let mut all = vec![fits(cells, backbones, choice)];
    all.extend(relations.iter().map(|r| closeness(r, choice)));
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

/// Reconstruction gains more on restoration, contrast more on semantics: an interaction, seed by seed.
fn fits(cells: &[Cell], backbones: &[BackboneFacts], choice: Choice) -> Finding {
    let claim =
        "Pre-training by reconstruction gains more on restoring images, pre-training by contrast more on \
                 telling what is in them."
            .to_owned();
    let of = |wanted: Kind, restoring: bool, seed: u64| -> Option<f64> {
        // All of the tasks or none: means over different tasks of different seeds are no difference.
        let gains: Option<Vec<f64>> = cells
            .iter()
            .filter(|c| restores(c.key.task) == restoring && kind(backbones, &c.key.backbone) == Some(wanted))
            .map(|c| c.gain(choice.against)?.pairs.iter().find(|p| p.seed == seed).map(|p| p.gain))
            .collect();
        mean(&gains?)
    };
    let mut seeds: Vec<u64> =
        cells.iter().flat_map(|c| &c.gains).flat_map(|g| &g.pairs).map(|p| p.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let interactions: Vec<f64> = seeds
        .iter()
        .filter_map(|s| {
            use Kind::{Contrast, Reconstruction};
            let advantage = |kind| Some(of(kind, true, *s)? - of(kind, false, *s)?);
            Some(advantage(Reconstruction)? - advantage(Contrast)?)
        })
        .collect();
    let control = match choice.against {
        Arm::Scratch => "the same network from scratch",
        Arm::Specialist | Arm::Pretrained => "the specialist",
    };
    let mut because = Vec::new();
    for (kind, name) in [(Kind::Reconstruction, "reconstruction"), (Kind::Contrast, "contrast")] {
        let over =
            |restoring: bool| mean(&seeds.iter().filter_map(|s| of(kind, restoring, *s)).collect::<Vec<_>>());
        if let (Some(restoring), Some(telling)) = (over(true), over(false)) {
            because.push(format!(
                "Pre-training by {name} gains {} over {control} where images are restored and {} where they are \
                 segmented or classified.",
                percent(restoring),
                percent(telling)
            ));
        }
    }
    if interactions.is_empty() {
        because
            .push("There is no seed yet with the gains of both kinds of pre-training on all tasks.".into());
        return Finding { claim, verdict: Verdict::CannotBeTold, because };
    }
    let (value, ends) = mean_ci95(&interactions);
    let interval = ends.map(|[low, high]| Interval { low, high });
    because.push(match interval {
        Some(i) => format!(
            "The difference of these differences is {value:+.1} percentage points (95 % interval {:+.1} to {:+.1}, \
             Student's t over {} seeds; above 0 the finding holds).",
            i.low,
            i.high,
            interactions.len()
        ),
        None => format!("The difference of these differences is {value:+.1} percentage points, from one seed."),
    });
    because.push(
        "Gains of different metrics are added up here: those of AUROC are tens of times as large as those of PSNR in dB \
         and outweigh them."
            .into(),
    );
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
