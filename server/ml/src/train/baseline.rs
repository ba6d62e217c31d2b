//! What needs no network: scores of trivial methods on the same cases, some of which learn a mean from
//! the training cases.

use std::collections::BTreeMap;

use super::{
    evaluate::argmax,
    example::{Example, Target, TaskPlan},
    scores,
};
use crate::data::window::window;

/// What the training cases have in common.
pub struct Baselines {
    plan: TaskPlan,
    learnt: Learnt,
}

enum Learnt {
    /// Share of cases of every class at every voxel, `[classes, D, H, W]` of `shape`.
    Shape { shape: [usize; 3], shares: Vec<f32> },
    /// Mean image.
    Image { shape: [usize; 3], mean: Vec<f32> },
    /// Share of cases of class 1.
    Prevalence(f64),
    Nothing,
}

/// Part of `values` of `from`, or all of it with zeros around, so that the centres meet in `to`.
fn centred(values: &[f32], from: [usize; 3], to: [usize; 3]) -> Vec<f32> {
    let start = std::array::from_fn(|a| (from[a] as isize - to[a] as isize).div_euclid(2));
    window(values, from, start, to)
}

/// Means of `[D, H, W]` volumes of different sizes, laid over one another at their centres: at every voxel
/// over those that reach there.
fn mean(volumes: &[(Vec<f32>, [usize; 3])]) -> (Vec<f32>, [usize; 3]) {
    let shape = std::array::from_fn(|a| volumes.iter().map(|(_, s)| s[a]).max().unwrap_or(0));
    let (mut sum, mut count) = (vec![0.0f32; shape.iter().product()], vec![0.0f32; shape.iter().product()]);
    for (values, from) in volumes {
        let there = centred(&vec![1.0; values.len()], *from, shape);
        for (i, value) in centred(values, *from, shape).into_iter().enumerate() {
            sum[i] += value;
            count[i] += there[i];
        }
    }
    (sum.iter().zip(&count).map(|(s, n)| if *n > 0.0 { s / n } else { 0.0 }).collect(), shape)
}

impl Baselines {
    /// Learns what there is to learn.
    pub fn new(train: &[Example], plan: TaskPlan) -> Self {
        let learnt = match train.first().map(|e| &e.target) {
            Some(Target::Labels(_)) => {
                let classes = plan.out();
                let mut shares = Vec::new();
                let mut shape = [0; 3];
                for class in 0..classes {
                    let masks: Vec<_> = train
                        .iter()
                        .filter_map(|e| match &e.target {
                            Target::Labels(labels) => {
                                let mask = labels.iter().map(|l| f32::from(u8::from(usize::from(*l) == class)));
                                Some((mask.collect(), e.shape))
                            }
                            Target::Image { .. } | Target::Label(_) => None,
                        })
                        .collect();
                    let (share, size) = mean(&masks);
                    shares.extend(share);
                    shape = size;
                }
                Learnt::Shape { shape, shares }
            }
            Some(Target::Image { .. }) => {
                let images: Vec<_> = train
                    .iter()
                    .filter_map(|e| match &e.target {
                        Target::Image { sharp, .. } => Some((sharp.clone(), e.shape)),
                        Target::Labels(_) | Target::Label(_) => None,
                    })
                    .collect();
                let (mean, shape) = mean(&images);
                Learnt::Image { shape, mean }
            }
            Some(Target::Label(_)) => {
                let positive = train.iter().filter(|e| matches!(e.target, Target::Label(1))).count();
                Learnt::Prevalence(positive as f64 / train.len() as f64)
            }
            None => Learnt::Nothing,
        };
        Self { plan, learnt }
    }

    /// Scores of the task's trivial methods on a case, named `metric@method`.
    pub fn scores(&self, example: &Example) -> BTreeMap<String, f64> {
        let wanted = |name: &&str| self.plan.task.baselines().contains(name);
        let mut all = BTreeMap::new();
        if let Target::Image { sharp, .. } = &example.target {
            for (name, image) in &example.baselines {
                all.extend(scores::image(image, sharp, example, &format!("@{name}")));
            }
        }
        match (&self.learnt, &example.target) {
            (Learnt::Shape { shape, shares }, Target::Labels(truth)) if wanted(&"mean-shape") => {
                let voxels = shape.iter().product();
                let probability: Vec<f32> =
                    shares.chunks(voxels).flat_map(|share| centred(share, *shape, example.shape)).collect();
                let labels = argmax(&probability, self.plan.out());
                let found =
                    scores::labels(&probability, &labels, truth, example, self.plan.segmentation);
                all.extend(found.into_iter().map(|(name, value)| (format!("{name}@mean-shape"), value)));
            }
            (Learnt::Image { shape, mean }, Target::Image { sharp, .. }) if wanted(&"mean-image") => {
                let image = centred(mean, *shape, example.shape);
                all.extend(scores::image(&image, sharp, example, "@mean-image"));
            }
            (Learnt::Prevalence(share), Target::Label(truth)) if wanted(&"prevalence") => {
                let found = scores::label(*share, *truth);
                all.extend(found.into_iter().map(|(name, value)| (format!("{name}@prevalence"), value)));
            }
            _ => {}
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::view::WorkingGrid;
    use transferscope_domain::{Task, dataset::SegmentationTarget};

    fn plan(task: Task) -> TaskPlan {
        TaskPlan { task, segmentation: SegmentationTarget::Gland, grid: WorkingGrid::SMALL }
    }

    #[test]
    fn volumes_of_different_sizes_are_averaged_where_they_reach() {
        let (values, shape) = mean(&[(vec![2.0; 4], [1, 1, 4]), (vec![6.0; 2], [1, 1, 2])]);
        assert_eq!((values, shape), (vec![2.0, 4.0, 4.0, 2.0], [1, 1, 4]));
    }

    /// A new case that is as most were is told well, and a label no better than chance.
    #[test]
    fn the_mean_shape_and_the_prevalence() {
        let block = |width: usize| -> Vec<u8> { (0..4 * 16 * 16).map(|i| u8::from(i % 16 < width)).collect() };
        let case = |target| Example::new(("c", "c"), [4, 16, 16], Vec::new(), target, Vec::new());
        let train: Vec<Example> = [6, 8, 8].map(|w| case(Target::Labels(block(w)))).into();
        let scores = Baselines::new(&train, plan(Task::Segmentation)).scores(&case(Target::Labels(block(8))));
        assert_eq!(scores["dice@mean-shape"], 1.0);
        let train: Vec<Example> = [1, 0, 0, 0].map(|l| case(Target::Label(l))).into();
        let scores = Baselines::new(&train, plan(Task::Classification)).scores(&case(Target::Label(0)));
        assert!((scores["log_loss@prevalence"] + 0.75f64.ln()).abs() < 1e-12);
    }
}
