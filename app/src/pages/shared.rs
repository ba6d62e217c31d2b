//! Shared page.

use leptos::prelude::*;
use leptos_meta::Title;

/// The page.
#[component]
pub fn SharedPage() -> impl IntoView {
    view! {
        <Title text="Shared" />
        <h1>"Shared"</h1>
    }
}
