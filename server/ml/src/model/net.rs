//! One type for all networks that a run can train.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::{Architecture, Family, task::Output};

use super::{
    convnext::{ConvNext, ConvNextConfig, global_average},
    head3d::DenseHead3d,
    mae_vit::{MaeEncoder, MaeVitConfig},
    probe::LinearProbe,
    provicnet::{HeadKind, Provicnet, ProvicnetConfig},
    refine::{self, ImageHead},
    unet::Unet,
    vit::{PositionResize, VitConfig},
};
use crate::nn::{Mode, drop_path::DropPath, kernels::Kernels, layer_norm::channels_first};

/// ConvNeXt-V2 with a head.
#[derive(Module, Debug)]
pub struct ProfoundConv<B: Backend> {
    pub encoder: ConvNext<B>,
    pub head: VolumeHead<B>,
    /// Restoration by the dense head only.
    pub refine: Option<ImageHead<B>>,
}

/// The encoder of a masked autoencoder with a head.
#[derive(Module, Debug)]
pub struct ProfoundVit<B: Backend> {
    pub encoder: MaeEncoder<B>,
    pub head: VolumeHead<B>,
    /// Restoration by the dense head only.
    pub refine: Option<ImageHead<B>>,
}

/// From an encoder's maps to the input's resolution.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network")]
pub enum VolumeHead<B: Backend> {
    Dense(DenseHead3d<B>),
    Probe(LinearProbe<B>),
}

/// A network for one task.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a run, moved a few times")]
pub enum Net<B: Backend> {
    ProfoundConv(ProfoundConv<B>),
    ProfoundVit(ProfoundVit<B>),
    Provicnet(Provicnet<B>),
    Unet(Unet<B>),
}

/// What a network is fed.
#[derive(Debug, Clone)]
pub enum Input<B: Backend> {
    /// `[B, C, D, H, W]`
    Volume(Tensor<B, 5>),
    /// `slabs [S, M, 3, H, W]`, `axis [S, 2]` (slice index, slice count)
    Slabs { slabs: Tensor<B, 5>, axis: Tensor<B, 2> },
}

/// Channels in and out of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Image types that the task gives.
    pub sequences: usize,
    /// Classes, or the image's channels.
    pub out: usize,
    pub output: Output,
}

impl Ports {
    /// Channels of a foundation family's dense head.
    pub fn maps(self) -> usize {
        match self.output {
            Output::Classes => self.out,
            Output::Image => refine::MAPS,
        }
    }

    /// The head that follows the dense one when the output is an image.
    pub fn refine<B: Backend>(self, channels: usize, device: &B::Device) -> Option<ImageHead<B>> {
        match self.output {
            Output::Classes => None,
            Output::Image => Some(ImageHead::new(channels, self.out, device)),
        }
    }
}

/// Input channels of the ProFound encoder (t2w, hbv, adc); missing ones are zero.
pub const PROFOUND_CHANNELS: usize = 3;

impl<B: Backend> Net<B> {
    /// The `mini` network of a family, all zeros; see [`crate::init`].
    pub fn mini(family: Family, ports: Ports, device: &B::Device) -> Self {
        Self::new(Architecture::mini(family).as_ref(), ports, device)
    }

