//! Dense convolution on the CPU by direct loops: stride 1, odd kernel, zero padding `k / 2`.
//!
//! Our networks have few channels on large grids, where unrolling the input for a matrix product
//! costs more than the product. Here every vector of the input that is loaded is multiplied into
//! four output channels at once. Results do not depend on the number of threads.

use burn_backend::{DType, Shape, TensorMetadata};
use burn_flex::FlexTensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Output channels computed at once.
const ROWS: usize = 4;
/// Vectors of a row computed at once.
const COLUMNS: usize = 2;
/// The most values that `COLUMNS` vectors hold on any processor; rows are padded to it.
const WIDEST: usize = 32;

/// Sizes of a call.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    from: usize,
    to: usize,
    space: [usize; 3],
    kernel: [usize; 3],
}

impl Sizes {
    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
}

pub(super) fn dims(t: &FlexTensor) -> [usize; 5] {
    let shape = t.shape();
    [shape[0], shape[1], shape[2], shape[3], shape[4]]
}

/// The same tensor with its values in row-major order from the start of its storage.
pub(super) fn contiguous(t: &FlexTensor) -> FlexTensor {
    assert_eq!(t.dtype(), DType::F32, "convolution on the CPU is written for f32");
    if t.is_contiguous() && t.layout().start_offset() == 0 { t.clone() } else { t.to_contiguous() }
}

pub(super) fn tensor(data: Vec<f32>, shape: [usize; 5]) -> FlexTensor {
    FlexTensor::from_data(burn::tensor::TensorData::new(data, Shape::from(shape)))
}

/// A batch of volumes with a zero border, rows long enough to be read by whole vectors.
struct Bordered {
    data: Vec<f32>,
    /// Values of one channel, of one slice and of one row.
    channel: usize,
    slice: usize,
    row: usize,
}

impl Bordered {
    fn new(x: &[f32], [d, h, w]: [usize; 3], kernel: [usize; 3]) -> Self {
        let [pd, ph, pw] = kernel.map(|k| k / 2);
        let row = w.next_multiple_of(WIDEST) + 2 * pw;
        let slice = (h + 2 * ph) * row;
        let channel = (d + 2 * pd) * slice;
        let volumes = x.len() / (d * h * w).max(1);
        let mut data = vec![0.0; volumes * channel];
        data.par_chunks_mut(channel).zip(x.par_chunks(d * h * w)).for_each(|(to, from)| {
            for (i, line) in from.chunks_exact(w).enumerate() {
                let start = (i / h + pd) * slice + (i % h + ph) * row + pw;
                to[start..start + w].copy_from_slice(line);
            }
        });
        Self { data, channel, slice, row }
    }
}

/// `x [B, C_in, D, H, W]`, `weight [C_out, C_in, kD, kH, kW]`, `bias [C_out]` -> `[B, C_out, D, H, W]`.
pub(super) fn forward(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let ([batch, from, d, h, w], [to, _, kd, kh, kw]) = (dims(x), dims(weight));
    let sizes = Sizes { batch, from, to, space: [d, h, w], kernel: [kd, kh, kw] };
    let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
    let taps = packed(weight.storage(), sizes, |s, o, i, t| (o * s.from + i) * s.taps() + t);
    correlate(x.storage(), &taps, bias.storage(), sizes)
}

/// Gradient with respect to the input: correlation of `grad` with the mirrored kernels.
pub(super) fn grad_x(weight: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
    let ([batch, from, d, h, w], [_, to, kd, kh, kw]) = (dims(grad), dims(weight));
    let sizes = Sizes { batch, from, to, space: [d, h, w], kernel: [kd, kh, kw] };
    let (grad, weight) = (contiguous(grad), contiguous(weight));
    let taps = packed(weight.storage(), sizes, |s, o, i, t| (i * s.to + o) * s.taps() + (s.taps() - 1 - t));
    correlate(grad.storage(), &taps, &vec![0.0; to], sizes)
}

/// Kernels as the loops want them, `[C_out / ROWS, C_in, taps, ROWS]`, channels that are not there
/// zero; `at` finds the value of an output channel, input channel and tap.
fn packed(
    weight: &[f32],
    sizes: Sizes,
    at: impl Fn(Sizes, usize, usize, usize) -> usize,
) -> Vec<[f32; ROWS]> {
    let mut taps = Vec::with_capacity(sizes.to.div_ceil(ROWS) * sizes.from * sizes.taps());
    for group in (0..sizes.to).step_by(ROWS) {
        for i in 0..sizes.from {
            for t in 0..sizes.taps() {
                taps.push(std::array::from_fn(|r| {
                    if group + r < sizes.to { weight[at(sizes, group + r, i, t)] } else { 0.0 }
                }));
            }
        }
    }
    taps
}

