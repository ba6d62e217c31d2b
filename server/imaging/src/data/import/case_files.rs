//! One case's files, read and brought onto one grid.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use transferscope_domain::{Name, dataset::Contents};

use super::{
    examination::FoundMask,
    geometry::{self, Placed},
    labels::{self, FillLabel},
};
use crate::data::{
    DataError, Geometry, Image, Volume,
    alignment::{self, Extent},
    mask_place,
    read::{self, ENDINGS, Examined, Kind, Reader, Source},
    resample::{self, Interpolation},
};

/// Where a case's images and masks lie.
#[derive(Debug)]
pub struct CaseFiles {
    images: BTreeMap<Name, Source>,
    masks: BTreeMap<Name, Source>,
    sources: BTreeMap<String, String>,
    /// What was noticed when they were looked for.
    notes: Vec<String>,
}

/// How images are read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// What cases of the folder can have.
    pub contents: &'a Contents,
    pub masks: &'a [FoundMask],
    /// Voxel size in mm, `[D, H, W]`; by default that of the first image.
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
    /// Whether the axes of the first image's file, in the order in which its voxels are stored, are a right hand's.
    pub right_handed: bool,
}

impl CaseFiles {
    /// The files of the case in `folder`, with what was noticed when they were looked for.
    ///
    /// # Errors
    /// When the image that decides the grid is missing.
    pub fn new(
        folder: &Path,
        reference: Name,
        images: BTreeMap<Name, Source>,
        masks: BTreeMap<Name, Source>,
        notes: Vec<String>,
    ) -> Result<Self, DataError> {
        if images.contains_key(&reference) {
            return Ok(Self { images, masks, sources: BTreeMap::new(), notes });
        }
        let names = ENDINGS.map(|ending| format!("{reference}{ending}")).join(", ");
        let mut reason =
            format!("no {reference} image: {names} or a folder {reference} of DICOM files was expected");
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

    /// Gives an image another name, makes it a mask, or leaves it out.
    pub fn rename_image(&mut self, name: Name, to: Option<Name>, mask: bool) {
        if let Some(source) = self.images.remove(&name)
            && let Some(to) = to
        {
            if mask { &mut self.masks } else { &mut self.images }.insert(to, source);
        }
    }

    /// Gives a mask another name, makes it an image, or leaves it out.
    pub fn rename_mask(&mut self, name: Name, to: Option<Name>, image: bool) {
        if let Some(source) = self.masks.remove(&name)
            && let Some(to) = to
        {
            if image { &mut self.images } else { &mut self.masks }.insert(to, source);
        }
    }

    /// The image or mask of a name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.images.get(name).or_else(|| self.masks.get(name))
    }

    /// Bytes of its files, as far as they can be told without reading them.
    pub fn bytes(&self) -> u64 {
        let files: std::collections::BTreeSet<PathBuf> = self.all().flat_map(Source::files).collect();
        files.iter().map(|file| read::bytes_of(file)).sum()
    }

    /// Sizes and times of its files, which change when they do.
    pub fn stamps(&self) -> String {
        self.all().map(read::stamp).collect::<Vec<_>>().join("\n")
    }

    fn all(&self) -> impl Iterator<Item = &Source> {
        self.images.values().chain(self.masks.values())
    }

    /// Names of its images and masks.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.images.keys().chain(self.masks.keys()).copied()
    }

    /// All channels on the grid of the first image, whose axes are turned to run left, back and up, and whose voxels
    /// get the size that is asked for.
    ///
    /// # Errors
    /// When an image cannot be trusted, does not meet the first image in space, is constant, a mask
    /// holds what it cannot hold or lies elsewhere than the image that it was drawn on, or the
    /// voxel size is none.
    pub fn load(&self, reading: Reading<'_>) -> Result<Loaded, DataError> {
        let mut case = Case { notes: self.notes.clone(), ..Case::default() };
        let mut images =
            reading.contents.images.iter().filter_map(|i| Some((i.name, self.images.get(&i.name)?)));
        let (reference, source) =
            images.next().ok_or_else(|| DataError::Options("a case without images".into()))?;
        let stored = case.read(source, Kind::Intensities)?;
        let right_handed = alignment::is_right_handed(&stored.geometry);
        if let Source::Picture { .. } = source {
            case.picture = Some(extent(&stored));
        }
        let stored = stored.towards_lps();
        case.placed.push(Placed { channel: reference, extent: extent(&stored) });
        let first = match reading.spacing_mm {
            Some(spacing_mm) => at_spacing(stored, spacing_mm)?,
            None => stored,
        };
        let (shape, grid) = (first.volume.shape, first.geometry);
        case.varied(source, &first.volume)?;
        let mut volumes = BTreeMap::from([(reference.to_string(), first.volume)]);
        // Images first: a mask may have been drawn on any of them.
        for (name, source) in images {
            let moving = case.read(source, Kind::Intensities)?;
            case.place(name, source, &moving)?;
            let volume = resample::onto(&moving, shape, &grid, Interpolation::Linear, 0.0)?;
            case.varied(source, &volume)?;
            volumes.insert(name.to_string(), volume);
        }
        if let Some(flat) = case.flat.take().filter(|_| case.flat_colours == volumes.len()) {
            return Err(DataError::refused(flat, FLAT));
        }
        for mask in reading.masks {
            let Some(source) = self.masks.get(&mask.info.name) else { continue };
            let drawn = case.mask(mask, source, reading.fill)?;
            let volume = resample::onto(&drawn, shape, &grid, Interpolation::Nearest, 0.0)?;
            volumes.insert(mask.info.name.to_string(), volume);
        }
        case.notes.extend(mask_place::displaced(&volumes, reading.contents));
        let Case { notes, identifiers, .. } = case;
        Ok(Loaded { geometry: grid, volumes, notes, identifiers, right_handed })
    }
}

