//! One run: how it goes, what came out, and where that came from.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use transferscope_domain::{
    Failure, RunId, RunState,
    alignment::{AlignmentValue, KERNEL, names},
    api::{AlignmentView, PreviewView},
    pretraining::Pretraining,
};

use crate::{
    api::run::{RunPageData, run},
    base::to,
    charts::RunCharts,
    components::{
        case_table::CaseTable,
        clock::{Ago, use_clock},
        loaded::{Within, loaded},
        metrics_table::MetricsTable,
        previews::PreviewStrip,
        progress_bar::ProgressBar,
        provenance::{Configuration, LoadReportView, PlanFacts, Provenance},
        run_actions::RunActions,
        run_mark::{AdaptationTag, ArmTag, DatasetLabel, RunMark},
        state_badge::StateBadge,
    },
    format,
    labels::run_title,
    live::{RunLive, alignment_over, use_run_events},
    palette::style_of,
};

/// The page.
#[component]
pub fn RunPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|p| p.get("id").unwrap_or_default()));
    let data = Resource::new(move || id.get(), run);
    loaded(data, "the run", Within::Nothing, move |page| {
        let reload = Callback::new(move |()| data.refetch());
        view! { <RunView page=page reload=reload /> }
    })
}

#[component]
fn RunView(page: RunPageData, reload: Callback<()>) -> impl IntoView {
    let RunPageData { detail, series, alignment, cases, splits, plan, dataset_unchanged, gone, now_ms } =
        page;
    let run = detail.run.clone();
    let live = use_run_events(&run, detail.last_seq);
    let first_state = run.state;
    let state = Memo::new(move |_| live.state.get().unwrap_or(first_state));
    reload_at_end(state, reload);
    let title = run_title(&run);
    let first_previews = detail.previews.clone();
    let previews = Memo::new(move |_| live.previews.with(|heard| previews_over(&first_previews, heard)));
    let has_previews = Memo::new(move |_| previews.with(|p| !p.is_empty()));
    let first_metrics = run.metrics.clone();
    let metrics = Memo::new(move |_| {
        let mut all = first_metrics.clone();
        all.extend(live.points.with(|p| p.latest()));
        all
    });
    let id = run.id.clone();
    let preview_id = id.clone();
    let measured = alignment.clone();
    let tested = cases.iter().filter(|c| c.split == "test").count();
    view! {
        <Title text=title.clone() />
        <RunHead
            page_now_ms=now_ms
            run=run.clone()
            has_checkpoint=detail.checkpoint_step.is_some()
            state=state
            live=live
        />
        {gone.map(|words| view! { <p class="notice">{words}</p> })}
        {run.pretraining.clone().map(|p| view! { <Makes pretraining=p state=state /> })}
        <RunCharts detail=detail.clone() series=series alignment=alignment.clone() live=live />
        <section class="section">
            <h2>"Metrics"</h2>
            <MetricsLead pretrains=run.pretraining.is_some() tested=tested />
            <MetricsTable task=run.task metrics=metrics />
        </section>
        <section class="section" hidden=move || !has_previews.get()>
            <h2>"Previews"</h2>
            <PreviewStrip id=preview_id previews=previews />
        </section>
        {move || {
            let view = live.alignment.with(|heard| alignment_over(measured.as_ref(), heard));
            view.filter(|v| !v.values.is_empty()).map(|v| view! { <AlignmentTable view=v /> })
        }}
        {(tested > 0).then(|| view! {
            <section class="section">
                <h2>"Test cases"</h2>
                <p class="section__lead">"Worst first."</p>
                <CaseTable task=run.task dataset=run.dataset.clone() cases=cases />
            </section>
        })}
        <div class="section-columns">
            <section class="section">
                <h2>"Configuration"</h2>
                <Configuration run=run.clone() />
            </section>
            <section class="section">
                <h2>"Provenance"</h2>
                <Provenance detail=detail.clone() splits=splits dataset_unchanged=dataset_unchanged />
            </section>
        </div>
        {plan.map(|plan| view! {
            <section class="section">
                <h2>"Cases for the network"</h2>
                <PlanFacts facts=plan />
            </section>
        })}
        {detail.load_report.clone().map(|report| view! {
            <section class="section">
                <h2>"Load report"</h2>
                <LoadReportView report=report />
            </section>
        })}
        <RecentLog live=live />
        <Files id=id state=state />
    }
}

