//! `analysis/statistics.json`: correlations, resampling, ranks and many tests at once.

use serde_json::Value;
use transferscope_study::statistics::{self as s, Measure};

use super::keys::{Object, Told, array, field, list, object, places, scalar, tensors};
use crate::{Cases, Folder, Problem, Tensors, Tolerance, number, numbers};

pub const FILE: &str = "analysis/statistics.json";
const INDICES: &str = "stats.bootstrap_indices";

const STATISTIC: Tolerance = Tolerance::absolute(1e-9);
const P: Tolerance = Tolerance::absolute(1e-6);
/// Most values of a list or methods of a table.
const MOST: usize = 10_000;

/// Compares every part.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(FILE)?;
    let inputs = tensors(folder)?;
    let top = object(&json, FILE)?;
    let mut told = Told { file: FILE, cases };
    for (name, value) in top {
        let told = &mut told;
        let compared = match name.as_str() {
            "correlation" => each(value, name, |name, o| correlations(name, o, told)),
            "bootstrap" => object(value, name).and_then(|o| bootstrap(name, o, top, &inputs, told)),
            "bootstrap_difference_of_dependent_spearman" => {
                object(value, name).and_then(|o| difference(name, o, told))
            }
            "dependent_correlations" => dependent(name, value, told),
            "friedman" => each(value, name, |name, o| ranked(name, o, told)),
            "nemenyi_q_table" => quantiles(name, value, told),
            "multiple_testing" => each(value, name, |name, o| corrections(name, o, told)),
            "effect" => object(value, name).and_then(|o| effect(name, o, told)),
            _ => {
                told.unknown(name);
                Ok(())
            }
        };
        if let Err(problem) = compared {
            told.problem(name, &problem);
        }
    }
    Ok(())
}

/// Every object of an object, with its whole name.
fn each(
    value: &Value,
    name: &str,
    mut of: impl FnMut(&str, &Object) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for (key, value) in object(value, name)? {
        of(&format!("{name}/{key}"), object(value, key)?)?;
    }
    Ok(())
}

/// Two lists of one length.
fn two(o: &Object, a: &str, b: &str) -> Result<(Vec<f64>, Vec<f64>), Problem> {
    let (a, b) = (list(o, a)?, list(o, b)?);
    if a.len() == b.len() && a.len() <= MOST {
        return Ok((a, b));
    }
    Err(Problem::new(format!("lists of {} and {} values belong to each other", a.len(), b.len())))
}

fn correlations(name: &str, o: &Object, told: &mut Told<'_>) -> Result<(), Problem> {
    let (a, b) = two(o, "a", "b")?;
    for (key, theirs) in o {
        let what = format!("{name}/{key}");
        let ours = match key.as_str() {
            "a" | "b" => continue,
            "pearson" => s::pearson(&a, &b),
            "spearman" => s::spearman(&a, &b),
            "kendall_tau_b" => s::kendall(&a, &b),
            _ => {
                told.unknown(&what);
                continue;
            }
        };
        told.one(&what, ours, theirs, STATISTIC)?;
    }
    Ok(())
}

/// The rows of resampled places, for lists of `n` values.
fn resamples(inputs: &Tensors, n: usize) -> Result<Vec<Vec<usize>>, Problem> {
    let (indices, _, width) = array(inputs, INDICES)?;
    if width != n {
        return Err(Problem::new(format!("{INDICES} are for {width} values, not {n}")));
    }
    Ok(places(&indices.data, n, INDICES)?.chunks_exact(n).map(<[usize]>::to_vec).collect())
}

fn pick(list: &[f64], places: &[usize]) -> Vec<f64> {
    places.iter().map(|i| list[*i]).collect()
}

