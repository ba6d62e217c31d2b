//! What an experiment leaves for a paper: tables, words, references, pictures, and how to repeat it.

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};
use transferscope_app::{charts::ChartOptions, server_views::experiment::scatter};
use transferscope_domain::ExperimentId;
use transferscope_study::{
    analysis::Outcome,
    paper::{Paper, csv, latex, markdown, methods, references},
};

use super::{
    charts::{Format, pairs, picture},
    experiments::choice_of,
    extract::IdAndName,
};
use crate::{
    error::ApiError,
    state::{AppState, VERSION},
    study,
};

/// One file of an experiment.
pub async fn file(
    State(state): State<AppState>,
    IdAndName(id, file): IdAndName<ExperimentId>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let pairs = pairs(query)?;
    let found = study::study(&state, &id, choice_of(&pairs)?).await?;
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
