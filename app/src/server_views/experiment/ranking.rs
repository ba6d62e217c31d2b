//! Which network is better throughout.

use leptos::prelude::*;
use transferscope_study::{analysis::Ranking, statistics::p_in_words};

use super::way;
use crate::{format, server_views::table::table};

/// Mean ranks over tasks, and how far they must lie apart to be told apart.
#[component]
pub fn Ranks(ranking: Option<Ranking>) -> impl IntoView {
    ranking.map(|Ranking { tasks, networks, p, critical_difference }| {
        let usual = networks.iter().all(|n| n.adaptation == Default::default() && n.label_share == 1.0);
        let best = networks.first().map_or(1.0, |n| n.mean_rank);
        let rows = networks
            .iter()
            .enumerate()
            .map(|(place, n)| {
                let way = (!usual).then(|| {
                    view! { <span class="difference">{way(n.adaptation, n.label_share)}</span> }
                });
                let behind = n.mean_rank - best;
                let apart = match critical_difference {
                    Some(least) if behind > least => "distinguishable from the first",
                    _ if place == 0 => "",
                    _ if behind == 0.0 => "equal to the first",
                    _ => "not distinguishable from the first",
                };
                view! {
                    <tr>
                        <th scope="row">{format!("{}, {}", n.backbone, n.arm.label().to_lowercase())}{way}</th>
                        <td class="data-table__number">{format::number(n.mean_rank, 2)}</td>
                        <td>{apart}</td>
                    </tr>
                }
            })
            .collect_view();
        let least = critical_difference.map(|d| {
            format!(" Mean ranks are distinguishable at the 5 % level if they differ by more than {} (Nemenyi).", format::number(d, 2))
        });
        view! {
            <section class="section">
                <h2>"Ranks over tasks"</h2>
                <p class="section__lead">
                    {format!(
                        "Each network's rank by its mean over seeds, averaged over {}; 1 is best. Friedman's test for any difference in rank: p {}.",
                        format::plural(tasks.len() as u64, "task"),
                        p_in_words(p),
                    )}
                    {least}
                </p>
                {table("Mean ranks over tasks", [("Network", false), ("Mean rank", true), ("Nemenyi", false)], rows)}
            </section>
        }
    })
}
