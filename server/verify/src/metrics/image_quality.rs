//! `metrics/image_quality.safetensors` and `.json`: differences between images, by several packages.
//!
//! `x` is the reference and `y` the prediction, `[sample, 1, D, H, W]`.

use serde_json::Value;
use transferscope_imaging::metrics::{self, Ssim};

use crate::{Array, Cases, Folder, Problem, Tensors, Tolerance, number, numbers};

pub const FILE: &str = "metrics/image_quality.safetensors";
pub const SCORES: &str = "metrics/image_quality.json";

/// Of SSIM in double precision, of MONAI's in single, and of everything else.
const SSIM: Tolerance = Tolerance::absolute(1e-10);
const SSIM_SINGLE: Tolerance = Tolerance::absolute(2e-5);
const OTHERS: Tolerance = Tolerance::relative(1e-6);
/// Side of the uniform window that scikit-image takes by default.
const UNIFORM: usize = 7;

/// One pair of images.
struct Sample {
    x: Vec<f32>,
    y: Vec<f32>,
    shape: [usize; 3],
    range: f64,
}

/// Compares every score of every sample, and their means.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    // Images without scores say nothing.
    if !folder.has(SCORES) {
        return Ok(());
    }
    let file = folder.tensors(FILE)?;
    let json = folder.json(SCORES)?;
    let range = number(&json["data_range"])?;
    let samples = samples(&file, range)?;
    for name in file.names().filter(|name| !["x", "y"].contains(name)) {
        cases.unknown(FILE, name);
    }
    let top = json.as_object().ok_or_else(|| Problem::new(format!("{SCORES} is no JSON object")))?;
    for (part, values) in top {
        let compare = match (part.as_str(), values) {
            // What is in words explains the numbers.
            ("data_range", _) | (_, Value::String(_)) => continue,
            ("per_sample" | "mean", _) => scores(part, values, &samples, cases),
            ("identical_images", _) => identical(values, &samples, cases),
            _ => {
                cases.unknown(SCORES, part);
                Ok(())
            }
        };
        if let Err(problem) = compare {
            cases.problem(SCORES, &problem);
        }
    }
    Ok(())
}

fn samples(file: &Tensors, range: f64) -> Result<Vec<Sample>, Problem> {
    let (x, y) = (file.get("x")?, file.get("y")?);
    let &[_, 1, d, h, w] = x.shape.as_slice() else {
        return Err(Problem::new(format!("x has shape {:?}, not samples of one channel", x.shape)));
    };
    let size = d * h * w;
    if size == 0 || x.shape != y.shape {
        let shapes = (&x.shape, &y.shape);
        return Err(Problem::new(format!("x and y have shapes {shapes:?}")));
    }
    let parts = |array: &Array| array.f32().chunks_exact(size).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let pairs = parts(&x).into_iter().zip(parts(&y));
    Ok(pairs.map(|(x, y)| Sample { x, y, shape: [d, h, w], range }).collect())
}

/// `per_sample` has a list for each score, `mean` the mean of each.
fn scores(part: &str, values: &Value, samples: &[Sample], cases: &mut Cases) -> Result<(), Problem> {
    let values = values.as_object().ok_or_else(|| Problem::new(format!("{part} is no JSON object")))?;
    for (key, theirs) in values {
        let Some((score, tolerance)) = score(key) else {
            cases.unknown(SCORES, &format!("{part}.{key}"));
            continue;
        };
        let mut ours: Vec<f64> = samples.iter().map(|s| score(s).unwrap_or(f64::NAN)).collect();
        if part == "mean" {
            ours = vec![ours.iter().sum::<f64>() / ours.len() as f64];
        }
        cases.compare(SCORES, &format!("{part}.{key}"), &ours, &numbers(theirs)?, tolerance);
    }
    Ok(())
}

type Score = fn(&Sample) -> Option<f64>;

