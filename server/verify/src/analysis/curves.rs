//! `analysis/learning_curves.json`: areas, and when thresholds are reached.

use serde_json::Value;
use transferscope_domain::Direction;
use transferscope_study::{
    convergence::{Point, Reached, area, epochs_to_value, running_best},
    statistics::mean,
};

use super::keys::{Object, Told, field, list, object, scalar};
use crate::{Cases, Folder, Problem, Tolerance};

pub const FILE: &str = "analysis/learning_curves.json";

const TOLERANCE: Tolerance = Tolerance::absolute(1e-9);

/// Compares every curve.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(FILE)?;
    let mut told = Told { file: FILE, cases };
    for (name, value) in object(&json, FILE)? {
        if let Err(problem) = object(value, name).and_then(|curve| of_curve(name, curve, &mut told)) {
            told.problem(name, &problem);
        }
    }
    Ok(())
}

fn of_curve(name: &str, object: &Object, told: &mut Told<'_>) -> Result<(), Problem> {
    let x = list(object, if object.contains_key("epoch") { "epoch" } else { "n" })?;
    let values = list(object, "value")?;
    if x.len() != values.len() || x.is_empty() {
        return Err(Problem::new(format!("{} places and {} values", x.len(), values.len())));
    }
    let curve: Vec<Point> = x.iter().copied().zip(values.iter().copied()).collect();
    let width = x[x.len() - 1] - x[0];
    let best = running_best(&curve, Direction::Higher);
    for (key, theirs) in object {
        let ours = match key.as_str() {
            "epoch" | "n" | "value" | "note" => continue,
            "thresholds" => {
                // A note says where the curve is turned round: a loss.
                let lower = object.contains_key("note");
                thresholds(name, &curve, lower, theirs, told)?;
                continue;
            }
            "area_normalised" | "area_linear_n_normalised" => area(&curve),
            "area_raw" => area(&curve).map(|a| a * width),
            "area_of_running_best" => area(&best),
            "best" => best.last().map(|p| p.1),
            "best_epoch" => {
                let largest = best.last().map(|p| p.1);
                curve.iter().find(|p| Some(p.1) == largest).map(|p| p.0)
            }
            "final_mean_last_5" => mean(&values[values.len().saturating_sub(5)..]),
            _ => {
                told.unknown(&format!("{name}/{key}"));
                continue;
            }
        };
        told.one(&format!("{name}/{key}"), ours, theirs, TOLERANCE)?;
    }
    Ok(())
}

fn thresholds(
    name: &str,
    curve: &[Point],
    lower: bool,
    theirs: &Value,
    told: &mut Told<'_>,
) -> Result<(), Problem> {
    let sign = if lower { -1.0 } else { 1.0 };
    let curve: Vec<Point> = curve.iter().map(|(x, y)| (*x, sign * y)).collect();
    let all = theirs.as_array().ok_or_else(|| Problem::new("thresholds are no list"))?;
    for entry in all {
        let entry = object(entry, "a threshold")?;
        let threshold = scalar(entry, "threshold")?;
        for key in entry.keys().filter(|k| *k != "threshold") {
            let what = format!("{name}/{threshold}/{key}");
            let ours = match key.as_str() {
                "first_raw" => epochs_to_value(&curve, Direction::Higher, threshold).and_then(Reached::epoch),
                _ => {
                    told.unknown(&what);
                    continue;
                }
            };
            match field(entry, key)? {
                Value::Null => told.many(&what, &[f64::NAN], &[ours.unwrap_or(f64::NAN)], TOLERANCE),
                theirs => told.one(&what, ours, theirs, TOLERANCE)?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_curve_passes() {
        crate::tests::assert_file_passes(super::FILE);
    }
}
