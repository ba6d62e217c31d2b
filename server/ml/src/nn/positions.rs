//! Fixed position tables of transformers.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Tensor, TensorData, backend::Backend};

/// A table that is saved with the parameters, as upstream saves it, but that no training and no
/// initialisation changes.
#[derive(Module, Debug)]
pub struct FixedTable<B: Backend> {
    /// `[1, N, E]`
    table: Param<Tensor<B, 3>>,
}

impl<B: Backend> FixedTable<B> {
    /// From `tokens * dim` values, row-major.
    ///
    /// # Panics
    /// When there is another number of values.
    pub fn new(values: Vec<f32>, tokens: usize, dim: usize, device: &B::Device) -> Self {
        let table = Tensor::from_data(TensorData::new(values, [1, tokens, dim]), device);
        Self { table: Param::initialized(ParamId::new(), table) }
    }

    /// The table, `[1, N, E]`; no gradient flows into it.
    pub fn value(&self) -> Tensor<B, 3> {
        self.table.val().detach()
    }
}

/// Sine-cosine codes of the cells of a grid `[D, H, W]`, `dim` values each, row-major
/// `[D * H * W, dim]`: a third for each axis, sines before cosines, at frequencies from 1 down to
/// nearly 1/10000.
///
/// Cells are in the order D, H, W, W fastest, but their codes are not: row `n` has the codes of
/// depth `(n / H) mod D`, of width `n / (D H)` and of height `n mod H`, in this order. So codes are
/// scrambled over the grid unless its sides are equal; every cell still has its own. Published weights
/// were trained with this table.
///
/// # Panics
/// When `dim` is no multiple of 6.
///
/// # Source
/// ProFound, `util/pos_embed.py` (Apache-2.0), which lets `np.meshgrid` order its axes as (W, D, H)
/// and reads the result as if it were (D, H, W).
pub fn sine_cosine(grid: [usize; 3], dim: usize) -> Vec<f32> {
    assert!(dim.is_multiple_of(6), "a third of {dim} values is no pair of halves");
    let [d, h, w] = grid;
    let half = dim / 6;
    let mut table = Vec::with_capacity(d * h * w * dim);
    for n in 0..d * h * w {
        for position in [n / h % d, n / (d * h), n % h] {
            let angle = |k: usize| position as f64 * 10_000f64.powf(-(k as f64) / half as f64);
            table.extend((0..half).map(|k| angle(k).sin() as f32));
            table.extend((0..half).map(|k| angle(k).cos() as f32));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_the_published_order_and_all_different() {
        let (grid, dim) = ([2, 3, 4], 12);
        let table = sine_cosine(grid, dim);
        let rows: Vec<&[f32]> = table.chunks(dim).collect();
        assert_eq!(rows.len(), 24);
        assert_eq!(rows[0], [0.0, 0.0, 1.0, 1.0].repeat(3));
        // Row 11 = 1 * (2 * 3) + 1 * 3 + 2: depth 1, width 1, height 2.
        let code = |p: f64| [p.sin(), (p * 0.01).sin(), p.cos(), (p * 0.01).cos()].map(|v| v as f32);
        assert_eq!(rows[11], [code(1.0), code(1.0), code(2.0)].concat());
        for (i, a) in rows.iter().enumerate() {
            assert!(rows[..i].iter().all(|b| a != b));
        }
    }
}
