//! `analysis/similarity.json`: CKA, HSIC, canonical correlations, Procrustes and neighbours of paired features.

use serde_json::Value;
use transferscope_study::{
    alignment::Rows,
    similarity::{
        self, CanonicalCorrelations, Procrustes, cka, correlation_rdm, euclidean_rdm, linear_hsic,
        median_gamma, mutual_neighbours, rbf_hsic, rsa,
    },
};

use super::keys::{Object, Told, list, object, rows, tensors};
use crate::{Cases, Folder, Problem, Tolerance};

pub const FILE: &str = "analysis/similarity.json";

/// In double precision; HSIC grows with the features.
const TOLERANCE: Tolerance = Tolerance::absolute(1e-8);
const RELATIVE: Tolerance = Tolerance::relative(1e-8);
const CANONICAL: Tolerance = Tolerance::absolute(1e-6);
/// The second library computes in single precision.
const SINGLE: Tolerance = Tolerance::absolute(1e-6);

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
    let linear = linear_hsic(x, y).map_err(in_words)?;
    let (aligned, aligned_unbiased) = cka(linear);
    let canonical = similarity::canonical_correlations(x, y).map_err(in_words)?;
    let procrustes = Procrustes::of(x, y).map_err(in_words)?;
    for (key, theirs) in object {
        let what = format!("{name}/{key}");
        let (ours, tolerance) = match key.as_str() {
            "cka_linear" => {
                // By columns, without matrices of rows by rows, too.
                let ours = similarity::linear_cka(x, y).map_err(in_words)?;
                told.one(&format!("{what} (by columns)"), ours, theirs, TOLERANCE)?;
                (aligned, TOLERANCE)
            }
            "cka_linear_unbiased" => (aligned_unbiased, TOLERANCE),
            // Of what is 0/0 that library gives rounding.
            "cka_linear_unbiased_pytorch_cka_clamped_0_1" => {
                (Some(aligned_unbiased.map_or(0.0, |v| v.clamp(0.0, 1.0))), SINGLE)
            }
            "hsic_linear_biased" => (Some(linear[0].biased), RELATIVE),
            "hsic_linear_unbiased" => (linear[0].unbiased, RELATIVE),
            "cka_rbf_1.0" | "cka_rbf_0.5" => {
                let factor = if key.ends_with("1.0") { 1.0 } else { 0.5 };
                of_rbf(&what, theirs, (x, y), factor, told)?;
                continue;
            }
            "canonical_correlations" | "canonical_correlations_cca_zoo" => {
                told.many(&what, &canonical.values, &list(object, key)?, CANONICAL);
                continue;
            }
            "cca_mean" => (canonical.mean(), CANONICAL),
            "cca_mean_squared" => (canonical.mean_squared(), CANONICAL),
            "svcca_0.99" => {
                of_svcca(&what, theirs, (x, y), told)?;
                continue;
            }
            "pwcca_weights_from_x" => (similarity::pwcca(x, y).map_err(in_words)?, CANONICAL),
            "procrustes_nuclear_norm" => (procrustes.map(|p| p.nuclear_norm), TOLERANCE),
            "procrustes_distance_squared_2_minus_2nuc" => {
                (procrustes.map(Procrustes::distance_squared), TOLERANCE)
            }
            // Near 0 an angle is the root of rounding.
            "procrustes_angular_distance" => (procrustes.map(Procrustes::angle), Tolerance::absolute(1e-6)),
            "procrustes_scipy_disparity" => (procrustes.map(Procrustes::disparity), TOLERANCE),
            "rsa_spearman_of_correlation_rdm" => (rsa(&correlation_rdm(x), &correlation_rdm(y)), TOLERANCE),
            "rsa_spearman_of_euclidean_rdm" => (rsa(&euclidean_rdm(x), &euclidean_rdm(y)), TOLERANCE),
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

fn of_rbf(
    what: &str,
    theirs: &Value,
    (x, y): (&Rows, &Rows),
    factor: f64,
    told: &mut Told<'_>,
) -> Result<(), Problem> {
    let gammas = (median_gamma(x, factor).map_err(in_words)?, median_gamma(y, factor).map_err(in_words)?);
    let (Some(gamma_x), Some(gamma_y)) = gammas else {
        // Where there is no bandwidth the file has words instead of numbers.
        let differs =
            theirs.as_object().map(|_| "there is no bandwidth, since a median distance is 0".to_owned());
        told.cases.equal(told.file, what, differs);
        return Ok(());
    };
    let hsic = rbf_hsic(x, y, (gamma_x, gamma_y)).map_err(in_words)?;
    let (aligned, aligned_unbiased) = cka(hsic);
    for (key, theirs) in object(theirs, what)? {
        let ours = match key.as_str() {
            "gamma_x" => Some(gamma_x),
            "gamma_y" => Some(gamma_y),
            "cka" => aligned,
            "cka_unbiased" => aligned_unbiased,
            "hsic_biased" => Some(hsic[0].biased),
            "hsic_unbiased" => hsic[0].unbiased,
            _ => {
                told.unknown(&format!("{what}/{key}"));
                continue;
            }
        };
        told.one(&format!("{what}/{key}"), ours, theirs, TOLERANCE)?;
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
