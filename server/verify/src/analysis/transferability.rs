//! `analysis/transferability.json`: LogME, H-score, LEEP and NCE.

use std::collections::BTreeSet;

use nalgebra::DMatrix;
use transferscope_study::transferability::{Stop, h_score, leep, logme_values, nce};

use super::keys::{Object, Told, list, matrix, object, places, tensors};
use crate::{Cases, Folder, Problem, Tensors, Tolerance};

pub const FILE: &str = "analysis/transferability.json";

const TOLERANCE: Tolerance = Tolerance::absolute(1e-6);
/// More classes are no labels.
const CLASSES_MAX: usize = 10_000;

/// Compares every object.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(FILE)?;
    let inputs = tensors(folder)?;
    let mut told = Told { file: FILE, cases };
    for (name, value) in object(&json, FILE)? {
        let compared = object(value, name).and_then(|object| {
            let has = |what: &str| inputs.has(&format!("transfer.{name}.{what}"));
            if has("source_probabilities") {
                of_source(name, object, &inputs, &mut told)
            } else if has("targets") {
                of_values(name, object, &inputs, &mut told)
            } else {
                of_classes(name, object, &inputs, &mut told)
            }
        });
        if let Err(problem) = compared {
            told.problem(name, &problem);
        }
    }
    Ok(())
}

fn labels(inputs: &Tensors, name: &str, rows: usize) -> Result<Vec<usize>, Problem> {
    let labels = places(&inputs.get(name)?.data, CLASSES_MAX, name)?;
    if labels.len() == rows {
        return Ok(labels);
    }
    Err(Problem::new(format!("{name} has {} labels for {rows} rows", labels.len())))
}

fn features(inputs: &Tensors, name: &str) -> Result<DMatrix<f64>, Problem> {
    let x = matrix(inputs, &format!("transfer.{name}.features"))?;
    if x.iter().all(|v| v.is_finite()) { Ok(x) } else { Err(Problem::new("features are not finite")) }
}

/// A column for each class that occurs: each against the rest.
fn one_hot(classes: &[usize]) -> DMatrix<f64> {
    let found: Vec<usize> = BTreeSet::from_iter(classes).into_iter().copied().collect();
    DMatrix::from_fn(classes.len(), found.len(), |i, c| f64::from(u8::from(classes[i] == found[c])))
}

fn of_classes(name: &str, object: &Object, inputs: &Tensors, told: &mut Told<'_>) -> Result<(), Problem> {
    let x = features(inputs, name)?;
    let classes = labels(inputs, &format!("transfer.{name}.labels"), x.nrows())?;
    let score = h_score(&x, &classes);
    let labels = one_hot(&classes);
    for (key, theirs) in object {
        let ours = match key.as_str() {
            "logme" | "logme_second_route" => logme_values(&x, &labels, Stop::Published),
            "logme_converged_1e_12" => logme_values(&x, &labels, Stop::Converged),
            "h_score" | "h_score_pinv_rcond_1e-15_second_route" => score.map(|s| s.plain),
            "h_score_shrunk_ledoit_wolf" => score.and_then(|s| s.shrunk),
            "ledoit_wolf_shrinkage" => score.map(|s| s.shrinkage),
            _ => {
                told.unknown(&format!("{name}/{key}"));
                continue;
            }
        };
        told.one(&format!("{name}/{key}"), ours, theirs, TOLERANCE)?;
    }
    Ok(())
}

fn of_values(name: &str, object: &Object, inputs: &Tensors, told: &mut Told<'_>) -> Result<(), Problem> {
    let x = features(inputs, name)?;
    let y = matrix(inputs, &format!("transfer.{name}.targets"))?;
    if y.nrows() != x.nrows() {
        return Err(Problem::new(format!("{} targets for {} rows", y.nrows(), x.nrows())));
    }
    for (key, theirs) in object {
        let stop = match key.as_str() {
            "logme" | "logme_second_route" => Stop::Published,
            "logme_converged_1e_12" => Stop::Converged,
            _ => {
                told.unknown(&format!("{name}/{key}"));
                continue;
            }
        };
        told.one(&format!("{name}/{key}"), logme_values(&x, &y, stop), theirs, TOLERANCE)?;
    }
    Ok(())
}

fn of_source(name: &str, object: &Object, inputs: &Tensors, told: &mut Told<'_>) -> Result<(), Problem> {
    let probabilities = matrix(inputs, &format!("transfer.{name}.source_probabilities"))?;
    let rows = probabilities.nrows();
    let labels_of_task = labels(inputs, &format!("transfer.{name}.labels"), rows)?;
    let certain: Vec<usize> = probabilities.row_iter().map(|row| row.transpose().imax()).collect();
    for (key, theirs) in object {
        let what = format!("{name}/{key}");
        let ours = match key.as_str() {
            "leep" => leep(&probabilities, &labels_of_task),
            "nce" => {
                nce(&places(&list(object, "source_labels")?, CLASSES_MAX, "source_labels")?, &labels_of_task)
            }
            "source_labels" => {
                // The likeliest source class; the same stand in the file of tensors, where it has them.
                let theirs = list(object, key)?;
                let ours: Vec<f64> = match inputs.has("transfer.nce.source_labels") {
                    true => inputs.get("transfer.nce.source_labels")?.data,
                    false => certain.iter().map(|c| *c as f64).collect(),
                };
                told.many(&what, &ours, &theirs, Tolerance::EXACT);
                continue;
            }
            _ => {
                told.unknown(&what);
                continue;
            }
        };
        told.one(&what, ours, theirs, TOLERANCE)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_score_passes() {
        crate::tests::assert_file_passes(super::FILE);
    }
}
