//! The queue in the order in which it is served, and the means to change it.

use std::collections::BTreeMap;

use leptos::prelude::*;
use transferscope_domain::{
    ExperimentId,
    api::{QueueView, RunView},
    run::QueueMove,
};

use super::table::table;
use crate::{
    base::to,
    components::{empty_state::EmptyState, state_badge::state_label},
    format,
    labels::run_title,
};

/// The page.
#[component]
pub fn Queue(queue: QueueView) -> impl IntoView {
    let QueueView {
        running,
        waiting,
        waiting_count,
        experiment_names: names,
        measured,
        jobs,
        time_left_s,
        paused,
    } = queue;
    let empty = running.is_empty() && waiting.is_empty();
    let content = if empty {
        view! {
            <EmptyState title="Nothing is queued">
                <p>"Runs wait here until a worker takes them."</p>
                <p><a class="button button--primary" href=to("/new") rel="external">"New experiment"</a></p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            <p role="status">{words(&running, waiting_count, measured, jobs, time_left_s)}</p>
            {(!running.is_empty()).then(|| running_table(running, &names))}
            {(!waiting.is_empty()).then(|| waiting_table(waiting, waiting_count, &names))}
        }
        .into_any()
    };
    view! {
        <div class="page__head">
            <div>
                <h1>"Queue"</h1>
                <p class="page__lead">"Waiting runs in the order in which they start."</p>
            </div>
            <a class="button" href=to("/runs") rel="external">"All runs"</a>
        </div>
        {paused.map(|paused| view! {
            <div class="notice notice--warn" role="alert">
                <p><strong>"The queue is paused. "</strong>{paused.reason}</p>
                <p>{format!("The next try is in {}.", format::duration(paused.next_try_s))}</p>
            </div>
        })}
        {content}
    }
}

/// How much there is to do, in a sentence or two.
fn words(running: &[RunView], waiting: u32, measured: u32, jobs: u32, left: Option<f64>) -> String {
    let at_once = if jobs == 1 { "one at a time".to_owned() } else { format!("{jobs} at a time") };
    let mut text = format!(
        "{} under way, {} waiting, {at_once}.",
        format::plural(running.len() as u64, "run"),
        waiting,
    );
    match left {
        Some(seconds) => {
            text.push_str(&format!(" About {} left", format::duration(seconds)));
            if measured < waiting {
                text.push_str(&format!(
                    ", not counting {} of a kind that has not finished here yet",
                    format::plural(u64::from(waiting - measured), "run")
                ));
            }
            text.push('.');
        }
        None => text.push_str(" An estimate of the time follows once a run of the same kind has finished."),
    }
    text
}

fn title(run: &RunView) -> impl IntoView + use<> {
    view! { <a href=to(&format!("/runs/{}", run.id)) rel="external">{run_title(run)}</a> }
}

/// Names of experiments by id.
type Names = BTreeMap<String, String>;

/// The name of an experiment, or its id where it has none.
fn name_of(id: &ExperimentId, names: &Names) -> String {
    names.get(id.as_str()).cloned().unwrap_or_else(|| id.to_string())
}

fn experiment(id: Option<&ExperimentId>, names: &Names) -> impl IntoView + use<> {
    id.map(|id| {
        view! { <a href=to(&format!("/experiments/{id}")) rel="external">{name_of(id, names)}</a> }
    })
}

fn running_table(running: Vec<RunView>, names: &Names) -> impl IntoView + use<> {
    let rows = running
        .into_iter()
        .map(|run| {
            let left = run.eta_s.map_or_else(|| format::NONE.to_owned(), format::duration);
            view! {
                <tr>
                    <th scope="row">{title(&run)}</th>
                    <td>{experiment(run.experiment.as_ref(), names)}</td>
                    <td>{state_label(run.state)}</td>
                    <td class="data-table__number">{format::percent(run.progress)}</td>
                    <td class="data-table__number">{left}</td>
                </tr>
            }
        })
        .collect_view();
    let columns =
        [("Run", false), ("Experiment", false), ("State", false), ("Done", true), ("Time left", true)];
    view! {
        <section class="section">
            <h2>"Under way"</h2>
            {table("Runs under way", columns, rows)}
        </section>
    }
}

/// One button of a form that moves a run or an experiment.
fn button(to: QueueMove, of: &str) -> impl IntoView + use<> {
    view! {
        <button type="submit" name="to" value=to.as_str() class="button button--small" title=to.help()>
            {to.label()}
            <span class="visually-hidden">{format!(": {of}")}</span>
        </button>
    }
}

fn waiting_table(waiting: Vec<RunView>, count: u32, names: &Names) -> impl IntoView + use<> {
    let listed = waiting.len();
    let mut experiments: Vec<ExperimentId> = Vec::new();
    for id in waiting.iter().filter_map(|r| r.experiment.as_ref()) {
        if !experiments.contains(id) {
            experiments.push(id.clone());
        }
    }
    let rows = waiting
        .into_iter()
        .enumerate()
        .map(|(i, run)| {
            let name = run_title(&run);
            view! {
                <tr>
                    <td class="data-table__number">{i + 1}</td>
                    <th scope="row">{title(&run)}</th>
                    <td>{experiment(run.experiment.as_ref(), names)}</td>
                    <td>
                        <form class="button-row button-row--moves" method="post" action=to(&format!("/runs/{}/move", run.id))>
                            {QueueMove::ALL.iter().map(|to| button(*to, &name)).collect_view()}
                        </form>
                    </td>
                </tr>
            }
        })
        .collect_view();
    let columns = [("Place", true), ("Run", false), ("Experiment", false), ("Move", false)];
    let more = (count as usize > listed)
        .then(|| view! { <p class="quiet">{format!("The first {listed} of {count} waiting runs.")}</p> });
    let whole = (experiments.len() > 1).then(|| {
        let rows = experiments
            .into_iter()
            .map(|id| {
                let called = name_of(&id, names);
                view! {
                    <tr>
                        <th scope="row">{experiment(Some(&id), names)}</th>
                        <td>
                            <form class="button-row button-row--moves" method="post" action=to(&format!("/experiments/{id}/move"))>
                                {button(QueueMove::First, &called)}
                                {button(QueueMove::Last, &called)}
                            </form>
                        </td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <section class="section">
                <h2>"Whole experiments"</h2>
                {table("Waiting experiments", [("Experiment", false), ("Move all of its waiting runs", false)], rows)}
            </section>
        }
    });
    view! {
        {whole}
        <section class="section">
            <h2>"Waiting"</h2>
            {table("Waiting runs in order", columns, rows)}
            {more}
        </section>
    }
}
