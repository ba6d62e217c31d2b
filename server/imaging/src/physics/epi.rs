//! What an uneven magnetic field does to an echo-planar image: every spin appears displaced along the
//! phase-encode axis, and signal is piled up or spread out.
//!
//! Images and shifts are `[D, H, W]`, H the phase-encode axis; shifts are in voxels: a spin at y appears at
//! `y + s(y)`. Between voxels everything is linear, beyond the ends clamped. The derivative s' is the central
//! difference, one-sided at the ends. Two discretisations of the same integral are here; they differ from
//! each other by a few percent. [`pull_jacobian`] and [`unwarp`] fit each other and need a map that does not
//! fold over; [`push_exact`] keeps the signal's sum also where it does.

use rayon::prelude::*;

use crate::data::Volume;

/// Direction in which k-space is traversed: it decides where a positive field shifts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Towards higher rows.
    Plus,
    /// Towards lower rows.
    Minus,
}

/// Shift in voxels, polarity x field / bandwidth per pixel.
pub fn shift_voxels(field_hz: &Volume, bandwidth_per_pixel_hz: f64, polarity: Polarity) -> Volume {
    let sign = match polarity {
        Polarity::Plus => 1.0,
        Polarity::Minus => -1.0,
    };
    let shift = |hz: &f32| (sign * f64::from(*hz) / bandwidth_per_pixel_hz) as f32;
    Volume { shape: field_hz.shape, data: field_hz.data.iter().map(shift).collect() }
}

/// Why a map cannot be inverted: places on one line change their order.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the shift folds the image over: y + s(y) does not rise everywhere along the phase-encode axis")]
pub struct Folds;

/// Whether two places on a line come to the same place or change their order.
pub fn folds(shift: &Volume) -> bool {
    let [_, rows, columns] = shift.shape;
    shift.data.iter().any(|v| !v.is_finite())
        || shift.data.chunks_exact((rows * columns).max(1)).any(|slice| {
            (columns..slice.len()).any(|i| f64::from(slice[i]) + 1.0 <= f64::from(slice[i - columns]))
        })
}

/// The distorted image: output y shows `I(u) / (1 + s'(u))` of the u with `u + s(u) = y`, and 0 where no u
/// comes to y.
///
/// # Errors
/// When the map folds over, where this form is not defined.
///
/// # Panics
/// This and the other functions here panic when image and shift differ in shape.
pub fn pull_jacobian(image: &Volume, shift: &Volume) -> Result<Volume, Folds> {
    pull(image, shift, |s, slope, u| at(s, u) / (1.0 + at(slope, u)))
}

/// [`pull_jacobian`] without the change of intensity: `I(u)`. A quotient of images that were distorted
/// alike, such as an ADC map, behaves so.
///
/// # Errors
/// When the map folds over.
pub fn warp(image: &Volume, shift: &Volume) -> Result<Volume, Folds> {
    pull(image, shift, |s, _, u| at(s, u))
}

/// Fills every y from the u that comes there; `value` gets the line, its s' and u.
fn pull(
    image: &Volume,
    shift: &Volume,
    value: impl Fn(&[f64], &[f64], f64) -> f64 + Sync,
) -> Result<Volume, Folds> {
    if folds(shift) {
        return Err(Folds);
    }
    Ok(along_phase_axis(image, shift, |line, s, out| {
        let mut slope = vec![0.0; s.len()];
        slopes(s, &mut slope);
        let place = |i: usize| i as f64 + s[i];
        let mut low = 0;
        for (y, out) in out.iter_mut().enumerate() {
            let y = y as f64;
            while low + 2 < s.len() && place(low + 1) < y {
                low += 1;
            }
            let high = (low + 1).min(s.len() - 1);
            if y < place(0) || y > place(s.len() - 1) {
                continue;
            }
            let gap = place(high) - place(low);
            let u = low as f64 + if gap > 0.0 { (y - place(low)) / gap } else { 0.0 };
            *out = value(line, &slope, u);
        }
    }))
}

/// The distorted image as exact transport of what lies between the outer edges of the line: each voxel
/// gets the integral of `I(u)` over all u that come into it. Parts outside are lost, folds add up.
pub fn push_exact(image: &Volume, shift: &Volume) -> Volume {
    along_phase_axis(image, shift, |line, s, out| {
        let last = line.len() - 1;
        // Between these positions image and shift are linear.
        let knot = |k: usize| match k {
            0 => -0.5,
            k if k == last + 2 => last as f64 + 0.5,
            k => (k - 1) as f64,
        };
        for k in 0..last + 2 {
            transport(line, s, [knot(k), knot(k + 1)], out);
        }
    })
}

