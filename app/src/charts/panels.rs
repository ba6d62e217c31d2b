//! The charts of a page, with their controls.

use std::collections::BTreeMap;

use leptos::{ev, prelude::*};
use leptos_router::hooks::use_location;
use transferscope_domain::api::{AlignmentView, CompareData, MetricSeries, RunDetail};

use crate::{address::pairs, base::to, live::RunLive};

use super::{Chart, ChartFigure, ChartOptions, XAxis, build, view_state::ViewState};

/// Strongest smoothing that the slider offers.
const SMOOTH_OFFERED: f64 = 0.95;

/// Charts of one run: loss, the ranking metric, alignment by layer and its drift; they grow while
/// the run does.
#[component]
pub fn RunCharts(
    detail: RunDetail,
    /// The series named by [`build::run_series`], as far as the run has them.
    series: Vec<MetricSeries>,
    alignment: Option<AlignmentView>,
    live: RunLive,
) -> impl IntoView {
    let state = ViewState::new(BTreeMap::new());
    let options = state.options();
    let id = detail.run.id.to_string();
    let judged = build::judged(&detail.run).is_some();
    // A backbone in the making has no features from before to be compared with.
    let aligns = detail.run.pretraining.is_none();
    let run = StoredValue::new(detail.run);
    let series = StoredValue::new(series);
    let alignment = StoredValue::new(alignment);
    let current = Memo::new(move |_| live.points.with(|points| series.with_value(|s| points.over(s))));
    let loss =
        Memo::new(move |_| Chart::Convergence(run.with_value(|r| current.with(|s| build::loss(r, s)))));
    let primary =
        Memo::new(move |_| Chart::Convergence(run.with_value(|r| current.with(|s| build::primary(r, s)))));
    let measured = Memo::new(move |_| {
        live.alignment
            .with(|values| alignment.with_value(|a| crate::live::alignment_over(a.as_ref(), values)))
    });
    let layers = Memo::new(move |_| {
        let chart = run.with_value(|r| measured.with(|a| build::alignment(r, a.as_ref())));
        Chart::AlignmentLayers(chart)
    });
    let drift = Memo::new(move |_| measured.with(|a| build::drift(a.as_ref())));
    let drifts = Memo::new(move |_| drift.with(Option::is_some));
    // Alignment has no epochs along x, no logarithm and nothing to smooth.
    let plain = Signal::stored(ChartOptions::default());
    let file = move |name: &str| to(&format!("/runs/{id}/charts/{name}.svg"));
    let (loss_file, primary_file, layers_file, drift_file) =
        (file("loss"), file("primary"), file("alignment"), file("drift"));
    view! {
        <section class="charts" aria-label="Charts">
            <Controls state=state metrics=Vec::new() />
            <div class="charts__grid">
                <ChartFigure name="loss" chart=loss options=options file=loss_file />
                {judged.then(|| view! {
                    <ChartFigure name="primary" chart=primary options=options file=primary_file />
                })}
                {aligns.then(|| view! {
                    <ChartFigure name="alignment" chart=layers options=plain file=layers_file />
                })}
                {move || drifts.get().then(|| {
                    let chart = Memo::new(move |_| drift.get().map(Chart::LayerHeatmap));
                    let chart = Signal::derive(move || chart.get().unwrap_or_else(|| layers.get()));
                    view! { <ChartFigure name="drift" chart=chart options=plain file=drift_file.clone() /> }
                })}
            </div>
        </section>
    }
}

