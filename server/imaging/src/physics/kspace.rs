//! Resolution lost by truncating k-space in the plane of each slice.

use rayon::prelude::*;
use rustfft::{Fft, FftDirection, FftPlanner, num_complex::Complex};

use crate::data::Volume;

/// What is left of a volume when only the middle of its k-space is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Truncated {
    /// Magnitude on the coarse grid, `[D, floor(H / fy), floor(W / fx)]`; the mean is preserved.
    pub low: Volume,
    /// Magnitude on the full grid with zeros in place of what was cut off, `[D, H, W]`: the baseline
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

/// How the kept samples are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apodisation {
    /// All alike.
    None,
    /// Sample n of m by `0.54 + 0.46 cos(2 pi (n - floor(m / 2)) / m)` on each axis, which damps the
    /// ringing at edges and blurs.
    Hamming,
}

impl Apodisation {
    /// Weights of an axis that keeps `m` samples.
    fn weights(self, m: usize) -> Vec<f64> {
        let angle = |n: usize| std::f64::consts::TAU * (n as f64 - (m / 2) as f64) / m as f64;
        (0..m)
            .map(|n| match self {
                Self::None => 1.0,
                Self::Hamming => 0.54 + 0.46 * angle(n).cos(),
            })
            .collect()
    }
}

/// A complex-valued volume, which a transform gives.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplexVolume {
    /// `[D, H, W]`.
    pub shape: [usize; 3],
    /// Row-major.
    pub values: Vec<Complex<f64>>,
}

impl ComplexVolume {
    /// The absolute values, which is what scanners show.
    pub fn magnitude(&self) -> Volume {
        Volume { shape: self.shape, data: self.values.iter().map(|v| v.norm() as f32).collect() }
    }
}

/// [`Truncated`] before the absolute value is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct TruncatedComplex {
    /// On the coarse grid.
    pub low: ComplexVolume,
    /// On the full grid.
    pub zero_filled: ComplexVolume,
}

/// Keeps the middle `1 / factors` (rows, columns) of the k-space of each slice.
///
/// # Errors
/// When a factor is 0 or larger than the axis.
pub fn truncate(volume: &Volume, factors: [usize; 2]) -> Result<Truncated, TooCoarse> {
    let complex = truncate_complex(volume, factors, Apodisation::None)?;
    Ok(Truncated { low: complex.low.magnitude(), zero_filled: complex.zero_filled.magnitude() })
}

/// [`truncate`] with weights on what is kept, and with the phase that an even number of kept samples
/// leaves in the image.
///
/// # Errors
/// When a factor is 0 or larger than the axis.
///
/// # Source
/// Centred transform K = fftshift(FFT(ifftshift(v))), no factor forward, 1/(HW) backward; the low image
/// is scaled by (my mx)/(HW), so that its mean is the volume's.
pub fn truncate_complex(
    volume: &Volume,
    factors: [usize; 2],
    apodisation: Apodisation,
) -> Result<TruncatedComplex, TooCoarse> {
    let [depth, rows, columns] = volume.shape;
    let ((y0, my), (x0, mx)) = (kept(rows, factors[0]), kept(columns, factors[1]));
    if my == 0 || mx == 0 {
        return Err(TooCoarse { rows, columns, fy: factors[0], fx: factors[1] });
    }
    let forward = Plane::plan(rows, columns, FftDirection::Forward);
    let backward = Plane::plan(rows, columns, FftDirection::Inverse);
    let backward_low = Plane::plan(my, mx, FftDirection::Inverse);
    let (along_y, along_x) = (apodisation.weights(my), apodisation.weights(mx));
    // The inverse transform of the window divides by (my mx), then comes (my mx)/(HW).
    let scale = 1.0 / (rows * columns) as f64;
    let slices: Vec<(Vec<_>, Vec<_>)> = (0..depth)
        .into_par_iter()
        .map(|d| {
            let k = forward.of_real(volume.slice(d));
            let mut window = Vec::with_capacity(my * mx);
            let mut full = vec![Complex::new(0.0, 0.0); rows * columns];
            for (y, weight_y) in along_y.iter().enumerate() {
                let first = (y0 + y) * columns + x0;
                let line: Vec<_> = k[first..first + mx]
                    .iter()
                    .zip(&along_x)
                    .map(|(v, w)| v * (weight_y * w * scale))
                    .collect();
                full[first..first + mx].copy_from_slice(&line);
                window.extend(line);
            }
            backward_low.centred(&mut window);
            backward.centred(&mut full);
            (window, full)
        })
        .collect();
    let (low, full): (Vec<Vec<_>>, Vec<Vec<_>>) = slices.into_iter().unzip();
    Ok(TruncatedComplex {
        low: ComplexVolume { shape: [depth, my, mx], values: low.concat() },
        zero_filled: ComplexVolume { shape: volume.shape, values: full.concat() },
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

    /// The centred transform of a real slice.
    fn of_real(&self, slice: &[f32]) -> Vec<Complex<f64>> {
        let mut values: Vec<_> = slice.iter().map(|v| Complex::new(f64::from(*v), 0.0)).collect();
        self.centred(&mut values);
        values
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
    use crate::data::fixtures::relative_l2;

    /// Nothing but what lies within the kept frequencies comes back, and the weights are on each axis.
    #[test]
    fn waves_inside_stay_and_the_hamming_window_damps_them() {
        let n = 16usize;
        let wave = |cycles: f64| {
            let value = |x: usize| 5.0 + (std::f64::consts::TAU * cycles * x as f64 / n as f64).cos();
            Volume { shape: [1, n, n], data: (0..n * n).map(|i| value(i % n) as f32).collect() }
        };
        let slow = truncate_complex(&wave(3.0), [2, 2], Apodisation::None).unwrap();
        assert!(relative_l2(&slow.zero_filled.magnitude().data, &wave(3.0).data) < 1e-6);
        let fast = truncate(&wave(5.0), [2, 2]).unwrap();
        assert!(fast.zero_filled.data.iter().all(|v| (v - 5.0).abs() < 1e-5));
        let damped = truncate_complex(&wave(3.0), [2, 2], Apodisation::Hamming).unwrap();
        let weight = 0.54 + 0.46 * (std::f64::consts::TAU * 3.0 / 8.0).cos();
        for (x, v) in damped.zero_filled.values[..n].iter().enumerate() {
            let expected = 5.0 + weight * (f64::from(wave(3.0).data[x]) - 5.0);
            assert!((v.re - expected).abs() < 1e-5 && v.im.abs() < 1e-5, "{x}: {v} and {expected}");
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
