//! One case's files, read and brought onto the t2w grid.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::data::{
    DataError, Geometry, IMAGES, Image, Volume,
    read::{self, ENDINGS},
    resample::{self, Interpolation},
};

/// Where a case's images lie, by channel; t2w is among them.
#[derive(Debug)]
pub struct CaseFiles {
    files: BTreeMap<&'static str, PathBuf>,
    sources: BTreeMap<String, String>,
}

impl CaseFiles {
    /// The files of the case in `folder`.
    ///
    /// # Errors
    /// When t2w is missing.
    pub fn new(folder: &Path, files: BTreeMap<&'static str, PathBuf>) -> Result<Self, DataError> {
        if files.contains_key("t2w") {
            return Ok(Self { files, sources: BTreeMap::new() });
        }
        let names = ENDINGS.map(|ending| format!("t2w{ending}")).join(", ");
        let reason = format!("no t2w image: {names} or a folder t2w of DICOM files was expected");
        Err(DataError::refused(folder, reason))
    }

    /// With who made the masks, by channel.
    pub fn with_sources(self, sources: BTreeMap<String, String>) -> Self {
        Self { sources, ..self }
    }

    /// Who made the masks, by channel, where the layout tells.
    pub fn sources(&self) -> &BTreeMap<String, String> {
        &self.sources
    }

    /// All channels on the t2w grid, whose axes are turned to run left, back and up, and whose voxels get
    /// the size `spacing_mm` (`[D, H, W]`) where one is asked for.
    ///
    /// # Errors
    /// When an image cannot be trusted, does not meet the t2w image in space, is constant, a mask
    /// holds what no mask of its kind holds, or the voxel size is none.
    pub fn load(
        &self,
        spacing_mm: Option<[f64; 3]>,
    ) -> Result<(Geometry, BTreeMap<String, Volume>), DataError> {
        let mut t2w = read::image(&self.files["t2w"])?.towards_lps();
        if let Some(spacing_mm) = spacing_mm {
            t2w = at_spacing(t2w, spacing_mm)?;
        }
        let (shape, grid) = (t2w.volume.shape, t2w.geometry);
        let mut volumes = BTreeMap::new();
        for (&channel, path) in &self.files {
            let volume = match channel {
                "t2w" => t2w.volume.clone(),
                "adc" | "hbv" => self.image(path, shape, &grid)?,
                _ => self.mask(channel, path, shape, &grid)?,
            };
            let constant = volume.range().is_none_or(|(low, high)| low == high);
            if constant && IMAGES.contains(&channel) {
                return Err(DataError::refused(path, "the same value everywhere: an image was expected"));
            }
            volumes.insert(channel.to_owned(), volume);
        }
        Ok((grid, volumes))
    }

    fn image(&self, path: &Path, shape: [usize; 3], grid: &Geometry) -> Result<Volume, DataError> {
        let moving = read::image(path)?;
        self.require_overlap(path, &moving, shape, grid)?;
        resample::onto(&moving, shape, grid, Interpolation::Linear, 0.0)
    }

    fn mask(
        &self,
        channel: &str,
        path: &Path,
        shape: [usize; 3],
        grid: &Geometry,
    ) -> Result<Volume, DataError> {
        let mut moving = read::image(path)?;
        let highest = if channel == "zones" { 2.0 } else { f32::from(u8::MAX) };
        if let Some(bad) =
            moving.volume.data.iter().find(|v| !(0.0..=highest).contains(*v) || v.fract() != 0.0)
        {
            let expected = match channel {
                "zones" => "0, 1 (peripheral) and 2 (transition zone) were expected".to_owned(),
                _ => format!("whole numbers from 0 to {highest} were expected"),
            };
            return Err(DataError::refused(path, format!("a mask with the value {bad}: {expected}")));
        }
        if channel != "zones" {
            moving.volume.data.iter_mut().for_each(|v| *v = f32::from(*v > 0.0));
        }
        self.require_overlap(path, &moving, shape, grid)?;
        resample::onto(&moving, shape, grid, Interpolation::Nearest, 0.0)
    }

    /// Refuses an image that covers less than a tenth of the t2w grid: its geometry is then another
    /// patient's or nobody's.
    fn require_overlap(
        &self,
        path: &Path,
        moving: &Image,
        shape: [usize; 3],
        grid: &Geometry,
    ) -> Result<(), DataError> {
        let Some(voxel_from_world) = moving.geometry.voxel_from_world() else {
            return Err(DataError::refused(path, "the orientation is singular"));
        };
        const PROBES: usize = 12;
        let [depth, height, width] = moving.volume.shape;
        let mut inside = 0;
        for probe in 0..PROBES.pow(3) {
            let part = [probe % PROBES, probe / PROBES % PROBES, probe / PROBES.pow(2)];
            let xyz = [shape[2], shape[1], shape[0]];
            let voxel: [f64; 3] =
                std::array::from_fn(|a| (part[a] as f64 + 0.5) / PROBES as f64 * xyz[a] as f64 - 0.5);
            let world = grid.world(voxel);
            let at = voxel_from_world.map(|r| r[0] * world[0] + r[1] * world[1] + r[2] * world[2] + r[3]);
            let within =
                at.iter().zip([width, height, depth]).all(|(p, n)| *p >= -0.5 && *p < n as f64 - 0.5);
            inside += usize::from(within);
        }
        if inside * 10 < PROBES.pow(3) {
            let percent = 100 * inside / PROBES.pow(3);
            let reason = format!(
                "covers {percent} % of the t2w grid of {}: both must lie in the same coordinates",
                self.files["t2w"].file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
            );
            return Err(DataError::refused(path, reason));
        }
        Ok(())
    }
}

/// An image with another voxel size, by cubic B-spline. Its overshoot stays within the image's own values,
/// and so do the half voxels that a grid may stand over at its ends.
fn at_spacing(image: Image, spacing_mm: [f64; 3]) -> Result<Image, DataError> {
    let (low, high) = image.volume.range().unwrap_or_default();
    let (shape, geometry) = resample::at_spacing(image.volume.shape, &image.geometry, spacing_mm)?;
    let mut volume = resample::onto(&image, shape, &geometry, Interpolation::Cubic, low)?;
    volume.data.iter_mut().for_each(|v| *v = v.clamp(low, high));
    Ok(Image { volume, geometry })
}
