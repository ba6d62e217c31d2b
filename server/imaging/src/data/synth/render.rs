//! What the scanner makes of an anatomy: shading, texture, blur, noise, and the ADC fit.

use std::collections::BTreeMap;

use rand::RngExt;

use super::{
    anatomy::{Anatomy, Appearance},
    shape::Point,
    texture,
    tissue::Tissue,
};
use crate::data::Volume;

/// Diffusion weightings in s/mm^2: two from which the ADC is computed, and the high one that is shown.
const B_LOW: f32 = 50.0;
const B_MID: f32 = 800.0;
const B_HIGH: f32 = 1400.0;

/// ADC is not computed, and stored as 0, where the low-b signal is below this many noise deviations.
const WEAK: f32 = 7.0;

/// Positions within the slice thickness over which a voxel is averaged, as parts of it.
const SUB_SLICES: [f32; 3] = [-1.0 / 3.0, 0.0, 1.0 / 3.0];

/// The sampling grid.
#[derive(Debug, Clone, Copy)]
pub struct Scan {
    shape: [usize; 3],
    /// Voxel size in mm, `[D, H, W]`.
    spacing: [f32; 3],
}

/// TissueMaps on the grid.
struct TissueMaps {
    tissue: Vec<Tissue>,
    zones: Vec<f32>,
    lesion: Vec<f32>,
}

impl Scan {
    /// A grid of `shape` voxels over the field of view, centred.
    pub fn new(shape: [usize; 3], field_of_view_mm: [f64; 3]) -> Self {
        Self { shape, spacing: std::array::from_fn(|a| (field_of_view_mm[a] / shape[a] as f64) as f32) }
    }

    /// Images (t2w, adc, hbv) and masks (gland, zones, lesion), whole numbers all.
    pub fn run(&self, anatomy: &Anatomy, rng: &mut impl RngExt) -> BTreeMap<String, Volume> {
        let maps = self.maps(anatomy);
        let fine = texture::correlated(rng, self.shape, self.voxels([1.0, 0.55, 0.55]));
        let coarse = texture::correlated(rng, self.shape, self.voxels([2.5, 2.2, 2.2]));
        let t2w = self.t2w(&maps, &anatomy.appearance, &fine, &coarse, rng);
        let (adc, hbv) = self.diffusion(&maps, &anatomy.appearance, &coarse, rng);
        let gland = maps.zones.iter().map(|z| f32::from(*z > 0.0)).collect();
        [
            ("t2w", t2w),
            ("adc", adc),
            ("hbv", hbv),
            ("gland", gland),
            ("zones", maps.zones),
            ("lesion", maps.lesion),
        ]
        .into_iter()
        .map(|(name, data)| (name.to_owned(), Volume { shape: self.shape, data }))
        .collect()
    }

