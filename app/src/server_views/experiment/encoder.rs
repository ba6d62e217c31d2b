//! How much of each task's result is the encoder's.

use leptos::prelude::*;
use transferscope_study::{analysis::Analysis, statistics::p_in_words};

use crate::{format, labels::share_label, server_views::table::table};

/// One row a task that has frozen encoders in both arms; nothing where none has.
#[component]
pub fn EncoderShares(analysis: Analysis) -> impl IntoView {
    let rows = analysis
        .encoder_shares
        .iter()
        .map(|share| {
            let metric = share.task.primary_metric();
            let name = metric.name(transferscope_domain::metric::Split::Test);
            let shown = |value: f64| format::metric_difference(&name, value);
            let unit = metric.unit();
            let difference = share.difference;
            let interval = match (difference.interval, difference.unsure) {
                (Some(i), _) => format!("{} to {}", shown(i.low), shown(i.high)),
                (None, Some(why)) => why.words().to_owned(),
                (None, None) => format::NONE.to_owned(),
            };
            let percent = match share.percent {
                Some(percent) => format!("{} % of the random encoders", format::signed(percent, 1)),
                None => "relative gain undefined: a random encoder scores 0".into(),
            };
            let verdict = match share.depends() {
                Some(true) => "depends on the encoder",
                Some(false) => "does not depend on the encoder here: excluded from the findings",
                None => "inconclusive",
            };
            let of_share = share_label(share.label_share).map(|w| view! { <span class="difference">{w}</span> });
            view! {
                <tr>
                    <th scope="row">{share.task.label()}{of_share}</th>
                    <td>{share.adaptation.label()}</td>
                    <td>{share.backbones.join(", ")}</td>
                    <td class="data-table__number">
                        {shown(difference.value)}{(!unit.is_empty()).then(|| format!(" {unit}"))}
                        <span class="difference">{percent}</span>
                    </td>
                    <td class="data-table__number">{interval}</td>
                    <td class="data-table__number">{difference.p.map_or_else(|| format::NONE.to_owned(), p_in_words)}</td>
                    <td class="data-table__number">{share.seeds}</td>
                    <td>{verdict}</td>
                </tr>
            }
        })
        .collect::<Vec<_>>();
    (!rows.is_empty()).then(|| {
        view! {
            <section class="section">
                <h2>"Contribution of the encoder"</h2>
                <p class="section__lead">
                    "Gain of frozen pre-trained encoders over frozen random ones with the same head, mean over backbones and seeds, with its 95 % interval over seeds and test patients. Where the interval contains 0, the task says nothing about encoders."
                </p>
                {table("Gain of frozen pre-trained encoders over random ones by task", [("Task", false), ("Encoder", false), ("Backbones", false), ("Gain", true), ("95 % interval", true), ("p", true), ("Seeds", true), ("Here", false)], rows)}
            </section>
        }
    })
}