const FLAT: &str = "the same value everywhere: an image was expected";

/// What is known of a case while it is read.
#[derive(Default)]
struct Case {
    notes: Vec<String>,
    identifiers: Vec<String>,
    placed: Vec<Placed>,
    reader: Reader,
    /// The first image, where it is a picture: its masks lie on it pixel by pixel.
    picture: Option<Extent>,
    /// Colours of pictures with the same value everywhere, and the picture of the last one.
    flat_colours: usize,
    flat: Option<PathBuf>,
}

impl Case {
    fn read(&mut self, source: &Source, kind: Kind) -> Result<Image, DataError> {
        let Examined { image, notes, patients } = self.reader.examine(source, kind)?;
        self.note(source, notes);
        self.identifiers.extend(patients);
        Ok(image)
    }

    /// An image of one value everywhere is none. One colour of a picture may be, but not all.
    fn varied(&mut self, source: &Source, volume: &Volume) -> Result<(), DataError> {
        match (volume.range(), source) {
            (Some((low, high)), _) if low != high => Ok(()),
            (_, Source::Picture { path, part, .. }) if part.is_colour() => {
                self.flat_colours += 1;
                self.flat = Some(path.clone());
                Ok(())
            }
            _ => Err(DataError::refused(source.path(), FLAT)),
        }
    }

    fn note(&mut self, source: &Source, notes: impl IntoIterator<Item = String>) {
        let name = source.name();
        self.notes.extend(notes.into_iter().map(|note| format!("{name}: {note}")));
    }

    /// Takes note of where an image lies.
    fn place(&mut self, channel: Name, source: &Source, image: &Image) -> Result<(), DataError> {
        let placed = Placed { channel, extent: extent(image) };
        let notes =
            geometry::image(&placed, &self.placed).map_err(|why| DataError::refused(source.path(), why))?;
        self.note(source, notes);
        self.placed.push(placed);
        Ok(())
    }

    fn mask(
        &mut self,
        found: &FoundMask,
        source: &Source,
        fill: Option<FillLabel>,
    ) -> Result<Image, DataError> {
        let refused = |why: String| DataError::refused(source.path(), why);
        let mut mask = self.read(source, Kind::Labels)?;
        if let (Some(on), Source::Picture { .. }) = (&self.picture, source) {
            if mask.volume.shape != on.shape {
                let size = |[pages, height, width]: [usize; 3]| match pages {
                    1 => format!("{width}x{height} pixels"),
                    _ => format!("{pages} pages of {width}x{height} pixels"),
                };
                let (own, its) = (size(mask.volume.shape), size(on.shape));
                return Err(refused(format!("a mask of {own} on a picture of {its}: it must have its size")));
            }
            mask.geometry = on.geometry;
        }
        let spacing_mm = mask.geometry.spacing_mm();
        let filled = labels::settle(found, &mut mask.volume, spacing_mm, fill).map_err(refused)?;
        if let (Source::Segments { .. }, Some(first)) = (source, self.placed.first()) {
            read::segments::widen(&mut mask, &first.extent);
        }
        let placed = Placed { channel: found.info.name, extent: extent(&mask) };
        let notes = geometry::mask(&placed, &self.placed).map_err(refused)?;
        self.note(source, filled.into_iter().chain(notes));
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
