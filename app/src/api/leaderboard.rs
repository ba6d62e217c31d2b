//! The leaderboard with what its filters offer.

use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};
use transferscope_domain::api::LeaderboardView;

use super::DatasetName;
use crate::AppError;

/// The page's state, as text from the URL; empty is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaderboardState {
    pub task: String,
    pub dataset: String,
    pub group: String,
    pub sort: String,
}

/// The board, and what its filters can choose from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Board {
    pub view: LeaderboardView,
    pub datasets: Vec<DatasetName>,
    /// What the server is making ready; none when nothing is under way.
    pub preparing: Option<String>,
}

/// Ranked rows for a state of the page.
#[server(prefix = "/fn", endpoint = "leaderboard", input = GetUrl)]
pub async fn leaderboard(state: LeaderboardState) -> Result<Board, AppError> {
    use super::server::{catalogue, optional, store};
    use transferscope_domain::leaderboard::Group;
    use transferscope_store::LeaderboardQuery;

    let catalogue = catalogue()?;
    let group = match state.group.as_str() {
        "" | "cell" => Group::Cell,
        "run" => Group::Run,
        other => return Err(AppError::Invalid(format!("Unknown grouping {other:?}: use cell or run."))),
    };
    let query = LeaderboardQuery {
        task: optional(&state.task)?,
        dataset: Some(state.dataset).filter(|d| !d.is_empty()),
        group,
        sort: Some(state.sort).filter(|s| !s.is_empty()),
        ..LeaderboardQuery::default()
    };
    Ok(Board {
        view: store()?.leaderboard(&query).await?,
        datasets: (catalogue.datasets)().iter().map(DatasetName::from).collect(),
        preparing: (catalogue.preparing)(),
    })
}
