//! `analysis/mmd.json`: squared MMD under several bandwidths, and its permutation test.

use serde_json::Value;
use transferscope_study::{
    alignment::{
        Estimate, Rows, SquaredDistances, energy_distance, frechet_distance, gamma_from_sigma,
        median_distance, mmd2_biased, mmd2_unbiased, null_values,
    },
    statistics::{mean, quantile},
};

use super::keys::{Object, Told, array, list, object, places, rows, scalar, tensors};
use crate::{Cases, Folder, Problem, Tensors, Tolerance};

pub const FILE: &str = "analysis/mmd.json";

/// In double precision.
const TOLERANCE: Tolerance = Tolerance::absolute(1e-10);
/// Of distances and bandwidths, whatever their size.
const RELATIVE: Tolerance = Tolerance::relative(1e-10);
/// Covariances have roots taken of them: what is 0 is rounding of the size of the features.
const ROOTS: Tolerance = Tolerance::absolute(1e-6);

/// Compares every pair of sets.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(FILE)?;
    let inputs = tensors(folder)?;
    let mut told = Told { file: FILE, cases };
    for (name, value) in object(&json, FILE)? {
        let compared = match name.as_str() {
            "permutation_test" => {
                object(value, name).and_then(|tests| permutation_tests(tests, &inputs, &mut told))
            }
            _ => object(value, name).and_then(|sets| of_sets(name, sets, &inputs, &mut told)),
        };
        if let Err(problem) = compared {
            told.problem(name, &problem);
        }
    }
    Ok(())
}

fn sets(name: &str, inputs: &Tensors) -> Result<(Rows, Rows), Problem> {
    Ok((rows(inputs, &format!("{name}.x"))?, rows(inputs, &format!("{name}.y"))?))
}

fn in_words<E: std::fmt::Display>(error: E) -> Problem {
    Problem::new(error.to_string())
}

fn of_sets(name: &str, object: &Object, inputs: &Tensors, told: &mut Told<'_>) -> Result<(), Problem> {
    let (x, y) = sets(name, inputs)?;
    let pooled = SquaredDistances::pooled(&x, &y).map_err(in_words)?;
    let median = median_distance(&pooled);
    let mut squares: Vec<f64> = pooled.distances().iter().map(|d| d * d).collect();
    squares.sort_by(f64::total_cmp);
    let median_square = quantile(&squares, 0.5);
    for (key, theirs) in object {
        let what = format!("{name}/{key}");
        match (key.as_str(), theirs.as_object()) {
            ("note", _) => {}
            ("pooled_median_distance", _) => told.one(&what, median, theirs, RELATIVE)?,
            ("pooled_median_squared_distance", _) => told.one(&what, median_square, theirs, RELATIVE)?,
            ("energy_distance_squared_v_statistic", _) => {
                told.one(&what, energy_distance(&x, &y).map_err(in_words)?, theirs, RELATIVE)?;
            }
            ("frechet_distance_squared_cov_ddof1", _) => {
                let theirs_size = scalar(object, key)?.abs().max(1.0);
                let ours = frechet_distance(&x, &y).map_err(in_words)?;
                let theirs = scalar(object, key)?;
                told.many(&what, &[ours / theirs_size], &[theirs / theirs_size], ROOTS);
            }
            (_, Some(entry)) => {
                // A bandwidth that the key names is ours to find; others are given.
                let given = list(entry, "gammas")?;
                let gammas = match key.as_str() {
                    "median_gamma_1_over_2med2" => vec![gamma_from_sigma(median)],
                    "median_gamma_1_over_med_of_squares" => vec![1.0 / median_square.unwrap_or(f64::NAN)],
                    "sum_of_5" => [0.25, 0.5, 1.0, 2.0, 4.0].map(|f| f * gamma_from_sigma(median)).to_vec(),
                    fixed if fixed.starts_with("fixed_gamma_") => given.clone(),
                    _ => {
                        told.unknown(&what);
                        continue;
                    }
                };
                told.many(&format!("{what}/gammas"), &gammas, &given, RELATIVE);
                of_kernels(&what, entry, (&x, &y), &given, told)?;
            }
            _ => told.unknown(&what),
        }
    }
    Ok(())
}

/// Sums over kernels of the two estimates.
fn of_kernels(
    what: &str,
    entry: &Object,
    (x, y): (&Rows, &Rows),
    gammas: &[f64],
    told: &mut Told<'_>,
) -> Result<(), Problem> {
    for (key, theirs) in entry {
        let estimate = match key.as_str() {
            "gammas" | "two_routes_max_difference" => continue,
            "biased" => mmd2_biased,
            "unbiased" => mmd2_unbiased,
            _ => {
                told.unknown(&format!("{what}/{key}"));
                continue;
            }
        };
        let values = gammas.iter().map(|gamma| estimate(x, y, *gamma).map_err(in_words));
        let sum: f64 = values.collect::<Result<Vec<_>, _>>()?.iter().sum();
        told.one(&format!("{what}/{key}"), sum, theirs, TOLERANCE)?;
    }
    Ok(())
}

