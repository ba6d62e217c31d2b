//! Stochastic depth: in training, samples skip residual branches at random.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use rand::RngExt;

use crate::init::stream;

/// Which samples skip which blocks of an encoder in one step; the same in every attempt and on every
/// device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropPath {
    /// Chance to skip the last block; the first one is never skipped, those between in proportion.
    pub rate: f64,
    pub seed: u64,
    pub step: u64,
}

impl DropPath {
    /// Nothing is skipped: evaluation, and encoders that stay as they are.
    pub const NONE: Self = Self { rate: 0.0, seed: 0, step: 0 };

    /// For block `index` of `count`.
    pub fn block(self, index: usize, count: usize) -> BlockDrop {
        let share = if count > 1 { index as f64 / (count - 1) as f64 } else { 0.0 };
        BlockDrop { chance: self.rate * share, index, of: self }
    }
}

/// Which samples skip one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockDrop {
    chance: f64,
    index: usize,
    of: DropPath,
}

impl BlockDrop {
    /// Nothing is skipped.
    pub const NONE: Self = Self { chance: 0.0, index: 0, of: DropPath::NONE };

    /// What is left of a branch of the block: zero for the samples that skip it, and the others enlarged,
    /// so that its mean stays.
    ///
    /// # Shapes
    /// `[B, ...]` -> the same.
    ///
    /// # Source
    /// Huang et al., "Deep Networks with Stochastic Depth" (2016), by sample as in timm.
    pub fn apply<B: Backend, const D: usize>(self, branch: &str, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.chance == 0.0 {
            return x;
        }
        let keep = 1.0 - self.chance;
        let label = format!("drop-path/{}/{}/{branch}", self.of.step, self.index);
        let mut rng = stream(self.of.seed, &label);
        let mut dims = [1; D];
        dims[0] = x.dims()[0];
        let factors: Vec<f32> =
            (0..dims[0]).map(|_| if rng.random_bool(keep) { (1.0 / keep) as f32 } else { 0.0 }).collect();
        let factors = Tensor::<B, D>::from_data(TensorData::new(factors, dims), &x.device());
        x * factors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    #[test]
    fn samples_are_dropped_whole_and_the_mean_stays() {
        let drop = DropPath { rate: 0.4, seed: 1, step: 7 };
        let ones = || Tensor::<Flex, 2>::ones([4000, 2], &Default::default());
        let run = |drop: BlockDrop| drop.apply("x", ones()).into_data().to_vec::<f32>().unwrap();
        let last = run(drop.block(3, 4));
        assert!(
            last.chunks(2)
                .all(|row| row[0] == row[1] && (row[0] == 0.0 || (row[0] - 1.0 / 0.6).abs() < 1e-6))
        );
        assert!((last.iter().sum::<f32>() / 8000.0 - 1.0).abs() < 0.05);
        assert_eq!(last, run(drop.block(3, 4)));
        assert_ne!(last, run(DropPath { step: 8, ..drop }.block(3, 4)));
        for never in [drop.block(0, 4), drop.block(0, 1), DropPath::NONE.block(3, 4), BlockDrop::NONE] {
            assert!(run(never).iter().all(|v| *v == 1.0));
        }
    }
}
