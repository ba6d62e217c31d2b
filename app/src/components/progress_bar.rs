//! Progress as a bar with its number in words.

use leptos::prelude::*;

use crate::format;

/// A bar from 0 to 1, labelled for screen readers.
#[component]
pub fn ProgressBar(value: f64, #[prop(into)] label: String) -> impl IntoView {
    let value = value.clamp(0.0, 1.0);
    view! {
        <span class="progress-bar">
            <progress class="progress-bar__bar" max="1" value=format!("{value:.4}") aria-label=label></progress>
            <span class="progress-bar__number">{format::percent(value)}</span>
        </span>
    }
}
