//! Alignment against gain and convergence, in pictures, numbers and words; and how features drifted.

use leptos::prelude::*;
use transferscope_domain::ExperimentId;
use transferscope_study::{
    analysis::{Analysis, BackboneFacts, Outcome, Relation},
    statistics::{Correlation, p_in_words},
};

use super::{charts, inline, query};
use crate::server_views::table::{table, table_of};
use crate::{base::to, charts::svg, format};

/// Both relations, the controls, and the drift of every cell.
#[component]
pub fn Relations(
    id: ExperimentId,
    analysis: Analysis,
    backbones: Vec<BackboneFacts>,
    frozen: bool,
) -> impl IntoView {
    let pictures = analysis
        .relations
        .iter()
        .map(|relation| {
            let picture = charts::scatter(&analysis, &backbones, relation.outcome, &inline(720, 420));
            let (file, what, bars) = match relation.outcome {
                Outcome::Gain => ("gain.svg", "Alignment against gain", "range over seeds along x, 95 % interval of the gain along y"),
                Outcome::Epochs => ("epochs.svg", "Alignment against convergence", "range over seeds along x"),
            };
            let href = to(&format!("/experiments/{id}/export/{file}?{}", query(analysis.choice)));
            view! {
                <figure class="study-figure">
                    <div class="study-figure__picture" role="region" aria-label=what tabindex="0" inner_html=picture></div>
                    <figcaption>
                        {format!("Each point is a backbone on a task: one colour per backbone, one marker per task. Bars: {bars}. ")}
                        {(!frozen).then(|| view! { <a href=href rel="external">"SVG"</a> })}
                    </figcaption>
                    <RelationNumbers relation=relation.clone() />
                </figure>
            }
        })
        .collect_view();
    view! {
        <section class="section">
            <h2>"Alignment"</h2>
            <p class="section__lead">
                "How far fine-tuning moved the features of the validation cases, layer by layer, against the gain of pre-training."
            </p>
            <Definitions />
            {pictures}
            <Controls analysis=analysis.clone() />
            <Drift analysis=analysis backbones=backbones />
        </section>
    }
}

#[component]
fn Definitions() -> impl IntoView {
    view! {
        <details class="disclosure">
            <summary>"How alignment is measured"</summary>
            <p>
                "Features of the validation cases without augmentation, averaged over the octants of a volume or over a slice (eight rows per case) and standardised by the mean and standard deviation of the features before training. MMD² uses a Gaussian kernel whose bandwidth is the median distance over both sets, one per run and layer, or the sum of five such kernels with a quarter to four times its gamma; the unbiased estimate can be slightly negative, the biased one cannot (Gretton et al. 2012)."
            </p>
            <ul>
                <li>"D2P: between the tested network and the same one before fine-tuning: the divergence of arXiv 2601.15888."</li>
                <li>"D2R: between the tested network and random weights. D2S: between the tested network and the one trained from scratch with the same seed. Both are our interpretation of the study."</li>
                <li>"For features that are the same up to rotation and scale, CKA (Kornblith et al. 2019) is 1 and the Procrustes distance is 0."</li>
                <li>"SVCCA (Raghu et al. 2017) and PWCCA (Morcos et al. 2018) are means of canonical correlations, 1 for the same features up to any linear map; they are not shown where features have as many dimensions as rows, since all correlations are then 1. RSA is Spearman's correlation of the dissimilarities (1 - correlation) of all pairs of rows. Mutual nearest neighbours is the share of a row's ten nearest rows that is the same. The energy distance (squared) and the squared Fréchet distance compare distributions, as MMD² does. These six are of the tested network and at most 512 rows."</li>
            </ul>
            <p>"A smaller divergence or distance, or a larger similarity, is called closer alignment here."</p>
        </details>
    }
}

