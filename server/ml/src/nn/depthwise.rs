//! Depth-wise 3-D convolution: the layer, and its loops for the CPU.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{
    direct::{contiguous, dims, tensor},
    kernels::Kernels,
    precision::{full, low},
};

/// Depth-wise convolution with odd kernel `k`, stride 1 and zero padding `k / 2`.
#[derive(Module, Debug)]
pub struct DepthwiseConv3d<B: Backend> {
    /// `[C, 1, k, k, k]`
    pub weight: Param<Tensor<B, 5>>,
    /// `[C]`
    pub bias: Param<Tensor<B, 1>>,
    kernel: usize,
}

impl<B: Backend> DepthwiseConv3d<B> {
    /// A layer of zeros; weights come from [`crate::init`] or a checkpoint.
    pub fn new(channels: usize, kernel: usize, device: &B::Device) -> Self {
        Self {
            weight: Initializer::Zeros.init([channels, 1, kernel, kernel, kernel], device),
            bias: Initializer::Zeros.init([channels], device),
            kernel,
        }
    }

    /// # Shapes
    /// `[B, C, D, H, W]` -> the same.
    pub fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let channels = x.dims()[1];
        let out = B::depthwise(
            low(x).into_primitive().tensor(),
            low(self.weight.val()).into_primitive().tensor(),
            self.kernel,
        );
        full(Tensor::from_primitive(TensorPrimitive::Float(out)))
            + self.bias.val().reshape([1, channels, 1, 1, 1])
    }
}

/// One volume with a zero border of `pad` voxels on every side, rows padded at the end so that
/// whole vectors can be read.
struct Padded {
    data: Vec<f32>,
    rows: usize,
    stride: usize,
}

/// Values computed side by side; a multiple of every SIMD width in use.
const LANES: usize = 8;

impl Padded {
    fn new(volume: &[f32], [d, h, w]: [usize; 3], pad: usize) -> Self {
        let rows = h + 2 * pad;
        let stride = w.next_multiple_of(LANES) + 2 * pad;
        let mut data = vec![0.0; (d + 2 * pad) * rows * stride];
        for z in 0..d {
            for y in 0..h {
                let to = ((z + pad) * rows + y + pad) * stride + pad;
                let from = (z * h + y) * w;
                data[to..to + w].copy_from_slice(&volume[from..from + w]);
            }
        }
        Self { data, rows, stride }
    }

    /// The padded row `(z, y)`, in padded coordinates.
    fn row(&self, z: usize, y: usize) -> &[f32] {
        let start = (z * self.rows + y) * self.stride;
        &self.data[start..start + self.stride]
    }
}

/// Cross-correlation of every channel with its kernel; with `flipped` kernels it is the gradient
/// with respect to the input. The result does not depend on the number of threads.
pub(super) fn forward(x: FlexTensor, weight: FlexTensor, k: usize, flipped: bool) -> FlexTensor {
    let shape = dims(&x);
    let [_, c, d, h, w] = shape;
    let (x, weight) = (contiguous(&x), contiguous(&weight));
    let (xs, ws) = (x.storage::<f32>(), weight.storage::<f32>());
    let voxels = d * h * w;
    let mut out = vec![0.0f32; xs.len()];
    out.par_chunks_mut(voxels.max(1)).enumerate().for_each(|(index, out)| {
        let channel = index % c;
        let padded = Padded::new(&xs[index * voxels..(index + 1) * voxels], [d, h, w], k / 2);
        let mut taps = ws[channel * k * k * k..(channel + 1) * k * k * k].to_vec();
        if flipped {
            taps.reverse();
        }
        match k {
            7 => correlate::<7>(&padded, &taps, out, [d, h, w]),
            5 => correlate::<5>(&padded, &taps, out, [d, h, w]),
            3 => correlate::<3>(&padded, &taps, out, [d, h, w]),
            _ => correlate_any(&padded, &taps, out, [d, h, w], k),
        }
    });
    tensor(out, shape)
}

fn correlate<const K: usize>(padded: &Padded, taps: &[f32], out: &mut [f32], [d, h, w]: [usize; 3]) {
    for z in 0..d {
        for y in 0..h {
            let row = &mut out[(z * h + y) * w..(z * h + y + 1) * w];
            for (block, out) in row.chunks_mut(LANES).enumerate() {
                let mut acc = [0.0f32; LANES];
                for kz in 0..K {
                    for ky in 0..K {
                        let input = &padded.row(z + kz, y + ky)[block * LANES..];
                        let taps: &[f32] = &taps[(kz * K + ky) * K..(kz * K + ky + 1) * K];
                        let input = &input[..LANES + K - 1];
                        for (kx, tap) in taps.iter().enumerate() {
                            for lane in 0..LANES {
                                acc[lane] += tap * input[kx + lane];
                            }
                        }
                    }
                }
                let n = out.len();
                out.copy_from_slice(&acc[..n]);
            }
        }
    }
}

