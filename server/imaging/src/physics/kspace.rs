//! Resolution lost by truncating k-space in the plane of each slice.

use rayon::prelude::*;
use rustfft::{Fft, FftDirection, FftPlanner, num_complex::Complex};

use crate::data::Volume;

/// What is left of a volume when only the middle of its k-space is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Truncated {
    /// Magnitude on the coarse grid, `[D, floor(H / fy), floor(W / fx)]`; the mean is preserved.
    pub low: Volume,
    /// Magnitude on the full grid with zeros in place of what was cut off, `[D, H, W]`: the trivial
    /// reconstruction.
    pub zero_filled: Volume,
}

/// Why a volume cannot be truncated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("k-space of {rows} x {columns} cannot be truncated by {fy} x {fx}: nothing would be left")]
pub struct TooCoarse {
    rows: usize,
    columns: usize,
    fy: usize,
    fx: usize,
}

/// First index and number of kept samples of an axis of `n` truncated by `factor`.
pub fn kept(n: usize, factor: usize) -> (usize, usize) {
    let m = n.checked_div(factor).unwrap_or(0);
    (n / 2 - m / 2, m)
}

/// Keeps the middle `1 / factors` (rows, columns) of the k-space of each slice.
///
/// # Errors
/// When a factor is 0 or larger than the axis.
///
/// # Source
/// Centred transform K = fftshift(FFT(ifftshift(v))), no factor forward, 1/(HW) backward; the low image
/// is scaled by (my mx)/(HW), so that its mean is the volume's.
pub fn truncate(volume: &Volume, factors: [usize; 2]) -> Result<Truncated, TooCoarse> {
    let [depth, rows, columns] = volume.shape;
    let ((y0, my), (x0, mx)) = (kept(rows, factors[0]), kept(columns, factors[1]));
    if my == 0 || mx == 0 {
        return Err(TooCoarse { rows, columns, fy: factors[0], fx: factors[1] });
    }
    let forward = Plane::plan(rows, columns, FftDirection::Forward);
    let backward = Plane::plan(rows, columns, FftDirection::Inverse);
    let backward_low = Plane::plan(my, mx, FftDirection::Inverse);
    let scale = 1.0 / (rows * columns) as f64;
    let slices: Vec<(Vec<f32>, Vec<f32>)> = (0..depth)
        .into_par_iter()
        .map(|d| {
            let mut k: Vec<_> = volume.slice(d).iter().map(|v| Complex::new(f64::from(*v), 0.0)).collect();
            forward.centred(&mut k);
            let mut window = Vec::with_capacity(my * mx);
            for (y, line) in k.chunks_exact_mut(columns).enumerate() {
                let keep_row = (y0..y0 + my).contains(&y);
                if keep_row {
                    window.extend_from_slice(&line[x0..x0 + mx]);
                }
                for (x, value) in line.iter_mut().enumerate() {
                    if !keep_row || !(x0..x0 + mx).contains(&x) {
                        *value = Complex::new(0.0, 0.0);
                    }
                }
            }
            backward.centred(&mut k);
            backward_low.centred(&mut window);
            // The inverse transform of the window divides by (my mx), then comes (my mx)/(HW).
            let magnitude =
                |values: Vec<Complex<f64>>| values.iter().map(|v| (v.norm() * scale) as f32).collect();
            (magnitude(window), magnitude(k))
        })
        .collect();
    let (low, full): (Vec<Vec<f32>>, Vec<Vec<f32>>) = slices.into_iter().unzip();
    Ok(Truncated {
        low: Volume { shape: [depth, my, mx], data: low.concat() },
        zero_filled: Volume { shape: volume.shape, data: full.concat() },
    })
}

/// A two-dimensional transform of `[H, W]`.
struct Plane {
    rows: usize,
    columns: usize,
    along_rows: std::sync::Arc<dyn Fft<f64>>,
    along_columns: std::sync::Arc<dyn Fft<f64>>,
}

impl Plane {
    fn plan(rows: usize, columns: usize, direction: FftDirection) -> Self {
        let mut planner = FftPlanner::new();
        Self {
            rows,
            columns,
            along_rows: planner.plan_fft(columns, direction),
            along_columns: planner.plan_fft(rows, direction),
        }
    }

    /// fftshift(FFT(ifftshift(v))), without any factor.
    fn centred(&self, values: &mut [Complex<f64>]) {
        let (h, w) = (self.rows, self.columns);
        // ifftshift: the middle sample, index floor(n / 2), comes first.
        self.roll(values, h - h / 2, w - w / 2);
        self.along_rows.process(values);
        let mut turned = vec![Complex::new(0.0, 0.0); values.len()];
        for y in 0..h {
            for x in 0..w {
                turned[x * h + y] = values[y * w + x];
            }
        }
        self.along_columns.process(&mut turned);
        for y in 0..h {
            for x in 0..w {
                values[y * w + x] = turned[x * h + y];
            }
        }
        self.roll(values, h / 2, w / 2);
    }

    /// Moves every sample down and right, wrapping round.
    fn roll(&self, values: &mut [Complex<f64>], down: usize, right: usize) {
        values.rotate_right(down % self.rows * self.columns);
        values.chunks_exact_mut(self.columns).for_each(|line| line.rotate_right(right % self.columns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{relative_l2, shared, tensors, volume};

    #[test]
    fn agrees_with_the_reference() {
        let Some(folder) = shared("kspace") else { return };
        let reference = tensors(&folder.join("reference/physics/degradations.safetensors"));
        let cases = [
            ("kspace.x2", "volume", [2, 2]),
            ("kspace.x4", "volume", [4, 4]),
            ("kspace.x2_phase_axis_only", "volume", [2, 1]),
            ("kspace.odd_size_x2", "kspace.odd_size_x2.volume", [2, 2]),
        ];
        for (case, input, factors) in cases {
            let got = truncate(&volume(&reference[input]), factors).unwrap();
            let low = volume(&reference[&format!("{case}.low_magnitude")]);
            let zero_filled = volume(&reference[&format!("{case}.zero_filled_magnitude")]);
            assert_eq!(got.low.shape, low.shape, "{case}");
            assert!(relative_l2(&got.low.data, &low.data) < 1e-6, "{case} low");
            assert!(relative_l2(&got.zero_filled.data, &zero_filled.data) < 1e-6, "{case} zero-filled");
        }
    }

    #[test]
    fn constants_stay_and_impossible_factors_are_refused() {
        let flat = Volume::filled([2, 9, 8], 3.0);
        let got = truncate(&flat, [2, 4]).unwrap();
        assert_eq!(got.low.shape, [2, 4, 2]);
        assert!(got.low.data.iter().chain(&got.zero_filled.data).all(|v| (v - 3.0).abs() < 1e-5));
        assert!(truncate(&flat, [10, 1]).unwrap_err().to_string().contains("nothing would be left"));
        assert!(truncate(&flat, [0, 1]).is_err());
    }
}
