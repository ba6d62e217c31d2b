//! Gains over both controls, from complete pairs.

use leptos::prelude::*;
use transferscope_domain::{Arm, Direction, Task};
use transferscope_study::{
    analysis::{Analysis, Cell},
    statistics::p_in_words,
};

use super::variant;
use crate::format;
use crate::server_views::table::table;

/// One row a cell.
#[component]
pub fn Gains(analysis: Analysis) -> impl IntoView {
    let rows = analysis
        .cells
        .iter()
        .map(|cell| {
            let way = variant(&analysis, cell).map(|w| view! { <span class="difference">{w}</span> });
            let below = analysis
                .unlearnt
                .contains(&cell.key.task)
                .then(|| view! { " "<span class="tag tag--quiet">"not above the baseline"</span> });
            view! {
                <tr>
                    <th scope="row">{cell.key.backbone.clone()}{way}</th>
                    <td>{cell.key.task.label()}{below}</td>
                    {gain(cell, Arm::Specialist)}
                    {gain(cell, Arm::Scratch)}
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="section">
            <h2>"Gain of pre-training"</h2>
            <p class="section__lead">
                "Difference from the control in the metric's own unit, above 0 where pre-training is better: mean over complete pairs (same seed, split, order and budget) with its 95 % interval, and the same in percent of the control. For a seed without a complete pair, the reason is given."
            </p>
            <details class="disclosure">
                <summary>"How this is computed"</summary>
                <p>
                    "Seeds and test patients are both random samples, so the interval covers both: the variance of the mean difference is (MS of seeds + MS of patients − MS of the rest) / (seeds × patients), with Student's t and Satterthwaite's degrees of freedom; metrics over all cases together (AUROC) enter as jackknife pseudo-values. p tests whether the difference is 0 and is corrected over all cells by Holm's method. A single seed has a value but no interval, since the variation between seeds is unknown. The relative gain is 100 · s · (m − c) / |c| (arXiv 2601.15888); it is undefined where a control is 0; the difference is still given."
                </p>
            </details>
            {table("Gain of pre-training by backbone and task", [("Backbone", false), ("Task", false), ("Over the specialist", true), ("p (Holm)", true), ("Over scratch", true), ("p (Holm)", true)], rows)}
        </section>
    }
}

/// What a case is better in: a metric of all cases together says nothing of one, so that another one counts.
pub(super) fn better_word(task: Task) -> String {
    let metric = task.case_metric();
    if metric == task.primary_metric() {
        return "better".into();
    }
    let way = match metric.direction() {
        Direction::Higher => "higher",
        Direction::Lower => "lower",
    };
    format!("{way} {}", metric.label().to_lowercase())
}

fn gain(cell: &Cell, against: Arm) -> AnyView {
    let unpaired = cell
        .unpaired
        .iter()
        .filter(|u| u.against == against)
        .map(|u| view! { <span class="difference">{format!("seed {}: no pair, {}", u.seed, u.why.words())}</span> })
        .collect_view();
    let Some(gain) = cell.gain(against) else {
        return view! {
            <td class="data-table__number quiet">"no complete pair"{unpaired}</td>
            <td></td>
        }
        .into_any();
    };
    let unit = cell.key.task.primary_metric().unit();
    let shown = |value: f64| format::metric_difference(&cell.metric, value);
    let difference = &gain.difference;
    let interval = difference.interval.map(|i| {
        let cut = if difference.clipped { ", cut to the metric's range" } else { "" };
        view! { <span class="difference">{format!("{} to {}{cut}", shown(i.low), shown(i.high))}</span> }
    });
    let unsure = difference.unsure.map(|why| view! { <span class="difference">{why.words()}</span> });
    let relative = match (gain.mean, gain.interval) {
        (Some(mean), Some(i)) => format!(
            "{} % of the control ({} to {})",
            format::signed(mean, 1),
            format::signed(i.low, 1),
            format::signed(i.high, 1)
        ),
        (Some(mean), None) => {
            let why = gain.unsure.filter(|_| difference.interval.is_some());
            let why = why.map(|why| format!(" ({})", why.words())).unwrap_or_default();
            format!("{} % of the control, mean of the seeds{why}", format::signed(mean, 1))
        }
        (None, _) => "relative gain undefined: a control is 0".into(),
    };
    let n = gain.pairs.len();
    let few = (n < 3).then(|| view! { " "<span class="tag tag--quiet">{format!("n = {n}")}</span> });
    let cases = format!("{} in {} of {} cases", better_word(cell.key.task), gain.cases_better, gain.cases);
    let p = gain.p_corrected.map_or_else(|| "–".to_owned(), p_in_words);
    view! {
        <td class="data-table__number">
            {shown(difference.value)}{(!unit.is_empty()).then(|| format!(" {unit}"))}{few}
            {interval}
            {unsure}
            <span class="difference">{relative}</span>
            <span class="difference">{cases}</span>
            {unpaired}
        </td>
        <td class="data-table__number">{p}</td>
    }
    .into_any()
}