    /// The network with this encoder, all zeros; none stands for the specialist.
    pub fn new(architecture: Option<&Architecture>, ports: Ports, device: &B::Device) -> Self {
        match architecture {
            Some(Architecture::ProfoundConv { in_channels, depths, dims }) => {
                let config = ConvNextConfig { in_channels: *in_channels, depths: *depths, dims: *dims };
                let head = DenseHead3d::new(dims, [4; 3], *in_channels, ports.maps(), device);
                Net::ProfoundConv(ProfoundConv {
                    encoder: ConvNext::new(&config, device),
                    head: VolumeHead::Dense(head),
                    refine: ports.refine(*in_channels, device),
                })
            }
            Some(Architecture::ProfoundVit { in_channels, image, patch, dim, depth, heads }) => {
                let config = MaeVitConfig {
                    in_channels: *in_channels,
                    image: *image,
                    patch: *patch,
                    dim: *dim,
                    depth: *depth,
                    heads: *heads,
                    // The decoder is no part of a task's network.
                    ..MaeVitConfig::mini()
                };
                let head = DenseHead3d::new(&[*dim], *patch, *in_channels, ports.maps(), device);
                Net::ProfoundVit(ProfoundVit {
                    encoder: MaeEncoder::new(&config, device),
                    head: VolumeHead::Dense(head),
                    refine: ports.refine(*in_channels, device),
                })
            }
            Some(Architecture::Provicnet {
                slices,
                patch,
                grid,
                dim,
                depth,
                heads,
                registers,
                axis_tokens,
                modalities,
            }) => {
                let vit = VitConfig {
                    in_channels: *slices,
                    grid: *grid,
                    patch: *patch,
                    dim: *dim,
                    depth: *depth,
                    heads: *heads,
                    hidden: 4 * dim,
                    registers: *registers,
                    positions: PositionResize::of_registers(*registers),
                    axis: *axis_tokens,
                    modalities: *modalities,
                    ..VitConfig::mini()
                };
                let config = ProvicnetConfig { vit, shared: true, head: HeadKind::Mini };
                Net::Provicnet(Provicnet::new(&config, ports, device))
            }
            None => Net::Unet(Unet::new(ports.sequences, ports.out, device)),
        }
    }

    /// The same with a linear layer of zeros instead of the head; the specialist stays as it is.
    pub fn with_probe(self, ports: Ports, device: &B::Device) -> Self {
        match self {
            Net::ProfoundConv(net) => {
                let features = net.encoder.norm.gamma.dims()[0];
                let head = VolumeHead::Probe(LinearProbe::new(features, ports.out, device));
                Net::ProfoundConv(ProfoundConv { head, refine: None, ..net })
            }
            Net::ProfoundVit(net) => {
                let features = net.encoder.norm.gamma.dims()[0];
                let head = VolumeHead::Probe(LinearProbe::new(features, ports.out, device));
                Net::ProfoundVit(ProfoundVit { head, refine: None, ..net })
            }
            Net::Provicnet(net) => Net::Provicnet(net.with_probe(ports, device)),
            Net::Unet(net) => Net::Unet(net),
        }
    }

    /// The same with low-rank additions of zeros in the encoder; the specialist stays as it is.
    pub fn with_lora(self, rank: usize, device: &B::Device) -> Self {
        match self {
            Net::ProfoundConv(net) => {
                Net::ProfoundConv(ProfoundConv { encoder: net.encoder.with_lora(rank, device), ..net })
            }
            Net::ProfoundVit(net) => {
                Net::ProfoundVit(ProfoundVit { encoder: net.encoder.with_lora(rank, device), ..net })
            }
            Net::Provicnet(net) => {
                Net::Provicnet(Provicnet { encoder: net.encoder.with_lora(rank, device), ..net })
            }
            Net::Unet(net) => Net::Unet(net),
        }
    }
}

impl<B: Kernels> Net<B> {
    /// Blocks of the encoder are skipped as `drop` says; [`DropPath::NONE`] to evaluate. The mode matters
    /// to heads with batch normalisation.
    ///
    /// # Shapes
    /// A volume gives `[B, out, D, H, W]`, slabs give `[S, out, 1, H, W]`.
    ///
    /// # Panics
    /// When a volume is given to a 2.5-D network or the other way round.
    pub fn forward(&self, input: Input<B>, drop: DropPath, mode: Mode) -> Tensor<B, 5> {
        match (self, input) {
            (Net::ProfoundConv(net), Input::Volume(x)) => {
                let mut maps = net.encoder.dropping_stages(x.clone(), drop);
                match &net.head {
                    VolumeHead::Dense(head) => {
                        ImageHead::finish(&net.refine, head.forward(maps, x.clone()), x)
                    }
                    VolumeHead::Probe(probe) => {
                        let [.., d, h, w] = x.dims();
                        probe.forward(channels_first(&net.encoder.norm, maps.remove(3)), [d, h, w])
                    }
                }
            }
            (Net::ProfoundVit(net), Input::Volume(x)) => {
                let map = net.encoder.dropping_forward(x.clone(), drop).map();
                match &net.head {
                    VolumeHead::Dense(head) => {
                        ImageHead::finish(&net.refine, head.forward(vec![map], x.clone()), x)
                    }
                    VolumeHead::Probe(probe) => {
                        let [.., d, h, w] = x.dims();
                        probe.forward(map, [d, h, w])
                    }
                }
            }
            (Net::Provicnet(net), Input::Slabs { slabs, axis }) => net.forward(slabs, axis, drop, mode),
            (Net::Unet(net), Input::Volume(x)) => net.forward(x),
            _ => unreachable!("a family's batches come from its own sampler"),
        }
    }

