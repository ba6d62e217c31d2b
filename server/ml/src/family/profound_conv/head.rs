//! What follows the encoder of a ConvNeXt.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::{Head, task::Output};

use super::{
    convnext::{ConvNext, ConvNextConfig},
    heads::{
        classifier::{BOTTLENECK, ClassifierHead},
        unetr::{self, UnetrHead},
        upernet::{UperNetConfig, UperNetHead},
    },
};
use crate::{
    model::{
        head3d::DenseHead3d,
        io::{Outputs, TaskIo},
        label_head::{self, LabelHead},
        volume_head::VolumeHead,
    },
    nn::{Mode, kernels::Kernels, layer_norm::channels_first},
};

/// From the maps of the four stages to a task's output.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network")]
pub enum StageHead<B: Backend> {
    /// The one that both 3-D families have.
    Volume(VolumeHead<B>),
    Classifier(ClassifierHead<B>),
    UperNet(UperNetHead<B>),
    Unetr(UnetrHead<B>),
}

/// Channels of the published heads beside an encoder of ours, which has a quarter of the published width.
const SMALL_PYRAMID: usize = 64;
const SMALL_UNETR: usize = 8;

/// Voxels of the input that one of the finest map covers.
const CELL: [usize; 3] = [4; 3];

impl<B: Backend> StageHead<B> {
    /// A head of zeros.
    ///
    /// # Panics
    /// When the head is made for another family; requests are checked by [`Family::head_problem`].
    pub fn new(config: &ConvNextConfig, small: bool, head: Head, io: TaskIo, device: &B::Device) -> Self {
        let out = io.maps();
        match (io.output, head) {
            (Output::Label, Head::Classifier) => {
                let bottleneck = BOTTLENECK.min(config.dims[3] / 2);
                Self::Classifier(ClassifierHead::new(config.dims[3], bottleneck, io.out, device))
            }
            (Output::Label, _) => {
                let head = LabelHead::compact(&config.dims, false, io.out, device);
                Self::Volume(VolumeHead::Label(head))
            }
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
                let head = DenseHead3d::new(&config.dims, CELL, config.in_channels, out, device);
                Self::Volume(VolumeHead::Dense(head))
            }
            (_, Head::Classifier | Head::Fusion) => unreachable!("{head} was refused for this network"),
        }
    }

    /// What the maps of `x` become.
    ///
    /// # Shapes
    /// The four stages' maps, `x [B, C, D, H, W]` -> `[B, out, D, H, W]`, or one voxel for a label.
    pub fn forward(
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
            // It normalises each map by itself.
            Self::Volume(head @ VolumeHead::Dense(_)) => head.forward(maps, x),
            Self::Volume(head) => {
                let last = channels_first(&encoder.norm, maps.remove(3));
                maps.push(last);
                head.forward(maps, x)
            }
            // The encoder's norm stands after the mean.
            Self::Classifier(head) => {
                label_head::as_voxel(head.forward(encoder.pooled(maps.remove(3)), mode)).into()
            }
            Self::UperNet(head) => {
                let output = head.forward(maps, &x, mode);
                Outputs { main: output.logits, auxiliary: output.auxiliary }
            }
            Self::Unetr(head) => head.forward(x, maps, &encoder.norm).logits.into(),
        }
    }
}
