//! Tables as CSV (RFC 4180), for spreadsheets and scripts, and curves as TensorBoard files.
//!
//! Curves are sent while they are read, a few thousand points at a time, however many there are: neither memory nor a
//! connection to the database is held for a reader who takes long.

use std::{fmt::Write as _, io};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use tokio::sync::mpsc;
use transferscope_domain::{
    RunId,
    api::{Point, Problem},
    table_cell,
};
use transferscope_store::{Lane, NamedPoint, PointsCursor};

use crate::{
    off_thread::beside,
    results::tensorboard,
    web::{
        api::leaderboard::question,
        error::ApiError,
        extract::{IdPath, QueryPairs},
        load::{Origin, Place},
        state::AppState,
    },
};

/// Points that are read at once.
const POINTS: u32 = 4000;
/// Pieces that are made before the reader has taken the first.
const AHEAD: usize = 2;

/// All curves of a run in long form: one line per point.
#[utoipa::path(get, path = "/api/v1/runs/{id}/metrics.csv", operation_id = "get_run_metrics_csv",
    tag = "exports", params(
    ("id" = String, Path, description = "id of the run"), ("name" = Option<String>, Query, description = "only this curve"),
), responses(
    (status = 200, body = String, content_type = "text/csv", description = "name,step,epoch,t_ms,value"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many files are being sent"),
))]
pub async fn metrics_csv(
    State(state): State<AppState>,
    origin: Origin,
    IdPath(id): IdPath<RunId>,
    mut query: QueryPairs,
) -> Result<Response, ApiError> {
    let name: Option<String> = query.take("name");
    query.finish()?;
    state.store.in_lane(Lane::Brief).run_state(&id).await?;
    let place = place(&state, origin)?;
    let headers = csv_headers(&format!("{id}-metrics.csv"));
    let head = Csv::new(&["name", "step", "epoch", "t_ms", "value"]).0.into_bytes();
    Ok((headers, curves(state, place, id, name, head, csv_lines)).into_response())
}

fn csv_lines(points: &[NamedPoint], out: &mut Vec<u8>) {
    let mut text = String::with_capacity(64 * points.len());
    for (name, Point { step, epoch, t_ms, value }) in points {
        // Writing into a text does not fail.
        let _ = write!(text, "{},{step},{epoch},{t_ms},{value}\r\n", table_cell::csv(name));
    }
    out.extend(text.into_bytes());
}

/// All curves of a run as a TensorBoard event file.
#[utoipa::path(get, path = "/runs/{id}/tensorboard", operation_id = "get_run_tensorboard",
    tag = "files", params(
    ("id" = String, Path, description = "id of the run"),
), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn tensorboard(
    State(state): State<AppState>,
    origin: Origin,
    IdPath(id): IdPath<RunId>,
) -> Result<Response, ApiError> {
    let created_ms = state.store.in_lane(Lane::Brief).run(&id).await?.run.created_ms;
    let place = place(&state, origin)?;
    // The viewer knows its files by `tfevents` in their names.
    let name = format!("attachment; filename=\"events.out.tfevents.{}.{id}\"", created_ms / 1000);
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    let head = tensorboard::head(created_ms);
    Ok((headers, curves(state, place, id, None, head, tensorboard::points)).into_response())
}

fn place(state: &AppState, origin: Origin) -> Result<Place, ApiError> {
    state.load.exports.take(origin).map_err(|full| full.busy("files"))
}

/// A file of a run's points, made as fast as its reader takes it. Pieces take turns with those of other files, so that
/// a slow reader holds only a place.
fn curves(
    state: AppState,
    place: Place,
    id: RunId,
    only: Option<String>,
    head: Vec<u8>,
    write: fn(&[NamedPoint], &mut Vec<u8>),
) -> Body {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(AHEAD);
    beside(async move {
        let _place = place;
        let (mut cursor, mut piece) = (PointsCursor::default(), head);
        loop {
            let turn = state.load.pieces.acquire().await;
            let read = state.store.next_points(&id, only.as_deref(), &mut cursor, POINTS).await;
            let (next, last) = match read {
                Ok(points) => {
                    let mut bytes = std::mem::take(&mut piece);
                    write(&points, &mut bytes);
                    (Ok(Bytes::from(bytes)), points.is_empty())
                }
                Err(error) => {
                    tracing::error!(run.id = %id, %error, "a file of curves breaks off");
                    (Err(io::Error::other("the rest cannot be read")), true)
                }
            };
            drop(turn);
            // Fails where the reader has left.
            if sender.send(next).await.is_err() || last {
                return;
            }
        }
    });
    Body::from_stream(stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    }))
}

/// The leaderboard, one line per row, with the same query as its JSON.
#[utoipa::path(get, path = "/api/v1/leaderboard.csv", operation_id = "get_leaderboard_csv",
    tag = "exports", params(
    ("task" = Option<String>, Query), ("dataset" = Option<String>, Query), ("experiment" = Option<String>, Query),
    ("group" = Option<String>, Query), ("sort" = Option<String>, Query), ("metric" = Option<String>, Query),
    ("asof" = Option<String>, Query), ("mix" = Option<String>, Query),
), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn leaderboard_csv(State(state): State<AppState>, query: QueryPairs) -> Result<Response, ApiError> {
    let board = state.boards.board(&state.store, &question(query)?).await?;
    let mut csv = Csv::new(&[
        "rank",
        "backbone",
        "task",
        "arm",
        "adaptation",
        "dataset",
        "metric",
        "direction",
        "mean",
        "ci95_low",
        "ci95_high",
        "n",
        "baseline",
        "baseline_value",
        "epochs",
        "differs",
        "runs",
    ]);
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    for row in &board.rows {
        csv.row([
            row.rank.to_string(),
            row.backbone.clone(),
            row.task.to_string(),
            row.arm.to_string(),
            row.adaptation.to_string(),
            row.dataset.clone(),
            row.metric.clone(),
            row.direction.as_str().to_owned(),
            row.mean.to_string(),
            number(row.ci95.map(|c| c[0])),
            number(row.ci95.map(|c| c[1])),
            row.n.to_string(),
            row.baseline.as_ref().map(|b| b.name.clone()).unwrap_or_default(),
            number(row.baseline.as_ref().map(|b| b.value)),
            row.epochs.to_string(),
            row.differs.join(" "),
            row.seeds.iter().map(|s| s.run.as_str()).collect::<Vec<_>>().join(" "),
        ]);
    }
    Ok(csv.answer("leaderboard.csv"))
}

/// Lines of a table.
struct Csv(String);

impl Csv {
    fn new(head: &[&str]) -> Self {
        let mut csv = Self(String::new());
        csv.row(head.iter().map(|h| (*h).to_owned()));
        csv
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        for (i, cell) in cells.into_iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            self.0.push_str(&table_cell::csv(&cell));
        }
        self.0.push_str("\r\n");
    }

    fn answer(self, file: &str) -> Response {
        (csv_headers(file), self.0).into_response()
    }
}

fn csv_headers(file: &str) -> [(header::HeaderName, String); 2] {
    [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut csv = Csv::new(&["a", "b"]);
        csv.row(["x,y".to_owned(), "say \"so\"".to_owned()]);
        assert_eq!(csv.0, "a,b\r\n\"x,y\",\"say \"\"so\"\"\"\r\n");
    }
}
