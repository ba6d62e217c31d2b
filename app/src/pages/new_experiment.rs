//! New experiment page.

use leptos::prelude::*;
use leptos_meta::Title;

/// The page.
#[component]
pub fn NewExperimentPage() -> impl IntoView {
    view! {
        <Title text="New experiment" />
        <h1>"New experiment"</h1>
    }
}
