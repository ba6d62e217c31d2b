//! What the server is and has: health, tasks, backbones.

use axum::{Json, extract::State};
use transferscope_domain::{
    MetricKind, RunState, TaskKind,
    api::{BackboneDetail, BackboneList, Health, Problem, TaskList, TaskView},
    metric::Split,
};
use transferscope_store::Lane;

use crate::{
    VERSION,
    off_thread::blocking,
    web::{error::ApiError, extract::IdPath, state::AppState},
};

/// Whether the server works, what is wrong if it does not, and how much it has to do. The server writes a small file
/// for this, so that a full disk is noticed. `degraded` also comes with status 200: the server answers, and says what
/// it cannot do.
#[utoipa::path(get, path = "/api/v1/health", operation_id = "get_health", tag = "server", responses((status = 200, body = Health)))]
pub async fn health(State(state): State<AppState>) -> Json<Health> {
    let store = state.store.in_lane(Lane::Brief);
    let (counts, ()) = tokio::join!(state.health.counts(&store), state.health.look(&store, &state.data));
    let count = |states: &[RunState]| states.iter().filter_map(|s| counts.get(s)).sum();
    let mut problems = state.health.problems();
    for problem in &mut problems {
        problem.message = store.shown(&problem.message).into_owned();
    }
    Json(Health {
        status: if problems.is_empty() { "ok" } else { "degraded" }.into(),
        version: VERSION.into(),
        device: state.device_text.to_string(),
        queued: count(&[RunState::Queued, RunState::Lost]),
        running: count(&[RunState::Preparing, RunState::Running, RunState::Stopping]),
        problems,
    })
}

/// The downstream tasks, with their metrics and simple baselines.
#[utoipa::path(get, path = "/api/v1/tasks", operation_id = "list_tasks",
    tag = "server", responses((status = 200, body = TaskList)))]
pub async fn tasks() -> Json<TaskList> {
    let tasks = TaskKind::ALL
        .into_iter()
        .map(|task| {
            let primary = task.primary_metric();
            TaskView {
                name: task.into(),
                label: task.label().into(),
                help: task.help().into(),
                primary: primary.name(Split::Test),
                direction: primary.direction(),
                unit: primary.unit().into(),
                metrics: task.metrics().iter().map(|m: &MetricKind| m.as_str().to_owned()).collect(),
                baselines: task.baselines().iter().map(|b| (*b).to_owned()).collect(),
            }
        })
        .collect();
    Json(TaskList { tasks })
}

/// The backbones that runs can start from.
#[utoipa::path(get, path = "/api/v1/backbones", operation_id = "list_backbones",
    tag = "server", responses((status = 200, body = BackboneList)))]
pub async fn backbones(State(state): State<AppState>) -> Result<Json<BackboneList>, ApiError> {
    let counts = state.store.runs_by_backbone().await?;
    let mut backbones = blocking(move || state.catalogue().backbones().to_vec()).await?;
    for view in &mut backbones {
        view.runs = counts.get(&view.backbone.name).copied().unwrap_or(0);
    }
    Ok(Json(BackboneList { backbones }))
}

/// One backbone with its card: load report, and how it was pre-trained.
#[utoipa::path(get, path = "/api/v1/backbones/{name}", operation_id = "get_backbone",
    tag = "server", params(("name" = String, Path, description = "name of the backbone")), responses(
    (status = 200, body = BackboneDetail),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub async fn backbone(
    State(state): State<AppState>,
    IdPath(name): IdPath<String>,
) -> Result<Json<BackboneDetail>, ApiError> {
    let counts = state.store.runs_by_backbone().await?;
    let wanted = name.clone();
    let found = blocking(move || {
        let catalogue = state.catalogue();
        let view = catalogue.backbones().iter().find(|b| b.backbone.name == wanted)?.clone();
        Some((view, catalogue.card(&wanted)))
    })
    .await?;
    let (mut view, (load_report, made)) =
        found.ok_or_else(|| ApiError::NotFound(format!("There is no backbone {name:?}.")))?;
    view.runs = counts.get(&name).copied().unwrap_or(0);
    Ok(Json(BackboneDetail { view, load_report, made }))
}
