//! The matrix with its holes: every planned run in its place.

use leptos::prelude::*;
use transferscope_domain::{Arm, RunState, Task};
use transferscope_study::analysis::{Analysis, ArmSummary, Slot};

use super::{share, variant};
use crate::{base::to, format};

/// Backbones and arms down, tasks across; a cell has mean, interval and its seeds.
#[component]
pub fn Matrix(analysis: Analysis) -> impl IntoView {
    let (tasks, rows) = plan(&analysis);
    let head = tasks.iter().map(|task| task_head(*task)).collect_view();
    let specialists = specialists(&analysis, &tasks);
    let body = rows.iter().map(|row| network(&analysis, &tasks, row)).collect_view();
    view! {
        <section class="section">
            <h2>"Results and missing runs"</h2>
            <p class="section__lead">
                "Test metric: mean over seeds with its 95 % interval over seeds and test patients, as on the leaderboard; a single seed has no interval. Each small square is a seed: filled has a result, crossed failed or was stopped, hollow is unfinished or missing."
            </p>
            <div class="table-scroll" role="region" aria-label="Results by backbone and task" tabindex="0">
                <table class="data-table">
                    <caption class="visually-hidden">"Test metric by backbone, arm and task"</caption>
                    <thead><tr><th scope="col">"Network"</th>{head}</tr></thead>
                    <tbody>{specialists}{body}</tbody>
                </table>
            </div>
        </section>
    }
}

/// Backbone, arm, and what sets the cell apart from others of both.
type Network = (String, Arm, Option<String>);

/// The tasks and the networks that have a cell, in the order of cells.
fn plan(analysis: &Analysis) -> (Vec<Task>, Vec<Network>) {
    let mut tasks: Vec<Task> = Vec::new();
    let mut rows: Vec<Network> = Vec::new();
    for cell in &analysis.cells {
        if !tasks.contains(&cell.key.task) {
            tasks.push(cell.key.task);
        }
        for arm in &cell.arms {
            let row = (cell.key.backbone.clone(), arm.arm, variant(analysis, cell));
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    for specialist in &analysis.specialists {
        if !tasks.contains(&specialist.task) {
            tasks.push(specialist.task);
        }
    }
    (tasks, rows)
}

/// A task with its metric.
fn task_head(task: Task) -> impl IntoView {
    let metric = task.primary_metric();
    let unit = if metric.unit().is_empty() { String::new() } else { format!(" ({})", metric.unit()) };
    view! {
        <th scope="col" class="data-table__number">
            {task.label()}
            <span class="difference">{format!("{}{unit}, {}", metric.label(), task_direction(task))}</span>
        </th>
    }
}

/// The specialists, a row for each share of the training cases.
fn specialists(analysis: &Analysis, tasks: &[Task]) -> impl IntoView + use<> {
    let mut shares: Vec<f64> = Vec::new();
    for specialist in &analysis.specialists {
        if !shares.contains(&specialist.label_share) {
            shares.push(specialist.label_share);
        }
    }
    shares
        .into_iter()
        .map(|of| {
            let all = || analysis.specialists.iter().filter(|s| s.label_share == of);
            let cells = tasks.iter().map(|task| summary(all().find(|s| s.task == *task))).collect_view();
            let way = all()
                .next()
                .and_then(|s| share(analysis, s))
                .map(|w| view! { <span class="difference">{w}</span> });
            view! { <tr><th scope="row">"Specialist (U-Net)"{way}</th>{cells}</tr> }
        })
        .collect_view()
}

/// One network over all tasks.
fn network(analysis: &Analysis, tasks: &[Task], (backbone, arm, way): &Network) -> impl IntoView + use<> {
    let cells = tasks
        .iter()
        .map(|task| {
            let cell = analysis
                .cells
                .iter()
                .find(|c| &c.key.backbone == backbone && c.key.task == *task && &variant(analysis, c) == way);
            summary(cell.and_then(|c| c.arm(*arm)))
        })
        .collect_view();
    let way = way.clone().map(|w| view! { <span class="difference">{w}</span> });
    view! { <tr><th scope="row">{format!("{backbone}, {}", arm.label().to_lowercase())}{way}</th>{cells}</tr> }
}

fn task_direction(task: Task) -> &'static str {
    match task.primary_metric().direction() {
        transferscope_domain::Direction::Higher => "higher is better",
        transferscope_domain::Direction::Lower => "lower is better",
    }
}

fn summary(arm: Option<&ArmSummary>) -> AnyView {
    let Some(arm) = arm else {
        return view! { <td class="data-table__number quiet">"not planned"</td> }.into_any();
    };
    let metric = arm.task.primary_metric().as_str();
    let value = match arm.mean {
        Some(mean) => format::metric_value(metric, mean),
        None => "no result".into(),
    };
    let interval = arm.interval.map(|i| {
        view! {
            <span class="difference">
                {format!("{} to {}", format::metric_value(metric, i.low), format::metric_value(metric, i.high))}
            </span>
        }
    });
    let unsure = arm
        .unsure
        .filter(|_| arm.mean.is_some())
        .map(|why| view! { <span class="difference">{why.words()}</span> });
    let few = (arm.n > 0 && arm.n < 3)
        .then(|| view! { <span class="tag tag--quiet">{format!("n = {}", arm.n)}</span> });
    let beats = arm.baseline.as_ref().zip(arm.mean).and_then(|((name, value), mean)| {
        let better = arm.task.primary_metric().direction().better(mean, *value);
        let words = match arm.over_trivial {
            _ if !better => "not better than",
            Some(difference) if difference.contains(0.0) => "not distinguishable from",
            _ => return None,
        };
        let value = format::metric_value(metric, *value);
        Some(view! { <span class="difference">{format!("{words} {name} ({value})")}</span> })
    });
    let slots = arm.slots.iter().map(slot).collect_view();
    view! {
        <td class="data-table__number">
            <span class:quiet=arm.mean.is_none()>{value}</span>" "{few}
            {interval}
            {unsure}
            {beats}
            <span class="seed-slots">{slots}</span>
        </td>
    }
    .into_any()
}

fn slot(slot: &Slot) -> AnyView {
    let (class, state) = match slot.state {
        Some(RunState::Succeeded) => ("seed-slot seed-slot--done", "has a result"),
        Some(RunState::Failed) => ("seed-slot seed-slot--gone", "failed"),
        Some(RunState::Stopped) => ("seed-slot seed-slot--gone", "was stopped"),
        Some(RunState::Queued) => ("seed-slot", "is queued"),
        Some(_) => ("seed-slot seed-slot--live", "is running"),
        None => ("seed-slot seed-slot--hole", "is missing"),
    };
    let words = format!("Seed {} {state}", slot.seed);
    let title = words.clone();
    match &slot.run {
        Some(run) => view! {
            <a class=class href=to(&format!("/runs/{run}")) rel="external" title=title>
                <span class="visually-hidden">{words}</span>
            </a>
        }
        .into_any(),
        None => view! {
            <span class=class title=title><span class="visually-hidden">{words}</span></span>
        }
        .into_any(),
    }
}
