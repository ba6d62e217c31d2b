//! `metrics/segmentation_masks.safetensors` and `metrics/segmentation.json`: overlap and surface distances.
//!
//! Masks are `CASE.prediction` and `CASE.truth`; the JSON has each case's scores by several packages. Left out
//! are those of the surface-distance package, whose surface lies between voxels and is weighted by its area:
//! another definition than ours, as the reference says.

use serde_json::{Map, Value};
use transferscope_imaging::metrics::{self, Overlap, SurfaceDistances};

use crate::{Cases, Folder, Problem, Tensors, Tolerance, number, numbers};

pub const FILE: &str = "metrics/segmentation.json";
pub const MASKS: &str = "metrics/segmentation_masks.safetensors";

/// As the reference asks for: of overlaps, and of distances in mm.
const OVERLAP: Tolerance = Tolerance::absolute(1e-5);
const DISTANCE: Tolerance = Tolerance::absolute(1e-4);

/// Keys of one case that are not compared: the other definition, and text.
const LEFT_OUT: [&str; 2] = ["surface_distance_pkg", "note"];

/// Compares every case, and the means over cases.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    // Scores without masks say nothing.
    if !folder.has(MASKS) {
        return Ok(());
    }
    let json = folder.json(FILE)?;
    let masks = folder.tensors(MASKS)?;
    let top = json.as_object().ok_or_else(|| Problem::new(format!("{FILE} is no JSON object")))?;
    for (key, value) in top {
        let outcome = match key.as_str() {
            "spacing_mm_d_h_w" | "note" => continue,
            "cases" => every_case(&masks, top, value, cases),
            "multiclass" => several_classes(&masks, value, cases),
            _ => {
                cases.unknown(FILE, key);
                Ok(())
            }
        };
        if let Err(problem) = outcome {
            cases.problem(FILE, &problem);
        }
    }
    Ok(())
}

fn every_case(
    masks: &Tensors,
    top: &Map<String, Value>,
    values: &Value,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let spacing = numbers(top.get("spacing_mm_d_h_w").unwrap_or(&Value::Null))?;
    let &[d, h, w] = spacing.as_slice() else {
        return Err(Problem::new(format!("{spacing:?} are no three voxel sizes")));
    };
    let values = values.as_object().ok_or_else(|| Problem::new("cases is no JSON object"))?;
    for (case, scores) in values {
        if let Err(problem) = one_case(masks, case, scores, [d, h, w], cases) {
            cases.problem(FILE, &Problem::new(format!("{case}: {problem}")));
        }
    }
    Ok(())
}

/// Label maps of a case.
struct Pair {
    prediction: Vec<u8>,
    truth: Vec<u8>,
    shape: Vec<usize>,
}

impl Pair {
    fn read(masks: &Tensors, case: &str) -> Result<Self, Problem> {
        let of = |part: &str| masks.get(&format!("{case}.{part}"));
        let (prediction, truth) = (of("prediction")?, of("truth")?);
        if prediction.shape != truth.shape {
            let shapes = (&prediction.shape, &truth.shape);
            return Err(Problem::new(format!("prediction and truth have shapes {shapes:?}")));
        }
        let whole = |values: &[f64]| values.iter().map(|v| *v as u8).collect();
        Ok(Self { prediction: whole(&prediction.data), truth: whole(&truth.data), shape: truth.shape })
    }
}

