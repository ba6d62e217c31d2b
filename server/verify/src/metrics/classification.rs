//! `metrics/classification.json`: scores of decisions, grades and quantities, by scikit-learn and torchmetrics.
//!
//! An object's keys say what it is: `y` and `score` are yes-or-no cases, `indices` a bootstrap of another
//! object's cases, `classes` grades, and a `truth` without them quantities.

use serde_json::{Map, Value};
use transferscope_imaging::metrics::{self, Confusion, Decisions, KappaWeight};

use crate::{Cases, Folder, Problem, Tolerance, number, numbers, whole};

pub const FILE: &str = "metrics/classification.json";

/// In double precision, and of torchmetrics, which computes in single.
const TOLERANCE: Tolerance = Tolerance::absolute(1e-9);
const SINGLE: Tolerance = Tolerance::absolute(1e-6);
/// Most classes of an object, so that its confusion matrix stays small.
const CLASSES: usize = 1000;

type Object = Map<String, Value>;

/// Compares every object.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(FILE)?;
    let top = json.as_object().ok_or_else(|| Problem::new(format!("{FILE} is no JSON object")))?;
    for (name, value) in top {
        let compare = match value.as_object() {
            None => Err(Problem::new("no JSON object")),
            Some(object) if object.contains_key("score") => binary(name, object, cases),
            Some(object) if object.contains_key("indices") => bootstrap(name, object, top, cases),
            Some(object) if object.contains_key("classes") => ordinal(name, object, cases),
            Some(object) if object.contains_key("truth") => regression(name, object, cases),
            Some(_) => Err(Problem::new("no check is for an object with these keys")),
        };
        if let Err(problem) = compare {
            cases.problem(FILE, &Problem::new(format!("{name}: {problem}")));
        }
    }
    Ok(())
}

fn list(object: &Object, key: &str) -> Result<Vec<f64>, Problem> {
    numbers(object.get(key).ok_or_else(|| Problem::new(format!("no {key}")))?)
}

/// Two lists of one length.
fn same_length<T, U>(a: &[T], b: &[U]) -> Result<(), Problem> {
    if a.len() == b.len() {
        return Ok(());
    }
    Err(Problem::new(format!("lists of {} and {} values belong to each other", a.len(), b.len())))
}

/// What is undefined is NaN in the file.
fn or_nan(score: Option<f64>) -> Vec<f64> {
    vec![score.unwrap_or(f64::NAN)]
}

/// Scores and truth of yes-or-no cases.
fn decisions(object: &Object) -> Result<(Vec<f64>, Vec<bool>), Problem> {
    let (scores, truth) = (list(object, "score")?, list(object, "y")?);
    same_length(&scores, &truth)?;
    if let Some(other) = truth.iter().find(|v| **v != 0.0 && **v != 1.0) {
        return Err(Problem::new(format!("y holds {other}: 0 or 1 was expected")));
    }
    Ok((scores, truth.iter().map(|v| *v == 1.0).collect()))
}

fn binary(name: &str, object: &Object, cases: &mut Cases) -> Result<(), Problem> {
    let (scores, truth) = decisions(object)?;
    for (key, theirs) in object {
        if matches!(key.as_str(), "y" | "score" | "note") {
            continue;
        }
        let curve = match key.as_str() {
            "roc" => metrics::roc(&scores, &truth).map(|c| {
                vec![
                    ("fpr", c.false_positive_rate),
                    ("tpr", c.true_positive_rate),
                    ("threshold", c.threshold),
                ]
            }),
            "precision_recall" => metrics::precision_recall(&scores, &truth)
                .map(|c| vec![("precision", c.precision), ("recall", c.recall)]),
            _ => {
                match binary_score(key, &scores, &truth)? {
                    Some((ours, tolerance)) => {
                        cases.compare(FILE, &format!("{name}.{key}"), &ours, &numbers(theirs)?, tolerance);
                    }
                    None => unknown(name, key, cases),
                }
                continue;
            }
        };
        let curve = curve.ok_or_else(|| Problem::new(format!("{key} of one class")))?;
        let axes = theirs.as_object().ok_or_else(|| Problem::new(format!("{key} is no JSON object")))?;
        for (axis, theirs) in axes {
            match curve.iter().find(|(known, _)| known == axis) {
                Some((_, ours)) => {
                    let name = format!("{name}.{key}.{axis}");
                    cases.compare(FILE, &name, ours, &numbers(theirs)?, TOLERANCE);
                }
                None => unknown(name, axis, cases),
            }
        }
    }
    Ok(())
}