/// What the metrics are of.
#[component]
fn MetricsLead(
    /// Whether the run makes a backbone.
    pretrains: bool,
    /// Test cases that were scored.
    tested: usize,
) -> impl IntoView {
    let on_cases = (tested > 0).then(|| format!(" on {}", format::plural(tested as u64, "case")));
    view! {
        <p class="section__lead">
            {if pretrains {
                "Latest values on held-out patients; the linear probe uses frozen features and is shown beside the same probe on random weights."
            } else {
                "Latest values; those of the test set come from the checkpoint that was best on the validation set."
            }}
            " One seed"{on_cases}": no interval, since the variation between seeds is unknown."
        </p>
    }
}

/// What can be read of the run beside this page.
#[component]
fn Files(id: RunId, state: Memo<RunState>) -> impl IntoView {
    view! {
        <section class="section">
            <h2>"Files"</h2>
            <ul class="file-list">
                <li><a href=to(&format!("/runs/{id}/log")) rel="external">"Worker log"</a></li>
                <li>
                    <a href=to(&format!("/api/v1/runs/{id}/metrics.csv")) rel="external" download="">"metrics.csv"</a>
                    " – every recorded value"
                </li>
                <li>
                    <a href=to(&format!("/runs/{id}/tensorboard")) rel="external" download="">"TensorBoard"</a>
                    " – the same values as an event file"
                </li>
                <li hidden=move || state.get() != RunState::Succeeded>
                    <a href=to(&format!("/runs/{id}/report.json")) rel="external" download="">"report.json"</a>
                    " – the complete result"
                </li>
            </ul>
        </section>
    }
}

/// Loads the page again when the run ends while it is open: it then has results that no event carries.
fn reload_at_end(state: Memo<RunState>, reload: Callback<()>) {
    Effect::new(move |before: Option<bool>| {
        let ended = state.get().is_final();
        if ended && before == Some(false) {
            // Whoever has left the page by then needs nothing more of it.
            let again = move || {
                let _ = reload.try_run(());
            };
            set_timeout(again, std::time::Duration::from_millis(700));
        }
        ended
    });
}

/// Pictures that were heard of, laid over those that the page came with.
fn previews_over(base: &[PreviewView], heard: &[PreviewView]) -> Vec<PreviewView> {
    let mut all: Vec<PreviewView> =
        base.iter().filter(|b| !heard.iter().any(|h| h.file == b.file)).cloned().collect();
    all.extend(heard.iter().cloned());
    all
}

/// Name, state, progress, what can be done.
#[component]
fn RunHead(
    page_now_ms: i64,
    run: transferscope_domain::api::RunView,
    has_checkpoint: bool,
    state: Memo<RunState>,
    live: RunLive,
) -> impl IntoView {
    let title = run_title(&run);
    let first_failure = run.failure.clone();
    let failure = Memo::new(move |_| {
        let failure = live.failure.get().or_else(|| first_failure.clone());
        failure.filter(|_| matches!(state.get(), RunState::Failed | RunState::Lost | RunState::Queued))
    });
    view! {
        <div class="page__head run-head">
            <div>
                <h1 class="run-head__title">
                    <RunMark style=style_of(&run) />
                    {run.backbone.clone()}
                    <span class="run-head__task">{format!("{} · seed {}", run.task.label(), run.seed)}</span>
                </h1>
                <RunFacts run=run.clone() state=state />
            </div>
            <div class="run-head__actions">
                <a class="button button--small" href=to(&format!("/compare?runs={}", run.id))>"Compare"</a>
                <RunActions id=run.id.clone() state=state title=title.clone() has_checkpoint=has_checkpoint />
            </div>
        </div>
        <RunProgress page_now_ms=page_now_ms run=run state=state live=live />
        {move || failure.get().map(|f| view! { <FailurePanel failure=f /> })}
    }
}

