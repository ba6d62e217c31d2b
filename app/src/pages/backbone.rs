//! One backbone: what it is, how it was made, what loading it did, and the runs that used it.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use transferscope_domain::api::RunView;

use crate::{
    api::backbones::{BackbonePageData, backbone},
    components::{
        loaded::loaded,
        provenance::{fact, hash_view},
        run_mark::{ArmTag, DatasetLabel, RunMark},
        state_badge::StateBadge,
    },
    format,
    palette::style_of,
};

/// The page.
#[component]
pub fn BackbonePage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|p| p.get("name").unwrap_or_default()));
    let data = Resource::new(move || name.get(), backbone);
    loaded(data, "the backbone", move |page| view! { <BackboneView page=page /> })
}

#[component]
fn BackboneView(page: BackbonePageData) -> impl IntoView {
    let BackbonePageData { view, runs, .. } = page;
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
                <a class="button button--primary" href=format!("/new?backbones={name}&tasks=segmentation&arms=pretrained&arms=scratch")>
                    "Use in an experiment"
                </a>
            </p>
        </div>
        <section class="section">
            <h2>"What it is"</h2>
            <dl class="facts">
                {fact("Family", b.family.label())}
                {fact("Parameters", format::parameters(b.parameters))}
                {b.objective.clone().map(|o| fact("Objective", o))}
                {b.pretraining_data.clone().map(|d| {
                    let synthetic = b
                        .synthetic
                        .then(|| view! { " "<span class="tag tag--synthetic">"synthetic data"</span> });
                    fact("Pre-trained on", view! { {d}{synthetic} })
                })}
                {b.checkpoint_hash.as_deref().map(|h| fact("Hash of the weights", hash_view(h)))}
            </dl>
        </section>
        <UsedBy name=name runs=runs count=count />
    }
}

/// The latest runs that used a backbone.
#[component]
fn UsedBy(name: String, runs: Vec<RunView>, count: u32) -> impl IntoView {
    let shown = runs.len();
    let items = runs
        .into_iter()
        .map(|run| {
            view! {
                <li>
                    <a class="run-name" href=format!("/runs/{}", run.id)>
                        <RunMark style=style_of(&run) />
                        {format!("{} · seed {}", run.task.label(), run.seed)}
                    </a>
                    " "
                    <ArmTag arm=run.arm />
                    " "
                    <StateBadge state=run.state />
                    " "
                    <DatasetLabel name=run.dataset.clone() synthetic=run.synthetic />
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="section">
            <h2>"Runs that used it"</h2>
            {if shown == 0 {
                view! { <p class="quiet">"None yet."</p> }.into_any()
            } else {
                view! {
                    <ul class="file-list">{items}</ul>
                    <p>
                        <a href=format!("/runs?backbone={name}")>
                            {format!("All {}", format::plural(u64::from(count), "run"))}
                        </a>
                    </p>
                }
                .into_any()
            }}
        </section>
    }
}
