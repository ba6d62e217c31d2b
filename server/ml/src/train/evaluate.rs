//! Scores of a network on whole cases.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, activation::softmax, backend::Backend};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use transferscope_domain::{Inference, metric::MetricKind, report::CaseScore};
use transferscope_study::feature_file::Layers;

use super::{
    batch::{Batch, feature_parts, whole},
    example::{Example, Target, TaskPlan},
    features::{self, PER_CASE},
    sampling::SamplingGeometry,
    scores,
    task_loss::TaskLoss,
};
use crate::{
    family::Net,
    infer::sliding_window::{Blending, SlidingWindow},
    model::{features::LayerRows, io::Input},
    nn::{Mode, drop_path::DropPath, kernels::Kernels},
};

/// What a network gives for a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// A class for each voxel of the working grid.
    Labels(Vec<u8>),
    /// The image, in the target's scale.
    Image(Vec<f32>),
    /// Probability of each class of the whole case.
    Probabilities(Vec<f64>),
}

/// Scores, loss and prediction of one case.
pub struct CaseResult {
    pub score: CaseScore,
    pub loss: f64,
    pub prediction: Prediction,
    /// Features of the encoder's layers, where they were asked for.
    pub layers: Layers,
}

/// How cases are put through a network and judged.
#[derive(Debug, Clone, Copy)]
pub struct EvalConfig<'a> {
    pub plan: &'a TaskPlan,
    pub sampling: SamplingGeometry,
    pub loss: &'a TaskLoss,
    pub inference: Inference,
    /// Whether features of the encoder's layers are kept.
    pub features: bool,
}

/// [`evaluate_case`] of each example, in their order; on the CPU a few at once, since small networks
/// leave cores idle between their operations. Lazy: only those few predictions are in memory.
pub fn evaluate_cases<'a, B: Kernels>(
    net: &'a Net<B>,
    examples: &'a [Example],
    eval: EvalConfig<'a>,
    split: &'a str,
    device: &'a B::Device,
) -> impl Iterator<Item = CaseResult> + 'a {
    a_few_at_once(net, examples, move |net, example| evaluate_case(net, example, eval, split, device))
}

fn a_few_at_once<'a, B: Kernels, T: Send + 'a>(
    net: &'a Net<B>,
    examples: &'a [Example],
    each: impl Fn(&Net<B>, &Example) -> T + Sync + Send + 'a,
) -> impl Iterator<Item = T> + 'a {
    examples.chunks(B::CASES_AT_ONCE).flat_map(move |some| -> Vec<T> {
        if let [example] = some {
            // On this thread: a CUDA stream belongs to the thread that uses it.
            return vec![each(net, example)];
        }
        let jobs: Vec<(Net<B>, &Example)> = some.iter().map(|example| (net.clone(), example)).collect();
        jobs.into_par_iter().map(|(net, example)| each(&net, example)).collect()
    })
}

/// The features of each example that [`evaluate_cases`] keeps where it watches, without the head, without scores
/// and without slices that leave none; in the order of the examples.
pub fn features_of_cases<'a, B: Kernels>(
    net: &'a Net<B>,
    examples: &'a [Example],
    sampling: SamplingGeometry,
    device: &'a B::Device,
) -> impl Iterator<Item = Layers> + 'a {
    a_few_at_once(net, examples, move |net, example| {
        let mut layers = LayerRows::new();
        match sliding(example, sampling) {
            Some(window) => {
                let Input::Volume(x) = whole(example, sampling).remove(0).on::<B>(device).input else {
                    unreachable!("slices are not cut into windows")
                };
                window_by_window(x, window, device, |input| {
                    layers.extend(net.features(input));
                    // Only the features are asked for.
                    vec![0.0; window.size.iter().product()]
                });
            }
            None => {
                for batch in feature_parts(example, sampling, PER_CASE) {
                    layers.extend(net.features(batch.on::<B>(device).input));
                }
            }
        }
        features::of_case(layers)
    })
}

/// Runs the network on a whole case and scores it. Scores that are undefined (a class that the
/// case does not have) are absent.
pub fn evaluate_case<B: Kernels>(
    net: &Net<B>,
    example: &Example,
    eval: EvalConfig<'_>,
    split: &str,
    device: &B::Device,
) -> CaseResult {
    let answer = answer(net, example, eval, device);
    let out = answer.channels;
    let (scores, prediction) = match &example.target {
        Target::Labels(truth) => {
            let probability = probabilities(&answer.values, out);
            let labels = argmax(&probability, out);
            let mask = eval.plan.aim.mask();
            let scores = mask.map(|mask| scores::labels(&probability, &labels, truth, example, mask));
            (scores.unwrap_or_default(), Prediction::Labels(labels))
        }
        Target::Image { sharp, degraded } => {
            let image: Vec<f32> = answer.values.iter().zip(degraded).map(|(a, b)| a + b).collect();
            (scores::image(&image, sharp, example, ""), Prediction::Image(image))
        }
        Target::Label(truth) => {
            let all = of_classes(&answer.values, out);
            (scores::label(&all, *truth), Prediction::Probabilities(all))
        }
    };
    let score = CaseScore {
        case_id: example.case_id.clone(),
        patient_id: example.patient_id.clone(),
        split: split.to_owned(),
        scores,
    };
    CaseResult { score, loss: answer.loss, prediction, layers: answer.layers }
}

