//! Gains over both controls, from complete pairs.

use leptos::prelude::*;
use transferscope_domain::Arm;
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
            view! {
                <tr>
                    <th scope="row">{cell.key.backbone.clone()}{way}</th>
                    <td>{cell.key.task.label()}</td>
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
                "Relative performance gain in percent of the control's test metric, mean over complete pairs (same seed, split, order and budget) with its 95 % interval. A pair without its control is left blank."
            </p>
            <details class="disclosure">
                <summary>"How this is computed"</summary>
                <p>
                    "RPG = 100 · s · (m − c) / |c| with the pre-trained network's metric m and the control's c on the same test cases; s is 1 where higher is better and −1 where lower is (arXiv 2601.15888). The interval is a BCa bootstrap that resamples seeds and test cases (Efron 1987). p is Wilcoxon's signed-rank test over test cases, whose scores are means over seeds (for classification the log loss), corrected over all cells by Holm's method."
                </p>
            </details>
            {table("Relative gain in percent by backbone and task", [("Backbone", false), ("Task", false), ("Over the specialist (%)", true), ("p (Holm)", true), ("Over scratch (%)", true), ("p (Holm)", true)], rows)}
        </section>
    }
}

fn gain(cell: &Cell, against: Arm) -> AnyView {
    let differs = cell.incomparable.iter().find(|(arm, _)| *arm == against).map(|(_, fields)| {
        view! { <span class="difference">{format!("runs that differ in {} are not compared", fields.join(", "))}</span> }
    });
    let Some(gain) = cell.gain(against) else {
        return view! {
            <td class="data-table__number quiet">"no complete pair"{differs}</td>
            <td></td>
        }
        .into_any();
    };
    let interval = gain.interval.map(|i| {
        view! {
            <span class="difference">{format!("{} to {}", format::signed(i.low, 1), format::signed(i.high, 1))}</span>
        }
    });
    let n = gain.pairs.len();
    let few = (n < 3).then(|| view! { " "<span class="tag tag--quiet">{format!("n = {n}")}</span> });
    let cases = format!("better in {} of {} cases", gain.cases_better, gain.cases);
    let p = gain.p_corrected.map_or_else(|| "–".to_owned(), p_in_words);
    view! {
        <td class="data-table__number">
            {format::signed(gain.mean, 1)}{few}
            {interval}
            <span class="difference">{cases}</span>
            {differs}
        </td>
        <td class="data-table__number">{p}</td>
    }
    .into_any()
}
