//! Supervised segmentation with patch contrast for the 2.5-D vision transformer.
//!
//! # Source
//! ProViCNet's training: weighted Dice + cross-entropy over background, gland and cancer, mixed with a
//! hinge on cosines of patch tokens: a patch of cancer and its cancerous neighbours are pulled together,
//! a patch of cancer and the healthy patches two steps away are pushed below 0.5.
//!
//! Differences, all for the small size: one backbone for the three images; one lesion class;
//! a patch counts as cancer from half of its pixels on, since lesions of the built-in data seldom
//! cover a patch; pairs stop at the border of the grid where upstream's indices wrap round; the
//! projection of our own small size is smaller and trained with the rest. [`pairs`] finds upstream's pairs as well.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use rand::seq::SliceRandom;

use super::{Drawn, Pretrain, Shown, Validation};
use crate::nn::gelu::gelu;
use crate::{
    family::provicnet::{
        encoders::Encoders,
        heads::contrastive::{ContrastiveConfig, ContrastiveHead},
        network::{CELL, Provicnet, middle},
        slice_head::{Head2d, SliceHead},
        vit::{Vit, VitConfig},
    },
    init::stream,
    loss::{DiceCe, dice_ce},
    metrics,
    model::io::Input,
    nn::{Mode, drop_path::DropPath, kernels::Kernels, linear::linear},
    preview::segmentation_strip,
    train::{
        batch::{TargetBatch, training_batch, whole},
        dataset::Item,
        evaluate::{scalar, values},
        example::{Example, Target},
        sampling::SamplingGeometry,
    },
};

pub mod loss;
pub mod pairs;

use loss::pair_losses;
use pairs::{BorderRule, Negatives, Pair, PairRule, cell_counts};

/// Images, and classes of the segmentation: background, gland, lesion.
const IMAGES: usize = 3;
const CLASSES: usize = 3;
const CLASS_WEIGHTS: [f32; CLASSES] = [0.02, 0.04, 0.5];
/// Share of the contrast in the loss.
const MIX: f64 = 0.05;
/// Half of a patch's 64 pixels make an anchor; the border stops.
const PAIR_RULE: PairRule =
    PairRule { anchor: 32, healthy: 2, negatives: Negatives::Distant, border: BorderRule::Stop };
/// Stands for the class of what only pads a slice.
const OUTSIDE: i32 = -1;
/// Width of the smallest published network.
const PUBLISHED_DIM: usize = 384;
/// Most pairs of each kind in a batch.
const PAIRS: usize = 30;

/// Backbone, segmentation head and projection.
#[derive(Module, Debug)]
pub struct Contrast<B: Backend> {
    pub encoder: Vit<B>,
    pub head: Head2d<B>,
    /// Both of the small size, trained with the rest.
    pub project1: Option<Linear<B>>,
    pub project2: Option<Linear<B>>,
    /// Of the published sizes; never trained, as upstream's optimiser does not know it.
    pub cl_head: Option<ContrastiveHead<B>>,
}

impl<B: Backend> Contrast<B> {
    pub fn new(config: &VitConfig, device: &B::Device) -> Self {
        let small = config.dim < PUBLISHED_DIM;
        let published = || ContrastiveHead::new(config.dim, ContrastiveConfig::PUBLISHED, device).no_grad();
        Self {
            encoder: Vit::new(config, device),
            head: Head2d::new(config.dim * IMAGES, IMAGES, CLASSES, device),
            project1: small.then(|| linear(config.dim, 128, device)),
            project2: small.then(|| linear(128, 64, device)),
            cl_head: (!small).then(published),
        }
    }

    fn network(&self) -> Provicnet<B> {
        Provicnet {
            encoder: Encoders::Shared(self.encoder.clone()),
            head: SliceHead::Mini(self.head.clone()),
            refine: None,
        }
    }

    /// Mean cost of the chosen pairs of patch tokens `[P, E]`.
    fn contrast(&self, tokens: Tensor<B, 2>, chosen: &[Pair]) -> Tensor<B, 1>
    where
        B: Kernels,
    {
        pair_losses(self.project(tokens), chosen).mean()
    }

