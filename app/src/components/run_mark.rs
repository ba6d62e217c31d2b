//! How a run is marked and named on every page.

use leptos::prelude::*;
use transferscope_domain::{Adaptation, Arm, api::RunView};

use crate::{charts::figure::key, format, palette::Style};

/// A short piece of a run's curve: its colour, line pattern and marker.
#[component]
pub fn RunMark(style: Style) -> impl IntoView {
    key(style)
}

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

/// An arm as a small tag.
#[component]
pub fn ArmTag(arm: Arm) -> impl IntoView {
    view! { <span class=format!("arm-tag arm-tag--{arm}") title=arm.help()>{arm.label()}</span> }
}

/// What of a network was trained, as a small tag; nothing where it was everything.
#[component]
pub fn AdaptationTag(adaptation: Adaptation) -> impl IntoView {
    (adaptation != Adaptation::Full)
        .then(|| view! { " "<span class="tag tag--quiet">{adaptation.label()}</span> })
}

/// Names computed data as such.
#[component]
pub fn DatasetLabel(#[prop(into)] name: String, synthetic: bool) -> impl IntoView {
    view! {
        <span class="dataset-label">{name}</span>
        {synthetic.then(|| view! {
            " "<span class="tag tag--synthetic" title="Computed phantoms, not images of patients">"synthetic"</span>
        })}
    }
}