/// Adds what the linear piece between two positions brings to each voxel.
fn transport(line: &[f64], shift: &[f64], [from, to]: [f64; 2], out: &mut [f64]) {
    let place = |u: f64| u + at(shift, u);
    let (p0, p1) = (place(from), place(to));
    let width = to - from;
    let voxel_of = |p: f64| (p + 0.5).floor();
    let (low, high) = (voxel_of(p0.min(p1)).max(0.0), voxel_of(p0.max(p1)).min(out.len() as f64 - 1.0));
    if !(p0.is_finite() && p1.is_finite()) || low > high {
        return;
    }
    for (voxel, out) in out.iter_mut().enumerate().take(high as usize + 1).skip(low as usize) {
        // Shares of the piece at which it enters and leaves the voxel.
        let share = |edge: f64| ((edge - p0) / (p1 - p0)).clamp(0.0, 1.0);
        let (a, b) = (share(voxel as f64 - 0.5), share(voxel as f64 + 0.5));
        let (a, b) = if p0 == p1 { (0.0, 1.0) } else { (a.min(b), a.max(b)) };
        let value = |share: f64| at(line, from + share * width);
        // The image is linear within the piece: the trapezium is its integral.
        *out += (b - a) * width * 0.5 * (value(a) + value(b));
    }
}

/// The image before distortion, of what [`pull_jacobian`] makes: `I'(y + s(y)) (1 + s'(y))`, 0 where
/// `y + s(y)` lies outside.
pub fn unwarp(distorted: &Volume, shift: &Volume) -> Volume {
    gather(distorted, shift, |slope| 1.0 + slope)
}

/// The image before distortion, of what [`warp`] makes: `I'(y + s(y))`, 0 where that lies outside.
pub fn unwarp_without_jacobian(distorted: &Volume, shift: &Volume) -> Volume {
    gather(distorted, shift, |_| 1.0)
}

fn gather(distorted: &Volume, shift: &Volume, weight: impl Fn(f64) -> f64 + Sync) -> Volume {
    along_phase_axis(distorted, shift, |line, s, out| {
        let mut slope = vec![0.0; s.len()];
        slopes(s, &mut slope);
        for (y, out) in out.iter_mut().enumerate() {
            let place = y as f64 + s[y];
            if place >= 0.0 && place <= (line.len() - 1) as f64 {
                *out = at(line, place) * weight(slope[y]);
            }
        }
    })
}

/// Runs `f` on every line along H: it gets the line of the image, that of the shift, and zeros to fill.
fn along_phase_axis(image: &Volume, shift: &Volume, f: impl Fn(&[f64], &[f64], &mut [f64]) + Sync) -> Volume {
    assert_eq!(image.shape, shift.shape, "image and shift have one shape");
    let [_, rows, columns] = image.shape;
    if image.is_empty() {
        return image.clone();
    }
    let mut data = vec![0.0f32; image.len()];
    data.par_chunks_exact_mut(rows * columns).enumerate().for_each(|(d, out)| {
        let (image, shift) = (image.slice(d), shift.slice(d));
        let (mut line, mut s, mut result) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        for x in 0..columns {
            for y in 0..rows {
                line[y] = f64::from(image[y * columns + x]);
                s[y] = f64::from(shift[y * columns + x]);
            }
            result.fill(0.0);
            f(&line, &s, &mut result);
            for (y, value) in result.iter().enumerate() {
                out[y * columns + x] = *value as f32;
            }
        }
    });
    Volume { shape: image.shape, data }
}

/// Linear between the values of a line, clamped beyond its ends.
fn at(line: &[f64], position: f64) -> f64 {
    let last = line.len() - 1;
    let position = position.clamp(0.0, last as f64);
    let low = position as usize;
    let part = position - low as f64;
    line[low] + part * (line[(low + 1).min(last)] - line[low])
}

