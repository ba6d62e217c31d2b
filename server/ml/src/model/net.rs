//! One type for all networks that a run can train.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::family::{profound_conv, profound_vit, provicnet};
use transferscope_domain::{Architecture, Family, Head, task::Output};

use super::{
    convnext::{ConvNext, ConvNextConfig},
    features::{self, LayerRows},
    head3d::DenseHead3d,
    heads::label::LabelHead,
    mae_vit::{MaeEncoder, MaeVitConfig},
    provicnet::{HeadKind, Provicnet, ProvicnetConfig},
    refine::{self, ImageHead},
    unet::Unet,
    vit::VitConfig,
    volume_head::{VolumeHead, width},
};
use crate::nn::{Mode, drop_path::DropPath, kernels::Kernels};

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

/// A network for one task.
#[derive(Module, Debug)]
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
    Slabs {
        slabs: Tensor<B, 5>,
        axis: Tensor<B, 2>,
        /// Slabs in a row that are of one volume; only a label of the volume asks for it.
        series: usize,
    },
}

/// What a network gives.
#[derive(Debug, Clone)]
pub struct Outputs<B: Backend> {
    /// See [`Net::forward`].
    pub main: Tensor<B, 5>,
    /// A second head's, in training, where there is one.
    pub auxiliary: Option<Tensor<B, 5>>,
}

impl<B: Backend> From<Tensor<B, 5>> for Outputs<B> {
    fn from(main: Tensor<B, 5>) -> Self {
        Self { main, auxiliary: None }
    }
}

/// Channels in and out of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskIo {
    /// Image types that the task gives.
    pub sequences: usize,
    /// Classes, or the image's channels.
    pub out: usize,
    pub output: Output,
}

impl TaskIo {
    /// Channels of a foundation family's dense head.
    pub fn maps(self) -> usize {
        match self.output {
            Output::Classes | Output::Label => self.out,
            Output::Image => refine::MAPS,
        }
    }

    /// The head that follows the dense one when the output is an image.
    pub fn refine<B: Backend>(self, channels: usize, device: &B::Device) -> Option<ImageHead<B>> {
        match self.output {
            Output::Classes | Output::Label => None,
            Output::Image => Some(ImageHead::new(channels, self.out, device)),
        }
    }
}

impl<B: Backend> Net<B> {
    /// The `mini` network of a family, all zeros; see [`crate::init`].
    pub fn mini(family: Family, io: TaskIo, device: &B::Device) -> Self {
        Self::new(Architecture::mini(family).as_ref(), Head::Compact, io, device)
    }

    /// The network with this encoder and head, all zeros; none stands for the specialist, which has a head
    /// of its own.
    ///
    /// # Panics
    /// When the head is made for another network; requests are checked by [`Head::problem`].
    pub fn new(architecture: Option<&Architecture>, head: Head, io: TaskIo, device: &B::Device) -> Self {
        let small = architecture.is_some_and(Architecture::is_small);
        match architecture {
            Some(Architecture::ProfoundConv(profound_conv::Size { in_channels, depths, dims })) => {
                let config = ConvNextConfig { in_channels: *in_channels, depths: *depths, dims: *dims };
                Net::ProfoundConv(ProfoundConv {
                    encoder: ConvNext::new(&config, device),
                    head: VolumeHead::of_convnext(&config, small, head, io, device),
                    refine: io.refine(*in_channels, device),
                })
            }
            Some(other @ Architecture::ProfoundVit(profound_vit::Size { in_channels, patch, dim, .. })) => {
                // The decoder is no part of a task's network.
                let config = MaeVitConfig::of(other);
                let head = match io.output {
                    Output::Label => VolumeHead::Label(LabelHead::compact(&[*dim], false, io.out, device)),
                    Output::Classes | Output::Image => {
                        VolumeHead::Dense(DenseHead3d::new(&[*dim], *patch, *in_channels, io.maps(), device))
                    }
                };
                Net::ProfoundVit(ProfoundVit {
                    encoder: MaeEncoder::new(&config, device),
                    head,
                    refine: io.refine(*in_channels, device),
                })
            }
            Some(other @ Architecture::Provicnet(provicnet::Size { each, .. })) => {
                let vit = VitConfig::of(other);
                let kind = if head == Head::Fusion { HeadKind::Published } else { HeadKind::Mini };
                let shared = !(*each || head.has_own_backbones());
                let config = ProvicnetConfig { vit, shared, head: kind };
                Net::Provicnet(Provicnet::new(&config, io, device))
            }
            None => Net::Unet(Unet::new(io.sequences, io.out, io.output, device)),
        }
    }