fn one_case(
    masks: &Tensors,
    case: &str,
    scores: &Value,
    spacing: [f64; 3],
    cases: &mut Cases,
) -> Result<(), Problem> {
    let Pair { prediction, truth, shape } = Pair::read(masks, case)?;
    let &[d, h, w] = shape.as_slice() else {
        return Err(Problem::new(format!("masks of shape {shape:?}, not slices, rows and columns")));
    };
    let between = |spacing| SurfaceDistances::between(&prediction, &truth, 1, [d, h, w], spacing);
    let (mm, voxels) = (between(spacing), between([1.0; 3]));
    let overlap = Overlap::of(&prediction, &truth, 1);
    let scores = scores.as_object().ok_or_else(|| Problem::new("no JSON object"))?;
    for (key, value) in scores.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())) {
        // Other packages' scores stand in an object of their own.
        let (package, group) = match value.as_object() {
            Some(group) => (key.as_str(), group.iter().collect()),
            None => ("monai", vec![(key, value)]),
        };
        for (key, value) in group {
            let name = if package == "monai" {
                format!("cases.{case}.{key}")
            } else {
                format!("cases.{case}.{package}.{key}")
            };
            let ours = overlap_score(key, &overlap)
                .map(|score| (score, OVERLAP))
                .or_else(|| Some((distance(package, key, mm.as_ref(), voxels.as_ref())?, DISTANCE)));
            match ours {
                Some((ours, tolerance)) => compare(cases, &name, ours, value, tolerance)?,
                None => cases.unknown(FILE, &name),
            }
        }
    }
    Ok(())
}

/// A score that we leave undefined agrees with NaN, and with the infinity that MONAI says of some.
fn compare(
    cases: &mut Cases,
    name: &str,
    ours: Option<f64>,
    theirs: &Value,
    tolerance: Tolerance,
) -> Result<(), Problem> {
    let theirs = number(theirs)?;
    let theirs = if theirs.is_finite() { theirs } else { f64::NAN };
    cases.compare(FILE, name, &[ours.unwrap_or(f64::NAN)], &[theirs], tolerance);
    Ok(())
}

/// An overlap by its key.
fn overlap_score(key: &str, overlap: &Overlap) -> Option<Option<f64>> {
    (key == "dice_monai_ignore_empty").then(|| overlap.dice())
}

/// A distance by its package and key.
fn distance(
    package: &str,
    key: &str,
    mm: Option<&SurfaceDistances>,
    voxels: Option<&SurfaceDistances>,
) -> Option<Option<f64>> {
    let (distances, key) = match key.strip_suffix("_voxel_units") {
        Some(key) => (voxels, key),
        None => (mm, key),
    };
    let measure: fn(&SurfaceDistances) -> f64 = match (package, key) {
        ("monai", "hd95_monai") | ("plain", "hd95") => SurfaceDistances::hd95,
        ("monai", "assd_monai") | ("plain" | "medpy", "assd") => SurfaceDistances::assd,
        _ => return None,
    };
    Some(distances.map(measure))
}

/// Dice of each case and class, and its means by class, which skip what is undefined.
fn several_classes(masks: &Tensors, values: &Value, cases: &mut Cases) -> Result<(), Problem> {
    let Pair { prediction, truth, shape } = Pair::read(masks, "multiclass")?;
    let values = values.as_object().ok_or_else(|| Problem::new("multiclass is no JSON object"))?;
    let rows = values.get("per_case_class").and_then(Value::as_array);
    let rows = rows.ok_or_else(|| Problem::new("multiclass has no per_case_class"))?;
    let classes = rows.first().and_then(Value::as_array).map_or(0, Vec::len);
    let voxels: usize = shape.iter().skip(1).product();
    let Ok(classes) = u8::try_from(classes) else {
        return Err(Problem::new(format!("{classes} classes: at most 255 were expected")));
    };
    if voxels == 0 {
        return Err(Problem::new(format!("multiclass has masks of shape {shape:?}")));
    }
    let scores: Vec<_> = prediction
        .chunks_exact(voxels)
        .zip(truth.chunks_exact(voxels))
        .map(|(prediction, truth)| metrics::dice_by_class(prediction, truth, classes))
        .collect();
    for (key, theirs) in values {
        let ours = match key.as_str() {
            "per_case_class" => scores.concat(),
            "DiceMetric_mean_batch" => metrics::mean_by_class(&scores),
            _ => {
                cases.unknown(FILE, &format!("multiclass.{key}"));
                continue;
            }
        };
        let ours: Vec<f64> = ours.into_iter().map(|score| score.unwrap_or(f64::NAN)).collect();
        cases.compare(FILE, &format!("multiclass.{key}"), &ours, &numbers(theirs)?, OVERLAP);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_mask_pair_passes() {
        assert_file_passes(FILE);
    }
}
