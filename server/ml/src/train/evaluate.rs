//! Scores of a network on whole cases.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, backend::Backend};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use transferscope_domain::{metric::MetricKind, report::CaseScore};

use super::{
    batch::{loss, whole},
    example::{Example, Target, TaskPlan},
    view::View,
};
use crate::{
    metrics,
    model::net::Net,
    nn::{Mode, drop_path::DropPath, kernels::Kernels},
};

/// What a network gives for a case.
pub enum Prediction {
    /// A class for each voxel.
    Labels(Vec<u8>),
    /// The restored image, in the target's scale.
    Image(Vec<f32>),
}

/// Scores, loss and prediction of one case.
pub struct CaseResult {
    pub score: CaseScore,
    pub loss: f64,
    pub prediction: Prediction,
}

/// [`evaluate_case`] of each example, in their order; on the CPU a few at once, since small networks
/// leave cores idle between their operations. Lazy: only those few predictions are in memory.
pub fn evaluate_cases<B: Kernels>(
    net: &Net<B>,
    examples: &[Example],
    plan: TaskPlan,
    view: impl Into<View>,
    split: &str,
    device: &B::Device,
) -> impl Iterator<Item = CaseResult> {
    let view = view.into();
    examples.chunks(B::CASES_AT_ONCE).flat_map(move |some| {
        if let [example] = some {
            // On this thread: a CUDA stream belongs to the thread that uses it.
            return vec![evaluate_case(net, example, plan, view, split, device)];
        }
        let jobs: Vec<(Net<B>, &Example)> = some.iter().map(|example| (net.clone(), example)).collect();
        jobs.into_par_iter()
            .map(|(net, example)| evaluate_case(&net, example, plan, view, split, device))
            .collect()
    })
}

/// Runs the network on a whole case and scores it. Scores that are undefined (a class that the
/// case does not have) are absent.
pub fn evaluate_case<B: Kernels>(
    net: &Net<B>,
    example: &Example,
    plan: TaskPlan,
    view: impl Into<View>,
    split: &str,
    device: &B::Device,
) -> CaseResult {
    let [d, h, w] = example.shape;
    let mut outputs = Vec::new();
    let (mut loss_sum, mut samples) = (0.0, 0.0);
    for batch in whole::<B>(example, view, device) {
        let output = net.forward(batch.input, DropPath::NONE, Mode::Eval);
        let n = output.dims()[0] as f64;
        loss_sum += n * scalar(loss(output.clone(), batch.target));
        samples += n;
        let [n, out, depth, height, width] = output.dims();
        // Slices in a row become a volume: [S, out, 1, H, W] -> [1, out, S, H, W].
        outputs.push(output.swap_dims(0, 1).reshape([1, out, n * depth, height, width]));
    }
    let output = Tensor::cat(outputs, 2);
    let out = output.dims()[1];
    let output = output.slice([0..1, 0..out, 0..d, 0..h, 0..w]);
    let voxels = d * h * w;
    let (scores, prediction) = match &example.target {
        Target::Labels(truth) => {
            let values = values(output);
            let labels: Vec<u8> = (0..voxels)
                .map(|i| {
                    let best =
                        (0..out).max_by(|a, b| values[a * voxels + i].total_cmp(&values[b * voxels + i]));
                    best.unwrap_or(0) as u8
                })
                .collect();
            let names = plan.segmentation.classes();
            let by_class = metrics::dice_by_class(&labels, truth, names.len() as u8);
            let mut scores: BTreeMap<String, f64> = BTreeMap::new();
            for (name, dice) in names.iter().zip(&by_class) {
                scores.extend(dice.map(|v| (format!("{}.{name}", MetricKind::Dice), v)));
            }
            scores.extend(metrics::mean_dice(&[by_class]).map(|v| (MetricKind::Dice.to_string(), v)));
            (scores, Prediction::Labels(labels))
        }
        Target::Image { sharp, degraded, .. } => {
            let image: Vec<f32> = values(output).iter().zip(degraded).map(|(a, b)| a + b).collect();
            (image_scores(&image, sharp, example.shape, ""), Prediction::Image(image))
        }
    };
    let score = CaseScore {
        case_id: example.case_id.clone(),
        patient_id: example.patient_id.clone(),
        split: split.to_owned(),
        scores,
    };
    CaseResult { score, loss: loss_sum / samples, prediction }
}

