//! Cases that are being looked at, kept in memory: a viewer asks for several pictures of each.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use transferscope_domain::dataset::{CaseEntry, Contents, view::Levels};
use transferscope_ml::{
    data::{
        DataError,
        case::{self, Case},
    },
    physics::distortion::{Distortion, Place, TASK_SEED},
    preview,
};

/// Most bytes of images that are kept, and that a case may have to be shown at all.
const BYTES_MAX: usize = 512 << 20;
/// Most cases that are kept.
const CASES_MAX: usize = 16;

/// A case with what showing it needs.
#[derive(Debug)]
pub struct Shown {
    pub case: Case,
    /// Of its images.
    pub levels: Vec<Levels>,
    /// How it is distorted for distortion correction, in words.
    pub distortion: Option<String>,
}

impl Shown {
    fn load(dataset_dir: &Path, contents: &Contents, entry: &CaseEntry) -> Result<Self, DataError> {
        let case = case::load(dataset_dir, entry)?;
        let mut images = entry.channels.iter().filter_map(|name| contents.image(name));
        let levels = images
            .clone()
            .filter_map(|image| Some(preview::levels(&image.name, case.volumes.get(image.name.as_str())?)))
            .collect();
        let bent = images.any(|image| image.epi);
        let distortion = bent.then(|| {
            let drawn = Distortion::draw(&case.id, TASK_SEED, &Place::of(&case)).drawn;
            format!(
                "For distortion correction a computed field of up to {:.0} Hz ({:.0} Hz RMS) shifts its diffusion images by up to {:.1} mm, {:.1} mm in the gland's box.",
                drawn.peak_hz, drawn.rms_hz, drawn.peak_shift_mm, drawn.gland_peak_shift_mm
            )
        });
        Ok(Self { case, levels, distortion })
    }
}

/// The cases that were asked for last, by content hash; clones share them.
#[derive(Debug, Clone, Default)]
pub struct CaseCache {
    /// The latest first.
    kept: Arc<Mutex<Vec<Kept>>>,
}

/// A case under its content hash.
type Kept = (String, Arc<Shown>);

impl CaseCache {
    /// The case of `entry`. One is loaded at a time, so that many requests for a new case load it once.
    ///
    /// # Errors
    /// `Options` when the case is too large to be shown; else what is wrong with its file.
    pub fn load(
        &self,
        dataset_dir: &Path,
        contents: &Contents,
        entry: &CaseEntry,
    ) -> Result<Arc<Shown>, DataError> {
        // Nothing is left half done by a panic: the list is changed at the end.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match kept.iter().position(|(hash, _)| *hash == entry.hash) {
            Some(at) => kept.remove(at),
            None => {
                let voxels = entry.shape.iter().try_fold(4usize, |n, side| n.checked_mul(*side));
                if voxels.and_then(|n| n.checked_mul(entry.channels.len())).is_none_or(|n| n > BYTES_MAX) {
                    let [d, h, w] = entry.shape;
                    return Err(DataError::Options(format!(
                        "case {} has {} images and masks of {d}x{h}x{w} voxels: too large to be shown",
                        entry.case_id,
                        entry.channels.len()
                    )));
                }
                // Room first: the case that comes and those that are kept are in memory together.
                let coming = entry.shape.iter().product::<usize>() * entry.channels.len() * 4;
                keep_within(&mut kept, BYTES_MAX.saturating_sub(coming));
                (entry.hash.clone(), Arc::new(Shown::load(dataset_dir, contents, entry)?))
            }
        };
        let shown = Arc::clone(&found.1);
        kept.insert(0, found);
        kept.truncate(CASES_MAX);
        keep_within(&mut kept, BYTES_MAX);
        Ok(shown)
    }
}

/// Forgets the cases that were asked for longest ago, down to so many bytes.
fn keep_within(kept: &mut Vec<Kept>, bytes_max: usize) {
    let mut bytes = 0;
    kept.retain(|(_, shown)| {
        bytes += shown.case.volumes.values().map(|v| v.len() * 4).sum::<usize>();
        bytes <= bytes_max
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use transferscope_ml::data::synth::{SynthOptions, generate};

    #[test]
    fn the_latest_cases_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let options = SynthOptions {
            name: "x".into(),
            patients: CASES_MAX + 2,
            test_only: 0,
            seed: 1,
            size: [4, 16, 16],
        };
        let manifest = generate(folder.path(), &options, &|_, _| ()).unwrap();
        let dir = folder.path().join("x");
        let cache = CaseCache::default();
        let load = |entry: &CaseEntry| cache.load(&dir, &manifest.contents, entry);
        let first = load(&manifest.cases[0]).unwrap();
        assert!(Arc::ptr_eq(&first, &load(&manifest.cases[0]).unwrap()));
        for entry in &manifest.cases[1..] {
            load(entry).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &load(&manifest.cases[0]).unwrap()));
        assert_eq!(cache.kept.lock().unwrap().len(), CASES_MAX);
        let huge = CaseEntry { shape: [1 << 20; 3], hash: "other".into(), ..manifest.cases[0].clone() };
        assert!(load(&huge).unwrap_err().to_string().contains("too large"));
    }
}
