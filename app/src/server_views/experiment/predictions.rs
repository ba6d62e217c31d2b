//! What frozen features foretold, beside what came.

use leptos::prelude::*;
use transferscope_domain::{
    Adaptation, ExperimentId, Task,
    prediction::{BackboneScores, Prediction},
};
use transferscope_study::{
    analysis::{Analysis, Cell},
    statistics::Measure,
};

use super::way;
use crate::{context::Scoring, format, server_views::table::table};

/// A score by its name.
type Score = (&'static str, fn(&BackboneScores) -> Option<f64>);

const SCORES: [Score; 4] = [
    ("LogME", |s| s.logme),
    ("H-score", |s| s.h_score),
    ("k-NN", |s| s.knn),
    ("Linear probe", |s| s.linear_probe),
];

/// On how many tasks the backbone that a score ranks first is the one that gained most, and on how many that can be
/// said: two backbones have both.
fn named_best(
    predictions: &[Prediction],
    of: fn(&BackboneScores) -> Option<f64>,
    gain: &dyn Fn(Task, &str) -> Option<f64>,
) -> (u64, u64) {
    let mut counts = (0, 0);
    for prediction in predictions {
        let both: Vec<(f64, f64)> = prediction
            .backbones
            .iter()
            .filter_map(|b| Some((of(b)?, gain(prediction.task, &b.backbone)?)))
            .collect();
        let largest = |pick: fn(&(f64, f64)) -> f64| both.iter().map(pick).fold(f64::NEG_INFINITY, f64::max);
        let first = largest(|b| b.0);
        if both.len() > 1 {
            counts.1 += 1;
            counts.0 += u64::from(both.iter().any(|b| b.0 == first && b.1 == largest(|b| b.1)));
        }
    }
    counts
}

/// Scores by task and backbone, and how well each ranks the cells by gain.
#[component]
pub fn Predictions(predictions: Vec<Prediction>, analysis: Analysis) -> impl IntoView {
    if predictions.is_empty() {
        return view! { <p>"No scores of frozen features yet. They take seconds a backbone."</p> }.into_any();
    }
    // Scores are of a backbone, cells also of a way to adapt it: those of one way are held against them.
    let ways = || analysis.cells.iter().map(|c| (c.key.adaptation, c.key.label_share));
    let usual = (Adaptation::Full, 1.0);
    let beside = if ways().any(|way| way == usual) { Some(usual) } else { ways().next() };
    let gain = |task: Task, backbone: &str| {
        let of = |c: &&Cell| c.key.task == task && c.key.backbone == backbone;
        let cell = analysis
            .cells
            .iter()
            .filter(of)
            .find(|c| Some((c.key.adaptation, c.key.label_share)) == beside)?;
        Some(cell.gain(analysis.choice.against)?.mean)
    };
    let several = ways().any(|way| Some(way) != beside);
    let of_which = beside.filter(|_| several).map(|(adaptation, share)| {
        format!(" The gains are those of one way of fine-tuning: {}.", way(adaptation, share))
    });
    let rows = predictions
        .iter()
        .flat_map(|p| p.backbones.iter().map(move |b| (p, b)))
        .map(|(p, b)| {
            let scores = SCORES
                .map(|(_, of)| {
                    let shown = of(b).map_or_else(|| "–".to_owned(), |v| format::signed(v, 3));
                    view! { <td class="data-table__number">{shown}</td> }
                })
                .collect_view();
            let came = gain(p.task, &b.backbone).map(|g| format::signed(g, 1));
            view! {
                <tr>
                    <th scope="row">{b.backbone.clone()}</th>
                    <td>{p.task.label()}</td>
                    {scores}
                    <td class="data-table__number">{came}</td>
                </tr>
            }
        })
        .collect_view();
    // Of tasks that nobody has learnt gains are noise, and nothing is right or wrong about them.
    let counted = |task: Task| analysis.choice.unlearnt || !analysis.unlearnt.contains(&task);
    let told: Vec<Prediction> = predictions.iter().filter(|p| counted(p.task)).cloned().collect();
    let right = SCORES
        .map(|(name, of)| {
            let points: Vec<(f64, f64)> = told
                .iter()
                .flat_map(|p| p.backbones.iter().map(move |b| (p, b)))
                .filter_map(|(p, b)| Some((of(b)?, gain(p.task, &b.backbone)?)))
                .collect();
            let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
            let tau = match Measure::Kendall.of(&x, &y) {
                Some(tau) if x.len() > 2 => {
                    format!("{name} {} over {} cells", format::signed(tau, 2), x.len())
                }
                _ => format!("{name} undefined over {}", format::plural(x.len() as u64, "cell")),
            };
            match named_best(&told, of, &gain) {
                (_, 0) => tau,
                (right, of) => {
                    format!("{tau}, the best backbone named on {right} of {}", format::plural(of, "task"))
                }
            }
        })
        .join("; ");
    let [logme, h_score, knn, probe] = SCORES.map(|(name, _)| (name, true));
    let columns =
        [("Backbone", false), ("Task", false), logme, h_score, knn, probe, ("Gain that came (%)", true)];
    view! {
            <p class="section__lead">
                "Scores of the pre-trained features alone, from one pass over the training cases; higher is better in all. Random weights are the control."
            </p>
            <details class="disclosure">
                <summary>"What the scores are"</summary>
                <p>
                    "LogME: evidence of a linear model (You et al. 2021). H-score: share of the features' spread that lies between classes (Bao et al. 2019); of labels only. k-NN: balanced accuracy or R² of the five nearest rows of other patients. Linear probe: the same of a ridge regression on patients that it was not fitted on."
                </p>
                <ul>
                    {predictions
                        .iter()
                        .map(|p| view! { <li>{format!("{}: {}, {} cases.", p.task.label(), p.target, p.cases)}</li> })
                        .collect_view()}
                </ul>
            </details>
            {table("Scores of frozen features by backbone and task", columns, rows)}
            <p class="quiet">
                {format!("How well each ranks the cells by the gain that came (Kendall tau-b): {right}.")}
                {of_which}
            </p>
    }
    .into_any()
}

/// Makes the scores, or says what is under way.
#[component]
pub fn Score(id: ExperimentId, scoring: Scoring, dataset: String) -> impl IntoView {
    let failed = match scoring {
        Scoring::Busy(words) => {
            return view! {
                <p role="status">
                    {words}
                    " "
                    <a href=format!("/experiments/{id}") rel="external">"Load this page again"</a>
                    " to see how far it is."
                </p>
            }
            .into_any();
        }
        Scoring::Failed(reason) => Some(reason),
        Scoring::Idle => None,
    };
    view! {
        {failed.map(|reason| view! { <p class="notice notice--warn">"The scores could not be made: "{reason}"."</p> })}
        <form method="post" action=format!("/experiments/{id}/predict")>
            <button type="submit" class="button">"Score all backbones on these tasks"</button>
            " "
            <span class="quiet">"Or: "<code>{format!("transferscope predict --dataset {dataset}")}</code></span>
        </form>
    }
    .into_any()
}
