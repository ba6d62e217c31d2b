//! The leaderboard: rows from the store, and how sure their ranks are.

use transferscope_app::AppError;
use transferscope_domain::api::LeaderboardView;
use transferscope_store::{LeaderboardQuery, Store};
use transferscope_study::board::judge;

use crate::{error::ApiError, routes::system::blocking};

/// For a page, whose errors are its own.
pub async fn for_page(store: Store, query: LeaderboardQuery) -> Result<LeaderboardView, AppError> {
    board(&store, &query).await.map_err(|error| match error {
        ApiError::Invalid(errors) => {
            let words: Vec<String> =
                errors.into_iter().map(|(field, why)| format!("{field}: {why}.")).collect();
            AppError::Invalid(words.join(" "))
        }
        other => {
            tracing::error!(error = ?other, "the leaderboard cannot be made");
            AppError::Internal("The leaderboard cannot be made; the server's log says why.".into())
        }
    })
}

/// Ranked rows with the intervals of their ranks.
///
/// # Errors
/// When the question makes no sense.
pub async fn board(store: &Store, query: &LeaderboardQuery) -> Result<LeaderboardView, ApiError> {
    let mut view = store.leaderboard(query).await?;
    let ids: Vec<&str> = view.rows.iter().flat_map(|r| &r.seeds).map(|s| s.run.as_str()).collect();
    let cases = store.test_cases(&ids).await?;
    blocking(move || {
        judge(&mut view, &cases);
        view
    })
    .await
}
