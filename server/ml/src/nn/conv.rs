//! Convolutions that keep the size: odd kernel, stride 1, zero padding `k / 2`.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

use super::{
    kernels::Kernels,
    precision::{full, low},
};

/// 3-D convolution.
#[derive(Module, Debug)]
pub struct SameConv3d<B: Backend> {
    /// `[C_out, C_in, k, k, k]`
    pub weight: Param<Tensor<B, 5>>,
    /// `[C_out]`
    pub bias: Option<Param<Tensor<B, 1>>>,
}

/// 2-D convolution.
#[derive(Module, Debug)]
pub struct SameConv2d<B: Backend> {
    /// `[C_out, C_in, k, k]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[C_out]`
    pub bias: Param<Tensor<B, 1>>,
}

fn conv<B: Kernels>(x: Tensor<B, 5>, weight: Tensor<B, 5>, bias: Option<Tensor<B, 1>>) -> Tensor<B, 5> {
    let c = weight.dims()[0];
    let (x, weight) = (low(x), low(weight));
    let zeros = || Tensor::zeros([c], (&x.device(), x.dtype()));
    // A sum over all voxels, such as a bias's gradient, has no place in a lower precision.
    let (inside, after) = match bias {
        Some(bias) if x.dtype() == bias.dtype() => (bias, None),
        Some(bias) => (zeros(), Some(bias.reshape([1, c, 1, 1, 1]))),
        None => (zeros(), None),
    };
    let y = full(Tensor::from_primitive(TensorPrimitive::Float(B::conv(
        x.into_primitive().tensor(),
        weight.into_primitive().tensor(),
        inside.reshape([1, c, 1, 1, 1]).into_primitive().tensor(),
    ))));
    match after {
        Some(bias) => y + bias,
        None => y,
    }
}

impl<B: Backend> SameConv3d<B> {
    /// A layer of zeros; weights come from [`crate::init`] or a checkpoint.
    pub fn new(from: usize, to: usize, k: usize, device: &B::Device) -> Self {
        Self {
            weight: Initializer::Zeros.init([to, from, k, k, k], device),
            bias: Some(Initializer::Zeros.init([to], device)),
        }
    }

    /// As [`SameConv3d::new`], nothing added after the sum.
    pub fn without_bias(from: usize, to: usize, k: usize, device: &B::Device) -> Self {
        Self { bias: None, ..Self::new(from, to, k, device) }
    }

    /// # Shapes
    /// `[B, C_in, D, H, W]` -> `[B, C_out, D, H, W]`.
    pub fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        conv(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

impl<B: Backend> SameConv2d<B> {
    /// A layer of zeros; weights come from [`crate::init`] or a checkpoint.
    pub fn new(from: usize, to: usize, k: usize, device: &B::Device) -> Self {
        Self {
            weight: Initializer::Zeros.init([to, from, k, k], device),
            bias: Initializer::Zeros.init([to], device),
        }
    }

    /// # Shapes
    /// `[B, C_in, H, W]` -> `[B, C_out, H, W]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        let ([b, from, h, w], to) = (x.dims(), self.weight.dims()[0]);
        self.forward_slices(x.reshape([b, from, 1, h, w])).reshape([b, to, h, w])
    }

    /// The same kernel in every slice of a volume.
    ///
    /// # Shapes
    /// `[B, C_in, D, H, W]` -> `[B, C_out, D, H, W]`.
    pub fn forward_slices(&self, x: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let [to, from, kh, kw] = self.weight.dims();
        conv(x, self.weight.val().reshape([to, from, 1, kh, kw]), Some(self.bias.val()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::tensor::{Distribution, module::conv3d, ops::ConvOptions};
    use burn_flex::Flex;

    type A = Autodiff<Flex>;

    /// Value and the three gradients agree with burn's convolution to 1e-5 of the largest value, on sizes
    /// that are no multiple of a vector and channels that fill no group.
    #[test]
    fn agrees_with_burn() {
        for (batch, from, to, space, kernel) in [
            (2, 3, 5, [4, 6, 13], [3, 3, 3]),
            (1, 11, 8, [3, 5, 40], [3, 3, 3]),
            (3, 4, 7, [1, 9, 33], [1, 3, 3]),
            (1, 1, 1, [1, 1, 1], [3, 3, 3]),
            (2, 6, 3, [2, 3, 16], [1, 1, 1]),
            (1, 2, 4, [3, 8, 9], [5, 5, 5]),
            (1, 2, 2, [4, 7, 11], [3, 5, 7]),
        ] {
            let device = Default::default();
            let random5 = |shape: [usize; 5]| {
                Tensor::<A, 5>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad()
            };
            let ([d, h, w], [kd, kh, kw]) = (space, kernel);
            let x = random5([batch, from, d, h, w]);
            let weight = random5([to, from, kd, kh, kw]);
            let bias = Tensor::<A, 1>::random([to], Distribution::Normal(0.0, 1.0), &device).require_grad();
            let up = random5([batch, to, d, h, w]).detach();
            let ours = conv(x.clone(), weight.clone(), Some(bias.clone()));
            let options = ConvOptions::new([1; 3], kernel.map(|k| k / 2), [1; 3], 1);
            let theirs = conv3d(x.clone(), weight.clone(), Some(bias.clone()), options);
            fn close<const D: usize>(a: Tensor<Flex, D>, b: Tensor<Flex, D>) {
                let worst = (a - b.clone()).abs().max().into_scalar();
                let scale = b.abs().max().into_scalar();
                assert!(worst <= 1e-5 * scale, "{worst} of {scale}");
            }
            close(ours.clone().inner(), theirs.clone().inner());
            let a = (ours * up.clone()).sum().backward();
            let b = (theirs * up).sum().backward();
            close(x.grad(&a).unwrap(), x.grad(&b).unwrap());
            close(weight.grad(&a).unwrap(), weight.grad(&b).unwrap());
            close(bias.grad(&a).unwrap(), bias.grad(&b).unwrap());
        }
    }
}
