//! One data set: what its check found, what each task makes of it, its cases, and the runs on it.

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use crate::{api::datasets::dataset, components::rendered::rendered};

/// The page.
#[component]
pub fn DatasetPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let wanted = Memo::new(move |_| {
        let of_query = |key| query.with(|q| q.get(key).unwrap_or_default());
        (params.with(|p| p.get("name").unwrap_or_default()), of_query("split"), of_query("page"))
    });
    rendered(move || wanted.get(), |(name, split, page)| dataset(name, split, page), "the data set")
}
