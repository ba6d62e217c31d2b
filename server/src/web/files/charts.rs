//! Charts as SVG and PNG files: the same drawing that the browser does on a canvas.

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};
use transferscope_app::charts::{ChartOptions, build, svg};
use transferscope_domain::{
    RunId, ShareSlug,
    api::{CompareData, Problem},
    metric::Split,
};

use crate::{
    off_thread::blocking,
    results::picture::png,
    web::{
        error::ApiError,
        extract::{IdAndName, IdPath, Pairs, pairs, run_ids},
        state::AppState,
    },
};

/// Points of a curve in a picture: about two a pixel.
const MAX_POINTS: usize = 1600;

/// A chart of one run.
#[utoipa::path(get, path = "/runs/{id}/charts/{file}", operation_id = "get_run_chart", tag = "files", params(
    ("id" = String, Path, description = "id of the run"),
    ("file" = String, Path, description = "loss, primary, alignment or drift, with the ending .svg or .png"),
    ("x" = Option<String>, Query, description = "epoch, step or time"),
    ("log" = Option<String>, Query, description = "1 for a logarithmic axis"),
    ("smooth" = Option<f64>, Query, description = "weight of the past in the moving average, 0 to 0.99"),
    ("seeds" = Option<String>, Query, description = "1 draws the mean of runs that differ only in their seed"),
    ("hide" = Option<String>, Query, description = "keys of the legend that are switched off, with commas"),
    ("theme" = Option<String>, Query, description = "light or dark"),
    ("width" = Option<u32>, Query, description = "size of the drawing in SVG units; values out of range are set to the nearest limit"),
    ("height" = Option<u32>, Query, description = "size of the drawing in SVG units; values out of range are set to the nearest limit"),
), responses(
    (status = 200, description = "The drawing", content((String = "image/svg+xml"), (Vec<u8> = "image/png"))),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn of_run(
    State(state): State<AppState>,
    IdAndName(id, file): IdAndName<RunId>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (name, format) = name_of(&file)?;
    let name = name.to_owned();
    let options = ChartOptions::from_pairs(pairs(query)?);
    let run = state.store.run(&id).await?.run;
    let mut series = Vec::new();
    for metric in build::run_series(run.task) {
        series.push(state.store.metrics(&id, &metric, MAX_POINTS).await?);
    }
    let alignment = Some(state.store.alignment(&id).await?).filter(|a| !a.values.is_empty());
    let drawn = blocking(move || svg::run_chart(&name, &run, &series, alignment.as_ref(), &options)).await?;
    let drawn = drawn.ok_or_else(|| ApiError::NotFound(format!("There is no chart {file:?} of a run.")))?;
    picture(drawn, format).await
}

/// Curves of one metric of several runs: `?runs=a,b&metric=val/dice`; the file's name is free.
#[utoipa::path(get, path = "/compare/charts/{file}", operation_id = "get_comparison_chart",
    tag = "files", params(
    ("file" = String, Path, description = "any name with the ending .svg or .png"),
    ("runs" = String, Query, description = "ids of the runs, with commas; may be repeated"),
    ("metric" = Option<String>, Query, description = "split/metric; the primary one of the first run unless given"),
    ("x" = Option<String>, Query, description = "epoch, step or time"),
    ("log" = Option<String>, Query, description = "1 for a logarithmic axis"),
    ("smooth" = Option<f64>, Query, description = "weight of the past in the moving average, 0 to 0.99"),
    ("seeds" = Option<String>, Query, description = "1 draws the mean of runs that differ only in their seed"),
    ("hide" = Option<String>, Query, description = "keys of the legend that are switched off, with commas"),
    ("theme" = Option<String>, Query, description = "light or dark"),
    ("width" = Option<u32>, Query, description = "size of the drawing in SVG units; values out of range are set to the nearest limit"),
    ("height" = Option<u32>, Query, description = "size of the drawing in SVG units; values out of range are set to the nearest limit"),
), responses(
    (status = 200, description = "The drawing", content((String = "image/svg+xml"), (Vec<u8> = "image/png"))),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn of_comparison(
    State(state): State<AppState>,
    axum::extract::Path(file): axum::extract::Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (_, format) = name_of(&file)?;
    let pairs = pairs(query)?;
    let runs = run_ids(pairs.iter().filter(|(k, _)| k == "runs").map(|(_, v)| v.as_str()))?;
    let data = state.store.compare_data(&runs).await?;
    let drawn = blocking(move || comparison(&data, &pairs)).await?;
    picture(drawn, format).await
}

/// The preview picture that chat programs show for a link to a comparison.
#[utoipa::path(get, path = "/s/{slug}/preview.png", operation_id = "get_share_picture", tag = "files", params(
    ("slug" = String, Path, description = "the link"),
), responses(
    (status = 200, description = "The drawing", body = Vec<u8>, content_type = "image/png"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "The link was revoked"),
))]
pub async fn of_share(
    State(state): State<AppState>,
    IdPath(slug): IdPath<ShareSlug>,
) -> Result<Response, ApiError> {
    if let Some(snapshot) = state.store.snapshot(&slug).await? {
        let nothing = || ApiError::NotFound(format!("The link {slug} has no picture."));
        return picture(snapshot.picture.ok_or_else(nothing)?, Format::Png).await;
    }
    let share = state.store.share(&slug).await?;
    let data = share.data.unwrap_or_default();
    let mut pairs: Pairs = share.view.into_iter().collect();
    pairs.extend([("width", "600"), ("height", "315")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    let drawn = blocking(move || comparison(&data, &pairs)).await?;
    picture(drawn, Format::Png).await
}

/// Curves of the metric that a view asks for, or of the first run's primary one.
fn comparison(data: &CompareData, view: &[(String, String)]) -> String {
    let asked = view.iter().find(|(k, v)| k == "metric" && !v.is_empty()).map(|(_, v)| v.clone());
    let primary = data.runs.first().map(|r| r.task.primary_metric().name(Split::Val));
    let options = ChartOptions::from_pairs(view.iter().map(|(k, v)| (k, v)));
    svg::compare_chart(data, &asked.or(primary).unwrap_or_default(), &options)
}

/// What a picture is encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Svg,
    Png,
}

impl Format {
    /// Of a file's name, with the name without its end.
    pub(crate) fn of(file: &str) -> Option<(&str, Self)> {
        [(".svg", Self::Svg), (".png", Self::Png)]
            .into_iter()
            .find_map(|(end, format)| Some((file.strip_suffix(end)?, format)))
    }
}

fn name_of(file: &str) -> Result<(&str, Format), ApiError> {
    Format::of(file).ok_or_else(|| {
        ApiError::NotFound(format!("{file:?} is not the name of a chart: it ends with .svg or .png."))
    })
}

/// Pixels of a PNG by unit of the drawing: sharp on slides.
const SCALE: f32 = 2.0;

/// A drawing as a file.
pub(crate) async fn picture(svg: String, format: Format) -> Result<Response, ApiError> {
    let (kind, body) = match format {
        Format::Svg => ("image/svg+xml; charset=utf-8", svg.into_bytes()),
        Format::Png => {
            let drawn = blocking(move || png(&svg, SCALE)).await?;
            ("image/png", drawn.map_err(|e| ApiError::Internal(e.to_string()))?)
        }
    };
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response())
}
