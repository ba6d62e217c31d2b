//! Convolutions whose stride is their kernel, as matrix products: patches in, patches out.

use super::precision::product;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Tensor, backend::Backend};

/// Convolution with `stride == kernel` and no padding, written as one matrix product.
#[derive(Module, Debug)]
pub struct PatchConv3d<B: Backend> {
    /// `[C_out, C_in, kD, kH, kW]`
    pub weight: Param<Tensor<B, 5>>,
    /// `[C_out]`
    pub bias: Option<Param<Tensor<B, 1>>>,
}

impl<B: Backend> PatchConv3d<B> {
    pub fn new(c_in: usize, c_out: usize, [kd, kh, kw]: [usize; 3], device: &B::Device) -> Self {
        Self {
            weight: Initializer::Zeros.init([c_out, c_in, kd, kh, kw], device),
            bias: Some(Initializer::Zeros.init([c_out], device)),
        }
    }

    /// As [`PatchConv3d::new`], nothing added after the sum.
    pub fn without_bias(c_in: usize, c_out: usize, kernel: [usize; 3], device: &B::Device) -> Self {
        Self { bias: None, ..Self::new(c_in, c_out, kernel, device) }
    }

    /// # Shapes
    /// `[B, C_in, D, H, W]` -> `[B, C_out, D/kD, H/kH, W/kW]`; a remainder is cut off, as a
    /// convolution without padding does.
    pub fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        let [c_out, c_in, kd, kh, kw] = self.weight.dims();
        let [b, _, d, h, w] = x.dims();
        let (d, h, w) = (d / kd, h / kh, w / kw);
        let patches = x
            .slice([0..b, 0..c_in, 0..d * kd, 0..h * kh, 0..w * kw])
            .reshape([b, c_in, d, kd, h, kh, w, kw])
            .permute([0, 2, 4, 6, 1, 3, 5, 7])
            .reshape([b * d * h * w, c_in * kd * kh * kw]);
        let weight = self.weight.val().reshape([c_out, c_in * kd * kh * kw]).transpose();
        let y = product(patches, weight);
        let y = match &self.bias {
            Some(bias) => y + bias.val().reshape([1, c_out]),
            None => y,
        };
        y.reshape([b, d * h * w, c_out]).swap_dims(1, 2).reshape([b, c_out, d, h, w])
    }
}

/// Transposed convolution with `stride == kernel`: every voxel becomes a block.
#[derive(Module, Debug)]
pub struct PatchUp3d<B: Backend> {
    /// `[C_in, C_out, kD, kH, kW]`, PyTorch's layout of a transposed convolution.
    pub weight: Param<Tensor<B, 5>>,
    /// `[C_out]`
    pub bias: Option<Param<Tensor<B, 1>>>,
}

impl<B: Backend> PatchUp3d<B> {
    pub fn new(c_in: usize, c_out: usize, [kd, kh, kw]: [usize; 3], device: &B::Device) -> Self {
        Self {
            weight: Initializer::Zeros.init([c_in, c_out, kd, kh, kw], device),
            bias: Some(Initializer::Zeros.init([c_out], device)),
        }
    }

    /// As [`PatchUp3d::new`], nothing added after the sum.
    pub fn without_bias(c_in: usize, c_out: usize, kernel: [usize; 3], device: &B::Device) -> Self {
        Self { bias: None, ..Self::new(c_in, c_out, kernel, device) }
    }

    /// # Shapes
    /// `[B, C_in, D, H, W]` -> `[B, C_out, D*kD, H*kH, W*kW]`.
    pub fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        let [c_in, c_out, kd, kh, kw] = self.weight.dims();
        let [b, _, d, h, w] = x.dims();
        let rows = x.reshape([b, c_in, d * h * w]).swap_dims(1, 2).reshape([b * d * h * w, c_in]);
        let y = product(rows, self.weight.val().reshape([c_in, c_out * kd * kh * kw]));
        let y = y.reshape([b, d, h, w, c_out, kd, kh, kw]).permute([0, 4, 1, 5, 2, 6, 3, 7]).reshape([
            b,
            c_out,
            d * kd,
            h * kh,
            w * kw,
        ]);
        match &self.bias {
            Some(bias) => y + bias.val().reshape([1, c_out, 1, 1, 1]),
            None => y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{
        Distribution,
        module::{conv_transpose3d, conv3d},
        ops::{ConvOptions, ConvTransposeOptions},
    };
    use burn_flex::Flex;

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<Flex, D> {
        Tensor::random(shape, Distribution::Default, &Default::default())
    }

    fn close(a: Tensor<Flex, 5>, b: Tensor<Flex, 5>) {
        assert_eq!(a.dims(), b.dims());
        assert!((a - b).abs().max().into_scalar() < 1e-5);
    }

    #[test]
    fn both_agree_with_burn_and_a_remainder_is_cut() {
        let device = Default::default();
        let mut down = PatchConv3d::<Flex>::without_bias(3, 5, [2, 3, 4], &device);
        down.weight = Param::from_tensor(random([5, 3, 2, 3, 4]));
        let x = random([2, 3, 5, 6, 9]);
        let theirs =
            conv3d(x.clone(), down.weight.val(), None, ConvOptions::new([2, 3, 4], [0; 3], [1; 3], 1));
        close(down.forward(x), theirs);

        let mut up = PatchUp3d::<Flex>::new(3, 5, [2, 3, 4], &device);
        up.weight = Param::from_tensor(random([3, 5, 2, 3, 4]));
        let x = random([2, 3, 2, 3, 4]);
        let options = ConvTransposeOptions::new([2, 3, 4], [0; 3], [0; 3], [1; 3], 1);
        close(up.forward(x.clone()), conv_transpose3d(x, up.weight.val(), None, options));
    }
}
