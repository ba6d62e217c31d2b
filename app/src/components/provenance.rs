//! Where a run's numbers come from: configuration, hashes, versions, what was left out.

use leptos::prelude::*;
use transferscope_domain::{
    Setting,
    api::{RunDetail, RunView},
    report::LoadReport,
    setting::Value,
};

use super::run_mark::DatasetLabel;
use crate::{data::SplitCounts, format};

/// Names and values of everything that decides a run's training, in the order in which pages list it; no value where a
/// setting does not count in such a run.
pub fn settings(run: &RunView) -> Vec<(&'static str, Option<String>)> {
    let spec = &run.training;
    let text = |setting: &Setting| {
        setting.counts(spec, run.task.kind, run.arm).then(|| match setting.value(spec) {
            Value::Number(value) => format::significant(value),
            Value::Choice(choice) => choice.label.to_owned(),
            Value::Names(names) if names.is_empty() => "all".to_owned(),
            Value::Names(names) => names.to_string(),
        })
    };
    let epochs = ("Epochs", Some(spec.epochs.to_string()));
    std::iter::once(epochs)
        .chain(Setting::ALL.iter().filter(|s| !s.old).map(|s| (s.label, text(s))))
        .collect()
}

/// A name with its value, for a list of facts.
pub fn fact(name: impl Into<String>, value: impl IntoView) -> impl IntoView {
    view! {
        <div class="facts__item">
            <dt>{name.into()}</dt>
            <dd>{value}</dd>
        </div>
    }
}

/// The first characters of a hash; the whole of it on hover.
pub fn hash_view(hash: &str) -> impl IntoView + use<> {
    view! { <code class="hash" title=hash.to_owned()>{format::short_hash(hash).to_owned()}</code> }
}

/// Training configuration.
#[component]
pub fn Configuration(run: RunView) -> impl IntoView {
    let given = settings(&run).into_iter().filter_map(|(name, value)| Some(fact(name, value?)));
    view! { <dl class="facts">{given.collect_view()}</dl> }
}

/// How cases are brought to a network.
#[component]
pub fn PlanFacts(
    /// As [`Plan::facts`](transferscope_domain::dataset::Plan::facts) gives them.
    facts: Vec<(String, String)>,
) -> impl IntoView {
    let facts = facts.into_iter().map(|(name, words)| fact(name, words));
    view! { <dl class="facts">{facts.collect_view()}</dl> }
}

/// Data, device, code and hashes.
#[component]
pub fn Provenance(
    detail: RunDetail,
    splits: Option<SplitCounts>,
    dataset_unchanged: Option<bool>,
) -> impl IntoView {
    let run = &detail.run;
    let changed = match dataset_unchanged {
        Some(true) => None,
        Some(false) => Some("The data set of this name has changed since this run."),
        None => Some("The data set no longer exists."),
    };
    let splits = splits.filter(|_| dataset_unchanged == Some(true)).map(|s| {
        fact(
            "Cases",
            format!("{} training, {} validation, {} test; split by patient", s.train, s.val, s.test),
        )
    });
    view! {
        <dl class="facts">
            {fact(
                "Data set",
                view! { <DatasetLabel name=run.dataset.clone() synthetic=run.synthetic /> " " {hash_view(&detail.dataset_hash)} },
            )}
            {splits}
            {fact("Device", run.device.clone())}
            {fact("Code version", detail.code_version.clone())}
            {detail.checkpoint_hash.as_deref().map(|h| fact("Checkpoint", hash_view(h)))}
            {detail.parameters.map(|n| fact("Parameters", format::parameters(n)))}
            {detail.total_steps.map(|n| fact("Optimiser steps", format::count(n)))}
            {detail.seconds.map(|s| fact("Wall time of training alone", format::duration(s)))}
            {detail.peak_memory_bytes.map(|b| fact("Peak memory", format::bytes(b)))}
            {fact("Created", format::date_time(run.created_ms))}
            {run.started_ms.map(|t| fact("Started", format::date_time(t)))}
            {run.finished_ms.map(|t| fact("Ended", format::date_time(t)))}
            {(run.attempts > 1).then(|| fact("Workers started", run.attempts))}
            {fact("Run id", view! { <code>{run.id.to_string()}</code> })}
        </dl>
        {changed.map(|text| view! { <p class="notice notice--warn">{text}</p> })}
        {(!detail.left_out.is_empty())
            .then(|| {
                let n = format::plural(detail.left_out.len() as u64, "case");
                view! {
                    <details class="disclosure">
                        <summary>{format!("{n} excluded")}</summary>
                        <ul>
                            {detail
                                .left_out
                                .iter()
                                .map(|c| view! { <li><code>{c.case_id.clone()}</code>": "{c.reason.clone()}</li> })
                                .collect_view()}
                        </ul>
                    </details>
                }
            })}
    }
}

/// What the checkpoint did and did not fill.
#[component]
pub fn LoadReportView(report: LoadReport) -> impl IntoView {
    let list = |title: &'static str, meaning: &'static str, names: Vec<String>| {
        let n = names.len();
        view! {
            <details class="disclosure">
                <summary>{format!("{title}: {n}")}</summary>
                <p>{meaning}</p>
                <ul class="tensor-list">
                    {names.into_iter().map(|name| view! { <li><code>{name}</code></li> }).collect_view()}
                </ul>
            </details>
        }
    };
    view! {
        <p>"From "<code>{report.source}</code>"."</p>
        {report.notes.into_iter().map(|note| view! { <p>{note}</p> }).collect_view()}
        {list("Applied", "Tensors loaded from the checkpoint.", report.applied)}
        {list("Missing", "Model tensors that are not in the file; they were initialised at random.", report.missing)}
        {list("Unused", "Tensors in the file that are not in the model.", report.unused)}
        {list("Reshaped", "Tensors that were resized to fit.", report.reshaped)}
        {list(
            "Defaulted",
            "Model tensors that pre-training does not have; they were initialised as in a new network.",
            report.defaulted,
        )}
    }
}
