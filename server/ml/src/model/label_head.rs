//! Heads that say one thing of a whole volume.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Tensor, activation::softmax, backend::Backend};

use crate::nn::{kernels::Kernels, layer_norm::layer_norm, linear::linear};

/// Width of the hidden layer of [`SliceAttention`].
const HIDDEN: usize = 64;

/// Mean and maximum over places.
///
/// # Shapes
/// `[B, C, places]` -> `[B, 2 C]`.
pub fn mean_and_max<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 2> {
    let [b, c, _] = x.dims();
    Tensor::cat(vec![x.clone().mean_dim(2), x.max_dim(2)], 1).reshape([b, 2 * c])
}

/// From an encoder's maps to the logits of a volume.
#[derive(Module, Debug)]
pub enum LabelHead<B: Backend> {
    Compact(VolumeClassifier<B>),
    /// One layer on mean and maximum over the places of the last map, averaged over slices.
    Probe(LabelProbe<B>),
}

impl<B: Backend> LabelHead<B> {
    /// The small head for maps of these channels, of a volume or of its slices.
    pub fn compact(channels: &[usize], slices: bool, classes: usize, device: &B::Device) -> Self {
        Self::Compact(VolumeClassifier::new(channels, slices, classes, device))
    }

    /// The head of a linear probe for a map of `channels`.
    pub fn probe(channels: usize, classes: usize, device: &B::Device) -> Self {
        Self::Probe(LabelProbe { linear: linear(2 * channels, classes, device) })
    }

    /// Logits, as a volume of one voxel. All heads but the small one look at the last map alone.
    ///
    /// # Shapes
    /// Maps `[B, slices, C, places]` (one slice of all places for a volume) -> `[B, classes, 1, 1, 1]`.
    ///
    /// # Panics
    /// When there is no map.
    pub fn forward(&self, mut maps: Vec<Tensor<B, 4>>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let last = |maps: &mut Vec<Tensor<B, 4>>| maps.pop().expect("an encoder gives maps");
        let logits = match self {
            Self::Compact(head) => head.forward(maps),
            Self::Probe(head) => {
                let map = last(&mut maps);
                let [b, n, c, p] = map.dims();
                let rows = mean_and_max(map.reshape([b * n, c, p])).reshape([b, n, 2 * c]);
                head.linear.forward(rows.mean_dim(1).reshape([b, 2 * c]))
            }
        };
        as_voxel(logits)
    }
}

/// Logits as a volume of one voxel: `[B, classes]` -> `[B, classes, 1, 1, 1]`.
pub fn as_voxel<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 5> {
    let [b, classes] = logits.dims();
    logits.reshape([b, classes, 1, 1, 1])
}

/// The places of a map in a row: `[B, C, D, H, W]` -> `[B, 1, C, D * H * W]`.
pub fn places<B: Backend>(map: Tensor<B, 5>) -> Tensor<B, 4> {
    let [b, c, d, h, w] = map.dims();
    map.reshape([b, 1, c, d * h * w])
}

/// A linear layer.
#[derive(Module, Debug)]
pub struct LabelProbe<B: Backend> {
    pub linear: Linear<B>,
}

/// Evidence for each class but the first at every place of every map, brought together by soft maxima: a case is
/// what its most suspicious place is. A lesion fills a hundredth of a volume; a mean over places would hardly know
/// of it, and a few labels are too few to learn which of many features to look at.
///
/// # Source
/// Log-sum-exp pooling of Pinheiro and Collobert, "From Image-level to Pixel-level Labeling with Convolutional
/// Networks" (2015).
#[derive(Module, Debug)]
pub struct VolumeClassifier<B: Backend> {
    pub levels: Vec<PlaceEvidence<B>>,
    /// None where the places of a volume are looked at together.
    pub attention: Option<SliceAttention<B>>,
}

/// Sharpness of the soft maximum over places: 0 would be the mean.
const SHARPNESS: f64 = 4.0;

/// A linear layer on the normalised features of a place.
#[derive(Module, Debug)]
pub struct PlaceEvidence<B: Backend> {
    pub norm: LayerNorm<B>,
    pub evidence: Linear<B>,
}

impl<B: Backend> PlaceEvidence<B> {
    fn new(channels: usize, classes: usize, device: &B::Device) -> Self {
        Self { norm: layer_norm(channels, device), evidence: linear(channels, classes - 1, device) }
    }

    /// # Shapes
    /// `[N, C, places]` -> the soft maximum of each class, `[N, classes - 1]`.
    fn forward(&self, map: Tensor<B, 3>) -> Tensor<B, 2> {
        let evidence = self.evidence.forward(self.norm.forward(map.swap_dims(1, 2)));
        let [n, _, k] = evidence.dims();
        soft_maximum(evidence).reshape([n, k])
    }
}

/// `log(mean(exp(r x))) / r` over the second axis, between mean and maximum.
///
/// # Shapes
/// `[N, places, K]` -> `[N, 1, K]`.
fn soft_maximum<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 3> {
    let largest = x.clone().max_dim(1);
    let spread = ((x - largest.clone()) * SHARPNESS).exp().mean_dim(1).log() / SHARPNESS;
    largest + spread
}

/// How much each slice counts: a soft-max over slices of its own evidence and of `w . tanh(V x)`.
///
/// # Source
/// Ilse et al., "Attention-based Deep Multiple Instance Learning" (2018), without the gate.
#[derive(Module, Debug)]
pub struct SliceAttention<B: Backend> {
    pub project: Linear<B>,
    /// `[HIDDEN, 1]`, zero at the start: slices count by their evidence alone.
    pub score: Param<Tensor<B, 2>>,
}

