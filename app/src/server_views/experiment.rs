//! One experiment: what its runs say, with which certainty, and what is still missing.

pub mod charts;
pub mod comparison;
mod convergence;
mod encoder;
mod gains;
mod matrix;
mod predictions;
mod ranking;
mod relations;

use leptos::prelude::*;
use transferscope_domain::{
    Adaptation, Arm, ExperimentId, Task,
    api::{ExperimentView, FrozenLink},
};
use transferscope_study::{
    alignment::{Estimate, Kernel},
    analysis::{Analysis, Choice, Counts, Finding, LayerChoice, Measured, Verdict},
};

use crate::{
    base::to,
    charts::{ChartOptions, Theme},
    context::Study,
    format,
    labels::share_label,
};

pub use charts::scatter;
use convergence::Convergence;
use encoder::EncoderShares;
use gains::Gains;
use matrix::Matrix;
use predictions::{Predictions, Score};
use ranking::Ranks;
use relations::Relations;

/// Reads what is looked at from query fields.
///
/// # Errors
/// In words, where a field has a value that is none of its own.
pub fn choice<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Choice, String> {
    let mut choice = Choice::default();
    for (key, value) in pairs.into_iter().filter(|(_, v)| !v.is_empty()) {
        match key {
            "layer" => choice.layer = value.parse()?,
            "alignment" => choice.measured = value.parse()?,
            "against" => {
                choice.against = value
                    .parse()
                    .ok()
                    .filter(|arm| *arm != Arm::Pretrained)
                    .ok_or_else(|| format!("{value:?} is not a control: use specialist or scratch"))?;
            }
            "kernel" => choice.how.kernel = value.parse()?,
            "estimator" => choice.how.estimator = value.parse()?,
            "unlearnt" => {
                choice.unlearnt = match value {
                    "1" => true,
                    "0" => false,
                    _ => return Err(format!("{value:?} is neither 0 nor 1")),
                }
            }
            _ => {}
        }
    }
    Ok(choice)
}

/// What is looked at as a query.
pub fn query(choice: Choice) -> String {
    serde_urlencoded::to_string(fields(choice)).unwrap_or_default()
}

fn fields(choice: Choice) -> [(&'static str, &'static str); 6] {
    [
        ("alignment", choice.measured.as_str()),
        ("layer", choice.layer.as_str()),
        ("against", choice.against.as_str()),
        ("kernel", choice.how.kernel.as_str()),
        ("estimator", choice.how.estimator.as_str()),
        ("unlearnt", if choice.unlearnt { "1" } else { "0" }),
    ]
}

/// What people call an experiment: its name, or its id where it has none.
pub fn name(view: &ExperimentView) -> String {
    if view.name.is_empty() { view.id.to_string() } else { view.name.clone() }
}

/// What numbers of synthetic data mean.
fn synthetic_notice(synthetic: bool) -> impl IntoView {
    synthetic.then(|| {
        view! {
            <p class="notice">
                "Computed phantoms (synthetic data): the numbers show how the method works, not how a model performs on patients."
            </p>
        }
    })
}

/// The page of a study.
#[component]
pub fn Experiment(
    study: Study,
    /// Whether it is kept as it is: without what asks the server for something.
    #[prop(optional)]
    frozen: bool,
) -> impl IntoView {
    let Study {
        view,
        analysis,
        backbones,
        predictions,
        scoring,
        frozen: links,
        synthetic,
        time_left_s,
        missing,
    } = study;
    let name = name(&view);
    let gain_tasks = analysis.clone();
    let id = view.id.clone();
    view! {
        <div class="page__head">
            <div>
                <h1>{name}</h1>
                <p class="page__lead">
                    {format!(
                        "{} and {} on {}, started {}.",
                        format::plural(view.spec.backbones.len() as u64, "backbone"),
                        format::plural(view.spec.tasks.len() as u64, "task"),
                        view.spec.dataset,
                        format::date_time(view.created_ms),
                    )}
                </p>
            </div>
            {(!frozen).then(|| view! { <a class="button" href=to(&format!("/runs?experiment={id}")) rel="external">"All runs"</a> })}
        </div>
        {synthetic_notice(synthetic)}
        <Progress counts=analysis.counts missing=missing time_left_s=time_left_s id=id.clone() frozen=frozen />
        <Findings findings=analysis.findings.clone() />
        <Unlearnt tasks=analysis.unlearnt.clone() choice=analysis.choice frozen=frozen />
        {(!frozen).then(|| view! { <Selectors choice=analysis.choice /> })}
        <Matrix analysis=analysis.clone() />
        <Gains analysis=gain_tasks />
        <EncoderShares analysis=analysis.clone() />
        <Ranks ranking=analysis.ranking.clone() />
        <Convergence analysis=analysis.clone() />
        <Relations id=id.clone() analysis=analysis.clone() backbones=backbones frozen=frozen />
        <section class="section" id="prediction">
            <h2>"Prediction before training"</h2>
            <Predictions predictions=predictions analysis=analysis.clone() />
            {(!frozen).then(|| view! { <Score id=id.clone() scoring=scoring dataset=view.spec.dataset.clone() /> })}
        </section>
        {(!frozen)
            .then(|| view! {
                <Links ids=vec![id.clone()] choice=analysis.choice links=links />
                <Downloads id=id choice=analysis.choice />
            })}
    }
}

