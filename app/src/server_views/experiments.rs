//! The list of experiments.

use leptos::prelude::*;
use transferscope_domain::api::ExperimentSummary;

use super::table::table;
use crate::{components::empty_state::EmptyState, format};

/// The latest experiments, newest first.
#[component]
pub fn Experiments(experiments: Vec<ExperimentSummary>) -> impl IntoView {
    let rows = experiments
        .iter()
        .map(|e| {
            let name = if e.name.is_empty() { e.id.to_string() } else { e.name.clone() };
            view! {
                <tr>
                    <th scope="row"><a href=format!("/experiments/{}", e.id) rel="external">{name}</a></th>
                    <td>{format::date_time(e.created_ms)}</td>
                    <td class="data-table__number">{e.runs}</td>
                    <td class="data-table__number">{e.finished}</td>
                </tr>
            }
        })
        .collect_view();
    let content = if experiments.is_empty() {
        view! {
            <EmptyState title="No experiment yet">
                <p>"An experiment is a set of runs that are meant to be compared: backbones x tasks x arms x seeds."</p>
                <p><a class="button button--primary" href="/new?preset=quick" rel="external">"Start with the quick preset"</a></p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            {table("Experiments, newest first", [("Name", false), ("Started", false), ("Runs", true), ("Ended", true)], rows)}
        }
        .into_any()
    };
    view! {
        <div class="page__head">
            <div>
                <h1>"Experiments"</h1>
                <p class="page__lead">"What pre-training brings, how fast, and whether one could see it coming."</p>
            </div>
            <a class="button button--primary" href="/new" rel="external">"New experiment"</a>
        </div>
        {content}
    }
}
