//! What stands where nothing is yet.

use leptos::prelude::*;

/// Says what is missing, and what to do about it.
#[component]
pub fn EmptyState(#[prop(into)] title: String, children: Children) -> impl IntoView {
    view! {
        <section class="empty-state">
            <h2 class="empty-state__title">{title}</h2>
            {children()}
        </section>
    }
}

/// Says what the server is making ready; nothing when there is nothing.
#[component]
pub fn Preparing(message: Option<String>) -> impl IntoView {
    message.map(|m| view! { <p class="notice" role="status">{m}</p> })
}
