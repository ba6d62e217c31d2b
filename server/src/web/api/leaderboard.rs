//! The leaderboard.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use transferscope_domain::{
    api::{LeaderboardView, Problem},
    leaderboard::Group,
};
use transferscope_store::LeaderboardQuery;

use crate::web::{error::ApiError, extract::QueryPairs, state::AppState};

/// Ranked rows of the finished runs.
#[utoipa::path(get, path = "/api/v1/leaderboard", operation_id = "get_leaderboard", tag = "leaderboard", params(
    ("task" = Option<String>, Query), ("dataset" = Option<String>, Query), ("experiment" = Option<String>, Query),
    ("group" = Option<String>, Query, description = "cell (the seeds of a backbone, task and arm as one row) or run"),
    ("asof" = Option<String>, Query, description = "a day such as 2026-11-25: the board as it was at its end (UTC)"),
    ("mix" = Option<String>, Query, description = "1 also ranks rows against those that differ in settings that should agree"),
    ("sort" = Option<String>, Query, description = "rank, mean, backbone, task, arm, dataset, n or finished; with - before it for descending"),
    ("metric" = Option<String>, Query, description = "dice, psnr_db, ssim or nmse; each task's primary metric unless given"),
), responses(
    (status = 200, body = LeaderboardView),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn rows(State(state): State<AppState>, query: QueryPairs) -> Result<Response, ApiError> {
    let board = state.boards.board(&state.store, &question(query)?).await?;
    Ok(Json(&*board).into_response())
}

/// Reads what the board is asked for.
///
/// # Errors
/// `Invalid`, with all values that make no sense.
pub(crate) fn question(mut query: QueryPairs) -> Result<LeaderboardQuery, ApiError> {
    let group: Option<String> = query.take("group");
    let group = match group.as_deref() {
        None | Some("cell") => Group::Cell,
        Some("run") => Group::Run,
        Some(other) => {
            query.wrong("group", format!("{other:?}: use cell or run"));
            Group::Cell
        }
    };
    let mixed = match query.take::<String>("mix").as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(other) => {
            query.wrong("mix", format!("{other:?}: use 1 or leave it out"));
            false
        }
    };
    let metric: Option<String> = query.take("metric");
    let metric = metric.and_then(|name| {
        // Both `dice` and `test/dice` are understood.
        let bare = name.strip_prefix("test/").unwrap_or(&name);
        bare.parse().map_err(|e: String| query.wrong("metric", e)).ok()
    });
    let asked = LeaderboardQuery {
        task: query.take("task"),
        dataset: query.take("dataset"),
        experiment: query.take("experiment"),
        group,
        metric,
        mixed,
        asof: query.take("asof"),
        sort: query.take("sort"),
    };
    query.finish()?;
    Ok(asked)
}
