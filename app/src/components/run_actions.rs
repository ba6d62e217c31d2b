//! What can be done to a run.

use leptos::prelude::*;
use transferscope_domain::{RunId, RunState};

use crate::base::to;

/// Cancel, repeat or go on, as plain forms. Reactive in the state, so that a run which ends while the
/// page is open offers the right thing.
#[component]
pub fn RunActions(
    id: RunId,
    #[prop(into)] state: Signal<RunState>,
    #[prop(into)] title: String,
    /// Whether a run that ended badly can go on from where it was.
    #[prop(optional)]
    has_checkpoint: bool,
) -> impl IntoView {
    let kinds = Memo::new(move |_| match state.get() {
        RunState::Stopping => [None, None],
        RunState::Failed | RunState::Stopped if has_checkpoint => {
            [Some(("resume", "Go on")), Some(("repeat", "Repeat"))]
        }
        s if s.is_final() => [None, Some(("repeat", "Repeat"))],
        RunState::Queued
        | RunState::Preparing
        | RunState::Running
        | RunState::Lost
        | RunState::Stopped
        | RunState::Succeeded
        | RunState::Failed => [None, Some(("cancel", "Cancel"))],
    });
    view! {
        {move || {
            let (id, title) = (id.clone(), title.clone());
            kinds.get().into_iter().flatten().map(move |(verb, label)| view! {
                <form class="run-actions" method="post" action=to(&format!("/runs/{id}/{verb}"))>
                    <button type="submit" class=format!("button button--small button--{verb}")>
                        {label}
                        <span class="visually-hidden">{format!(" {title}")}</span>
                    </button>
                </form>
            }).collect_view()
        }}
    }
}
