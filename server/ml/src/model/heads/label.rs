//! Heads that say one thing of a whole volume.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Tensor, activation::softmax, backend::Backend};

use super::classifier::ClassifierHead;
use crate::{
    model::convnext::{layer_norm, linear},
    nn::{Mode, gelu::gelu, kernels::Kernels},
};

/// Width of the hidden layer of [`VolumeClassifier`].
const HIDDEN: usize = 64;

/// Mean and maximum over places. A lesion fills a hundredth of a volume: the mean alone hardly knows of it.
///
/// # Shapes
/// `[B, C, places]` -> `[B, 2 C]`.
pub fn mean_and_max<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 2> {
    let [b, c, _] = x.dims();
    Tensor::cat(vec![x.clone().mean_dim(2), x.max_dim(2)], 1).reshape([b, 2 * c])
}

/// From features to the logits of a volume.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network, moved a few times")]
pub enum LabelHead<B: Backend> {
    Compact(VolumeClassifier<B>),
    /// ProFound's.
    Published(ClassifierHead<B>),
    /// One layer on the mean over slices.
    Probe(LabelProbe<B>),
}

impl<B: Backend> LabelHead<B> {
    /// The small head for [`mean_and_max`] of maps of `channels`, of one vector a volume or of one a slice.
    pub fn compact(channels: usize, slices: bool, classes: usize, device: &B::Device) -> Self {
        Self::Compact(VolumeClassifier::new(2 * channels, slices, classes, device))
    }

    /// The head of a linear probe for [`mean_and_max`] of maps of `channels`.
    pub fn probe(channels: usize, classes: usize, device: &B::Device) -> Self {
        Self::Probe(LabelProbe { linear: linear(2 * channels, classes, device) })
    }

    /// Logits, as a volume of one voxel.
    ///
    /// # Shapes
    /// `[B, slices, features]` -> `[B, classes, 1, 1, 1]`.
    pub fn forward(&self, features: Tensor<B, 3>, mode: Mode) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let [b, n, f] = features.dims();
        let mean = |x: Tensor<B, 3>| if n == 1 { x } else { x.mean_dim(1) }.reshape([b, f]);
        let logits = match self {
            Self::Compact(head) => head.forward(features),
            Self::Published(head) => head.forward(mean(features), mode),
            Self::Probe(head) => head.linear.forward(mean(features)),
        };
        let classes = logits.dims()[1];
        logits.reshape([b, classes, 1, 1, 1])
    }
}

/// A linear layer.
#[derive(Module, Debug)]
pub struct LabelProbe<B: Backend> {
    pub linear: Linear<B>,
}

/// Normalised features, of slices weighted by attention, through two layers.
#[derive(Module, Debug)]
pub struct VolumeClassifier<B: Backend> {
    pub norm: LayerNorm<B>,
    /// None where a volume has one vector of features.
    pub attention: Option<SliceAttention<B>>,
    pub hidden: Linear<B>,
    pub classes: Linear<B>,
}

/// How much each slice counts: a soft-max over slices of `w . tanh(V x)`.
///
/// # Source
/// Ilse et al., "Attention-based Deep Multiple Instance Learning" (2018), without the gate.
#[derive(Module, Debug)]
pub struct SliceAttention<B: Backend> {
    pub project: Linear<B>,
    /// `[HIDDEN, 1]`, zero at the start: all slices count alike.
    pub score: Param<Tensor<B, 2>>,
}

impl<B: Backend> SliceAttention<B> {
    /// The weighted mean over slices.
    ///
    /// # Shapes
    /// `[B, slices, features]` -> `[B, features]`.
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 2> {
        let [b, n, f] = x.dims();
        let score = self.project.forward(x.clone().reshape([b * n, f])).tanh().matmul(self.score.val());
        let weights = softmax(score.reshape([b, 1, n]), 2);
        weights.matmul(x).reshape([b, f])
    }
}

impl<B: Backend> VolumeClassifier<B> {
    /// A head of zeros, to be filled by [`crate::init`].
    pub fn new(features: usize, slices: bool, classes: usize, device: &B::Device) -> Self {
        let attention = || SliceAttention {
            project: linear(features, HIDDEN, device),
            score: Initializer::Zeros.init([HIDDEN, 1], device),
        };
        Self {
            norm: layer_norm(features, device),
            attention: slices.then(attention),
            hidden: linear(features, HIDDEN, device),
            classes: linear(HIDDEN, classes, device),
        }
    }

    /// # Shapes
    /// `[B, slices, features]` -> `[B, classes]`.
    pub fn forward(&self, features: Tensor<B, 3>) -> Tensor<B, 2>
    where
        B: Kernels,
    {
        let x = self.norm.forward(features);
        let [b, _, f] = x.dims();
        let pooled = match &self.attention {
            Some(attention) => attention.forward(x),
            None => x.mean_dim(1).reshape([b, f]),
        };
        self.classes.forward(gelu(self.hidden.forward(pooled)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData};
    use burn_flex::Flex;

    type T<const D: usize> = Tensor<Flex, D>;

    #[test]
    fn attention_starts_as_the_mean_and_follows_its_scores() {
        let device = Default::default();
        let x = T::<3>::random([2, 5, 6], Distribution::Default, &device);
        let mut attention = SliceAttention::<Flex> {
            project: linear(6, HIDDEN, &device),
            score: Initializer::Zeros.init([HIDDEN, 1], &device),
        };
        let close = |a: T<2>, b: T<2>| (a - b).abs().max().into_scalar() < 1e-6;
        assert!(close(attention.forward(x.clone()), x.clone().mean_dim(1).reshape([2, 6])));
        // Only the first feature is looked at, and it is large in the third slice alone.
        attention.project.weight =
            attention.project.weight.map(|w| w.slice_assign([0..1, 0..1], T::full([1, 1], 10.0, &device)));
        attention.score =
            attention.score.map(|s| s.slice_assign([0..1, 0..1], T::full([1, 1], 200.0, &device)));
        let third = T::<3>::from_data(TensorData::new(vec![0.0f32, 0.0, 1.0, 0.0, 0.0], [1, 5, 1]), &device);
        let x = x.slice_assign([0..2, 0..5, 0..1], third.expand([2, 5, 1]));
        assert!(close(attention.forward(x.clone()), x.slice([0..2, 2..3, 0..6]).reshape([2, 6])));
    }

    #[test]
    fn one_bright_place_shows() {
        let x = T::<3>::from_floats([[[0.0, 0.0, 0.0, 8.0], [1.0, 1.0, 1.0, 1.0]]], &Default::default());
        assert_eq!(mean_and_max(x).into_data().to_vec::<f32>().unwrap(), [2.0, 1.0, 8.0, 1.0]);
    }

    #[test]
    fn every_head_answers_for_each_volume() {
        let device = Default::default();
        let published = LabelHead::Published(ClassifierHead::<Flex>::new(6, 4, 2, &device));
        for (head, slices) in [
            (LabelHead::compact(3, true, 2, &device), 5),
            (LabelHead::compact(3, false, 2, &device), 1),
            (LabelHead::probe(3, 2, &device), 5),
            (published, 1),
        ] {
            let x = T::<3>::random([3, slices, 6], Distribution::Default, &device);
            assert_eq!(head.forward(x, Mode::Eval).dims(), [3, 2, 1, 1, 1]);
        }
    }
}
