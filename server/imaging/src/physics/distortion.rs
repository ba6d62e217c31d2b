//! One patient's distorted diffusion images: the field, the shift that it makes, and noise.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{
    epi::{self, Polarity},
    field_map::{self, GasPocket, SmoothField},
    rician,
};
use crate::{
    data::{Volume, case::Case},
    random, region,
    region::Region,
};

/// Seed of every degradation of a task, with the case's id: part of what a task is, so that all arms, seeds
/// and experiments see the same images.
pub const TASK_SEED: u64 = 0;

/// The scanner's part of a distortion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Bandwidth along the phase-encode axis: that of a pixel divided by its size, so that a shift in mm
    /// does not depend on the grid. 10 Hz/mm is a readout of 50 ms over 200 mm in one shot.
    pub bandwidth_hz_per_mm: f64,
    /// Largest `|s'|`, below 1 so that nothing folds over. The smooth field gets half of it and the gas what
    /// is left, each weakened where it would exceed that. None leaves every strength as drawn: then the image
    /// may fold.
    pub steepest: Option<f64>,
    /// Deviation of the noise, as a share of the image's 99th percentile.
    pub noise: f64,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { bandwidth_hz_per_mm: 10.0, steepest: Some(0.8), noise: 0.02 }
    }
}

/// The grid that is distorted, and where the gland lies in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// `[D, H, W]`: D towards the head, H towards the back (the phase-encode axis).
    pub shape: [usize; 3],
    pub spacing_mm: [f64; 3],
    /// Box round the gland; none takes the middle third of every side.
    pub gland: Option<Region>,
}

impl Place {
    /// That of a case: the gland's box by its mask, whole or in zones.
    pub fn of(case: &Case) -> Self {
        let mask = ["gland", "zones"].into_iter().find_map(|name| case.volumes.get(name));
        Self {
            shape: case.shape,
            spacing_mm: case.spacing_mm,
            gland: mask.and_then(|m| region::bounding_box(&m.data, m.shape, |v| v > 0.0)),
        }
    }

    fn gland(&self) -> Region {
        let inside = |region: &Region| {
            region.iter().zip(self.shape).all(|(side, n)| !side.is_empty() && side.end <= n)
        };
        let middle = || self.shape.map(|n| n / 3..n - n / 3);
        self.gland.clone().filter(inside).unwrap_or_else(middle)
    }
}

/// What was drawn for a case, for its page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Largest field in the volume, without sign.
    pub peak_hz: f64,
    /// Effective field over the volume.
    pub rms_hz: f64,
    /// Largest shift in the volume and in the gland's box, without sign.
    pub peak_shift_mm: f64,
    pub gland_peak_shift_mm: f64,
    /// Largest `|s'|`: 0.5 means that signal is piled up to twice or spread to two thirds.
    pub steepest: f64,
    pub bandwidth_per_pixel_hz: f64,
    /// Size of a pixel along the phase-encode axis.
    pub phase_spacing_mm: f64,
    pub polarity: Polarity,
    pub gas: GasPocket,
    /// Deviation of the noise, as a share of the image's 99th percentile.
    pub noise: f64,
}

/// A case's distortion, the same for every arm.
#[derive(Debug, Clone)]
pub struct Distortion {
    shift: Volume,
    noise_seed: (u64, String),
    pub drawn: Drawn,
}

impl Distortion {
    /// Draws the distortion of a case for a stored seed, with the usual [`Protocol`].
    ///
    /// The field is fixed by case and seed. It is smooth, with a dipole behind the gland; its mean over the
    /// gland's box is 0, since the scanner's frequency is set there.
    pub fn draw(case_id: &str, seed: u64, place: &Place) -> Self {
        Self::draw_with(case_id, seed, place, &Protocol::default())
    }