    /// Patch tokens `[P, E]` where the contrast compares them.
    fn project(&self, tokens: Tensor<B, 2>) -> Tensor<B, 2>
    where
        B: Kernels,
    {
        match (&self.cl_head, &self.project1, &self.project2) {
            (Some(head), ..) => head.forward(tokens),
            (None, Some(first), Some(second)) => second.forward(gelu(first.forward(tokens))),
            _ => tokens,
        }
    }
}

impl<B: AutodiffBackend + Kernels> Pretrain<B> for Contrast<B>
where
    B::InnerBackend: Kernels,
{
    fn loss(&self, drawn: Drawn<'_>, device: &B::Device) -> Tensor<B, 1> {
        let Drawn { examples, items, sampling, seed, epoch } = drawn;
        let batch = training_batch(examples, items, sampling, None, seed, epoch).on::<B>(device);
        let (Input::Slabs { slabs, axis, .. }, TargetBatch::Labels(labels)) = (batch.input, batch.target)
        else {
            unreachable!("the 2.5-D family's batches of labelled cases")
        };
        let net = self.network();
        let [s, _, _, h, w] = slabs.dims();
        let (rows, columns) = (h / CELL, w / CELL);
        let centre = middle(slabs.clone());
        let output = net.encode(slabs, axis, DropPath::NONE);
        let [_, e, ..] = output.map.dims();
        let logits = self.head.forward(output.map.clone().reshape([s, IMAGES * e, rows, columns]), centre);
        let inside = batch.inside.as_ref();
        let segmentation = dice_ce(logits, labels.clone(), &DiceCe::Weighted(CLASS_WEIGHTS.to_vec()), inside);
        let mut classes =
            labels.into_data().convert::<i32>().into_vec::<i32>().expect("converted to i32 just now");
        if let Some(inside) = inside {
            let belongs = values(inside.mask());
            classes
                .iter_mut()
                .zip(belongs)
                .filter(|(_, b)| *b == 0.0)
                .for_each(|(class, _)| *class = OUTSIDE);
        }
        let chosen = choose(&classes, [h, w], seed, epoch, items);
        if chosen.is_empty() {
            return segmentation * (1.0 - MIX);
        }
        let cells = rows * columns;
        let tokens =
            output.map.reshape([s * IMAGES, e, cells]).swap_dims(1, 2).reshape([s * IMAGES * cells, e]);
        segmentation * (1.0 - MIX) + self.contrast(tokens, &chosen) * MIX
    }

    fn validate(
        net: &Self::InnerModule,
        examples: &[Example],
        sampling: SamplingGeometry,
        _seed: u64,
        device: &B::Device,
    ) -> Validation {
        validate(net, examples, sampling, device)
    }
}

/// Pairs of the whole batch, as many of one kind as of the other, the same for every image.
fn choose(labels: &[i32], [h, w]: [usize; 2], seed: u64, epoch: u64, items: &[Item]) -> Vec<Pair> {
    let (rows, columns) = (h / CELL, w / CELL);
    let cells = rows * columns;
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    let mut counts = cell_counts(labels, [rows, columns], CELL, |label| label == 2);
    // A patch of padding is neither cancer nor healthy.
    let outside = cell_counts(labels, [rows, columns], CELL, |label| label == OUTSIDE);
    for (count, _) in counts.iter_mut().zip(outside).filter(|(_, outside)| *outside > 0) {
        *count = PAIR_RULE.healthy + 1;
    }
    let by_slice = counts.chunks_exact(cells).map(|lesion| pairs::pairs(lesion, [rows, columns], &PAIR_RULE));
    // What a rule cannot answer in one slice takes the pairs of the whole batch, as upstream.
    let by_slice = by_slice.collect::<Result<Vec<_>, _>>().unwrap_or_default();
    for (s, pairs) in by_slice.into_iter().enumerate() {
        for pair in pairs {
            let list = if pair.positive { &mut positive } else { &mut negative };
            for sequence in 0..IMAGES {
                let at = (s * IMAGES + sequence) * cells;
                list.push(Pair { anchor: at + pair.anchor, other: at + pair.other, ..pair });
            }
        }
    }
    let label = format!("pairs/{epoch}/{}/{}", items[0].example, items[0].draw);
    let mut rng = stream(seed, &label);
    positive.shuffle(&mut rng);
    negative.shuffle(&mut rng);
    let n = positive.len().min(negative.len()).min(PAIRS);
    positive.truncate(n);
    negative.truncate(n);
    positive.extend(negative);
    positive
}

