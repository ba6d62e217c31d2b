//! Data sets: their check, their cases, and pictures of single slices.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use transferscope_domain::{
    api::{DatasetList, Problem},
    dataset::view::{CaseDetail, DatasetDetail, DatasetTask},
};

use crate::{
    inputs::viewer::Wanted,
    off_thread::blocking,
    web::{
        error::ApiError,
        extract::{IdPath, Names, QueryPairs},
        files::gone,
        state::AppState,
    },
};

/// The data sets that runs can use.
#[utoipa::path(get, path = "/api/v1/datasets", operation_id = "list_datasets",
    tag = "datasets", responses((status = 200, body = DatasetList)))]
pub async fn list(State(state): State<AppState>) -> Result<Json<DatasetList>, ApiError> {
    let datasets = blocking(move || state.catalogue().datasets().to_vec()).await?;
    Ok(Json(DatasetList { datasets }))
}

/// One data set with the report of its check; a missing check is started in the background.
#[utoipa::path(get, path = "/api/v1/datasets/{name}", operation_id = "get_dataset",
    tag = "datasets", params(("name" = String, Path, description = "name of the data set")), responses(
    (status = 200, body = DatasetDetail),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn one(
    State(state): State<AppState>,
    IdPath(name): IdPath<String>,
) -> Result<Json<DatasetDetail>, ApiError> {
    let runs = state.store.runs_by_dataset().await?.get(&name).copied().unwrap_or(0);
    let wanted = name.clone();
    let found = blocking(move || {
        let manifest = state.catalogue().dataset(&wanted)?;
        Some((state.checks.look(&manifest, &state.store), manifest))
    })
    .await?;
    let (check, manifest) = found.ok_or_else(|| match runs {
        0 => ApiError::NotFound(format!("There is no data set {name:?}.")),
        runs => ApiError::Gone(gone::no_longer(&name, runs)),
    })?;
    let tasks = manifest.uses().into_iter().map(DatasetTask::from).collect();
    Ok(Json(DatasetDetail { manifest, tasks, check, runs }))
}

/// One case with what a viewer needs: grey levels, orientation, neighbours.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/cases/{case}", operation_id = "get_case",
    tag = "datasets", params(
    ("name" = String, Path, description = "name of the data set"),
    ("case" = String, Path, description = "id of the case"),
), responses(
    (status = 200, body = CaseDetail),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn case(
    State(state): State<AppState>,
    Names((name, case)): Names<(String, String)>,
) -> Result<Json<CaseDetail>, ApiError> {
    let (viewer, wanted) = (state.viewer.clone(), name.clone());
    match blocking(move || viewer.detail(&wanted, &case)).await? {
        Ok(detail) => Ok(Json(detail)),
        Err(error) => Err(gone::of_dataset(&state, &name, error.into()).await),
    }
}

/// One slice of a case as PNG, one pixel per voxel: eight-bit grey for an image, colours on a transparent
/// ground for a mask. With the case's hash in the address the picture never changes.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/cases/{case}/slices/{file}", operation_id = "get_case_slice",
    tag = "datasets", params(
    ("name" = String, Path, description = "name of the data set"),
    ("case" = String, Path, description = "id of the case"),
    ("file" = String, Path, description = "the slice, counted from 0, with the ending .png"),
    ("channel" = Option<String>, Query, description = "the first image of the data set unless given"),
    ("low" = Option<f32>, Query, description = "value shown black"),
    ("high" = Option<f32>, Query, description = "value shown white"),
    ("style" = Option<String>, Query, description = "how a mask is drawn: outline or tint"),
    ("hash" = Option<String>, Query, description = "the case's hash"),
), responses(
    (status = 200, body = Vec<u8>, content_type = "image/png"),
    (status = 304, description = "unchanged since the ETag that was sent"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn slice(
    State(state): State<AppState>,
    Names((name, case, file)): Names<(String, String, String)>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Result<Response, ApiError> {
    // `+1` and `01` would be more addresses of the same picture.
    let slice = file.strip_suffix(".png").filter(|n| *n == "0" || !n.starts_with(['0', '+']));
    let slice: usize = slice
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| ApiError::NotFound(format!("{file:?} is no slice: use its number and .png.")))?;
    picture(state, name, case, Some(slice), headers, query).await
}

/// All slices of an image or mask in one picture, row by row, as the case's `sheet` describes; the query is that of
/// one slice.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/cases/{case}/sheet.png", operation_id = "get_case_sheet",
    tag = "datasets", params(
    ("name" = String, Path, description = "name of the data set"),
    ("case" = String, Path, description = "id of the case"), ("channel" = Option<String>, Query),
    ("low" = Option<f32>, Query), ("high" = Option<f32>, Query), ("style" = Option<String>, Query),
    ("hash" = Option<String>, Query),
), responses(
    (status = 200, body = Vec<u8>, content_type = "image/png"),
    (status = 304, description = "unchanged since the ETag that was sent"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn sheet(
    State(state): State<AppState>,
    Names((name, case)): Names<(String, String)>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Result<Response, ApiError> {
    picture(state, name, case, None, headers, query).await
}

async fn picture(
    state: AppState,
    name: String,
    case: String,
    slice: Option<usize>,
    headers: HeaderMap,
    mut query: QueryPairs,
) -> Result<Response, ApiError> {
    let hash: Option<String> = query.take("hash");
    let style: Option<String> = query.take("style");
    let tint = match style.as_deref() {
        None | Some("outline") => false,
        Some("tint") => true,
        Some(other) => {
            query.wrong("style", format!("{other:?}: use outline or tint"));
            false
        }
    };
    let wanted = Wanted {
        channel: query.take("channel"),
        low: query.take("low"),
        high: query.take("high"),
        tint,
        slice,
    };
    query.finish()?;
    let has = headers.get(header::IF_NONE_MATCH).cloned();
    let (viewer, dataset) = (state.viewer.clone(), name.clone());
    let draw = move || {
        let has = has.as_ref().map(HeaderValue::as_bytes);
        viewer.draw(&dataset, &case, &wanted, has)
    };
    let drawn = match blocking(draw).await? {
        Ok(drawn) => drawn,
        Err(error) => return Err(gone::of_dataset(&state, &name, error.into()).await),
    };
    // Images of patients: for the reader's browser, not for a cache that others share.
    let keep = if hash.is_some_and(|h| h == drawn.hash) {
        "private, max-age=31536000, immutable"
    } else {
        "private, no-cache"
    };
    let mut response = match drawn.png {
        Some(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        None => StatusCode::NOT_MODIFIED.into_response(),
    };
    let sent = response.headers_mut();
    sent.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(tag) = HeaderValue::from_str(&drawn.tag) {
        sent.insert(header::ETAG, tag);
    }
    Ok(response)
}
