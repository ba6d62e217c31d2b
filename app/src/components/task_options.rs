//! The tasks of a filter: kinds, and below each the targets that there are runs of.

use leptos::prelude::*;
use transferscope_domain::{Task, TaskKind};

/// The options; `chosen` is one of them even where no run has it.
pub fn task_options(kinds: &[TaskKind], occurring: &[Task], chosen: &str) -> impl IntoView + use<> {
    let mut tasks: Vec<Task> = kinds.iter().copied().map(Task::from).collect();
    tasks.extend(occurring.iter().copied().chain(chosen.parse::<Task>()));
    tasks.sort_unstable();
    tasks.dedup();
    tasks
        .into_iter()
        .map(|task| {
            let value = task.to_string();
            let selected = value == chosen;
            view! { <option value=value selected=selected>{task.label()}</option> }
        })
        .collect_view()
}
