//! The queue's table: runs with their state, kept up to date while the page is open.

use leptos::prelude::*;
use transferscope_domain::{MetricKind, RunId, RunState, api::RunView};

use super::{
    clock::Ago,
    progress_bar::ProgressBar,
    run_actions::RunActions,
    run_mark::{AdaptationTag, ArmTag, DatasetLabel, RunMark},
    state_badge::StateBadge,
};
use crate::{base::to, format, labels::run_title, palette::style_of};

/// Runs, newest first; a row follows its run.
#[component]
pub fn RunTable(#[prop(into)] runs: Signal<Vec<RunView>>, now: Signal<i64>) -> impl IntoView {
    let ids = Memo::new(move |_| runs.with(|all| all.iter().map(|r| r.id.clone()).collect::<Vec<_>>()));
    view! {
        <div class="table-scroll" role="region" aria-label="Runs" tabindex="0">
            <table class="data-table run-table">
                <thead>
                    <tr>
                        <th scope="col" class="data-table__check">
                            <span class="visually-hidden">"Compare"</span>
                        </th>
                        <th scope="col">"Run"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Progress"</th>
                        <th scope="col" class="data-table__number">"Time left"</th>
                        <th scope="col">"Last heartbeat"</th>
                        <th scope="col" class="data-table__number">"Result, one seed"</th>
                        <th scope="col">"Data set"</th>
                        <th scope="col">
                            <span class="visually-hidden">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || ids.get() key=|id| id.clone() let:id>
                        <Row id=id runs=runs now=now />
                    </For>
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(id: RunId, runs: Signal<Vec<RunView>>, now: Signal<i64>) -> impl IntoView {
    // A row leaves the table before its memo could find no run.
    let Some(first) = runs.with_untracked(|all| all.iter().find(|r| r.id == id).cloned()) else {
        return ().into_any();
    };
    let title = run_title(&first);
    let fallback = first.clone();
    let wanted = id.clone();
    let run = Memo::new(move |_| {
        runs.with(|all| all.iter().find(|r| r.id == wanted).cloned()).unwrap_or_else(|| fallback.clone())
    });
    let state = Memo::new(move |_| run.with(|r| r.state));
    view! {
        <tr>
            <td class="data-table__check">
                <input
                    type="checkbox"
                    name="runs"
                    value=id.to_string()
                    form="compare-form"
                    aria-label=format!("Compare {title}")
                />
            </td>
            <th scope="row">
                <a class="run-name" href=to(&format!("/runs/{id}"))>
                    <RunMark style=style_of(&first) />
                    <span>
                        <span class="run-name__main">{first.backbone.clone()}</span>
                        " "
                        <span class="run-name__rest">
                            {format!("{} · seed {}", first.task.label(), first.seed)}
                        </span>
                    </span>
                </a>
                " "
                <ArmTag arm=first.arm />
                <AdaptationTag adaptation=first.training.adaptation />
            </th>
            <td>
                {move || view! { <StateBadge state=state.get() /> }}
                {move || run.with(failure_line)}
            </td>
            <td>{move || run.with(progress)}</td>
            <td class="data-table__number">
                {move || run.with(|r| match (r.state.has_worker(), r.eta_s) {
                    (true, Some(s)) => format::duration(s),
                    _ => format::NONE.to_owned(),
                })}
            </td>
            <td>{move || run.with(|r| heard(r, now))}</td>
            <td class="data-table__number">{move || run.with(result)}</td>
            <td><DatasetLabel name=first.dataset.clone() synthetic=first.synthetic /></td>
            <td class="data-table__action">
                <RunActions id=id state=state title=title />
            </td>
        </tr>
    }
    .into_any()
}

fn failure_line(run: &RunView) -> Option<impl IntoView + use<>> {
    let failure = run.failure.as_ref().filter(|_| matches!(run.state, RunState::Failed | RunState::Lost))?;
    Some(
        view! { <span class="run-table__failure" title=failure.hint.clone()>{failure.message.clone()}</span> },
    )
}

fn progress(run: &RunView) -> AnyView {
    match run.state {
        RunState::Queued => {
            let place = run.queue_position.map_or_else(
                || "waiting".to_owned(),
                |p| if p == 1 { "next in the queue".to_owned() } else { format!("place {p} in the queue") },
            );
            view! { <span class="quiet">{place}</span> }.into_any()
        }
        RunState::Succeeded => {
            let took = run.started_ms.zip(run.finished_ms).map(|(a, b)| (b - a).max(0) as f64 / 1000.0);
            let text = took.map_or_else(|| "done".to_owned(), |s| format!("done in {}", format::duration(s)));
            view! { <span class="quiet">{text}</span> }.into_any()
        }
        RunState::Preparing
        | RunState::Running
        | RunState::Stopping
        | RunState::Stopped
        | RunState::Failed
        | RunState::Lost => {
            let phase = run.phase.filter(|_| run.state.has_worker()).map(|p| p.label());
            view! {
                <ProgressBar value=run.progress label=format!("Progress of {}", run_title(run)) />
                {phase.map(|p| view! { <span class="run-table__phase">{p}</span> })}
            }
            .into_any()
        }
    }
}

fn heard(run: &RunView, now: Signal<i64>) -> AnyView {
    match run.heartbeat_ms.filter(|_| !run.state.is_final()) {
        Some(ms) => view! { <Ago then_ms=ms now=now /> }.into_any(),
        None => view! { <span class="quiet">{format::NONE}</span> }.into_any(),
    }
}

fn result(run: &RunView) -> AnyView {
    match &run.primary {
        Some(p) => {
            let kind = MetricKind::of_name(&p.name);
            let unit = kind.map_or("", MetricKind::unit);
            let name = kind.map_or("", MetricKind::label);
            view! {
                <strong>{format::metric_value(&p.name, p.value)}</strong>
                {(!unit.is_empty()).then(|| format!(" {unit}"))}
                " "
                <span class="quiet">{name}</span>
            }
            .into_any()
        }
        None => view! { <span class="quiet">{format::NONE}</span> }.into_any(),
    }
}
