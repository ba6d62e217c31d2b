//! Experiments: the list, one by one, and side by side.

use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_params_map};

use crate::{
    api::experiments::{compared, experiment, experiments},
    components::rendered::rendered,
};

/// The list.
#[component]
pub fn ExperimentsPage() -> impl IntoView {
    rendered(|| (), |()| experiments(), "the experiments")
}

/// One experiment; its choices stand in the address.
#[component]
pub fn ExperimentPage() -> impl IntoView {
    let (params, search) = (use_params_map(), use_location().search);
    let wanted = Memo::new(move |_| (params.with(|p| p.get("id").unwrap_or_default()), search.get()));
    rendered(move || wanted.get(), |(id, search)| experiment(id, search), "the experiment")
}

/// Several side by side: `?id=a&id=b`.
#[component]
pub fn ComparedExperimentsPage() -> impl IntoView {
    let search = use_location().search;
    rendered(move || search.get(), compared, "the comparison")
}
