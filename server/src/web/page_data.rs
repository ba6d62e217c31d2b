//! What pages ask for while they are rendered, with errors in words for their readers.

use std::sync::Arc;

use axum::http::request::Parts;
use leptos::prelude::{provide_context, use_context};
use leptos_router::location::RequestUrl;
use transferscope_app::{
    AppError, Catalogue,
    context::{Paused, Study, Versus, Workers},
};
use transferscope_domain::{
    ExperimentId, RunId,
    api::LeaderboardView,
    dataset::{DatasetManifest, view::CaseDetail},
};
use transferscope_store::LeaderboardQuery;
use transferscope_study::analysis::Choice;

use super::{error::ApiError, files::gone, policy, state::AppState};
use crate::off_thread::blocking;

impl AppState {
    /// Lends everything that pages ask for to the page that is being rendered.
    pub fn provide_to_page(&self) {
        provide_context(self.store.clone());
        provide_context(self.page_data());
        provide_context(Workers(self.jobs));
        provide_context(Paused(self.paused()));
        policy::provide();
        request_url(self.reach.base());
        if let Some(assets) = &self.assets {
            provide_context(assets.clone());
        }
    }

    /// For one page: lists are read once, however many of its parts ask.
    fn page_data(&self) -> Catalogue {
        let listed = Arc::new(self.catalogue());
        let (for_backbones, for_cards) = (Arc::clone(&listed), Arc::clone(&listed));
        let (checks, store, data) = (self.checks.clone(), self.store.clone(), self.data.clone());
        let (for_cases, for_studies) = (self.clone(), self.clone());
        let (for_versus, for_boards) = (self.clone(), self.clone());
        Catalogue {
            datasets: Arc::new(move || listed.datasets().to_vec()),
            backbones: Arc::new(move || for_backbones.backbones().to_vec()),
            card: Arc::new(move |name: &str| for_cards.card(name)),
            checked: Arc::new(move |manifest: &DatasetManifest| checks.look(manifest, &store)),
            case: Arc::new(move |dataset, name| Box::pin(case(for_cases.clone(), dataset, name))),
            has_files: Arc::new(move |run: &RunId| data.run(run).is_dir()),
            study: Arc::new(move |id, choice| Box::pin(study(for_studies.clone(), id, choice))),
            versus: Arc::new(move |ids| Box::pin(versus(for_versus.clone(), ids))),
            board: Arc::new(move |query| Box::pin(board(for_boards.clone(), query))),
            preparing: Arc::clone(&self.preparing),
        }
    }
}

/// Below a base path the pages' own router knows whole paths, as the browser does.
fn request_url(base: &str) {
    if let Some(parts) = use_context::<Parts>().filter(|_| !base.is_empty()) {
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        provide_context(RequestUrl::new(&format!("http://localhost{base}{path}")));
    }
}

async fn case(state: AppState, dataset: String, case: String) -> Result<CaseDetail, AppError> {
    let (viewer, asked) = (state.viewer.clone(), (dataset.clone(), case.clone()));
    let loaded = blocking(move || viewer.detail(&asked.0, &asked.1)).await;
    match loaded.map_err(ApiError::from).and_then(|found| found.map_err(ApiError::from)) {
        Ok(detail) => Ok(detail),
        Err(error @ (ApiError::NotFound(_) | ApiError::Gone(_))) => {
            Err(AppError::NotFound(gone::of_dataset(&state, &dataset, error).await.to_string()))
        }
        Err(ApiError::Invalid(fields)) => {
            Err(AppError::Invalid(fields.into_values().collect::<Vec<_>>().join("; ")))
        }
        Err(error) => {
            tracing::error!(dataset.id = dataset, case.id = case, ?error, "a case cannot be shown");
            let message = format!(
                "The images of case {case} cannot be read. `transferscope dataset check {dataset}` says what is wrong with them."
            );
            Err(AppError::Internal(message))
        }
    }
}

async fn study(state: AppState, id: ExperimentId, choice: Choice) -> Result<Study, AppError> {
    state.studies().study(&id, choice).await.map_err(|error| of_study(error.into()))
}

async fn versus(state: AppState, ids: Vec<ExperimentId>) -> Result<Versus, AppError> {
    state.studies().versus(&ids).await.map_err(|error| of_study(error.into()))
}

fn of_study(error: ApiError) -> AppError {
    match error {
        ApiError::NotFound(message) => AppError::NotFound(message),
        ApiError::Invalid(errors) => AppError::Invalid(errors.into_values().collect::<Vec<_>>().join("; ")),
        other => {
            tracing::error!(error = ?other, "an experiment cannot be analysed");
            AppError::Internal("The experiment cannot be analysed; the server's log says why.".into())
        }
    }
}

async fn board(state: AppState, query: LeaderboardQuery) -> Result<LeaderboardView, AppError> {
    match state.boards.board(&state.store, &query).await.map_err(ApiError::from) {
        Ok(board) => Ok(LeaderboardView::clone(&board)),
        Err(ApiError::Invalid(errors)) => {
            let words: Vec<String> =
                errors.into_iter().map(|(field, why)| format!("{field}: {why}.")).collect();
            Err(AppError::Invalid(words.join(" ")))
        }
        Err(error) => {
            tracing::error!(?error, "the leaderboard cannot be made");
            Err(AppError::Internal("The leaderboard cannot be made; the server's log says why.".into()))
        }
    }
}
