//! The table of data sets: what there is, what each can be used for, and what its check found.

use leptos::prelude::*;

use super::{
    check_report::{CheckTag, channels},
    summary::{DatasetRow, KindRow},
};
use crate::{
    base::to,
    components::{
        empty_state::{EmptyState, Preparing},
        run_mark::DatasetLabel,
    },
    format,
};

/// The list, or what to do where it is empty; `preparing` says what is being made.
#[component]
pub fn Datasets(datasets: Vec<DatasetRow>, preparing: Option<String>) -> impl IntoView {
    let (empty, waiting) = (datasets.is_empty(), preparing.is_some());
    view! {
        <div class="page__head">
            <div>
                <h1>"Data sets"</h1>
                <p class="page__lead">
                    "The examinations that runs are trained and tested on: where they come from, what they contain and which tasks they can be used for."
                </p>
            </div>
        </div>
        <Preparing message=preparing />
        {if empty {
            view! { <Empty waiting=waiting /> }.into_any()
        } else {
            view! { <DatasetTable datasets=datasets /> }.into_any()
        }}
    }
}

/// What to do where there is no data set; `waiting` while one is being made.
#[component]
fn Empty(waiting: bool) -> impl IntoView {
    let title = if waiting { "The first data set is being generated" } else { "No data set yet" };
    view! {
        <EmptyState title=title>
            <p>"Add a folder of images and masks, such as one subfolder per case:"</p>
            <p><code>"transferscope dataset add FOLDER"</code></p>
            {(!waiting).then(|| view! {
                <p>"Or generate the built-in phantoms: " <code>"transferscope dataset synth"</code></p>
            })}
        </EmptyState>
    }
}

#[component]
fn DatasetTable(datasets: Vec<DatasetRow>) -> impl IntoView {
    let rows = datasets.into_iter().map(row).collect_view();
    view! {
        <div class="table-scroll" role="region" aria-label="Data sets" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col" class="data-table__number">"Cases"</th>
                        <th scope="col" class="data-table__number">"Patients"</th>
                        <th scope="col" class="data-table__number">"Train / val / test"</th>
                        <th scope="col">"Channels"</th>
                        <th scope="col">"Tasks"</th>
                        <th scope="col">"Check"</th>
                        <th scope="col">"Source"</th>
                        <th scope="col" class="data-table__number">"Runs"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="not-shown">
            "More data: " <code>"transferscope dataset add FOLDER"</code>
        </p>
    }
}

fn row(d: DatasetRow) -> impl IntoView {
    let href = to(&format!("/datasets/{}", d.name));
    let [train, val, test] = d.split_patients;
    let tasks =
        d.tasks
            .into_iter()
            .map(|KindRow { kind, targets, problem }| match problem {
                None => view! { <li>{kind.label()}" "<span class="quiet">{targets.join(", ")}</span></li> }
                    .into_any(),
                Some(why) => view! {
                    <li>
                        <span class="quiet">{kind.label()}": no"</span>
                        <span class="difference">{why}</span>
                    </li>
                }
                .into_any(),
            })
            .collect_view();
    view! {
        <tr>
            <th scope="row">
                <a href=href><DatasetLabel name=d.name.clone() synthetic=d.synthetic /></a>
            </th>
            <td class="data-table__number">{format::count(d.cases as u64)}</td>
            <td class="data-table__number">{format::count(d.patients as u64)}</td>
            <td class="data-table__number">{format!("{train} / {val} / {test}")}</td>
            <td>{channels(&d.channels, d.cases)}</td>
            <td><ul class="task-list">{tasks}</ul></td>
            <td><CheckTag status=d.status errors=d.errors warnings=d.warnings refused=d.refused /></td>
            <td class="data-table__source">{d.source}</td>
            <td class="data-table__number">
                <a href=to(&format!("/runs?dataset={}", d.name))>
                    {d.runs}
                    <span class="visually-hidden">{format!(" runs on {}", d.name)}</span>
                </a>
            </td>
        </tr>
    }
}
