//! Learning rates by depth: what an encoder learnt first changes least.

use transferscope_domain::TrainingSpec;

use super::optimiser::Group;
use crate::params::within_encoder;

/// How the layers of an encoder are numbered; see [`crate::family::TaskNetwork::layers`].
pub struct Layers {
    /// Number of the last layer, which learns at the full rate.
    last: usize,
    /// The number of a parameter's layer, by its name within the encoder.
    number: Box<dyn Fn(&str) -> usize>,
}

impl Layers {
    /// As `number` says of the names within an encoder, up to `last`, which heads have as well.
    pub fn new(last: usize, number: impl Fn(&str) -> usize + 'static) -> Self {
        Self { last, number: Box::new(number) }
    }

    /// No encoder to tell layers of.
    pub fn none() -> Self {
        Self::new(0, |_| 0)
    }

    /// The number of a parameter's layer; heads have the last one.
    pub fn id(&self, name: &str) -> usize {
        within_encoder(name).map_or(self.last, &self.number)
    }

    /// Share of the learning rate that a parameter's layer has.
    pub fn scale(&self, name: &str, decay: f64) -> f64 {
        decay.powi((self.last - self.id(name)) as i32)
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
    use crate::{
        family::Net,
        model::{io::TaskIo, transformer},
    };
    use burn_flex::Flex;
    use transferscope_domain::{Architecture, Family, Head, TaskKind, task::Output};

    fn layers_of(architecture: Option<Architecture>) -> Layers {
        let io = TaskIo { images: 3, out: 2, output: Output::Classes };
        let head = Head::Compact;
        Net::<Flex>::new(architecture.as_ref(), head, io, &Default::default()).layers()
    }

    #[test]
    fn layers_are_numbered_from_the_input() {
        let tiny = layers_of(Architecture::named("profound-conv-tiny"));
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
        for family in [Family::ProfoundVit, Family::Provicnet] {
            let vit = layers_of(Architecture::mini(family));
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
        let several = layers_of(Architecture::mini(Family::Provicnet));
        let names = ["encoder.1.cls_token", "encoder.2.blocks.1.norm1.bias", "encoder.0.norm.bias"];
        assert_eq!(names.map(|name| several.id(name)), [0, 2, 5]);
        let specialist = layers_of(None);
        assert_eq!([specialist.id("encoder.0.down.weight"), specialist.id("out.weight")], [0, 0]);
    }

    #[test]
    fn a_rate_falls_by_layer_and_the_head_keeps_it() {
        let mut spec = TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation);
        spec.layer_decay = 0.5;
        let two_blocks = || Layers::new(3, |inside| transformer::layer(2, inside));
        let group = grouping(two_blocks(), &spec);
        assert_eq!(group("head.out.weight", 4), Group { lr_scale: 1.0, weight_decay: spec.weight_decay });
        assert_eq!(group("encoder.blocks.1.norm1.weight", 1), Group { lr_scale: 0.5, weight_decay: 0.0 });
        assert_eq!(group("encoder.cls_token", 3).lr_scale, 0.125);
        assert_eq!(group("encoder.blocks.0.attn.lora.q.a", 2).weight_decay, spec.weight_decay);
        spec.layer_decay = 1.0;
        assert_eq!(grouping(two_blocks(), &spec)("encoder.cls_token", 3).lr_scale, 1.0);
    }
}
