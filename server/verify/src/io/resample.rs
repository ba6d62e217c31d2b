//! `io/resample.json` and `io/resample.safetensors`: images on other grids, against ITK.

use std::path::PathBuf;

use serde_json::{Map, Value};
use transferscope_imaging::data::{
    Geometry, Image, Volume, read,
    resample::{Interpolation, onto},
};

use crate::{Cases, Folder, Problem, Tensors, Tolerance, number, numbers, whole};

pub const DESCRIPTION: &str = "io/resample.json";
pub const ARRAYS: &str = "io/resample.safetensors";

/// "Relative tolerance 1e-6 for linear, exact for nearest, 1e-5 for B-spline."
const WAYS: [(&str, Interpolation, Tolerance); 3] = [
    ("linear", Interpolation::Linear, Tolerance::relative(1e-6)),
    ("nearest", Interpolation::Nearest, Tolerance::EXACT),
    ("bspline3", Interpolation::Cubic, Tolerance::relative(1e-5)),
];

/// Outside labels.
const LABELS_OUTSIDE: f32 = 0.0;
/// Outside a real series.
const SERIES_OUTSIDE: f32 = 0.0;

/// Compares every case of the file.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(DESCRIPTION)?;
    let all = json.as_object().ok_or_else(|| Problem::new(format!("{DESCRIPTION} does not name cases")))?;
    if !folder.has(ARRAYS) {
        return Err(Problem::new(format!("{ARRAYS} is not beside it")));
    }
    let arrays = folder.tensors(ARRAYS)?;
    for (name, about) in all {
        let about = about.as_object().ok_or_else(|| Problem::new(format!("{name} says nothing")))?;
        let outcome = if about.contains_key("moving") {
            synthetic(&arrays, name, about, cases)
        } else {
            series(folder, &arrays, name, about, cases)
        };
        if let Err(problem) = outcome {
            cases.equal(DESCRIPTION, name, Some(problem.to_string()));
        }
    }
    Ok(())
}

/// A grid as `[D, H, W]` and geometry.
fn grid(about: &Value, what: &str) -> Result<([usize; 3], Geometry), Problem> {
    let fixed = |key: &str| -> Result<Vec<f64>, Problem> { numbers(&about[key]) };
    let wrong = |key: &str| Problem::new(format!("{what}: {key} has another number of numbers"));
    let size =
        about["size_xyz"].as_array().filter(|size| size.len() == 3).ok_or_else(|| wrong("size_xyz"))?;
    let shape = [whole(&size[2], what, 1)?, whole(&size[1], what, 1)?, whole(&size[0], what, 1)?];
    let spacing: [f64; 3] = fixed("spacing")?.try_into().map_err(|_| wrong("spacing"))?;
    let origin: [f64; 3] = fixed("origin_lps")?.try_into().map_err(|_| wrong("origin_lps"))?;
    let direction: [f64; 9] = fixed("direction_lps")?.try_into().map_err(|_| wrong("direction_lps"))?;
    let rows = std::array::from_fn(|r| std::array::from_fn(|c| direction[3 * r + c]));
    let geometry = Geometry::new(spacing, origin, rows);
    match geometry.problem() {
        Some(problem) => Err(Problem::new(format!("{what}: {problem}"))),
        None => Ok((shape, geometry)),
    }
}

/// A tensor as a volume of this shape.
fn volume(arrays: &Tensors, name: &str, shape: [usize; 3]) -> Result<Volume, Problem> {
    let array = arrays.get(name)?;
    if array.shape != shape {
        return Err(Problem::new(format!("{name} has shape {:?}, its grid {shape:?}", array.shape)));
    }
    Ok(Volume { shape, data: array.f32() })
}

fn wide(volume: &Volume) -> Vec<f64> {
    volume.data.iter().map(|v| f64::from(*v)).collect()
}

