//! What an experiment leaves for a paper: tables, words, references, pictures, and how to repeat it.

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};
use transferscope_app::{charts::ChartOptions, server_views::experiment::scatter};
use transferscope_domain::{ExperimentId, api::Problem};
use transferscope_study::{
    analysis::{Analysis, Outcome},
    paper::{Paper, csv, latex, markdown, methods, references},
};

use super::charts::{Format, picture};
use crate::{
    VERSION,
    web::{
        api::experiments::choice_of,
        error::ApiError,
        extract::{IdAndName, pairs},
        state::AppState,
    },
};

/// One file of an experiment.
#[utoipa::path(get, path = "/experiments/{id}/export/{file}", operation_id = "export_experiment",
    tag = "files", params(
    ("id" = String, Path, description = "id of the experiment"),
    ("file" = String, Path, description = "table.csv, table.md, table.tex, methods.md, references.bib, repeat.toml, \
        analysis.json, gain.svg, gain.png, epochs.svg or epochs.png"),
    ("layer" = Option<String>, Query, description = "first, middle or last"),
    ("alignment" = Option<String>, Query, description = "d2p, d2r, d2s, cka or procrustes"),
    ("against" = Option<String>, Query, description = "specialist or scratch"),
    ("kernel" = Option<String>, Query, description = "kernel of the MMD²: rbf or rbf-sum"),
    ("estimator" = Option<String>, Query, description = "estimator of the MMD²: unbiased or biased"),
    ("unlearnt" = Option<String>, Query, description = "1 includes tasks in which no network is above the simple baseline"),
    ("theme" = Option<String>, Query, description = "of a drawing: light or dark"),
), responses(
    (status = 200, description = "The file", content(
        (String = "text/csv"), (String = "text/markdown"), (String = "text/plain"), (Analysis = "application/json"),
        (String = "image/svg+xml"), (Vec<u8> = "image/png"),
    )),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub async fn file(
    State(state): State<AppState>,
    IdAndName(id, file): IdAndName<ExperimentId>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let pairs = pairs(query)?;
    let found = state.studies().study(&id, choice_of(&pairs)?).await?;
    let internal = |e: &dyn std::fmt::Display| ApiError::Internal(format!("{file} cannot be made: {e}"));
    let name = if found.view.name.is_empty() { id.as_str() } else { &found.view.name };
    let paper = Paper {
        name,
        spec: &found.view.spec,
        analysis: &found.analysis,
        backbones: &found.backbones,
        synthetic: found.synthetic,
        version: VERSION,
    };
    let drawn = |outcome| {
        let options = ChartOptions { width: 900, height: 560, ..ChartOptions::from_pairs(pairs.clone()) };
        scatter(&found.analysis, &found.backbones, outcome, &options)
    };
    let made: Option<(&str, String)> = match file.as_str() {
        "table.csv" => Some(("text/csv; charset=utf-8", csv(paper))),
        "table.md" => Some(("text/markdown; charset=utf-8", markdown(paper))),
        "table.tex" => Some(("text/plain; charset=utf-8", latex(paper))),
        "methods.md" => Some(("text/markdown; charset=utf-8", methods(paper))),
        "references.bib" => Some(("text/plain; charset=utf-8", references())),
        "repeat.toml" => {
            let spec = toml::to_string(&found.view.spec).map_err(|e| internal(&e))?;
            Some(("text/plain; charset=utf-8", spec))
        }
        "analysis.json" => {
            let json = serde_json::to_string_pretty(&found.analysis).map_err(|e| internal(&e))?;
            Some(("application/json", json))
        }
        _ => {
            let asked = Format::of(&file);
            let drawn = asked.and_then(|(name, format)| match name {
                "gain" => Some((drawn(Outcome::Gain)?, format)),
                "epochs" => Some((drawn(Outcome::Epochs)?, format)),
                _ => None,
            });
            if let Some((svg, format)) = drawn {
                return picture(svg, format).await;
            }
            None
        }
    };
    let (kind, body) = made.ok_or_else(|| {
        ApiError::NotFound(format!(
            "There is no file {file:?} of an experiment: table.csv, table.md, table.tex, methods.md, references.bib, \
             repeat.toml, analysis.json, gain.svg, gain.png, epochs.svg, epochs.png."
        ))
    })?;
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, body).into_response())
}
