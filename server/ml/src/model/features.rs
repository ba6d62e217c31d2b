//! Features of an encoder's layers, taken from a pass that a network makes anyway.

use burn::tensor::{Tensor, backend::Backend};

/// Layers of an encoder, first to last: name and rows of features, `[rows, channels]`. A volume gives a row for
/// each of its eight octants, slices one row each.
pub type LayerRows<B> = Vec<(String, Tensor<B, 2>)>;

/// Means over the octants of maps; where an axis has one cell both halves are that cell.
///
/// # Shapes
/// `[B, C, D, H, W]` -> `[B * 8, C]`, the octants of a volume in a row.
pub fn octants<B: Backend>(map: Tensor<B, 5>) -> Tensor<B, 2> {
    let [b, c, d, h, w] = map.dims();
    let halves = |n: usize| if n < 2 { [(0, 1), (0, 1)] } else { [(0, n / 2), (n / 2, n - n / 2)] };
    let mut means = Vec::with_capacity(8);
    for (z, depth) in halves(d) {
        let slab = map.clone().narrow(2, z, depth);
        for (y, height) in halves(h) {
            let bar = slab.clone().narrow(3, y, height);
            for (x, width) in halves(w) {
                let part = bar.clone().narrow(4, x, width);
                means.push(part.reshape([b, c, depth * height * width]).mean_dim(2).reshape([b, 1, c]));
            }
        }
    }
    Tensor::cat(means, 1).reshape([b * 8, c])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;
    use burn_flex::Flex;

    #[test]
    fn octants_are_means_of_their_part() {
        let values: Vec<f32> = (0..2 * 2 * 3 * 2).map(|i| i as f32).collect();
        let map = Tensor::<Flex, 5>::from_data(TensorData::new(values, [1, 2, 2, 3, 2]), &Default::default());
        let rows = octants(map).into_data().to_vec::<f32>().unwrap();
        // Channel by channel: depth, height 1 and 2 of 3, width.
        assert_eq!(rows.len(), 16);
        assert_eq!(rows[..4], [0.0, 12.0, 1.0, 13.0]);
        assert_eq!(rows[4..6], [(2.0 + 4.0) / 2.0, (14.0 + 16.0) / 2.0]);
        let flat = Tensor::<Flex, 5>::ones([2, 3, 1, 1, 4], &Default::default());
        assert_eq!(octants(flat).dims(), [16, 3]);
    }
}
