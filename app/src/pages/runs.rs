//! The queue: all runs, or those of one experiment, as they go.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use transferscope_domain::{RunState, Task, TaskKind, api::RunView};

use crate::{
    api::runs::{ExperimentProgress, RunsPageData, RunsState, runs},
    base::to,
    components::{
        clock::{Ago, use_clock},
        empty_state::{EmptyState, Preparing},
        loaded::{Within, loaded},
        progress_bar::ProgressBar,
        run_table::RunTable,
        state_badge::state_label,
        task_options::task_options,
    },
    format,
    live::use_queue,
};

fn state_of(query: &ParamsMap) -> RunsState {
    let get = |key| query.get(key).unwrap_or_default();
    RunsState {
        experiment: get("experiment"),
        state: get("state"),
        task: get("task"),
        dataset: get("dataset"),
        backbone: get("backbone"),
        cursor: get("cursor"),
    }
}

/// The page.
#[component]
pub fn RunsPage() -> impl IntoView {
    let query = use_query_map();
    let state = Memo::new(move |_| query.with(state_of));
    let data = Resource::new(move || state.get(), runs);
    let changes = use_queue();
    view! {
        {loaded(data, "the runs", Within::Nothing, move |data| {
            view! { <RunsView data=data state=state.get_untracked() changes=changes /> }
        })}
    }
}

/// Address of the list in another state; empty fields are left out.
fn href(state: &RunsState) -> String {
    let pairs: Vec<(&str, &String)> = [
        ("experiment", &state.experiment),
        ("state", &state.state),
        ("task", &state.task),
        ("dataset", &state.dataset),
        ("backbone", &state.backbone),
        ("cursor", &state.cursor),
    ]
    .into_iter()
    .filter(|(_, v)| !v.is_empty())
    .collect();
    if pairs.is_empty() {
        return to("/runs");
    }
    to(&format!("/runs?{}", serde_urlencoded::to_string(pairs).unwrap_or_default()))
}

/// Whether a run that was heard of belongs on the page.
fn belongs(state: &RunsState, run: &RunView) -> bool {
    let fits = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
    fits(&state.experiment, run.experiment.as_ref().map_or("", |e| e.as_str()))
        && fits(&state.state, run.state.as_str())
        && (fits(&state.task, run.task.kind.as_str()) || fits(&state.task, &run.task.to_string()))
        && fits(&state.dataset, &run.dataset)
}

/// The page's runs with what changed since laid over them; new ones that belong here come first.
/// A run stays once it is there, even when its state no longer fits the filter.
fn merged(state: &RunsState, base: &[RunView], changes: &[RunView]) -> Vec<RunView> {
    let mut new: Vec<RunView> = Vec::new();
    if state.cursor.is_empty() {
        new.extend(
            changes.iter().filter(|c| belongs(state, c) && !base.iter().any(|b| b.id == c.id)).cloned(),
        );
        // Newer than everything on the page: an old run that changes belongs to its own page.
        let newest = base.iter().map(|r| r.created_ms).max().unwrap_or(i64::MIN);
        new.retain(|r| r.created_ms >= newest);
        new.sort_by(|a, b| b.created_ms.cmp(&a.created_ms).then_with(|| a.id.cmp(&b.id)));
    }
    new.extend(base.iter().map(|b| changes.iter().find(|c| c.id == b.id).unwrap_or(b).clone()));
    new
}

#[component]
fn RunsView(data: RunsPageData, state: RunsState, changes: Signal<Vec<RunView>>) -> impl IntoView {
    let now = use_clock(data.now_ms);
    let base = data.list.runs;
    let for_rows = state.clone();
    let empty = base.is_empty();
    let rows = Memo::new(move |_| changes.with(|c| merged(&for_rows, &base, c)));
    let none = Memo::new(move |_| rows.with(Vec::is_empty));
    let next = data.list.next_cursor.map(|cursor| href(&RunsState { cursor, ..state.clone() }));
    let first =
        (!state.cursor.is_empty()).then(|| href(&RunsState { cursor: String::new(), ..state.clone() }));
    let title = match &data.experiment {
        Some(e) if !e.name.is_empty() => format!("Experiment {}", e.name),
        Some(_) => "Experiment".to_owned(),
        None => "Runs".to_owned(),
    };
    let filtered = state != RunsState::default();
    view! {
        <Title text=title.clone() />
        <div class="page__head">
            <h1>{title}</h1>
            <div class="button-row">
                <a class="button" href=to("/queue")>"Order of the queue"</a>
                <a class="button button--primary" href=to("/new")>"New experiment"</a>
            </div>
        </div>
        <Preparing message=data.preparing />
        {data.experiment.map(|e| view! { <ExperimentHead experiment=e changes=changes now=now /> })}
        <Filters
            state=state
            tasks=data.tasks
            experiments=data
                .experiments
                .iter()
                .map(|e| {
                    let name = if e.name.is_empty() { e.id.to_string() } else { format!("{} ({})", e.name, e.id) };
                    (e.id.to_string(), format!("{name}: {} of {} ended", e.finished, e.runs))
                })
                .collect()
        />
        {move || {
            if none.get() {
                view! { <Empty filtered=filtered /> }.into_any()
            } else {
                view! {
                    <div class="compare-bar">
                        <form method="get" action=to("/compare") id="compare-form" class="compare-bar__form">
                            <button type="submit" class="button">"Compare selected"</button>
                        </form>
                    </div>
                    <RunTable runs=rows now=now />
                }
                .into_any()
            }
        }}
        {(!empty && (next.is_some() || first.is_some()))
            .then(|| view! {
                <nav class="pagination" aria-label="Pages of runs">
                    {first.map(|href| view! { <a href=href>"Newest"</a> })}
                    {next.map(|href| view! { <a href=href>"Older"</a> })}
                </nav>
            })}
    }
}

