//! The backbones: what there is, where it came from, and the form that makes another.

use leptos::prelude::*;
use transferscope_domain::{
    api::{BackboneView, RunView},
    dataset::DatasetManifest,
    pretraining::PretrainForm,
};

use super::pretrain_form::PretrainFields;
use crate::{
    base::to,
    components::{empty_state::EmptyState, run_mark::DatasetLabel, state_badge::StateBadge},
    format,
};

/// The table, the latest pre-trainings, and the form with `form` in its fields.
#[component]
pub fn Backbones(
    backbones: Vec<BackboneView>,
    pretrainings: Vec<RunView>,
    datasets: Vec<DatasetManifest>,
    form: PretrainForm,
    checked: bool,
) -> impl IntoView {
    view! {
        <div class="page__head">
            <div>
                <h1>"Backbones"</h1>
                <p class="page__lead">
                    "The networks that runs start from: what each is, how and on what data it was pre-trained, and the runs that used it."
                </p>
            </div>
        </div>
        <BackboneTable backbones=backbones.clone() />
        <Pretrainings runs=pretrainings />
        <section class="section" id="pretrain">
            <h2>"Pre-train a backbone"</h2>
            <p class="section__lead">
                "Published checkpoints are added on the command line: "
                <code>"transferscope backbone add FILE"</code>
            </p>
            <PretrainFields form=form backbones=backbones datasets=datasets checked=checked />
        </section>
    }
}

#[component]
fn BackboneTable(backbones: Vec<BackboneView>) -> impl IntoView {
    if backbones.is_empty() {
        return view! {
            <EmptyState title="No backbone yet">
                <p>"Add a checkpoint with "<code>"transferscope backbone add FILE"</code>" or pre-train one below."</p>
            </EmptyState>
        }
        .into_any();
    }
    let rows = backbones
        .into_iter()
        .map(|BackboneView { backbone: b, runs }| {
            let href = to(&format!("/backbones/{}", b.name));
            view! {
                <tr>
                    <th scope="row"><a href=href>{b.name.clone()}</a></th>
                    <td>{b.architecture.as_ref().map_or_else(|| b.family.label().to_owned(), |a| a.name())}</td>
                    <td class="data-table__number">{format::parameters(b.parameters)}</td>
                    <td>{b.objective.clone().unwrap_or_else(|| format::NONE.to_owned())}</td>
                    <td>
                        {b
                            .pretraining_data
                            .clone()
                            .or_else(|| b.source.clone())
                            .or_else(|| b.file.clone())
                            .unwrap_or_else(|| format::NONE.to_owned())}
                        {b.synthetic.then(|| view! { " "<span class="tag tag--synthetic">"synthetic data"</span> })}
                    </td>
                    <td>{b.licence.clone().unwrap_or_else(|| format::NONE.to_owned())}</td>
                    <td>
                        {b
                            .checkpoint_hash
                            .as_deref()
                            .map(|h| view! { <code class="hash" title=h.to_owned()>{format::short_hash(h).to_owned()}</code> })}
                    </td>
                    <td class="data-table__number">
                        <a href=to(&format!("/runs?backbone={}", b.name))>
                            {runs}
                            <span class="visually-hidden">{format!(" runs of {}", b.name)}</span>
                        </a>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-scroll" role="region" aria-label="Backbones" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Architecture"</th>
                        <th scope="col" class="data-table__number">"Parameters"</th>
                        <th scope="col">"Objective"</th>
                        <th scope="col">"Pre-trained on, or source"</th>
                        <th scope="col">"Licence"</th>
                        <th scope="col">"Hash"</th>
                        <th scope="col" class="data-table__number">"Runs"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// The latest pre-training runs; nothing where there were none.
#[component]
fn Pretrainings(runs: Vec<RunView>) -> impl IntoView {
    (!runs.is_empty()).then(|| {
        let items = runs
            .into_iter()
            .map(|run| view! {
                <li>
                    <a href=to(&format!("/runs/{}", run.id))>
                        {run.pretraining.as_ref().map_or_else(|| run.backbone.clone(), |p| p.name.clone())}
                    </a>
                    " "
                    <StateBadge state=run.state />
                    " "
                    <DatasetLabel name=run.dataset.clone() synthetic=run.synthetic />
                </li>
            })
            .collect_view();
        view! {
            <section class="section">
                <h2>"Latest pre-trainings"</h2>
                <ul class="file-list">{items}</ul>
            </section>
        }
    })
}