/// A network's output for a whole case.
struct Answer {
    /// `[out, D, H, W]`, or `[out]` of a label of the case.
    values: Vec<f32>,
    channels: usize,
    loss: f64,
    layers: Layers,
}

fn answer<B: Kernels>(net: &Net<B>, example: &Example, eval: EvalConfig<'_>, device: &B::Device) -> Answer {
    if let Some(window) = sliding(example, eval.sampling) {
        return by_windows(net, example, eval, window, device);
    }
    let [d, h, w] = example.shape;
    let mut outputs = Vec::new();
    let mut layers = eval.features.then(LayerRows::new);
    let (mut loss_sum, mut samples) = (0.0, 0.0);
    for batch in whole(example, eval.sampling) {
        let Batch { input, target, inside } = batch.on::<B>(device);
        let output = predict(net, input, eval.inference, layers.as_mut());
        let n = output.dims()[0] as f64;
        loss_sum += n * scalar(eval.loss.of(output.clone().into(), target, inside.as_ref()));
        samples += n;
        let [n, out, depth, height, width] = output.dims();
        // Slices in a row become a volume: [S, out, 1, H, W] -> [1, out, S, H, W].
        outputs.push(output.swap_dims(0, 1).reshape([1, out, n * depth, height, width]));
    }
    let output = Tensor::cat(outputs, 2);
    let channels = output.dims()[1];
    let output = match example.target {
        Target::Label(_) => output,
        Target::Labels(_) | Target::Image { .. } => output.slice([0..1, 0..channels, 0..d, 0..h, 0..w]),
    };
    let layers = layers.map(features::of_case).unwrap_or_default();
    Answer { values: values(output), channels, loss: loss_sum / samples, layers }
}

/// What the network says of an input, or of it and its mirror image. Features are those of the input itself.
fn predict<B: Kernels>(
    net: &Net<B>,
    input: Input<B>,
    inference: Inference,
    keep: Option<&mut LayerRows<B>>,
) -> Tensor<B, 5> {
    let plain = |input| net.forward(input, DropPath::NONE, Mode::Eval);
    let run = |input| match keep {
        Some(layers) => net.with_features(input, layers),
        None => plain(input),
    };
    match inference {
        Inference::Once => run(input),
        Inference::Flipped => {
            let mirrored = match input.clone() {
                Input::Volume(x) => Input::Volume(x.flip([4])),
                Input::Slabs { slabs, axis, series } => Input::Slabs { slabs: slabs.flip([4]), axis, series },
            };
            (run(input) + plain(mirrored).flip([4])) / 2.0
        }
    }
}

/// The windows that a case goes through a 3-D network in, where it is larger than what the network was
/// trained on and its grid fine; small grids go through at once.
fn sliding(example: &Example, sampling: SamplingGeometry) -> Option<SlidingWindow> {
    let dense = !matches!(example.target, Target::Label(_));
    let size = sampling.crop_of(example.shape);
    let larger = (0..3).any(|axis| example.shape[axis] > size[axis]);
    (dense && larger && sampling.slides).then_some(SlidingWindow {
        size,
        overlap: 0.5,
        blending: Blending::Gaussian,
    })
}

fn by_windows<B: Kernels>(
    net: &Net<B>,
    example: &Example,
    eval: EvalConfig<'_>,
    window: SlidingWindow,
    device: &B::Device,
) -> Answer {
    let padded = whole(example, eval.sampling).remove(0).on::<B>(device);
    let Input::Volume(x) = padded.input else { unreachable!("slices are not cut into windows") };
    let [_, _, d, h, w] = x.dims();
    let mut layers = eval.features.then(LayerRows::new);
    let joined = window_by_window(x, window, device, |input| {
        values(predict(net, input, eval.inference, layers.as_mut()))
    });
    let channels = joined.len() / (d * h * w);
    let data = burn::tensor::TensorData::new(joined, [1, channels, d, h, w]);
    let output = Tensor::<B, 5>::from_data(data, device);
    let loss = scalar(eval.loss.of(output.clone().into(), padded.target, padded.inside.as_ref()));
    let [d, h, w] = example.shape;
    let values = values(output.slice([0..1, 0..channels, 0..d, 0..h, 0..w]));
    Answer { values, channels, loss, layers: layers.map(features::of_case).unwrap_or_default() }
}

