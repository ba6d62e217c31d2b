//! How a run is marked on every page.

use leptos::prelude::*;
use transferscope_domain::{Adaptation, Arm};

use crate::{charts::figure::key, palette::Style};

/// A short piece of a run's curve: its colour, line pattern and marker.
#[component]
pub fn RunMark(style: Style) -> impl IntoView {
    key(style)
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
