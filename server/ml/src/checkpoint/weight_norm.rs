//! Weight-normed layers, stored as a length and a direction for every output.

use crate::params::NamedTensor;

/// Endings of a layer's length and direction: of `torch.nn.utils.weight_norm`, and of its
/// successor in `torch.nn.utils.parametrizations`.
const ENDINGS: [(&str, &str); 2] = [
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
];

/// One of the two tensors of a weight-normed layer, and the name of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Length {
        direction: String,
    },
    Direction {
        length: String,
        /// Name of the layer's weight.
        weight: String,
    },
}

/// Which part of a weight-normed layer has this name, if any.
pub(super) fn part(name: &str) -> Option<Part> {
    ENDINGS.iter().find_map(|(length, direction)| {
        if let Some(layer) = name.strip_suffix(length) {
            return Some(Part::Length { direction: format!("{layer}{direction}") });
        }
        let layer = name.strip_suffix(direction)?;
        Some(Part::Direction { length: format!("{layer}{length}"), weight: format!("{layer}.weight") })
    })
}

/// The weight of a weight-normed layer: `g * v / ||v||`, the norm over all axes but the first;
/// none where the shapes do not belong together.
///
/// # Shapes
/// `length [out, 1, ...]`, `direction [out, in, ...]` -> as `direction`. A direction of length
/// zero gives values that are not finite, as in PyTorch.
pub fn merge_weight_norm(length: &NamedTensor, direction: &NamedTensor) -> Option<Vec<f32>> {
    let outputs = *direction.shape.first()?;
    if length.data.len() != outputs || outputs == 0 {
        return None;
    }
    let row = direction.data.len() / outputs;
    if row == 0 {
        return None;
    }
    let mut merged = Vec::with_capacity(direction.data.len());
    for (v, g) in direction.data.chunks_exact(row).zip(&length.data) {
        let norm = v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        merged.extend(v.iter().map(|x| (f64::from(*g) * f64::from(*x) / norm) as f32));
    }
    Some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_their_length() {
        let tensor = |shape: &[usize], data: &[f32]| NamedTensor {
            name: "x".into(),
            shape: shape.to_vec(),
            data: data.to_vec(),
        };
        let merged =
            merge_weight_norm(&tensor(&[2, 1], &[10.0, 1.0]), &tensor(&[2, 2], &[3.0, 4.0, 0.0, -2.0]));
        assert_eq!(merged.unwrap(), [6.0, 8.0, 0.0, -1.0]);
        assert!(merge_weight_norm(&tensor(&[3], &[1.0; 3]), &tensor(&[2, 2], &[1.0; 4])).is_none());
    }

    #[test]
    fn parts_are_known_by_name() {
        let part_of = |name| format!("{:?}", part(name));
        assert_eq!(part_of("a.weight_v"), r#"Some(Direction { length: "a.weight_g", weight: "a.weight" })"#);
        assert_eq!(
            part_of("a.parametrizations.weight.original0"),
            r#"Some(Length { direction: "a.parametrizations.weight.original1" })"#
        );
        assert_eq!(part("a.weight"), None);
    }
}