fn correlate(x: &[f32], taps: &[[f32; ROWS]], bias: &[f32], sizes: Sizes) -> FlexTensor {
    let [d, h, w] = sizes.space;
    let input = Bordered::new(x, sizes.space, sizes.kernel);
    // Slices first, so that each is one task; put in order afterwards.
    let plane = h * w;
    let mut slices = vec![0.0f32; sizes.batch * d * sizes.to * plane];
    let arch = Arch::new();
    slices.par_chunks_mut((sizes.to * plane).max(1)).enumerate().for_each(|(index, out)| {
        arch.dispatch(Slice { input: &input, taps, bias, sizes, sample: index / d, z: index % d, out });
    });
    let shape = [sizes.batch, sizes.to, d, h, w];
    if d == 1 {
        return tensor(slices, shape);
    }
    let mut out = vec![0.0f32; slices.len()];
    out.par_chunks_mut(plane.max(1)).enumerate().for_each(|(index, out)| {
        let (z, c, b) = (index % d, index / d % sizes.to, index / (d * sizes.to));
        let from = ((b * d + z) * sizes.to + c) * plane;
        out.copy_from_slice(&slices[from..from + plane]);
    });
    tensor(out, shape)
}

/// All output channels of one slice.
struct Slice<'a> {
    input: &'a Bordered,
    taps: &'a [[f32; ROWS]],
    bias: &'a [f32],
    sizes: Sizes,
    sample: usize,
    z: usize,
    /// `[C_out, H, W]`
    out: &'a mut [f32],
}

impl WithSimd for Slice<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.sizes.kernel[2] {
            1 => self.run::<S, 1>(simd),
            3 => self.run::<S, 3>(simd),
            5 => self.run::<S, 5>(simd),
            7 => self.run::<S, 7>(simd),
            k => unreachable!("kernels are 1, 3, 5 or 7 wide, not {k}"),
        }
    }
}

impl Slice<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, simd: S) {
        let Self { input, taps, bias, sizes, sample, z, out } = self;
        let [_, h, w] = sizes.space;
        let [kd, kh, _] = sizes.kernel;
        let width = COLUMNS * S::F32_LANES;
        let sample = &input.data[sample * sizes.from * input.channel..][..sizes.from * input.channel];
        let group = sizes.from * sizes.taps();
        for (g, taps) in taps.chunks_exact(group.max(1)).enumerate() {
            let start: [f32; ROWS] =
                std::array::from_fn(|r| bias.get(g * ROWS + r).copied().unwrap_or_default());
            for y in 0..h {
                for x in (0..w).step_by(width) {
                    let mut sums = start.map(|b| [simd.splat_f32s(b); COLUMNS]);
                    let mut taps = taps.chunks_exact(K);
                    for channel in sample.chunks_exact(input.channel) {
                        for kz in 0..kd {
                            for ky in 0..kh {
                                let at = (z + kz) * input.slice + (y + ky) * input.row + x;
                                let line = &channel[at..at + width + K - 1];
                                let Some(taps) = taps.next() else { return };
                                for (kx, tap) in taps.iter().enumerate() {
                                    let (v, _) = S::as_simd_f32s(&line[kx..kx + width]);
                                    let v = [v[0], v[1]];
                                    for (sum, tap) in sums.iter_mut().zip(tap) {
                                        let tap = simd.splat_f32s(*tap);
                                        sum[0] = simd.mul_add_e_f32s(tap, v[0], sum[0]);
                                        sum[1] = simd.mul_add_e_f32s(tap, v[1], sum[1]);
                                    }
                                }
                            }
                        }
                    }
                    let n = width.min(w - x);
                    for (r, sum) in sums.iter().enumerate().take(sizes.to - g * ROWS) {
                        let to = ((g * ROWS + r) * h + y) * w + x;
                        let to = &mut out[to..to + n];
                        if n == width {
                            let (to, _) = S::as_mut_simd_f32s(to);
                            to[0] = sum[0];
                            to[1] = sum[1];
                        } else {
                            let (first, second) = to.split_at_mut(n.min(S::F32_LANES));
                            simd.partial_store_f32s(first, sum[0]);
                            simd.partial_store_f32s(second, sum[1]);
                        }
                    }
                }
            }
        }
    }
}

