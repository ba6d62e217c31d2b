//! Sizes of vision transformers, which two families share.

use std::fmt;

use super::Depths;

/// What tells the size of a transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Values of a token.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
}

/// Sizes with a name: width, depth and heads; `mini` is ours.
const SIZES: [(&str, usize, usize, usize); 5] = [
    ("mini", 96, 4, 3),
    ("mini", 192, 4, 3),
    ("small", 384, 12, 6),
    ("base", 768, 12, 12),
    ("large", 1024, 24, 16),
];

/// Least width of a published size.
const PUBLISHED: usize = 384;

/// Number of attention heads of the sizes with a name, by their width; weights do not tell it.
pub fn known_heads(dim: usize) -> Option<usize> {
    SIZES.iter().find(|(_, width, ..)| *width == dim).map(|(.., heads)| *heads)
}

/// The size of a name.
pub(super) fn named(name: &str) -> Option<Shape> {
    let (_, dim, depth, heads) = *SIZES.iter().find(|(known, ..)| *known == name)?;
    Some(Shape { dim, depth, heads })
}

/// The name of a size, where it has one.
pub(super) fn name(shape: Shape) -> Option<&'static str> {
    let same = |(_, dim, depth, heads): &&(_, usize, usize, usize)| {
        shape == Shape { dim: *dim, depth: *depth, heads: *heads }
    };
    SIZES.iter().find(same).map(|(size, ..)| *size)
}

impl Shape {
    /// See [`super::Encoder::is_small`].
    pub(super) fn is_small(self) -> bool {
        self.dim < PUBLISHED
    }

    /// See [`super::Encoder::unusual_depth`].
    pub(super) fn unusual_depth(self) -> Option<Depths> {
        let (_, _, usual, _) = SIZES.iter().find(|(_, known, ..)| *known == self.dim && !self.is_small())?;
        (*usual != self.depth).then(|| Depths { usual: usual.to_string(), found: self.depth.to_string() })
    }
}

/// `width 384, depth 12, 6 heads`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "width {}, depth {}, {} heads", self.dim, self.depth, self.heads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_known_for_widths_with_a_name_only() {
        assert_eq!([384, 768, 1024, 96, 24].map(known_heads), [Some(6), Some(12), Some(16), Some(3), None]);
    }
}
