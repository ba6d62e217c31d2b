//! The leaderboard: what is best, by how much, and how sure that is.

use leptos::prelude::*;
use leptos_meta::Meta;
use leptos_router::hooks::use_query_map;

use crate::{api::leaderboard::leaderboard, components::rendered::rendered, data::LeaderboardState};

/// The page.
#[component]
pub fn LeaderboardPage() -> impl IntoView {
    let query = use_query_map();
    let state = Memo::new(move |_| {
        query.with(|query| {
            let get = |key| query.get(key).unwrap_or_default();
            LeaderboardState {
                task: get("task"),
                dataset: get("dataset"),
                metric: get("metric"),
                group: get("group"),
                asof: get("asof"),
                mix: get("mix"),
                sort: get("sort"),
            }
        })
    });
    view! {
        <Meta name="description" content="Which vision foundation models help which downstream tasks, with intervals over seeds and test patients." />
        {rendered(move || state.get(), leaderboard, "the leaderboard")}
    }
}
