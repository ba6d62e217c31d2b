//! Files of a run's directory: previews, report, log.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::ServiceExt;
use tower_http::services::ServeFile;
use transferscope_domain::{RunId, api::Problem, report::RunReport};

use super::gone::{self, Made};
use crate::{
    off_thread::blocking,
    web::{
        error::ApiError,
        extract::{IdAndName, IdPath},
        guard,
        state::AppState,
    },
};

/// Bytes of a log that are shown: its end.
const LOG_TAIL: u64 = 64 * 1024;

/// A preview picture.
#[utoipa::path(get, path = "/runs/{id}/previews/{file}", operation_id = "get_run_preview",
    tag = "files", params(
    ("id" = String, Path, description = "id of the run"),
    ("file" = String, Path, description = "a name from the run's previews"),
), responses(
    (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/png"),
    (status = 304, description = "unchanged since the time that was sent"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn preview(
    State(state): State<AppState>,
    IdAndName(id, file): IdAndName<RunId>,
    request: Request,
) -> Result<Response, ApiError> {
    if !is_picture_name(&file) {
        return Err(ApiError::NotFound(format!("{file:?} is not the name of a preview.")));
    }
    let path = state.data.run(&id).join("previews").join(&file);
    match send(request, &path).await {
        Some(response) => Ok(response),
        None => Err(gone::of_run(&state, &id, &file, Made::ForPreview(&file)).await),
    }
}

/// Whether a name can be that of a preview: no folder, no hidden file, a PNG.
fn is_picture_name(name: &str) -> bool {
    name.len() <= 200
        && name.ends_with(".png")
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The report of a finished run.
#[utoipa::path(get, path = "/runs/{id}/report.json", operation_id = "get_run_report", tag = "files", params(
    ("id" = String, Path, description = "id of the run"),
), responses(
    (status = 200, body = RunReport),
    (status = 304, description = "unchanged since the time that was sent"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn report(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    request: Request,
) -> Result<Response, ApiError> {
    let path = state.data.run(&id).join("report.json");
    match send(request, &path).await {
        Some(response) => Ok(response),
        None => Err(gone::of_run(&state, &id, "report.json", Made::AtItsEnd).await),
    }
}

/// The last part of the worker's log.
#[utoipa::path(get, path = "/runs/{id}/log", operation_id = "get_run_log", tag = "files", params(
    ("id" = String, Path, description = "id of the run"),
), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn log(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    request: Request,
) -> Result<Response, ApiError> {
    // Tells an unknown run from one that has printed nothing.
    state.store.request(&id).await?;
    let path = state.data.run(&id).join("worker.log");
    let tail = blocking(move || read_tail(&path)).await?;
    let text = match tail {
        Ok(text) if guard::knows_token(&state, &request) => text,
        // Whoever has not shown the token need not know the folders of this machine.
        Ok(text) => text.lines().map(|line| state.store.shown(line) + "\n").collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            match gone::of_run(&state, &id, "worker.log", Made::ByItsWorker).await {
                error @ ApiError::Gone(_) => return Err(error),
                // Nothing was printed yet.
                _ => String::new(),
            }
        }
        Err(e) => return Err(ApiError::Internal(format!("the log of run {id} cannot be read: {e}"))),
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text)
        .into_response())
}

fn read_tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    if length <= LOG_TAIL {
        return Ok(text.into_owned());
    }
    // The first line is cut somewhere: leave it out.
    Ok(text.split_once('\n').map_or("", |(_, rest)| rest).to_owned())
}

/// Sends a file with its time, so that a browser can ask whether it has changed; none where there is no such file.
async fn send(request: Request, path: &Path) -> Option<Response> {
    let mut response = match ServeFile::new(path).oneshot(request).await {
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        return None;
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_pictures_are_taken() {
        assert!(is_picture_name("epoch-003_case.12.png"));
        for bad in ["../x.png", "a/b.png", ".hidden.png", "x.jpg", "", "x.png\0", "%2e%2e.png", "ä.png"] {
            assert!(!is_picture_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_long_log_is_cut_at_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("worker.log");
        std::fs::write(&path, "short\n").unwrap();
        assert_eq!(read_tail(&path).unwrap(), "short\n");
        let line = "0123456789\n";
        std::fs::write(&path, line.repeat(20_000)).unwrap();
        let tail = read_tail(&path).unwrap();
        assert!(tail.len() as u64 <= LOG_TAIL && tail.starts_with(line) && tail.ends_with(line));
    }
}