/// Scores of the task's trivial methods on a case, named `metric@method`.
pub fn baseline_scores(example: &Example) -> BTreeMap<String, f64> {
    match &example.target {
        Target::Labels(_) => BTreeMap::new(),
        Target::Image { sharp, degraded, bicubic } => {
            let mut scores = image_scores(degraded, sharp, example.shape, "@zero-filled");
            scores.extend(image_scores(bicubic, sharp, example.shape, "@bicubic"));
            scores
        }
    }
}

/// PSNR (data range 1), SSIM and NMSE; what is undefined or infinite is absent.
fn image_scores(image: &[f32], sharp: &[f32], shape: [usize; 3], suffix: &str) -> BTreeMap<String, f64> {
    let scores = [
        (MetricKind::PsnrDb, Some(metrics::psnr_db(image, sharp, 1.0))),
        (MetricKind::Ssim, Some(metrics::ssim3d(image, sharp, shape, 1.0))),
        (MetricKind::Nmse, metrics::nmse(image, sharp)),
    ];
    scores
        .into_iter()
        .filter_map(|(kind, value)| Some((format!("{kind}{suffix}"), value.filter(|v| v.is_finite())?)))
        .collect()
}

/// Mean of every score over the cases that have it.
pub fn means<'a>(cases: impl IntoIterator<Item = &'a CaseScore>) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (name, value) in cases.into_iter().flat_map(|c| &c.scores) {
        let (sum, n) = sums.entry(name.clone()).or_default();
        *sum += value;
        *n += 1.0;
    }
    sums.into_iter().map(|(name, (sum, n))| (name, sum / n)).collect()
}

/// The one number of a tensor.
pub(crate) fn scalar<B: Backend>(x: Tensor<B, 1>) -> f64 {
    values(x).first().map_or(f64::NAN, |v| f64::from(*v))
}

pub(crate) fn values<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    x.into_data().convert::<f32>().into_vec().expect("converted to f32 just now")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{init, model::net::Ports};
    use burn_flex::Flex;
    use transferscope_domain::{
        Family,
        dataset::SegmentationTarget,
        task::{Output, Task},
    };

    const SHAPE: [usize; 3] = [8, 32, 32];

    fn example(number: usize) -> Example {
        let voxels = SHAPE.iter().product::<usize>();
        let wave =
            |scale: f32| -> Vec<f32> { (0..voxels).map(|i| (i as f32 * scale).sin() * 0.5 + 0.5).collect() };
        let degraded = wave(0.013 * (number + 1) as f32);
        Example {
            case_id: format!("case{number}"),
            patient_id: format!("patient{number}"),
            shape: SHAPE,
            inputs: vec![degraded.clone()],
            target: Target::Image { sharp: wave(0.017), bicubic: degraded.clone(), degraded },
            display: Vec::new(),
        }
    }

    fn images(net: &Net<Flex>, examples: &[Example], family: Family) -> Vec<Vec<f32>> {
        let plan = TaskPlan {
            task: Task::SuperResolution,
            segmentation: SegmentationTarget::Zones,
            grid: crate::train::view::WorkingGrid::SMALL,
        };
        evaluate_cases(net, examples, plan, family, "val", &Default::default())
            .zip(examples)
            .map(|(result, example)| {
                assert_eq!(result.score.case_id, example.case_id);
                match result.prediction {
                    Prediction::Image(image) => image,
                    Prediction::Labels(_) => panic!("a restoration gives an image"),
                }
            })
            .collect()
    }

    #[test]
    fn a_restoration_starts_as_its_input_and_cases_at_once_agree_with_one_at_a_time() {
        let examples: Vec<Example> = (0..5).map(example).collect();
        for family in [Family::ProfoundConv, Family::Provicnet, Family::Unet] {
            let ports = Ports { sequences: 1, out: 1, output: Output::Image };
            let net = init::random(Net::<Flex>::mini(family, ports, &Default::default()), 1);
            let together = images(&net, &examples, family);
            for (example, image) in examples.iter().zip(&together) {
                assert_eq!(
                    images(&net, std::slice::from_ref(example), family),
                    std::slice::from_ref(image),
                    "{family:?}"
                );
                let Target::Image { degraded, .. } = &example.target else { unreachable!("made so above") };
                assert_ne!(image, degraded, "{family:?}: random weights change the image");
            }
            let quiet = images(&init::quiet_output(net, Output::Image), &examples, family);
            for (example, image) in examples.iter().zip(&quiet) {
                let Target::Image { degraded, .. } = &example.target else { unreachable!("made so above") };
                assert_eq!(image, degraded, "{family:?}");
            }
        }
    }
}
