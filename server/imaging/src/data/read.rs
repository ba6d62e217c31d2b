//! Reading an image file or a folder of DICOM files into an [`Image`].
//!
//! No header is believed: sizes are checked against a cap and against the bytes that are really there
//! before memory is taken for them. What cannot be trusted is refused with the file and the reason.

mod background;
mod bounded;
mod dicom;
pub mod element;
pub mod metaimage;
pub mod nifti;
pub mod picture;
mod sidecar;

use std::path::{Path, PathBuf};

pub use self::dicom::{
    segments::{self, SegmentFile},
    skim,
};
use super::{DataError, Image};

/// Images with more voxels are refused.
pub const MAX_VOXELS: usize = 512 * 512 * 512;

/// Endings of the file formats, longest first.
pub const ENDINGS: [&str; 5] = [".nii.gz", ".nii", ".mha", ".mhd", ".hdr"];

/// Where one image lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file with one of [`ENDINGS`], or a folder with DICOM files of one volume.
    Path(PathBuf),
    /// One volume of a file of four dimensions, counted from 0.
    Volume { path: PathBuf, index: usize },
    /// A part of a picture. Its own pixel size is only used where it is `sized`, else 1 mm: in most files it is a screen's.
    Picture { path: PathBuf, part: picture::Part, sized: bool },
    /// The DICOM files of one series, whose paths begin in the folder; `name` is for messages.
    Series { folder: PathBuf, name: String, files: Vec<PathBuf> },
    /// A mask of DICOM segmentation objects, at least one; `name` is for messages.
    Segments { name: String, first: SegmentFile, others: Vec<SegmentFile> },
}

impl Source {
    /// The file or folder; of files of a series the folder that all lie in.
    pub fn path(&self) -> &Path {
        match self {
            Source::Path(path)
            | Source::Volume { path, .. }
            | Source::Picture { path, .. }
            | Source::Series { folder: path, .. } => path,
            Source::Segments { first, .. } => &first.path,
        }
    }

    /// Its name, for messages.
    pub fn name(&self) -> String {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            Source::Path(path) | Source::Picture { path, .. } => name(path),
            Source::Volume { path, index } => format!("{} (volume {index})", name(path)),
            Source::Series { name, .. } | Source::Segments { name, .. } => name.clone(),
        }
    }

    /// All files of it, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Source::Path(path) | Source::Volume { path, .. } | Source::Picture { path, .. } => files_of(path),
            Source::Series { folder, files, .. } => files.iter().map(|file| folder.join(file)).collect(),
            Source::Segments { first, others, .. } => {
                [first].into_iter().chain(others).map(|file| file.path.clone()).collect()
            }
        }
    }
}

/// Bytes of a file; 0 of what cannot be looked at.
pub fn bytes_of(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |data| data.len())
}

/// Names, sizes and times of change of the files of an image.
pub fn stamp(source: &Source) -> String {
    let of = |file: &PathBuf| {
        let data = std::fs::metadata(file).ok();
        let size = data.as_ref().map_or(0, std::fs::Metadata::len);
        format!("{} {size} {:?}", file.display(), data.and_then(|data| data.modified().ok()))
    };
    source.files().iter().map(of).collect::<Vec<_>>().join("; ")
}

/// A file itself, or those in a folder and in the folders in it, sorted.
fn files_of(path: &Path) -> Vec<PathBuf> {
    const MOST: usize = 100_000;
    let (mut folders, mut files) = (vec![path.to_owned()], Vec::new());
    while let Some(at) = folders.pop().filter(|_| files.len() < MOST) {
        match std::fs::read_dir(&at) {
            Ok(entries) => folders.extend(entries.filter_map(Result::ok).map(|entry| entry.path())),
            Err(_) => files.push(at),
        }
    }
    files.sort();
    files
}

/// An image with what was noticed when it was read.
#[derive(Debug)]
pub struct Examined {
    pub image: Image,
    /// In words: where the file contradicts itself, what of it was passed over, and what was decided.
    pub notes: Vec<String>,
    /// Patients whom its headers name, as they name them; none where they do not.
    pub patients: Vec<String>,
}

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Intensities; voxels that are not finite are background.
    Intensities,
    /// Labels; every voxel must hold one.
    Labels,
}

/// Reads one image that can be trained on.
///
/// # Errors
/// When the file cannot be read or cannot be trusted: truncated, of more than one volume where none is named, labels
/// that are not finite or intensities that are mostly so, without a usable geometry, or not an image.
pub fn examine(source: &Source, kind: Kind) -> Result<Examined, DataError> {
    Reader::default().examine(source, kind)
}

/// Reads the images of a case one after the other, and keeps the last file of several images: those that follow are
/// taken from it without reading it again.
#[derive(Default)]
pub struct Reader {
    last: Option<(PathBuf, Opened)>,
}

/// A file of several images, read.
enum Opened {
    Volumes(Read),
    Picture(picture::Raster),
}

