//! What needs no network: scores of simple baselines on the same cases, some of which learn a mean from
//! the training cases.

use std::collections::BTreeMap;

use transferscope_domain::report::TRUTH;
use transferscope_imaging::baseline::{MeanImage, MeanShape, prevalence};

use super::{
    example::{Example, Target, TaskPlan},
    scores,
};

/// What the training cases have in common.
pub struct Baselines {
    plan: TaskPlan,
    learnt: Learnt,
}

enum Learnt {
    Shape(MeanShape),
    Image(MeanImage),
    /// Share of cases of each class.
    Prevalence(Vec<f64>),
    Nothing,
}

impl Baselines {
    /// Learns what there is to learn.
    pub fn new(train: &[Example], plan: &TaskPlan) -> Self {
        let largest = std::array::from_fn(|axis| train.iter().map(|e| e.shape[axis]).max().unwrap_or(0));
        let learnt = match train.first().map(|e| &e.target) {
            Some(Target::Labels(_)) => {
                let mut mean = MeanShape::new(largest, plan.out() as u8 - 1);
                for example in train {
                    if let Target::Labels(labels) = &example.target {
                        mean.add(labels, example.shape);
                    }
                }
                Learnt::Shape(mean)
            }
            Some(Target::Image { .. }) => {
                let mut mean = MeanImage::new(largest);
                for example in train {
                    if let Target::Image { sharp, .. } = &example.target {
                        mean.add(sharp, example.shape);
                    }
                }
                Learnt::Image(mean)
            }
            Some(Target::Label(_)) => {
                let share = |class: usize| {
                    let is = |e: &Example| matches!(e.target, Target::Label(l) if usize::from(l) == class);
                    prevalence(&train.iter().map(is).collect::<Vec<bool>>())
                };
                let mut shares: Option<Vec<f64>> = (0..plan.out()).map(share).collect();
                // Of two classes one share is the other's rest.
                if let Some([first, second]) = shares.as_deref_mut() {
                    *first = 1.0 - *second;
                }
                shares.map_or(Learnt::Nothing, Learnt::Prevalence)
            }
            None => Learnt::Nothing,
        };
        Self { plan: plan.clone(), learnt }
    }

    /// Scores of the task's simple baselines on a case, named `metric@method`.
    pub fn scores(&self, example: &Example) -> BTreeMap<String, f64> {
        let wanted = |name: &&str| self.plan.kind().baselines().contains(name);
        let mut all = BTreeMap::new();
        if let Target::Image { sharp, .. } = &example.target {
            for (name, image) in &example.baselines {
                all.extend(scores::image(image, sharp, example, &format!("@{name}")));
            }
        }
        match (&self.learnt, &example.target) {
            (Learnt::Shape(mean), Target::Labels(truth)) if wanted(&"mean-shape") => {
                let labels = mean.predict(example.shape);
                let probability: Vec<f32> = (0..self.plan.out() as u8)
                    .flat_map(|class| labels.iter().map(move |l| f32::from(u8::from(*l == class))))
                    .collect();
                let mask = self.plan.aim.mask();
                let found = mask.map(|mask| scores::labels(&probability, &labels, truth, example, mask));
                let found = found.unwrap_or_default();
                all.extend(found.into_iter().map(|(name, value)| (format!("{name}@mean-shape"), value)));
            }
            (Learnt::Image(mean), Target::Image { sharp, .. }) if wanted(&"mean-image") => {
                let image = mean.predict(example.shape);
                all.extend(scores::image(&image, sharp, example, "@mean-image"));
            }
            (Learnt::Prevalence(shares), Target::Label(truth)) if wanted(&"prevalence") => {
                let found = scores::label(shares, *truth);
                let said = found.into_iter().filter(|(name, _)| name != TRUTH);
                all.extend(said.map(|(name, value)| (format!("{name}@prevalence"), value)));
            }
            _ => {}
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(task: &str) -> TaskPlan {
        TaskPlan::usual(task)
    }

    /// A new case that is as most were is told well, and a label no better than chance.
    #[test]
    fn the_mean_shape_and_the_prevalence() {
        let block =
            |width: usize| -> Vec<u8> { (0..4 * 16 * 16).map(|i| u8::from(i % 16 < width)).collect() };
        let case = |target| Example::new(("c", "c"), [4, 16, 16], Vec::new(), target, Vec::new());
        let train: Vec<Example> = [6, 8, 8].map(|w| case(Target::Labels(block(w)))).into();
        let scores =
            Baselines::new(&train, &plan("segmentation:gland")).scores(&case(Target::Labels(block(8))));
        assert_eq!(scores["dice@mean-shape"], 1.0);
        let train: Vec<Example> = [1, 0, 0, 0].map(|l| case(Target::Label(l))).into();
        let scores = Baselines::new(&train, &plan("classification")).scores(&case(Target::Label(0)));
        assert!((scores["log_loss@prevalence"] + 0.75f64.ln()).abs() < 1e-12);
    }
}