    /// The same with a linear layer of zeros instead of the head; the specialist stays as it is.
    pub fn with_probe(self, io: TaskIo, device: &B::Device) -> Self {
        match self {
            Net::ProfoundConv(net) => {
                let head = VolumeHead::probe(width(&net.encoder.norm), io, device);
                Net::ProfoundConv(ProfoundConv { head, refine: None, ..net })
            }
            Net::ProfoundVit(net) => {
                let head = VolumeHead::probe(width(&net.encoder.norm), io, device);
                Net::ProfoundVit(ProfoundVit { head, refine: None, ..net })
            }
            Net::Provicnet(net) => Net::Provicnet(net.with_probe(io, device)),
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
    /// A volume gives `[B, out, D, H, W]`, slabs give `[S, out, 1, H, W]`; a label of a volume is
    /// `[B, out, 1, 1, 1]` from either.
    ///
    /// # Panics
    /// When a volume is given to a 2.5-D network or the other way round.
    pub fn forward(&self, input: Input<B>, drop: DropPath, mode: Mode) -> Tensor<B, 5> {
        self.outputs(input, drop, mode).main
    }

    /// [`Self::forward`] with what a second head gives in training.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn outputs(&self, input: Input<B>, drop: DropPath, mode: Mode) -> Outputs<B> {
        self.pass(input, drop, mode, None)
    }

    /// [`Self::forward`] in evaluation, and the features of the encoder's layers on the way, which come last in
    /// `layers`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn with_features(&self, input: Input<B>, layers: &mut LayerRows<B>) -> Tensor<B, 5> {
        self.pass(input, DropPath::NONE, Mode::Eval, Some(layers)).main
    }

    fn pass(
        &self,
        input: Input<B>,
        drop: DropPath,
        mode: Mode,
        keep: Option<&mut LayerRows<B>>,
    ) -> Outputs<B> {
        let finish = |refine: &Option<ImageHead<B>>, out: Outputs<B>, x: Tensor<B, 5>| match refine {
            // A second head's maps are no image.
            Some(head) => head.forward(out.main, x).into(),
            None => out,
        };
        match (self, input) {
            (Net::ProfoundConv(net), Input::Volume(x)) => {
                let maps = net.encoder.dropping_stages(x.clone(), drop);
                if let Some(layers) = keep {
                    layers.extend(features::of_convnext(&net.encoder, &maps));
                }
                finish(&net.refine, net.head.after_convnext(&net.encoder, maps, x.clone(), mode), x)
            }
            (Net::ProfoundVit(net), Input::Volume(x)) => {
                let features = net.encoder.dropping_forward(x.clone(), drop);
                if let Some(layers) = keep {
                    layers.extend(features::of_vit(&features));
                }
                finish(&net.refine, net.head.after_vit(features.map(), x.clone(), mode), x)
            }
            (Net::Provicnet(net), Input::Slabs { slabs, axis, series }) => {
                net.forward(slabs, axis, series, drop, mode, keep).into()
            }
            (Net::Unet(net), Input::Volume(x)) => net.forward(x, mode, keep).into(),
            _ => unreachable!("a family's batches come from its own sampler"),
        }
    }

    /// The features that [`Self::with_features`] takes on its way, without what comes after the encoder.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn features(&self, input: Input<B>) -> LayerRows<B> {
        match (self, input) {
            (Net::ProfoundConv(net), Input::Volume(x)) => {
                features::of_convnext(&net.encoder, &net.encoder.dropping_stages(x, DropPath::NONE))
            }
            (Net::ProfoundVit(net), Input::Volume(x)) => {
                features::of_vit(&net.encoder.dropping_forward(x, DropPath::NONE))
            }
            (Net::Provicnet(net), Input::Slabs { slabs, axis, .. }) => net.features(slabs, axis).0,
            (Net::Unet(net), Input::Volume(x)) => features::of_levels(&net.levels(x)),
            _ => unreachable!("a family's batches come from its own sampler"),
        }
    }

    /// Maps of the encoder's layers, finest first, each `[B, C, D, H, W]` on a grid that divides the
    /// one before; sequences of a slab are joined as channels of a grid with one slice.
    pub fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>> {
        match (self, input) {
            (Net::ProfoundConv(net), Input::Volume(x)) => net.encoder.stages(x, None),
            (Net::ProfoundVit(net), Input::Volume(x)) => vec![net.encoder.forward(x).map()],
            (Net::Provicnet(net), Input::Slabs { slabs, axis, .. }) => {
                let [s, m, ..] = slabs.dims();
                let map = net.encode(slabs, axis, DropPath::NONE).map;
                let [_, e, rows, columns] = map.dims();
                vec![map.reshape([s, m * e, 1, rows, columns])]
            }
            (Net::Unet(net), Input::Volume(x)) => net.levels(x),
            _ => unreachable!("a family's batches come from its own sampler"),
        }
    }
}
