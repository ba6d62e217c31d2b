//! ProViCNet's fusion of the tokens of several images.
//!
//! Published with three streams in the order T2W, ADC, DWI, each fed by its own frozen backbone.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::conv_head::{ConvNorm, WIDE};
use crate::family::{ModuleNames, provicnet::slice_head::double};
use crate::nn::{Mode, conv::SameConv2d, kernels::Kernels};

/// A stream for each image, then the layers of a convolution head on the joined streams.
#[derive(Module, Debug)]
pub struct Fusion<B: Backend> {
    pub streams: Vec<Stream<B>>,
    pub fusion_segmentation: FusionSegmentation<B>,
}

/// Enlarged by two (nearest neighbour) and convolved.
#[derive(Module, Debug)]
pub struct Stream<B: Backend> {
    pub upsample_module: ConvNorm<B>,
}

/// Twice enlarged by two and convolved.
#[derive(Module, Debug)]
pub struct FusionSegmentation<B: Backend> {
    pub up: ConvNorm<B>,
    pub out: SameConv2d<B>,
}

/// Upstream's names of the streams, in its order.
pub(crate) const NAMES: ModuleNames = ModuleNames {
    module: "Fusion",
    parts: &[
        ("streams.0", "Stream_T2W"),
        ("streams.1", "Stream_ADC"),
        ("streams.2", "Stream_DWI"),
        ("fusion_segmentation", "FusionSegmentation"),
    ],
    tokens: &[],
};

/// Upstream numbers the layers, and counts what stands between them.
pub(crate) const STREAM: ModuleNames = ModuleNames {
    module: "Stream",
    parts: &[("upsample_module.conv", "UpsampleModule.1"), ("upsample_module.norm", "UpsampleModule.2")],
    tokens: &[],
};

/// As [`STREAM`].
pub(crate) const JOINED: ModuleNames = ModuleNames {
    module: "FusionSegmentation",
    parts: &[("up.conv", "1"), ("up.norm", "2"), ("out", "5")],
    tokens: &[],
};

impl<B: Backend> Fusion<B> {
    /// A head of zeros for `images` maps of tokens of `features` values.
    pub fn new(features: usize, images: usize, out: usize, device: &B::Device) -> Self {
        let stream = || Stream { upsample_module: ConvNorm::new(features, WIDE, device) };
        Self {
            streams: (0..images).map(|_| stream()).collect(),
            fusion_segmentation: FusionSegmentation {
                up: ConvNorm::new(images * WIDE, WIDE, device),
                out: SameConv2d::new(WIDE, out, 3, device),
            },
        }
    }

    /// Each image by itself.
    ///
    /// # Shapes
    /// As many `[S, features, h, w]` as there are streams -> as many `[S, 128, 2h, 2w]`.
    pub fn streams(&self, maps: Vec<Tensor<B, 4>>, mode: Mode) -> Vec<Tensor<B, 4>>
    where
        B: Kernels,
    {
        let each = self.streams.iter().zip(maps);
        each.map(|(stream, map)| stream.upsample_module.forward(double(map), mode)).collect()
    }

    /// What [`Self::streams`] gave, joined.
    ///
    /// # Shapes
    /// -> `[S, out, 8h, 8w]`.
    pub fn join(&self, streams: Vec<Tensor<B, 4>>, mode: Mode) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        let FusionSegmentation { up, out } = &self.fusion_segmentation;
        let x = up.forward(double(Tensor::cat(streams, 1)), mode);
        out.forward(double(x))
    }

    /// Both steps.
    ///
    /// # Shapes
    /// As many `[S, features, h, w]` as there are streams -> `[S, out, 8h, 8w]`.
    pub fn forward(&self, maps: Vec<Tensor<B, 4>>, mode: Mode) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        self.join(self.streams(maps, mode), mode)
    }
}
