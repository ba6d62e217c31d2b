//! What is said of a family whatever the size of its networks.

use std::collections::HashMap;

use crate::{checkpoint::Form, params::NamedTensor};

/// What is said of a family.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The kind of network, in words of cards: `3-D ConvNeXt-V2`.
    pub kind: &'static str,
    /// The short name of its encoders where files are told of; none for a family without.
    pub encoder: Option<&'static str>,
    /// How files hold its encoders.
    pub forms: &'static [Form],
    /// Modules whose parts upstream calls otherwise, or that have tokens.
    pub modules: &'static [ModuleNames],
    /// Weights of the last layer of a network for images, by the heads that it can have: zero at the start.
    pub image_output: &'static [&'static str],
    /// See [`super::resized`].
    pub resized: Resize,
}

/// From a tensor of a file, the shape that is wanted and all tensors of the file's encoder to values of that shape;
/// none where it cannot be.
pub(crate) type Resize = fn(&NamedTensor, &[usize], &HashMap<&str, &NamedTensor>) -> Option<Vec<f32>>;

impl Facts {
    /// Last layers of the heads that all families with an encoder share: the image head, and a linear probe.
    pub const SHARED_IMAGE_OUTPUT: &'static [&'static str] = &["refine.out.weight", "head.linear.weight"];

    /// Of a family whose tensors fit as they are or not at all.
    pub const NEVER_RESIZED: Resize = |_, _, _| None;
}

/// What upstream's checkpoints say of a module beside what its layers tell.
///
/// A table belongs to one type of module and is about what lies within it; no two types of module with a table have
/// one name.
#[derive(Debug)]
pub(crate) struct ModuleNames {
    /// Name of the module's type.
    pub module: &'static str,
    /// Parts that upstream calls otherwise, since it numbers the members of its sequences: ours and upstream's, empty
    /// where upstream has what is within beside the part and not inside. None begins another.
    pub parts: &'static [(&'static str, &'static str)],
    /// Its own parameters that start as random numbers though they are no layer's weights: tokens and learnt tables.
    pub tokens: &'static [&'static str],
}

impl ModuleNames {
    /// Upstream's name of what is called `name` within the module.
    pub(crate) fn upstream(&self, name: &str) -> String {
        let within = |part: &str| {
            let rest = name.strip_prefix(part)?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
        };
        let found = self.parts.iter().find_map(|(ours, theirs)| Some((*theirs, within(ours)?)));
        match found {
            None => name.to_owned(),
            Some(("", rest)) => rest.to_owned(),
            Some((theirs, "")) => theirs.to_owned(),
            Some((theirs, rest)) => format!("{theirs}.{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_upstreams_name_and_others_stay() {
        let names = ModuleNames {
            module: "M",
            parts: &[("stem.conv", "layers.0.0"), ("inner", ""), ("head", "Head")],
            tokens: &[],
        };
        for (ours, theirs) in [
            ("stem.conv.weight", "layers.0.0.weight"),
            ("stem.convolution.weight", "stem.convolution.weight"),
            ("inner.blocks.0", "blocks.0"),
            ("head", "Head"),
            ("norm.bias", "norm.bias"),
        ] {
            assert_eq!(names.upstream(ours), theirs);
        }
    }
}
