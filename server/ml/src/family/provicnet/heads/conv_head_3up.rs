//! ProViCNet's deeper convolution head (`conv3`).

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::conv_head::ConvNorm;
use crate::family::{ModuleNames, provicnet::slice_head::double};
use crate::nn::{Mode, conv::SameConv2d, kernels::Kernels};

/// Three times enlarged by two (nearest neighbour), each followed by two convolutions.
#[derive(Module, Debug)]
pub struct ConvHead3Up<B: Backend> {
    pub up1: Up<B>,
    pub up2: Up<B>,
    pub up3: LastUp<B>,
}

/// Two convolutions at one resolution.
#[derive(Module, Debug)]
pub struct Up<B: Backend> {
    pub first: ConvNorm<B>,
    pub second: ConvNorm<B>,
}

/// A convolution, and the one that gives classes.
#[derive(Module, Debug)]
pub struct LastUp<B: Backend> {
    pub first: ConvNorm<B>,
    pub out: SameConv2d<B>,
}

/// Upstream numbers the layers, and counts what stands between them.
pub(crate) const TWO: ModuleNames = ModuleNames {
    module: "Up",
    parts: &[("first.conv", "1"), ("first.norm", "2"), ("second.conv", "4"), ("second.norm", "5")],
    tokens: &[],
};

/// As [`TWO`].
pub(crate) const LAST: ModuleNames = ModuleNames {
    module: "LastUp",
    parts: &[("first.conv", "1"), ("first.norm", "2"), ("out", "4")],
    tokens: &[],
};

impl<B: Backend> Up<B> {
    fn new(from: usize, middle: usize, to: usize, device: &B::Device) -> Self {
        Self { first: ConvNorm::new(from, middle, device), second: ConvNorm::new(middle, to, device) }
    }
}

impl<B: Backend> ConvHead3Up<B> {
    /// A head of zeros for tokens of `features` values.
    pub fn new(features: usize, out: usize, device: &B::Device) -> Self {
        Self {
            up1: Up::new(features, 256, 128, device),
            up2: Up::new(128, 128, 64, device),
            up3: LastUp { first: ConvNorm::new(64, 64, device), out: SameConv2d::new(64, out, 3, device) },
        }
    }

    /// # Shapes
    /// `[S, features, h, w]` -> `[S, out, 8h, 8w]`.
    pub fn forward(&self, map: Tensor<B, 4>, mode: Mode) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        let x = [&self.up1, &self.up2].into_iter().fold(map, |x, up| {
            let x = up.first.forward(double(x), mode);
            up.second.forward(x, mode)
        });
        self.up3.out.forward(self.up3.first.forward(double(x), mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    #[test]
    fn a_token_becomes_eight_by_eight_pixels() {
        let device = Default::default();
        let head = ConvHead3Up::<Flex>::new(5, 4, &device);
        let out = head.forward(Tensor::ones([2, 5, 2, 3], &device), Mode::Eval);
        assert_eq!(out.dims(), [2, 4, 16, 24]);
    }
}