/// The experiment as a whole: how much is done, in which states, and where to compare it.
#[component]
fn ExperimentHead(
    experiment: ExperimentProgress,
    changes: Signal<Vec<RunView>>,
    now: Signal<i64>,
) -> impl IntoView {
    let ids: Vec<&str> = experiment.runs.keys().map(String::as_str).collect();
    // A comparison takes 32 runs at most.
    let compare =
        (ids.len() > 1 && ids.len() <= 32).then(|| to(&format!("/compare?runs={}&seeds=1", ids.join(","))));
    let (id, created_ms) = (experiment.id.clone(), experiment.created_ms);
    let whole = Memo::new(move |_| {
        let mut e = experiment.clone();
        changes.with(|c| e.apply(c));
        e
    });
    let counts = move || {
        whole.with(|e| {
            e.counts()
                .into_iter()
                .map(|(state, n)| format!("{n} {}", state_label(state).to_lowercase()))
                .collect::<Vec<_>>()
                .join(", ")
        })
    };
    view! {
        <section class="card experiment-head" aria-label="Progress of the experiment">
            <div class="experiment-head__bar">
                {move || view! { <ProgressBar value=whole.with(ExperimentProgress::progress) label="Progress of the experiment" /> }}
            </div>
            <p class="experiment-head__counts">
                {move || format::plural(whole.with(|e| e.runs.len()) as u64, "run")}": "{counts}
            </p>
            <p class="quiet">
                "Started "<Ago then_ms=created_ms now=now />" · "<code>{id.to_string()}</code>" · "
                <a href=to(&format!("/experiments/{id}"))>"Results of the experiment"</a>
                {compare.map(|href| view! { " · "<a href=href>"Compare all of its runs"</a> })}
            </p>
        </section>
    }
}

#[component]
fn Filters(state: RunsState, tasks: Vec<Task>, experiments: Vec<(String, String)>) -> impl IntoView {
    let option = |value: &str, label: &str, now: &str| {
        view! { <option value=value.to_owned() selected=value == now>{label.to_owned()}</option> }
    };
    let kinds: Vec<_> = TaskKind::ALL.into_iter().chain([TaskKind::Pretraining]).collect();
    // An experiment older than the latest ones is still the one that is chosen.
    let chosen = state.experiment.clone();
    let missing = (!chosen.is_empty() && !experiments.iter().any(|(id, _)| *id == chosen))
        .then(|| option(&chosen, &chosen, &chosen));
    view! {
        <form method="get" action=to("/runs") class="filters" role="search" aria-label="Filter the runs">
            <label class="filters__field">
                "Experiment"
                <select name="experiment">
                    {option("", "All experiments", &chosen)}
                    {missing}
                    {experiments.iter().map(|(id, label)| option(id, label, &chosen)).collect_view()}
                </select>
            </label>
            <label class="filters__field">
                "State"
                <select name="state">
                    {option("", "All states", &state.state)}
                    {RunState::ALL
                        .into_iter()
                        .map(|s| option(s.as_str(), state_label(s), &state.state))
                        .collect_view()}
                </select>
            </label>
            <label class="filters__field">
                "Task"
                <select name="task">
                    {option("", "All tasks", &state.task)}
                    {task_options(&kinds, &tasks, &state.task)}
                </select>
            </label>
            {(!state.backbone.is_empty())
                .then(|| view! {
                    <label class="filters__field">
                        "Backbone"
                        <select name="backbone">
                            {option("", "All backbones", &state.backbone)}
                            {option(&state.backbone, &state.backbone, &state.backbone)}
                        </select>
                    </label>
                })}
            {(!state.dataset.is_empty())
                .then(|| view! {
                    <label class="filters__field">
                        "Data set"
                        <select name="dataset">
                            {option("", "All data sets", &state.dataset)}
                            {option(&state.dataset, &state.dataset, &state.dataset)}
                        </select>
                    </label>
                })}
            <button type="submit" class="button">"Apply"</button>
        </form>
    }
}

#[component]
fn Empty(filtered: bool) -> impl IntoView {
    if filtered {
        view! {
            <EmptyState title="No run matches these filters">
                <p><a href=to("/runs")>"Show all runs"</a></p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            <EmptyState title="No runs yet">
                <p>
                    <a class="button button--primary" href=to("/new?preset=quick")>"Start the quick preset"</a>
                </p>
            </EmptyState>
        }
        .into_any()
    }
}
