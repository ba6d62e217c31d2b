//! ProFound's classifier: the pooled features through a narrow normalised layer.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Tensor, activation::relu, backend::Backend};

use crate::{
    family::{
        ModuleNames,
        profound_conv::convnext::{ConvNext, ConvNextConfig},
    },
    nn::{Mode, batch_norm::BatchNorm, kernels::Kernels, linear::linear},
};

/// Channels between the two layers, as published.
pub const BOTTLENECK: usize = 256;

/// Encoder and head.
#[derive(Module, Debug)]
pub struct Classifier<B: Backend> {
    pub encoder: ConvNext<B>,
    pub head: ClassifierHead<B>,
}

/// Linear layer, batch normalisation, ReLU, linear layer.
#[derive(Module, Debug)]
pub struct ClassifierHead<B: Backend> {
    pub bottleneck: Bottleneck<B>,
    pub classes: Linear<B>,
}

/// A normalised linear layer.
#[derive(Module, Debug)]
pub struct Bottleneck<B: Backend> {
    pub linear: Linear<B>,
    pub norm: BatchNorm<B>,
}

/// Upstream's names of the head's parts.
pub(crate) const NAMES: ModuleNames = ModuleNames {
    module: "ClassifierHead",
    parts: &[("bottleneck.linear", "0"), ("bottleneck.norm", "1"), ("classes", "3")],
    tokens: &[],
};

impl<B: Backend> ClassifierHead<B> {
    /// A head of zeros from `features` channels to `classes` logits.
    pub fn new(features: usize, bottleneck: usize, classes: usize, device: &B::Device) -> Self {
        Self {
            bottleneck: Bottleneck {
                linear: linear(features, bottleneck, device),
                norm: BatchNorm::new(bottleneck, device),
            },
            classes: linear(bottleneck, classes, device),
        }
    }

    /// Logits.
    ///
    /// # Shapes
    /// `[B, features]` -> `[B, classes]`.
    pub fn forward(&self, pooled: Tensor<B, 2>, mode: Mode) -> Tensor<B, 2> {
        let hidden = self.bottleneck.linear.forward(pooled);
        self.classes.forward(relu(self.bottleneck.norm.forward(hidden, mode)))
    }
}

impl<B: Backend> Classifier<B> {
    /// A network of zeros; published: [`ConvNextConfig::tiny`] and [`BOTTLENECK`].
    pub fn new(config: &ConvNextConfig, bottleneck: usize, classes: usize, device: &B::Device) -> Self {
        Self {
            encoder: ConvNext::new(config, device),
            head: ClassifierHead::new(config.dims[3], bottleneck, classes, device),
        }
    }
}

impl<B: Kernels> Classifier<B> {
    /// The features that the head is given.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` -> `[B, dims[3]]`.
    pub fn pooled(&self, x: Tensor<B, 5>) -> Tensor<B, 2> {
        let last = self.encoder.stages(x, None).pop().expect("an encoder has four stages");
        self.encoder.pooled(last)
    }

    /// Logits.
    ///
    /// # Shapes
    /// `[B, C, D, H, W]` -> `[B, classes]`.
    pub fn forward(&self, x: Tensor<B, 5>, mode: Mode) -> Tensor<B, 2> {
        self.head.forward(self.pooled(x), mode)
    }
}