/// State, arm, data and id of a run.
#[component]
fn RunFacts(run: transferscope_domain::api::RunView, state: Memo<RunState>) -> impl IntoView {
    let experiment = run.experiment.clone().map(|e| {
        view! { " · "<a href=to(&format!("/experiments/{e}"))>"its experiment"</a> }
    });
    let took =
        run.started_ms.zip(run.finished_ms).map(|(a, b)| format::duration((b - a).max(0) as f64 / 1000.0));
    view! {
        <p class="run-head__facts">
            {move || view! { <StateBadge state=state.get() /> }}
            " "
            <ArmTag arm=run.arm />
            <AdaptationTag adaptation=run.training.adaptation />
            " "
            <DatasetLabel name=run.dataset.clone() synthetic=run.synthetic />
            " "
            <span class="quiet">
                <code>{run.id.to_string()}</code>
                {experiment}
                {took.map(|t| format!(" · {t} from start to end"))}
            </span>
        </p>
    }
}

/// How far a run is and when it will end, until it has ended.
#[component]
fn RunProgress(
    page_now_ms: i64,
    run: transferscope_domain::api::RunView,
    state: Memo<RunState>,
    live: RunLive,
) -> impl IntoView {
    let now = use_clock(page_now_ms);
    let (first_progress, first_phase, first_eta) = (run.progress, run.phase, run.eta_s);
    let first_heard = run.heartbeat_ms;
    let progress =
        Memo::new(move |_| live.progress.with(|p| p.as_ref().map_or(first_progress, |p| p.progress)));
    let doing = Memo::new(move |_| {
        live.progress.with(|p| p.as_ref().map_or((first_phase, first_eta), |p| (Some(p.phase), p.eta_s)))
    });
    let heard = Memo::new(move |_| live.progress.with(|p| p.as_ref().map(|p| p.t_ms).or(first_heard)));
    let waiting = run.queue_position;
    let status = move || match state.get() {
        RunState::Queued => match waiting {
            Some(1) | None => "Next in the queue.".to_owned(),
            Some(n) => format!("Place {n} in the queue."),
        },
        RunState::Lost => {
            "The worker was lost; another one will continue from the last checkpoint.".to_owned()
        }
        RunState::Preparing | RunState::Running | RunState::Stopping => {
            let (phase, eta) = doing.get();
            let mut text = phase.map_or_else(|| "starting".to_owned(), |p| p.label().to_owned());
            if let Some(s) = eta {
                text.push_str(&format!(", about {} left", format::duration(s)));
            }
            text
        }
        RunState::Stopped | RunState::Succeeded | RunState::Failed => String::new(),
    };
    view! {
        <div class="run-head__progress" hidden=move || state.get().is_final()>
            {move || view! { <ProgressBar value=progress.get() label="Progress of the run" /> }}
            <p role="status" class="run-head__status">{status}</p>
            {move || {
                heard
                    .get()
                    .filter(|_| state.get().has_worker())
                    .map(|ms| view! { <p class="quiet">"Last heartbeat "<Ago then_ms=ms now=now /></p> })
            }}
        </div>
    }
}

/// The backbone that a pre-training run makes.
#[component]
fn Makes(pretraining: Pretraining, state: Memo<RunState>) -> impl IntoView {
    let href = to(&format!("/backbones/{}", pretraining.name));
    let name = pretraining.name.clone();
    view! {
        <p class="notice">
            {pretraining.objective.label()}
            ". It makes the backbone "
            {move || {
                if state.get() == RunState::Succeeded {
                    view! { <a href=href.clone()>{name.clone()}</a> }.into_any()
                } else {
                    view! { <strong>{name.clone()}</strong> }.into_any()
                }
            }}
            {(pretraining.accumulate > 1)
                .then(|| format!("; gradients of {} batches are added up for one step", pretraining.accumulate))}
            "."
        </p>
    }
}

/// Why a run did not succeed, and what to do.
#[component]
fn FailurePanel(failure: Failure) -> impl IntoView {
    view! {
        <section class="error-panel" role="alert">
            <h2 class="error-panel__title">{failure.message}</h2>
            <p>{failure.hint}</p>
            <p class="quiet">{failure.kind.title()}" (kind "<code>{failure.kind.to_string()}</code>")."</p>
        </section>
    }
}

