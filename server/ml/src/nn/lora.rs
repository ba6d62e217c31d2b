//! Low-rank additions to linear layers.
//!
//! They are parameters of their own beside the layer that they belong to, and stay so in checkpoints:
//! a training that goes on needs both factors, and added to the layer's matrix they could not be told
//! from it any more.

use crate::nn::precision::product;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Tensor, backend::Backend};

use crate::{
    init::stream,
    params::{Fill, fill},
};
use rand_distr::{Distribution, Normal};

/// `x A B`, to be added to what a linear layer makes of `x`.
///
/// # Source
/// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), with alpha equal to the
/// rank, so that nothing is scaled.
#[derive(Module, Debug)]
pub struct LowRank<B: Backend> {
    /// `[in, rank]`
    pub a: Param<Tensor<B, 2>>,
    /// `[rank, out]`, zero at the start: training begins with the layer as it was.
    pub b: Param<Tensor<B, 2>>,
}

impl<B: Backend> LowRank<B> {
    /// An addition of zeros, to be filled by [`random`] or a checkpoint.
    pub fn new(from: usize, to: usize, rank: usize, device: &B::Device) -> Self {
        Self {
            a: Initializer::Zeros.init([from, rank], device),
            b: Initializer::Zeros.init([rank, to], device),
        }
    }

    /// # Shapes
    /// `[..., in]` -> `[..., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        let mut dims = x.dims();
        let [from, _] = self.a.dims();
        let rows = dims.iter().product::<usize>() / from;
        dims[D - 1] = self.b.dims()[1];
        product(product(x.reshape([rows, from]), self.a.val()), self.b.val()).reshape(dims)
    }
}

/// Adds what `addition` makes of `x` to `y`, where there is one.
pub fn with<B: Backend, const D: usize>(
    addition: Option<&LowRank<B>>,
    x: Tensor<B, D>,
    y: Tensor<B, D>,
) -> Tensor<B, D> {
    match addition {
        Some(addition) => y + addition.forward(x),
        None => y,
    }
}

/// Additions to the queries and the values of an attention layer.
#[derive(Module, Debug)]
pub struct AttentionLora<B: Backend> {
    pub q: LowRank<B>,
    pub v: LowRank<B>,
}

impl<B: Backend> AttentionLora<B> {
    /// For tokens of `dim` values.
    pub fn new(dim: usize, rank: usize, device: &B::Device) -> Self {
        let new = || LowRank::new(dim, dim, rank, device);
        Self { q: new(), v: new() }
    }
}

/// Additions to the two linear layers of a ConvNeXt block.
#[derive(Module, Debug)]
pub struct PointwiseLora<B: Backend> {
    pub pwconv1: LowRank<B>,
    pub pwconv2: LowRank<B>,
}

impl<B: Backend> PointwiseLora<B> {
    /// For a block of `dim` channels.
    pub fn new(dim: usize, rank: usize, device: &B::Device) -> Self {
        Self {
            pwconv1: LowRank::new(dim, 4 * dim, rank, device),
            pwconv2: LowRank::new(4 * dim, dim, rank, device),
        }
    }
}

/// Whether a parameter belongs to an addition.
pub fn is_lora(name: &str) -> bool {
    name.contains(".lora.")
}

/// Fills the first factor of every addition from a normal distribution of variance `1 / in`, each from a
/// stream of its own.
pub fn random<B: Backend, M: Module<B>>(module: M, seed: u64) -> M {
    fill(module, |name, shape| {
        if !(is_lora(name) && name.ends_with(".a")) {
            return Fill::Keep;
        }
        let deviation = (shape[0] as f32).powf(-0.5);
        let normal = Normal::new(0.0f32, deviation).expect("the deviation is positive and finite");
        let mut rng = stream(seed, name);
        Fill::Values((0..shape.iter().product()).map(|_| normal.sample(&mut rng)).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    #[test]
    fn an_addition_is_the_product_of_its_factors() {
        let device = Default::default();
        let mut addition = LowRank::<Flex>::new(2, 3, 1, &device);
        let x = || Tensor::<Flex, 2>::from_floats([[1.0, 2.0], [0.0, -1.0]], &device);
        assert_eq!(addition.forward(x()).into_data().to_vec::<f32>().unwrap(), [0.0; 6]);
        addition.a = Param::from_tensor(Tensor::from_floats([[1.0], [2.0]], &device));
        addition.b = Param::from_tensor(Tensor::from_floats([[1.0, 0.0, -1.0]], &device));
        let out = with(Some(&addition), x(), Tensor::ones([2, 3], &device));
        assert_eq!(out.into_data().to_vec::<f32>().unwrap(), [6.0, 1.0, -4.0, -1.0, 1.0, 3.0]);
    }
}
