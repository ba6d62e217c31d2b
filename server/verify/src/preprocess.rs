//! `preprocess/preprocess.safetensors`: intensities, crops, smoothing and sliding windows.

use std::convert::Infallible;

use transferscope_imaging::data::{normalise::zscore_nonzero, smooth, window::centred};
use transferscope_ml::infer::sliding_window::{Blending, SlidingWindow};

use crate::{Array, Cases, Folder, Problem, Tensors, Tolerance};

pub const FILE: &str = "preprocess/preprocess.safetensors";

/// Of everything that is computed; crops are exact.
const TOLERANCE: Tolerance = Tolerance::relative(1e-5);

/// Compares every transform of the file.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.tensors(FILE)?;
    for compare in [zscore, crop_pad, gaussian_smooth, sliding] {
        // The other transforms are compared all the same.
        if let Err(problem) = compare(&file, cases) {
            cases.problem(FILE, &problem);
        }
    }
    Ok(())
}

/// Channels and the sizes of a `[C, D, H, W]` tensor that has voxels.
fn volume(name: &str, array: &Array) -> Result<(usize, [usize; 3]), Problem> {
    match array.shape.as_slice() {
        &[c, d, h, w] if c * d * h * w > 0 => Ok((c, [d, h, w])),
        shape => Err(Problem::new(format!("{name} has shape {shape:?}, not channels of volumes"))),
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Names below `prefix`, but for those that a comparison reads itself.
fn results<'a>(file: &'a Tensors, prefix: &str, inputs: &[&str]) -> Vec<&'a str> {
    let is_input = |name: &str| inputs.iter().any(|input| name.ends_with(input));
    file.names().filter(|n| n.starts_with(prefix) && !is_input(n)).collect()
}

fn zscore(file: &Tensors, cases: &mut Cases) -> Result<(), Problem> {
    for name in results(file, "zscore_nonzero.", &["input"]) {
        let theirs = file.get(name)?;
        let input = file.get(&name.replace("output", "input"))?;
        let (_, shape) = volume(name, &input)?;
        let mut ours = input.f32();
        ours.chunks_mut(shape.iter().product()).for_each(zscore_nonzero);
        cases.compare(FILE, name, &wide(&ours), &theirs.data, TOLERANCE);
    }
    Ok(())
}

fn crop_pad(file: &Tensors, cases: &mut Cases) -> Result<(), Problem> {
    for name in results(file, "crop_pad.", &["input"]) {
        let (theirs, input) = (file.get(name)?, file.get("crop_pad.input")?);
        let (_, shape) = volume("crop_pad.input", &input)?;
        let (_, size) = volume(name, &theirs)?;
        let channels = input.data.chunks(shape.iter().product());
        let ours: Vec<f64> = channels.flat_map(|channel| centred(channel, shape, size)).collect();
        cases.compare(FILE, name, &ours, &theirs.data, Tolerance::EXACT);
    }
    Ok(())
}

/// `gaussian_smooth.sigma_D_H_W`
fn gaussian_smooth(file: &Tensors, cases: &mut Cases) -> Result<(), Problem> {
    for name in results(file, "gaussian_smooth.", &["input"]) {
        let (theirs, input) = (file.get(name)?, file.get("gaussian_smooth.input")?);
        let (_, shape) = volume(name, &input)?;
        let sigma: Vec<f64> = name.rsplit('_').take(3).filter_map(|part| part.parse().ok()).collect();
        let &[w, h, d] = sigma.as_slice() else {
            return Err(Problem::new(format!("{name} does not say three deviations")));
        };
        let input = input.f32();
        let channels = input.chunks(shape.iter().product());
        let ours: Vec<f32> = channels.flat_map(|c| smooth::gaussian(c, shape, [d, h, w])).collect();
        cases.compare(FILE, name, &wide(&ours), &theirs.data, TOLERANCE);
    }
    Ok(())
}

/// `sliding.BLENDING_overlap_SHARE`, and with `smaller_` before it of a volume that is smaller than the
/// window.
fn sliding(file: &Tensors, cases: &mut Cases) -> Result<(), Problem> {
    for name in results(file, "sliding.", &["input", "window_bias"]) {
        let settings = name.trim_start_matches("sliding.");
        let (input, settings) = match settings.strip_prefix("smaller_") {
            Some(rest) => ("sliding.smaller_input", rest),
            None => ("sliding.input", settings),
        };
        let unknown = || Problem::new(format!("{name} does not say how windows are joined"));
        let (blending, overlap) = settings.split_once("_overlap_").ok_or_else(unknown)?;
        let blending = match blending {
            "constant" => Blending::Constant,
            "gaussian" => Blending::Gaussian,
            _ => return Err(unknown()),
        };
        let overlap: f64 = overlap.parse().map_err(|_| unknown())?;
        let (theirs, image, bias) = (file.get(name)?, file.get(input)?, file.get("sliding.window_bias")?);
        let ours = predict(&image, &bias, overlap, blending)?;
        cases.compare(FILE, name, &wide(&ours), &theirs.data, TOLERANCE);
    }
    Ok(())
}

/// The stand-in for a network: of a window p with two channels it makes `p0 + p1`, `2 p0` and `p1 - 1`, and
/// adds the bias, which tells places in the window apart.
fn predict(image: &Array, bias: &Array, overlap: f64, blending: Blending) -> Result<Vec<f32>, Problem> {
    let inner = |array: &Array| match array.shape.split_first() {
        Some((1, rest)) => Ok(Array { shape: rest.to_vec(), data: array.data.clone() }),
        _ => Err(Problem::new(format!("sliding: shape {:?} is no single volume", array.shape))),
    };
    let (image, bias) = (inner(image)?, inner(bias)?);
    let ((inputs, shape), (outputs, size)) = (volume("sliding", &image)?, volume("window_bias", &bias)?);
    if inputs != 2 || outputs != 3 || !(0.0..1.0).contains(&overlap) {
        let text = format!("sliding: {inputs} channels in, {outputs} out, overlap {overlap}");
        return Err(Problem::new(text));
    }
    let plan = SlidingWindow { size, overlap, blending };
    let bias = bias.f32();
    let voxels: usize = size.iter().product();
    let run = plan.run(&image.f32(), shape, |part| {
        let (p0, p1) = part.split_at(voxels);
        let sum = p0.iter().zip(p1).map(|(a, b)| a + b);
        let all = sum.chain(p0.iter().map(|a| 2.0 * a)).chain(p1.iter().map(|b| b - 1.0));
        Ok::<_, Infallible>(all.zip(&bias).map(|(value, bias)| value + bias).collect())
    });
    match run {
        Ok(values) => Ok(values),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_transform_passes() {
        assert_file_passes(FILE);
    }
}
