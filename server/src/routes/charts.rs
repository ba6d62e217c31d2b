//! Charts as SVG files: the same drawing that the browser does on a canvas.

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};
use transferscope_app::charts::{ChartOptions, build, svg};
use transferscope_domain::{RunId, metric::Split};

use super::{extract::IdAndName, system::blocking};
use crate::{error::ApiError, state::AppState};

/// Points of a curve in a picture: about two a pixel.
const MAX_POINTS: usize = 1600;

pub(super) type Pairs = Vec<(String, String)>;

/// A chart of one run.
pub async fn of_run(
    State(state): State<AppState>,
    IdAndName(id, file): IdAndName<RunId>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let name = name_of(&file)?.to_owned();
    let options = ChartOptions::from_pairs(pairs(query)?);
    let run = state.store.run(&id).await?.run;
    let mut series = Vec::new();
    for metric in build::run_series(run.task) {
        series.push(state.store.metrics(&id, &metric, MAX_POINTS).await?);
    }
    let alignment = Some(state.store.alignment(&id).await?).filter(|a| !a.values.is_empty());
    let drawn = blocking(move || svg::run_chart(&name, &run, &series, alignment.as_ref(), &options)).await?;
    drawn.map(picture).ok_or_else(|| ApiError::NotFound(format!("There is no chart {file:?} of a run.")))
}

/// Curves of one metric of several runs: `?runs=a,b&metric=val/dice`; the file's name is free.
pub async fn of_comparison(
    State(state): State<AppState>,
    axum::extract::Path(file): axum::extract::Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    name_of(&file)?;
    let pairs = pairs(query)?;
    let runs = run_ids(pairs.iter().filter(|(k, _)| k == "runs").map(|(_, v)| v.as_str()))?;
    let data = state.store.compare_data(&runs).await?;
    let asked = pairs.iter().find(|(k, v)| k == "metric" && !v.is_empty()).map(|(_, v)| v.clone());
    let primary = data.runs.first().map(|r| r.task.primary_metric().name(Split::Val));
    let metric = asked.or(primary).unwrap_or_default();
    let options = ChartOptions::from_pairs(pairs);
    Ok(picture(blocking(move || svg::compare_chart(&data, &metric, &options)).await?))
}

/// Run ids from comma-separated lists.
///
/// # Errors
/// `Invalid` when there is none or one is no id.
pub(super) fn run_ids<'a>(lists: impl Iterator<Item = &'a str>) -> Result<Vec<RunId>, ApiError> {
    let mut runs: Vec<RunId> = Vec::new();
    for text in lists.flat_map(|list| list.split(',')).map(str::trim).filter(|t| !t.is_empty()) {
        let id = text.parse().map_err(|e| ApiError::field("runs", format!("{e}")))?;
        if !runs.contains(&id) {
            runs.push(id);
        }
    }
    if runs.is_empty() {
        return Err(ApiError::field("runs", "missing: name the runs, as in runs=a,b"));
    }
    Ok(runs)
}

/// The fields of a query.
pub(super) fn pairs(query: Option<String>) -> Result<Pairs, ApiError> {
    serde_urlencoded::from_str(&query.unwrap_or_default())
        .map_err(|e| ApiError::BadRequest(format!("The query cannot be read: {e}.")))
}

fn name_of(file: &str) -> Result<&str, ApiError> {
    file.strip_suffix(".svg")
        .ok_or_else(|| ApiError::NotFound(format!("{file:?} is not the name of a chart: it ends with .svg.")))
}

fn picture(svg: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "image/svg+xml; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, svg).into_response()
}
