//! What each task makes of a case: input, target, and what simple baselines give.

use transferscope_domain::{Degradation, dataset::CaseEntry};
use transferscope_imaging::{
    physics::distortion::{Distortion, Place, TASK_SEED},
    region::{self, Region},
};

use super::{
    example::{Example, Native, Target, TaskPlan},
    placement::{Kind, Placement},
};
use crate::{
    data::{DataError, case::Case, normalise::zscore_nonzero, volume::Volume},
    physics::{
        bicubic::{Grid, enlarge},
        kspace::truncate,
        thick_slices::{Restoring, average, restore},
    },
};

/// Added around the gland on every side where images are scored in its box, in mm.
const GLAND_MARGIN_MM: f64 = 9.0;

/// Quantile of a T2-weighted image that previews show as white.
const WHITE: f64 = 0.995;

/// A case on its way to a task.
pub struct Prepared<'a> {
    pub entry: &'a CaseEntry,
    pub case: &'a Case,
    pub plan: TaskPlan,
}

impl Prepared<'_> {
    fn placement(&self) -> Placement {
        Placement::new(self.entry.shape, self.entry.spacing_mm, self.plan.grid)
    }

    /// A volume of the case on the working grid.
    fn working(&self, name: &str, kind: Kind) -> Result<Volume, DataError> {
        Ok(self.placement().to_working_grid(self.case.volume(name)?, kind))
    }

    /// An image as networks see it.
    fn normalised(&self, name: &str) -> Result<Vec<f32>, DataError> {
        Ok(normalised(self.working(name, Kind::Image)?.data))
    }

    /// All images that go in, as they are.
    fn inputs(&self) -> Result<Vec<Vec<f32>>, DataError> {
        self.plan.images().iter().map(|name| self.normalised(name)).collect()
    }

    /// The T2-weighted image as previews show it.
    fn display(&self) -> Result<Vec<f32>, DataError> {
        Ok(scaled_to_one(&self.working("t2w", Kind::Image)?.data, WHITE).0)
    }

    fn example(&self, inputs: Vec<Vec<f32>>, target: Target, display: Vec<f32>) -> Example {
        let entry = (self.entry.case_id.as_str(), self.entry.patient_id.as_str());
        let Placement { shape, spacing_mm, .. } = self.placement();
        Example { spacing_mm, ..Example::new(entry, shape, inputs, target, display) }
    }

    /// The gland's box with a margin on the working grid; none where the case has no gland mask.
    fn gland_box(&self) -> Result<Option<Region>, DataError> {
        let name = ["gland", "zones"].into_iter().find(|name| self.entry.has(name));
        let Some(name) = name else { return Ok(None) };
        let (mask, place) = (self.working(name, Kind::Labels)?, self.placement());
        let margin = place.spacing_mm.map(|mm| (GLAND_MARGIN_MM / mm).round() as usize);
        let found = region::bounding_box(&mask.data, place.shape, |v| v > 0.0);
        Ok(found.map(|found| region::grown(&found, margin, place.shape)))
    }

    /// Labels of gland zones, of the gland, or of lesions.
    ///
    /// # Errors
    /// This and the others: when the case lacks a volume.
    pub fn segmentation(&self) -> Result<Example, DataError> {
        let name = self.plan.segmentation.channel();
        let classes = self.plan.segmentation.classes().len() as u8;
        // A gland or lesion mask is any non-zero value; zones keep theirs.
        let classes_of = |volume: &Volume| -> Vec<u8> {
            volume.data.iter().map(|v| (v.round().clamp(0.0, 255.0) as u8).min(classes)).collect()
        };
        let labels = classes_of(&self.working(name, Kind::Labels)?);
        let mut example = self.example(self.inputs()?, Target::Labels(labels), self.display()?);
        example.native = Some(Native {
            placement: self.placement(),
            shape: self.entry.shape,
            spacing_mm: self.entry.spacing_mm,
            labels: classes_of(self.case.volume(name)?),
        });
        Ok(example)
    }

    /// Whether there is clinically significant cancer.
    pub fn classification(&self) -> Result<Example, DataError> {
        let known = self
            .entry
            .cspca
            .ok_or_else(|| DataError::Options(format!("case {}: cspca is not known", self.entry.case_id)))?;
        Ok(self.example(self.inputs()?, Target::Label(u8::from(known)), self.display()?))
    }

    /// The high-b image before an uneven field bent it, which is drawn on the case's own grid.
    pub fn distortion(&self) -> Result<Example, DataError> {
        let (hbv, adc) = (self.case.volume("hbv")?, self.case.volume("adc")?);
        let place = Place::of(self.case);
        let distortion = Distortion::draw(&self.entry.case_id, TASK_SEED, &place);
        let bent = |volume: &Volume| self.placement().to_working_grid(volume, Kind::Image).data;
        let degraded = bent(&distortion.apply(hbv));
        let adc = bent(&distortion.displace_map(adc).unwrap_or_else(|| adc.clone()));
        // The scale must be known without the target.
        let (scaled, scale) = scaled_to_one(&degraded, 1.0);
        let sharp = self.working("hbv", Kind::Image)?.data.iter().map(|v| v * scale).collect();
        let inputs = vec![self.normalised("t2w")?, normalised(degraded), normalised(adc)];
        let target = Target::Image { sharp, degraded: scaled.clone() };
        let mut example = self.example(inputs, target, scaled.clone());
        example.baselines.push(("identity", scaled));
        example.region = self.gland_box()?;
        let drawn = &distortion.drawn;
        example.note = Some(format!(
            "field up to {:.0} Hz, shift up to {:.1} mm, {:.1} mm in the gland's box",
            drawn.peak_hz, drawn.peak_shift_mm, drawn.gland_peak_shift_mm
        ));
        Ok(example)
    }

    /// The T2-weighted image before it lost resolution, in the slice plane or across it.
    ///
    /// # Errors
    /// In words, when the image is too small to lose that much.
    pub fn super_resolution(&self) -> Result<Example, String> {
        let words = |e: DataError| e.to_string();
        let t2w = self.working("t2w", Kind::Image).map_err(words)?;
        let shape = t2w.shape;
        let sharp = Volume { shape, data: scaled_to_one(&t2w.data, 1.0).0 };
        // The first simple baseline is the network's input.
        let restored = match self.plan.degradation {
            Degradation::InPlane2 => truncated(&sharp, 2)?,
            Degradation::InPlane4 => truncated(&sharp, 4)?,
            Degradation::Thick2 => thickened(&sharp, 2)?,
            Degradation::Thick4 => thickened(&sharp, 4)?,
        };
        let degraded = restored[0].1.clone();
        let input = normalised(degraded.clone());
        let target = Target::Image { sharp: sharp.data, degraded: degraded.clone() };
        let mut example = self.example(vec![input], target, degraded);
        example.baselines = restored.into();
        Ok(example)
    }

    /// The high-b image, of which nothing is given.
    pub fn translation(&self) -> Result<Example, DataError> {
        let (sharp, _) = scaled_to_one(&self.working("hbv", Kind::Image)?.data, 1.0);
        let degraded = vec![0.0; sharp.len()];
        let target = Target::Image { sharp, degraded };
        let mut example = self.example(self.inputs()?, target, self.display()?);
        example.region = self.gland_box()?;
        Ok(example)
    }

    /// All images, and labels as [`super::example::PRETRAINING_CLASSES`].
    pub fn pretraining(&self) -> Result<Example, DataError> {
        let mask = |name: &str| -> Result<Vec<f32>, DataError> {
            if !self.entry.has(name) {
                return Ok(vec![0.0; self.placement().shape.iter().product()]);
            }
            Ok(self.working(name, Kind::Labels)?.data)
        };
        let (gland, lesion) = (mask("gland")?, mask("lesion")?);
        let labels = gland.iter().zip(&lesion);
        let labels = labels.map(|(g, l)| if *l > 0.0 { 2 } else { u8::from(*g > 0.0) }).collect();
        Ok(self.example(self.inputs()?, Target::Labels(labels), self.display()?))
    }
}

