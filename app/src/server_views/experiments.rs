//! The list of experiments.

use leptos::prelude::*;
use transferscope_domain::api::ExperimentSummary;

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
            <div class="table-scroll" role="region" aria-label="Experiments" tabindex="0">
                <table class="data-table">
                    <caption class="visually-hidden">"Experiments, newest first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Started"</th>
                            <th scope="col" class="data-table__number">"Runs"</th>
                            <th scope="col" class="data-table__number">"Ended"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
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