fn permutation_tests(tests: &Object, inputs: &Tensors, told: &mut Told<'_>) -> Result<(), Problem> {
    for (name, value) in tests {
        let test = object(value, name)?;
        let (x, y) = sets(name, inputs)?;
        let all = x.n() + y.n();
        let (orders, _, length) = array(inputs, &format!("permutations.{name}"))?;
        if length != all {
            return Err(Problem::new(format!("orders of {length} rows for {all}")));
        }
        let orders: Vec<Vec<usize>> =
            places(&orders.data, all, name)?.chunks_exact(all).map(<[usize]>::to_vec).collect();
        if orders.iter().any(|order| order.iter().collect::<std::collections::BTreeSet<_>>().len() != all) {
            return Err(Problem::new("an order names a row twice"));
        }
        let gamma = scalar(test, "gamma")?;
        let kernel = SquaredDistances::pooled(&x, &y).map_err(in_words)?.kernel(gamma);
        for (key, theirs) in test {
            let what = format!("permutation_test/{name}/{key}");
            let estimate = match key.as_str() {
                "gamma" => continue,
                "permutations" => {
                    told.one(&what, orders.len() as f64, theirs, Tolerance::EXACT)?;
                    continue;
                }
                "biased" => Estimate::Biased,
                "unbiased" => Estimate::Unbiased,
                _ => {
                    told.unknown(&what);
                    continue;
                }
            };
            let observed = match estimate {
                Estimate::Biased => kernel.biased(),
                Estimate::Unbiased => kernel.unbiased(),
            };
            null(&what, object(theirs, key)?, observed, &null_values(&kernel, &orders, estimate), told)?;
        }
    }
    Ok(())
}

/// What an observed value is among null values.
fn null(
    what: &str,
    object: &Object,
    observed: f64,
    null: &[f64],
    told: &mut Told<'_>,
) -> Result<(), Problem> {
    // Of an order that gives back the observed sets only rounding remains.
    let reached = null.iter().filter(|v| **v >= observed - 1e-12).count() as f64;
    let n = null.len() as f64;
    let mut sorted = null.to_vec();
    sorted.sort_by(f64::total_cmp);
    let centre = mean(null).unwrap_or(f64::NAN);
    for (key, theirs) in object {
        let ours = match key.as_str() {
            "null" => {
                told.many(&format!("{what}/null"), null, &list(object, key)?, TOLERANCE);
                continue;
            }
            "observed" => Some(observed),
            "p_value_plus_one" => Some((1.0 + reached) / (1.0 + n)),
            "p_value_no_plus_one" => Some(reached / n),
            "smallest_gap_to_observed" => null.iter().map(|v| (v - observed).abs()).reduce(f64::min),
            "null_mean" => Some(centre),
            "null_std_ddof0" => Some((null.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / n).sqrt()),
            "null_quantile_0p95" => quantile(&sorted, 0.95),
            _ => {
                told.unknown(&format!("{what}/{key}"));
                continue;
            }
        };
        told.one(&format!("{what}/{key}"), ours, theirs as &Value, TOLERANCE)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use transferscope_study::alignment::{median_bandwidth, permutation_p};

    use super::*;
    use crate::tests::{assert_file_passes, reference};

    #[test]
    fn every_pair_of_sets_passes() {
        assert_file_passes(FILE);
    }

    /// Sums over kernels of kept distances, and the bandwidth that they give: the other way to the numbers.
    #[test]
    fn kept_distances_give_the_same() {
        let folder = Folder::open(&reference::whole_or_small()).unwrap();
        let (json, inputs) = (folder.json(FILE).unwrap(), tensors(&folder).unwrap());
        let mut compared = 0;
        for (case, values) in json.as_object().unwrap().iter().filter(|(case, _)| *case != "permutation_test")
        {
            let (x, y) = sets(case, &inputs).unwrap();
            let pooled = SquaredDistances::pooled(&x, &y).unwrap();
            for (bandwidth, entry) in values.as_object().unwrap() {
                let Some(entry) = entry.as_object() else { continue };
                let gammas = list(entry, "gammas").unwrap();
                // A sum of kernels has the sum of their discrepancies.
                let total = |f: &dyn Fn(f64) -> f64| gammas.iter().map(|g| f(*g)).sum::<f64>();
                for (name, ours) in [
                    ("biased", total(&|g| pooled.clone().kernel(g).biased())),
                    ("unbiased", total(&|g| pooled.clone().kernel(g).unbiased())),
                ] {
                    let theirs = scalar(entry, name).unwrap();
                    assert!((ours - theirs).abs() < 1e-10, "{case} {bandwidth} {name}: {ours} and {theirs}");
                    compared += 1;
                }
                if bandwidth == "median_gamma_1_over_2med2" {
                    let ours = gamma_from_sigma(median_bandwidth(&pooled).unwrap());
                    assert!(
                        (ours - gammas[0]).abs() <= 1e-12 * gammas[0],
                        "{case}: {ours} and {}",
                        gammas[0]
                    );
                }
            }
        }
        assert!(compared >= 20, "{compared}");
    }

    #[test]
    fn the_p_value_of_the_given_permutations_is_theirs() {
        let Some(root) = reference::whole() else { return };
        let folder = Folder::open(&root).unwrap();
        let (json, inputs) = (folder.json(FILE).unwrap(), tensors(&folder).unwrap());
        let cases = json["permutation_test"].as_object().unwrap();
        assert_eq!(cases.len(), 3);
        for (case, values) in cases {
            let (x, y) = sets(case, &inputs).unwrap();
            let kernel = SquaredDistances::pooled(&x, &y).unwrap().kernel(values["gamma"].as_f64().unwrap());
            let (orders, _, length) = array(&inputs, &format!("permutations.{case}")).unwrap();
            let orders: Vec<Vec<usize>> = places(&orders.data, length, case)
                .unwrap()
                .chunks_exact(length)
                .map(<[usize]>::to_vec)
                .collect();
            for (estimate, name) in [(Estimate::Biased, "biased"), (Estimate::Unbiased, "unbiased")] {
                let p = permutation_p(&kernel, &orders, estimate);
                let theirs = values[name]["p_value_plus_one"].as_f64().unwrap();
                assert!((p - theirs).abs() < 1e-12, "{case} {name}: {p} and {theirs}");
            }
        }
    }
}
