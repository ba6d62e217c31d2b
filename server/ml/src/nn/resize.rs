//! Resizing along one axis as a matrix, so that it runs (and differentiates) on every backend.
//!
//! Matrices are row-major `[n_out, n_in]`; [`resize_axes`] applies them to tensors.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// Keys' cubic convolution kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// Anti-aliased bicubic resizing, row-major `[n_out, n_in]`; rows sum to 1.
///
/// # Source
/// PyTorch's `interpolate(mode="bicubic", antialias=True, align_corners=False)`: Keys' kernel
/// with a = -0.5, stretched by the scale when shrinking. DINOv2 with registers resizes its
/// position table so.
pub fn antialiased_bicubic(n_in: usize, n_out: usize) -> Vec<f32> {
    let scale = n_in as f64 / n_out as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let mut matrix = vec![0.0f32; n_out * n_in];
    for i in 0..n_out {
        let centre = scale * (i as f64 + 0.5);
        let low = ((centre - support + 0.5).floor().max(0.0)) as usize;
        let high = ((centre + support + 0.5).floor().max(0.0) as usize).min(n_in);
        let weights: Vec<f64> =
            (low..high).map(|j| cubic((j as f64 - centre + 0.5) / stretch, -0.5)).collect();
        let sum: f64 = weights.iter().sum();
        for (j, weight) in (low..high).zip(weights) {
            matrix[i * n_in + j] = (weight / sum) as f32;
        }
    }
    matrix
}

/// Linear resizing with half-pixel centres and repeated edges, row-major `[n_out, n_in]`;
/// OpenCV's `INTER_LINEAR` and PyTorch's `align_corners=False`.
pub fn linear(n_in: usize, n_out: usize) -> Vec<f32> {
    let scale = n_in as f64 / n_out as f64;
    let mut matrix = vec![0.0f32; n_out * n_in];
    for i in 0..n_out {
        let at = (scale * (i as f64 + 0.5) - 0.5).clamp(0.0, (n_in - 1) as f64);
        let low = at.floor() as usize;
        let high = (low + 1).min(n_in - 1);
        let fraction = (at - low as f64) as f32;
        matrix[i * n_in + low] += 1.0 - fraction;
        matrix[i * n_in + high] += fraction;
    }
    matrix
}

/// Bicubic resizing without anti-aliasing: output `i` is taken at `scale * (i + 0.5) - 0.5`, edges are
/// repeated.
///
/// # Source
/// PyTorch's `interpolate(mode="bicubic", align_corners=False)`: Keys' kernel with a = -0.75. A
/// `scale` other than `n_in / n_out` is what a given `scale_factor` comes to, whose inverse it is.
pub fn bicubic(n_in: usize, n_out: usize, scale: f64) -> Vec<f32> {
    let mut matrix = vec![0.0f32; n_out * n_in];
    for i in 0..n_out {
        let at = scale * (i as f64 + 0.5) - 0.5;
        for tap in -1..=2i64 {
            let from = at.floor() as i64 + tap;
            let weight = cubic(at - from as f64, -0.75);
            matrix[i * n_in + from.clamp(0, n_in as i64 - 1) as usize] += weight as f32;
        }
    }
    matrix
}

/// Means over `n_out` bins that cover the input; bin `i` is
/// `floor(i n_in / n_out)..ceil((i + 1) n_in / n_out)`, so that there may be more bins than inputs.
///
/// # Source
/// PyTorch's `adaptive_avg_pool`.
pub fn adaptive_average(n_in: usize, n_out: usize) -> Vec<f32> {
    let mut matrix = vec![0.0f32; n_out * n_in];
    for i in 0..n_out {
        let bin = i * n_in / n_out..((i + 1) * n_in).div_ceil(n_out);
        let weight = 1.0 / bin.len() as f32;
        matrix[i * n_in + bin.start..i * n_in + bin.end].fill(weight);
    }
    matrix
}

/// Resizes the last `K` axes to `to` by the matrices that `matrix(n_in, n_out)` gives.
///
/// # Shapes
/// `[..., n_1, ..., n_K]` -> `[..., to_1, ..., to_K]`; the other axes stay.
pub fn resize_axes<B: Backend, const D: usize, const K: usize>(
    mut x: Tensor<B, D>,
    to: [usize; K],
    matrix: impl Fn(usize, usize) -> Vec<f32>,
) -> Tensor<B, D> {
    for (axis, n_out) in (D - K..D).zip(to).rev() {
        let n_in = x.dims()[axis];
        let taps = TensorData::new(matrix(n_in, n_out), [n_out, n_in]);
        let taps = Tensor::<B, 2>::from_data(taps, &x.device()).transpose();
        let rows = x.swap_dims(axis, D - 1);
        let mut dims = rows.dims();
        let count = dims.iter().product::<usize>() / n_in;
        dims[D - 1] = n_out;
        x = rows.reshape([count, n_in]).matmul(taps).reshape(dims).swap_dims(axis, D - 1);
    }
    x
}

/// Applies a resizing matrix to the rows and one to the columns of a slice.
///
/// # Shapes
/// `slice [h, w]`, `rows [h2, h]`, `columns [w2, w]` -> `[h2, w2]`, all row-major.
pub fn resize(
    slice: &[f32],
    [h, w]: [usize; 2],
    [h2, w2]: [usize; 2],
    rows: &[f32],
    columns: &[f32],
) -> Vec<f32> {
    let mut wide = vec![0.0f32; h * w2];
    for y in 0..h {
        for x in 0..w2 {
            let taps = columns[x * w..(x + 1) * w].iter().zip(&slice[y * w..(y + 1) * w]);
            wide[y * w2 + x] = taps.map(|(a, b)| a * b).sum();
        }
    }
    let mut out = vec![0.0f32; h2 * w2];
    for y in 0..h2 {
        for (from, tap) in rows[y * h..(y + 1) * h].iter().enumerate().filter(|(_, t)| **t != 0.0) {
            for x in 0..w2 {
                out[y * w2 + x] += tap * wide[from * w2 + x];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bicubic_rows_match_the_published_check_values() {
        let m = antialiased_bicubic(37, 32);
        let expect = |row: usize, from: usize, values: &[f32]| {
            for (k, v) in values.iter().enumerate() {
                assert!((m[row * 37 + from + k] - v).abs() < 2e-6, "row {row} column {}", from + k);
            }
        };
        expect(0, 0, &[0.881273, 0.152397, -0.033670]);
        expect(16, 17, &[-0.063398, 0.484580, 0.637529, -0.058711]);
        let small = antialiased_bicubic(5, 4);
        for (k, v) in [-0.032041, 0.645174, 0.445016, -0.058149].iter().enumerate() {
            assert!((small[5 + k] - v).abs() < 2e-6);
        }
    }

    #[test]
    fn every_row_sums_to_one_and_same_size_is_the_identity() {
        for (n_in, n_out) in [(12, 12), (5, 9), (9, 5), (1, 3), (3, 1)] {
            for matrix in [antialiased_bicubic(n_in, n_out), linear(n_in, n_out)] {
                for row in matrix.chunks(n_in) {
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                }
            }
        }
        let identity = linear(4, 4);
        assert!((0..16).all(|i| identity[i] == f32::from(u8::from(i / 4 == i % 4))));
    }
}
