//! The network that runs train: the encoder of a masked autoencoder, head, and what restores an image.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::{Head, family::profound_vit::Size, task::Output};

use super::mae_vit::{MaeEncoder, MaeFeatures, MaeVitConfig};
use crate::{
    family::TaskNetwork,
    model::{
        features::{LayerRows, octants},
        head3d::DenseHead3d,
        io::{Input, Outputs, TaskIo},
        label_head::LabelHead,
        refine::ImageHead,
        transformer,
        volume_head::VolumeHead,
    },
    nn::{Mode, drop_path::DropPath, kernels::Kernels, layer_norm::width},
    train::layer_decay::Layers,
};

/// The encoder of a masked autoencoder with a head.
#[derive(Module, Debug)]
pub struct ProfoundVit<B: Backend> {
    pub encoder: MaeEncoder<B>,
    pub head: VolumeHead<B>,
    /// Restoration by the dense head only.
    pub refine: Option<ImageHead<B>>,
}

/// Features of the blocks, and of the last one normalised.
fn rows<B: Backend>(features: &MaeFeatures<B>) -> LayerRows<B> {
    let blocks = features.blocks.iter().enumerate();
    let mut layers: LayerRows<B> =
        blocks.map(|(i, tokens)| (format!("block{i}"), octants(features.map_of(tokens.clone())))).collect();
    layers.push(("norm".to_owned(), octants(features.map())));
    layers
}

impl<B: Backend> TaskNetwork<B> for ProfoundVit<B> {
    type Size = Size;

    fn build(size: &Size, _head: Head, io: TaskIo, device: &B::Device) -> Self {
        let Size { in_channels, patch, dim, .. } = *size;
        // The decoder is no part of a task's network.
        let config = MaeVitConfig::of(size);
        let head = match io.output {
            Output::Label => VolumeHead::Label(LabelHead::compact(&[dim], false, io.out, device)),
            Output::Classes | Output::Image => {
                VolumeHead::Dense(DenseHead3d::new(&[dim], patch, in_channels, io.maps(), device))
            }
        };
        Self { encoder: MaeEncoder::new(&config, device), head, refine: io.refine(in_channels, device) }
    }

    fn with_probe(self, io: TaskIo, device: &B::Device) -> Self {
        let head = VolumeHead::probe(width(&self.encoder.norm), io, device);
        Self { head, refine: None, ..self }
    }

    fn with_lora(self, rank: usize, device: &B::Device) -> Self {
        Self { encoder: self.encoder.with_lora(rank, device), ..self }
    }

    fn layers(&self) -> Layers {
        let depth = self.encoder.blocks.len();
        Layers::new(depth + 1, move |inside| transformer::layer(depth, inside))
    }

    fn pass(
        &self,
        input: Input<B>,
        drop: DropPath,
        _mode: Mode,
        keep: Option<&mut LayerRows<B>>,
    ) -> Outputs<B>
    where
        B: Kernels,
    {
        let x = input.volume();
        let features = self.encoder.dropping_forward(x.clone(), drop);
        if let Some(layers) = keep {
            layers.extend(rows(&features));
        }
        let out = self.head.forward(vec![features.map()], x.clone());
        ImageHead::after(&self.refine, out, x)
    }

    fn features(&self, input: Input<B>) -> LayerRows<B>
    where
        B: Kernels,
    {
        rows(&self.encoder.dropping_forward(input.volume(), DropPath::NONE))
    }

    fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>>
    where
        B: Kernels,
    {
        vec![self.encoder.forward(input.volume()).map()]
    }
}
