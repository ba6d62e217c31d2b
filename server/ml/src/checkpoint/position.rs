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
pub(super) fn resized(
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
    use crate::reference;

    /// ProViCNet's table of 37 x 37 patches for the 32 x 32 of an image of 448 pixels.
    #[test]
    fn a_table_is_resized_as_dinov2_with_registers_does() {
        let Some(weights) = reference::tensors("models/provicnet_tiny.safetensors") else { return };
        let io = reference::tensors("models/provicnet_tiny_io.safetensors").unwrap();
        let expected_shape = io.shape("pos_embed_resized");
        let tensor = |name: &str, file: &str| NamedTensor {
            name: name.into(),
            shape: weights.shape(file),
            data: weights.f32(file),
        };
        let table = tensor("encoder.pos_embed", "backbone.pos_embed");
        let patches = tensor("encoder.patch_embed.proj.weight", "backbone.patch_embed.proj.weight");
        let encoder = HashMap::from([(patches.name.as_str(), &patches)]);
        let ours = resized(&table, &expected_shape, &encoder).unwrap();
        let ours: Vec<f64> = ours.into_iter().map(f64::from).collect();
        assert!(reference::relative_l2(&ours, &io.f64("pos_embed_resized")) < 1e-5);
        // Neither another width nor a table of 3-D patches.
        assert!(resized(&table, &[1, expected_shape[1], 7], &encoder).is_none());
        assert!(resized(&table, &expected_shape, &HashMap::new()).is_none());
    }
}
