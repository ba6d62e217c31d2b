//! Cubic B-splines through the voxels of a volume.
//!
//! # Source
//! M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine
//! 16(6), 1999; borders and the horizon of the recursion as in ITK's `BSplineDecompositionImageFilter`
//! and `BSplineInterpolateImageFunction`.

use rayon::prelude::*;

use super::Volume;

/// How far the start of the recursion may be from its limit, relative to the voxels' values.
const HORIZON_TOLERANCE: f64 = 1e-10;

/// The weights whose spline passes through every voxel.
#[derive(Debug, Clone, PartialEq)]
pub struct Spline {
    shape: [usize; 3],
    /// `[D, H, W]`.
    weights: Vec<f64>,
}

impl Spline {
    /// The spline through the voxels of `volume`; beyond its borders the image is mirrored at the outermost
    /// voxel centres.
    pub fn through(volume: &Volume) -> Self {
        let [depth, height, width] = volume.shape;
        let mut weights: Vec<f64> = volume.data.iter().map(|v| f64::from(*v)).collect();
        if weights.is_empty() {
            return Self { shape: volume.shape, weights };
        }
        weights.par_chunks_mut(width).for_each(filter);
        weights.par_chunks_mut(width * height).for_each(|slice| {
            let mut line = vec![0.0; height];
            for w in 0..width {
                strided(slice, w, width, &mut line);
            }
        });
        let mut line = vec![0.0; depth];
        for at in 0..width * height {
            strided(&mut weights, at, width * height, &mut line);
        }
        Self { shape: volume.shape, weights }
    }

    /// The value at a position among the voxels (x, y, z).
    pub fn at(&self, position_xyz: [f64; 3]) -> f64 {
        let [depth, height, width] = self.shape;
        let sides = [width, height, depth];
        let near: [[(usize, f64); 4]; 3] = std::array::from_fn(|a| neighbours(position_xyz[a], sides[a]));
        let mut sum = 0.0;
        for (z, weight_z) in near[2] {
            for (y, weight_y) in near[1] {
                let row = (z * height + y) * width;
                let along: f64 = near[0].iter().map(|(x, weight)| weight * self.weights[row + x]).sum();
                sum += weight_z * weight_y * along;
            }
        }
        sum
    }
}

/// Filters the values `from`, `from + step`, ... of `all`; `line` has their number.
fn strided(all: &mut [f64], from: usize, step: usize, line: &mut [f64]) {
    for (to, value) in line.iter_mut().zip(all[from..].iter().step_by(step)) {
        *to = *value;
    }
    filter(line);
    for (value, to) in line.iter().zip(all[from..].iter_mut().step_by(step)) {
        *to = *value;
    }
}

/// Turns samples into weights: a recursion forwards and one backwards.
fn filter(line: &mut [f64]) {
    let n = line.len();
    if n < 2 {
        return;
    }
    let pole = 3f64.sqrt() - 2.0;
    let gain = (1.0 - pole) * (1.0 - 1.0 / pole);
    line.iter_mut().for_each(|v| *v *= gain);
    line[0] = first(line, pole);
    for i in 1..n {
        line[i] += pole * line[i - 1];
    }
    line[n - 1] = pole / (pole * pole - 1.0) * (line[n - 1] + pole * line[n - 2]);
    for i in (0..n - 1).rev() {
        line[i] = pole * (line[i + 1] - line[i]);
    }
}

/// Where the forward recursion starts: the sum over the mirrored line before it, as far as it matters.
fn first(line: &[f64], pole: f64) -> f64 {
    let n = line.len();
    let horizon = (HORIZON_TOLERANCE.ln() / pole.abs().ln()).ceil() as usize;
    if horizon < n {
        return line[..horizon].iter().rev().fold(0.0, |sum, v| v + pole * sum);
    }
    let last = pole.powi(n as i32 - 1);
    let mut sum = line[0] + last * line[n - 1];
    let (mut forth, mut back) = (pole, last * last / pole);
    for v in &line[1..n - 1] {
        sum += (forth + back) * v;
        forth *= pole;
        back /= pole;
    }
    sum / (1.0 - last * last)
}

/// The four voxels round a position, mirrored into the line, with their weights.
fn neighbours(position: f64, n: usize) -> [(usize, f64); 4] {
    let low = position.floor();
    let t = position - low;
    let s = 1.0 - t;
    let weights = [
        s * s * s / 6.0,
        2.0 / 3.0 - t * t * (2.0 - t) / 2.0,
        2.0 / 3.0 - s * s * (2.0 - s) / 2.0,
        t * t * t / 6.0,
    ];
    std::array::from_fn(|i| (mirrored(low as i64 + i as i64 - 1, n), weights[i]))
}

fn mirrored(i: i64, n: usize) -> usize {
    if n < 2 {
        return 0;
    }
    let period = 2 * (n as i64 - 1);
    let i = i.rem_euclid(period);
    i.min(period - i) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long and short lines start the recursion in different ways.
    #[test]
    fn the_spline_passes_through_every_voxel_and_repeats_cubics() {
        let shape = [1, 3, 40];
        let data: Vec<f32> = (0..120).map(|i| ((i * 37) % 101) as f32).collect();
        let volume = Volume { shape, data };
        let spline = Spline::through(&volume);
        for y in 0..3 {
            for x in 0..40 {
                let value = spline.at([x as f64, y as f64, 0.0]);
                assert!((value - f64::from(volume.at(0, y, x))).abs() < 1e-8, "{x} {y}: {value}");
            }
        }
        let cubic = |x: f64| 0.01 * x * x * x - 0.3 * x * x + 2.0 * x - 5.0;
        let line = Volume { shape: [1, 1, 80], data: (0..80).map(|x| cubic(f64::from(x)) as f32).collect() };
        let spline = Spline::through(&line);
        // Away from the mirrored ends, whose effect dies out by the pole at each voxel.
        for x in [35.25, 40.5, 44.9] {
            assert!((spline.at([x, 0.0, 0.0]) - cubic(x)).abs() < 1e-3, "{x}");
        }
    }

    #[test]
    fn borders_are_mirrors() {
        let volume = Volume { shape: [1, 1, 5], data: vec![3.0, -1.0, 4.0, 1.0, -5.0] };
        let spline = Spline::through(&volume);
        for d in [0.1, 0.25, 0.5] {
            assert!((spline.at([-d, 0.0, 0.0]) - spline.at([d, 0.0, 0.0])).abs() < 1e-12);
            assert!((spline.at([4.0 + d, 0.0, 0.0]) - spline.at([4.0 - d, 0.0, 0.0])).abs() < 1e-12);
        }
    }
}