#[component]
fn Progress(
    counts: Counts,
    missing: usize,
    time_left_s: Option<f64>,
    id: ExperimentId,
    frozen: bool,
) -> impl IntoView {
    let Counts { planned, succeeded, failed, stopped, open } = counts;
    let left = time_left_s
        .filter(|s| *s > 0.0 && open > 0)
        .map(|s| format!(" About {} left, estimated from finished runs.", format::duration(s)));
    let gone = (failed + stopped > 0).then(|| format!(" {failed} failed, {stopped} stopped."));
    let words = format!("{succeeded} of {planned} runs have a result, {open} queued or running.");
    view! {
        <section class="section" aria-label="Progress">
            <progress class="progress-bar" max=planned value=succeeded aria-label="Runs with a result"></progress>
            <p role="status">{words}{gone}{left}</p>
            {(open > 0 && !frozen)
                .then(|| {
                    view! {
                        <div class="button-row">
                            <form method="post" action=to(&format!("/experiments/{id}/move"))>
                                <button type="submit" name="to" value="first" class="button button--small">
                                    "Move to the front of the queue"
                                </button>
                            </form>
                            <form method="post" action=to(&format!("/experiments/{id}/cancel"))>
                                <button type="submit" class="button button--small button--cancel">
                                    {format!("Stop {}", format::plural(open as u64, "run"))}
                                </button>
                            </form>
                            <a href=to("/queue") rel="external">"The queue"</a>
                        </div>
                    }
                })}
            {(missing > 0 && !frozen)
                .then(|| {
                    view! {
                        <form method="post" action=to(&format!("/experiments/{id}/fill"))>
                            <button type="submit" class="button button--primary">
                                {format!("Queue {}", format::plural(missing as u64, "missing run"))}
                            </button>
                            " "
                            <span class="quiet">"Runs that failed, were stopped or were never queued."</span>
                        </form>
                    }
                })}
        </section>
    }
}

#[component]
fn Findings(findings: Vec<Finding>) -> impl IntoView {
    let items = findings
        .into_iter()
        .map(|finding| {
            let label = finding.label();
            let Finding { claim, verdict, because, .. } = finding;
            let tag = match verdict {
                Verdict::Holds => "tag tag--good",
                Verdict::Contradicted => "tag tag--bad",
                Verdict::Inconclusive => "tag tag--quiet",
            };
            let because = because.into_iter().map(|b| view! { <li>{b}</li> }).collect_view();
            view! {
                <article class="finding">
                    <h3>{claim}</h3>
                    <p><span class=tag>{label}</span></p>
                    <ul>{because}</ul>
                </article>
            }
        })
        .collect_view();
    view! {
        <section class="section">
            <h2>"What the numbers say"</h2>
            <p class="section__lead">
                "The findings of "
                <a href="https://arxiv.org/abs/2601.15888" rel="external">"arXiv 2601.15888"</a>
                ", tested on these runs. The sentences below are generated from the numbers on this page, whatever the outcome."
            </p>
            {items}
        </section>
    }
}

/// Tasks that the findings leave out, or would; the other way is a link.
#[component]
fn Unlearnt(tasks: Vec<Task>, choice: Choice, frozen: bool) -> impl IntoView {
    let names = tasks.iter().map(|t| t.label()).collect::<Vec<_>>().join(", ");
    let other = query(Choice { unlearnt: !choice.unlearnt, ..choice });
    (!tasks.is_empty()).then(|| {
        view! {
            <p class="notice">
                {format!("Not above the baseline: {names}. No network is shown to be better than the best simple baseline on the same cases. ")}
                {if choice.unlearnt { "The findings and the alignment charts include all tasks. " } else { "The findings and the alignment charts exclude what is listed here. " }}
                {(!frozen)
                    .then(|| view! {
                        <a href=format!("?{other}") rel="external">
                            {if choice.unlearnt { "Exclude it" } else { "Include all tasks" }}
                        </a>
                    })}
            </p>
        }
    })
}