/// A made image onto a made grid: tensors `CASE.WAY`, of `moving`, and `CASE.label_nearest`, of
/// `moving_label`.
fn synthetic(
    arrays: &Tensors,
    name: &str,
    about: &Map<String, Value>,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let outside = about.get("default_value").map_or(Ok(0.0), number)? as f32;
    let (moving_shape, geometry) = grid(&about["moving"], "moving")?;
    let (shape, target) = grid(about.get("reference").unwrap_or(&Value::Null), "reference")?;
    let sample = |moving: &Volume, how, outside| {
        let image = Image { volume: moving.clone(), geometry };
        onto(&image, shape, &target, how, outside).map_err(|e| Problem::new(e.to_string()))
    };
    let prefix = format!("{name}.");
    for tensor in arrays.names().filter(|tensor| tensor.starts_with(&prefix)) {
        let way = &tensor[prefix.len()..];
        // Its shape is that of the grid, so nothing larger is computed than the file holds.
        let theirs = volume(arrays, tensor, shape)?;
        if way == "label_nearest" {
            let moving = volume(arrays, "moving_label", moving_shape)?;
            let ours = sample(&moving, Interpolation::Nearest, LABELS_OUTSIDE)?;
            cases.compare(ARRAYS, tensor, &wide(&ours), &wide(&theirs), Tolerance::EXACT);
            continue;
        }
        let Some((way, how, tolerance)) = WAYS.into_iter().find(|(known, ..)| *known == way) else {
            let reason = "no check is for this way to resample";
            cases.equal(ARRAYS, tensor, Some(reason.into()));
            continue;
        };
        let moving = volume(arrays, "moving", moving_shape)?;
        let ours = sample(&moving, how, outside)?;
        cases.compare(ARRAYS, tensor, &wide(&ours), &wide(&theirs), tolerance);
        second_route(name, way, about, &ours, &theirs, cases)?;
        if way == "linear"
            && let Some(fraction) = about.get("inside_fraction")
        {
            let ones = Volume::filled(moving_shape, 1.0);
            let inside: f64 = wide(&sample(&ones, Interpolation::Nearest, 0.0)?).iter().sum();
            let ours = inside / theirs.len() as f64;
            let what = format!("{name}.inside_fraction");
            cases.compare(DESCRIPTION, &what, &[ours], &numbers(fraction)?, Tolerance::absolute(1e-12));
        }
    }
    for key in about.keys() {
        let measured = WAYS.iter().any(|(way, ..)| key.starts_with(way));
        let known = ["moving", "reference", "default_value", "inside_fraction", "note"];
        if !measured && !known.contains(&key.as_str()) {
            cases.equal(DESCRIPTION, &format!("{name}.{key}"), Some("no check looks at this key".into()));
        }
    }
    Ok(())
}

/// How far a second way of computing the same was from ITK, and at how many voxels it was really off: ours
/// may be no worse, but for the rounding to single precision.
fn second_route(
    name: &str,
    way: &str,
    about: &Map<String, Value>,
    ours: &Volume,
    theirs: &Volume,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let apart: Vec<f64> = wide(ours).iter().zip(wide(theirs)).map(|(a, b)| (a - b).abs()).collect();
    let largest = wide(theirs).iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
    let key = format!("{way}_second_route_max_difference");
    if let Some(limit) = about.get(&key) {
        let (ours, limit) = (apart.iter().copied().fold(0.0, f64::max), number(limit)?);
        let allowed = limit + f64::from(f32::EPSILON) * largest;
        let differs = (ours > allowed).then(|| format!("off by {ours:.2e}, the second route by {limit:.2e}"));
        cases.equal(DESCRIPTION, &format!("{name}.{key}"), differs);
    }
    let key = format!("{way}_voxels_differing_by_more_than_1e-2");
    if let Some(count) = about.get(&key) {
        let ours = apart.iter().filter(|off| **off > 1e-2).count();
        let what = format!("{name}.{key}");
        cases.compare(DESCRIPTION, &what, &[ours as f64], &numbers(count)?, Tolerance::EXACT);
    }
    Ok(())
}

