//! Comparing runs: everything that is chosen is in the URL.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_query_map};
use transferscope_domain::{RunId, api::CompareData};

use crate::{
    address::pairs,
    api::compare::compare,
    base::to,
    charts::CompareChart,
    components::{
        case_pairs::CasePairTables,
        compare_tables::{ResultTable, SettingDifferences},
        empty_state::EmptyState,
        loaded::{Within, loaded},
        previews::{PreviewFigure, epochs},
        run_mark::RunMark,
        share_form::ShareForm,
    },
    labels::run_title,
    palette::{Style, styles_of},
};

/// The page.
#[component]
pub fn ComparePage() -> impl IntoView {
    let (query, search) = (use_query_map(), use_location().search);
    // Keyed by the runs alone: another metric or axis fetches nothing.
    let runs = Memo::new(move |_| query.with(|q| q.get_all("runs").unwrap_or_default().join(",")));
    let data = Resource::new(move || runs.get(), compare);
    view! {
        <Title text="Compare" />
        <div class="page__head">
            <h1>"Compare"</h1>
        </div>
        {loaded(data, "the comparison", Within::HeadedPage, move |data: CompareData| {
            let missing = data.missing.iter().map(RunId::as_str).collect::<Vec<_>>().join(", ");
            if data.runs.is_empty() {
                view! { <Nothing /> }.into_any()
            } else {
                let ids: Vec<RunId> = data.runs.iter().map(|r| r.id.clone()).collect();
                let search = search.get_untracked();
                view! {
                    {(!missing.is_empty()).then(|| view! {
                        <p class="notice notice--warn">{format!("Not found: {missing}. The others are compared.")}</p>
                    })}
                    <Chosen data=data.clone() search=search />
                    <Comparison data=data />
                    <section class="section">
                        <ShareForm runs=ids />
                    </section>
                }
                .into_any()
            }
        })}
    }
}

#[component]
fn Nothing() -> impl IntoView {
    view! {
        <EmptyState title="No runs selected">
            <p>
                "Select runs on the "<a href=to("/")>"leaderboard"</a>" or among the "<a href=to("/runs")>"runs"</a>
                " and press “Compare selected”."
            </p>
        </EmptyState>
    }
}

/// The address of the comparison without one of its runs, everything else kept.
fn without(search: &str, runs: &[RunId], gone: &RunId) -> String {
    let rest = runs.iter().filter(|r| *r != gone).map(RunId::as_str).collect::<Vec<_>>().join(",");
    let mut kept: Vec<(String, String)> = pairs(search).into_iter().filter(|(k, _)| k != "runs").collect();
    kept.insert(0, ("runs".to_owned(), rest));
    to(&format!("/compare?{}", serde_urlencoded::to_string(kept).unwrap_or_default().replace("%2C", ",")))
}

/// The runs that are compared, each with a way to take it out.
#[component]
fn Chosen(data: CompareData, search: String) -> impl IntoView {
    let ids: Vec<RunId> = data.runs.iter().map(|r| r.id.clone()).collect();
    let styles = run_styles(&data);
    let one = ids.len() == 1;
    view! {
        <ul class="chosen-runs" aria-label="Compared runs">
            {data
                .runs
                .iter()
                .zip(styles)
                .map(|(run, style)| view! {
                    <li class="chosen-runs__item">
                        <a class="run-name" href=to(&format!("/runs/{}", run.id))>
                            <RunMark style=style />
                            {run_title(run)}
                        </a>
                        <a
                            class="chosen-runs__remove"
                            href=without(&search, &ids, &run.id)
                            aria-label=format!("Remove {} from the comparison", run_title(run))
                        >
                            "×"
                        </a>
                    </li>
                })
                .collect_view()}
        </ul>
        {one.then(|| view! {
            <p class="notice">
                "Only one run: add others by selecting them on the "<a href=to("/")>"leaderboard"</a>" or among the "
                <a href=to("/runs")>"runs"</a>"."
            </p>
        })}
    }
}

fn run_styles(data: &CompareData) -> Vec<Style> {
    styles_of(&data.runs)
}

/// Everything that is compared; also what a shared link shows.
#[component]
pub fn Comparison(
    data: CompareData,
    /// Choices that a share stored.
    #[prop(optional)]
    base_view: BTreeMap<String, String>,
) -> impl IntoView {
    let styles = run_styles(&data);
    let several = data.runs.len() > 1;
    let tasks_differ = data.runs.iter().any(|r| r.task != data.runs[0].task);
    let synthetic = data.runs.iter().any(|r| r.synthetic);
    view! {
        {synthetic.then(|| view! { <p class="notice">"Runs marked as synthetic were trained and tested on computed phantoms, not on images of patients."</p> })}
        {tasks_differ.then(|| view! {
            <p class="notice notice--warn">"These runs have different tasks: their metrics cannot be compared with each other."</p>
        })}
        <CompareChart data=data.clone() base_view=base_view />
        <section class="section">
            <h2>"Results"</h2>
            <p class="section__lead">
                "Test set, checkpoint that was best on the validation set; small numbers are differences from the first run. "
                "Each row is a single seed, so neither values nor differences have an interval; the page of an experiment shows gains with intervals."
            </p>
            <ResultTable runs=data.runs.clone() styles=styles.clone() />
        </section>
        {several.then(|| view! {
            <section class="section">
                <h2>"Paired test cases"</h2>
                <CasePairTables data=data.clone() styles=styles.clone() />
            </section>
            <section class="section">
                <h2>"Configuration differences"</h2>
                <SettingDifferences runs=data.runs.clone() styles=styles.clone() />
            </section>
        })}
        <SidePreviews data=data styles=styles />
    }
}

/// The latest pictures of each run, case by case.
#[component]
fn SidePreviews(data: CompareData, styles: Vec<Style>) -> impl IntoView {
    // Latest epoch of each run.
    let latest: Vec<Vec<_>> = data
        .previews
        .iter()
        .map(|all| {
            let last = epochs(all).last().copied();
            all.iter().filter(|p| Some(p.epoch) == last).cloned().collect()
        })
        .collect();
    let mut cases: Vec<String> = latest.iter().flatten().map(|p| p.case_id.clone()).collect();
    cases.sort();
    cases.dedup();
    (!cases.is_empty()).then(|| {
        let groups = cases
            .into_iter()
            .map(|case| {
                let pictures = data
                    .runs
                    .iter()
                    .zip(&latest)
                    .zip(&styles)
                    .filter_map(|((run, previews), style)| {
                        let preview = previews.iter().find(|p| p.case_id == case)?.clone();
                        Some(view! {
                            <div class="side-preview">
                                <p class="run-name"><RunMark style=*style />{run_title(run)}</p>
                                <PreviewFigure id=run.id.clone() preview=preview />
                            </div>
                        })
                    })
                    .collect_view();
                view! {
                    <h3 class="side-previews__case">{case.clone()}</h3>
                    <div class="preview-grid">{pictures}</div>
                }
            })
            .collect_view();
        view! {
            <section class="section">
                <h2>"Previews side by side"</h2>
                {groups}
            </section>
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_a_run_out_keeps_the_rest_of_the_address() {
        let runs: Vec<RunId> = ["aaaa", "bbbb", "cccc"].map(|s| s.parse().unwrap()).to_vec();
        let search = "?runs=aaaa%2Cbbbb&runs=cccc&metric=val%2Fdice";
        assert_eq!(without(search, &runs, &runs[1]), "/compare?runs=aaaa,cccc&metric=val%2Fdice");
    }
}
