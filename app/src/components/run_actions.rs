//! What can be done to a run.

use leptos::prelude::*;
use transferscope_domain::{RunId, RunState};

/// Cancel or repeat, as plain forms. Reactive in the state, so that a run which ends while the
/// page is open offers the right thing.
#[component]
pub fn RunActions(
    id: RunId,
    #[prop(into)] state: Signal<RunState>,
    #[prop(into)] title: String,
) -> impl IntoView {
    let kind = Memo::new(move |_| match state.get() {
        RunState::Stopping => None,
        s if s.is_final() => Some(("repeat", "Repeat")),
        RunState::Queued
        | RunState::Preparing
        | RunState::Running
        | RunState::Lost
        | RunState::Stopped
        | RunState::Succeeded
        | RunState::Failed => Some(("cancel", "Cancel")),
    });
    view! {
        {move || {
            let title = title.clone();
            let id = id.clone();
            kind.get().map(move |(verb, label)| view! {
                <form class="run-actions" method="post" action=format!("/runs/{id}/{verb}")>
                    <button type="submit" class=format!("button button--small button--{verb}")>
                        {label}
                        <span class="visually-hidden">{format!(" {title}")}</span>
                    </button>
                </form>
            })
        }}
    }
}