/// Trivial restorations by their name.
type Restored = [(&'static str, Vec<f32>); 2];

/// An image that has lost all but the middle of its k-space: one part in `factor` of the lines in each direction of
/// the slice plane is left.
fn truncated(sharp: &Volume, factor: usize) -> Result<Restored, String> {
    let [_, rows, columns] = sharp.shape;
    let cut = truncate(sharp, [factor; 2]).map_err(|e| e.to_string())?;
    let bicubic = enlarge(&cut.low, [rows, columns], Grid::KSpace).data;
    Ok([("zero-filled", cut.zero_filled.data), ("bicubic", bicubic)])
}

/// An image of slices that are `factor` times as thick.
fn thickened(sharp: &Volume, factor: usize) -> Result<Restored, String> {
    let slices = sharp.shape[0];
    let thick = average(sharp, factor).map_err(|e| e.to_string())?;
    let restored = |how| restore(&thick, slices, factor, how).data;
    Ok([("trilinear", restored(Restoring::Linear)), ("repeated", restored(Restoring::Repeated))])
}

fn normalised(mut values: Vec<f32>) -> Vec<f32> {
    zscore_nonzero(&mut values);
    values
}

/// Divides by the given quantile (1 = maximum) of the values and says by what it multiplied; all zero
/// stays so.
fn scaled_to_one(data: &[f32], quantile: f64) -> (Vec<f32>, f32) {
    let mut sorted = data.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = ((sorted.len() as f64 - 1.0) * quantile).round() as usize;
    let top = sorted.get(at).copied().unwrap_or(0.0);
    let scale = if top > 0.0 { 1.0 / top } else { 0.0 };
    (data.iter().map(|v| v * scale).collect(), scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use transferscope_domain::{Task, dataset::SegmentationTarget, metric::Split};
    use transferscope_imaging::data::{Geometry, synth};

    #[test]
    fn scaling_leaves_an_empty_image_empty() {
        assert_eq!(scaled_to_one(&[0.0; 3], 1.0), (vec![0.0; 3], 0.0));
        assert_eq!(scaled_to_one(&[1.0, 4.0, 2.0], 1.0), (vec![0.25, 1.0, 0.5], 0.25));
    }

    fn phantom() -> (CaseEntry, Case) {
        let shape = [16, 64, 64];
        let volumes: BTreeMap<String, Volume> = synth::phantom(3, 0, shape).volumes;
        let entry = CaseEntry {
            case_id: "case".into(),
            patient_id: "patient".into(),
            split: Split::Train,
            shape,
            spacing_mm: [3.0, 1.0, 1.0],
            channels: volumes.keys().cloned().collect(),
            prepared: String::new(),
            hash: String::new(),
            cspca: Some(true),
            fold: None,
            mask_sources: BTreeMap::new(),
            notes: Vec::new(),
            mask_labels: Default::default(),
        };
        let geometry = Geometry::centred(shape, entry.spacing_mm);
        let case = Case { id: "case".into(), shape, spacing_mm: entry.spacing_mm, geometry, volumes };
        (entry, case)
    }

    /// Every task's example has one size throughout, and its baselines are no better than the truth.
    #[test]
    fn every_task_makes_an_example() {
        let (entry, case) = phantom();
        for task in Task::ALL.into_iter().chain([Task::Pretraining]) {
            let plan = TaskPlan::usual(task, SegmentationTarget::Zones);
            let prepared = Prepared { entry: &entry, case: &case, plan };
            let example = match task {
                Task::Segmentation => prepared.segmentation(),
                Task::Classification => prepared.classification(),
                Task::DistortionCorrection => prepared.distortion(),
                Task::SuperResolution => Ok(prepared.super_resolution().unwrap()),
                Task::ModalityTranslation => prepared.translation(),
                Task::Pretraining => prepared.pretraining(),
            }
            .unwrap();
            assert_eq!(example.shape, entry.shape, "{task}");
            assert_eq!(example.inputs.len(), task.inputs().len(), "{task}");
            assert!(example.inputs.iter().all(|i| i.len() == example.voxels()), "{task}");
            assert!(example.inputs.iter().flatten().all(|v| v.is_finite()), "{task}");
            assert_eq!(example.display.len(), example.voxels(), "{task}");
            if let Target::Image { sharp, degraded } = &example.target {
                assert_eq!((sharp.len(), degraded.len()), (example.voxels(), example.voxels()), "{task}");
                assert!(sharp != degraded, "{task}");
            }
            let names: Vec<_> = example.baselines.iter().map(|(name, _)| *name).collect();
            assert!(names.iter().all(|n| task.baselines().contains(n)), "{task}: {names:?}");
        }
    }

    /// What is lost makes the simple baselines worse, and all of them are of the same size.
    #[test]
    fn every_degradation_of_super_resolution_has_its_baselines() {
        let (entry, case) = phantom();
        let error = |degradation| {
            let plan =
                TaskPlan { degradation, ..TaskPlan::usual(Task::SuperResolution, SegmentationTarget::Zones) };
            let example = Prepared { entry: &entry, case: &case, plan }.super_resolution().unwrap();
            let Target::Image { sharp, degraded } = &example.target else { panic!("an image") };
            assert_eq!(&example.baselines[0].1, degraded);
            let names = example.baselines.iter().map(|(name, _)| name);
            assert!(names.into_iter().all(|n| Task::SuperResolution.baselines().contains(n)));
            sharp.iter().zip(degraded).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
        };
        let of = |all: [Degradation; 2]| all.map(error);
        let [two, four] = of([Degradation::InPlane2, Degradation::InPlane4]);
        assert!(0.0 < two && two < four, "{two} {four}");
        let [two, four] = of([Degradation::Thick2, Degradation::Thick4]);
        assert!(0.0 < two && two < four, "{two} {four}");
        let plan = TaskPlan {
            degradation: Degradation::Thick4,
            ..TaskPlan::usual(Task::SuperResolution, SegmentationTarget::Zones)
        };
        let flat = Volume { shape: [2, 4, 4], data: vec![1.0; 32] };
        let case = Case { shape: flat.shape, volumes: [("t2w".to_owned(), flat)].into(), ..case };
        let entry = CaseEntry { shape: case.shape, ..entry };
        let refused = Prepared { entry: &entry, case: &case, plan }.super_resolution().unwrap_err();
        assert!(refused.contains("2 slices cannot be averaged 4 by 4"), "{refused}");
    }

    /// A lesion mask is learnt as it is, on the grid and on the case's own.
    #[test]
    fn lesions_are_a_target() {
        let (entry, case) = phantom();
        let plan = TaskPlan::usual(Task::Segmentation, SegmentationTarget::Lesion);
        let example = Prepared { entry: &entry, case: &case, plan }.segmentation().unwrap();
        let Target::Labels(labels) = &example.target else { panic!("labels") };
        let drawn = case.volumes["lesion"].data.iter().filter(|v| **v > 0.0).count();
        assert_eq!(labels.iter().filter(|l| **l == 1).count(), drawn);
        assert!(labels.iter().all(|l| *l < 2) && plan.out() == 2);
    }

    /// Distorted images are the same whenever a case is prepared, and the ADC map's are displaced with the
    /// high-b image's.
    #[test]
    fn degradations_belong_to_the_case() {
        let (entry, case) = phantom();
        let plan = TaskPlan::usual(Task::DistortionCorrection, SegmentationTarget::Zones);
        let make = |entry: &CaseEntry| Prepared { entry, case: &case, plan }.distortion().unwrap();
        let (one, again) = (make(&entry), make(&entry));
        assert_eq!(one.inputs, again.inputs);
        let other = make(&CaseEntry { case_id: "other".into(), ..entry.clone() });
        assert!(one.inputs[0] == other.inputs[0] && one.inputs[1] != other.inputs[1]);
        assert!(one.note.unwrap().contains("Hz") && one.region.is_some());
    }
}
