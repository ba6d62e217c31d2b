//! The order of the queue.

use leptos::prelude::*;

use crate::{api::queue::queue, components::rendered::rendered};

/// The page.
#[component]
pub fn QueuePage() -> impl IntoView {
    rendered(|| (), |()| queue(), "the queue")
}