    /// Maps of the encoder's layers, finest first, each `[B, C, D, H, W]` on a grid that divides the
    /// one before; sequences of a slab are joined as channels of a grid with one slice.
    pub fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>> {
        match (self, input) {
            (Net::ProfoundConv(net), Input::Volume(x)) => net.encoder.stages(x, None),
            (Net::ProfoundVit(net), Input::Volume(x)) => vec![net.encoder.forward(x).map()],
            (Net::Provicnet(net), Input::Slabs { slabs, axis }) => {
                let [s, m, ..] = slabs.dims();
                let map = net.encode(slabs, axis, DropPath::NONE).map;
                let [_, e, rows, columns] = map.dims();
                vec![map.reshape([s, m * e, 1, rows, columns])]
            }
            (Net::Unet(net), Input::Volume(x)) => net.levels(x),
            _ => unreachable!("a family's batches come from its own sampler"),
        }
    }

    /// Globally average-pooled features of the encoder's layers, first to last: name and
    /// `[samples, channels]`. Sequences of a slab are averaged.
    pub fn features(&self, input: Input<B>) -> Vec<(String, Tensor<B, 2>)> {
        match (self, input) {
            (Net::ProfoundConv(net), Input::Volume(x)) => {
                let maps = net.encoder.stages(x, None);
                let last = maps.last().cloned();
                let mut features: Vec<_> = maps
                    .into_iter()
                    .enumerate()
                    .map(|(i, m)| (format!("stage{i}"), global_average(m)))
                    .collect();
                features.extend(last.map(|m| ("pooled".to_owned(), net.encoder.pooled(m))));
                features
            }
            (Net::ProfoundVit(net), Input::Volume(x)) => {
                let output = net.encoder.forward(x);
                // The class token is no place of the image.
                let pool = |tokens: Tensor<B, 3>| {
                    let [b, n, e] = tokens.dims();
                    tokens.slice([0..b, 1..n, 0..e]).mean_dim(1).reshape([b, e])
                };
                let blocks = output.blocks.into_iter().enumerate();
                let mut features: Vec<_> = blocks.map(|(i, t)| (format!("block{i}"), pool(t))).collect();
                features.push(("norm".to_owned(), pool(output.tokens)));
                features
            }
            (Net::Provicnet(net), Input::Slabs { slabs, axis }) => {
                let [s, m, ..] = slabs.dims();
                let trace = net.trace(slabs, axis);
                let pool = |tokens: Tensor<B, 3>| {
                    let [_, n, e] = tokens.dims();
                    tokens.reshape([s, m * n, e]).mean_dim(1).reshape([s, e])
                };
                let mut features: Vec<_> = trace
                    .blocks
                    .into_iter()
                    .enumerate()
                    .map(|(i, t)| (format!("block{i}"), pool(t)))
                    .collect();
                features.push(("norm".to_owned(), pool(trace.output.tokens)));
                features
            }
            (Net::Unet(net), Input::Volume(x)) => {
                let maps = net.levels(x);
                maps.into_iter().enumerate().map(|(i, m)| (format!("level{i}"), global_average(m))).collect()
            }
            _ => unreachable!("a family's batches come from its own sampler"),
        }
    }
}
