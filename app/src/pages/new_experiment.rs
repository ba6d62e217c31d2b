//! The new-experiment page: its form's state is in the URL.

use leptos::prelude::*;
use leptos_meta::Title;
use transferscope_domain::{experiment::ExperimentSpec, form::ExperimentForm};

use crate::{
    address::use_query_pairs,
    api::new_experiment::form_choices,
    base::to,
    components::{
        empty_state::Preparing,
        loaded::{Within, loaded},
        run_form::RunForm,
    },
    data::choices::Choices,
};

/// The fields of the form among those of the query.
fn fields(query: &[(String, String)]) -> Vec<(String, String)> {
    query.iter().filter(|(key, _)| ExperimentForm::has(key)).cloned().collect()
}

fn last<'a>(query: &'a [(String, String)], key: &str) -> Option<&'a str> {
    query.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

/// What the form shows: the query's fields, a preset, or the initial state.
fn form_of(query: &[(String, String)], choices: &Choices) -> ExperimentForm {
    let dataset = choices
        .datasets
        .iter()
        .find(|d| d.name == "phantom")
        .or(choices.datasets.first())
        .map_or("", |d| d.name.as_str());
    match last(query, "preset") {
        Some("quick") => return ExperimentForm::of(&ExperimentSpec::quick(dataset)),
        Some("paper") => {
            let published = ExperimentSpec::published(choices.backbones.iter().map(|b| &b.backbone));
            return ExperimentForm::of(&ExperimentSpec::paper(dataset, published));
        }
        _ => {}
    }
    let pairs = fields(query);
    if pairs.is_empty() && last(query, "checked").is_none() {
        let mut form = ExperimentForm::initial(dataset);
        form.backbones.retain(|name| choices.backbones.iter().any(|b| b.backbone.name == *name));
        return form;
    }
    ExperimentForm::from_pairs(pairs)
}

/// The page.
#[component]
pub fn NewExperimentPage() -> impl IntoView {
    let query = use_query_pairs();
    let choices = Resource::new(|| (), |()| form_choices());
    view! {
        <Title text="New experiment" />
        <div class="page__head">
            <div>
                <h1>"New experiment"</h1>
                <p class="page__lead">
                    "Every combination of the selected options becomes a run; the specialist is trained once per task and seed."
                </p>
            </div>
            <p class="presets">
                "Presets: "
                <a href=to("/new?preset=quick")>"quick"</a>
                " (two small backbones, all tasks and arms), "
                <a href=to("/new?preset=paper")>"paper"</a>
                " (backbones of published size, for a CUDA GPU)"
            </p>
        </div>
        {loaded(choices, "the available options", Within::HeadedPage, move |choices: Choices| {
            // The form starts anew when the query changes, not when the choices do.
            move || {
                let (form, checked) = query.with(|q| (form_of(q, &choices), last(q, "checked") == Some("1")));
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
        let query =
            crate::address::pairs("?tasks=segmentation&tasks=super-resolution&checked=1&name=50%2525");
        let form = ExperimentForm::from_pairs(fields(&query));
        assert_eq!(form.name, "50%25");
        assert_eq!(form.tasks, ["segmentation", "super-resolution"]);
    }
}
