//! How a run is marked and named on every page.

use leptos::prelude::*;
use transferscope_domain::{Arm, api::RunView};

use crate::{charts::figure::key, palette::Style};

/// A short piece of a run's curve: its colour, line pattern and marker.
#[component]
pub fn RunMark(style: Style) -> impl IntoView {
    key(style)
}

/// A run in words: what it is rather than its id.
pub fn run_title(run: &RunView) -> String {
    format!("{} · {} · {} · seed {}", run.backbone, run.task.label(), run.arm.label(), run.seed)
}

/// An arm as a small tag.
#[component]
pub fn ArmTag(arm: Arm) -> impl IntoView {
    view! { <span class=format!("arm-tag arm-tag--{arm}") title=arm.help()>{arm.label()}</span> }
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
