//! The network that runs train: encoder, head, and what restores an image.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::{
    Head,
    family::{Encoder as _, profound_conv::Size},
};

use super::{
    convnext::{ConvNext, ConvNextConfig},
    head::StageHead,
    layer_decay::{LayerDecay, Numbering},
};
use crate::{
    family::TaskNetwork,
    model::{
        features::{LayerRows, octants},
        io::{Input, Outputs, TaskIo},
        refine::ImageHead,
        volume_head::VolumeHead,
    },
    nn::{Mode, drop_path::DropPath, kernels::Kernels, layer_norm::width},
    train::layer_decay::Layers,
};

/// ConvNeXt-V2 with a head.
#[derive(Module, Debug)]
pub struct ProfoundConv<B: Backend> {
    pub encoder: ConvNext<B>,
    pub head: StageHead<B>,
    /// Restoration by the dense head only.
    pub refine: Option<ImageHead<B>>,
}

/// Features of the stages, and of the last one normalised.
fn features<B: Backend>(encoder: &ConvNext<B>, maps: &[Tensor<B, 5>]) -> LayerRows<B> {
    let mut layers: LayerRows<B> =
        maps.iter().enumerate().map(|(i, map)| (format!("stage{i}"), octants(map.clone()))).collect();
    let last = layers.last().map(|(_, rows)| encoder.norm.forward(rows.clone()));
    layers.extend(last.map(|rows| ("pooled".to_owned(), rows)));
    layers
}

impl<B: Backend> TaskNetwork<B> for ProfoundConv<B> {
    type Size = Size;

    fn build(size: &Size, head: Head, io: TaskIo, device: &B::Device) -> Self {
        let config = ConvNextConfig::of(size);
        Self {
            encoder: ConvNext::new(&config, device),
            head: StageHead::new(&config, size.is_small(), head, io, device),
            refine: io.refine(config.in_channels, device),
        }
    }

    fn with_probe(self, io: TaskIo, device: &B::Device) -> Self {
        let head = StageHead::Volume(VolumeHead::probe(width(&self.encoder.norm), io, device));
        Self { head, refine: None, ..self }
    }

    fn with_lora(self, rank: usize, device: &B::Device) -> Self {
        Self { encoder: self.encoder.with_lora(rank, device), ..self }
    }

    fn layers(&self) -> Layers {
        let depths = std::array::from_fn(|i| self.encoder.stages.get(i).map_or(0, Vec::len));
        let rule = LayerDecay { numbering: Numbering::Single, depths, decay: 1.0 };
        Layers::new(depths.iter().sum::<usize>() + 1, move |inside| rule.layer(inside))
    }

    fn pass(&self, input: Input<B>, drop: DropPath, mode: Mode, keep: Option<&mut LayerRows<B>>) -> Outputs<B>
    where
        B: Kernels,
    {
        let x = input.volume();
        let maps = self.encoder.dropping_stages(x.clone(), drop);
        if let Some(layers) = keep {
            layers.extend(features(&self.encoder, &maps));
        }
        let out = self.head.forward(&self.encoder, maps, x.clone(), mode);
        ImageHead::after(&self.refine, out, x)
    }

    fn features(&self, input: Input<B>) -> LayerRows<B>
    where
        B: Kernels,
    {
        features(&self.encoder, &self.encoder.dropping_stages(input.volume(), DropPath::NONE))
    }

    fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>>
    where
        B: Kernels,
    {
        self.encoder.stages(input.volume(), None)
    }
}
