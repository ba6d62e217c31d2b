//! The leaderboard, as a page that the server has rendered.

use leptos::{prelude::*, server_fn::codec::GetUrl};

use crate::{AppError, components::rendered::Rendered, data::LeaderboardState};

/// Ranked rows for a state of the page.
#[server(prefix = "/fn", endpoint = "leaderboard", input = GetUrl)]
pub async fn leaderboard(state: LeaderboardState) -> Result<Rendered, AppError> {
    use super::server::{catalogue, optional, store};
    use crate::{data::DatasetName, server_views::leaderboard::Leaderboard};
    use transferscope_domain::leaderboard::Group;
    use transferscope_store::LeaderboardQuery;

    let catalogue = catalogue()?;
    let group = match state.group.as_str() {
        "" | "cell" => Group::Cell,
        "run" => Group::Run,
        other => return Err(AppError::Invalid(format!("Unknown grouping {other:?}: use cell or run."))),
    };
    let given = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    let query = LeaderboardQuery {
        task: optional(&state.task)?,
        dataset: given(&state.dataset),
        metric: optional(&state.metric)?,
        group,
        asof: given(&state.asof),
        mixed: state.mix == "1",
        sort: given(&state.sort),
        ..LeaderboardQuery::default()
    };
    let board = (catalogue.board)(query).await?;
    let datasets: Vec<DatasetName> = (catalogue.datasets)().iter().map(DatasetName::from).collect();
    let tasks = store()?.tasks().await?;
    let preparing = (catalogue.preparing)();
    let unfinished = preparing.is_some();
    let page = view! {
        <Leaderboard board=board datasets=datasets tasks=tasks preparing=preparing state=state />
    };
    Ok(Rendered::new("Leaderboard", unfinished, page))
}
