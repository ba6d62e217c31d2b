//! ProFound's UPerNet: pyramid pooling of the coarsest map, a feature pyramid over all four, and in
//! training a second small head on the third map.
//!
//! # Source
//! Xiao et al., "Unified Perceptual Parsing for Scene Understanding" (2018), in the 3-D form of
//! ProFound. Its convolutions are followed by a layer normalisation over channels that is called
//! `batch_norm` in checkpoints.

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};

use crate::{
    family::{
        ModuleNames,
        profound_conv::convnext::{ConvNext, ConvNextConfig},
    },
    nn::{
        Mode,
        conv::SameConv3d,
        gelu::gelu,
        kernels::Kernels,
        layer_norm::{channels_first, layer_norm},
        patch::PatchConv3d,
        resize::{adaptive_average, linear, resize_axes},
    },
};

/// Sizes beside the encoder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UperNetConfig {
    /// Channels of the result.
    pub out: usize,
    /// Channels of the pyramid.
    pub hidden: usize,
    /// Channels of the second head.
    pub auxiliary: usize,
    /// Cells, in each direction, of the pooled maps; may exceed those of the coarsest map.
    pub pool_scales: Vec<usize>,
}

impl UperNetConfig {
    /// As published, for `out` channels.
    pub fn published(out: usize) -> Self {
        Self { out, hidden: 512, auxiliary: 256, pool_scales: vec![1, 2, 3, 6] }
    }
}

/// Encoder and heads.
#[derive(Module, Debug)]
pub struct UperNet<B: Backend> {
    pub encoder: ConvNext<B>,
    pub upernet_head: UperNetHead<B>,
}

/// Upstream has the head's parts beside the encoder.
pub(crate) const NAMES: ModuleNames =
    ModuleNames { module: "UperNet", parts: &[("upernet_head", "")], tokens: &[] };

/// Everything after the encoder.
#[derive(Module, Debug)]
pub struct UperNetHead<B: Backend> {
    pub decode_head: DecodeHead<B>,
    pub auxiliary_head: AuxiliaryHead<B>,
    /// One for each of the encoder's maps.
    pub hidden_norm: Vec<LayerNorm<B>>,
}

/// Convolution without bias, layer normalisation over channels, GELU.
#[derive(Module, Debug)]
pub struct ConvModule<B: Backend> {
    pub conv: SameConv3d<B>,
    pub batch_norm: LayerNorm<B>,
}

/// As [`ConvModule`] with a kernel of one voxel, which is a matrix product.
#[derive(Module, Debug)]
pub struct PointModule<B: Backend> {
    pub conv: PatchConv3d<B>,
    pub batch_norm: LayerNorm<B>,
}

/// Pyramid pooling and feature pyramid.
#[derive(Module, Debug)]
pub struct DecodeHead<B: Backend> {
    pub classifier: PatchConv3d<B>,
    /// Cells of the pooled map, and what follows the pooling.
    pub psp_modules: Vec<(usize, PointModule<B>)>,
    pub bottleneck: ConvModule<B>,
    pub lateral_convs: Vec<PointModule<B>>,
    pub fpn_convs: Vec<ConvModule<B>>,
    pub fpn_bottleneck: ConvModule<B>,
}

/// A convolution and a classifier on one map.
#[derive(Module, Debug)]
pub struct AuxiliaryHead<B: Backend> {
    pub convs: Vec<ConvModule<B>>,
    pub classifier: PatchConv3d<B>,
}

/// Which of the encoder's maps the second head is given.
const AUXILIARY_MAP: usize = 2;

/// Logits at the input's resolution.
#[derive(Debug, Clone)]
pub struct UperNetOutput<B: Backend> {
    /// `[B, out, D, H, W]`
    pub logits: Tensor<B, 5>,
    /// The second head's, in training: its loss counts 0.4 upstream.
    pub auxiliary: Option<Tensor<B, 5>>,
}