    /// [`Distortion::draw`] with another protocol.
    pub fn draw_with(case_id: &str, seed: u64, place: &Place, protocol: &Protocol) -> Self {
        let rng = &mut random::stream(seed, &format!("distortion {case_id}"));
        let gland = place.gland();
        let size = region::size(&gland);
        let gland_mm = std::array::from_fn(|a| size[a] as f64 * place.spacing_mm[a]);
        let field = SmoothField::draw(rng);
        let mut gas = field_map::draw_gas(rng, gland_mm);
        let polarity = if rng.random_bool(0.5) { Polarity::Plus } else { Polarity::Minus };

        let phase_spacing_mm = place.spacing_mm[1];
        let bandwidth_per_pixel_hz = protocol.bandwidth_hz_per_mm * phase_spacing_mm;
        let mut smooth_hz = field_map::on_grid(place.shape, place.spacing_mm, &gland, |p| field.hz(p));
        let mut gas_hz = field_map::on_grid(place.shape, place.spacing_mm, &gland, |p| gas.hz(p));
        if let Some(limit) = protocol.steepest {
            weaken(&mut smooth_hz, 0.5 * limit * bandwidth_per_pixel_hz);
            let left = limit * bandwidth_per_pixel_hz - steepest(&smooth_hz);
            gas.peak_hz *= weaken(&mut gas_hz, left);
        }
        let mut field_hz = smooth_hz;
        field_hz.data.iter_mut().zip(&gas_hz.data).for_each(|(sum, gas)| *sum += gas);
        let in_gland = region::cut(&field_hz.data, place.shape, &gland);
        let mean = in_gland.iter().map(|v| f64::from(*v)).sum::<f64>() / in_gland.len().max(1) as f64;
        field_hz.data.iter_mut().for_each(|v| *v -= mean as f32);

        let shift = epi::shift_voxels(&field_hz, bandwidth_per_pixel_hz, polarity);
        let peak = |values: &[f32]| values.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
        let squares: f64 = field_hz.data.iter().map(|v| f64::from(*v).powi(2)).sum();
        let drawn = Drawn {
            peak_hz: peak(&field_hz.data),
            rms_hz: (squares / field_hz.len().max(1) as f64).sqrt(),
            peak_shift_mm: peak(&shift.data) * phase_spacing_mm,
            gland_peak_shift_mm: peak(&region::cut(&shift.data, place.shape, &gland)) * phase_spacing_mm,
            steepest: steepest(&shift),
            bandwidth_per_pixel_hz,
            phase_spacing_mm,
            polarity,
            gas,
            noise: protocol.noise,
        };
        Self { shift, noise_seed: (seed, format!("distortion noise {case_id}")), drawn }
    }

    /// Where everything goes: a spin of row y appears at row `y + shift`, in voxels.
    ///
    /// # Shapes
    /// `[D, H, W]`
    pub fn shift_voxels(&self) -> &Volume {
        &self.shift
    }

    /// A measured image as the scanner would give it: displaced, with signal piled up and spread out, and
    /// with Rician noise, which is the same in every call.
    ///
    /// # Panics
    /// This and the other functions here panic when the image is not of the shape that was drawn for.
    pub fn apply(&self, image: &Volume) -> Volume {
        let distorted = self.displace(image);
        let (seed, label) = &self.noise_seed;
        rician::add(&distorted, self.drawn.noise * percentile_99(image), &mut random::stream(*seed, label))
    }

    /// [`Distortion::apply`] without noise.
    pub fn displace(&self, image: &Volume) -> Volume {
        // The pull form has no answer where the image folds over; the transport of signal has.
        epi::pull_jacobian(image, &self.shift).unwrap_or_else(|_| epi::push_exact(image, &self.shift))
    }

    /// A map that was computed from images distorted alike, such as ADC: displaced only, since intensity
    /// cancels in it. None where the image folds over, so that places are not distinguishable.
    pub fn displace_map(&self, map: &Volume) -> Option<Volume> {
        epi::warp(map, &self.shift).ok()
    }

    /// The baseline that knows the true field: [`Distortion::displace`] undone. Noise stays, and rows that
    /// left the image are 0.
    pub fn undo(&self, distorted: &Volume) -> Volume {
        epi::unwarp(distorted, &self.shift)
    }

    /// [`Distortion::displace_map`] undone.
    pub fn undo_map(&self, distorted: &Volume) -> Volume {
        epi::unwarp_without_jacobian(distorted, &self.shift)
    }
}

/// Largest change from one row to the next, without sign; central differences cannot be larger.
fn steepest(volume: &Volume) -> f64 {
    let [_, rows, columns] = volume.shape;
    let slices = volume.data.chunks_exact((rows * columns).max(1));
    let steps = slices.flat_map(|s| s.iter().skip(columns).zip(s).map(|(b, a)| f64::from((b - a).abs())));
    steps.fold(0.0, f64::max)
}

/// Scales a volume so that it is nowhere steeper than the limit; the factor, 1 where nothing was to do.
fn weaken(volume: &mut Volume, limit: f64) -> f64 {
    let found = steepest(volume);
    let factor = if found > limit { limit / found } else { 1.0 };
    volume.data.iter_mut().for_each(|v| *v *= factor as f32);
    factor
}