fn correlate_any(padded: &Padded, taps: &[f32], out: &mut [f32], [d, h, w]: [usize; 3], k: usize) {
    for z in 0..d {
        for y in 0..h {
            for x in 0..w {
                let mut acc = 0.0;
                for kz in 0..k {
                    for ky in 0..k {
                        let input = &padded.row(z + kz, y + ky)[x..x + k];
                        let taps = &taps[(kz * k + ky) * k..(kz * k + ky + 1) * k];
                        acc += input.iter().zip(taps).map(|(a, b)| a * b).sum::<f32>();
                    }
                }
                out[(z * h + y) * w + x] = acc;
            }
        }
    }
}

/// Gradient with respect to the kernels: `grad[c, kz, ky, kx] = sum over b, z, y, x of
/// g[b, c, z, y, x] * x_padded[b, c, z + kz, y + ky, x + kx]`, summed over the batch in order.
pub(super) fn grad_weight(x: FlexTensor, grad: FlexTensor, k: usize) -> FlexTensor {
    let [b, c, d, h, w] = dims(&x);
    let (x, grad) = (contiguous(&x), contiguous(&grad));
    let (xs, gs) = (x.storage::<f32>(), grad.storage::<f32>());
    let voxels = d * h * w;
    let wide = w.next_multiple_of(LANES);
    let mut out = vec![0.0f32; c * k * k * k];
    out.par_chunks_mut((k * k * k).max(1)).enumerate().for_each(|(channel, out)| {
        // Lane sums of every tap, folded once at the end.
        let mut sums = vec![[0.0f32; LANES]; k * k * k];
        let mut row = vec![0.0f32; wide];
        for sample in 0..b {
            let at = (sample * c + channel) * voxels;
            let padded = Padded::new(&xs[at..at + voxels], [d, h, w], k / 2);
            for z in 0..d {
                for y in 0..h {
                    let from = at + (z * h + y) * w;
                    row[..w].copy_from_slice(&gs[from..from + w]);
                    for kz in 0..k {
                        for ky in 0..k {
                            let input = padded.row(z + kz, y + ky);
                            let sums = &mut sums[(kz * k + ky) * k..(kz * k + ky + 1) * k];
                            for (kx, sum) in sums.iter_mut().enumerate() {
                                let mut acc = *sum;
                                for (g, v) in row.chunks_exact(LANES).zip(input[kx..].chunks_exact(LANES)) {
                                    for lane in 0..LANES {
                                        acc[lane] += g[lane] * v[lane];
                                    }
                                }
                                *sum = acc;
                            }
                        }
                    }
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            *out = sum.iter().sum();
        }
    });
    tensor(out, [c, 1, k, k, k])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::tensor::{Distribution, module::conv3d, ops::ConvOptions};
    use burn_flex::Flex;

    type A = Autodiff<Flex>;

    /// Value and both gradients agree with burn's grouped convolution on odd sizes.
    #[test]
    fn agrees_with_the_grouped_convolution() {
        for (shape, k) in
            [([2, 3, 5, 6, 13], 7), ([1, 2, 3, 4, 8], 5), ([1, 1, 1, 1, 1], 3), ([1, 2, 4, 9, 5], 9)]
        {
            let device = Default::default();
            let x = Tensor::<A, 5>::random(shape, Distribution::Default, &device).require_grad();
            let weight =
                Tensor::<A, 5>::random([shape[1], 1, k, k, k], Distribution::Default, &device).require_grad();
            let up = Tensor::<A, 5>::random(shape, Distribution::Default, &device);
            let ours = Tensor::<A, 5>::from_primitive(TensorPrimitive::Float(A::depthwise(
                x.clone().into_primitive().tensor(),
                weight.clone().into_primitive().tensor(),
                k,
            )));
            let options = ConvOptions::new([1; 3], [k / 2; 3], [1; 3], shape[1]);
            let theirs = conv3d(x.clone(), weight.clone(), None, options);
            let close = |a: Tensor<Flex, 5>, b: Tensor<Flex, 5>| {
                let worst = (a - b.clone()).abs().max().into_scalar();
                let scale = b.abs().max().into_scalar();
                assert!(worst <= 1e-5 * scale, "{worst} of {scale}");
            };
            close(ours.clone().inner(), theirs.clone().inner());
            let a = (ours * up.clone()).sum().backward();
            let b = (theirs * up).sum().backward();
            close(x.grad(&a).unwrap(), x.grad(&b).unwrap());
            close(weight.grad(&a).unwrap(), weight.grad(&b).unwrap());
        }
    }
}
