//! The OpenAPI document, made from the types and the handlers' annotations.

use axum::Json;
use utoipa::OpenApi;

use crate::routes::{
    datasets, events, experiments, export, leaderboard, pretrainings, queue, runs, shares, snapshots, system,
};

/// The whole API. Paths of later issues are absent until they exist.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Transferscope",
        description = "Fine-tuning runs of vision foundation models on prostate MRI tasks, their curves, alignment \
                       and leaderboard. Reading is open; writing needs the server's token where others can reach it. \
                       Errors are problem documents (RFC 9457) with a stable `kind`."
    ),
    paths(
        system::health,
        system::tasks,
        system::backbones,
        system::backbone,
        datasets::list,
        datasets::one,
        datasets::case,
        datasets::slice,
        datasets::sheet,
        experiments::create,
        experiments::list,
        experiments::one,
        experiments::analysis,
        experiments::versus,
        snapshots::create,
        snapshots::one,
        pretrainings::create,
        runs::list,
        runs::one,
        runs::metrics,
        runs::alignment,
        runs::cases,
        runs::cancel,
        runs::repeat,
        runs::resume,
        events::of_run,
        events::of_queue,
        queue::view,
        queue::move_run,
        queue::move_experiment,
        queue::cancel_experiment,
        leaderboard::rows,
        shares::create,
        shares::one,
        shares::revoke,
        export::metrics_csv,
        export::leaderboard_csv,
    )
)]
struct Document;

/// `/api/v1/openapi.json`.
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_knows_the_types() {
        let json = serde_json::to_value(Document::openapi()).unwrap();
        for schema in [
            "RunView",
            "RunDetail",
            "ExperimentSpec",
            "Problem",
            "RunEvent",
            "LeaderboardView",
            "RunsChanged",
            "DatasetDetail",
            "CheckReport",
            "CaseDetail",
        ] {
            assert!(json["components"]["schemas"][schema].is_object(), "{schema}");
        }
        assert!(json["paths"]["/api/v1/runs/{id}/cancel"]["post"].is_object());
    }
}
