//! The new-experiment page: its form's state is in the URL.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use transferscope_domain::{experiment::ExperimentSpec, form::ExperimentForm};

use crate::{
    api::new_experiment::{Choices, form_choices},
    components::{empty_state::Preparing, loaded::loaded, run_form::RunForm},
};

/// Fields of the query as pairs, lists with all their values.
fn pairs(query: &ParamsMap) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for key in ExperimentForm::LISTS.into_iter().chain(ExperimentForm::TEXT_FIELDS) {
        pairs.extend(query.get_all(key).unwrap_or_default().into_iter().map(|v| (key.to_owned(), v)));
    }
    pairs
}

/// What the form shows: the query's fields, a preset, or the initial state.
fn form_of(query: &ParamsMap, choices: &Choices) -> ExperimentForm {
    let dataset = choices
        .datasets
        .iter()
        .find(|d| d.name == "phantom")
        .or(choices.datasets.first())
        .map_or("", |d| d.name.as_str());
    match query.get_str("preset") {
        Some("quick") => return ExperimentForm::of(&ExperimentSpec::quick(dataset)),
        Some("paper") => {
            let published = ExperimentSpec::published(choices.backbones.iter().map(|b| &b.backbone));
            return ExperimentForm::of(&ExperimentSpec::paper(dataset, published));
        }
        _ => {}
    }
    let pairs = pairs(query);
    if pairs.is_empty() && query.get_str("checked").is_none() {
        let mut form = ExperimentForm::initial(dataset);
        form.backbones.retain(|name| choices.backbones.iter().any(|b| b.backbone.name == *name));
        return form;
    }
    ExperimentForm::from_pairs(pairs)
}

/// The page.
#[component]
pub fn NewExperimentPage() -> impl IntoView {
    let query = use_query_map();
    let choices = Resource::new(|| (), |()| form_choices());
    view! {
        <Title text="New experiment" />
        <div class="page__head">
            <div>
                <h1>"New experiment"</h1>
                <p class="page__lead">
                    "Every combination of what is ticked becomes a run; the specialist is trained once per task and seed."
                </p>
            </div>
            <p class="presets">
                "Presets: "
                <a href="/new?preset=quick">"quick"</a>
                " (two small backbones, all tasks and arms), "
                <a href="/new?preset=paper">"paper"</a>
                " (backbones of published size, for a CUDA card)"
            </p>
        </div>
        {loaded(choices, "what can be chosen", move |choices: Choices| {
            // The form starts anew when the query changes, not when the choices do.
            move || {
                let (form, checked) = query.with(|q| (form_of(q, &choices), q.get_str("checked") == Some("1")));
                view! {
                    <Preparing message=choices.preparing.clone() />
                    <RunForm choices=choices.clone() initial=form checked=checked />
                }
            }
        })}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_fields_are_all_read() {
        let mut query = ParamsMap::new();
        query.insert("tasks", "segmentation".into());
        query.insert("tasks", "super-resolution".into());
        query.insert("checked", "1".into());
        let form = ExperimentForm::from_pairs(pairs(&query));
        assert_eq!(form.tasks, ["segmentation", "super-resolution"]);
    }
}