fn bootstrap(
    name: &str,
    o: &Object,
    top: &Object,
    inputs: &Tensors,
    told: &mut Told<'_>,
) -> Result<(), Problem> {
    let case = field(o, "case")?.as_str().unwrap_or_default();
    let case = case.strip_prefix("correlation.").ok_or_else(|| Problem::new("case names no correlation"))?;
    let correlations = object(field(top, "correlation")?, "correlation")?;
    let (a, b) = two(object(field(correlations, case)?, case)?, "a", "b")?;
    let rows = resamples(inputs, a.len())?;
    for (key, theirs) in o {
        let measure = match key.as_str() {
            "case" | "indices" => continue,
            "pearson" => Measure::Pearson,
            "spearman" => Measure::Spearman,
            "kendall_tau_b" => Measure::Kendall,
            _ => {
                told.unknown(&format!("{name}/{key}"));
                continue;
            }
        };
        let of = |row: &Vec<usize>| measure.of(&pick(&a, row), &pick(&b, row)).unwrap_or(f64::NAN);
        let values: Vec<f64> = rows.iter().map(of).collect();
        let object = object(theirs, key)?;
        for (key_within, theirs) in object {
            let what = format!("{name}/{key}/{key_within}");
            match key_within.as_str() {
                "median" => {
                    let mut known: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
                    known.sort_by(f64::total_cmp);
                    told.one(&what, s::quantile(&known, 0.5), theirs, STATISTIC)?;
                }
                "undefined_resamples" => {
                    let undefined = values.iter().filter(|v| v.is_nan()).count() as f64;
                    told.one(&what, undefined, theirs, Tolerance::EXACT)?;
                }
                first if first.starts_with("first_") => {
                    let theirs = numbers(theirs)?;
                    told.many(&what, &values[..theirs.len().min(values.len())], &theirs, STATISTIC);
                }
                _ => told.unknown(&what),
            }
        }
    }
    Ok(())
}

fn difference(name: &str, o: &Object, told: &mut Told<'_>) -> Result<(), Problem> {
    let (u, v) = two(o, "u", "v")?;
    let (_, w) = two(o, "u", "w")?;
    let observed = s::spearman(&u, &v).zip(s::spearman(&u, &w)).map(|(v, w)| v - w);
    for (key, theirs) in o {
        let what = format!("{name}/{key}");
        match key.as_str() {
            "u" | "v" | "w" => {}
            "observed" => told.one(&what, observed, theirs, STATISTIC)?,
            _ => told.unknown(&what),
        }
    }
    Ok(())
}

fn dependent(name: &str, value: &Value, told: &mut Told<'_>) -> Result<(), Problem> {
    let all = value.as_array().ok_or_else(|| Problem::new("no list"))?;
    for (i, value) in all.iter().enumerate() {
        let o = object(value, name)?;
        let r = |key: &str| scalar(o, key);
        let (r12, r13, r23, n) = (r("r12")?, r("r13")?, r("r23")?, r("n")?);
        let n = places(&[n], 1 << 30, "n")?[0];
        for (key, theirs) in o {
            let what = format!("{name}/{i}/{key}");
            let test = match key.as_str() {
                "r12" | "r13" | "r23" | "n" => continue,
                "steiger_z" | "steiger_p" => s::steiger(r12, r13, r23, n),
                "williams_t" | "williams_p" => s::williams(r12, r13, r23, n),
                _ => {
                    told.unknown(&what);
                    continue;
                }
            };
            match key.ends_with("_p") {
                true => told.one(&what, test.map(|t| t.p), theirs, P)?,
                false => told.one(&what, test.map(|t| t.statistic), theirs, STATISTIC)?,
            }
        }
    }
    Ok(())
}

