//! Learning rates by depth: what an encoder learnt first changes least.

use burn::tensor::backend::Backend;
use transferscope_domain::TrainingSpec;

use super::{
    optimiser::Group,
    param_groups::{LayerDecay, Numbering},
};
use crate::model::net::Net;

/// How the layers of an encoder are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layers {
    /// Blocks of each of the four stages; a stage's downsampling goes with its first block.
    ConvNext([usize; 4]),
    /// Number of blocks; patches, tokens and tables come before the first.
    Vit(usize),
    /// No encoder to tell layers of.
    None,
}

impl Layers {
    /// Those of a network.
    pub fn of<B: Backend>(net: &Net<B>) -> Self {
        match net {
            Net::ProfoundConv(net) => {
                Layers::ConvNext(std::array::from_fn(|i| net.encoder.stages.get(i).map_or(0, Vec::len)))
            }
            Net::ProfoundVit(net) => Layers::Vit(net.encoder.blocks.len()),
            Net::Provicnet(net) => Layers::Vit(net.encoder.depth()),
            Net::Unet(_) => Layers::None,
        }
    }

    /// Number of the last layer, which learns at the full rate.
    fn last(&self) -> usize {
        match self {
            Layers::ConvNext(depths) => depths.iter().sum::<usize>() + 1,
            Layers::Vit(depth) => depth + 1,
            Layers::None => 0,
        }
    }

    /// The number of a parameter's layer; heads have the last one.
    ///
    /// # Source
    /// ProFound's "single" rule for ConvNeXt, and MAE's for vision transformers.
    pub fn id(&self, name: &str) -> usize {
        let Some(inside) = name.strip_prefix("encoder.") else { return self.last() };
        match self {
            Layers::ConvNext(depths) => {
                LayerDecay { numbering: Numbering::Single, depths: *depths, decay: 1.0 }.layer(inside)
            }
            Layers::Vit(_) => {
                let mut parts = inside.split('.').peekable();
                // A network of several encoders numbers them.
                parts.next_if(|part| part.parse::<usize>().is_ok());
                match parts.next() {
                    Some("blocks") => parts.next().and_then(|n| n.parse::<usize>().ok()).map_or(0, |i| i + 1),
                    Some("norm") => self.last(),
                    _ => 0,
                }
            }
            Layers::None => 0,
        }
    }

    /// Share of the learning rate that a parameter's layer has.
    pub fn scale(&self, name: &str, decay: f64) -> f64 {
        decay.powi((self.last() - self.id(name)) as i32)
    }
}

/// The groups of a training: weight decay as in [`Group::plain`], learning rates by layer. Low-rank
/// factors are weights.
pub fn grouping(layers: Layers, spec: &TrainingSpec) -> impl Fn(&str, usize) -> Group + use<> {
    let (decay, weight_decay) = (spec.layer_decay, spec.weight_decay);
    move |name, rank| Group { lr_scale: layers.scale(name, decay), ..Group::plain(name, rank, weight_decay) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transferscope_domain::{Family, Task};

    #[test]
    fn layers_are_numbered_from_the_input() {
        let tiny = Layers::ConvNext([3, 3, 9, 3]);
        for (name, id) in [
            ("encoder.downsample_layers.0.0.weight", 1),
            ("encoder.downsample_layers.3.1.bias", 16),
            ("encoder.stages.0.2.norm.weight", 3),
            ("encoder.stages.2.8.lora.pwconv1.a", 15),
            ("encoder.stages.3.2.pwconv2.weight", 18),
            ("encoder.norm.weight", 19),
            ("head.out.weight", 19),
        ] {
            assert_eq!(tiny.id(name), id, "{name}");
        }
        let vit = Layers::Vit(4);
        for (name, id) in [
            ("encoder.pos_embed", 0),
            ("encoder.patch_embed.proj.weight", 0),
            ("encoder.blocks.3.attn.qkv.weight", 4),
            ("encoder.norm.bias", 5),
            ("head.conv1.weight", 5),
        ] {
            assert_eq!(vit.id(name), id, "{name}");
        }
    }

    #[test]
    fn a_rate_falls_by_layer_and_the_head_keeps_it() {
        let mut spec = TrainingSpec::default_for(Family::Provicnet, Task::Segmentation);
        spec.layer_decay = 0.5;
        let group = grouping(Layers::Vit(2), &spec);
        assert_eq!(group("head.out.weight", 4), Group { lr_scale: 1.0, weight_decay: spec.weight_decay });
        assert_eq!(group("encoder.blocks.1.norm1.weight", 1), Group { lr_scale: 0.5, weight_decay: 0.0 });
        assert_eq!(group("encoder.cls_token", 3).lr_scale, 0.125);
        assert_eq!(group("encoder.blocks.0.attn.lora.q.a", 2).weight_decay, spec.weight_decay);
        spec.layer_decay = 1.0;
        assert_eq!(grouping(Layers::Vit(2), &spec)("encoder.cls_token", 3).lr_scale, 1.0);
    }
}
