//! Heads: from the token maps of all images to the slice's resolution.

use burn::module::Module;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::heads::{conv_head::ConvHead, fusion::Fusion};
use crate::model::{label_head::LabelHead, linear_probe::LinearProbe};
use crate::nn::{Mode, conv::SameConv2d, kernels::Kernels, rows::group_norm};

/// Channels of the mini head after its first and second doubling.
const WIDE: usize = 48;
const FINE: usize = 16;

/// Which convolution head a network gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadKind {
    /// [`Head2d`]
    Mini,
    /// The published convolution head for one image, the published fusion for several.
    Published,
}

/// From the maps of a slice to the slice's resolution.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network, moved a few times")]
pub enum SliceHead<B: Backend> {
    Mini(Head2d<B>),
    Single(ConvHead<B>),
    Fusion(Fusion<B>),
    Probe(LinearProbe<B>),
    /// Of whole volumes; see [`super::network::Provicnet::forward`].
    Label(LabelHead<B>),
}

impl<B: Backend> SliceHead<B> {
    /// A convolution head of zeros for tokens of `features` values of each image.
    pub fn new(kind: HeadKind, features: usize, images: usize, out: usize, device: &B::Device) -> Self {
        match (kind, images) {
            (HeadKind::Mini, _) => Self::Mini(Head2d::new(features * images, images, out, device)),
            (HeadKind::Published, 1) => Self::Single(ConvHead::new(features, out, device)),
            (HeadKind::Published, _) => Self::Fusion(Fusion::new(features, images, out, device)),
        }
    }

    /// # Shapes
    /// `maps [S * M, features, h, w]`, images fastest, `slices [S, M, 8h, 8w]` ->
    /// `[S, out, 8h, 8w]`.
    ///
    /// # Panics
    /// For a head of whole volumes.
    pub fn forward(&self, maps: Tensor<B, 4>, slices: Tensor<B, 4>, mode: Mode) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        let [s, m, height, width] = slices.dims();
        let [_, e, h, w] = maps.dims();
        match self {
            Self::Mini(head) => head.forward(maps.reshape([s, m * e, h, w]), slices),
            Self::Single(head) => head.forward(maps, mode),
            Self::Fusion(head) => {
                let maps = maps.reshape([s, m, e, h, w]);
                let each = (0..m).map(|i| maps.clone().narrow(1, i, 1).squeeze_dim(1)).collect();
                head.forward(each, mode)
            }
            Self::Probe(head) => {
                head.forward(maps.reshape([s, m * e, 1, h, w]), [1, height, width]).squeeze_dim(2)
            }
            Self::Label(_) => unreachable!("a volume's label is no matter of a slice"),
        }
    }
}

/// Three times: enlarge by two, 3x3 convolution; the last one also sees the input slices.
#[derive(Module, Debug)]
pub struct Head2d<B: Backend> {
    pub conv1: SameConv2d<B>,
    pub norm1: GroupNorm<B>,
    pub conv2: SameConv2d<B>,
    pub norm2: GroupNorm<B>,
    pub conv3: SameConv2d<B>,
    pub norm3: GroupNorm<B>,
    pub out: SameConv2d<B>,
}

impl<B: Backend> Head2d<B> {
    /// A head of zeros for maps of `features` channels.
    pub fn new(features: usize, images: usize, out: usize, device: &B::Device) -> Self {
        let norm = |c: usize| GroupNormConfig::new(8, c).init(device);
        Self {
            conv1: SameConv2d::new(features, WIDE, 3, device),
            norm1: norm(WIDE),
            conv2: SameConv2d::new(WIDE, FINE, 3, device),
            norm2: norm(FINE),
            conv3: SameConv2d::new(FINE + images, FINE, 3, device),
            norm3: norm(FINE),
            out: SameConv2d::new(FINE, out, 1, device),
        }
    }

    /// `[S, features, h, w]`, `[S, M, 8h, 8w]` -> `[S, out, 8h, 8w]`.
    pub fn forward(&self, map: Tensor<B, 4>, slices: Tensor<B, 4>) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        let x = group_norm(&self.norm1, self.conv1.forward(double(map)), 0.0);
        let x = group_norm(&self.norm2, self.conv2.forward(double(x)), 0.0);
        let x = Tensor::cat(vec![double(x), slices], 1);
        self.out.forward(group_norm(&self.norm3, self.conv3.forward(x), 0.0))
    }
}

/// Nearest-neighbour enlargement by two.
///
/// # Shapes
/// `[B, C, H, W]` -> `[B, C, 2 H, 2 W]`.
pub fn double<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h, 1, w, 1]).expand([b, c, h, 2, w, 2]).reshape([b, c, 2 * h, 2 * w])
}
