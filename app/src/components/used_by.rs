//! The latest runs that used something, and the way to all of them.

use leptos::prelude::*;
use transferscope_domain::api::RunView;

use super::{
    run_mark::{ArmTag, DatasetLabel, RunMark},
    state_badge::StateBadge,
};
use crate::{base::to, format, palette::style_of};

/// A section with the latest runs; `all` is the address of the list of all `count`.
#[component]
pub fn UsedBy(runs: Vec<RunView>, count: u32, all: String) -> impl IntoView {
    let none = runs.is_empty();
    let items = runs
        .into_iter()
        .map(|run| {
            view! {
                <li>
                    <a class="run-name" href=to(&format!("/runs/{}", run.id))>
                        <RunMark style=style_of(&run) />
                        {format!("{} · {} · seed {}", run.backbone, run.task.label(), run.seed)}
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
            {if none {
                view! { <p class="quiet">"None yet."</p> }.into_any()
            } else {
                view! {
                    <ul class="file-list">{items}</ul>
                    <p><a href=all>{format!("All {}", format::plural(u64::from(count), "run"))}</a></p>
                }
                .into_any()
            }}
        </section>
    }
}