/// A score by its key; none where it is unknown.
fn binary_score(key: &str, scores: &[f64], truth: &[bool]) -> Result<Option<(Vec<f64>, Tolerance)>, Problem> {
    if let Some(at_least) = key.strip_prefix("sensitivity_at_specificity_") {
        let score = metrics::sensitivity_at_specificity(scores, truth, parsed(at_least)?);
        return Ok(Some((or_nan(score), SINGLE)));
    }
    if let Some(at_least) = key.strip_prefix("specificity_at_sensitivity_") {
        let score = metrics::specificity_at_sensitivity(scores, truth, parsed(at_least)?);
        return Ok(Some((or_nan(score), SINGLE)));
    }
    if let Some((measure, threshold)) = key.split_once("_at_") {
        let d = Decisions::at(scores, truth, parsed(threshold)?);
        let score = match measure {
            "balanced_accuracy" => d.balanced_accuracy(),
            "accuracy" => d.accuracy(),
            // scikit-learn says 0 where there is nothing to find and nothing was called.
            "f1" => d.f1().or(Some(0.0)),
            _ => return Ok(None),
        };
        return Ok(Some((or_nan(score), TOLERANCE)));
    }
    let (score, tolerance) = match key {
        "auroc" => (metrics::auroc(scores, truth), TOLERANCE),
        "average_precision" => (metrics::average_precision(scores, truth), TOLERANCE),
        "torchmetrics_auroc" => (metrics::auroc(scores, truth), SINGLE),
        "torchmetrics_average_precision" => (metrics::average_precision(scores, truth), SINGLE),
        "brier" => (metrics::brier(scores, truth), TOLERANCE),
        "log_loss" => (metrics::log_loss(scores, truth), TOLERANCE),
        "confusion_tn_fp_fn_tp" => {
            let d = Decisions::at(scores, truth, 0.5);
            let counts = [d.true_negatives, d.false_positives, d.false_negatives, d.true_positives];
            return Ok(Some((counts.map(|n| n as f64).to_vec(), Tolerance::EXACT)));
        }
        _ => return Ok(None),
    };
    Ok(Some((or_nan(score), tolerance)))
}

/// A number in a key, with `p` or a point.
fn parsed(text: &str) -> Result<f64, Problem> {
    text.replace('p', ".").parse().map_err(|_| Problem::new(format!("{text} in a key is no number")))
}

fn unknown(name: &str, key: &str, cases: &mut Cases) {
    cases.unknown(FILE, &format!("{name}.{key}"));
}

/// AUROC of resamples of another object's cases.
fn bootstrap(name: &str, object: &Object, top: &Object, cases: &mut Cases) -> Result<(), Problem> {
    let case = object.get("case").and_then(Value::as_str).unwrap_or_default();
    let case = top.get(case).and_then(Value::as_object);
    let (scores, truth) = decisions(case.ok_or_else(|| Problem::new("no case to resample"))?)?;
    let rows = object.get("indices").and_then(Value::as_array);
    let resamples: Vec<Vec<usize>> = rows
        .ok_or_else(|| Problem::new("indices is no list"))?
        .iter()
        .map(|row| {
            let row = row.as_array().ok_or_else(|| Problem::new("indices holds what is no list"))?;
            row.iter().map(|index| whole(index, "an index", 0)).collect()
        })
        .collect::<Result<_, _>>()?;
    if let Some(outside) = resamples.iter().flatten().find(|i| **i >= scores.len()) {
        return Err(Problem::new(format!("index {outside} of {} cases", scores.len())));
    }
    let area = |sample: &Vec<usize>| {
        let (scores, truth): (Vec<f64>, Vec<bool>) = sample.iter().map(|i| (scores[*i], truth[*i])).unzip();
        metrics::auroc(&scores, &truth).unwrap_or(f64::NAN)
    };
    for (key, theirs) in object {
        match key.as_str() {
            "case" | "indices" | "note" => {}
            "values" => {
                let ours: Vec<f64> = resamples.iter().map(area).collect();
                cases.compare(FILE, &format!("{name}.{key}"), &ours, &numbers(theirs)?, TOLERANCE);
            }
            _ => unknown(name, key, cases),
        }
    }
    Ok(())
}

