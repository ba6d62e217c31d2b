//! Features of an encoder's layers, taken from a pass that a network makes anyway.

use burn::tensor::{Tensor, backend::Backend};

use super::{convnext::ConvNext, mae_vit::MaeFeatures};

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

/// Of the stages of a ConvNeXt, and of its last one normalised.
pub fn of_convnext<B: Backend>(encoder: &ConvNext<B>, maps: &[Tensor<B, 5>]) -> LayerRows<B> {
    let mut layers: LayerRows<B> =
        maps.iter().enumerate().map(|(i, map)| (format!("stage{i}"), octants(map.clone()))).collect();
    let last = layers.last().map(|(_, rows)| encoder.norm.forward(rows.clone()));
    layers.extend(last.map(|rows| ("pooled".to_owned(), rows)));
    layers
}

/// Of the blocks of a transformer over volumes, and of the last one normalised.
pub fn of_vit<B: Backend>(features: &MaeFeatures<B>) -> LayerRows<B> {
    let blocks = features.blocks.iter().enumerate();
    let mut layers: LayerRows<B> =
        blocks.map(|(i, tokens)| (format!("block{i}"), octants(features.map_of(tokens.clone())))).collect();
    layers.push(("norm".to_owned(), octants(features.map())));
    layers
}

/// Of the blocks of a transformer over slices, and of the last one normalised: means over all tokens and
/// image types of a slice.
///
/// # Shapes
/// `tokens` `[S * M, N, E]` of `s` slices, image types fastest -> `[S, E]`.
pub fn of_slices<B: Backend>(s: usize, blocks: &[Tensor<B, 3>], last: &Tensor<B, 3>) -> LayerRows<B> {
    let pool = |tokens: &Tensor<B, 3>| {
        let [sm, n, e] = tokens.dims();
        tokens.clone().reshape([s, sm / s * n, e]).mean_dim(1).reshape([s, e])
    };
    let mut layers: LayerRows<B> =
        blocks.iter().enumerate().map(|(i, tokens)| (format!("block{i}"), pool(tokens))).collect();
    layers.push(("norm".to_owned(), pool(last)));
    layers
}

/// Of the levels of a U-Net.
pub fn of_levels<B: Backend>(maps: &[Tensor<B, 5>]) -> LayerRows<B> {
    maps.iter().enumerate().map(|(i, map)| (format!("level{i}"), octants(map.clone()))).collect()
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
