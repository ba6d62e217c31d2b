//! What only shows when cases are set side by side: copies, and masks of an unusual size.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::dataset::check::{CheckReport, Severity};

use super::images;
use crate::data::{IMAGES, MASKS, Volume, case::Case};

/// A gland this many times larger or smaller than the usual one is worth a look.
const UNUSUAL: f64 = 4.0;

/// Glands of sizes that no prostate has, in ml.
const POSSIBLE_ML: std::ops::RangeInclusive<f64> = 3.0..=500.0;

/// What is kept of the cases seen so far.
#[derive(Debug, Default)]
pub struct Across {
    /// Case and channel by the content of an image.
    seen: BTreeMap<[u8; 32], (String, &'static str)>,
    /// Values by mask.
    labels: BTreeMap<String, BTreeSet<u32>>,
    /// Gland in ml by case.
    glands: Vec<(String, f64)>,
}

impl Across {
    /// Takes note of a case; what it repeats is found at once.
    pub fn add(&mut self, case: &Case, report: &mut CheckReport) {
        for channel in IMAGES {
            let Some(volume) = case.volumes.get(channel) else { continue };
            let hash = content(volume);
            match self.seen.get(&hash) {
                Some((other, _)) if *other == case.id => {}
                Some((other, same)) => {
                    let message = if *same == channel {
                        format!("the same {channel} image as case {other}")
                    } else {
                        format!("its {channel} image is the {same} image of case {other}")
                    };
                    report.find(Severity::Error, Some(&case.id), message);
                }
                None => {
                    self.seen.insert(hash, (case.id.clone(), channel));
                }
            }
        }
        for name in MASKS {
            if let Some(mask) = case.volumes.get(name) {
                self.labels.entry(name.to_owned()).or_default().extend(images::values(mask));
            }
        }
        if let Some(gland) = case.volumes.get("gland").or(case.volumes.get("zones")) {
            let voxel_ml = case.spacing_mm.iter().product::<f64>() / 1000.0;
            let size = gland.data.iter().filter(|v| **v > 0.0).count();
            if size > 0 {
                self.glands.push((case.id.clone(), size as f64 * voxel_ml));
            }
        }
    }

    /// Adds what shows when all cases are known.
    pub fn finish(self, report: &mut CheckReport) {
        report.labels =
            self.labels.into_iter().map(|(mask, values)| (mask, values.into_iter().collect())).collect();
        let mut sizes: Vec<f64> = self.glands.iter().map(|(_, ml)| *ml).collect();
        sizes.sort_by(f64::total_cmp);
        let Some(usual) = sizes.get(sizes.len() / 2).copied() else { return };
        for (case, ml) in self.glands {
            if !POSSIBLE_ML.contains(&ml) || !(usual / UNUSUAL..=usual * UNUSUAL).contains(&ml) {
                let message = format!("a gland of {ml:.1} ml where {usual:.1} ml are usual");
                report.find(Severity::Warning, Some(&case), message);
            }
        }
    }
}

/// A hash of the values.
fn content(volume: &Volume) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    volume.data.iter().for_each(|v| {
        hasher.update(&v.to_le_bytes());
    });
    *hasher.finalize().as_bytes()
}
