//! One image file and what a reference says about it.

use serde_json::{Map, Value};
use transferscope_imaging::data::{Geometry, Image};

use crate::{Cases, Problem, Tolerance, numbers};

pub const EXPECTED: &str = "io/expected.json";

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
