//! `physics/degradations.safetensors` and `.json`: what scanners do to images.
//!
//! The JSON has an object for each case, `kspace.NAME`, `epi.NAME` or `rician.NAME`, with its settings and
//! with figures of its results; tensors are `CASE.RESULT`, inputs have no case or stand beside the results.

use serde_json::{Map, Value};
use transferscope_imaging::{
    data::Volume,
    physics::{
        epi::{self, Polarity},
        kspace::{self, Apodisation},
        rician,
    },
};

use crate::{Array, Cases, Folder, Problem, Tensors, Tolerance, number, numbers, whole};

pub const FILE: &str = "physics/degradations.safetensors";
pub const FACTS: &str = "physics/degradations.json";

/// Of everything but what follows; outputs were rounded to single precision.
const TOLERANCE: Tolerance = Tolerance::relative(1e-5);
/// Of the transport that the reference samples 4096 times a voxel and we integrate.
const DENSE: Tolerance = Tolerance::relative(5e-4);
/// Of relative distances between two results, each of which may be off by its own tolerance.
const DISTANCE: Tolerance = Tolerance::absolute(5e-4);
/// Of noise from given draws.
const NOISE: Tolerance = Tolerance::relative(1e-6);

/// Compares every case.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    // The tensors do not say how they were made.
    if !folder.has(FACTS) {
        return Ok(());
    }
    let file = folder.tensors(FILE)?;
    let json = folder.json(FACTS)?;
    let facts = object(&json, FACTS)?;
    inputs(&file, facts, cases)?;
    for (case, values) in facts {
        let mut one = || -> Result<(), Problem> {
            let values = object(values, case)?;
            match case.split_once('.') {
                Some(("kspace", _)) => in_plane(&file, case, values, cases),
                Some(("epi", name)) => distorted(&file, name, values, facts, cases),
                Some(("rician", _)) => noisy(&file, case, values, cases),
                _ => Err(Problem::new("no check is for a case of this kind")),
            }
        };
        // The other cases are compared all the same.
        if let Err(problem) = one() {
            cases.problem(FACTS, &Problem::new(format!("{case}: {problem}")));
        }
    }
    Ok(())
}

/// What the cases have in common: the shift is the field over the bandwidth, and a folder may have none of the
/// cases that an input is for.
fn inputs(file: &Tensors, facts: &Map<String, Value>, cases: &mut Cases) -> Result<(), Problem> {
    let is_input = |name: &str| {
        name == "volume"
            || (name.starts_with("b0_") && name.ends_with("_hz"))
            || name.starts_with("rician.n_")
    };
    for name in file.names().filter(|name| is_input(name)) {
        file.get(name)?;
    }
    if file.has("shift_voxels") {
        let theirs = file.get("shift_voxels")?;
        let hz = bandwidth(file, &Map::new(), facts)?;
        let ours = epi::shift_voxels(&volume(file, "b0_hz")?, hz, Polarity::Plus);
        cases.compare(FILE, "shift_voxels", &wide(&ours), &theirs.data, TOLERANCE);
    }
    Ok(())
}

