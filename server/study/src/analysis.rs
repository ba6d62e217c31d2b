//! The analysis of an experiment: what its runs say of gain, convergence and alignment, and with which certainty.
//!
//! Everything is computed from records; nothing is filled in. A gain needs both runs of a pair, a run that is missing
//! is a hole, and what failed is counted. Start reading at [`analyse`].

mod aligned;
mod cells;
mod correlate;
mod encoder;
mod findings;
pub mod foretold;
mod gain;
mod learnt;
mod measured;
mod objective;
mod ranking;
mod scores;
mod versus;

use serde::{Deserialize, Serialize};
use transferscope_domain::{Arm, Task, experiment::PlannedRun, study::RunRecord};

use crate::alignment::Discrepancy;

pub use aligned::{AlignedLayer, Control, LayerChoice};
pub use cells::{ArmSummary, Cell, CellKey, Converged, Seeded, Slot};
pub use correlate::{LeftOut, Outcome, Point, Relation, SimpleBaseline};
pub use encoder::EncoderShare;
pub use findings::{Finding, Verdict};
pub use gain::{Gain, NoPair, Pair, Unpaired};
pub use measured::{D2S, Measured};
pub use ranking::{Ranked, Ranking};
pub(crate) use scores::{CaseTable, cell_mean};
pub use scores::{Cases, Patients};
pub use versus::{Against, Network, Side, versus};

/// A backbone as far as the analysis needs to know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackboneFacts {
    pub name: String,
    /// Pre-training objective, such as `mae` or `patch-contrast`.
    pub objective: Option<String>,
    pub parameters: u64,
    /// Family of its network, such as `provicnet`: encoders of one objective and of another are compared within one.
    #[serde(default)]
    pub architecture: Option<String>,
}

/// What an analysis is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub planned: &'a [PlannedRun],
    pub records: &'a [RunRecord],
    pub backbones: &'a [BackboneFacts],
}

/// What of it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Choice {
    pub layer: LayerChoice,
    pub measured: Measured,
    /// The arm that gains are against.
    pub against: Arm,
    /// Whether tasks that no network has learnt, or that do not depend on the encoder, count among what the findings
    /// rest on.
    #[serde(default)]
    pub unlearnt: bool,
    /// How an MMD² is measured; the other alignments have neither kernel nor estimator.
    #[serde(default)]
    pub how: Discrepancy,
}

impl Choice {
    /// The same against a control that is planned: an experiment without a specialist is held against its networks from
    /// scratch, and the other way round.
    #[must_use]
    fn against_planned(self, planned: &[PlannedRun]) -> Self {
        let has = |arm: Arm| planned.iter().any(|run| run.arm == arm);
        let other = if self.against == Arm::Specialist { Arm::Scratch } else { Arm::Specialist };
        let against = if !has(self.against) && has(other) { other } else { self.against };
        Self { against, ..self }
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            layer: LayerChoice::Last,
            measured: Measured::D2p,
            against: Arm::Specialist,
            unlearnt: false,
            how: Discrepancy::default(),
        }
    }
}

/// Runs by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    pub planned: usize,
    pub succeeded: usize,
    pub failed: usize,
    pub stopped: usize,
    /// Queued, running or lost.
    pub open: usize,
}

/// The whole analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Analysis {
    pub choice: Choice,
    pub counts: Counts,
    /// Backbones x tasks (x adaptation x share of cases), in the order of the plan.
    pub cells: Vec<Cell>,
    /// The specialist of each task, which belongs to all of its cells.
    pub specialists: Vec<ArmSummary>,
    /// Networks over tasks; none where too few have results.
    pub ranking: Option<Ranking>,
    /// Tasks on which no network is told apart from the best simple baseline: what they gain is noise.
    pub unlearnt: Vec<Task>,
    /// What a frozen pre-trained encoder gains over a frozen random one, for each task that has such runs.
    #[serde(default)]
    pub encoder_shares: Vec<EncoderShare>,
    pub relations: Vec<Relation>,
    pub findings: Vec<Finding>,
}

/// Seed of all random draws.
pub(crate) const SEED: u64 = 20_260_115;

/// Analyses an experiment, against a control that it has.
pub fn analyse(input: Input<'_>, choice: Choice) -> Analysis {
    let choice = choice.against_planned(input.planned);
    let counts = cells::counts(input);
    let cells = cells::cells(input, choice);
    let specialists = cells::specialists(input);
    let unlearnt = learnt::unlearnt(&cells, &specialists);
    let encoder_shares = encoder::shares(input, &cells);
    let indifferent = encoder::indifferent(&encoder_shares);
    let counts_for = |task: &Task| !unlearnt.contains(task) && !indifferent.contains(task);
    let counted: Vec<&Cell> = cells.iter().filter(|c| choice.unlearnt || counts_for(&c.key.task)).collect();
    let relations = correlate::relations(&counted, input.backbones, choice);
    let of = findings::Counted {
        cells: &counted,
        relations: &relations,
        unlearnt: &unlearnt,
        indifferent: &indifferent,
        encoder_shares: &encoder_shares,
        backbones: input.backbones,
        counts,
    };
    let findings = findings::findings(of, choice);
    let ranking = ranking::ranking(&cells, &specialists);
    Analysis { choice, counts, cells, specialists, ranking, unlearnt, encoder_shares, relations, findings }
}

/// Whether a task restores an image; the others ask for meaning.
pub fn restores(task: Task) -> bool {
    task.output() == Some(transferscope_domain::task::Output::Image)
}

#[cfg(test)]
mod tests;