/// Charts of several runs: one metric's curves, alignment, and the test cases of two of them.
#[component]
pub fn CompareChart(
    data: CompareData,
    /// Choices that a share stored; the page's query goes over them.
    #[prop(optional)]
    base_view: BTreeMap<String, String>,
) -> impl IntoView {
    let state = ViewState::new(base_view);
    let options = state.options();
    let metrics = build::compare_metrics(&data);
    let default = build::default_metric(&data);
    let runs: Vec<(String, String)> =
        data.runs.iter().map(|r| r.id.to_string()).zip(build::labels(&data.runs)).collect();
    let ids = runs.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(",");
    let aligned = data.alignment.iter().any(Option::is_some);
    let data = StoredValue::new(data);
    let chosen =
        Memo::new(move |_| Some(state.get("metric")).filter(|m| !m.is_empty()).unwrap_or(default.clone()));
    let grouped = data.with_value(|d| build::seed_groups(&d.runs).iter().any(|g| g.len() > 1));
    let seeds = Memo::new(move |_| options.with(|o| o.seeds));
    let curves = Memo::new(move |_| {
        let draw = if seeds.get() { build::compare_seeds } else { build::compare };
        Chart::Convergence(data.with_value(|d| draw(d, &chosen.get())))
    });
    let layers = Memo::new(move |_| Chart::AlignmentLayers(data.with_value(build::compare_alignment)));
    let hidden_only = Signal::derive(move || ChartOptions {
        hidden: options.with(|o| o.hidden.clone()),
        ..ChartOptions::default()
    });
    let order: Vec<String> = runs.iter().map(|(id, _)| id.clone()).collect();
    let index = move |key: &str, otherwise: usize| {
        let wanted = state.get(key);
        order.iter().position(|id| *id == wanted).unwrap_or(otherwise)
    };
    let pair = Memo::new(move |_| (index("a", 0), index("b", 1)));
    let pairs = Memo::new(move |_| {
        let (a, b) = pair.get();
        data.with_value(|d| build::case_pairs(d, a, b))
    });
    let paired = Memo::new(move |_| pairs.with(|p| p.as_ref().is_some_and(|p| !p.pairs.is_empty())));
    let file = Signal::derive(move || compare_file(&ids, &chosen.get(), &options.get()));
    let toggle = Callback::new(move |key: String| state.toggle(&key));
    let plain = Signal::stored(ChartOptions::default());
    view! {
        <section class="charts" aria-label="Charts">
            <Controls state=state metrics=metrics chosen=chosen grouped=grouped />
            <ChartFigure name="compare" chart=curves options=options toggle=toggle file=file />
            <div class="charts__grid">
                {aligned.then(|| view! {
                    <ChartFigure name="alignment" chart=layers options=hidden_only toggle=toggle />
                })}
                {(runs.len() > 1).then(|| view! {
                    <div class="charts__pair">
                        <PairPicker state=state runs=runs pair=pair />
                        {move || if paired.get() {
                            let chart = Signal::derive(move || match pairs.get() {
                                Some(pairs) => Chart::CasePairs(pairs),
                                None => curves.get(),
                            });
                            view! { <ChartFigure name="cases" chart=chart options=plain /> }.into_any()
                        } else {
                            view! {
                                <p class="charts__none">
                                    "No paired test cases: both runs must have the same task and have been tested."
                                </p>
                            }.into_any()
                        }}
                    </div>
                })}
            </div>
        </section>
    }
}

/// Address of the comparison's picture as a file.
fn compare_file(ids: &str, metric: &str, options: &ChartOptions) -> String {
    let mut query = format!("runs={ids}");
    if options.x != XAxis::Epoch {
        query.push_str(&format!("&x={}", options.x.as_str()));
    }
    if options.log {
        query.push_str("&log=1");
    }
    if options.seeds {
        query.push_str("&seeds=1");
    }
    if options.smooth > 0.0 {
        query.push_str(&format!("&smooth={}", options.smooth));
    }
    if !options.hidden.is_empty() {
        query.push_str(&format!("&hide={}", options.hidden.join(",")));
    }
    to(&format!("/compare/charts/{}.svg?{query}", metric.replace('/', "%2F")))
}