/// What is looked at, as a form that works by its address.
#[component]
fn Selectors(choice: Choice) -> impl IntoView {
    let option = |value: &'static str, label: &'static str, chosen: bool| {
        view! { <option value=value selected=chosen>{label}</option> }
    };
    let measured =
        Measured::ALL.iter().map(|m| option(m.as_str(), m.label(), *m == choice.measured)).collect_view();
    let layers = LayerChoice::ALL
        .map(|l| {
            let label = match l {
                LayerChoice::First => "first layer",
                LayerChoice::Middle => "middle layer",
                LayerChoice::Last => "last layer (what the head sees)",
            };
            option(l.as_str(), label, l == choice.layer)
        })
        .collect_view();
    let kernels = Kernel::ALL.map(|k| option(k.as_str(), k.label(), k == choice.how.kernel)).collect_view();
    let estimators =
        Estimate::ALL.map(|e| option(e.as_str(), e.as_str(), e == choice.how.estimator)).collect_view();
    let against = [(Arm::Specialist, "the specialist"), (Arm::Scratch, "the same network from scratch")]
        .map(|(arm, label)| option(arm.as_str(), label, arm == choice.against))
        .collect_view();
    view! {
        <form method="get" class="filters" aria-label="Choices for the analysis">
            <label class="filters__field">"Alignment"<select name="alignment">{measured}</select></label>
            <label class="filters__field">"Layer"<select name="layer">{layers}</select></label>
            <label class="filters__field">"Gain over"<select name="against">{against}</select></label>
            <label class="filters__field">"Kernel of MMD²"<select name="kernel">{kernels}</select></label>
            <label class="filters__field">"Estimator of MMD²"<select name="estimator">{estimators}</select></label>
            {choice.unlearnt.then(|| view! { <input type="hidden" name="unlearnt" value="1" /> })}
            <button type="submit" class="button">"Show"</button>
        </form>
    }
}

/// Links to the page as it was at some time, and the button that makes one.
#[component]
pub(super) fn Links(
    /// One experiment, or those that stand side by side.
    ids: Vec<ExperimentId>,
    choice: Choice,
    links: Vec<FrozenLink>,
) -> impl IntoView {
    let fields = ids
        .iter()
        .map(|id| ("id", id.to_string()))
        .chain(fields(choice).map(|(name, value)| (name, value.to_owned())))
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect_view();
    let kept = links
        .into_iter()
        .map(|link| {
            let href = to(&format!("/s/{}", link.slug));
            view! {
                <li>
                    <a href=href.clone() rel="external">{href.clone()}</a>
                    " "
                    <span class="quiet">{format!("{}, frozen {}", link.title, format::date_time(link.created_ms))}</span>
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="section" id="links">
            <h2>"To share"</h2>
            <p>
                "The address of this page is a live link: it always shows the current state of the runs. A frozen link keeps this page and its numbers as they are now."
            </p>
            <ul class="file-list">{kept}</ul>
            <form method="post" action=to("/experiments/freeze")>
                {fields}
                <button type="submit" class="button">"Make a frozen link"</button>
            </form>
        </section>
    }
}

#[component]
fn Downloads(id: ExperimentId, choice: Choice) -> impl IntoView {
    let query = query(choice);
    let file = |name: &'static str, what: &'static str| {
        view! {
            <li>
                <a href=to(&format!("/experiments/{id}/export/{name}?{query}")) rel="external">{name}</a>
                " "
                <span class="quiet">{what}</span>
            </li>
        }
    };
    view! {
        <section class="section">
            <h2>"For a paper"</h2>
            <ul class="file-list">
                {file("table.csv", "every cell with its numbers")}
                {file("table.md", "the table of gains in Markdown")}
                {file("table.tex", "the same in LaTeX (booktabs)")}
                {file("methods.md", "a methods paragraph written from the stored settings")}
                {file("references.bib", "BibTeX of the methods used")}
                {file("repeat.toml", "the experiment: transferscope experiment --file repeat.toml")}
                {file("analysis.json", "everything on this page")}
                {file("gain.svg", "alignment against gain")}
                {file("gain.png", "the same as a bitmap")}
                {file("epochs.svg", "alignment against convergence")}
                {file("epochs.png", "the same as a bitmap")}
            </ul>
        </section>
    }
}

/// A picture inside the page.
fn inline(width: u32, height: u32) -> ChartOptions {
    ChartOptions { width, height, theme: Theme::Page, standalone: true, ..ChartOptions::default() }
}

/// The share of the cases that a specialist learnt from, where not all learnt from all.
fn share(analysis: &Analysis, specialist: &transferscope_study::analysis::ArmSummary) -> Option<String> {
    share_label(specialist.label_share)
        .or_else(|| analysis.specialists.iter().any(|s| s.label_share != 1.0).then(|| "all cases".to_owned()))
}

/// Whether a cell's variant is worth a word: not where all cells have the usual one.
fn variant(analysis: &Analysis, cell: &transferscope_study::analysis::Cell) -> Option<String> {
    let usual = |c: &transferscope_study::analysis::Cell| {
        c.key.adaptation == Adaptation::Full && c.key.label_share == 1.0
    };
    if analysis.cells.iter().all(usual) {
        return None;
    }
    Some(way(cell.key.adaptation, cell.key.label_share))
}

/// A variant in words.
fn way(adaptation: Adaptation, label_share: f64) -> String {
    let share = share_label(label_share).unwrap_or_else(|| "all cases".into());
    format!("{}, {share}", adaptation.label())
}