/// What a pass of the [`DecodeHead`] computes on the way.
#[derive(Debug, Clone)]
pub struct DecodeTrace<B: Backend> {
    /// Pooled maps, by scale.
    pub pooled: Vec<Tensor<B, 5>>,
    /// The coarsest map with its pooled ones.
    pub coarsest: Tensor<B, 5>,
    /// The three finer maps before coarser ones are added.
    pub laterals: Vec<Tensor<B, 5>>,
    /// The same after addition and smoothing.
    pub pyramid: Vec<Tensor<B, 5>>,
    /// All levels joined, at the finest one's resolution.
    pub joined: Tensor<B, 5>,
    /// Logits at this resolution.
    pub logits: Tensor<B, 5>,
}

impl<B: Backend> ConvModule<B> {
    fn new(from: usize, to: usize, device: &B::Device) -> Self {
        Self { conv: SameConv3d::without_bias(from, to, 3, device), batch_norm: layer_norm(to, device) }
    }

    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        gelu(channels_first(&self.batch_norm, self.conv.forward(x)))
    }
}

impl<B: Backend> PointModule<B> {
    fn new(from: usize, to: usize, device: &B::Device) -> Self {
        Self { conv: PatchConv3d::without_bias(from, to, [1; 3], device), batch_norm: layer_norm(to, device) }
    }

    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        gelu(channels_first(&self.batch_norm, self.conv.forward(x)))
    }
}

fn space<B: Backend>(x: &Tensor<B, 5>) -> [usize; 3] {
    let [.., d, h, w] = x.dims();
    [d, h, w]
}

/// Trilinear resizing with half-pixel centres.
fn resized<B: Backend>(x: Tensor<B, 5>, to: [usize; 3]) -> Tensor<B, 5> {
    if space(&x) == to { x } else { resize_axes(x, to, linear) }
}

impl<B: Backend> DecodeHead<B> {
    /// A head of zeros for maps of `dims` channels.
    pub fn new(dims: [usize; 4], config: &UperNetConfig, device: &B::Device) -> Self {
        let hidden = config.hidden;
        let pools = config.pool_scales.iter();
        let lateral = &dims[..3];
        Self {
            classifier: PatchConv3d::new(hidden, config.out, [1; 3], device),
            psp_modules: pools.map(|s| (*s, PointModule::new(dims[3], hidden, device))).collect(),
            bottleneck: ConvModule::new(dims[3] + config.pool_scales.len() * hidden, hidden, device),
            lateral_convs: lateral.iter().map(|d| PointModule::new(*d, hidden, device)).collect(),
            fpn_convs: lateral.iter().map(|_| ConvModule::new(hidden, hidden, device)).collect(),
            fpn_bottleneck: ConvModule::new(4 * hidden, hidden, device),
        }
    }

    /// # Shapes
    /// Four maps `[B, dims[i], ...]` from fine to coarse -> maps with the hidden number of channels.
    ///
    /// # Panics
    /// When there are not four maps.
    pub fn forward(&self, mut maps: Vec<Tensor<B, 5>>) -> DecodeTrace<B>
    where
        B: Kernels,
    {
        assert_eq!(maps.len(), 4, "the head is made for four maps");
        let last = maps.remove(3);
        let pooled: Vec<Tensor<B, 5>> = self
            .psp_modules
            .iter()
            .map(|(scale, module)| module.forward(resize_axes(last.clone(), [*scale; 3], adaptive_average)))
            .collect();
        let size = space(&last);
        let levels = std::iter::once(last).chain(pooled.iter().map(|p| resized(p.clone(), size)));
        let coarsest = self.bottleneck.forward(Tensor::cat(levels.collect(), 1));

        let laterals: Vec<Tensor<B, 5>> =
            maps.into_iter().zip(&self.lateral_convs).map(|(map, module)| module.forward(map)).collect();
        let mut top = coarsest.clone();
        let mut pyramid = Vec::with_capacity(3);
        for (lateral, smooth) in laterals.iter().zip(&self.fpn_convs).rev() {
            top = lateral.clone() + resized(top, space(lateral));
            pyramid.insert(0, smooth.forward(top.clone()));
        }
        let finest = space(&pyramid[0]);
        let levels = pyramid.iter().chain([&coarsest]).map(|level| resized(level.clone(), finest));
        let joined = self.fpn_bottleneck.forward(Tensor::cat(levels.collect(), 1));
        let logits = self.classifier.forward(joined.clone());
        DecodeTrace { pooled, coarsest, laterals, pyramid, joined, logits }
    }
}