/// What runs along x, the logarithm, smoothing, and the metric where there is a choice. A plain form that
/// works without scripts; with them every change goes into the query at once.
#[component]
fn Controls(
    state: ViewState,
    metrics: Vec<String>,
    #[prop(optional, into)] chosen: Signal<String>,
    /// Whether there are runs that differ in their seed alone.
    #[prop(optional)]
    grouped: bool,
) -> impl IntoView {
    let location = use_location();
    let (path, search) = (location.pathname, location.search);
    let options = state.options();
    // Whether scripts run: then nothing needs to be submitted.
    let scripted = RwSignal::new(false);
    Effect::new(move |_| scripted.set(true));
    let metric = (metrics.len() > 1).then(|| {
        let choices = metrics
            .into_iter()
            .map(|name| {
                let (value, words) = (name.clone(), build::metric_words(&name));
                view! { <option value=value selected=move || chosen.with(|c| *c == name)>{words}</option> }
            })
            .collect_view();
        view! {
            <label class="charts__control">
                "Metric "
                <select name="metric" on:change=move |e| state.set("metric", &event_target_value(&e))>{choices}</select>
            </label>
        }
    });
    let axes = XAxis::ALL
        .into_iter()
        .map(|axis| {
            let here = move || options.with(|o| o.x == axis);
            view! { <option value=axis.as_str() selected=here>{axis.label()}</option> }
        })
        .collect_view();
    let on_log = move |e: ev::Event| state.set("log", if event_target_checked(&e) { "1" } else { "0" });
    view! {
        <form class="charts__controls" method="get" action=move || path.get() on:submit=move |e| {
            if scripted.get_untracked() {
                e.prevent_default();
            }
        }>
            {move || kept(&search.get())}
            {metric}
            <label class="charts__control">
                "Along x "
                <select name="x" on:change=move |e| state.set("x", &event_target_value(&e))>{axes}</select>
            </label>
            <label class="charts__control">
                <input type="checkbox" name="log" value="1" checked=move || options.with(|o| o.log)
                    prop:checked=move || options.with(|o| o.log) on:change=on_log />
                " Log scale"
            </label>
            {grouped.then(|| view! {
                <label class="charts__control">
                    <input type="checkbox" name="seeds" value="1" checked=move || options.with(|o| o.seeds)
                        prop:checked=move || options.with(|o| o.seeds)
                        on:change=move |e| state.set("seeds", if event_target_checked(&e) { "1" } else { "0" }) />
                    " Mean over seeds"
                </label>
            })}
            <label class="charts__control">
                "Smoothing "
                <input type="range" name="smooth" min="0" max=SMOOTH_OFFERED.to_string() step="0.05"
                    value=options.with_untracked(|o| o.smooth.to_string())
                    on:change=move |e| state.set("smooth", &event_target_value(&e)) />
                <output class="charts__amount">{move || options.with(|o| format!("{:.2}", o.smooth))}</output>
            </label>
            <button type="submit" hidden=move || scripted.get()>"Apply"</button>
        </form>
    }
}

/// The query's other fields, so that submitting the form keeps them.
fn kept(search: &str) -> impl IntoView + use<> {
    pairs(search)
        .into_iter()
        .filter(|(k, _)| !["metric", "x", "log", "seeds", "smooth"].contains(&k.as_str()))
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect_view()
}

/// Which two runs are set against each other case by case.
#[component]
fn PairPicker(state: ViewState, runs: Vec<(String, String)>, pair: Memo<(usize, usize)>) -> impl IntoView {
    if runs.len() < 3 {
        return None;
    }
    let picker = move |key: &'static str, words: &'static str, runs: Vec<(String, String)>| {
        let choices = runs
            .into_iter()
            .enumerate()
            .map(|(i, (id, label))| {
                let here = move || {
                    let (a, b) = pair.get();
                    i == if key == "a" { a } else { b }
                };
                view! { <option value=id selected=here>{label}</option> }
            })
            .collect_view();
        view! {
            <label class="charts__control">
                {words}
                <select name=key on:change=move |e| state.set(key, &event_target_value(&e))>{choices}</select>
            </label>
        }
    };
    Some(view! {
        <div class="charts__controls">
            {picker("a", "Cases of ", runs.clone())}
            {picker("b", "against ", runs)}
        </div>
    })
}
