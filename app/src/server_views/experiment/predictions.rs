//! What frozen features foretold, beside what came.

use leptos::prelude::*;
use transferscope_domain::{ExperimentId, prediction::Prediction};
use transferscope_study::{
    analysis::{
        Analysis,
        foretold::{self, Better, Foretold, SCORES},
    },
    statistics::{Correlation, p_in_words},
};

use super::way;
use crate::{
    base::to,
    context::Scoring,
    format,
    server_views::table::{table, table_of},
};

/// Scores by task and backbone, and how well each ranks the cells by gain.
#[component]
pub fn Predictions(predictions: Vec<Prediction>, analysis: Analysis) -> impl IntoView {
    if predictions.is_empty() {
        return view! { <p>"No scores of frozen features yet. They take seconds per backbone."</p> }
            .into_any();
    }
    // Scores are of a backbone, cells also of a way to adapt it: those of one way are held against them.
    let ways = || analysis.cells.iter().map(|c| (c.key.adaptation, c.key.label_share));
    let beside = foretold::beside(&analysis);
    let several = ways().any(|way| Some(way) != beside);
    let of_which = beside.filter(|_| several).map(|(adaptation, share)| {
        format!(" The gains are those of one fine-tuning setting: {}.", way(adaptation, share))
    });
    let told = foretold::foretelling(&analysis, &predictions);
    let better = better(&told.pairs);
    view! {
            <p class="section__lead">
                "Scores of the pre-trained features alone, from one pass over the training cases; higher is better for all scores. Random weights are the control."
            </p>
            {scores_explained(&predictions)}
            {scores(&predictions, &analysis)}
            <h3>"How well each ranks the cells"</h3>
            {rankings(&told.scores)}
            <p class="quiet">
                "p comes from permutations of whole backbones and whole tasks. With the means removed, a correlation shows whether the score predicts which backbone suits which task."
                {(!better.is_empty()).then(|| format!(" Comparison of the scores (means removed): {better}."))}
                {of_which}
            </p>
    }
    .into_any()
}

/// What each score is, and of how many cases.
fn scores_explained(predictions: &[Prediction]) -> impl IntoView + use<> {
    view! {
        <details class="disclosure">
            <summary>"What the scores are"</summary>
            <p>
                "LogME: evidence of a linear model with an intercept (You et al. 2021). H-score: share of the features' variance that lies between classes, with a shrunk covariance (Ibrahim et al. 2022); for class labels only. N-LEEP and NCE: how well clusters of the features, five for each class, predict the labels (Li et al. 2021; Tran et al. 2019), in nats; for class labels only. k-NN: balanced accuracy or R² from the five nearest rows of other patients. Linear probe: the same from a ridge regression, on patients that it was not fitted to."
            </p>
            <ul>
                {predictions
                    .iter()
                    .map(|p| view! { <li>{format!("{}: {}, {} cases.", p.task.label(), p.target, p.cases)}</li> })
                    .collect_view()}
            </ul>
        </details>
    }
}

/// Scores by task and backbone, beside the gain that came.
fn scores(predictions: &[Prediction], analysis: &Analysis) -> impl IntoView + use<> {
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
            let came = foretold::gain(analysis, p.task, &b.backbone).map(|g| format::signed(g, 1));
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
    let mut columns = vec![("Backbone", false), ("Task", false)];
    columns.extend(SCORES.map(|(name, _)| (name, true)));
    columns.push(("Actual gain (%)", true));
    table_of("Scores of frozen features by backbone and task", columns, rows)
}

/// How well each score ranks the cells by gain.
fn rankings(scores: &[Foretold]) -> impl IntoView + use<> {
    let rows = scores
        .iter()
        .map(|f| {
            let best = match f.best_named {
                (_, 0) => "–".to_owned(),
                (right, of) => format!("{right} of {}", format::plural(of as u64, "task")),
            };
            let n = f.raw.map_or(0, |c| c.n);
            view! {
                <tr>
                    <th scope="row">{f.score.clone()}</th>
                    <td class="data-table__number">{n}</td>
                    <td class="data-table__number">{correlation(f.raw)}</td>
                    <td class="data-table__number">{correlation(f.centred)}</td>
                    <td class="data-table__number">{best}</td>
                </tr>
            }
        })
        .collect_view();
    table(
        "Spearman's correlation of each score with the actual gain",
        [
            ("Score", false),
            ("Cells", true),
            ("Raw", true),
            ("Backbone and task means removed", true),
            ("Best backbone predicted", true),
        ],
        rows,
    )
}

/// A correlation with its p-value and the smallest one that the table could tell from none.
fn correlation(c: Option<Correlation>) -> String {
    let Some(c) = c else { return "–".into() };
    let p = c.p.map(|p| format!(", p {}", p_in_words(p))).unwrap_or_default();
    let least = match c.smallest.and_then(|s| s.correlation) {
        Some(least) => format!("; significant from {}", format::number(least, 2)),
        None => "; no value could be significant here".into(),
    };
    format!("{}{p}{least}", format::signed(c.value, 2))
}

/// Which score ranks the cells better than which other, in words; empty without pairs.
fn better(pairs: &[Better]) -> String {
    pairs
        .iter()
        .map(|b| {
            let p = match (b.williams_p, b.steiger_p) {
                (Some(w), Some(s)) => format!("p {} (Williams), {} (Steiger)", p_in_words(w), p_in_words(s)),
                (Some(p), None) => format!("p {} (Williams)", p_in_words(p)),
                (None, Some(p)) => format!("p {} (Steiger)", p_in_words(p)),
                (None, None) => "too few cells for a test".into(),
            };
            format!("{} minus {} {}, {p}", b.one, b.other, format::signed(b.difference, 2))
        })
        .collect::<Vec<_>>()
        .join("; ")
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
                    <a href=to(&format!("/experiments/{id}")) rel="external">"Load this page again"</a>
                    " to see the progress."
                </p>
            }
            .into_any();
        }
        Scoring::Failed(reason) => Some(reason),
        Scoring::Idle => None,
    };
    view! {
        {failed.map(|reason| view! { <p class="notice notice--warn">"The scores could not be computed: "{reason}"."</p> })}
        <form method="post" action=to(&format!("/experiments/{id}/predict"))>
            <button type="submit" class="button">"Score all backbones on these tasks"</button>
            " "
            <span class="quiet">"Or: "<code>{format!("transferscope predict --dataset {dataset}")}</code></span>
        </form>
    }
    .into_any()
}
