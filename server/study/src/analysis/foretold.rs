//! How well scores of frozen features foretold the gains that came.

use serde::{Deserialize, Serialize};
use transferscope_domain::{
    Adaptation, Task,
    prediction::{BackboneScores, Prediction},
};

use super::{Analysis, SEED};
use crate::statistics::{Centring, Correlation, Draws, Measure, Table, steiger, williams};

/// A score by its name.
pub type Score = (&'static str, fn(&BackboneScores) -> Option<f64>);

/// The scores that pages show, in their order.
pub const SCORES: [Score; 6] = [
    ("LogME", |s| s.logme),
    ("H-score", |s| s.h_score),
    ("N-LEEP", |s| s.leep),
    ("NCE", |s| s.nce),
    ("k-NN", |s| s.knn),
    ("Linear probe", |s| s.linear_probe),
];

/// What one score foretold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Foretold {
    pub score: String,
    /// Spearman's correlation with the gain that came, over the table of backbones and tasks.
    pub raw: Option<Correlation>,
    /// The same with the means of backbones and tasks taken out: whether it says which backbone fits which task.
    pub centred: Option<Correlation>,
    /// On how many tasks the backbone that it puts first is the one that gained most, and on how many that can be said.
    pub best_named: (usize, usize),
}

/// Whether one score is better than another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Better {
    pub one: String,
    pub other: String,
    /// Difference of their double-centred correlations with the gain.
    pub difference: f64,
    /// Two-sided, of Williams' t and of Steiger's z; the centred cells count as `(backbones - 1)(tasks - 1) + 1` points.
    pub williams_p: Option<f64>,
    pub steiger_p: Option<f64>,
}

/// Both for all scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Foretelling {
    pub scores: Vec<Foretold>,
    pub pairs: Vec<Better>,
}

/// The way of fine-tuning whose gains scores are held against: the usual one where there is such a cell.
pub fn beside(analysis: &Analysis) -> Option<(Adaptation, f64)> {
    let ways = || analysis.cells.iter().map(|c| (c.key.adaptation, c.key.label_share));
    let usual = (Adaptation::Full, 1.0);
    if ways().any(|way| way == usual) { Some(usual) } else { ways().next() }
}

/// The relative gain of a backbone on a task, by the way of [`beside`].
pub fn gain(analysis: &Analysis, task: Task, backbone: &str) -> Option<f64> {
    let way = beside(analysis)?;
    let of = |c: &&super::Cell| {
        c.key.task == task && c.key.backbone == backbone && (c.key.adaptation, c.key.label_share) == way
    };
    analysis.cells.iter().find(of)?.gain(analysis.choice.against)?.mean
}

/// A backbone's place, a task's place, and the values there.
type Points = Vec<(usize, usize, f64, f64)>;

