//! ProFound's UNETR head: transposed convolutions back from the coarsest map, with skips from the
//! finer maps and from the image itself.
//!
//! # Source
//! Hatamizadeh et al., "UNETR" (2022), made of MONAI's blocks (Apache-2.0, `monai/networks/blocks`):
//! instance normalisation without parameters, leaky ReLU with slope 0.01, no biases but the last.

use burn::module::Module;
use burn::nn::{GroupNorm, GroupNormConfig, LayerNorm};
use burn::tensor::{Tensor, activation::leaky_relu, backend::Backend};

use crate::{
    family::{
        ModuleNames,
        profound_conv::convnext::{ConvNext, ConvNextConfig},
    },
    nn::{
        conv::SameConv3d,
        kernels::Kernels,
        layer_norm::{channels_first, layer_norm},
        patch::{PatchConv3d, PatchUp3d},
        rows::group_norm,
    },
};

/// Channels at full resolution, as published.
pub const FEATURES: usize = 32;
/// Of the leaky rectifiers.
const SLOPE: f32 = 0.01;

/// Encoder and head.
#[derive(Module, Debug)]
pub struct ConvnextUnetr<B: Backend> {
    pub encoder: ConvNext<B>,
    pub unetr_head: UnetrHead<B>,
}

/// Upstream has the head's parts beside the encoder.
pub(crate) const NAMES: ModuleNames =
    ModuleNames { module: "ConvnextUnetr", parts: &[("unetr_head", "")], tokens: &[] };

/// Norms of the three finer maps, and head.
#[derive(Module, Debug)]
pub struct UnetrHead<B: Backend> {
    pub norm1: LayerNorm<B>,
    pub norm2: LayerNorm<B>,
    pub norm3: LayerNorm<B>,
    pub decoder: UnetrDecoder<B>,
}

/// The head.
#[derive(Module, Debug)]
pub struct UnetrDecoder<B: Backend> {
    /// On the image.
    pub encoder1: ImageBlock<B>,
    /// On the maps of strides 4, 8 and 16.
    pub encoder2: SkipBlock<B>,
    pub encoder3: SkipBlock<B>,
    pub encoder4: SkipBlock<B>,
    pub decoder5: UpBlock<B>,
    pub decoder4: UpBlock<B>,
    pub decoder3: UpBlock<B>,
    pub decoder2: UpBlock<B>,
    pub out: OutBlock<B>,
}

/// A residual block on the image.
#[derive(Module, Debug)]
pub struct ImageBlock<B: Backend> {
    pub layer: ResBlock<B>,
}

/// Enlarges a map by two.
#[derive(Module, Debug)]
pub struct SkipBlock<B: Backend> {
    pub transp_conv_init: Enlarge<B>,
}

/// Enlarges a map by two and joins it with a skip.
#[derive(Module, Debug)]
pub struct UpBlock<B: Backend> {
    pub transp_conv: Enlarge<B>,
    pub conv_block: ResBlock<B>,
}

/// Transposed convolution with kernel and stride 2, without bias.
#[derive(Module, Debug)]
pub struct Enlarge<B: Backend> {
    pub conv: PatchUp3d<B>,
}

/// Two normalised 3x3x3 convolutions beside a shortcut, which has a convolution of its own where the
/// number of channels changes.
#[derive(Module, Debug)]
pub struct ResBlock<B: Backend> {
    pub conv1: Conv<B>,
    pub conv2: Conv<B>,
    pub conv3: Option<PointConv<B>>,
    /// Without parameters.
    norm: GroupNorm<B>,
}

/// A 3x3x3 convolution without bias.
#[derive(Module, Debug)]
pub struct Conv<B: Backend> {
    pub conv: SameConv3d<B>,
}

/// A 1x1x1 convolution, without bias but in the last layer.
#[derive(Module, Debug)]
pub struct PointConv<B: Backend> {
    pub conv: PatchConv3d<B>,
}

/// The last layer.
#[derive(Module, Debug)]
pub struct OutBlock<B: Backend> {
    pub conv: PointConv<B>,
}

/// What a pass computes on the way.
#[derive(Debug, Clone)]
pub struct UnetrTrace<B: Backend> {
    /// Skips at strides 2, 4 and 8.
    pub skips: [Tensor<B, 5>; 3],
    /// Levels at strides 8, 4 and 2.
    pub levels: [Tensor<B, 5>; 3],
    /// `[B, out, D, H, W]`
    pub logits: Tensor<B, 5>,
}

impl<B: Backend> ResBlock<B> {
    fn new(from: usize, to: usize, device: &B::Device) -> Self {
        let conv = |from| Conv { conv: SameConv3d::without_bias(from, to, 3, device) };
        let shortcut = || PointConv { conv: PatchConv3d::without_bias(from, to, [1; 3], device) };
        Self {
            conv1: conv(from),
            conv2: conv(to),
            conv3: (from != to).then(shortcut),
            norm: GroupNormConfig::new(to, to).with_affine(false).init(device),
        }
    }

    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        // A slope of one leaves values as they are.
        let normalised = |y, slope| group_norm(&self.norm, y, slope);
        let y = normalised(self.conv1.conv.forward(x.clone()), SLOPE);
        let y = normalised(self.conv2.conv.forward(y), 1.0);
        let shortcut = match &self.conv3 {
            Some(conv3) => normalised(conv3.conv.forward(x), 1.0),
            None => x,
        };
        leaky_relu(y + shortcut, f64::from(SLOPE))
    }
}