fn ranked(name: &str, o: &Object, told: &mut Told<'_>) -> Result<(), Problem> {
    let rows = field(o, "scores")?.as_array().ok_or_else(|| Problem::new("scores are no table"))?;
    let scores: Vec<Vec<f64>> = rows.iter().map(numbers).collect::<Result<_, _>>()?;
    if scores.iter().any(|row| row.len() > 100) {
        return Err(Problem::new("a table of more than 100 methods"));
    }
    let found = s::friedman(&scores, true).ok_or_else(|| Problem::new("no test is defined for the table"))?;
    let (methods, cases) = (found.average_ranks.len(), scores.len());
    for (key, theirs) in o {
        let what = format!("{name}/{key}");
        let (ours, tolerance) = match key.as_str() {
            "scores" => continue,
            "average_ranks_best_is_1" => {
                told.many(&what, &found.average_ranks, &numbers(theirs)?, STATISTIC);
                continue;
            }
            "chi2_scipy_tie_corrected" => (Some(found.chi2), STATISTIC),
            "chi2_no_tie_correction" => (Some(found.chi2_uncorrected), STATISTIC),
            "p_scipy" => (Some(found.p), P),
            "iman_davenport_f" => (Some(found.iman_davenport_f), STATISTIC),
            "iman_davenport_p" => (Some(found.iman_davenport_p), P),
            other => {
                let alpha = |prefix: &str| other.strip_prefix(prefix).and_then(|a| a.parse::<f64>().ok());
                match (alpha("nemenyi_q_"), alpha("nemenyi_cd_")) {
                    (Some(alpha), _) => (s::nemenyi_q(methods, alpha), STATISTIC),
                    (_, Some(alpha)) => (s::nemenyi_critical_difference(methods, cases, alpha), STATISTIC),
                    _ => {
                        told.unknown(&what);
                        continue;
                    }
                }
            }
        };
        told.one(&what, ours, theirs, tolerance)?;
    }
    Ok(())
}

fn quantiles(name: &str, value: &Value, told: &mut Told<'_>) -> Result<(), Problem> {
    for (key, table) in object(value, name)? {
        let alpha = key.strip_prefix("alpha=").and_then(|a| a.parse::<f64>().ok());
        let alpha = alpha.ok_or_else(|| Problem::new(format!("{key} names no alpha")))?;
        for (methods, theirs) in object(table, key)? {
            let k: usize = methods.parse().map_err(|_| Problem::new(format!("{methods} is no number")))?;
            let ours = if k <= 100 { s::nemenyi_q(k, alpha) } else { None };
            told.one(&format!("{name}/{key}/{methods}"), ours, theirs, STATISTIC)?;
        }
    }
    Ok(())
}

fn corrections(name: &str, o: &Object, told: &mut Told<'_>) -> Result<(), Problem> {
    let p = list(o, "p")?;
    for (key, theirs) in o {
        let what = format!("{name}/{key}");
        let ours = match key.as_str() {
            "p" => continue,
            "holm" => s::holm(&p),
            "reject_holm_0p05" => {
                let theirs = theirs.as_array().ok_or_else(|| Problem::new("no list"))?;
                let theirs: Vec<f64> = theirs.iter().map(|v| f64::from(u8::from(v == true))).collect();
                let ours: Vec<f64> = s::holm(&p).iter().map(|v| f64::from(u8::from(*v <= 0.05))).collect();
                told.many(&what, &ours, &theirs, Tolerance::EXACT);
                continue;
            }
            _ => {
                told.unknown(&what);
                continue;
            }
        };
        told.many(&what, &ours, &numbers(theirs)?, STATISTIC);
    }
    Ok(())
}

fn effect(name: &str, o: &Object, told: &mut Told<'_>) -> Result<(), Problem> {
    let (a, b) = two(o, "a", "b")?;
    let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    for (key, theirs) in o {
        let what = format!("{name}/{key}");
        match key.as_str() {
            "a" | "b" => {}
            "mean_difference" => {
                told.many(&what, &[s::mean(&differences).unwrap_or(f64::NAN)], &[number(theirs)?], STATISTIC);
            }
            _ => told.unknown(&what),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_part_passes() {
        crate::tests::assert_file_passes(super::FILE);
    }
}
