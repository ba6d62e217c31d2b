//! Bicubic enlargement, the usual answer to a coarse image.

use rayon::prelude::*;

use crate::nn::resize::antialiased_bicubic;

/// Enlarges every slice to `[H, W]` of `shape` by cubic convolution (Keys, a = -0.5) with
/// half-pixel centres and weights normalised at the edges.
///
/// # Shapes
/// `low` row-major `low_shape`; both shapes have the same number of slices.
///
/// # Panics
/// When the numbers of slices or values do not fit.
pub fn upsample(low: &[f32], low_shape: [usize; 3], shape: [usize; 3]) -> Vec<f32> {
    let [d, h, w] = low_shape;
    let [d2, h2, w2] = shape;
    assert!(d == d2 && low.len() == d * h * w, "the same slices, one value a voxel");
    let (rows, columns) = (antialiased_bicubic(h, h2), antialiased_bicubic(w, w2));
    let slices: Vec<Vec<f32>> = low.par_chunks(h * w).map(|slice| resize(slice, [h, w], [h2, w2], &rows, &columns)).collect();
    slices.concat()
}

/// Applies a resizing matrix to the rows and one to the columns of a slice.
pub(crate) fn resize(slice: &[f32], [h, w]: [usize; 2], [h2, w2]: [usize; 2], rows: &[f32], columns: &[f32]) -> Vec<f32> {
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
    fn a_constant_and_the_middle_of_a_ramp_are_kept() {
        assert!(upsample(&[2.0; 16], [1, 4, 4], [1, 8, 8]).iter().all(|v| (v - 2.0).abs() < 1e-5));
        let ramp: Vec<f32> = (0..8 * 8).map(|i| (i % 8) as f32).collect();
        let up = upsample(&ramp, [1, 8, 8], [1, 16, 16]);
        for x in 4..12 {
            let expected = (x as f32 + 0.5) / 2.0 - 0.5;
            assert!((up[8 * 16 + x] - expected).abs() < 1e-5, "{x}");
        }
    }
}
