//! `io/expected.json` and `io/expected_arrays.safetensors`: what image files hold and where it lies.

use serde_json::{Map, Value};
use transferscope_imaging::data::{Geometry, Image, read};

use super::{metaimage, nifti};
use crate::{Cases, Folder, Problem, Tensors, Tolerance, numbers};

pub const EXPECTED: &str = "io/expected.json";
pub const ARRAYS: &str = "io/expected_arrays.safetensors";

/// "Geometry to 1e-5."
pub const GEOMETRY: Tolerance = Tolerance { rel_l2: 1e-5, max_abs: 1e-5 };

/// Keys that only describe.
pub const NOTES: &[&str] = &["note", "notes"];

/// One image file and what is said about it.
pub struct Subject<'a> {
    pub name: &'a str,
    pub about: &'a Map<String, Value>,
    /// One volume for each time point.
    pub images: &'a [Image],
}

impl Subject<'_> {
    /// All values, time points one after another.
    pub fn values(&self) -> Vec<f64> {
        self.images.iter().flat_map(|image| image.volume.data.iter().map(|v| f64::from(*v))).collect()
    }

    pub fn geometry(&self) -> &Geometry {
        &self.images[0].geometry
    }

    /// Size (x, y, z) of a volume.
    pub fn size_xyz(&self) -> [f64; 3] {
        let [z, y, x] = self.images[0].volume.shape;
        [x, y, z].map(|n| n as f64)
    }

    /// Compares numbers with those of a key.
    pub fn compare(
        &self,
        cases: &mut Cases,
        key: &str,
        ours: &[f64],
        theirs: &Value,
        tolerance: Tolerance,
    ) -> Result<(), Problem> {
        cases.compare(EXPECTED, &format!("{}.{key}", self.name), ours, &numbers(theirs)?, tolerance);
        Ok(())
    }

    /// Compares a word.
    pub fn word(&self, cases: &mut Cases, key: &str, ours: &str, theirs: &Value) {
        let differs = (theirs.as_str() != Some(ours)).then(|| format!("{ours:?} here, {theirs} in the file"));
        cases.equal(EXPECTED, &format!("{}.{key}", self.name), differs);
    }

    /// Smallest, largest and summed value, as far as they are numbers: NaN does not count. The sum may
    /// differ by the rounding of our values to single precision.
    pub fn statistic(&self, cases: &mut Cases, key: &str, theirs: &Value) -> Result<(), Problem> {
        let values: Vec<f64> = self.values().into_iter().filter(|v| !v.is_nan()).collect();
        let rounding = f64::from(f32::EPSILON);
        let sizes = || values.iter().filter(|v| v.is_finite()).map(|v| v.abs());
        let (ours, off) = match key {
            "min" => (values.iter().copied().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max)),
            "max" => (values.iter().copied().fold(f64::NEG_INFINITY, f64::max), sizes().fold(0.0, f64::max)),
            _ => (values.iter().sum(), sizes().sum()),
        };
        self.compare(cases, key, &[ours], theirs, Tolerance::absolute(rounding * off))
    }
}

/// Compares every image of the file.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(EXPECTED)?;
    let files = json.as_object().ok_or_else(|| Problem::new(format!("{EXPECTED} does not name files")))?;
    // Without the arrays the rest is compared all the same.
    let arrays = folder.tensors(ARRAYS);
    if let Err(problem) = &arrays {
        cases.problem(ARRAYS, problem);
    }
    let arrays = arrays.ok();
    for (name, about) in files {
        if let Err(problem) = image(folder, cases, name, about, arrays.as_deref()) {
            cases.equal(EXPECTED, name, Some(problem.to_string()));
        }
    }
    Ok(())
}

fn image(
    folder: &Folder,
    cases: &mut Cases,
    name: &str,
    about: &Value,
    arrays: Option<&Tensors>,
) -> Result<(), Problem> {
    let tensor = format!("{name}.array");
    let array = arrays.filter(|arrays| arrays.has(&tensor)).map(|arrays| arrays.get(&tensor)).transpose()?;
    let file = format!("io/{name}");
    if !folder.has(&file) {
        cases.skipped(EXPECTED, name, "there is no such file in the folder");
        return Ok(());
    }
    let path = folder.path(&file);
    if name.ends_with(".mhd") {
        // Its data lie in a file of their own, which is looked at with it.
        let header = read::metaimage::header(&path).map_err(Problem::new)?;
        let data = header.require("ElementDataFile").map_err(Problem::new)?;
        folder.path(&format!("io/{data}"));
    }
    let images = read::volumes(&path).map_err(|e| Problem::new(e.to_string()))?;
    let about = about.as_object().ok_or_else(|| Problem::new("nothing is said about it"))?;
    let subject = Subject { name, about, images: &images };
    if let Some(array) = array {
        let [z, y, x] = images[0].volume.shape;
        let shape = if images.len() == 1 { vec![z, y, x] } else { vec![images.len(), z, y, x] };
        let differs =
            (shape != array.shape).then(|| format!("shape {shape:?}, {:?} in the file", array.shape));
        cases.equal(ARRAYS, &format!("{tensor}.shape"), differs);
        cases.compare(ARRAYS, &tensor, &subject.values(), &array.data, Tolerance::EXACT);
    }
    if name.ends_with(".mha") || name.ends_with(".mhd") {
        metaimage::compare(&subject, &path, cases)
    } else {
        nifti::compare(&subject, &path, cases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_image_passes() {
        assert_file_passes(EXPECTED);
    }
}
