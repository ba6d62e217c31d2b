//! Compare page.

use leptos::prelude::*;
use leptos_meta::Title;

/// The page.
#[component]
pub fn ComparePage() -> impl IntoView {
    view! {
        <Title text="Compare" />
        <h1>"Compare"</h1>
    }
}
