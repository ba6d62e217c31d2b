//! ProViCNet as it is published: whole models whose parameters have upstream's names in upstream's
//! order, one for each file.
//!
//! The task network [`super::network::Provicnet`] keeps the same layers under `encoder.` and `head.`; see
//! there how a file's names map to it.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Tensor, backend::Backend};

use super::{
    heads::{
        channel_reducer::ChannelReducer,
        contrastive::{ContrastiveConfig, ContrastiveHead},
        conv_head::{ConvHead, ConvHeadTrace},
    },
    vit::{Vit, VitConfig, VitTrace, index_and_count, tokens_of},
};
use crate::family::ModuleNames;
use crate::nn::{kernels::Kernels, linear::linear};

/// Which of upstream's classes, by what they have beside backbone, head and axis layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// Projection for the patch contrast (`_contrastive`, the published MRI form).
    pub contrastive: Option<ContrastiveConfig>,
    /// Modality token (`_modal`).
    pub modal: bool,
    /// Channels that are reduced to the backbone's (`_US`, the published ultrasound form).
    pub reduced_from: Option<usize>,
}

impl Variant {
    /// The published MRI form.
    pub const CONTRASTIVE: Self =
        Self { contrastive: Some(ContrastiveConfig::PUBLISHED), modal: false, reduced_from: None };
    /// The published ultrasound form.
    pub const ULTRASOUND: Self = Self { reduced_from: Some(9), ..Self::CONTRASTIVE };
}

/// Modalities that the modality token tells apart.
pub const MODALITIES: usize = 4;

/// A network for one image.
#[derive(Module, Debug)]
pub struct Published<B: Backend> {
    pub channel_reducer: Option<ChannelReducer<B>>,
    pub cl_head: Option<ContrastiveHead<B>>,
    pub backbone: Vit<B>,
    pub head: ConvHead<B>,
    pub axis_pos: Linear<B>,
    pub axis_max: Linear<B>,
    pub modal: Option<Linear<B>>,
}

/// Upstream's names of a network's parts.
pub(crate) const NAMES: ModuleNames = ModuleNames {
    module: "Published",
    parts: &[("channel_reducer", "ChannelReducer"), ("cl_head", "CL_Head")],
    tokens: &[],
};

/// Where slices are and what they show.
#[derive(Debug, Clone)]
pub struct Place<B: Backend> {
    /// `[S, 2]` (slice index, slice count)
    pub axis: Tensor<B, 2>,
    /// `[S, 4]`, one-hot; for models with a modality token.
    pub modality: Option<Tensor<B, 2>>,
}

/// A forward pass with everything on the way.
#[derive(Debug, Clone)]
pub struct PublishedTrace<B: Backend> {
    /// What the backbone saw.
    pub input: Tensor<B, 4>,
    pub backbone: VitTrace<B>,
    pub head: ConvHeadTrace<B>,
}

impl<B: Backend> Published<B> {
    /// A network of zeros; `config` without axis layers of its own.
    pub fn new(config: &VitConfig, variant: Variant, classes: usize, device: &B::Device) -> Self {
        let e = config.dim;
        let reducer = |from| ChannelReducer::new(from, config.in_channels, device);
        Self {
            channel_reducer: variant.reduced_from.map(reducer),
            cl_head: variant.contrastive.map(|c| ContrastiveHead::new(e, c, device)),
            backbone: Vit::new(config, device),
            head: ConvHead::new(e, classes, device),
            axis_pos: linear(1, e, device),
            axis_max: linear(1, e, device),
            modal: variant.modal.then(|| linear(MODALITIES, e, device)),
        }
    }

    /// The tokens that say where a slice is: `[S, 2 or 3, E]`.
    fn place_tokens(&self, place: Place<B>) -> Tensor<B, 3> {
        let [index, count] = index_and_count(place.axis);
        let mut layers = vec![(&self.axis_pos, index), (&self.axis_max, count)];
        if let (Some(layer), Some(modality)) = (&self.modal, place.modality) {
            layers.push((layer, modality));
        }
        tokens_of(layers)
    }

    /// Runs the network in evaluation; without a place the backbone is plain DINOv2.
    ///
    /// # Shapes
    /// `x [S, C, rows * p, columns * p]` -> logits `[S, classes, 8 rows, 8 columns]`.
    pub fn trace(&self, x: Tensor<B, 4>, place: Option<Place<B>>) -> PublishedTrace<B>
    where
        B: Kernels,
    {
        let input = match &self.channel_reducer {
            Some(reducer) => reducer.forward(x),
            None => x,
        };
        let further = place.map(|place| self.place_tokens(place));
        let backbone = self.backbone.trace(input.clone(), further);
        let head = self.head.trace(backbone.output.map.clone());
        PublishedTrace { input, backbone, head }
    }
}