/// What `of` makes of every window of a volume, joined.
///
/// # Shapes
/// `[1, C, D, H, W]`; `of` gives `[out, d, h, w]` of a window -> `[out, D, H, W]`.
fn window_by_window<B: Backend>(
    x: Tensor<B, 5>,
    window: SlidingWindow,
    device: &B::Device,
    mut of: impl FnMut(Input<B>) -> Vec<f32>,
) -> Vec<f32> {
    let [_, c, d, h, w] = x.dims();
    let predict = |part: &[f32]| -> Result<Vec<f32>, std::convert::Infallible> {
        let [d, h, w] = window.size;
        let data = burn::tensor::TensorData::new(part.to_vec(), [1, c, d, h, w]);
        Ok(of(Input::Volume(Tensor::from_data(data, device))))
    };
    let Ok(joined) = window.run(&values(x), [d, h, w], predict);
    joined
}

/// Soft-max over channels, `[out, ...]` -> the same.
fn probabilities(logits: &[f32], channels: usize) -> Vec<f32> {
    type Cpu = burn_flex::Flex;
    let n = logits.len() / channels;
    let data = burn::tensor::TensorData::new(logits.to_vec(), [channels, n]);
    values(softmax(Tensor::<Cpu, 2>::from_data(data, &Default::default()), 0))
}

/// The probability of each class of a whole case. Of two, the first is what the second leaves.
fn of_classes(logits: &[f32], classes: usize) -> Vec<f64> {
    let mut all: Vec<f64> = probabilities(logits, classes).into_iter().map(f64::from).collect();
    if let [first, second] = all.as_mut_slice() {
        *first = 1.0 - *second;
    }
    all
}

/// The channel with the largest value at every position; the first one of equals.
pub(super) fn argmax(values: &[f32], channels: usize) -> Vec<u8> {
    let n = values.len() / channels;
    let best = |i: usize| {
        (1..channels).fold(0, |best, c| if values[c * n + i] > values[best * n + i] { c } else { best })
    };
    (0..n).map(|i| best(i) as u8).collect()
}

