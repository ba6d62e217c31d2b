//! ProViCNet's convolution head (`conv1`): from tokens to eight times their grid.

use burn::module::Module;
use burn::tensor::{Tensor, activation::relu, backend::Backend};

use crate::family::{ModuleNames, provicnet::slice_head::double};
use crate::nn::{Mode, batch_norm::BatchNorm, conv::SameConv2d, kernels::Kernels};

/// 3x3 convolution, batch normalisation, ReLU.
#[derive(Module, Debug)]
pub struct ConvNorm<B: Backend> {
    pub conv: SameConv2d<B>,
    pub norm: BatchNorm<B>,
}

impl<B: Backend> ConvNorm<B> {
    pub fn new(from: usize, to: usize, device: &B::Device) -> Self {
        Self { conv: SameConv2d::new(from, to, 3, device), norm: BatchNorm::new(to, device) }
    }

    /// # Shapes
    /// `[S, from, h, w]` -> `[S, to, h, w]`.
    pub fn forward(&self, x: Tensor<B, 4>, mode: Mode) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        relu(self.norm.forward(self.conv.forward(x), mode))
    }
}

/// Three times enlarged by two (nearest neighbour) and convolved.
#[derive(Module, Debug)]
pub struct ConvHead<B: Backend> {
    pub segmentation_conv: Upsampling<B>,
}

/// The layers of a [`ConvHead`].
#[derive(Module, Debug)]
pub struct Upsampling<B: Backend> {
    pub up1: ConvNorm<B>,
    pub up2: ConvNorm<B>,
    pub out: SameConv2d<B>,
}

/// Upstream numbers the layers, and counts what stands between them.
pub(crate) const NAMES: ModuleNames = ModuleNames {
    module: "Upsampling",
    parts: &[("up1.conv", "1"), ("up1.norm", "2"), ("up2.conv", "5"), ("up2.norm", "6"), ("out", "9")],
    tokens: &[],
};

/// A forward pass of a [`ConvHead`] with what is inside.
#[derive(Debug, Clone)]
pub struct ConvHeadTrace<B: Backend> {
    /// After the first convolution, before its normalisation.
    pub conv1: Tensor<B, 4>,
    /// After the second convolution, before its normalisation.
    pub conv2: Tensor<B, 4>,
    /// After the second rectifier.
    pub act2: Tensor<B, 4>,
    pub logits: Tensor<B, 4>,
}

/// Channels after the first and the second enlargement.
pub(super) const WIDE: usize = 128;
const FINE: usize = 64;

impl<B: Backend> ConvHead<B> {
    /// A head of zeros for tokens of `features` values.
    pub fn new(features: usize, out: usize, device: &B::Device) -> Self {
        Self {
            segmentation_conv: Upsampling {
                up1: ConvNorm::new(features, WIDE, device),
                up2: ConvNorm::new(WIDE, FINE, device),
                out: SameConv2d::new(FINE, out, 3, device),
            },
        }
    }

    /// # Shapes
    /// `[S, features, h, w]` -> `[S, out, 8h, 8w]`.
    pub fn forward(&self, map: Tensor<B, 4>, mode: Mode) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        let Upsampling { up1, up2, out } = &self.segmentation_conv;
        let x = up1.forward(double(map), mode);
        let x = up2.forward(double(x), mode);
        out.forward(double(x))
    }

    /// [`Self::forward`] in evaluation that keeps what it passes.
    pub fn trace(&self, map: Tensor<B, 4>) -> ConvHeadTrace<B>
    where
        B: Kernels,
    {
        let Upsampling { up1, up2, out } = &self.segmentation_conv;
        let conv1 = up1.conv.forward(double(map));
        let act1 = relu(up1.norm.forward(conv1.clone(), Mode::Eval));
        let conv2 = up2.conv.forward(double(act1));
        let act2 = relu(up2.norm.forward(conv2.clone(), Mode::Eval));
        let logits = out.forward(double(act2.clone()));
        ConvHeadTrace { conv1, conv2, act2, logits }
    }
}