/// A score by its key.
fn score(key: &str) -> Option<(Score, Tolerance)> {
    Some(match key {
        "ssim3d_plain_float64" | "ssim3d_skimage_gaussian" => (ssim, SSIM),
        "ssim3d_monai" | "ssim3d_monai_float32" => (ssim, SSIM_SINGLE),
        "ssim3d_skimage_uniform7_default" => (ssim_uniform, SSIM),
        "ssim3d_skimage_gaussian_full_mean" => (ssim_with_borders, SSIM),
        "psnr_monai" | "psnr_skimage" => (|s| Some(metrics::psnr_db(&s.y, &s.x, s.range)), OTHERS),
        "mae_monai" => (|s| Some(metrics::mae(&s.y, &s.x)), OTHERS),
        "mse_monai" => (|s| Some(metrics::mse(&s.y, &s.x)), OTHERS),
        "nmse_formula" => (|s| metrics::nmse(&s.y, &s.x), OTHERS),
        _ => return None,
    })
}

fn ssim(s: &Sample) -> Option<f64> {
    Ssim::gaussian(s.shape).map(&s.y, &s.x, s.shape, s.range).mean()
}

/// scikit-image's default: a uniform window and the variances of a sample.
fn ssim_uniform(s: &Sample) -> Option<f64> {
    let window = || vec![1.0 / UNIFORM as f64; UNIFORM];
    let ssim = Ssim { windows: [window(), window(), window()], of_sample: true };
    ssim.map(&s.y, &s.x, s.shape, s.range).mean()
}

/// The mean over every voxel, the volume mirrored at its borders.
fn ssim_with_borders(s: &Sample) -> Option<f64> {
    let ssim = Ssim::gaussian(s.shape);
    let half: [usize; 3] = std::array::from_fn(|a| ssim.windows[a].len() / 2);
    let ((x, shape), (y, _)) = (mirrored(&s.x, s.shape, half), mirrored(&s.y, s.shape, half));
    ssim.map(&y, &x, shape, s.range).mean()
}

/// The volume with `margin` voxels more on every side, which mirror those within; the border voxel is
/// repeated.
fn mirrored(values: &[f32], shape: [usize; 3], margin: [usize; 3]) -> (Vec<f32>, [usize; 3]) {
    let size: [usize; 3] = std::array::from_fn(|a| shape[a] + 2 * margin[a]);
    let index = |axis: usize, at: usize| {
        let n = shape[axis];
        let at = (at + 2 * n * margin[axis] - margin[axis]) % (2 * n);
        at.min(2 * n - 1 - at)
    };
    let mut out = Vec::with_capacity(size.iter().product());
    for z in 0..size[0] {
        for y in 0..size[1] {
            let row = (index(0, z) * shape[1] + index(1, y)) * shape[2];
            out.extend((0..size[2]).map(|x| values[row + index(2, x)]));
        }
    }
    (out, size)
}

/// What equal images give.
fn identical(values: &Value, samples: &[Sample], cases: &mut Cases) -> Result<(), Problem> {
    let values = values.as_object().ok_or_else(|| Problem::new("identical_images is no JSON object"))?;
    for (key, theirs) in values {
        let score = match key.as_str() {
            "ssim" => Some((ssim as Score, SSIM)),
            key => score(key),
        };
        let Some((score, tolerance)) = score else {
            cases.unknown(SCORES, &format!("identical_images.{key}"));
            continue;
        };
        let theirs = number(theirs)?;
        let ours = samples.iter().map(|s| {
            let x = s.x.clone();
            score(&Sample { y: x.clone(), x, shape: s.shape, range: s.range }).unwrap_or(f64::NAN)
        });
        let name = format!("identical_images.{key}");
        cases.compare(SCORES, &name, &ours.collect::<Vec<_>>(), &vec![theirs; samples.len()], tolerance);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_score_passes() {
        assert_file_passes(FILE);
    }

    #[test]
    fn mirrors_repeat_the_border() {
        let (row, size) = mirrored(&[1.0, 2.0, 3.0], [1, 1, 3], [0, 0, 4]);
        assert_eq!(size, [1, 1, 11]);
        assert_eq!(row, [3.0, 3.0, 2.0, 1.0, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 1.0]);
    }
}