/// Central differences, one-sided at the ends.
fn slopes(line: &[f64], out: &mut [f64]) {
    let last = line.len() - 1;
    for (i, out) in out.iter_mut().enumerate() {
        let (low, high) = (i.saturating_sub(1), (i + 1).min(last));
        *out = if high > low { (line[high] - line[low]) / (high - low) as f64 } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::relative_l2;

    fn column(values: &[f32]) -> Volume {
        Volume { shape: [1, values.len(), 1], data: values.to_vec() }
    }

    #[test]
    fn no_shift_changes_nothing_and_a_whole_one_moves() {
        let image = column(&[1.0, 2.0, 4.0, 8.0]);
        let (still, one) = (column(&[0.0; 4]), column(&[1.0; 4]));
        let moved = [0.0, 1.0, 2.0, 4.0];
        for (shift, expected) in [(&still, &image.data[..]), (&one, &moved[..])] {
            assert_eq!(pull_jacobian(&image, shift).unwrap().data, expected);
            assert_eq!(warp(&image, shift).unwrap().data, expected);
        }
        assert_eq!(unwarp(&column(&moved), &one).data, [1.0, 2.0, 4.0, 0.0]);
        // Within a voxel the image is linear on both sides: (I(-1) + 6 I(0) + I(1)) / 8.
        assert_eq!(push_exact(&image, &still).data, [1.125, 2.125, 4.25, 7.5]);
        // A single row has no neighbour.
        assert_eq!(pull_jacobian(&column(&[3.0]), &column(&[0.0])).unwrap().data, [3.0]);
    }

    #[test]
    fn a_stretch_spreads_the_signal_and_a_fold_piles_it_up() {
        let n = 40;
        let stretch = column(&(0..n).map(|y| 0.25 * (y as f32 - 19.5)).collect::<Vec<_>>());
        let out = pull_jacobian(&column(&vec![5.0; n]), &stretch).unwrap();
        assert!(out.data.iter().all(|v| (v - 4.0).abs() < 1e-5));
        assert!(push_exact(&column(&vec![5.0; n]), &stretch).data.iter().all(|v| (v - 4.0).abs() < 1e-5));
        // Everything between rows 10 and 30 comes to row 20; the pieces at either side do too in part.
        let fold = column(
            &(0..n).map(|y| if (10..=30).contains(&y) { 20.0 - y as f32 } else { 0.0 }).collect::<Vec<_>>(),
        );
        assert!(folds(&fold) && pull_jacobian(&fold, &fold) == Err(Folds));
        let piled = push_exact(&column(&vec![1.0; n]), &fold);
        assert!((piled.data.iter().sum::<f32>() - n as f32).abs() < 1e-4);
        assert!(piled.data[20] > 20.0);
        assert!(folds(&column(&[f32::NAN, 0.0])));
    }

    /// The exact transport against very many samples of the same integral.
    #[test]
    fn the_transport_equals_dense_sampling() {
        let image: Vec<f64> = (0..20).map(|y| 3.0 + (y as f64 * 0.7).sin() * 2.0).collect();
        let shift: Vec<f64> = (0..20).map(|y| 4.0 * (y as f64 * 0.6).cos()).collect();
        let samples = 20_000;
        let mut dense = vec![0.0; 20];
        for i in 0..20 * samples {
            let u = -0.5 + (i as f64 + 0.5) / samples as f64;
            let voxel = (u + at(&shift, u) + 0.5).floor();
            if (0.0..20.0).contains(&voxel) {
                dense[voxel as usize] += at(&image, u) / samples as f64;
            }
        }
        let single = |values: &[f64]| column(&values.iter().map(|v| *v as f32).collect::<Vec<_>>());
        let exact = push_exact(&single(&image), &single(&shift));
        for (a, b) in exact.data.iter().zip(&dense) {
            assert!((f64::from(*a) - b).abs() < 2e-3, "{a} and {b}");
        }
    }

    #[test]
    fn the_true_shift_undoes_a_distortion() {
        let n = 96;
        let wave = |cycles: f32, y: usize| (y as f32 * cycles * std::f32::consts::TAU / n as f32).sin();
        let image = column(&(0..n).map(|y| 10.0 + 3.0 * wave(4.0, y)).collect::<Vec<_>>());
        let shift = column(&(0..n).map(|y| 3.0 * wave(1.0, y)).collect::<Vec<_>>());
        // The outermost rows look at places that nothing came to.
        let error = |back: &Volume| relative_l2(&back.data[3..n - 3], &image.data[3..n - 3]);
        let back = unwarp(&pull_jacobian(&image, &shift).unwrap(), &shift);
        assert!(error(&back) < 5e-3, "{}", error(&back));
        let map = unwarp_without_jacobian(&warp(&image, &shift).unwrap(), &shift);
        assert!(error(&map) < 5e-3, "{}", error(&map));
        let opposite = shift_voxels(&shift, 1.0, Polarity::Minus);
        assert_eq!(opposite.data[5], -shift.data[5]);
    }
}