/// Gradient with respect to the kernels, `[C_out, C_in, kD, kH, kW]`: each value is the sum over the
/// batch and all voxels of `grad * x` at the tap's offset.
pub(super) fn grad_weight(x: &FlexTensor, grad: &FlexTensor, kernel: [usize; 3]) -> FlexTensor {
    let ([batch, from, d, h, w], [_, to, ..]) = (dims(x), dims(grad));
    let sizes = Sizes { batch, from, to, space: [d, h, w], kernel };
    let (x, grad) = (contiguous(x), contiguous(grad));
    let input = Bordered::new(x.storage(), sizes.space, kernel);
    // Rows of the gradient are padded alike, so that lanes beyond the end add nothing.
    let grad = Bordered::new(grad.storage(), sizes.space, [1; 3]);
    let taps = sizes.taps();
    let groups = to.div_ceil(ROWS);
    let mut sums = vec![0.0f32; groups * from * taps * ROWS];
    let arch = Arch::new();
    sums.par_chunks_mut((taps * ROWS).max(1)).enumerate().for_each(|(index, out)| {
        let (group, channel) = (index / from, index % from);
        arch.dispatch(Taps { input: &input, grad: &grad, sizes, group, channel, out });
    });
    let mut out = vec![0.0f32; to * from * taps];
    for (index, values) in sums.chunks_exact((taps * ROWS).max(1)).enumerate() {
        let (group, channel) = (index / from, index % from);
        for (t, values) in values.chunks_exact(ROWS).enumerate() {
            for (r, value) in values.iter().enumerate().take(to - group * ROWS) {
                out[((group * ROWS + r) * from + channel) * taps + t] = *value;
            }
        }
    }
    let [kd, kh, kw] = kernel;
    tensor(out, [to, from, kd, kh, kw])
}

/// Gradients of the taps between one input channel and a group of output channels.
struct Taps<'a> {
    input: &'a Bordered,
    grad: &'a Bordered,
    sizes: Sizes,
    group: usize,
    channel: usize,
    /// `[taps, ROWS]`
    out: &'a mut [f32],
}

impl WithSimd for Taps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.sizes.kernel[2] {
            1 => self.run::<S, 1>(simd),
            3 => self.run::<S, 3>(simd),
            5 => self.run::<S, 5>(simd),
            7 => self.run::<S, 7>(simd),
            k => unreachable!("kernels are 1, 3, 5 or 7 wide, not {k}"),
        }
    }
}

impl Taps<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, simd: S) {
        let Self { input, grad, sizes, group, channel, out } = self;
        let [d, h, w] = sizes.space;
        let [_, kh, _] = sizes.kernel;
        let lanes = S::F32_LANES;
        let length = w.next_multiple_of(lanes);
        let rows = ROWS.min(sizes.to - group * ROWS);
        for (line, out) in out.chunks_exact_mut(K * ROWS).enumerate() {
            let (kz, ky) = (line / kh, line % kh);
            let mut total = [[0.0f32; ROWS]; K];
            for b in 0..sizes.batch {
                let from = &input.data[(b * sizes.from + channel) * input.channel..][..input.channel];
                // A group that is not full repeats its last channel; the copy is dropped at the end.
                let up: [&[f32]; ROWS] = std::array::from_fn(|r| {
                    let c = b * sizes.to + group * ROWS + r.min(rows - 1);
                    &grad.data[c * grad.channel..(c + 1) * grad.channel]
                });
                for z in 0..d {
                    // Sums of a slice by themselves: short sums lose fewer digits.
                    let mut sums = [[simd.splat_f32s(0.0); ROWS]; K];
                    for y in 0..h {
                        let at = (z + kz) * input.slice + (y + ky) * input.row;
                        let values = &from[at..at + length + K - 1];
                        let at = z * grad.slice + y * grad.row;
                        let up = up.map(|u| S::as_simd_f32s(&u[at..at + length]).0);
                        for (i, x) in (0..length).step_by(lanes).enumerate() {
                            let g = up.map(|u| u[i]);
                            for (kx, sums) in sums.iter_mut().enumerate() {
                                let v = S::as_simd_f32s(&values[x + kx..x + kx + lanes]).0[0];
                                for (sum, g) in sums.iter_mut().zip(g) {
                                    *sum = simd.mul_add_e_f32s(v, g, *sum);
                                }
                            }
                        }
                    }
                    for (total, sums) in total.iter_mut().zip(sums) {
                        for (total, sum) in total.iter_mut().zip(sums) {
                            *total += simd.reduce_sum_f32s(sum);
                        }
                    }
                }
            }
            for (out, total) in out.iter_mut().zip(total.iter().flatten()) {
                *out = *total;
            }
        }
    }
}
