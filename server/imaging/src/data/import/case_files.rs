//! One case's files, read and brought onto the t2w grid.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    geometry::{self, Placed},
    labels::{self, FillLabel},
};
use crate::data::{
    DataError, Geometry, IMAGES, Image, MASKS, Volume,
    alignment::{self, Extent},
    mask_place,
    read::{self, ENDINGS, Examined, Kind},
    resample::{self, Interpolation},
};

/// Where a case's images lie, by channel; t2w is among them.
#[derive(Debug)]
pub struct CaseFiles {
    files: BTreeMap<&'static str, PathBuf>,
    sources: BTreeMap<String, String>,
    /// What was noticed when they were looked for.
    notes: Vec<String>,
}

/// How images are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Voxel size in mm, `[D, H, W]`; by default the t2w image's.
    pub spacing_mm: Option<[f64; 3]>,
    pub fill: Option<FillLabel>,
}

/// A case that was read.
#[derive(Debug)]
pub struct Loaded {
    pub geometry: Geometry,
    /// By channel, all on this grid.
    pub volumes: BTreeMap<String, Volume>,
    /// What was noticed, each with the name of the file.
    pub notes: Vec<String>,
    /// Patients whom the headers of the images name.
    pub identifiers: Vec<String>,
    /// Whether the axes of the t2w file, in the order in which its voxels are stored, are a right hand's.
    pub right_handed: bool,
}

impl CaseFiles {
    /// The files of the case in `folder`, with what was noticed when they were looked for.
    ///
    /// # Errors
    /// When t2w is missing.
    pub fn new(
        folder: &Path,
        files: BTreeMap<&'static str, PathBuf>,
        notes: Vec<String>,
    ) -> Result<Self, DataError> {
        if files.contains_key("t2w") {
            return Ok(Self { files, sources: BTreeMap::new(), notes });
        }
        let names = ENDINGS.map(|ending| format!("t2w{ending}")).join(", ");
        let mut reason = format!("no t2w image: {names} or a folder t2w of DICOM files was expected");
        for note in notes {
            reason.push_str("; ");
            reason.push_str(&note);
        }
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
    /// the size that is asked for.
    ///
    /// # Errors
    /// When an image cannot be trusted, does not meet the t2w image in space, is constant, a mask
    /// holds what no mask of its kind holds or lies elsewhere than the image that it was drawn on, or the
    /// voxel size is none.
    pub fn load(&self, reading: Reading) -> Result<Loaded, DataError> {
        let mut case = Case { notes: self.notes.clone(), ..Case::default() };
        let (t2w, path) = (self.files["t2w"].as_path(), "t2w");
        let stored = case.read(t2w, Kind::Intensities)?;
        let right_handed = alignment::is_right_handed(&stored.geometry);
        let stored = stored.towards_lps();
        case.placed.push(Placed { channel: path, extent: extent(&stored) });
        let t2w = match reading.spacing_mm {
            Some(spacing_mm) => at_spacing(stored, spacing_mm)?,
            None => stored,
        };
        let (shape, grid) = (t2w.volume.shape, t2w.geometry);
        let mut volumes = BTreeMap::from([("t2w".to_owned(), t2w.volume)]);
        // Images first: a mask may have been drawn on any of them.
        for channel in IMAGES.into_iter().chain(MASKS).filter(|channel| *channel != "t2w") {
            let Some(path) = self.files.get(channel) else { continue };
            let volume = if IMAGES.contains(&channel) {
                let moving = case.read(path, Kind::Intensities)?;
                case.place(channel, path, &moving)?;
                resample::onto(&moving, shape, &grid, Interpolation::Linear, 0.0)?
            } else {
                let mask = case.mask(channel, path, reading.fill)?;
                resample::onto(&mask, shape, &grid, Interpolation::Nearest, 0.0)?
            };
            volumes.insert(channel.to_owned(), volume);
        }
        for (channel, volume) in &volumes {
            let constant = volume.range().is_none_or(|(low, high)| low == high);
            if constant && IMAGES.contains(&channel.as_str()) {
                let path = &self.files[channel.as_str()];
                return Err(DataError::refused(path, "the same value everywhere: an image was expected"));
            }
        }
        case.notes.extend(mask_place::displaced(&volumes));
        let Case { notes, identifiers, .. } = case;
        Ok(Loaded { geometry: grid, volumes, notes, identifiers, right_handed })
    }
}

/// What is known of a case while it is read.
#[derive(Default)]
struct Case {
    notes: Vec<String>,
    identifiers: Vec<String>,
    placed: Vec<Placed>,
}

impl Case {
    fn read(&mut self, path: &Path, kind: Kind) -> Result<Image, DataError> {
        let Examined { image, notes, patients } = read::examine(path, kind)?;
        self.note(path, notes);
        self.identifiers.extend(patients);
        Ok(image)
    }

    fn note(&mut self, path: &Path, notes: impl IntoIterator<Item = String>) {
        let name = path.file_name().unwrap_or_default().display();
        self.notes.extend(notes.into_iter().map(|note| format!("{name}: {note}")));
    }

    /// Takes note of where an image lies.
    fn place(&mut self, channel: &'static str, path: &Path, image: &Image) -> Result<(), DataError> {
        let placed = Placed { channel, extent: extent(image) };
        let notes = geometry::image(&placed, &self.placed).map_err(|why| DataError::refused(path, why))?;
        self.note(path, notes);
        self.placed.push(placed);
        Ok(())
    }

    fn mask(
        &mut self,
        channel: &'static str,
        path: &Path,
        fill: Option<FillLabel>,
    ) -> Result<Image, DataError> {
        let refused = |why: String| DataError::refused(path, why);
        let mut mask = self.read(path, Kind::Labels)?;
        let spacing_mm = mask.geometry.spacing_mm();
        let filled = labels::settle(channel, &mut mask.volume, spacing_mm, fill).map_err(refused)?;
        let placed = Placed { channel, extent: extent(&mask) };
        let notes = geometry::mask(&placed, &self.placed).map_err(refused)?;
        self.note(path, filled.into_iter().chain(notes));
        Ok(mask)
    }
}

fn extent(image: &Image) -> Extent {
    Extent { shape: image.volume.shape, geometry: image.geometry }
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
