//! Leaderboard page.

use leptos::prelude::*;
use leptos_meta::Title;

/// The page.
#[component]
pub fn LeaderboardPage() -> impl IntoView {
    view! {
        <Title text="Leaderboard" />
        <h1>"Leaderboard"</h1>
    }
}
