//! A run's state in words, with a shape of its own.

use leptos::prelude::*;
use transferscope_domain::RunState;

/// The word that pages use.
pub fn state_label(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "Queued",
        RunState::Preparing => "Preparing",
        RunState::Running => "Running",
        RunState::Stopping => "Stopping",
        RunState::Stopped => "Stopped",
        RunState::Succeeded => "Succeeded",
        RunState::Failed => "Failed",
        RunState::Lost => "Lost",
    }
}

/// What a state means, for people who meet it for the first time.
fn state_help(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "Waiting for a free worker",
        RunState::Preparing => "A worker was started but has not begun training",
        RunState::Running => "A worker is training",
        RunState::Stopping => "Stop requested; the worker has not ended yet",
        RunState::Stopped => "Stopped on request",
        RunState::Succeeded => "Finished with a result",
        RunState::Failed => "Ended with an error",
        RunState::Lost => "The worker was lost; another one will continue from the last checkpoint",
    }
}

/// Outline of the icon in a 16 by 16 box: states differ in shape as well as in colour.
fn icon(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3l2 1.5",
        RunState::Preparing => "M4 2.5h8M4 13.5h8M5 2.5c0 4 6 7 6 11M11 2.5c0 4-6 7-6 11",
        RunState::Running => "M5 3l8 5-8 5z",
        RunState::Stopping => "M5.5 3v10M10.5 3v10",
        RunState::Stopped => "M3.5 3.5h9v9h-9z",
        RunState::Succeeded => "M3 8.5l3.5 3.5L13 4.5",
        RunState::Failed => "M4 4l8 8M12 4l-8 8",
        RunState::Lost => "M5.5 6a2.5 2.5 0 1 1 3.4 2.3c-.6.3-.9.7-.9 1.7M8 12.6v.4",
    }
}

/// The badge.
#[component]
pub fn StateBadge(state: RunState) -> impl IntoView {
    view! {
        <span class=format!("state-badge state-badge--{state}") title=state_help(state)>
            <svg class="state-badge__icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
                <path d=icon(state) />
            </svg>
            {state_label(state)}
        </span>
    }
}
