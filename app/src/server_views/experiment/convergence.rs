//! How fast the arms got where they went.

use leptos::prelude::*;
use transferscope_domain::{Arm, Unsure};
use transferscope_study::{
    analysis::{Analysis, ArmSummary},
    convergence::Reached,
};

use super::{share, variant};
use crate::format;
use crate::server_views::table::table;

/// One row a cell and arm.
#[component]
pub fn Convergence(analysis: Analysis) -> impl IntoView {
    let rows = analysis
        .cells
        .iter()
        .flat_map(|cell| {
            let way = variant(&analysis, cell);
            let speed_up = cell.speed_up_estimate.map(|e| {
                let times = format!("{} times", format::number(e.value, 2));
                match (e.interval, e.unsure) {
                    (Some(i), _) => {
                        format!("{times} ({} to {})", format::number(i.low, 2), format::number(i.high, 2))
                    }
                    // Patients do not enter a speed-up.
                    (None, Some(Unsure::AllEqual)) => format!("{times} (equal in all seeds: no interval)"),
                    (None, Some(why)) => format!("{times} ({})", why.words()),
                    (None, None) => times,
                }
            });
            cell.arms.iter().map(move |arm| {
                let speed_up = if arm.arm == Arm::Pretrained { speed_up.clone() } else { None };
                row(arm, way.clone(), speed_up)
            })
        })
        .chain(analysis.specialists.iter().map(|arm| row(arm, share(&analysis, arm), None)))
        .collect_view();
    view! {
        <section class="section">
            <h2>"Convergence"</h2>
            <p class="section__lead">
                "Computed on the running best of the validation metric, so that a single lucky epoch does not count twice. “> 5” means not reached within five epochs."
            </p>
            <details class="disclosure">
                <summary>"How this is computed"</summary>
                <p>
                    "Epochs to 95 %: the first epoch at which the running best has covered 95 % of the way from the value before training to its best; median over seeds. Epochs to the specialist: the first epoch at which the running best is as good as the best value of the specialist of the same seed. Area: mean height of the running best between its first and its best value; 1 means reached at once. Speed-up: epochs to 95 % from scratch divided by those of the pre-trained network, as the geometric mean over the seeds where both reached it (the arithmetic mean of ratios would be above 1 even for equal arms), with a 95 % interval from Student's t on the logarithms."
                </p>
            </details>
            {table("Convergence by backbone, task and arm", [("Network", false), ("Task", false), ("Arm", false), ("Epochs to 95 %", true), ("Epochs to the specialist", true), ("Area (0 to 1)", true), ("Speed-up", true)], rows)}
        </section>
    }
}

fn reached(value: Option<Reached>, seeds: usize, n: usize) -> AnyView {
    let others = if n == seeds + 1 { "other" } else { "others" };
    match value {
        Some(value) => view! {
            {value.to_string()}
            {(seeds < n).then(|| view! { <span class="difference">{format!("of {}; the {others} never improved", format::plural(seeds as u64, "seed"))}</span> })}
        }
        .into_any(),
        None => view! { <span class="quiet">"–"</span> }.into_any(),
    }
}

fn row(arm: &ArmSummary, way: Option<String>, speed_up: Option<String>) -> impl IntoView {
    let c = &arm.convergence;
    let way = way.map(|w| view! { <span class="difference">{w}</span> });
    view! {
        <tr>
            <th scope="row">{arm.backbone.clone()}{way}</th>
            <td>{arm.task.label()}</td>
            <td>{arm.arm.label()}</td>
            <td class="data-table__number">{reached(c.to_share_median, c.to_share.len(), arm.n)}</td>
            <td class="data-table__number">{reached(c.to_specialist_median, c.to_specialist.len(), c.to_specialist.len())}</td>
            <td class="data-table__number">{c.area.map_or_else(|| "–".to_owned(), |a| format::number(a, 2))}</td>
            <td class="data-table__number">{speed_up}</td>
        </tr>
    }
}
