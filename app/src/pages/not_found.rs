//! The page for addresses that lead nowhere.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::base::to;

/// Says so, sets status 404, and leads back.
#[component]
pub fn NotFound() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    view! {
        <Title text="Not found" />
        <h1>"There is no such page"</h1>
        <p>
            "Go to the "<a href=to("/")>"leaderboard"</a>", the "<a href=to("/runs")>"runs"</a>", or start a "
            <a href=to("/new")>"new experiment"</a>"."
        </p>
    }
}
