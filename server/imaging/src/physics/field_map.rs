//! Uneven magnetic fields in a pelvis, in Hz: what the shim leaves over, and gas in the rectum.
//!
//! Fields are functions of a position in mm `[D, H, W]` from the middle of the gland, so that one patient has
//! one field whatever grid it is looked at on. The main field runs along D, towards the head.

use std::f64::consts::TAU;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::{data::Volume, region::Region};

/// Field at the poles of a ball of air in tissue at 3 T: two thirds of 9.4 ppm of 127.7 MHz.
const AIR_HZ: f64 = 2.0 / 3.0 * 9.4 * 127.7;

/// A ball of gas.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GasPocket {
    /// Middle, in mm `[D, H, W]` from the middle of the gland.
    pub centre_mm: [f64; 3],
    pub radius_mm: f64,
    /// Width of the border, within which the susceptibility falls linearly: the wall, and gas that moves
    /// while the image is taken. 0 is a sharp ball.
    pub edge_mm: f64,
    /// Field at the poles of the sharp ball.
    pub peak_hz: f64,
}

impl GasPocket {
    /// Field at a position.
    ///
    /// # Source
    /// The field of any spherically symmetric susceptibility with Lorentz's correction,
    /// `(3 cos^2 theta - 1) / 3 (mean susceptibility of the ball within r - susceptibility at r)`: for a
    /// sharp ball `(3 cos^2 theta - 1) / r^3` outside and 0 inside (Schenck 1996).
    pub fn hz(&self, position_mm: [f64; 3]) -> f64 {
        let from: [f64; 3] = std::array::from_fn(|a| position_mm[a] - self.centre_mm[a]);
        let r = from.iter().map(|v| v * v).sum::<f64>().sqrt();
        if r == 0.0 {
            return 0.0;
        }
        let cosine = from[0] / r;
        let angle = (3.0 * cosine * cosine - 1.0) / 2.0;
        self.peak_hz * angle * (self.mass(r) / r.powi(3) - self.share(r))
    }

    fn border(&self) -> [f64; 2] {
        let half = (self.edge_mm / 2.0).min(self.radius_mm);
        [self.radius_mm - half, self.radius_mm + half]
    }

    /// Share of gas at a distance from the middle.
    fn share(&self, r: f64) -> f64 {
        let [inner, outer] = self.border();
        if r < inner {
            1.0
        } else if r < outer {
            (outer - r) / (outer - inner)
        } else {
            0.0
        }
    }

    /// Three times the integral of `share(t) t^2` from 0 to r.
    fn mass(&self, r: f64) -> f64 {
        let [inner, outer] = self.border();
        let to = r.min(outer);
        if to <= inner {
            return to.powi(3);
        }
        let integral = |t: f64| outer * t.powi(3) / 3.0 - t.powi(4) / 4.0;
        inner.powi(3) + 3.0 * (integral(to) - integral(inner)) / (outer - inner)
    }
}

/// One wave of a smooth field.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wave {
    /// Radians per mm, `[D, H, W]`.
    wavenumber: [f64; 3],
    phase: f64,
}

/// Number of waves, and the range of their lengths in mm: a shim of second order leaves nothing slower.
const WAVES: usize = 6;
const WAVELENGTH_MM: std::ops::Range<f64> = 60.0..150.0;
/// Range of the smooth field's effective value, in Hz.
const SMOOTH_RMS_HZ: std::ops::Range<f64> = 10.0..30.0;

/// What the shim leaves over: a sum of slow waves.
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothField {
    waves: Vec<Wave>,
    amplitude_hz: f64,
}

impl SmoothField {
    /// Draws directions, lengths, phases and strength.
    pub fn draw(rng: &mut impl Rng) -> Self {
        let waves = (0..WAVES)
            .map(|_| {
                let direction: [f64; 3] = std::array::from_fn(|_| StandardNormal.sample(rng));
                let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-9);
                let wavenumber = TAU / rng.random_range(WAVELENGTH_MM);
                Wave {
                    wavenumber: direction.map(|v| v / length * wavenumber),
                    phase: rng.random_range(0.0..TAU),
                }
            })
            .collect();
        // Waves of independent phases add their mean squares, half the squared amplitude each.
        let amplitude_hz = rng.random_range(SMOOTH_RMS_HZ) * (2.0 / WAVES as f64).sqrt();
        Self { waves, amplitude_hz }
    }

    /// Field at a position.
    pub fn hz(&self, position_mm: [f64; 3]) -> f64 {
        let sum: f64 = self
            .waves
            .iter()
            .map(|w| (w.phase + (0..3).map(|a| w.wavenumber[a] * position_mm[a]).sum::<f64>()).cos())
            .sum();
        sum * self.amplitude_hz
    }
}