impl<B: Backend> SliceAttention<B> {
    /// The weighted mean of the slices' evidence.
    ///
    /// # Shapes
    /// `features [B, slices, F]`, `evidence [B, slices, K]` -> `[B, K]`.
    pub fn forward(&self, features: Tensor<B, 3>, evidence: Tensor<B, 3>) -> Tensor<B, 2> {
        let [b, n, f] = features.dims();
        let k = evidence.dims()[2];
        let score = self.project.forward(features.reshape([b * n, f])).tanh().matmul(self.score.val());
        let score = score.reshape([b, n, 1]) + evidence.clone().detach() * SHARPNESS;
        (softmax(score, 1) * evidence).sum_dim(1).reshape([b, k])
    }
}

impl<B: Backend> VolumeClassifier<B> {
    /// A head of zeros, to be filled by [`crate::init`].
    pub fn new(channels: &[usize], slices: bool, classes: usize, device: &B::Device) -> Self {
        let last = channels.last().copied().unwrap_or(1);
        let attention = || SliceAttention {
            project: linear(2 * last, HIDDEN, device),
            score: Initializer::Zeros.init([HIDDEN, 1], device),
        };
        Self {
            levels: channels.iter().map(|c| PlaceEvidence::new(*c, classes, device)).collect(),
            attention: slices.then(attention),
        }
    }

    /// The first class is what a case is without evidence: its logit is 0.
    ///
    /// # Shapes
    /// Maps `[B, slices, C, places]` -> `[B, classes]`.
    pub fn forward(&self, maps: Vec<Tensor<B, 4>>) -> Tensor<B, 2>
    where
        B: Kernels,
    {
        let last = maps.last().cloned();
        let mut evidence: Option<Tensor<B, 3>> = None;
        for (level, map) in self.levels.iter().zip(maps) {
            let [b, n, c, p] = map.dims();
            let of_level = level.forward(map.reshape([b * n, c, p]));
            let k = of_level.dims()[1];
            let of_level = of_level.reshape([b, n, k]);
            evidence = Some(match evidence {
                None => of_level,
                Some(sum) => sum + of_level,
            });
        }
        let evidence = evidence.expect("an encoder gives maps");
        let [b, n, k] = evidence.dims();
        let evidence = match (&self.attention, last) {
            (Some(attention), Some(map)) => {
                let [_, _, c, p] = map.dims();
                let features = mean_and_max(map.reshape([b * n, c, p])).reshape([b, n, 2 * c]);
                attention.forward(features, evidence)
            }
            _ => evidence.mean_dim(1).reshape([b, k]),
        };
        let none = evidence.clone().slice([0..b, 0..1]).zeros_like();
        Tensor::cat(vec![none, evidence], 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData};
    use burn_flex::Flex;

    type T<const D: usize> = Tensor<Flex, D>;

    #[test]
    fn attention_follows_the_evidence_and_then_its_scores() {
        let device = Default::default();
        let features = T::<3>::random([1, 3, 6], Distribution::Default, &device);
        let mut attention = SliceAttention::<Flex> {
            project: linear(6, HIDDEN, &device),
            score: Initializer::Zeros.init([HIDDEN, 1], &device),
        };
        let evidence = |of: [f32; 3]| T::<3>::from_data(TensorData::new(of.to_vec(), [1, 3, 1]), &device);
        let value = |x: T<2>| x.into_scalar();
        let same = evidence([0.5; 3]);
        assert!((value(attention.forward(features.clone(), same)) - 0.5).abs() < 1e-6);
        let one = evidence([0.0, 9.0, 0.0]);
        assert!(value(attention.forward(features.clone(), one.clone())) > 8.9);
        // Only the first feature is looked at, and it is large in the third slice alone.
        attention.project.weight =
            attention.project.weight.map(|w| w.slice_assign([0..1, 0..1], T::full([1, 1], 10.0, &device)));
        attention.score =
            attention.score.map(|s| s.slice_assign([0..1, 0..1], T::full([1, 1], 200.0, &device)));
        let third = T::<3>::from_data(TensorData::new(vec![0.0f32, 0.0, 1.0], [1, 3, 1]), &device);
        let features = features.slice_assign([0..1, 0..3, 0..1], third);
        assert!(value(attention.forward(features, one)) < 0.1);
    }

    #[test]
    fn one_bright_place_shows() {
        let x = T::<3>::from_floats([[[0.0, 0.0, 0.0, 8.0], [1.0, 1.0, 1.0, 1.0]]], &Default::default());
        assert_eq!(mean_and_max(x.clone()).into_data().to_vec::<f32>().unwrap(), [2.0, 1.0, 8.0, 1.0]);
        let soft = soft_maximum(x.swap_dims(1, 2)).into_data().to_vec::<f32>().unwrap();
        // log(e^32 / 4) / 4, and equal places are themselves.
        assert!((soft[0] - (8.0 - 4f32.ln() / 4.0)).abs() < 1e-5 && (soft[1] - 1.0).abs() < 1e-6, "{soft:?}");
    }

    #[test]
    fn every_head_answers_for_each_volume() {
        let device = Default::default();
        for (head, slices) in [
            (LabelHead::<Flex>::compact(&[5, 3], true, 2, &device), 5),
            (LabelHead::compact(&[5, 3], false, 2, &device), 1),
            (LabelHead::probe(3, 2, &device), 5),
        ] {
            let map = |c: usize, p: usize| T::<4>::random([3, slices, c, p], Distribution::Default, &device);
            let logits = head.forward(vec![map(5, 8), map(3, 4)]);
            assert_eq!(logits.dims(), [3, 2, 1, 1, 1]);
        }
    }
}
