//! Whether the source's findings hold here, in words made from the numbers.

use serde::{Deserialize, Serialize};
use transferscope_domain::Task;

use super::{BackboneFacts, Cell, Choice, Counts, EncoderShare, Outcome, Relation, objective::fits};
use crate::statistics::{Correlation, Interval, p_in_words};

/// What the numbers say of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Holds,
    /// The opposite is seen.
    Contradicted,
    /// On the wire by its first name.
    #[serde(rename = "cannot-be-told", alias = "inconclusive")]
    Inconclusive,
}

impl Verdict {
    pub fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds here",
            Self::Contradicted => "does not hold here: the opposite is seen",
            Self::Inconclusive => "inconclusive from these runs",
        }
    }

    /// By an interval of what should be above 0.
    pub(super) fn of(interval: Option<Interval>) -> Self {
        match interval {
            Some(i) if i.low > 0.0 => Self::Holds,
            Some(i) if i.high < 0.0 => Self::Contradicted,
            _ => Self::Inconclusive,
        }
    }
}

/// A finding with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = StudyFinding)]
pub struct Finding {
    pub claim: String,
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub because: Vec<String>,
    /// Whether these runs cannot test the finding at all; the reason is in `because`.
    #[serde(default)]
    pub refused: bool,
}

impl Finding {
    /// The verdict for people.
    pub fn label(&self) -> &'static str {
        if self.refused { "cannot be tested with these runs" } else { self.verdict.label() }
    }
}

/// What of an experiment counts for the findings.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    pub cells: &'a [&'a Cell],
    pub relations: &'a [Relation],
    /// Tasks in which no network is above the simple baseline.
    pub unlearnt: &'a [Task],
    /// Tasks on which a frozen pre-trained encoder is not told apart from a random one.
    pub indifferent: &'a [Task],
    pub encoder_shares: &'a [EncoderShare],
    pub backbones: &'a [BackboneFacts],
    pub counts: Counts,
}

/// The source's two findings.
pub fn findings(of: Counted<'_>, choice: Choice) -> Vec<Finding> {
    let counts = of.counts;
    let mut all = vec![fits(of.cells, of.backbones, choice)];
    all.extend(of.relations.iter().map(|r| closeness(r, choice)));
    let left = if choice.unlearnt { "Included" } else { "Left out" };
    let names = |tasks: &[Task]| tasks.iter().map(|t| t.label()).collect::<Vec<_>>().join(" and ");
    let mut note = |note: String| all.iter_mut().for_each(|finding| finding.because.push(note.clone()));
    if !of.unlearnt.is_empty() {
        note(format!(
            "{left}: {}, where no network is shown to be better than the best simple baseline, so that gains are \
             noise.",
            names(of.unlearnt)
        ));
    }
    if !of.indifferent.is_empty() {
        note(format!(
            "{left}: {}, where a frozen pre-trained encoder is not distinguishable from a frozen random one, so that \
             the task does not depend on the encoder here.",
            names(of.indifferent)
        ));
    }
    if of.encoder_shares.is_empty() {
        note(
            "Whether the tasks depend on the encoder at all is not known: no frozen pre-trained encoder was compared \
             with a frozen random one."
                .into(),
        );
    }
    let unfinished = counts.planned.saturating_sub(counts.succeeded);
    if unfinished > 0 {
        let gone = counts.failed + counts.stopped;
        let note = format!(
            "{} of {} runs have a result; {gone} failed or were stopped; {} still to come.",
            counts.succeeded,
            counts.planned,
            unfinished.saturating_sub(gone)
        );
        for finding in &mut all {
            finding.because.push(note.clone());
            // A verdict from part of the runs may reverse with the rest; runs that failed will not come.
            if unfinished > counts.failed && finding.verdict != Verdict::Inconclusive {
                let so_far = finding.verdict.label();
                finding
                    .because
                    .push(format!("So far it {so_far}; the verdict follows when all runs are done."));
                finding.verdict = Verdict::Inconclusive;
            }
        }
    }
    all
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
        let why = format!("Cells (a backbone on a task) with both values: {n}. At least three are needed.");
        return Finding { claim, verdict: Verdict::Inconclusive, because: vec![why], refused: false };
    };
    let place = if sign > 0.0 { "above" } else { "below" };
    let mut because = vec![format!(
        "Spearman's correlation over {n} cells of {} backbones and {} tasks is {}; {place} 0 the finding holds.",
        relation.backbones,
        relation.tasks,
        in_words(&spearman)
    )];
    because.extend(could_find(&spearman));
    because.push(match &relation.centred {
        Some(centred) => format!(
            "After removing the means of backbones and tasks, which tests whether alignment shows which backbone \
             suits which task, it is {}.",
            in_words(centred)
        ),
        None => "After removing the means of backbones and tasks nothing is left to correlate.".into(),
    });
    if relation.without_value > 0 {
        because.push(format!(
            "{} further cells have an alignment but no such value (no complete pair, a control of 0, or never \
             improved): they are not included.",
            relation.without_value
        ));
    }
    let changes = relation
        .without_task
        .iter()
        .chain(&relation.without_backbone)
        .filter(|l| l.spearman.is_some_and(|v| v * spearman.value < 0.0))
        .map(|l| l.left_out.clone())
        .collect::<Vec<_>>();
    if !changes.is_empty() {
        because.push(format!("Its sign reverses if {} is left out.", changes.join(" or ")));
    }
    for baseline in &relation.baselines {
        if let Some(value) = baseline.spearman {
            because.push(format!(
                "A simple baseline reaches {value:+.2} on the same points: {}.",
                baseline.name
            ));
        }
    }
    because.push(
        "Published work disputes that such scores predict transfer in medical imaging (arXiv 2308.07444, 2510.06448)."
            .into(),
    );
    let found = changes.is_empty() && spearman.p.is_some_and(|p| p <= ERROR);
    let verdict = match found {
        true if sign * spearman.value > 0.0 => Verdict::Holds,
        true => Verdict::Contradicted,
        false => Verdict::Inconclusive,
    };
    Finding { claim, verdict, because, refused: false }
}

/// Error that a verdict allows.
const ERROR: f64 = 0.05;

/// A correlation with what is known of its certainty.
fn in_words(c: &Correlation) -> String {
    let p = c.p.map(p_in_words).unwrap_or_default();
    match c.interval {
        Some(i) => {
            format!("{:+.2} (95 % interval {:+.2} to {:+.2}, permutation p {p})", c.value, i.low, i.high)
        }
        None => format!(
            "{:+.2} (permutation p {p}; fewer than three backbones or tasks have no interval)",
            c.value
        ),
    }
}

/// What the table could have found at all.
fn could_find(c: &Correlation) -> Option<String> {
    let smallest = c.smallest?;
    Some(match smallest.correlation {
        Some(least) => format!(
            "Permuting whole backbones and whole tasks, the smallest correlation that could be significant in this \
             table is {least:.2}."
        ),
        None => format!(
            "No correlation could be significant in this table: permuting whole backbones and whole tasks, its \
             smallest possible p is {}.",
            p_in_words(smallest.least_p)
        ),
    })
}