/// Values of the task over many cases: what is measured on them together, and the mean of every other
/// score over the cases that have it.
pub fn summary<'a>(cases: impl IntoIterator<Item = &'a CaseScore>) -> BTreeMap<String, f64> {
    let cases: Vec<&CaseScore> = cases.into_iter().collect();
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (name, value) in cases.iter().flat_map(|c| &c.scores) {
        // What a network said of a case is no measure of it.
        let measure = name.split(['@', '.']).next().is_some_and(|kind| kind.parse::<MetricKind>().is_ok());
        if measure {
            let (sum, n) = sums.entry(name.clone()).or_default();
            *sum += value;
            *n += 1.0;
        }
    }
    let mut all: BTreeMap<String, f64> = sums.into_iter().map(|(name, (sum, n))| (name, sum / n)).collect();
    all.extend(scores::together(&cases));
    all
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
    use crate::{init, model::io::TaskIo};
    use burn_flex::Flex;
    use transferscope_domain::{Family, Loss, family::profound_conv, task::Output};

    const SHAPE: [usize; 3] = [8, 32, 32];

    fn example(number: usize) -> Example {
        let voxels = SHAPE.iter().product::<usize>();
        let wave =
            |scale: f32| -> Vec<f32> { (0..voxels).map(|i| (i as f32 * scale).sin() * 0.5 + 0.5).collect() };
        let degraded = wave(0.013 * (number + 1) as f32);
        let target = Target::Image { sharp: wave(0.017), degraded: degraded.clone() };
        let name = format!("case{number}");
        Example::new((&name, &name), SHAPE, vec![degraded], target, Vec::new())
    }

    fn images(net: &Net<Flex>, examples: &[Example], family: Family) -> Vec<Vec<f32>> {
        let plan = TaskPlan::usual("super-resolution");
        let loss = TaskLoss::new(Loss::Standard, &[], 1);
        let eval = EvalConfig {
            plan: &plan,
            sampling: family.into(),
            loss: &loss,
            inference: Inference::Once,
            features: false,
        };
        evaluate_cases(net, examples, eval, "val", &Default::default())
            .zip(examples)
            .map(|(result, example)| {
                assert_eq!(result.score.case_id, example.case_id);
                match result.prediction {
                    Prediction::Image(image) => image,
                    other => panic!("a restoration gives an image, not {other:?}"),
                }
            })
            .collect()
    }

    #[test]
    fn a_restoration_starts_as_its_input_and_cases_at_once_agree_with_one_at_a_time() {
        let examples: Vec<Example> = (0..5).map(example).collect();
        for family in [Family::ProfoundConv, Family::Provicnet, Family::Unet] {
            let io = TaskIo { images: 1, out: 1, output: Output::Image };
            let net = init::random(Net::<Flex>::mini(family, io, &Default::default()), 1);
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
            let quiet = images(&init::zero_init_output(net, Output::Image), &examples, family);
            for (example, image) in examples.iter().zip(&quiet) {
                let Target::Image { degraded, .. } = &example.target else { unreachable!("made so above") };
                assert_eq!(image, degraded, "{family:?}");
            }
        }
    }

    #[test]
    fn features_alone_are_those_of_a_pass_that_is_watched() {
        let device = Default::default();
        let loss = TaskLoss::new(Loss::Standard, &[], 1);
        let plan = TaskPlan::usual("super-resolution");
        let conv = profound_conv::Size { in_channels: 3, depths: [1; 4], dims: [4, 8, 12, 16] };
        let slides =
            SamplingGeometry { slides: true, crop: [16, 32, 32], ..SamplingGeometry::of(Some(&conv.into())) };
        let views = Family::ALL.map(|family| (family, SamplingGeometry::from(family)));
        for (family, sampling) in views.into_iter().chain([(Family::ProfoundConv, slides)]) {
            let io = TaskIo { images: 1, out: 1, output: Output::Image };
            let net = init::random(Net::<Flex>::mini(family, io, &device), 1);
            // Positions of a transformer over volumes are those of its own image, which has the size of its box.
            let absolute = sampling.crop != SamplingGeometry::SMALL_CROP && !sampling.slides;
            let shapes: &[[usize; 3]] =
                if absolute { &[sampling.crop] } else { &[[20, 48, 48], [5, 32, 32]] };
            for &shape in shapes {
                let image: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.013).sin()).collect();
                let target = Target::Image { sharp: image.clone(), degraded: image.clone() };
                let case = [Example::new(("a", "a"), shape, vec![image], target, Vec::new())];
                let eval = EvalConfig {
                    plan: &plan,
                    sampling,
                    loss: &loss,
                    inference: Inference::Once,
                    features: true,
                };
                let with_features = evaluate_case(&net, &case[0], eval, "val", &device).layers;
                let alone = features_of_cases(&net, &case, sampling, &device).next().unwrap();
                assert!(with_features.len() > 1 && with_features.len() == alone.len());
                for ((name, expected), (other, ours)) in with_features.iter().zip(&alone) {
                    assert_eq!((name, expected.n, expected.dim), (other, ours.n, ours.dim));
                    let largest = expected.data.iter().zip(&ours.data).map(|(a, b)| (a - b).abs());
                    let largest = largest.fold(0.0, f32::max);
                    assert!(largest < 1e-5, "{family:?} {name}: {largest}");
                }
            }
        }
    }

    /// Of a network that does not care for sides, the mirror image is as good as the case.
    #[test]
    fn a_case_and_its_mirror_image_are_averaged() {
        let io = TaskIo { images: 1, out: 1, output: Output::Image };
        let net = init::random(Net::<Flex>::mini(Family::Unet, io, &Default::default()), 1);
        let x = Tensor::<Flex, 5>::random(
            [1, 1, 4, 16, 16],
            burn::tensor::Distribution::Default,
            &Default::default(),
        );
        let run = |x: &Tensor<Flex, 5>| net.forward(Input::Volume(x.clone()), DropPath::NONE, Mode::Eval);
        let expected = (run(&x) + run(&x.clone().flip([4])).flip([4])) / 2.0;
        let both = predict(&net, Input::Volume(x.clone()), Inference::Flipped, None);
        assert!((both.clone() - expected).abs().max().into_scalar() < 1e-6);
        let turned = predict(&net, Input::Volume(x.flip([4])), Inference::Flipped, None).flip([4]);
        assert!((both - turned).abs().max().into_scalar() < 1e-5);
    }

    #[test]
    fn the_likeliest_class_is_the_first_of_equals() {
        assert_eq!(argmax(&[0.2, 0.5, 0.1, 0.2, 0.5, 0.3, 0.6, 0.0, 0.6], 3), [2, 0, 2]);
        let p = probabilities(&[0.0, 2.0, 0.0, 0.0], 2);
        assert!((p[0] - 0.5).abs() < 1e-6 && (p[1] + p[3] - 1.0).abs() < 1e-6 && p[1] > 0.88);
    }
}
