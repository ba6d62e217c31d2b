//! How fast each parameter of a ConvNeXt encoder is fine-tuned: learning rates that fall with the
//! distance from the output, and which parameters decay.
//!
//! Names are PyTorch's, relative to the encoder.
//!
//! # Source
//! ProFound, `util/convnext_optim.py`, after ConvNeXt's (MIT).

/// How layers are numbered from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// A number a block; a downsampling has that of its stage's first block.
    Single,
    /// Twelve groups, made for depths 3, 3, 27, 3: stages 0 and 1 are one each, stage 2 is one every
    /// three blocks, stage 3 is the twelfth. With other depths numbers are left out or pass the top,
    /// and upstream's rates are by these numbers all the same.
    Group,
}

/// Learning rates by layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerDecay {
    pub numbering: Numbering,
    /// Blocks of the four stages.
    pub depths: [usize; 4],
    /// Factor from one layer to the one before it, at most 1.
    pub decay: f64,
}

/// The last of [`Numbering::Group`] but for what follows the stages.
const LAST_GROUP: usize = 12;

impl LayerDecay {
    /// Number of the blocks.
    fn blocks(&self) -> usize {
        self.depths.iter().sum()
    }

    /// The layer of a parameter; what belongs to no stage is above all of them.
    pub fn layer(&self, name: &str) -> usize {
        let mut parts = name.split('.');
        let kind = parts.next();
        let mut number = || parts.next().and_then(|n| n.parse::<usize>().ok());
        let before = |stage: usize| self.depths.iter().take(stage).sum::<usize>();
        let found = match (self.numbering, kind) {
            (Numbering::Single, Some("downsample_layers")) => number().map(|stage| before(stage) + 1),
            (Numbering::Single, Some("stages")) => {
                number().zip(number()).map(|(stage, block)| before(stage) + block + 1)
            }
            (Numbering::Group, Some("downsample_layers")) => number().map(|stage| match stage {
                0 => 0,
                1 | 2 => stage + 1,
                _ => LAST_GROUP,
            }),
            (Numbering::Group, Some("stages")) => number().zip(number()).map(|(stage, block)| match stage {
                0 | 1 => stage + 1,
                2 => 3 + block / 3,
                _ => LAST_GROUP,
            }),
            _ => None,
        };
        found.unwrap_or(match self.numbering {
            Numbering::Single => self.blocks() + 1,
            Numbering::Group => LAST_GROUP + 1,
        })
    }

    /// Share of the learning rate: the decay to the power of the layers above, of which there are as many
    /// as blocks and one.
    pub fn scale(&self, name: &str) -> f64 {
        self.decay.powi((self.blocks() + 1).saturating_sub(self.layer(name)) as i32)
    }
}

/// Whether weight decay applies to a parameter of an encoder: not to biases, normalisations and GRN.
pub fn decays(name: &str, rank: usize) -> bool {
    let last = name.rsplit('.').next();
    rank > 1 && !matches!(last, Some("bias" | "gamma" | "beta"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_numbered_as_upstream_numbers_them() {
        let single = LayerDecay { numbering: Numbering::Single, depths: [3, 3, 9, 3], decay: 0.5 };
        let group = LayerDecay { numbering: Numbering::Group, ..single };
        for (name, by_block, by_group) in [
            ("downsample_layers.0.0.weight", 1, 0),
            ("downsample_layers.1.1.bias", 4, 2),
            ("downsample_layers.2.0.weight", 7, 3),
            ("downsample_layers.3.1.weight", 16, 12),
            ("stages.0.2.norm.weight", 3, 1),
            ("stages.2.8.grn.gamma", 15, 5),
            ("stages.3.2.pwconv2.weight", 18, 12),
            ("norm.weight", 19, 13),
            ("stages.first", 19, 13),
        ] {
            assert_eq!((single.layer(name), group.layer(name)), (by_block, by_group), "{name}");
        }
        assert_eq!(single.scale("norm.weight"), 1.0);
        assert_eq!(single.scale("stages.3.2.norm.bias"), 0.5);
        assert_eq!(group.scale("norm.weight"), 0.5f64.powi(6));
    }

    #[test]
    fn weights_decay_and_nothing_else() {
        assert!(decays("stages.0.0.pwconv1.weight", 2));
        assert!(!decays("stages.0.0.norm.weight", 1));
        assert!(!decays("stages.0.0.grn.gamma", 5));
        assert!(!decays("proj.bias", 2));
    }
}