/// Real series of a case onto the grid of another of its series: tensors `CASE.CHANNEL_on_t2w.WAY`, one
/// slice with every so many rows and columns. The series lie in the folder `data` in or beside the
/// reference folder; where they do not, only the sizes are compared.
fn series(
    folder: &Folder,
    arrays: &Tensors,
    name: &str,
    about: &Map<String, Value>,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let get = |key: &str| about.get(key).unwrap_or(&Value::Null);
    let (shape, geometry) = grid(get("reference_geometry"), "reference_geometry")?;
    let slice = whole(get("slice_index"), "slice_index", 0)?;
    let step = whole(get("in_plane_step"), "in_plane_step", 1)?;
    let known = ["reference", "slice_index", "in_plane_step", "note", "reference_geometry"];
    for key in about.keys().filter(|key| !known.contains(&key.as_str())) {
        cases.equal(DESCRIPTION, &format!("{name}.{key}"), Some("no check looks at this key".into()));
    }
    if slice >= shape[0] {
        return Err(Problem::new(format!("slice {slice} of {}", shape[0])));
    }
    let data = case_folder(folder, name);
    if let Some(data) = &data {
        let read = read::image(&data.join("t2w")).map_err(|e| Problem::new(e.to_string()))?;
        let differs = (read.volume.shape != shape)
            .then(|| format!("shape {:?} here, {shape:?} in the file", read.volume.shape));
        cases.equal(DESCRIPTION, &format!("{name}.reference_geometry.size_xyz"), differs);
        let flat = |g: &Geometry| g.world_from_voxel.as_flattened().to_vec();
        let what = format!("{name}.reference_geometry");
        cases.compare(DESCRIPTION, &what, &flat(&read.geometry), &flat(&geometry), super::subject::GEOMETRY);
    }
    // One slice of the grid, pixels `step` apart.
    let [_, height, width] = shape;
    let sparse = [1, height.div_ceil(step), width.div_ceil(step)];
    let target = every(&geometry, slice, step);
    let prefix = format!("{name}.");
    for tensor in arrays.names().filter(|tensor| tensor.starts_with(&prefix)) {
        let theirs = arrays.get(tensor)?;
        if theirs.shape != sparse[1..] {
            let reason = format!("shape {:?}, every {step}th of {height} x {width} pixels", theirs.shape);
            cases.equal(ARRAYS, tensor, Some(reason));
            continue;
        }
        let parts = tensor[prefix.len()..].split_once("_on_t2w.");
        let way = parts.and_then(|(channel, way)| {
            WAYS.into_iter()
                .find(|(known, ..)| *known == way)
                .map(|(_, how, tolerance)| (channel, how, tolerance))
        });
        let Some((channel, how, tolerance)) = way else {
            cases.equal(ARRAYS, tensor, Some("no check is for this way to resample".into()));
            continue;
        };
        let Some(path) = data.as_ref().map(|data| data.join(channel)).filter(|path| path.exists()) else {
            cases.skipped(
                ARRAYS,
                tensor,
                &format!("data/{name}/{channel} is not beside the reference folder"),
            );
            continue;
        };
        let moving = read::image(&path).map_err(|e| Problem::new(e.to_string()))?;
        let ours =
            onto(&moving, sparse, &target, how, SERIES_OUTSIDE).map_err(|e| Problem::new(e.to_string()))?;
        cases.compare(ARRAYS, tensor, &wide(&ours), &theirs.data, tolerance);
    }
    Ok(())
}

/// The grid of one slice with every `step`-th row and column.
fn every(geometry: &Geometry, slice: usize, step: usize) -> Geometry {
    let mut m = geometry.world_from_voxel;
    for row in &mut m {
        row[3] += slice as f64 * row[2];
        row[0] *= step as f64;
        row[1] *= step as f64;
    }
    Geometry { world_from_voxel: m }
}

/// Where a case's series are, if anywhere; only a plain name is looked for.
fn case_folder(folder: &Folder, name: &str) -> Option<PathBuf> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let root = folder.root().canonicalize().ok()?;
    let places = [Some(root.as_path()), root.parent()];
    let found = places.into_iter().flatten().map(|place| place.join("data").join(name));
    found.into_iter().find(|path| plain && path.join("t2w").exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_resampled_image_passes() {
        assert_file_passes(DESCRIPTION);
    }
}