impl<B: Backend> AuxiliaryHead<B> {
    /// A head of zeros for a map of `from` channels.
    pub fn new(from: usize, config: &UperNetConfig, device: &B::Device) -> Self {
        Self {
            convs: vec![ConvModule::new(from, config.auxiliary, device)],
            classifier: PatchConv3d::new(config.auxiliary, config.out, [1; 3], device),
        }
    }

    /// Logits at the map's resolution.
    ///
    /// # Shapes
    /// `[B, from, D, H, W]` -> `[B, out, D, H, W]`.
    pub fn forward(&self, map: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        self.classifier.forward(self.convs.iter().fold(map, |x, module| module.forward(x)))
    }
}

impl<B: Backend> UperNetHead<B> {
    /// Heads of zeros for maps of `dims` channels.
    pub fn new(dims: [usize; 4], config: &UperNetConfig, device: &B::Device) -> Self {
        Self {
            decode_head: DecodeHead::new(dims, config, device),
            auxiliary_head: AuxiliaryHead::new(dims[AUXILIARY_MAP], config, device),
            hidden_norm: dims.iter().map(|d| layer_norm(*d, device)).collect(),
        }
    }

    /// The encoder's maps, each normalised.
    pub fn normalised(&self, maps: Vec<Tensor<B, 5>>) -> Vec<Tensor<B, 5>> {
        maps.into_iter().zip(&self.hidden_norm).map(|(map, norm)| channels_first(norm, map)).collect()
    }

    /// # Shapes
    /// Four maps of `x [B, C, D, H, W]` -> logits `[B, out, D, H, W]`.
    pub fn forward(&self, maps: Vec<Tensor<B, 5>>, x: &Tensor<B, 5>, mode: Mode) -> UperNetOutput<B>
    where
        B: Kernels,
    {
        let size = space(x);
        let maps = self.normalised(maps);
        let auxiliary = match mode {
            Mode::Train => Some(resized(self.auxiliary_head.forward(maps[AUXILIARY_MAP].clone()), size)),
            Mode::Eval => None,
        };
        UperNetOutput { logits: resized(self.decode_head.forward(maps).logits, size), auxiliary }
    }
}

impl<B: Backend> UperNet<B> {
    /// A network of zeros; published: [`ConvNextConfig::tiny`] and [`UperNetConfig::published`].
    pub fn new(encoder: &ConvNextConfig, config: &UperNetConfig, device: &B::Device) -> Self {
        Self {
            encoder: ConvNext::new(encoder, device),
            upernet_head: UperNetHead::new(encoder.dims, config, device),
        }
    }
}

impl<B: Kernels> UperNet<B> {
    /// The encoder's maps, each normalised.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]`, sizes divisible by 16 -> four maps.
    pub fn maps(&self, x: Tensor<B, 5>) -> Vec<Tensor<B, 5>> {
        self.upernet_head.normalised(self.encoder.stages(x, None))
    }

    /// # Shapes
    /// `[B, C, D, H, W]`, sizes divisible by 16 -> logits of the same size.
    pub fn forward(&self, x: Tensor<B, 5>, mode: Mode) -> UperNetOutput<B> {
        self.upernet_head.forward(self.encoder.stages(x.clone(), None), &x, mode)
    }
}