impl Reader {
    /// Reads one image that can be trained on.
    ///
    /// # Errors
    /// As [`examine`].
    pub fn examine(&mut self, source: &Source, kind: Kind) -> Result<Examined, DataError> {
        let path = source.path();
        let refused = |reason: String| DataError::refused(path, reason);
        let Examined { mut image, mut notes, mut patients } = match source {
            Source::Path(_) => {
                // What is kept would only take memory beside it.
                self.last = None;
                one(path, read(path)?)?
            }
            Source::Series { files, .. } => {
                let files = files.iter().map(|file| path.join(file)).collect();
                one(path, Read::from(dicom::files(path, files)?))?
            }
            Source::Segments { first, others, .. } => one(path, Read::from(segments::read(first, others)?))?,
            Source::Volume { index, .. } => self.volume(path, *index)?,
            Source::Picture { part, sized, .. } => {
                let (image, note) = self.picture(path)?.image(part, *sized, kind).map_err(refused)?;
                Examined { image, notes: note.into_iter().collect(), patients: Vec::new() }
            }
        };
        notes.extend(background::fill(&mut image.volume, kind).map_err(refused)?);
        patients.extend(sidecar::patient(path));
        Ok(Examined { image, notes, patients })
    }

    fn volume(&mut self, path: &Path, index: usize) -> Result<Examined, DataError> {
        if !matches!(&self.last, Some((known, Opened::Volumes(_))) if known == path) {
            // The one before goes first, so that there is never more than one.
            self.last = None;
            self.last = Some((path.to_owned(), Opened::Volumes(read(path)?)));
        }
        let Some((_, Opened::Volumes(file))) = &self.last else {
            return Err(DataError::refused(path, "it cannot be read"));
        };
        let image = file.images.get(index).cloned().ok_or_else(|| {
            let volumes = file.images.len();
            let s = if volumes == 1 { "" } else { "s" };
            let reason =
                format!("it has {volumes} volume{s}, and the one numbered {index} from 0 is asked for");
            DataError::refused(path, reason)
        })?;
        Ok(Examined { image, notes: file.notes.clone(), patients: file.patients.clone() })
    }

    fn picture(&mut self, path: &Path) -> Result<&picture::Raster, DataError> {
        if !matches!(&self.last, Some((known, Opened::Picture(_))) if known == path) {
            self.last = None;
            std::fs::metadata(path).map_err(DataError::io(path))?;
            let read = picture::read(path).map_err(|why| DataError::refused(path, why))?;
            self.last = Some((path.to_owned(), Opened::Picture(read)));
        }
        match &self.last {
            Some((_, Opened::Picture(read))) => Ok(read),
            _ => Err(DataError::refused(path, "it cannot be read")),
        }
    }
}

/// The image of a file that holds one.
fn one(path: &Path, read: Read) -> Result<Examined, DataError> {
    let Read { sizes, mut images, notes, patients } = read;
    match (images.pop(), images.len()) {
        (Some(image), 0) => Ok(Examined { image, notes, patients }),
        (_, others) => Err(DataError::refused(
            path,
            format!(
                "4 dimensions ({sizes}): {} volumes where one was expected; keep only the volume that is meant, for example with `fslroi` or nibabel's `four_to_three`",
                others + 1
            ),
        )),
    }
}

/// The image alone, taken for intensities.
///
/// # Errors
/// As [`examine`].
pub fn image(path: &Path) -> Result<Image, DataError> {
    examine(&Source::Path(path.to_owned()), Kind::Intensities).map(|examined| examined.image)
}

/// Reads every volume of a file or folder, one for each time point of a four-dimensional file, with
/// values as they are, finite or not.
///
/// # Errors
/// When it cannot be read, or its place in the world makes no sense.
pub fn volumes(path: &Path) -> Result<Vec<Image>, DataError> {
    read(path).map(|read| read.images)
}

/// What a file or folder holds.
struct Read {
    /// For messages.
    sizes: String,
    images: Vec<Image>,
    notes: Vec<String>,
    patients: Vec<String>,
}

impl From<Examined> for Read {
    fn from(Examined { image, notes, patients }: Examined) -> Self {
        Self { sizes: String::new(), images: vec![image], notes, patients }
    }
}

fn read(path: &Path) -> Result<Read, DataError> {
    let refused = |reason: String| DataError::refused(path, reason);
    let metadata = std::fs::metadata(path).map_err(DataError::io(path))?;
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let one = |image, notes, patients| Read { sizes: String::new(), images: vec![image], notes, patients };
    let read = if metadata.is_dir() {
        Read::from(dicom::series(path)?)
    } else if [".nii", ".nii.gz", ".hdr"].iter().any(|ending| name.ends_with(ending)) {
        let nifti::Series { sizes, images, notes } = nifti::read(path).map_err(refused)?;
        Read { sizes, images, notes, patients: Vec::new() }
    } else if name.ends_with(".mha") || name.ends_with(".mhd") {
        let (image, patient) = metaimage::read(path).map_err(refused)?;
        one(image, Vec::new(), patient.into_iter().collect())
    } else {
        return Err(refused(format!(
            "not an image this program reads: use {} or a folder of DICOM files",
            ENDINGS.join(", ")
        )));
    };
    match read.images.iter().find_map(|image| image.geometry.problem()) {
        Some(problem) => Err(refused(problem)),
        None => Ok(read),
    }
}

/// Checks sizes (x, y, z) from a header; gives the number of voxels.
fn voxels(size_xyz: [usize; 3]) -> Result<usize, String> {
    let [x, y, z] = size_xyz;
    let product = x.checked_mul(y).and_then(|n| n.checked_mul(z)).unwrap_or(usize::MAX);
    if product == 0 {
        return Err(format!("an image of {x}x{y}x{z} voxels"));
    }
    if product > MAX_VOXELS {
        return Err(format!("{x}x{y}x{z} voxels: at most {MAX_VOXELS} are read"));
    }
    Ok(product)
}

#[cfg(test)]
mod tests;