#[component]
fn RelationNumbers(relation: Relation) -> impl IntoView {
    let rows = [
        ("Spearman", relation.spearman),
        ("Spearman, backbone and task means removed", relation.centred),
        ("Pearson", relation.pearson),
        ("Kendall tau-b", relation.kendall),
    ]
    .map(|(name, correlation)| correlation_row(name, correlation))
    .collect_view();
    let left_out = relation
        .without_task
        .iter()
        .chain(&relation.without_backbone)
        .filter_map(|l| Some(format!("without {} {}", l.left_out, format::signed(l.spearman?, 2))))
        .collect::<Vec<_>>();
    let baselines = relation
        .baselines
        .iter()
        .filter_map(|d| Some(format!("{} {}", d.name, format::signed(d.spearman?, 2))))
        .collect::<Vec<_>>();
    let n = relation.points.len();
    // Two tables of one name could not be told apart by whoever hears them.
    let caption = match relation.outcome {
        Outcome::Gain => "Correlation of alignment with gain over cells",
        Outcome::Epochs => "Correlation of alignment with convergence over cells",
    };
    view! {
        {table_of(caption, [("Correlation", false), ("Value", true), ("95 % interval", true), ("p (permutation)", true), ("Smallest significant value", true)], rows)}
        <p class="quiet">
            {format!(
                "{} of {} and {}. Backbones and tasks are the units of sampling: p and the interval come from permutations of whole backbones and whole tasks, after averaging over ways of fine-tuning and shares of the training cases.",
                format::plural(n as u64, "cell"),
                format::plural(relation.backbones as u64, "backbone"),
                format::plural(relation.tasks as u64, "task"),
            )}
            {(!left_out.is_empty()).then(|| format!(" Spearman {}.", left_out.join(", ")))}
            {(!baselines.is_empty()).then(|| format!(" Simple baselines reach: {}.", baselines.join(", ")))}
        </p>
    }
}

fn correlation_row(name: &'static str, correlation: Option<Correlation>) -> AnyView {
    let Some(c) = correlation else {
        return view! {
            <tr><th scope="row">{name}</th><td colspan="4" class="quiet">"undefined: fewer than three points, or no variation"</td></tr>
        }
        .into_any();
    };
    let interval = c.interval.map_or_else(
        || "none: too few backbones or tasks".to_owned(),
        |i| format!("{} to {}", format::signed(i.low, 2), format::signed(i.high, 2)),
    );
    let p = c.p.map(|p| format!("{}{}", p_in_words(p), if c.exact { " (exact)" } else { "" }));
    let least = c.smallest.map(|smallest| match smallest.correlation {
        Some(least) => format::number(least, 2),
        None => format!("none: p is at least {}", p_in_words(smallest.least_p)),
    });
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td class="data-table__number">{format::signed(c.value, 2)}</td>
            <td class="data-table__number">{interval}</td>
            <td class="data-table__number">{p}</td>
            <td class="data-table__number">{least}</td>
        </tr>
    }
    .into_any()
}

/// What the same numbers are where nothing or everything is different.
#[component]
fn Controls(analysis: Analysis) -> impl IntoView {
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format::signed(v, 3));
    let rows = analysis
        .cells
        .iter()
        .filter_map(|cell| {
            let aligned = cell.aligned()?;
            Some(view! {
                <tr>
                    <th scope="row">{cell.key.backbone.clone()}</th>
                    <td>{cell.key.task.label()}</td>
                    <td>{aligned.layer.clone()}</td>
                    <td class="data-table__number">{format::signed(aligned.mean, 3)}</td>
                    <td class="data-table__number">{shown(cell.controls.identity)}</td>
                    <td class="data-table__number">{shown(cell.controls.random)}</td>
                    <td class="data-table__number">{shown(cell.controls.shuffled)}</td>
                    <td class="data-table__number">{format::number(aligned.bandwidth, 2)}</td>
                    <td class="data-table__number">{aligned.rows}</td>
                </tr>
            })
        })
        .collect_view();
    view! {
        <h3>"Values and controls"</h3>
        {table("Alignment and its controls by cell", [("Backbone", false), ("Task", false), ("Layer", false), (analysis.choice.measured.label(), true), ("Same weights (MMD², at most 0)", true), ("Random weights (MMD²)", true), ("Shuffled cases (CKA)", true), ("Bandwidth", true), ("Rows", true)], rows)}
    }
}

/// The chosen layer over epochs by task, and layers by epochs of every cell.
#[component]
fn Drift(analysis: Analysis, backbones: Vec<BackboneFacts>) -> impl IntoView {
    let curves = charts::drift_curves(&analysis, &backbones)
        .into_iter()
        .map(|data| view! { <div class="drift-grid__picture" inner_html=svg::convergence(&data, &inline(340, 240))></div> })
        .collect_view();
    let pictures = analysis
        .cells
        .iter()
        .filter_map(charts::drift)
        .map(|data| view! { <div class="drift-grid__picture" inner_html=svg::layer_heatmap(&data, &inline(340, 240))></div> })
        .collect::<Vec<_>>();
    (!pictures.is_empty()).then(|| {
        view! {
            <h3>"Drift over epochs"</h3>
            <p class="section__lead">{format!("{}, {} layer, mean over seeds.", analysis.choice.measured.label(), analysis.choice.layer.as_str())}</p>
            <div class="drift-grid">{curves}</div>
            <h3>"Drift by layer and epoch"</h3>
            <p class="section__lead">{format!("{}, mean over seeds.", analysis.choice.measured.label())}</p>
            <div class="drift-grid">{pictures}</div>
        }
    })
}
