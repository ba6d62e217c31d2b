//! What only shows when cases are set side by side: copies, and masks of an unusual size.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::{
    Name,
    dataset::{
        CaseEntry, Contents,
        check::{CheckReport, Severity},
    },
    metric::Split,
};

use super::images;
use crate::data::{case::Case, mask_place};

/// A gland this many times larger or smaller than the usual one is worth a look.
const UNUSUAL: f64 = 4.0;

/// Glands of sizes that no prostate has, in ml.
const POSSIBLE_ML: std::ops::RangeInclusive<f64> = 3.0..=500.0;

/// Glands that lie this far from where those of the other cases lie are worth a look, in mm and in usual distances.
const FAR_MM: f64 = 20.0;
const FAR: f64 = 4.0;

/// Fewer glands do not tell where glands usually lie.
const FEW: usize = 5;

/// An image of a case.
#[derive(Debug)]
struct Seen {
    case_id: String,
    patient_id: String,
    split: Split,
    channel: Name,
}

/// What is kept of the cases seen so far.
#[derive(Debug, Default)]
pub struct Across {
    /// Where an image was seen first, by its content.
    seen: BTreeMap<[u8; 32], Seen>,
    /// Values by mask.
    labels: BTreeMap<String, BTreeSet<u32>>,
    /// Gland in ml by case.
    glands: Vec<(String, f64)>,
    /// The middle of the gland from that of its image by case: mm along slices, rows and columns.
    places: Vec<(String, [f64; 3])>,
    /// By split: cases with a lesion mask, and those of them in which a lesion is drawn.
    lesions: BTreeMap<Split, (usize, usize)>,
}

impl Across {
    /// Takes note of a case; what it repeats is found at once.
    pub fn add(&mut self, case: &Case, entry: &CaseEntry, contents: &Contents, report: &mut CheckReport) {
        for channel in contents.images.iter().map(|image| image.name) {
            let Some(volume) = case.volumes.get(channel.as_str()) else { continue };
            let hash = volume.content_hash();
            match self.seen.get(&hash) {
                Some(first) if first.case_id == case.id => {}
                Some(first) => repeated(first, &channel, entry, report),
                None => {
                    let CaseEntry { case_id, patient_id, split, .. } = entry.clone();
                    self.seen.insert(hash, Seen { case_id, patient_id, split, channel });
                }
            }
        }
        for name in contents.masks.iter().map(|mask| mask.name) {
            if let Some(mask) = case.volumes.get(name.as_str()) {
                self.labels.entry(name.to_string()).or_default().extend(images::values(mask));
            }
        }
        if let Some(lesion) = case.volumes.get("lesion") {
            let (masks, drawn) = self.lesions.entry(entry.split).or_default();
            *masks += 1;
            *drawn += usize::from(lesion.data.iter().any(|v| *v > 0.0));
        }
        if let Some(gland) = case.volumes.get("gland").or(case.volumes.get("zones")) {
            let voxel_ml = case.spacing_mm.iter().product::<f64>() / 1000.0;
            let size = gland.data.iter().filter(|v| **v > 0.0).count();
            if size > 0 {
                self.glands.push((case.id.clone(), size as f64 * voxel_ml));
            }
            if let Some(middle) = mask_place::middle(gland, |v| v > 0.0) {
                let from_middle =
                    |a: usize| (middle[a] - (gland.shape[a] as f64 - 1.0) / 2.0) * case.spacing_mm[a];
                self.places.push((case.id.clone(), std::array::from_fn(from_middle)));
            }
        }
    }

    /// Adds what shows when all cases are known.
    pub fn finish(self, report: &mut CheckReport) {
        for (split, (masks, drawn)) in self.lesions {
            if drawn == 0 {
                let message = format!(
                    "none of the {masks} lesion masks of {split} contains a lesion: they are of no use for training or scoring"
                );
                report.find(Severity::Warning, None, message);
            }
        }
        report.labels =
            self.labels.into_iter().map(|(mask, values)| (mask, values.into_iter().collect())).collect();
        for (case, mm) in far(&self.places) {
            let message = format!(
                "its gland lies {mm:.0} mm from where those of the other cases lie in their images: displaced, or another field of view?"
            );
            report.find(Severity::Warning, Some(case), message);
        }
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

/// Cases whose gland lies far from where it usually lies, and how far in mm.
fn far(places: &[(String, [f64; 3])]) -> Vec<(&str, f64)> {
    if places.len() < FEW {
        return Vec::new();
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let usual: [f64; 3] = std::array::from_fn(|a| median(places.iter().map(|(_, place)| place[a]).collect()));
    let distance = |place: &[f64; 3]| {
        place.iter().zip(usual).map(|(own, usual)| (own - usual).powi(2)).sum::<f64>().sqrt()
    };
    let limit = (FAR * median(places.iter().map(|(_, place)| distance(place)).collect())).max(FAR_MM);
    let far = places.iter().map(|(case, place)| (case.as_str(), distance(place)));
    far.filter(|(_, mm)| *mm > limit).collect()
}

/// Says that an image was seen before: two patients do not have one and the same.
fn repeated(first: &Seen, channel: &str, entry: &CaseEntry, report: &mut CheckReport) {
    let Seen { case_id, patient_id, split, channel: same } = first;
    let same = same.as_str();
    let what = if same == channel {
        format!("the same {channel} image as case {case_id}")
    } else {
        format!("its {channel} image is the {same} image of case {case_id}")
    };
    let (severity, why) = if *patient_id == entry.patient_id && same == channel {
        (Severity::Warning, "it counts twice".to_owned())
    } else if *patient_id == entry.patient_id {
        (Severity::Error, "one of the two was mistaken for the other".to_owned())
    } else {
        let splits = if *split == entry.split {
            format!("both are in {split}")
        } else {
            format!("one is in {split} and the other in {}", entry.split)
        };
        let patient = &entry.patient_id;
        (
            Severity::Error,
            format!("probably one patient under two names, {patient_id} and {patient}; {splits}"),
        )
    };
    report.find(severity, Some(&entry.case_id), format!("{what}: {why}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_gland_that_lies_elsewhere_is_found() {
        let places = |last: [f64; 3], n: usize| -> Vec<(String, [f64; 3])> {
            let usual = (1..n).map(|i| (i.to_string(), [3.0 * (i % 3) as f64, -5.0, 2.0 * (i % 2) as f64]));
            usual.chain([("last".to_owned(), last)]).collect()
        };
        assert_eq!(far(&places([3.0, 25.0, 2.0], 6)), [("last", 30.0)]);
        assert!(far(&places([3.0, 10.0, 0.0], 6)).is_empty(), "within what patients differ by");
        assert!(far(&places([3.0, 25.0, 0.0], 4)).is_empty() && far(&[]).is_empty());
        // Where they lie all over the place, none is far.
        let spread: Vec<_> = (0..9).map(|i| (i.to_string(), [0.0, 12.0 * f64::from(i), 0.0])).collect();
        assert!(far(&spread).is_empty());
    }
}
