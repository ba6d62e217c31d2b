//! One backbone: what it is, how it was made, what loading it did, and the runs that used it.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use transferscope_domain::{
    TaskKind,
    api::{BackboneDetail, LossPoint, Made},
};

use crate::{
    api::backbones::{BackbonePageData, backbone},
    base::to,
    charts::{
        Chart, ChartFigure, ChartOptions, Convergence, XAxis,
        convergence::{Curve, Sample},
    },
    components::{
        loaded::{Within, loaded},
        metrics_table::MetricsTable,
        provenance::{LoadReportView, fact, hash_view},
        used_by::UsedBy,
    },
    format,
    palette::{Dash, Marker, Style},
};

/// The page.
#[component]
pub fn BackbonePage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|p| p.get("name").unwrap_or_default()));
    let data = Resource::new(move || name.get(), backbone);
    loaded(data, "the backbone", Within::Nothing, move |page| view! { <BackboneView page=page /> })
}

#[component]
fn BackboneView(page: BackbonePageData) -> impl IntoView {
    let BackbonePageData { detail, runs, .. } = page;
    let BackboneDetail { view, load_report, made } = detail;
    let (b, count) = (view.backbone, view.runs);
    let name = b.name.clone();
    view! {
        <Title text=name.clone() />
        <div class="page__head">
            <div>
                <h1>{name.clone()}</h1>
                <p class="page__lead">{b.summary.clone()}</p>
            </div>
            <p class="run-head__actions">
                <a class="button button--primary" href=to(&format!("/new?backbones={name}&tasks=segmentation&arms=pretrained&arms=scratch"))>
                    "Use in an experiment"
                </a>
            </p>
        </div>
        <section class="section">
            <h2>"What it is"</h2>
            <dl class="facts">
                {fact("Family", b.family.label())}
                {b.architecture.as_ref().map(|a| fact("Size", a.to_string()))}
                {fact("Parameters", format::parameters(b.parameters))}
                {b.objective.clone().map(|o| fact("Objective", o))}
                {b.pretraining_data.clone().map(|d| {
                    let synthetic = b
                        .synthetic
                        .then(|| view! { " "<span class="tag tag--synthetic">"synthetic data"</span> });
                    fact("Pre-trained on", view! { {d}{synthetic} })
                })}
                {b.file.clone().map(|f| fact("File", view! { <code>{f}</code> }))}
                {b.source.clone().map(|s| fact("Source", s))}
                {b.licence.clone().map(|l| fact("Licence", l))}
                {b.note.clone().map(|n| fact("Note", n))}
                {b.added_ms.map(|t| fact("Added", format::date_time(t)))}
                {b.checkpoint_hash.as_deref().map(|h| fact("Hash of the weights", hash_view(h)))}
            </dl>
        </section>
        {made.map(|made| view! { <HowMade made=made /> })}
        {load_report.map(|report| view! {
            <section class="section">
                <h2>"Load report"</h2>
                <LoadReportView report=report />
            </section>
        })}
        <UsedBy all=to(&format!("/runs?backbone={name}")) runs=runs count=count />
    }
}

/// Command, curve and result of a pre-training.
#[component]
fn HowMade(made: Made) -> impl IntoView {
    let metrics: BTreeMap<String, f64> =
        made.validation.iter().map(|(name, value)| (format!("val/{name}"), *value)).collect();
    let chart = Signal::stored(Chart::Convergence(loss_curve(&made.loss_curve)));
    let options = Signal::stored(ChartOptions { x: XAxis::Step, ..ChartOptions::default() });
    view! {
        <section class="section">
            <h2>"How it was made"</h2>
            <dl class="facts">
                {fact("Command", view! { <code>{made.command}</code> })}
                {fact("Optimiser steps", format::count(made.steps))}
                {fact("Wall time", format::duration(made.seconds))}
                {fact("Device", made.device)}
                {fact("Seed", made.seed.to_string())}
                {fact("Code version", made.code_version)}
                {fact("Data set", hash_view(&made.data_hash))}
            </dl>
            <div class="charts__grid">
                <ChartFigure name="loss" chart=chart options=options />
            </div>
        </section>
        <section class="section">
            <h2>"Pre-training results"</h2>
            <p class="section__lead">
                "On held-out patients. The linear probe uses frozen features; the same probe on random weights is shown for comparison."
            </p>
            <MetricsTable task=TaskKind::Pretraining.into() metrics=Signal::stored(metrics) />
        </section>
    }
}

fn loss_curve(points: &[LossPoint]) -> Convergence {
    let samples =
        points.iter().map(|p| Sample { step: p.step, epoch: p.step as f64, seconds: 0.0, value: p.loss });
    let curve = Curve {
        key: "loss".into(),
        label: "training".into(),
        style: Style { index: 0, marker: Marker::Plus, dash: Dash::Solid },
        samples: samples.collect(),
        band: Vec::new(),
    };
    Convergence {
        title: "Pre-training loss".into(),
        metric: "train/loss".into(),
        curves: vec![curve],
        references: Vec::new(),
    }
}