/// What a value of alignment is, in the words of an experiment's page; none for one that is not known.
fn measure(metric: &str) -> Option<&'static str> {
    Some(match metric {
        names::D2P => "MMD² to the features before fine-tuning (D2P)",
        names::D2R => "MMD² to random weights (D2R)",
        names::CKA => "CKA with the features before fine-tuning",
        names::PROCRUSTES => "Procrustes distance to the features before fine-tuning",
        names::CONTROL_IDENTITY => "Control: same weights (MMD², at most 0)",
        names::CONTROL_RANDOM => "Control: random weights (MMD²)",
        names::CONTROL_SHUFFLED => "Control: shuffled cases (CKA)",
        _ => return None,
    })
}

/// Alignment by layer as numbers, the latest epoch.
#[component]
fn AlignmentTable(view: AlignmentView) -> impl IntoView {
    let last = view.values.iter().map(|v| v.epoch).fold(f64::MIN, f64::max);
    let mut rows: Vec<AlignmentValue> = view.values.into_iter().filter(|v| v.epoch == last).collect();
    rows.sort_by(|a, b| a.depth.cmp(&b.depth).then_with(|| a.layer.cmp(&b.layer)));
    view! {
        <section class="section">
            <h2>"Alignment by layer"</h2>
            <p class="section__lead">
                {format!(
                    "D2P: squared maximum mean discrepancy between the fine-tuned features and those before training, of the same {}; {} kernel, {} estimator (it can be slightly negative), after epoch {}. Features are closer to those before training where CKA is higher, and where MMD² and Procrustes distance are lower.",
                    format::plural(u64::from(view.n), "sample"),
                    if view.kernel == KERNEL { "Gaussian" } else { view.kernel.as_str() },
                    view.estimator,
                    format::significant(last),
                )}
            </p>
            <div class="table-scroll" role="region" aria-label="Alignment by layer" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Layer"</th>
                            <th scope="col">"Measure"</th>
                            <th scope="col">"Closer"</th>
                            <th scope="col" class="data-table__number">"Value"</th>
                            <th scope="col" class="data-table__number">"p (permutation)"</th>
                            <th scope="col" class="data-table__number">"Bandwidth"</th>
                            <th scope="col" class="data-table__number">"n"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {rows
                            .into_iter()
                            .map(|v| {
                                let rises = matches!(v.metric.as_str(), names::CKA | names::CONTROL_SHUFFLED);
                                view! {
                                    <tr>
                                        <th scope="row"><code>{v.layer}</code></th>
                                        <td>{measure(&v.metric).map_or(v.metric, str::to_owned)}</td>
                                        <td>{if rises { "higher" } else { "lower" }}</td>
                                        <td class="data-table__number">{format::number(v.value, 4)}</td>
                                        <td class="data-table__number">
                                            {v.p.map_or_else(|| format::NONE.to_owned(), |p| format::number(p, 3))}
                                        </td>
                                        <td class="data-table__number">{format::significant(v.bandwidth)}</td>
                                        <td class="data-table__number">{v.n}</td>
                                    </tr>
                                }
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
        </section>
    }
}

/// What the worker said last, while the page is open.
#[component]
fn RecentLog(live: RunLive) -> impl IntoView {
    let any = Memo::new(move |_| live.log.with(|l| !l.is_empty()));
    view! {
        <section class="section" hidden=move || !any.get()>
            <h2>"Latest messages"</h2>
            <ol class="log-lines">
                {move || {
                    live.log.with(|lines| {
                        lines
                            .iter()
                            .map(|l| view! {
                                <li class=format!("log-lines__line log-lines__line--{:?}", l.level).to_lowercase()>
                                    <time datetime=format::date_time_iso(l.t_ms)>{format::date_time(l.t_ms)}</time>
                                    " "
                                    {l.message.clone()}
                                </li>
                            })
                            .collect_view()
                    })
                }}
            </ol>
        </section>
    }
}
