//! `analysis/similarity.json`: CKA, canonical correlations, Procrustes and neighbours of paired features.

use serde_json::Value;
use transferscope_study::{
    alignment::Rows,
    similarity::{self, CanonicalCorrelations, Procrustes, correlation_rdm, mutual_neighbours, rsa},
};

use super::keys::{Object, Told, list, object, rows, tensors};
use crate::{Cases, Folder, Problem, Tolerance};

pub const FILE: &str = "analysis/similarity.json";

/// In double precision.
const TOLERANCE: Tolerance = Tolerance::absolute(1e-8);
const CANONICAL: Tolerance = Tolerance::absolute(1e-6);
/// More than all of the variance: every component is kept, and SVCCA gives the canonical correlations themselves.
const WHOLE: f64 = 2.0;

/// Compares every pair.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(FILE)?;
    let inputs = tensors(folder)?;
    let mut told = Told { file: FILE, cases };
    for (name, value) in object(&json, FILE)? {
        let compared = (|| {
            let pair = (rows(&inputs, &format!("pair.{name}.x"))?, rows(&inputs, &format!("pair.{name}.y"))?);
            of_pair(name, object(value, name)?, &pair, &mut told)
        })();
        if let Err(problem) = compared {
            told.problem(name, &problem);
        }
    }
    Ok(())
}

fn in_words<E: std::fmt::Display>(error: E) -> Problem {
    Problem::new(error.to_string())
}

fn of_pair(name: &str, object: &Object, (x, y): &(Rows, Rows), told: &mut Told<'_>) -> Result<(), Problem> {
    let (canonical, _) = similarity::svcca(x, y, WHOLE).map_err(in_words)?;
    let procrustes = Procrustes::of(x, y).map_err(in_words)?;
    for (key, theirs) in object {
        let what = format!("{name}/{key}");
        let (ours, tolerance) = match key.as_str() {
            "cka_linear" => (similarity::linear_cka(x, y).map_err(in_words)?, TOLERANCE),
            "canonical_correlations" | "canonical_correlations_cca_zoo" => {
                told.many(&what, &canonical.values, &list(object, key)?, CANONICAL);
                continue;
            }
            "cca_mean" => (canonical.mean(), CANONICAL),
            "svcca_0.99" => {
                of_svcca(&what, theirs, (x, y), told)?;
                continue;
            }
            "pwcca_weights_from_x" => (similarity::pwcca(x, y).map_err(in_words)?, CANONICAL),
            "procrustes_nuclear_norm" => (procrustes.map(|p| p.nuclear_norm), TOLERANCE),
            "procrustes_distance_squared_2_minus_2nuc" => {
                (procrustes.map(Procrustes::distance_squared), TOLERANCE)
            }
            "rsa_spearman_of_correlation_rdm" => (rsa(&correlation_rdm(x), &correlation_rdm(y)), TOLERANCE),
            _ => match key.strip_prefix("mutual_knn_overlap_k").and_then(|k| k.parse().ok()) {
                Some(k) => (Some(mutual_neighbours(x, y, k).map_err(in_words)?), TOLERANCE),
                None => {
                    told.unknown(&what);
                    continue;
                }
            },
        };
        told.one(&what, ours, theirs, tolerance)?;
    }
    Ok(())
}

fn of_svcca(what: &str, theirs: &Value, (x, y): (&Rows, &Rows), told: &mut Told<'_>) -> Result<(), Problem> {
    const SHARE: f64 = 0.99;
    let (correlations, kept): (CanonicalCorrelations, _) =
        similarity::svcca(x, y, SHARE).map_err(in_words)?;
    let object = object(theirs, what)?;
    for (key, theirs) in object {
        let ours = match key.as_str() {
            "kept_x" => Some(kept[0] as f64),
            "kept_y" => Some(kept[1] as f64),
            "mean" => correlations.mean(),
            "correlations" => {
                told.many(&format!("{what}/{key}"), &correlations.values, &list(object, key)?, CANONICAL);
                continue;
            }
            _ => {
                told.unknown(&format!("{what}/{key}"));
                continue;
            }
        };
        told.one(&format!("{what}/{key}"), ours, theirs, CANONICAL)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_pair_passes() {
        crate::tests::assert_file_passes(super::FILE);
    }
}
