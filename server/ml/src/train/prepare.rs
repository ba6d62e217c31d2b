//! What each task makes of a case: input, target, and what simple baselines give.

use transferscope_domain::{
    Degradation, Name, TaskKind,
    dataset::{CaseEntry, Goal, LabelInfo, MaskInfo, Normalisation},
};
use transferscope_imaging::{
    physics::distortion::{Distortion, Place, TASK_SEED},
    region::{self, Region},
};

use super::{
    example::{Example, IGNORED, Native, Target, TaskPlan},
    placement::{Kind, Placement},
};
use crate::{
    data::{DataError, case::Case, normalise::normalise, volume::Volume},
    physics::{
        bicubic::{Grid, enlarge},
        kspace::truncate,
        thick_slices::{Restoring, average, restore},
    },
};

/// Added on every side of what the masks show where images are scored in its box, in mm.
const MARGIN_MM: f64 = 9.0;

/// Quantile of an image that previews show as white.
const WHITE: f64 = 0.995;

/// A case on its way to a task.
pub struct Prepared<'a> {
    pub entry: &'a CaseEntry,
    pub case: &'a Case,
    pub plan: &'a TaskPlan,
}

impl Prepared<'_> {
    /// What the plan's task makes of the case.
    ///
    /// # Errors
    /// When the case lacks something, or is too small to lose what a restoration restores.
    pub fn example(&self) -> Result<Example, DataError> {
        let plan = self.plan;
        match (&plan.aim.goal, plan.kind()) {
            (Goal::Mask(mask), _) => self.segmentation(mask),
            (Goal::Label(label), _) => self.classification(label),
            (Goal::Image(image), TaskKind::DistortionCorrection) => self.distortion(image),
            (Goal::Image(image), TaskKind::SuperResolution) => self
                .super_resolution(image)
                .map_err(|why| DataError::Options(format!("case {}: {why}", self.entry.case_id))),
            (Goal::Image(image), _) => self.translation(image),
            (Goal::Features, _) => self.pretraining(),
        }
    }

    fn placement(&self) -> Placement {
        let (shape, spacing_mm) = (self.entry.shape, self.entry.spacing_mm);
        match &self.plan.plan {
            Some(plan) => Placement::planned(shape, spacing_mm, plan.spacing_mm),
            None => Placement::new(shape, spacing_mm, self.plan.grid),
        }
    }

    /// A volume of the case on the working grid.
    fn working(&self, name: &str, kind: Kind) -> Result<Volume, DataError> {
        Ok(self.placement().to_working_grid(self.case.volume(name)?, kind))
    }

    /// Numbers of an image as networks see them.
    fn scaled(&self, name: &str, mut values: Vec<f32>) -> Vec<f32> {
        let how =
            self.plan.plan.as_ref().map_or(Normalisation::NonzeroZScore, |plan| plan.normalisation(name));
        normalise(&mut values, how);
        values
    }

    /// An image as networks see it.
    fn normalised(&self, name: &str) -> Result<Vec<f32>, DataError> {
        Ok(self.scaled(name, self.working(name, Kind::Image)?.data))
    }

    /// All images that go in, as they are.
    fn inputs(&self) -> Result<Vec<Vec<f32>>, DataError> {
        self.plan.images().iter().map(|name| self.normalised(name)).collect()
    }

    /// The first image as previews show it.
    fn display(&self) -> Result<Vec<f32>, DataError> {
        let first = self.plan.contents.images.first().map(|image| image.name);
        let name = first.filter(|name| self.entry.has(name)).or(self.plan.images().first().copied());
        let Some(name) = name else { return Ok(Vec::new()) };
        Ok(scaled_to_one(&self.working(&name, Kind::Image)?.data, WHITE).0)
    }

    fn with(&self, inputs: Vec<Vec<f32>>, target: Target, display: Vec<f32>) -> Example {
        let entry = (self.entry.case_id.as_str(), self.entry.patient_id.as_str());
        let Placement { shape, spacing_mm, .. } = self.placement();
        let mut example = Example { spacing_mm, ..Example::new(entry, shape, inputs, target, display) };
        if let (Some(_), Target::Labels(labels)) = (&self.plan.plan, &example.target) {
            example.foreground = foreground(labels, self.plan.out() - 1);
        }
        example
    }

    /// The box of what the masks show, with a margin, on the working grid: of the gland where there is one, else of all
    /// of them; none where the case has no mask.
    fn shown_box(&self) -> Result<Option<Region>, DataError> {
        let gland = ["gland", "zones"].into_iter().find(|name| self.entry.has(name));
        let names: Vec<&str> = match gland {
            Some(name) => vec![name],
            None if self.plan.plan.is_none() => Vec::new(),
            None => self
                .plan
                .contents
                .masks
                .iter()
                .map(|m| m.name.as_str())
                .filter(|n| self.entry.has(n))
                .collect(),
        };
        let place = self.placement();
        let mut all: Option<Vec<f32>> = None;
        for name in names {
            let mask = self.working(name, Kind::Labels)?.data;
            match &mut all {
                None => all = Some(mask),
                Some(all) => all.iter_mut().zip(mask).for_each(|(all, own)| *all = all.max(own)),
            }
        }
        let Some(shown) = all else { return Ok(None) };
        let margin = place.spacing_mm.map(|mm| (MARGIN_MM / mm).round() as usize);
        let found = region::bounding_box(&shown, place.shape, |v| v > 0.0);
        Ok(found.map(|found| region::grown(&found, margin, place.shape)))
    }

    /// The classes of a mask.
    ///
    /// # Errors
    /// This and the others: when the case lacks a volume.
    fn segmentation(&self, mask: &MaskInfo) -> Result<Example, DataError> {
        let values = mask.values();
        // A mask of one class in a set from before classes had values may hold any.
        let any = self.plan.plan.is_none();
        let class_of = |v: f32| -> u8 {
            let value = v.round().clamp(0.0, 255.0) as u8;
            match values.iter().position(|known| *known == value) {
                Some(at) => at as u8 + 1,
                None if mask.ignore == Some(value) => IGNORED,
                None if any => value.min(values.len() as u8),
                None => 0,
            }
        };
        let classes_of = |volume: &Volume| -> Vec<u8> { volume.data.iter().map(|v| class_of(*v)).collect() };
        let labels = classes_of(&self.working(&mask.name, Kind::Labels)?);
        let mut example = self.with(self.inputs()?, Target::Labels(labels), self.display()?);
        example.native = Some(Native {
            placement: self.placement(),
            shape: self.entry.shape,
            spacing_mm: self.entry.spacing_mm,
            labels: classes_of(self.case.volume(&mask.name)?),
        });
        Ok(example)
    }

    /// A label of the whole case.
    fn classification(&self, label: &LabelInfo) -> Result<Example, DataError> {
        let class = self.entry.label(&label.name);
        let known = class.and_then(|class| label.classes.iter().position(|known| known == class));
        let known = known.ok_or_else(|| {
            DataError::Options(format!("case {}: its {} is not known", self.entry.case_id, label.name))
        })?;
        Ok(self.with(self.inputs()?, Target::Label(known as u8), self.display()?))
    }

    /// An echo-planar image before an uneven field bent it, which is drawn on the case's own grid. The others of the kind
    /// are bent with it; maps (images with a unit) are displaced alone, since their numbers do not pile up.
    fn distortion(&self, target: &Name) -> Result<Example, DataError> {
        let place = Place::of(self.case);
        let distortion = Distortion::draw(&self.entry.case_id, TASK_SEED, &place);
        let bent = |volume: &Volume| self.placement().to_working_grid(volume, Kind::Image).data;
        let degraded = bent(&distortion.apply(self.case.volume(target)?));
        // The scale must be known without the target.
        let (scaled, scale) = scaled_to_one(&degraded, 1.0);
        let sharp = self.working(target, Kind::Image)?.data.iter().map(|v| v * scale).collect();
        let mut inputs = Vec::new();
        for name in self.plan.images() {
            let info = self.plan.contents.image(name);
            let volume = self.case.volume(name)?;
            inputs.push(match info {
                _ if name == target => self.scaled(name, degraded.clone()),
                Some(info) if info.epi && info.unit.is_some() => {
                    let moved = distortion.displace_map(volume).unwrap_or_else(|| volume.clone());
                    self.scaled(name, bent(&moved))
                }
                Some(info) if info.epi => self.scaled(name, bent(&distortion.apply(volume))),
                _ => self.normalised(name)?,
            });
        }
        let target = Target::Image { sharp, degraded: scaled.clone() };
        let mut example = self.with(inputs, target, scaled.clone());
        example.baselines.push(("identity", scaled));
        example.region = self.shown_box()?;
        let drawn = &distortion.drawn;
        example.note = Some(format!(
            "field up to {:.0} Hz, shift up to {:.1} mm, {:.1} mm in the gland's box",
            drawn.peak_hz, drawn.peak_shift_mm, drawn.gland_peak_shift_mm
        ));
        Ok(example)
    }

    /// An image before it lost resolution, in the slice plane or across it.
    ///
    /// # Errors
    /// In words, when the image is too small to lose that much.
    fn super_resolution(&self, target: &Name) -> Result<Example, String> {
        let image = self.working(target, Kind::Image).map_err(|e| e.to_string())?;
        let shape = image.shape;
        let sharp = Volume { shape, data: scaled_to_one(&image.data, 1.0).0 };
        // The first simple baseline is the network's input.
        let restored = match self.plan.aim.degradation {
            Degradation::InPlane2 => truncated(&sharp, 2)?,
            Degradation::InPlane4 => truncated(&sharp, 4)?,
            Degradation::Thick2 => thickened(&sharp, 2)?,
            Degradation::Thick4 => thickened(&sharp, 4)?,
        };
        let degraded = restored[0].1.clone();
        // Scaled to one, the numbers have lost their unit.
        let mut input = degraded.clone();
        normalise(&mut input, Normalisation::NonzeroZScore);
        let target = Target::Image { sharp: sharp.data, degraded: degraded.clone() };
        let mut example = self.with(vec![input], target, degraded);
        example.baselines = restored.into();
        Ok(example)
    }

    /// An image of which nothing is given.
    fn translation(&self, target: &Name) -> Result<Example, DataError> {
        let (sharp, _) = scaled_to_one(&self.working(target, Kind::Image)?.data, 1.0);
        let degraded = vec![0.0; sharp.len()];
        let target = Target::Image { sharp, degraded };
        let mut example = self.with(self.inputs()?, target, self.display()?);
        example.region = self.shown_box()?;
        Ok(example)
    }

    /// All images, and labels as [`super::example::PRETRAINING_CLASSES`].
    fn pretraining(&self) -> Result<Example, DataError> {
        let mask = |name: &str| -> Result<Vec<f32>, DataError> {
            if !self.entry.has(name) {
                return Ok(vec![0.0; self.placement().shape.iter().product()]);
            }
            Ok(self.working(name, Kind::Labels)?.data)
        };
        let (gland, lesion) = (mask("gland")?, mask("lesion")?);
        let labels = gland.iter().zip(&lesion);
        let labels = labels.map(|(g, l)| if *l > 0.0 { 2 } else { u8::from(*g > 0.0) }).collect();
        Ok(self.with(self.inputs()?, Target::Labels(labels), self.display()?))
    }
}