fn grades(object: &Object, key: &str) -> Result<Vec<usize>, Problem> {
    let values = object.get(key).and_then(Value::as_array);
    let values = values.ok_or_else(|| Problem::new(format!("no list {key}")))?;
    values.iter().map(|v| whole(v, key, 0)).collect()
}

fn ordinal(name: &str, object: &Object, cases: &mut Cases) -> Result<(), Problem> {
    let classes = whole(object.get("classes").unwrap_or(&Value::Null), "classes", 1)?;
    if classes > CLASSES {
        return Err(Problem::new(format!("{classes} classes, more than {CLASSES}")));
    }
    let (truth, prediction) = (grades(object, "truth")?, grades(object, "prediction")?);
    same_length(&truth, &prediction)?;
    let confusion = Confusion::of(&prediction, &truth, classes)
        .ok_or_else(|| Problem::new(format!("a class that is not below {classes}")))?;
    let rows = match object.get("probabilities").and_then(Value::as_array) {
        Some(rows) => rows.iter().map(numbers).collect::<Result<Vec<_>, _>>()?,
        None => Vec::new(),
    };
    let complete = rows.len() == truth.len() && rows.iter().all(|row| row.len() == classes);
    for (key, theirs) in object {
        let score = match key.as_str() {
            "classes" | "truth" | "prediction" | "probabilities" | "note" => continue,
            "confusion" => {
                let ours: Vec<f64> = confusion.counts.iter().map(|n| *n as f64).collect();
                cases.compare(FILE, &format!("{name}.{key}"), &ours, &numbers(theirs)?, Tolerance::EXACT);
                continue;
            }
            "kappa_quadratic" => confusion.kappa(KappaWeight::Quadratic),
            "kappa_linear" => confusion.kappa(KappaWeight::Linear),
            "kappa_unweighted" => confusion.kappa(KappaWeight::None),
            "balanced_accuracy" => confusion.balanced_accuracy(),
            "accuracy" => confusion.accuracy(),
            "f1_macro" => confusion.macro_f1(),
            "auroc_ovr_macro" if complete => metrics::auroc_one_vs_rest(&rows, &truth, classes),
            "auroc_ovo_macro" if complete => metrics::auroc_one_vs_one(&rows, &truth, classes),
            "mean_absolute_error" => {
                let wide = |grades: &[usize]| grades.iter().map(|g| *g as f64).collect::<Vec<_>>();
                metrics::mean_absolute_error(&wide(&prediction), &wide(&truth))
            }
            _ => {
                unknown(name, key, cases);
                continue;
            }
        };
        cases.compare(FILE, &format!("{name}.{key}"), &or_nan(score), &[number(theirs)?], TOLERANCE);
    }
    Ok(())
}

fn regression(name: &str, object: &Object, cases: &mut Cases) -> Result<(), Problem> {
    let (truth, prediction) = (list(object, "truth")?, list(object, "prediction")?);
    same_length(&truth, &prediction)?;
    for (key, theirs) in object {
        let score = match key.as_str() {
            "truth" | "prediction" | "note" => continue,
            "mae" => metrics::mean_absolute_error(&prediction, &truth),
            "mse" => metrics::mean_squared_error(&prediction, &truth),
            "r2" => metrics::r_squared(&prediction, &truth),
            _ => {
                unknown(name, key, cases);
                continue;
            }
        };
        cases.compare(FILE, &format!("{name}.{key}"), &or_nan(score), &[number(theirs)?], TOLERANCE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_score_passes() {
        assert_file_passes(FILE);
    }
}