impl<B: Backend> Enlarge<B> {
    fn new(from: usize, to: usize, device: &B::Device) -> Self {
        Self { conv: PatchUp3d::without_bias(from, to, [2; 3], device) }
    }
}

impl<B: Backend> UpBlock<B> {
    fn new(from: usize, to: usize, device: &B::Device) -> Self {
        Self { transp_conv: Enlarge::new(from, to, device), conv_block: ResBlock::new(2 * to, to, device) }
    }

    fn forward(&self, x: Tensor<B, 5>, skip: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        self.conv_block.forward(Tensor::cat(vec![self.transp_conv.conv.forward(x), skip], 1))
    }
}

impl<B: Backend> UnetrDecoder<B> {
    /// A head of zeros for an image of `in_channels` and maps of `dims` channels.
    pub fn new(
        in_channels: usize,
        dims: [usize; 4],
        features: usize,
        out: usize,
        device: &B::Device,
    ) -> Self {
        let f = features;
        let skip = |from, to| SkipBlock { transp_conv_init: Enlarge::new(from, to, device) };
        Self {
            encoder1: ImageBlock { layer: ResBlock::new(in_channels, f, device) },
            encoder2: skip(dims[0], 2 * f),
            encoder3: skip(dims[1], 4 * f),
            encoder4: skip(dims[2], 8 * f),
            decoder5: UpBlock::new(dims[3], 8 * f, device),
            decoder4: UpBlock::new(8 * f, 4 * f, device),
            decoder3: UpBlock::new(4 * f, 2 * f, device),
            decoder2: UpBlock::new(2 * f, f, device),
            out: OutBlock { conv: PointConv { conv: PatchConv3d::new(f, out, [1; 3], device) } },
        }
    }

    /// # Shapes
    /// `image [B, C, D, H, W]` and normalised maps at strides 4, 8, 16, 16 -> see [`UnetrTrace`].
    pub fn forward(&self, image: Tensor<B, 5>, maps: [Tensor<B, 5>; 4]) -> UnetrTrace<B>
    where
        B: Kernels,
    {
        let [s0, s1, s2, s3] = maps;
        let enc1 = self.encoder1.layer.forward(image);
        let enc2 = self.encoder2.transp_conv_init.conv.forward(s0);
        let enc3 = self.encoder3.transp_conv_init.conv.forward(s1);
        let enc4 = self.encoder4.transp_conv_init.conv.forward(s2);
        let dec5 = self.decoder5.forward(s3, enc4.clone());
        let dec4 = self.decoder4.forward(dec5.clone(), enc3.clone());
        let dec3 = self.decoder3.forward(dec4.clone(), enc2.clone());
        let logits = self.out.conv.conv.forward(self.decoder2.forward(dec3.clone(), enc1));
        UnetrTrace { skips: [enc2, enc3, enc4], levels: [dec5, dec4, dec3], logits }
    }
}

impl<B: Backend> UnetrHead<B> {
    /// A head of zeros for this encoder.
    pub fn new(config: &ConvNextConfig, features: usize, out: usize, device: &B::Device) -> Self {
        let dims = config.dims;
        Self {
            norm1: layer_norm(dims[0], device),
            norm2: layer_norm(dims[1], device),
            norm3: layer_norm(dims[2], device),
            decoder: UnetrDecoder::new(config.in_channels, dims, features, out, device),
        }
    }

    /// `last` is the encoder's own normalisation, here by voxel, where the classifier has it on the
    /// average.
    ///
    /// # Shapes
    /// `x [B, C, D, H, W]` and its four maps -> logits `[B, out, D, H, W]` and what leads there.
    ///
    /// # Panics
    /// When there are not four maps.
    pub fn forward(&self, x: Tensor<B, 5>, maps: Vec<Tensor<B, 5>>, last: &LayerNorm<B>) -> UnetrTrace<B>
    where
        B: Kernels,
    {
        let maps: [Tensor<B, 5>; 4] = maps.try_into().expect("an encoder has four stages");
        let [s0, s1, s2, s3] = maps;
        let maps = [
            channels_first(&self.norm1, s0),
            channels_first(&self.norm2, s1),
            channels_first(&self.norm3, s2),
            channels_first(last, s3),
        ];
        self.decoder.forward(x, maps)
    }
}

impl<B: Backend> ConvnextUnetr<B> {
    /// A network of zeros; published: [`ConvNextConfig::tiny`] and [`FEATURES`].
    pub fn new(config: &ConvNextConfig, features: usize, out: usize, device: &B::Device) -> Self {
        Self {
            encoder: ConvNext::new(config, device),
            unetr_head: UnetrHead::new(config, features, out, device),
        }
    }
}

impl<B: Kernels> ConvnextUnetr<B> {
    /// # Shapes
    /// `[B, C, D, H, W]`, sizes divisible by 16 -> logits `[B, out, D, H, W]` and what leads there.
    pub fn forward(&self, x: Tensor<B, 5>) -> UnetrTrace<B> {
        self.unetr_head.forward(x.clone(), self.encoder.stages(x, None), &self.encoder.norm)
    }
}
