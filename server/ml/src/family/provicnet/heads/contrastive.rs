//! ProViCNet's projection of patch tokens for the patch contrast.
//!
//! # Source
//! DINO's head: three layers, a unit vector, and a weight-normalised layer without bias. Published
//! with 2048 values inside, 256 before and 65536 after the last layer.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Tensor, backend::Backend};

use crate::family::ModuleNames;
use crate::nn::{gelu::gelu, kernels::Kernels, linear::linear};

/// Sizes of a [`ContrastiveHead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContrastiveConfig {
    pub hidden: usize,
    pub bottleneck: usize,
    pub out: usize,
}

impl ContrastiveConfig {
    /// Of the published models.
    pub const PUBLISHED: Self = Self { hidden: 2048, bottleneck: 256, out: 65_536 };
}

/// `W unit(mlp(x))`.
#[derive(Module, Debug)]
pub struct ContrastiveHead<B: Backend> {
    pub mlp: ProjectionMlp<B>,
    pub last_layer: WeightNormLinear<B>,
}

/// Three layers with GELU between.
#[derive(Module, Debug)]
pub struct ProjectionMlp<B: Backend> {
    pub first: Linear<B>,
    pub second: Linear<B>,
    pub third: Linear<B>,
}

/// Upstream numbers the layers, and counts what stands between them.
pub(crate) const NAMES: ModuleNames = ModuleNames {
    module: "ProjectionMlp",
    parts: &[("first", "0"), ("second", "2"), ("third", "4")],
    tokens: &[],
};

/// A linear layer without bias, its rows given by direction and length: `W = g v / |v|`.
#[derive(Module, Debug)]
pub struct WeightNormLinear<B: Backend> {
    /// `[out, 1]`, ones at the start.
    pub weight_g: Param<Tensor<B, 2>>,
    /// `[out, in]`
    pub weight_v: Param<Tensor<B, 2>>,
}

/// Added to squared lengths, so that a vector of zeros stays one and has a gradient: the square of
/// PyTorch's least length.
const TINY: f64 = 1e-24;

impl<B: Backend> ContrastiveHead<B> {
    /// A head of zeros for tokens of `features` values.
    pub fn new(features: usize, config: ContrastiveConfig, device: &B::Device) -> Self {
        let ContrastiveConfig { hidden, bottleneck, out } = config;
        Self {
            mlp: ProjectionMlp {
                first: linear(features, hidden, device),
                second: linear(hidden, hidden, device),
                third: linear(hidden, bottleneck, device),
            },
            last_layer: WeightNormLinear {
                weight_g: Initializer::Ones.init([out, 1], device),
                weight_v: Initializer::Zeros.init([out, bottleneck], device),
            },
        }
    }

    /// # Shapes
    /// `[P, features]` -> `[P, out]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2>
    where
        B: Kernels,
    {
        let x = gelu(self.mlp.first.forward(x));
        let x = gelu(self.mlp.second.forward(x));
        let x = self.mlp.third.forward(x);
        self.last_layer.forward(unit_rows(x))
    }
}

impl<B: Backend> WeightNormLinear<B> {
    /// # Shapes
    /// `[P, in]` -> `[P, out]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x.matmul((unit_rows(self.weight_v.val()) * self.weight_g.val()).transpose())
    }
}

/// Rows divided by their lengths.
fn unit_rows<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let length = (x.clone().square().sum_dim(1) + TINY).sqrt();
    x / length
}
