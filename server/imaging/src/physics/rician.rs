//! The noise of magnitude images.

use std::f64::consts::{FRAC_PI_2, TAU};

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::data::Volume;

/// One voxel: `sqrt((v + sigma n_real)^2 + (sigma n_imag)^2)` of two normal draws.
pub fn noisy(value: f64, sigma: f64, n_real: f64, n_imag: f64) -> f64 {
    (value + sigma * n_real).hypot(sigma * n_imag)
}

/// A magnitude image with noise of deviation `sigma` (in the image's unit) in both parts of its complex
/// signal.
pub fn add(volume: &Volume, sigma: f64, rng: &mut impl Rng) -> Volume {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let data = volume.data.iter().map(|v| noisy(f64::from(*v), sigma, normal(), normal()) as f32).collect();
    Volume { shape: volume.shape, data }
}

/// The expected value of a voxel after noise, at least `sigma sqrt(pi / 2)`.
///
/// # Source
/// The mean of the Rice distribution, `sigma sqrt(pi/2) L(-v^2 / (2 sigma^2))` with the Laguerre function of
/// order 1/2 written in Bessel functions.
pub fn mean(value: f64, sigma: f64) -> f64 {
    if sigma <= 0.0 {
        return value.abs();
    }
    let q = (value / sigma).powi(2) / 4.0;
    sigma * FRAC_PI_2.sqrt() * ((1.0 + 2.0 * q) * scaled_bessel(0, q) + 2.0 * q * scaled_bessel(1, q))
}

/// `exp(-q) I_n(q)` of the modified Bessel function of order 0 or 1, for q >= 0.
fn scaled_bessel(order: u32, q: f64) -> f64 {
    let n = f64::from(order);
    if q < 30.0 {
        // The power series; all terms are positive.
        let (mut term, mut sum, mut k) = ((q / 2.0).powi(order as i32), 0.0, 0.0);
        while term > sum * 1e-17 {
            sum += term;
            k += 1.0;
            term *= q * q / 4.0 / (k * (k + n));
        }
        return sum * (-q).exp();
    }
    // The asymptotic series; at q = 30 its smallest term is far below double precision.
    let (mut term, mut sum, mut k) = (1.0f64, 0.0, 0.0f64);
    while term.abs() > 1e-17 {
        sum += term;
        k += 1.0;
        term *= ((2.0 * k - 1.0).powi(2) - 4.0 * n * n) / (8.0 * k * q);
    }
    sum / (TAU * q).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn bessel_functions_have_their_known_values() {
        // Abramowitz and Stegun, table 9.8: exp(-x) I0(x) and exp(-x) I1(x).
        for (x, i0, i1) in [(1.0, 0.465_759_607_6, 0.207_910_415_3), (5.0, 0.183_540_812_6, 0.163_972_266_9)]
        {
            assert!((scaled_bessel(0, x) - i0).abs() < 1e-10 && (scaled_bessel(1, x) - i1).abs() < 1e-10);
        }
        for order in [0, 1] {
            let (below, above) = (scaled_bessel(order, 30.0 - 1e-9), scaled_bessel(order, 30.0));
            assert!((below / above - 1.0).abs() < 1e-9, "the two series meet");
        }
    }

    #[test]
    fn means_have_their_limits() {
        assert!((mean(0.0, 2.0) - 2.0 * FRAC_PI_2.sqrt()).abs() < 1e-14);
        // Far above the noise: v + sigma^2 / (2 v).
        assert!((mean(1000.0, 2.0) - (1000.0 + 0.002)).abs() < 1e-6);
        assert_eq!(mean(3.0, 0.0), 3.0);
    }

    /// The mean of 200 000 draws lies within five of its standard errors.
    #[test]
    fn generated_noise_has_the_expected_mean() {
        for (value, sigma) in [(0.0f32, 1.0), (1.0, 1.0), (5.0, 2.0), (100.0, 3.0)] {
            let flat = Volume::filled([20, 100, 100], value);
            let noise = add(&flat, sigma, &mut random::stream(7, "rician"));
            let n = noise.len() as f64;
            let m = noise.data.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let expected = mean(f64::from(value), sigma);
            // E[m^2] = v^2 + 2 sigma^2.
            let variance = f64::from(value).powi(2) + 2.0 * sigma * sigma - expected * expected;
            assert!((m - expected).abs() < 5.0 * (variance / n).sqrt(), "{value}: {m} and {expected}");
        }
    }

    #[test]
    fn noise_repeats_with_its_seed() {
        let flat = Volume::filled([1, 4, 4], 1.0);
        let draw = |label| add(&flat, 0.1, &mut random::stream(1, label));
        assert_eq!(draw("a"), draw("a"));
        assert_ne!(draw("a"), draw("b"));
        assert_eq!(add(&flat, 0.0, &mut random::stream(1, "a")), flat);
    }
}