/// Draws a pocket of gas close behind a gland of this size (mm, `[D, H, W]`), where the rectum is.
pub fn draw_gas(rng: &mut impl Rng, gland_mm: [f64; 3]) -> GasPocket {
    let radius_mm = rng.random_range(8.0..16.0);
    let gap_mm = rng.random_range(1.0..5.0);
    let reach = gland_mm[0] / 3.0;
    let along = rng.random_range(-1.0..1.0) * reach;
    let sideways = rng.random_range(-5.0..5.0);
    GasPocket {
        centre_mm: [along, gland_mm[1] / 2.0 + gap_mm + radius_mm, sideways],
        radius_mm,
        edge_mm: radius_mm / 2.0,
        // The rectum is seldom full of nothing but gas, and a shim takes a part away.
        peak_hz: AIR_HZ * rng.random_range(0.1..0.6),
    }
}

/// A field on a grid: positions are counted from the middle of the box `gland`.
///
/// # Shapes
/// -> `[D, H, W]` of `shape`, in Hz.
pub fn on_grid(
    shape: [usize; 3],
    spacing_mm: [f64; 3],
    gland: &Region,
    hz: impl Fn([f64; 3]) -> f64 + Sync,
) -> Volume {
    let middle = gland.each_ref().map(|side| (side.start + side.end) as f64 / 2.0 - 0.5);
    let [_, rows, columns] = shape;
    let data = (0..shape.iter().product::<usize>())
        .into_par_iter()
        .map(|i| {
            let voxel = [i / (rows * columns), i / columns % rows, i % columns];
            hz(std::array::from_fn(|a| (voxel[a] as f64 - middle[a]) * spacing_mm[a])) as f32
        })
        .collect();
    Volume { shape, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn ball(edge_mm: f64) -> GasPocket {
        GasPocket { centre_mm: [0.0; 3], radius_mm: 10.0, edge_mm, peak_hz: 100.0 }
    }

    #[test]
    fn a_sharp_ball_has_a_dipole_outside_and_nothing_inside() {
        let sharp = ball(0.0);
        assert_eq!([sharp.hz([0.0; 3]), sharp.hz([3.0, 4.0, 5.0])], [0.0, 0.0]);
        assert!((sharp.hz([20.0, 0.0, 0.0]) - 100.0 / 8.0).abs() < 1e-12, "along the field");
        assert!((sharp.hz([0.0, 20.0, 0.0]) + 50.0 / 8.0).abs() < 1e-12, "across it");
        let magic = [20.0, 20.0 * 2.0f64.sqrt(), 0.0];
        assert!(sharp.hz(magic).abs() < 1e-12, "at the magic angle");
    }

    /// The middle surface's volume is not the graded ball's, but far away it is a dipole too, and nothing
    /// jumps anywhere.
    #[test]
    fn a_graded_edge_is_smooth_and_a_dipole_beyond() {
        let graded = ball(6.0);
        let ratio = graded.hz([0.0, 40.0, 0.0]) / graded.hz([0.0, 20.0, 0.0]);
        assert!((ratio - 0.125).abs() < 1e-12);
        // The mass of the linear edge: R^3 + R w^2 / 4.
        assert!((graded.hz([0.0, 20.0, 0.0]) + 50.0 * (1000.0 + 10.0 * 36.0 / 4.0) / 8000.0).abs() < 1e-9);
        let steps = (0..400).map(|i| f64::from(i) * 0.05);
        let values: Vec<f64> = steps.map(|y| graded.hz([0.0, y, 0.0])).collect();
        assert!(values.windows(2).all(|w| (w[1] - w[0]).abs() < 1.0));
        assert_eq!(values[100], 0.0, "nothing within the inner surface");
    }

    #[test]
    fn the_smooth_field_has_its_strength_and_does_not_depend_on_the_grid() {
        let mut rng = random::stream(3, "field");
        let fields: Vec<_> = (0..20).map(|_| SmoothField::draw(&mut rng)).collect();
        let gland = [0..10, 0..20, 0..20];
        let mut strengths = Vec::new();
        for field in &fields {
            let coarse = on_grid([10, 20, 20], [4.0, 4.0, 4.0], &gland, |p| field.hz(p));
            strengths.push(
                (coarse.data.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / coarse.len() as f64).sqrt(),
            );
            let fine = on_grid([10, 40, 40], [4.0, 2.0, 2.0], &[0..10, 0..40, 0..40], |p| field.hz(p));
            let mean: f32 =
                [(8, 8), (8, 9), (9, 8), (9, 9)].iter().map(|(y, x)| fine.at(3, *y, *x)).sum::<f32>() / 4.0;
            assert!((mean - coarse.at(3, 4, 4)).abs() < 0.5, "{mean} and {}", coarse.at(3, 4, 4));
        }
        let mean = strengths.iter().sum::<f64>() / 20.0;
        assert!((10.0..30.0).contains(&mean), "{mean}");
    }
}
