//! The backbones: what there is, where it came from, and the form that makes another.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::{api::backbones::backbones, components::rendered::rendered};

/// The page; a form that could not be accepted comes back in the address.
#[component]
pub fn BackbonesPage() -> impl IntoView {
    let search = use_location().search;
    let asked = move || search.with(|s| s.trim_start_matches('?').to_owned());
    rendered(asked, backbones, "the backbones")
}