/// The bandwidth per pixel that a case says. One that says none was made with that of the others, or else with
/// the one that fits field and shift best.
fn bandwidth(file: &Tensors, own: &Map<String, Value>, all: &Map<String, Value>) -> Result<f64, Problem> {
    const KEY: &str = "bandwidth_per_pixel_hz";
    let siblings = all.iter().filter(|(case, _)| case.starts_with("epi."));
    if let Some(hz) = own.get(KEY).or_else(|| siblings.filter_map(|(_, values)| values.get(KEY)).next()) {
        return number(hz);
    }
    let (field, shift) = (file.get("b0_hz")?, file.get("shift_voxels")?);
    let product: f64 = field.data.iter().zip(&shift.data).map(|(hz, s)| hz * s).sum();
    Ok(product / shift.data.iter().map(|s| s * s).sum::<f64>())
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Problem> {
    value.as_object().ok_or_else(|| Problem::new(format!("{what} is no JSON object")))
}

/// A fact that nothing here computes.
fn unknown(case: &str, key: &str, cases: &mut Cases) {
    cases.unknown(FACTS, &format!("{case}.{key}"));
}

fn volume(file: &Tensors, name: &str) -> Result<Volume, Problem> {
    let array = file.get(name)?;
    match array.shape.as_slice() {
        &[d, h, w] if d * h * w > 0 => Ok(Volume { shape: [d, h, w], data: array.f32() }),
        shape => Err(Problem::new(format!("{name} has shape {shape:?}, not slices, rows and columns"))),
    }
}

fn wide(volume: &Volume) -> Vec<f64> {
    volume.data.iter().map(|v| f64::from(*v)).collect()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// `CASE.{low,zero_filled}_{magnitude,real,imag}`, of `CASE.volume` or else of `volume`.
fn in_plane(
    file: &Tensors,
    case: &str,
    facts: &Map<String, Value>,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let fact = |key: &str| facts.get(key).unwrap_or(&Value::Null);
    let own = format!("{case}.volume");
    let input = volume(file, if file.has(&own) { &own } else { "volume" })?;
    let factors = [whole(fact("factor_y"), "factor_y", 1)?, whole(fact("factor_x"), "factor_x", 1)?];
    let apodisation = match fact("window") {
        Value::Null => Apodisation::None,
        Value::String(name) if name == "hamming" => Apodisation::Hamming,
        other => return Err(Problem::new(format!("no window is called {other}"))),
    };
    let ours =
        kspace::truncate_complex(&input, factors, apodisation).map_err(|e| Problem::new(e.to_string()))?;
    let prefix = format!("{case}.");
    for (name, result) in file.names().filter_map(|n| Some((n, n.strip_prefix(&prefix)?))) {
        let (values, part) = match result.rsplit_once('_') {
            Some(("low", part)) => (&ours.low.values, part),
            Some(("zero_filled", part)) => (&ours.zero_filled.values, part),
            _ if result == "volume" => continue,
            _ => {
                cases.unknown(FILE, name);
                continue;
            }
        };
        let values: Vec<f64> = match part {
            "magnitude" => values.iter().map(|v| v.norm()).collect(),
            "real" => values.iter().map(|v| v.re).collect(),
            "imag" => values.iter().map(|v| v.im).collect(),
            _ => {
                cases.unknown(FILE, name);
                continue;
            }
        };
        cases.compare(FILE, name, &values, &file.get(name)?.data, TOLERANCE);
    }
    let kept = |axis: usize| {
        let (first, count) = kspace::kept(input.shape[axis], factors[axis - 1]);
        vec![first as f64, count as f64]
    };
    for (key, theirs) in facts {
        let (values, tolerance) = match key.as_str() {
            "factor_y" | "factor_x" | "window" | "imag_note" => continue,
            "kept_rows" => (kept(1), Tolerance::EXACT),
            "kept_columns" => (kept(2), Tolerance::EXACT),
            "mean_input" => (vec![mean(input.data.iter().map(|v| f64::from(*v)))], TOLERANCE),
            "mean_low_real" => (vec![mean(ours.low.values.iter().map(|v| v.re))], TOLERANCE),
            "max_abs_imag_zero_filled" => {
                (vec![ours.zero_filled.values.iter().map(|v| v.im.abs()).fold(0.0, f64::max)], TOLERANCE)
            }
            _ => {
                unknown(case, key, cases);
                continue;
            }
        };
        cases.compare(FACTS, &format!("{case}.{key}"), &values, &numbers(theirs)?, tolerance);
    }
    Ok(())
}

/// The four forms of one distortion.
struct Forms {
    pull: Option<Volume>,
    warp: Option<Volume>,
    dense: Volume,
    unwarped: Option<Volume>,
}

/// `epi.NAME.FORM` of `volume` in the field `b0_NAME_hz` or else `b0_hz`.
fn distorted(
    file: &Tensors,
    name: &str,
    facts: &Map<String, Value>,
    all: &Map<String, Value>,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let bandwidth = bandwidth(file, facts, all)?;
    let polarity = match facts.get("polarity").map(number).transpose()? {
        None | Some(1.0) => Polarity::Plus,
        Some(-1.0) => Polarity::Minus,
        Some(other) => return Err(Problem::new(format!("polarity {other}: 1 or -1 was expected"))),
    };
    let own = format!("b0_{name}_hz");
    let field = if file.has(&own) { &own } else { "b0_hz" };
    let (input, field) = (volume(file, "volume")?, volume(file, field)?);
    if input.shape != field.shape {
        let shapes = (input.shape, field.shape);
        return Err(Problem::new(format!("volume and field have shapes {shapes:?}")));
    }
    let shift = epi::shift_voxels(&field, bandwidth, polarity);
    let pull = epi::pull_jacobian(&input, &shift).ok();
    let forms = Forms {
        unwarped: pull.as_ref().map(|pulled| epi::unwarp(pulled, &shift)),
        pull,
        warp: epi::warp(&input, &shift).ok(),
        dense: epi::push_exact(&input, &shift),
    };
    let prefix = format!("epi.{name}.");
    for (tensor, form) in file.names().filter_map(|n| Some((n, n.strip_prefix(&prefix)?))) {
        let (ours, tolerance) = match form {
            "pull_jacobian" => (forms.pull.as_ref(), TOLERANCE),
            "warp_without_jacobian" => (forms.warp.as_ref(), TOLERANCE),
            "unwarp_of_pull" => (forms.unwarped.as_ref(), TOLERANCE),
            "push_dense" => (Some(&forms.dense), DENSE),
            _ => {
                cases.unknown(FILE, tensor);
                continue;
            }
        };
        let ours = ours.ok_or_else(|| Problem::new(format!("{form}: {}", epi::Folds)))?;
        cases.compare(FILE, tensor, &wide(ours), &file.get(tensor)?.data, tolerance);
    }
    for (key, theirs) in facts {
        if matches!(key.as_str(), "polarity" | "bandwidth_per_pixel_hz" | "note") {
            continue;
        }
        match figure(key, &input, &shift, &forms) {
            Some((ours, tolerance)) => {
                let ours = [ours.unwrap_or(f64::NAN)];
                cases.compare(FACTS, &format!("{prefix}{key}"), &ours, &[number(theirs)?], tolerance);
            }
            None => unknown(&format!("epi.{name}"), key, cases),
        }
    }
    Ok(())
}

/// A figure of a distortion by its key; none where the key is unknown, and no number where the form does not exist.
fn figure(key: &str, input: &Volume, shift: &Volume, forms: &Forms) -> Option<(Option<f64>, Tolerance)> {
    let sum = |v: &Volume| v.data.iter().map(|v| f64::from(*v)).sum::<f64>();
    let distance = |a: &Volume, b: &Volume| {
        let pairs = || a.data.iter().zip(&b.data).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let squares: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
        (squares / pairs().map(|(_, b)| b * b).sum::<f64>()).sqrt()
    };
    let (pull, unwarped) = (forms.pull.as_ref(), forms.unwarped.as_ref());
    Some(match key {
        "max_abs_shift_voxels" => {
            (Some(shift.data.iter().fold(0.0, |m, v| f64::from(v.abs()).max(m))), TOLERANCE)
        }
        "sum_input" => (Some(sum(input)), TOLERANCE),
        "sum_pull" => (pull.map(sum), TOLERANCE),
        "sum_push_dense" => (Some(sum(&forms.dense)), DENSE),
        "rel_l2_pull_vs_push_dense" => (pull.map(|pull| distance(pull, &forms.dense)), DISTANCE),
        "rel_l2_unwarped_vs_input" => (unwarped.map(|image| distance(image, input)), DISTANCE),
        "rel_l2_distorted_vs_input" => (pull.map(|pull| distance(pull, input)), DISTANCE),
        _ => return None,
    })
}

/// `rician.sigma_SHARE`: `volume` with noise from the draws `rician.n_real` and `rician.n_imag`, whose
/// deviation is that share of the largest value.
fn noisy(file: &Tensors, case: &str, facts: &Map<String, Value>, cases: &mut Cases) -> Result<(), Problem> {
    let input = volume(file, "volume")?;
    let draws = |name: &str| -> Result<Array, Problem> {
        let draws = file.get(name)?;
        if draws.shape != input.shape {
            let shapes = (&draws.shape, input.shape);
            return Err(Problem::new(format!("{name} and volume have shapes {shapes:?}")));
        }
        Ok(draws)
    };
    let (real, imag) = (draws("rician.n_real")?, draws("rician.n_imag")?);
    let sigma = number(facts.get("sigma").unwrap_or(&Value::Null))?;
    let values = wide(&input);
    let ours: Vec<f64> = values
        .iter()
        .zip(real.data.iter().zip(&imag.data))
        .map(|(v, (real, imag))| rician::noisy(*v, sigma, *real, *imag))
        .collect();
    cases.compare(FILE, case, &ours, &file.get(case)?.data, NOISE);
    for (key, theirs) in facts {
        let figure = match key.as_str() {
            "sigma_is" => continue,
            "sigma" => {
                let share = case.rsplit_once("sigma_").and_then(|(_, share)| share.parse::<f64>().ok());
                let share = share.ok_or_else(|| Problem::new("the name does not say a share"))?;
                share * values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            }
            "mean_of_output" => mean(ours.iter().copied()),
            "expected_mean_where_volume_is_0" => rician::mean(0.0, sigma),
            "expected_mean_of_output" => mean(values.iter().map(|v| rician::mean(*v, sigma))),
            _ => {
                unknown(case, key, cases);
                continue;
            }
        };
        cases.compare(FACTS, &format!("{case}.{key}"), &[figure], &[number(theirs)?], NOISE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_degradation_passes() {
        assert_file_passes(FILE);
    }
}
