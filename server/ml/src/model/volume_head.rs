//! What follows the encoder of a 3-D foundation family.

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::{Head, task::Output};

use super::{
    convnext::{ConvNext, ConvNextConfig},
    head3d::DenseHead3d,
    heads::{
        classifier::{BOTTLENECK, ClassifierHead},
        label::LabelHead,
        unetr::{self, UnetrHead},
        upernet::{UperNetConfig, UperNetHead},
    },
    linear_probe::LinearProbe,
    net::{Outputs, TaskIo},
};
use crate::nn::{Mode, kernels::Kernels, layer_norm::channels_first};

/// From an encoder's maps to a task's output.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network")]
pub enum VolumeHead<B: Backend> {
    Dense(DenseHead3d<B>),
    Probe(LinearProbe<B>),
    UperNet(UperNetHead<B>),
    Unetr(UnetrHead<B>),
    Label(LabelHead<B>),
}

/// Channels of the published heads beside an encoder of ours, which has a quarter of the published width.
const SMALL_PYRAMID: usize = 64;
const SMALL_UNETR: usize = 8;

impl<B: Backend> VolumeHead<B> {
    /// A head of zeros for a ConvNeXt.
    ///
    /// # Panics
    /// When the head is made for another family; requests are checked by [`Head::problem`].
    pub fn of_convnext(
        config: &ConvNextConfig,
        small: bool,
        head: Head,
        io: TaskIo,
        device: &B::Device,
    ) -> Self {
        let out = io.maps();
        match (io.output, head) {
            (Output::Label, Head::Classifier) => {
                let bottleneck = BOTTLENECK.min(config.dims[3] / 2);
                let head = ClassifierHead::new(config.dims[3], bottleneck, io.out, device);
                Self::Label(LabelHead::Published(head))
            }
            (Output::Label, _) => Self::Label(LabelHead::compact(&config.dims, false, io.out, device)),
            (_, Head::Upernet) => {
                let sizes = UperNetConfig::published(out);
                let sizes = if small {
                    UperNetConfig { hidden: SMALL_PYRAMID, auxiliary: SMALL_PYRAMID / 2, ..sizes }
                } else {
                    sizes
                };
                Self::UperNet(UperNetHead::new(config.dims, &sizes, device))
            }
            (_, Head::Unetr) => {
                let features = if small { SMALL_UNETR } else { unetr::FEATURES };
                Self::Unetr(UnetrHead::new(config, features, out, device))
            }
            (_, Head::Compact) => {
                Self::Dense(DenseHead3d::new(&config.dims, [4; 3], config.in_channels, out, device))
            }
            (_, Head::Classifier | Head::Fusion) => unreachable!("{head} was refused for this network"),
        }
    }

    /// A linear layer of zeros.
    pub fn probe(features: usize, io: TaskIo, device: &B::Device) -> Self {
        match io.output {
            Output::Label => Self::Label(LabelHead::probe(features, io.out, device)),
            Output::Classes | Output::Image => Self::Probe(LinearProbe::new(features, io.out, device)),
        }
    }

    /// What a ConvNeXt's maps of `x` become.
    ///
    /// # Shapes
    /// The four stages' maps, `x [B, C, D, H, W]` -> `[B, out, D, H, W]`, or one voxel for a label.
    pub fn after_convnext(
        &self,
        encoder: &ConvNext<B>,
        mut maps: Vec<Tensor<B, 5>>,
        x: Tensor<B, 5>,
        mode: Mode,
    ) -> Outputs<B>
    where
        B: Kernels,
    {
        match self {
            Self::Dense(head) => head.forward(maps, x).into(),
            Self::Probe(head) => {
                let [.., d, h, w] = x.dims();
                head.forward(channels_first(&encoder.norm, maps.remove(3)), [d, h, w]).into()
            }
            Self::UperNet(head) => {
                let output = head.forward(maps, &x, mode);
                Outputs { main: output.logits, auxiliary: output.auxiliary }
            }
            Self::Unetr(head) => head.forward(x, maps, &encoder.norm).logits.into(),
            // The encoder's norm stands after the mean.
            Self::Label(head @ LabelHead::Published(_)) => {
                let pooled: Tensor<B, 2> = encoder.pooled(maps.remove(3));
                let [b, c] = pooled.dims();
                head.forward(vec![pooled.reshape([b, 1, c, 1])], mode).into()
            }
            Self::Label(head) => {
                let last = channels_first(&encoder.norm, maps.remove(3));
                maps.push(last);
                labelled(head, maps, mode)
            }
        }
    }

    /// What a transformer's map becomes.
    ///
    /// # Shapes
    /// `map [B, E, d, h, w]`, `x [B, C, D, H, W]` -> as [`Self::after_convnext`].
    pub fn after_vit(&self, map: Tensor<B, 5>, x: Tensor<B, 5>, mode: Mode) -> Outputs<B>
    where
        B: Kernels,
    {
        let [.., d, h, w] = x.dims();
        match self {
            Self::Dense(head) => head.forward(vec![map], x).into(),
            Self::Probe(head) => head.forward(map, [d, h, w]).into(),
            Self::Label(head) => labelled(head, vec![map], mode),
            Self::UperNet(_) | Self::Unetr(_) => unreachable!("made for a ConvNeXt"),
        }
    }
}

/// What a head says of a volume by its maps.
fn labelled<B: Kernels>(head: &LabelHead<B>, maps: Vec<Tensor<B, 5>>, mode: Mode) -> Outputs<B> {
    head.forward(maps.into_iter().map(places).collect(), mode).into()
}

/// The places of a map in a row: `[B, C, D, H, W]` -> `[B, 1, C, D * H * W]`.
pub(super) fn places<B: Backend>(map: Tensor<B, 5>) -> Tensor<B, 4> {
    let [b, c, d, h, w] = map.dims();
    map.reshape([b, 1, c, d * h * w])
}

/// The normalisation whose number of values is that of a family's last features.
pub(super) fn width<B: Backend>(norm: &LayerNorm<B>) -> usize {
    norm.gamma.dims()[0]
}
