//! Paired differences: the same test cases in two runs.

use leptos::prelude::*;
use transferscope_domain::{
    Direction, MetricKind,
    api::{CompareData, RunView},
    report::CaseScore,
};

use super::{case_table::case_link, run_mark::RunMark};
use crate::{format, labels::run_title, palette::Style};

/// One case in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub case_id: String,
    pub reference: f64,
    pub value: f64,
}

impl Pair {
    /// Value minus reference.
    pub fn difference(&self) -> f64 {
        self.value - self.reference
    }
}

/// Test cases that both lists score by `metric`, where the second run did worst first.
pub fn pairs(metric: MetricKind, reference: &[CaseScore], other: &[CaseScore]) -> Vec<Pair> {
    let score = |c: &CaseScore| {
        (c.split == "test")
            .then(|| c.scores.get(metric.as_str()).copied())
            .flatten()
            .filter(|v| v.is_finite())
    };
    let mut pairs: Vec<Pair> = other
        .iter()
        .filter_map(|c| {
            let twin = reference.iter().find(|r| r.case_id == c.case_id && r.split == c.split)?;
            Some(Pair { case_id: c.case_id.clone(), reference: score(twin)?, value: score(c)? })
        })
        .collect();
    let sign = metric.direction().sign();
    pairs.sort_by(|a, b| (sign * a.difference()).total_cmp(&(sign * b.difference())));
    pairs
}

/// Every run against the first: mean paired difference, how many cases are better, and the cases
/// themselves, worst first.
#[component]
pub fn CasePairTables(data: CompareData, styles: Vec<Style>) -> impl IntoView {
    let Some(reference) = data.runs.first().cloned() else { return ().into_any() };
    let metric = reference.task.case_metric();
    let none = Vec::new();
    let base = data.cases.first().unwrap_or(&none);
    let sections: Vec<_> = data
        .runs
        .iter()
        .zip(&data.cases)
        .zip(&styles)
        .skip(1)
        .map(|((run, cases), style)| {
            let comparable = run.task == reference.task && run.dataset == reference.dataset;
            let pairs = if comparable { pairs(metric, base, cases) } else { Vec::new() };
            section(run, *style, metric, pairs, comparable, data.numbered)
        })
        .collect();
    if sections.is_empty() {
        return ().into_any();
    }
    view! {
        <p class="section__lead">
            "Each run against the reference, "
            {run_title(&reference)}
            {format!(
                ", on the test cases scored by both runs; {}, {}. One seed each: these numbers do not include the variation between seeds.",
                metric.label(),
                metric.direction().label(),
            )}
        </p>
        {sections}
    }
    .into_any()
}

fn section(
    run: &RunView,
    style: Style,
    metric: MetricKind,
    pairs: Vec<Pair>,
    comparable: bool,
    numbered: bool,
) -> impl IntoView + use<> {
    let (title, dataset) = (run_title(run), run.dataset.clone());
    let spoken = format!("Paired cases of {title}, run {}, worst first", run.id);
    let n = pairs.len();
    if n == 0 {
        let why = if comparable {
            "no test cases scored by both runs yet"
        } else {
            "different task or data set: cases cannot be paired"
        };
        return view! {
            <p class="pair-summary">
                <span class="run-name"><RunMark style=style />{title}</span>
                ": "
                {why}
                "."
            </p>
        }
        .into_any();
    }
    let mean = pairs.iter().map(Pair::difference).sum::<f64>() / n as f64;
    let better = pairs.iter().filter(|p| metric.direction().better(p.value, p.reference)).count();
    let d = metric.decimals();
    let unit = if metric.unit().is_empty() { String::new() } else { format!(" {}", metric.unit()) };
    let best_word = match metric.direction() {
        Direction::Higher => "higher",
        Direction::Lower => "lower",
    };
    view! {
        <details class="disclosure pair-summary">
            <summary>
                <span class="run-name"><RunMark style=style />{title}</span>
                " "
                <span class="pair-summary__numbers">
                    {format!(
                        "mean difference {}{unit}, {best_word} in {better} of {}",
                        format::signed(mean, d),
                        format::plural(n as u64, "case"),
                    )}
                </span>
            </summary>
            {table(spoken, metric, pairs, dataset, numbered)}
        </details>
    }
    .into_any()
}

/// The cases as a table; `spoken` says what it is.
fn table(
    spoken: String,
    metric: MetricKind,
    pairs: Vec<Pair>,
    dataset: String,
    numbered: bool,
) -> impl IntoView + use<> {
    view! {
        <div class="table-scroll table-scroll--tall" role="region" aria-label=spoken tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Case, worst first"</th>
                        <th scope="col" class="data-table__number">"Reference"</th>
                        <th scope="col" class="data-table__number">"This run"</th>
                        <th scope="col" class="data-table__number">"Difference"</th>
                    </tr>
                </thead>
                <tbody>
                    {pairs.into_iter().map(|p| row(metric, p, &dataset, numbered)).collect_view()}
                </tbody>
            </table>
        </div>
    }
}

/// One case in both runs, with a link to it unless its name is only a number.
fn row(metric: MetricKind, p: Pair, dataset: &str, numbered: bool) -> impl IntoView + use<> {
    let d = metric.decimals();
    let class = if metric.direction().better(p.value, p.reference) {
        "difference difference--better"
    } else if metric.direction().better(p.reference, p.value) {
        "difference difference--worse"
    } else {
        "difference"
    };
    let (a, b, by) = (p.reference, p.value, p.difference());
    view! {
        <tr>
            <th scope="row">{if numbered { p.case_id.into_any() } else { case_link(dataset, &p.case_id).into_any() }}</th>
            <td class="data-table__number">{format::number(a, d)}</td>
            <td class="data-table__number">{format::number(b, d)}</td>
            <td class="data-table__number">
                <span class=class>{format::signed(by, d)}</span>
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn case(id: &str, split: &str, dice: f64) -> CaseScore {
        CaseScore {
            case_id: id.into(),
            patient_id: id.into(),
            split: split.into(),
            scores: BTreeMap::from([("dice".to_owned(), dice)]),
        }
    }

    #[test]
    fn only_shared_test_cases_pair_and_the_worst_leads() {
        let a =
            [case("1", "test", 0.5), case("2", "test", 0.9), case("3", "val", 0.1), case("4", "test", 0.3)];
        let b =
            [case("1", "test", 0.6), case("2", "test", 0.4), case("3", "val", 0.1), case("5", "test", 0.3)];
        let p = pairs(MetricKind::Dice, &a, &b);
        assert_eq!(p.iter().map(|p| p.case_id.as_str()).collect::<Vec<_>>(), ["2", "1"]);
        // Where lower is better the order turns round.
        let turn = |c: &CaseScore| CaseScore {
            scores: BTreeMap::from([("nmse".to_owned(), c.scores["dice"])]),
            ..c.clone()
        };
        let p = pairs(MetricKind::Nmse, &a.each_ref().map(turn), &b.each_ref().map(turn));
        assert_eq!(p[0].case_id, "1");
    }
}
