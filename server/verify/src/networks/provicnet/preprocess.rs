//! What is done to images before the network: enlarging, windows of slices.

use serde_json::Value;
use transferscope_imaging::data::slabs::slabs;
use transferscope_ml::nn::resize::{linear, resize};

use crate::{Cases, Folder, Problem, Tolerance, numbers, whole};

const IMAGES: &str = "models/provicnet_preprocess.safetensors";
const WINDOWS: &str = "models/provicnet_slice_windows.json";
/// As the folder's description says.
const TOLERANCE: Tolerance = Tolerance::relative(1e-5);
/// Most slices and channels that are asked for.
const SLICES: usize = 4096;
const CHANNELS: usize = 255;

/// Enlarged slice by slice.
pub fn images(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let tensors = folder.tensors(IMAGES)?;
    // Standardising by the gland is not done here.
    for name in tensors.names().filter(|n| n.starts_with("zscore.")) {
        cases.unknown(IMAGES, name);
    }
    let input = tensors.get("resize.input")?;
    for name in tensors.names().filter(|n| n.starts_with("resize.cv2_linear_")) {
        let output = tensors.get(name)?;
        let ([_, h, w], [_, h2, w2]) = (volume(&input.shape)?, volume(&output.shape)?);
        let (rows, columns) = (linear(h, h2), linear(w, w2));
        let pixels = input.f32();
        let slices = pixels.chunks_exact(h * w).flat_map(|s| resize(s, [h, w], [h2, w2], &rows, &columns));
        let ours: Vec<f64> = slices.map(f64::from).collect();
        cases.compare(IMAGES, name, &ours, &output.data, TOLERANCE);
    }
    Ok(())
}

fn volume(shape: &[usize]) -> Result<[usize; 3], Problem> {
    let odd = || Problem::new(format!("shape {shape:?} where slices of at most {SLICES} pixels belong"));
    let shape: [usize; 3] = shape.try_into().map_err(|_| odd())?;
    if shape.iter().all(|n| (1..=SLICES).contains(n)) { Ok(shape) } else { Err(odd()) }
}

/// Windows of n channels for Z slices; in the file slices count from 1, and 0 is a slice of zeros.
pub fn windows(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let table = folder.json(WINDOWS)?;
    let table = table.as_object().ok_or_else(|| Problem::new(format!("{WINDOWS} is no table")))?;
    for (name, expected) in table {
        let (slices, channels) = sizes(name)?;
        let number = |z: Option<usize>| z.map_or(0.0, |z| z as f64 + 1.0);
        let ours = slabs(slices, channels / 2);
        let flat: Vec<f64> = ours.iter().flat_map(|s| s.slices.iter().map(|z| number(*z))).collect();
        let centres: Vec<f64> = ours.iter().map(|w| number(w.centre)).collect();
        for (part, ours) in [("windows", flat), ("label_slice", centres)] {
            let theirs = numbers(&expected[part])?;
            cases.compare(WINDOWS, &format!("{name}/{part}"), &ours, &theirs, Tolerance::EXACT);
        }
    }
    Ok(())
}

/// From `Z=20,n=9`.
fn sizes(name: &str) -> Result<(usize, usize), Problem> {
    let part = |text: &str, key: &str| text.strip_prefix(key).and_then(|n| n.parse::<u64>().ok());
    let parsed = name.split_once(',').and_then(|(z, n)| Some((part(z, "Z=")?, part(n, "n=")?)));
    let (z, n) = parsed.ok_or_else(|| Problem::new(format!("{name:?} is not Z=slices,n=channels")))?;
    let (z, n) = (whole(&Value::from(z), "Z", 1)?, whole(&Value::from(n), "n", 1)?);
    if n.is_multiple_of(2) || z > SLICES || n > CHANNELS {
        return Err(Problem::new(format!(
            "{name:?}: windows have an odd number of channels up to {CHANNELS}"
        )));
    }
    Ok((z, n))
}