/// Some voxels of each class, spread evenly over those that it has; without classes that are not there.
fn foreground(labels: &[u8], classes: usize) -> Vec<Vec<u32>> {
    /// Of each class.
    const MOST: usize = 10_000;
    let mut all: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for (at, label) in labels.iter().enumerate() {
        if let Some(class) = usize::from(*label).checked_sub(1).and_then(|class| all.get_mut(class)) {
            class.push(at as u32);
        }
    }
    all.retain(|voxels| !voxels.is_empty());
    for voxels in &mut all {
        let step = voxels.len().div_ceil(MOST);
        *voxels = voxels.iter().copied().step_by(step).collect();
    }
    all
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

/// Divides by the given quantile (1 = maximum) of the values and says by what it multiplied; all zero
/// stays so. Values below 0 are moved up to it.
fn scaled_to_one(data: &[f32], quantile: f64) -> (Vec<f32>, f32) {
    let lowest = data.iter().copied().fold(0.0, f32::min);
    if lowest < 0.0 {
        let moved: Vec<f32> = data.iter().map(|v| v - lowest).collect();
        return scaled_to_one(&moved, quantile);
    }
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
    use transferscope_domain::metric::Split;
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
            labels: BTreeMap::new(),
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
        for task in TaskKind::ALL.into_iter().chain([TaskKind::Pretraining]) {
            let plan = TaskPlan::usual(task.as_str());
            let example = Prepared { entry: &entry, case: &case, plan: &plan }.example().unwrap();
            assert_eq!(example.shape, entry.shape, "{task}");
            assert_eq!(example.inputs.len(), plan.images().len(), "{task}");
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

    fn losing(degradation: Degradation) -> TaskPlan {
        let mut plan = TaskPlan::usual("super-resolution");
        plan.aim.degradation = degradation;
        plan
    }

    /// What is lost makes the simple baselines worse, and all of them are of the same size.
    #[test]
    fn every_degradation_of_super_resolution_has_its_baselines() {
        let (entry, case) = phantom();
        let error = |degradation| {
            let plan = losing(degradation);
            let example = Prepared { entry: &entry, case: &case, plan: &plan }.example().unwrap();
            let Target::Image { sharp, degraded } = &example.target else { panic!("an image") };
            assert_eq!(&example.baselines[0].1, degraded);
            let names = example.baselines.iter().map(|(name, _)| name);
            assert!(names.into_iter().all(|n| TaskKind::SuperResolution.baselines().contains(n)));
            sharp.iter().zip(degraded).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
        };
        let of = |all: [Degradation; 2]| all.map(error);
        let [two, four] = of([Degradation::InPlane2, Degradation::InPlane4]);
        assert!(0.0 < two && two < four, "{two} {four}");
        let [two, four] = of([Degradation::Thick2, Degradation::Thick4]);
        assert!(0.0 < two && two < four, "{two} {four}");
        let plan = losing(Degradation::Thick4);
        let flat = Volume { shape: [2, 4, 4], data: vec![1.0; 32] };
        let case = Case { shape: flat.shape, volumes: [("t2w".to_owned(), flat)].into(), ..case };
        let entry = CaseEntry { shape: case.shape, ..entry };
        let refused = Prepared { entry: &entry, case: &case, plan: &plan }.example().unwrap_err().to_string();
        assert!(refused.contains("2 slices cannot be averaged 4 by 4"), "{refused}");
    }

    /// A lesion mask is learnt as it is, on the grid and on the case's own.
    #[test]
    fn lesions_are_a_target() {
        let (entry, case) = phantom();
        let plan = TaskPlan::usual("segmentation:lesion");
        let example = Prepared { entry: &entry, case: &case, plan: &plan }.example().unwrap();
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
        let plan = TaskPlan::usual("distortion-correction");
        let make = |entry: &CaseEntry| Prepared { entry, case: &case, plan: &plan }.example().unwrap();
        let (one, again) = (make(&entry), make(&entry));
        assert_eq!(one.inputs, again.inputs);
        let other = make(&CaseEntry { case_id: "other".into(), ..entry.clone() });
        assert!(one.inputs[0] == other.inputs[0] && one.inputs[1] != other.inputs[1]);
        assert!(one.note.unwrap().contains("Hz") && one.region.is_some());
    }
}
