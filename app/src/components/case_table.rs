//! Scores of single cases.

use leptos::prelude::*;
use transferscope_domain::{MetricKind, Task, report::CaseScore};

use crate::{base::to, format};

/// The page of a case with its slices.
pub fn case_href(dataset: &str, case: &str) -> String {
    to(&format!("/datasets/{dataset}/{}", format::path_part(case)))
}

/// `external` where only the browser itself may follow a link: the pages' router writes an address with a percent sign
/// in a name into the address bar as that of another name.
pub fn case_rel(case: &str) -> Option<&'static str> {
    case.contains('%').then_some("external")
}

/// A link to the page of a case.
pub fn case_link(dataset: &str, case: &str) -> impl IntoView + use<> {
    view! { <a href=case_href(dataset, case) rel=case_rel(case)>{case.to_owned()}</a> }
}

/// Scores of the test cases, worst first by the task's metric of single cases.
#[component]
pub fn CaseTable(task: Task, dataset: String, cases: Vec<CaseScore>) -> impl IntoView {
    let primary = task.case_metric();
    let mut cases: Vec<CaseScore> = cases.into_iter().filter(|c| c.split == "test").collect();
    let score = |c: &CaseScore| c.scores.get(primary.as_str()).copied();
    cases.sort_by(|a, b| match (score(a), score(b)) {
        (Some(x), Some(y)) => (primary.direction().sign() * x).total_cmp(&(primary.direction().sign() * y)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.case_id.cmp(&b.case_id),
    });
    let columns = columns(task, &cases);
    let heads = columns
        .iter()
        .map(|name| {
            let full = format!("/{name}");
            let unit = MetricKind::of_name(&full).map_or("", MetricKind::unit);
            let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
            view! { <th scope="col" class="data-table__number">{format::metric_label(&full)}{unit}</th> }
        })
        .collect_view();
    view! {
        <div class="table-scroll table-scroll--tall" role="region" aria-label="Scores by case" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Case"</th>
                        <th scope="col">"Patient"</th>
                        {heads}
                    </tr>
                </thead>
                <tbody>
                    {cases
                        .into_iter()
                        .map(|c| {
                            let values = columns
                                .iter()
                                .map(|name| {
                                    let text = c.scores.get(name).map_or_else(
                                        || format::NONE.to_owned(),
                                        |v| format::metric_value(&format!("/{name}"), *v),
                                    );
                                    view! { <td class="data-table__number">{text}</td> }
                                })
                                .collect_view();
                            view! {
                                <tr>
                                    <th scope="row">{case_link(&dataset, &c.case_id)}</th>
                                    <td>{c.patient_id}</td>
                                    {values}
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
}

/// Score names: the task's metrics in their order, then class-wise ones, then simple baselines.
fn columns(task: Task, cases: &[CaseScore]) -> Vec<String> {
    let mut names: Vec<String> = cases.iter().flat_map(|c| c.scores.keys().cloned()).collect();
    names.sort_by_key(|n| {
        let kind = MetricKind::of_name(&format!("/{n}"));
        let rank = task.metrics().iter().position(|m| Some(*m) == kind).unwrap_or(usize::MAX);
        (n.contains('@'), rank, n.clone())
    });
    names.dedup();
    names
}
