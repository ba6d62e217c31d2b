//! In-plane truncation of k-space: what a scanner measures when it stops early.

use rayon::prelude::*;
use rustfft::{FftPlanner, num_complex::Complex64};

/// A truncated volume in its two usual forms, as magnitudes.
#[derive(Debug, Clone, PartialEq)]
pub struct Truncated {
    /// The kept window alone, transformed back at its own size.
    pub low: Vec<f32>,
    /// `[D, floor(H / f), floor(W / f)]`
    pub low_shape: [usize; 3],
    /// The kept window in zeros, transformed back at full size.
    pub zero_filled: Vec<f32>,
}

/// Keeps the central `floor(H / factor)` rows and `floor(W / factor)` columns of every slice's
/// k-space. The mean intensity is preserved in both forms.
///
/// # Shapes
/// `volume` row-major `[D, H, W]`.
///
/// # Panics
/// When `factor` is 0 or larger than H or W, or `volume` has not D * H * W values.
///
/// # Source
/// Centred transform K = fftshift(FFT(ifftshift(v))), no factor forward, 1 / (H W) backward.
pub fn truncate(volume: &[f32], [d, h, w]: [usize; 3], factor: usize) -> Truncated {
    assert_eq!(volume.len(), d * h * w, "one value a voxel");
    let (my, mx) = (h / factor, w / factor);
    assert!(my > 0 && mx > 0, "the kept window has at least one sample");
    let (y0, x0) = (h / 2 - my / 2, w / 2 - mx / 2);
    let slices: Vec<(Vec<f32>, Vec<f32>)> = (0..d)
        .into_par_iter()
        .map(|z| {
            let mut k: Vec<Complex64> =
                volume[z * h * w..(z + 1) * h * w].iter().map(|v| Complex64::new(f64::from(*v), 0.0)).collect();
            centred(&mut k, [h, w], Direction::Forward);
            let mut window = Vec::with_capacity(my * mx);
            let mut filled = vec![Complex64::default(); h * w];
            for y in y0..y0 + my {
                let row = y * w + x0;
                window.extend_from_slice(&k[row..row + mx]);
                filled[row..row + mx].copy_from_slice(&k[row..row + mx]);
            }
            centred(&mut window, [my, mx], Direction::Inverse);
            centred(&mut filled, [h, w], Direction::Inverse);
            let magnitude = |k: Vec<Complex64>| k.iter().map(|v| (v.norm() / (h * w) as f64) as f32).collect();
            (magnitude(window), magnitude(filled))
        })
        .collect();
    let (low, zero_filled): (Vec<_>, Vec<_>) = slices.into_iter().unzip();
    Truncated { low: low.concat(), low_shape: [d, my, mx], zero_filled: zero_filled.concat() }
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Inverse,
}

/// fftshift(FFT(ifftshift(x))) over both axes, without any factor.
fn centred(x: &mut [Complex64], [h, w]: [usize; 2], direction: Direction) {
    let mut planner = FftPlanner::new();
    let mut plan = |n| match direction {
        Direction::Forward => planner.plan_fft_forward(n),
        Direction::Inverse => planner.plan_fft_inverse(n),
    };
    let (rows, columns) = (plan(w), plan(h));
    for row in x.chunks_mut(w) {
        row.rotate_left(w / 2);
        rows.process(row);
        row.rotate_right(w / 2);
    }
    let mut column = vec![Complex64::default(); h];
    for c in 0..w {
        for (y, value) in column.iter_mut().enumerate() {
            *value = x[y * w + c];
        }
        column.rotate_left(h / 2);
        columns.process(&mut column);
        column.rotate_right(h / 2);
        for (y, value) in column.iter().enumerate() {
            x[y * w + c] = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn agrees_with_the_reference() {
        let Some(tensors) = reference::tensors("physics/degradations.safetensors") else { return };
        let check = |name: &str, ours: &[f32]| {
            let theirs = tensors.f32(name);
            let error: f64 = ours.iter().zip(&theirs).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let size: f64 = theirs.iter().map(|b| f64::from(*b).powi(2)).sum();
            assert!((error / size).sqrt() < 1e-5, "{name}: {}", (error / size).sqrt());
        };
        let volume = tensors.f32("volume");
        let twice = truncate(&volume, [8, 48, 48], 2);
        check("kspace.x2.low_magnitude", &twice.low);
        check("kspace.x2.zero_filled_magnitude", &twice.zero_filled);
        let four = truncate(&volume, [8, 48, 48], 4);
        check("kspace.x4.low_magnitude", &four.low);
        check("kspace.x4.zero_filled_magnitude", &four.zero_filled);
        let odd = truncate(&tensors.f32("kspace.odd_size_x2.volume"), [2, 45, 47], 2);
        assert_eq!(odd.low_shape, [2, 22, 23]);
        check("kspace.odd_size_x2.low_magnitude", &odd.low);
        check("kspace.odd_size_x2.zero_filled_magnitude", &odd.zero_filled);
    }

    #[test]
    fn a_constant_stays_and_factor_one_changes_nothing() {
        let constant = truncate(&[3.0; 36], [1, 6, 6], 2);
        assert!(constant.low.iter().chain(&constant.zero_filled).all(|v| (v - 3.0).abs() < 1e-6));
        let volume: Vec<f32> = (0..30).map(|v| v as f32).collect();
        let same = truncate(&volume, [1, 5, 6], 1);
        assert!(same.zero_filled.iter().zip(&volume).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
