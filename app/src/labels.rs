//! How a run is named on every page.

use transferscope_domain::{Adaptation, Arm, api::RunView};

use crate::format;

/// A run in words: what it is rather than its id.
pub fn run_title(run: &RunView) -> String {
    let way = way_label(run.arm, run.training.adaptation);
    let share = share_label(run.training.label_share).map(|s| format!(" · {s}")).unwrap_or_default();
    format!("{} · {} · {way}{share} · seed {}", run.backbone, run.task.label(), run.seed)
}

/// The share of the training cases in words; none for all of them.
pub fn share_label(share: f64) -> Option<String> {
    (share != 1.0).then(|| format!("{} % of the cases", format::significant(100.0 * share)))
}

/// An arm in words, and what of it was trained unless that is everything.
pub fn way_label(arm: Arm, adaptation: Adaptation) -> String {
    match adaptation {
        Adaptation::Full => arm.label().to_owned(),
        part => format!("{}, {}", arm.label(), part.label()),
    }
}