/// Loss of the segmentation and Dice of gland and lesion on the validation cases, with pictures of
/// the first cases.
fn validate<B: Kernels>(
    net: &Contrast<B>,
    examples: &[Example],
    sampling: SamplingGeometry,
    device: &B::Device,
) -> Validation {
    let net = net.network();
    let (mut by_case, mut pictures) = (Vec::new(), Vec::new());
    let (mut loss, mut batches) = (0.0, 0u32);
    for (i, example) in examples.iter().enumerate() {
        let mut labels = Vec::new();
        for batch in whole(example, sampling) {
            let batch = batch.on::<B>(device);
            let (Input::Slabs { slabs, axis, .. }, TargetBatch::Labels(truth)) = (batch.input, batch.target)
            else {
                unreachable!("the 2.5-D family's batches of labelled cases")
            };
            let logits = net.forward(slabs, axis, 1, DropPath::NONE, Mode::Eval, None);
            loss += scalar(dice_ce(logits.clone(), truth, &DiceCe::Weighted(CLASS_WEIGHTS.to_vec()), None));
            batches += 1;
            labels.extend(values(logits.argmax(1).float()).into_iter().map(|v| v as u8));
        }
        let Target::Labels(truth) = &example.target else { continue };
        by_case.push(metrics::dice_by_class(&labels, truth, (CLASSES - 1) as u8));
        if i < PICTURES {
            pictures.extend(picture(example, truth, &labels));
        }
    }
    let mut metrics = BTreeMap::from([("loss".to_owned(), loss / f64::from(batches.max(1)))]);
    let means = metrics::mean_by_class(&by_case);
    for (name, value) in ["dice.gland", "dice.lesion"].iter().zip(&means) {
        metrics.extend(value.map(|value| ((*name).to_owned(), value)));
    }
    let known: Vec<f64> = means.into_iter().flatten().collect();
    if !known.is_empty() {
        metrics.insert("dice".into(), known.iter().sum::<f64>() / known.len() as f64);
    }
    Validation { metrics, pictures }
}

/// Validation cases that get a picture.
const PICTURES: usize = 2;

/// Image, truth and prediction of the slice with most lesion or gland.
fn picture(example: &Example, truth: &[u8], labels: &[u8]) -> Option<Shown> {
    let [d, h, w] = example.shape;
    let slice = |z: usize| z * h * w..(z + 1) * h * w;
    let weight = |z: &usize| truth[slice(*z)].iter().map(|l| usize::from(*l).pow(4)).sum::<usize>();
    let z = (0..d).max_by_key(weight)?;
    let shown = &example.display[slice(z)];
    let picture = segmentation_strip([h, w], shown, [0.0, 1.0], &truth[slice(z)], &labels[slice(z)]).ok()?;
    let caption =
        format!("{}, slice {} of {d}: input, target, prediction, where they differ", example.case_id, z + 1);
    Some(Shown { case_id: example.case_id.clone(), caption, picture })
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::optim::GradientsParams;
    use burn_flex::Flex;
    use transferscope_domain::{Architecture, Family};

    use super::*;
    use crate::init;

    type A = Autodiff<Flex>;

    /// Small networks learn their projection; published ones are pulled through one that stays as it was drawn.
    #[test]
    fn the_published_projection_passes_gradients_on_and_does_not_learn() {
        let device = Default::default();
        let Some(Architecture::Provicnet(mini)) = Architecture::mini(Family::Provicnet) else {
            panic!("the family has a small size")
        };
        for dim in [mini.dim, PUBLISHED_DIM] {
            let size = transferscope_domain::family::provicnet::Size { dim, depth: 1, ..mini.clone() };
            let net = init::random(Contrast::<A>::new(&VitConfig::of(&size), &device), 1);
            let tokens = Tensor::<A, 2>::random([3, dim], burn::tensor::Distribution::Default, &device);
            let tokens = tokens.require_grad();
            let projected = net.project(tokens.clone());
            let grads = projected.square().mean().backward();
            let reached = tokens.grad(&grads).unwrap().abs().sum().into_scalar();
            assert!(reached.is_finite() && reached > 0.0, "{dim}: {reached}");
            let learnt = GradientsParams::from_grads(grads, &net).len();
            assert_eq!(learnt > 0, dim < PUBLISHED_DIM, "{dim}: {learnt} parameters have a gradient");
        }
    }
}
