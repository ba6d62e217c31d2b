//! The list of experiments.

use leptos::prelude::*;
use transferscope_domain::api::ExperimentSummary;

use super::table::table;
use crate::{base::to, components::empty_state::EmptyState, format};

/// The latest experiments, newest first.
#[component]
pub fn Experiments(experiments: Vec<ExperimentSummary>) -> impl IntoView {
    let rows = experiments
        .iter()
        .map(|e| {
            let name = if e.name.is_empty() { e.id.to_string() } else { e.name.clone() };
            view! {
                <tr>
                    <td class="data-table__check">
                        <input
                            type="checkbox"
                            name="id"
                            value=e.id.to_string()
                            form="compare-experiments"
                            aria-label=format!("Compare {name}")
                        />
                    </td>
                    <th scope="row"><a href=to(&format!("/experiments/{}", e.id)) rel="external">{name.clone()}</a></th>
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
                <p>"An experiment is a set of runs to be compared: backbones × tasks × arms × seeds."</p>
                <p><a class="button button--primary" href=to("/new?preset=quick") rel="external">"Start with the quick preset"</a></p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            <form method="get" action=to("/experiments/compare") id="compare-experiments" class="button-row">
                <button type="submit" class="button">"Compare selected"</button>
                <span class="quiet">"Two to six; the first listed is the reference for the others."</span>
            </form>
            {table("Experiments, newest first", [("Compare", false), ("Name", false), ("Started", false), ("Runs", true), ("Ended", true)], rows)}
        }
        .into_any()
    };
    view! {
        <div class="page__head">
            <div>
                <h1>"Experiments"</h1>
                <p class="page__lead">"What pre-training gains, how fast it converges, and whether this could have been predicted."</p>
            </div>
            <a class="button button--primary" href=to("/new") rel="external">"New experiment"</a>
        </div>
        {content}
    }
}
