//! Loading one case's prepared arrays.

use std::{collections::BTreeMap, io::Read, path::Path};

use transferscope_domain::dataset::CaseEntry;

use super::{DataError, Geometry, prepared};

pub use super::volume::Volume;

/// One examination: images and masks on the t2w grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub id: String,
    /// `[D, H, W]`.
    pub shape: [usize; 3],
    /// Voxel size in mm, `[D, H, W]`.
    pub spacing_mm: [f64; 3],
    /// Where the grid lies in the world, so that results can be saved where the images are.
    pub geometry: Geometry,
    /// By channel name: t2w, adc, hbv (raw intensities), gland, zones, lesion (whole numbers).
    pub volumes: BTreeMap<String, Volume>,
}

impl Case {
    /// The volume of this name.
    ///
    /// # Errors
    /// When the case does not have it, naming the case and what it has.
    pub fn volume(&self, name: &str) -> Result<&Volume, DataError> {
        self.volumes.get(name).ok_or_else(|| {
            let known = self.volumes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            DataError::Options(format!("case {} has no {name}, only {known}", self.id))
        })
    }
}

/// Reads the prepared arrays of `entry` and verifies them against its hash, channels and shape.
///
/// # Errors
/// When the file is missing, larger than the manifest allows, changed, or not what the manifest says.
pub fn load(dataset_dir: &Path, entry: &CaseEntry) -> Result<Case, DataError> {
    let path = dataset_dir.join(&entry.prepared);
    let refused = |reason: String| DataError::refused(&path, format!("case {}: {reason}", entry.case_id));
    let limit = entry
        .shape
        .iter()
        .try_fold(4u64, |n, side| n.checked_mul(*side as u64))
        .and_then(|n| n.checked_mul(entry.channels.len() as u64))
        .and_then(|n| n.checked_add(1024 * 1024))
        .ok_or_else(|| refused(format!("impossible shape {:?}", entry.shape)))?;
    let file = std::fs::File::open(&path).map_err(DataError::io(&path))?;
    let size = file.metadata().map_err(DataError::io(&path))?.len();
    if size > limit {
        return Err(refused(format!("{size} bytes where at most {limit} were expected")));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(limit).read_to_end(&mut bytes).map_err(DataError::io(&path))?;
    let hash = blake3::hash(&bytes).to_hex();
    if hash.as_str() != entry.hash {
        let reason = format!("the content has changed: its hash is {hash}, the manifest says {}", entry.hash);
        return Err(refused(reason));
    }
    let (volumes, geometry) = prepared::decode(&bytes).map_err(&refused)?;
    for name in &entry.channels {
        let volume = volumes.get(name).ok_or_else(|| refused(format!("no {name} in it")))?;
        if volume.shape != entry.shape {
            return Err(refused(format!(
                "{name} has shape {:?}, the manifest says {:?}",
                volume.shape, entry.shape
            )));
        }
    }
    Ok(Case {
        id: entry.case_id.clone(),
        shape: entry.shape,
        spacing_mm: entry.spacing_mm,
        geometry,
        volumes,
    })
}
