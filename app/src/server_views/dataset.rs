//! One data set: what its check found, what each task makes of it, its cases, and the runs on it.

use leptos::prelude::*;
use transferscope_domain::metric::Split;

use super::{
    check_report::{CasesForNetworks, Contents, Findings, Refused, Tasks},
    summary::DatasetSummary,
};
use crate::{
    base::to,
    components::{case_table::case_link, used_by::UsedBy},
    format,
};

/// The whole page; `split` is the chosen one, empty for all.
#[component]
pub fn Dataset(page: DatasetSummary, split: String) -> impl IntoView {
    let name = page.row.name.clone();
    let (runs, count) = (page.runs.clone(), page.row.runs);
    let kind = if page.row.synthetic {
        view! {
            <p class="notice">
                "Synthetic data: computed phantoms, not images of patients. Results on them say nothing about patients."
            </p>
        }
        .into_any()
    } else {
        view! {
            <p class="notice">
                "Images of patients. Use and share the images, and screenshots of them, only as the licence of their source allows."
            </p>
        }
        .into_any()
    };
    view! {
        <div class="page__head">
            <div>
                <p class="breadcrumb"><a href=to("/datasets")>"Data sets"</a></p>
                <h1>{name.clone()}</h1>
                <p class="page__lead">{page.row.source.clone()}</p>
            </div>
            <p class="run-head__actions">
                <a class="button button--primary" href=to(&format!("/new?dataset={name}"))>"Use in an experiment"</a>
            </p>
        </div>
        {kind}
        <div class="section-columns">
            <Contents page=page.clone() />
            <Findings page=page.clone() />
        </div>
        <CasesForNetworks plan=page.plan.clone() />
        <Tasks tasks=page.tasks.clone() />
        <Refused refused=page.refused.clone() />
        <Cases page=page split=split />
        <UsedBy all=to(&format!("/runs?dataset={name}")) runs=runs count=count />
    }
}

/// Address of the table of cases in another state.
fn href(name: &str, split: &str, page: usize) -> String {
    let split = if split.is_empty() { String::new() } else { format!("split={split}&") };
    to(&format!("/datasets/{name}?{split}page={page}#cases"))
}

/// The table of cases, by split and page.
#[component]
fn Cases(page: DatasetSummary, split: String) -> impl IntoView {
    let name = page.row.name.clone();
    let choice = |value: &str, label: &str| {
        let current = (split == value).then_some("page");
        view! { <a href=href(&name, value, 1) aria-current=current>{label.to_owned()}</a> }
    };
    let rows = page
        .cases
        .iter()
        .map(|c| {
            let [d, h, w] = c.shape;
            let [sd, sh, sw] = c.spacing_mm.map(|s| format::number(s, 2));
            view! {
                <tr>
                    <th scope="row">
                        {case_link(&name, &c.case_id)}
                    </th>
                    <td>{c.patient_id.clone()}</td>
                    <td>{c.split.as_str()}</td>
                    <td class="data-table__number">{format!("{d} × {h} × {w}")}</td>
                    <td class="data-table__number">{format!("{sd} × {sh} × {sw}")}</td>
                    <td>{c.channels.join(", ")}</td>
                </tr>
            }
        })
        .collect_view();
    let previous = (page.page > 1).then(|| href(&name, &split, page.page - 1));
    let next = (page.page < page.pages).then(|| href(&name, &split, page.page + 1));
    view! {
        <section class="section" id="cases">
            <h2>"Cases"</h2>
            <nav class="tabs" aria-label="Cases by split">
                {choice("", "All")}
                {Split::ALL.map(|s| choice(s.as_str(), s.as_str())).collect_view()}
                <span class="quiet">{format::plural(page.matching as u64, "case")}</span>
            </nav>
            <div class="table-scroll" role="region" aria-label="Cases" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Case"</th>
                            <th scope="col">"Patient"</th>
                            <th scope="col">"Split"</th>
                            <th scope="col" class="data-table__number">"Slices × rows × columns"</th>
                            <th scope="col" class="data-table__number">"Voxel size [mm]"</th>
                            <th scope="col">"Channels"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {(page.pages > 1)
                .then(|| view! {
                    <nav class="pagination" aria-label="Pages of cases">
                        {previous.map(|href| view! { <a href=href rel="prev">"Previous"</a> })}
                        <span class="quiet">{format!("Page {} of {}", page.page, page.pages)}</span>
                        {next.map(|href| view! { <a href=href rel="next">"Next"</a> })}
                    </nav>
                })}
        </section>
    }
}