/// What the predictions of some tasks foretold of an analysis; tasks that do not count for its findings are left out.
pub fn foretelling(analysis: &Analysis, predictions: &[Prediction]) -> Foretelling {
    let counts = |p: &&Prediction| analysis.choice.unlearnt || !analysis.unlearnt.contains(&p.task);
    let predictions: Vec<&Prediction> = predictions.iter().filter(counts).collect();
    let mut backbones: Vec<&str> = Vec::new();
    for scores in predictions.iter().flat_map(|p| &p.backbones) {
        if !backbones.contains(&scores.backbone.as_str()) {
            backbones.push(&scores.backbone);
        }
    }
    let points = |x: fn(&BackboneScores) -> Option<f64>,
                  y: &dyn Fn(&Prediction, &BackboneScores) -> Option<f64>| {
        let mut points: Points = Vec::new();
        for (column, prediction) in predictions.iter().enumerate() {
            for (row, backbone) in backbones.iter().enumerate() {
                let scores = prediction.backbones.iter().find(|b| b.backbone == *backbone);
                if let Some((x, y)) = scores.and_then(|b| Some((x(b)?, y(prediction, b)?))) {
                    points.push((row, column, x, y));
                }
            }
        }
        compact(points)
    };
    let came = |p: &Prediction, b: &BackboneScores| gain(analysis, p.task, &b.backbone);
    let scores = SCORES
        .map(|(name, of)| {
            let table = Table::new(points(of, &came));
            let correlation = |centring| table.correlation(Measure::Spearman, centring, Draws::usual(SEED));
            Foretold {
                score: name.to_owned(),
                raw: correlation(Centring::Raw),
                centred: correlation(Centring::Double),
                best_named: best_named(&predictions, of, &|p, b| came(p, b)),
            }
        })
        .into();
    let mut pairs = Vec::new();
    for (i, (one, of)) in SCORES.iter().enumerate() {
        for (other, of_other) in &SCORES[i + 1..] {
            // Over cells that have the gain and both scores.
            let mut cells = Vec::new();
            for (column, prediction) in predictions.iter().enumerate() {
                for (row, backbone) in backbones.iter().enumerate() {
                    let scores = prediction.backbones.iter().find(|b| b.backbone == *backbone);
                    let all = |b: &BackboneScores| Some([of(b)?, of_other(b)?, came(prediction, b)?]);
                    cells.extend(scores.and_then(all).map(|values| (row, column, values)));
                }
            }
            pairs.extend(better(one, other, &cells));
        }
    }
    Foretelling { scores, pairs }
}

/// Whether one score is better than another over cells of a row and a column, each with both scores and the gain; none
/// for too few cells or where something does not vary.
pub fn better(one: &str, other: &str, cells: &[(usize, usize, [f64; 3])]) -> Option<Better> {
    let points = |x: usize, y: usize| -> Points {
        compact(cells.iter().map(|(row, column, values)| (*row, *column, values[x], values[y])).collect())
    };
    let value = |points: Points| Table::new(points).value(Measure::Spearman, Centring::Double);
    let n = freedom(&points(0, 2)) + 1;
    let (a, b, c) = (value(points(0, 2))?, value(points(1, 2))?, value(points(0, 1))?);
    Some(Better {
        one: one.to_owned(),
        other: other.to_owned(),
        difference: a - b,
        williams_p: williams(a, b, c, n).map(|t| t.p),
        steiger_p: steiger(a, b, c, n).map(|t| t.p),
    })
}

/// Rows and columns without a point fall out.
fn compact(points: Points) -> Points {
    let order = |of: fn(&(usize, usize, f64, f64)) -> usize| {
        let mut all: Vec<usize> = points.iter().map(of).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (rows, columns) = (order(|p| p.0), order(|p| p.1));
    let place = |all: &[usize], wanted: usize| all.iter().position(|v| *v == wanted).unwrap_or(0);
    points.iter().map(|p| (place(&rows, p.0), place(&columns, p.1), p.2, p.3)).collect()
}

/// Points less what the means of rows and columns take, of a table that [`compact`] has made.
fn freedom(points: &Points) -> usize {
    let count = |of: fn(&(usize, usize, f64, f64)) -> usize| points.iter().map(of).max().map_or(0, |m| m + 1);
    (points.len() + 1).saturating_sub(count(|p| p.0) + count(|p| p.1))
}

fn best_named(
    predictions: &[&Prediction],
    of: fn(&BackboneScores) -> Option<f64>,
    gain: &dyn Fn(&Prediction, &BackboneScores) -> Option<f64>,
) -> (usize, usize) {
    let mut counts = (0, 0);
    for prediction in predictions {
        let both: Vec<(f64, f64)> =
            prediction.backbones.iter().filter_map(|b| Some((of(b)?, gain(prediction, b)?))).collect();
        let largest = |pick: fn(&(f64, f64)) -> f64| both.iter().map(pick).fold(f64::NEG_INFINITY, f64::max);
        let first = largest(|b| b.0);
        if both.len() > 1 {
            counts.1 += 1;
            counts.0 += usize::from(both.iter().any(|b| b.0 == first && b.1 == largest(|b| b.1)));
        }
    }
    counts
}
