//! Position tables for another number of patches.

use std::collections::HashMap;

use crate::{
    nn::resize::{antialiased_bicubic, resize},
    params::NamedTensor,
};

/// A square position table resized to another square one; none for any other difference of shape.
/// The class token's position, which comes first, is kept.
///
/// Only tables of 2-D patches are resized: the 3-D ones of ProFound do not follow the patches'
/// places (docs/decisions.md), so there is nothing to interpolate.
///
/// # Shapes
/// `[1, 1 + g * g, E]` -> `[1, 1 + h * h, E]`
pub fn resized_positions(
    table: &NamedTensor,
    target: &[usize],
    encoder: &HashMap<&str, &NamedTensor>,
) -> Option<Vec<f32>> {
    let (&[1, from, dim], &[1, to, same]) = (table.shape.as_slice(), target) else { return None };
    let flat = encoder.get("encoder.patch_embed.proj.weight").is_some_and(|t| t.shape.len() == 4);
    if table.name != "encoder.pos_embed" || !flat || dim != same {
        return None;
    }
    let (g, h) = (side(from)?, side(to)?);
    let matrix = antialiased_bicubic(g, h);
    let mut out = vec![0.0; to * dim];
    out[..dim].copy_from_slice(&table.data[..dim]);
    for channel in 0..dim {
        let slice: Vec<f32> = table.data[dim..].iter().skip(channel).step_by(dim).copied().collect();
        let small = resize(&slice, [g, g], [h, h], &matrix, &matrix);
        for (at, value) in small.into_iter().enumerate() {
            out[(1 + at) * dim + channel] = value;
        }
    }
    Some(out)
}

/// Patches along one side of a table of `rows` with a class token.
fn side(rows: usize) -> Option<usize> {
    let cells = rows.checked_sub(1)?;
    let side = cells.isqrt();
    (side > 0 && side * side == cells).then_some(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn square_tables_of_flat_patches_alone_are_resized() {
        let tensor = |name: &str, shape: &[usize]| NamedTensor {
            name: name.into(),
            shape: shape.to_vec(),
            data: (0..shape.iter().product()).map(|i| i as f32).collect(),
        };
        let table = tensor("encoder.pos_embed", &[1, 1 + 25, 2]);
        let patches = tensor("encoder.patch_embed.proj.weight", &[2, 3, 14, 14]);
        let flat = HashMap::from([(patches.name.as_str(), &patches)]);
        let ours = resized_positions(&table, &[1, 1 + 9, 2], &flat).unwrap();
        assert_eq!((ours.len(), &ours[..2]), (20, &[0.0, 1.0][..]));
        // Neither another width, nor a grid that is no square, nor a table of 3-D patches.
        assert!(resized_positions(&table, &[1, 1 + 9, 7], &flat).is_none());
        assert!(resized_positions(&table, &[1, 1 + 8, 2], &flat).is_none());
        assert!(resized_positions(&table, &[1, 1 + 9, 2], &HashMap::new()).is_none());
    }
}