/// 99th percentile of the values, which single bright voxels do not move; 0 without voxels.
fn percentile_99(image: &Volume) -> f64 {
    let mut values = image.data.clone();
    let at = values.len() * 99 / 100;
    if values.is_empty() {
        return 0.0;
    }
    let (_, value, _) = values.select_nth_unstable_by(at, f32::total_cmp);
    f64::from(*value).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::{fixtures::relative_l2, synth},
        region::{bounding_box, cut},
    };

    fn phantom(index: u64) -> (Volume, Place, Region) {
        let shape = [24, 96, 96];
        let mut volumes = synth::phantom(11, index, shape).volumes;
        let gland = bounding_box(&volumes["gland"].data, shape, |v| v > 0.0).unwrap();
        let place = Place { shape, spacing_mm: [3.0, 1.0, 1.0], gland: Some(gland.clone()) };
        (volumes.remove("hbv").unwrap(), place, gland)
    }

    /// With the true field a distorted phantom comes back within 5 % in the gland's box without noise. What
    /// is lost is sharpness: signal was interpolated twice.
    #[test]
    fn the_true_field_undoes_phantoms() {
        for index in 0..4 {
            let (hbv, place, gland) = phantom(index);
            let distortion = Distortion::draw(&format!("case {index}"), 5, &place);
            let inner = |v: &Volume| cut(&v.data, v.shape, &gland);
            let distorted = distortion.displace(&hbv);
            let before = relative_l2(&inner(&distorted), &inner(&hbv));
            let after = relative_l2(&inner(&distortion.undo(&distorted)), &inner(&hbv));
            assert!(after < 0.05 && after < before / 2.0, "{before} before, {after} after");
            let map = distortion.undo_map(&distortion.displace_map(&hbv).unwrap());
            assert!(relative_l2(&inner(&map), &inner(&hbv)) < 0.05);
            let noisy = distortion.apply(&hbv);
            assert!(noisy.data.iter().all(|v| v.is_finite() && *v >= 0.0));
            assert_eq!(noisy, Distortion::draw(&format!("case {index}"), 5, &place).apply(&hbv));
        }
    }

    #[test]
    fn cases_differ_stay_within_the_limit_and_say_what_they_are() {
        let (_, place, gland) = phantom(0);
        let mut peaks = Vec::new();
        for case in 0..12 {
            let distortion = Distortion::draw(&format!("case {case}"), 5, &place);
            let d = &distortion.drawn;
            assert!(d.steepest <= 0.8 + 1e-3 && !epi::folds(distortion.shift_voxels()), "{d:?}");
            assert!((d.peak_shift_mm - d.peak_hz / 10.0).abs() < 1e-4 && d.rms_hz < d.peak_hz, "{d:?}");
            assert!(d.gland_peak_shift_mm > 0.3 && d.gland_peak_shift_mm <= d.peak_shift_mm, "{d:?}");
            let mean: f32 = cut(&distortion.shift.data, place.shape, &gland).iter().sum();
            assert!(mean.abs() / (region::size(&gland).iter().product::<usize>() as f32) < 1e-3);
            peaks.push(d.peak_hz);
        }
        peaks.dedup();
        assert_eq!(peaks.len(), 12);
    }

    #[test]
    fn without_a_limit_images_may_fold_and_keep_their_sum() {
        let (hbv, place, _) = phantom(1);
        let protocol = Protocol { steepest: None, noise: 0.0, ..Protocol::default() };
        let folding = (0..8)
            .map(|case| Distortion::draw_with(&format!("case {case}"), 5, &place, &protocol))
            .find(|d| epi::folds(d.shift_voxels()))
            .expect("a pocket of gas of full strength folds");
        assert!(folding.drawn.steepest > 1.0 && folding.displace_map(&hbv).is_none());
        let sum = |v: &Volume| v.data.iter().map(|v| f64::from(*v)).sum::<f64>();
        let (before, after) = (sum(&hbv), sum(&folding.apply(&hbv)));
        assert!(after <= before * 1.001 && after > before * 0.9, "{after} of {before}");
    }

    #[test]
    fn a_box_that_does_not_fit_and_empty_volumes_are_no_matter() {
        let place = Place { shape: [4, 8, 8], spacing_mm: [3.0, 1.0, 1.0], gland: Some([0..9, 0..1, 0..1]) };
        assert_eq!(place.gland(), [1..3, 2..6, 2..6]);
        let empty = Place { shape: [0, 8, 8], ..place };
        let image = Volume { shape: [0, 8, 8], data: Vec::new() };
        assert_eq!(Distortion::draw("x", 1, &empty).apply(&image), image);
    }
}