    /// A length in mm, `[D, H, W]`, in voxels.
    fn voxels(&self, mm: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|a| mm[a] / self.spacing[a])
    }

    /// World position of a voxel centre.
    fn world(&self, d: usize, h: usize, w: usize) -> Point {
        let at =
            |axis: usize, i: usize| (i as f32 - 0.5 * (self.shape[axis] as f32 - 1.0)) * self.spacing[axis];
        [at(2, w), at(1, h), at(0, d)]
    }

    fn maps(&self, anatomy: &Anatomy) -> TissueMaps {
        let n = self.shape.iter().product();
        let mut maps = TissueMaps {
            tissue: Vec::with_capacity(n),
            zones: Vec::with_capacity(n),
            lesion: Vec::with_capacity(n),
        };
        let edge = 0.7 * self.spacing[1].max(self.spacing[2]);
        for d in 0..self.shape[0] {
            for h in 0..self.shape[1] {
                for w in 0..self.shape[2] {
                    let centre = self.world(d, h, w);
                    let samples = SUB_SLICES.map(|part| {
                        anatomy.sample([centre[0], centre[1], centre[2] + part * self.spacing[0]], edge)
                    });
                    let mut mean = samples[0].tissue;
                    mean.cover(&samples[1].tissue, 0.5);
                    mean.cover(&samples[2].tissue, 1.0 / 3.0);
                    maps.tissue.push(mean);
                    maps.zones.push(f32::from(samples[1].zone));
                    maps.lesion.push(f32::from(samples[1].lesion));
                }
            }
        }
        maps
    }

    /// Coil shading: a smooth positive field, about 1 in the middle.
    fn shading(&self, appearance: &Appearance, strength: f32) -> Vec<f32> {
        let half = [48.0, 48.0, 36.0];
        let mut field = Vec::with_capacity(self.shape.iter().product());
        for d in 0..self.shape[0] {
            for h in 0..self.shape[1] {
                for w in 0..self.shape[2] {
                    let p = self.world(d, h, w);
                    let [x, y, z]: Point = std::array::from_fn(|a| p[a] / half[a]);
                    let s = &appearance.shading;
                    let log = s[0] * x
                        + s[1] * y
                        + s[2] * z
                        + s[3] * (x * x - 0.3)
                        + s[4] * (y * y - 0.3)
                        + s[5] * z * z
                        + s[6] * x * y;
                    field.push((strength * log).clamp(-0.8, 0.8).exp());
                }
            }
        }
        field
    }

    fn t2w(
        &self,
        maps: &TissueMaps,
        appearance: &Appearance,
        fine: &[f32],
        coarse: &[f32],
        rng: &mut impl RngExt,
    ) -> Vec<f32> {
        let shading = self.shading(appearance, 1.0);
        let mut signal: Vec<f32> = maps
            .tissue
            .iter()
            .zip(fine.iter().zip(coarse))
            .zip(&shading)
            .map(|((m, (f, c)), s)| {
                appearance.gain[0] * s * m.t2w * (1.0 + m.fine * f + m.coarse * c).max(0.05)
            })
            .collect();
        // The acquisition's own blur is small beside the voxel, so that fine detail stays.
        texture::smooth(&mut signal, self.shape, [0.0, 0.35, 0.35]);
        let real = texture::white(rng, self.shape);
        let imaginary = texture::white(rng, self.shape);
        rician(&signal, &real, &imaginary, appearance.noise[0])
            .into_iter()
            .map(|v| v.round().clamp(0.0, 4095.0))
            .collect()
    }

    /// ADC in 1e-6 mm^2/s (0 where the signal is weak) and the high-b image.
    fn diffusion(
        &self,
        maps: &TissueMaps,
        appearance: &Appearance,
        coarse: &[f32],
        rng: &mut impl RngExt,
    ) -> (Vec<f32>, Vec<f32>) {
        let shading = self.shading(appearance, 0.7);
        let own = texture::correlated(rng, self.shape, self.voxels([2.0, 1.6, 1.6]));
        let weighted = |b: f32| -> Vec<f32> {
            let mut signal: Vec<f32> = maps
                .tissue
                .iter()
                .zip(coarse.iter().zip(&own))
                .zip(&shading)
                .map(|((m, (c, o)), s)| {
                    let variation = (1.0 + 0.35 * m.coarse * c + 0.4 * m.coarse * o).max(0.3);
                    appearance.gain[1] * s * m.s0 * (-b * 1e-6 * m.adc * variation).exp()
                })
                .collect();
            // Echo-planar images are acquired on a coarser grid.
            texture::smooth(&mut signal, self.shape, self.voxels([0.0, 0.95, 0.95]));
            signal
        };
        let mut measure = |b: f32| {
            let signal = weighted(b);
            // Interpolated from that grid, so neighbouring voxels share noise.
            let sigma = self.voxels([0.0, 0.7, 0.7]);
            let real = texture::correlated(rng, self.shape, sigma);
            let imaginary = texture::correlated(rng, self.shape, sigma);
            rician(&signal, &real, &imaginary, appearance.noise[1])
        };
        let (low, mid, high) = (measure(B_LOW), measure(B_MID), measure(B_HIGH));
        let adc = low
            .iter()
            .zip(&mid)
            .map(|(low, mid)| {
                if *low < WEAK * appearance.noise[1] {
                    return 0.0;
                }
                let adc = (low / mid.max(1.0)).ln() / (B_MID - B_LOW) * 1e6;
                adc.round().clamp(0.0, 4000.0)
            })
            .collect();
        (adc, high.into_iter().map(|v| v.round().clamp(0.0, 4095.0)).collect())
    }
}

/// Magnitude of the signal with complex Gaussian noise of this deviation in each part.
fn rician(signal: &[f32], real: &[f32], imaginary: &[f32], deviation: f32) -> Vec<f32> {
    signal
        .iter()
        .zip(real.iter().zip(imaginary))
        .map(|(s, (r, i))| ((s + deviation * r).powi(2) + (deviation * i).powi(2)).sqrt())
        .collect()
}
