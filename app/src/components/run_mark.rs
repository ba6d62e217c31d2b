//! How a run is marked and named on every page.

use leptos::prelude::*;
use transferscope_domain::{Arm, api::RunView};

use crate::palette::{Marker, Style};

/// A short piece of a run's curve: its colour, line pattern and marker.
#[component]
pub fn RunMark(style: Style) -> impl IntoView {
    let dash = style.dash.pattern().iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let shape = match style.marker {
        Marker::Circle => "M14 4a4 4 0 1 0 .01 0z",
        Marker::Square => "M10.5 4.5h7v7h-7z",
        Marker::Triangle => "M14 3.5l4.5 8h-9z",
        Marker::Diamond => "M14 3l5 5-5 5-5-5z",
        Marker::Cross => "M10.5 4.5l7 7M17.5 4.5l-7 7",
        Marker::Plus => "M14 3.5v9M9.5 8h9",
    };
    view! {
        <svg
            class=format!("run-mark series-{}", style.index)
            viewBox="0 0 28 16"
            width="28"
            height="16"
            aria-hidden="true"
            focusable="false"
        >
            <path class="run-mark__line" d="M0 8h28" stroke-dasharray=dash />
            <path class="run-mark__shape" d=shape />
        </svg>
    }
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
