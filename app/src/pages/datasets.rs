//! The data sets: what there is, what each can be used for, and what its check found.

use leptos::prelude::*;

use crate::{api::datasets::datasets, components::rendered::rendered};

/// The page.
#[component]
pub fn DatasetsPage() -> impl IntoView {
    rendered(|| (), |()| datasets(), "the data sets")
}
