//! Tables as CSV (RFC 4180), for spreadsheets and scripts.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use transferscope_domain::{RunId, api::Problem};

use super::{
    extract::{IdPath, QueryPairs},
    leaderboard::question,
    system::blocking,
};
use crate::{board::board, error::ApiError, state::AppState, tensorboard::event_file};

/// Most points of one curve in a file.
const POINTS_MAX: usize = 1_000_000;

/// All curves of a run in long form: one line a point.
#[utoipa::path(get, path = "/api/v1/runs/{id}/metrics.csv", tag = "exports", params(
    ("id" = String, Path), ("name" = Option<String>, Query, description = "only this curve"),
), responses(
    (status = 200, body = String, content_type = "text/csv", description = "name,step,epoch,t_ms,value"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn metrics_csv(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
    mut query: QueryPairs,
) -> Result<Response, ApiError> {
    let name: Option<String> = query.take("name");
    query.finish()?;
    let series = match name {
        Some(name) => vec![state.store.metrics(&id, &name, POINTS_MAX).await?],
        None => state.store.all_series(&id, POINTS_MAX).await?,
    };
    let mut csv = Csv::new(&["name", "step", "epoch", "t_ms", "value"]);
    for curve in &series {
        for (step, epoch, t_ms, value) in &curve.points {
            csv.row([
                curve.name.clone(),
                step.to_string(),
                epoch.to_string(),
                t_ms.to_string(),
                value.to_string(),
            ]);
        }
    }
    Ok(csv.answer(&format!("{id}-metrics.csv")))
}

/// All curves of a run as a TensorBoard event file, for people with a viewer of their own.
pub async fn tensorboard(
    State(state): State<AppState>,
    IdPath(id): IdPath<RunId>,
) -> Result<Response, ApiError> {
    let created_ms = state.store.run(&id).await?.run.created_ms;
    let series = state.store.all_series(&id, POINTS_MAX).await?;
    let bytes = blocking(move || event_file(created_ms, &series)).await?;
    // The viewer knows its files by `tfevents` in their names.
    let name = format!("attachment; filename=\"events.out.tfevents.{}.{id}\"", created_ms / 1000);
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

/// The leaderboard, one line a row, with the same questions as its JSON.
#[utoipa::path(get, path = "/api/v1/leaderboard.csv", tag = "exports", params(
    ("task" = Option<String>, Query), ("dataset" = Option<String>, Query), ("experiment" = Option<String>, Query),
    ("group" = Option<String>, Query), ("sort" = Option<String>, Query), ("metric" = Option<String>, Query),
    ("asof" = Option<String>, Query), ("mix" = Option<String>, Query),
), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn leaderboard_csv(State(state): State<AppState>, query: QueryPairs) -> Result<Response, ApiError> {
    let board = board(&state.store, &question(query)?).await?;
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
            if cell.contains([',', '"', '\n', '\r']) {
                self.0.push_str(&format!("\"{}\"", cell.replace('"', "\"\"")));
            } else {
                self.0.push_str(&cell);
            }
        }
        self.0.push_str("\r\n");
    }

    fn answer(self, file: &str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")),
        ];
        (headers, self.0).into_response()
    }
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
