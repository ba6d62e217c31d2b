//! Changing the intensities of one image.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::recipe::{Between, Chance, Recipe};

/// What happens to one image's intensities; none of what does not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Intensity {
    gamma: Option<f64>,
    scale: Option<f64>,
    shift: Option<f64>,
    noise: Option<f64>,
    bias: Option<Bias>,
}

/// A polynomial of second order over the image: coefficients of d, h, w, dd, hh, ww, dh, dw, hw, where d, h and w
/// run from -1 to 1. Its largest size over the image is at most `most`.
#[derive(Debug, Clone, PartialEq)]
struct Bias {
    coefficients: [f64; 9],
}

impl Intensity {
    /// Draws in a fixed order, so that a probability changes nothing but what it is of.
    pub fn draw(recipe: &Recipe, rng: &mut impl Rng) -> Self {
        let mut between = |range: &Between| {
            let (happens, part) = (rng.random::<f64>(), rng.random::<f64>());
            (happens < range.probability).then_some(range.low + part * (range.high - range.low))
        };
        let (gamma, scale, shift) = (between(&recipe.gamma), between(&recipe.scale), between(&recipe.shift));
        let mut chance = |range: &Chance| {
            let (happens, part) = (rng.random::<f64>(), rng.random::<f64>());
            (happens < range.probability).then_some(part * range.most)
        };
        let (noise, bias) = (chance(&recipe.noise), chance(&recipe.bias));
        let raw: [f64; 9] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
        let size: f64 = raw.iter().map(|c| c.abs()).sum::<f64>().max(1e-9);
        let bias = bias.map(|most| Bias { coefficients: raw.map(|c| c / size * most) });
        Self { gamma, scale, shift, noise, bias }
    }

    /// Changes an image in place; `rng` draws the noise.
    pub fn apply(&self, values: &mut [f32], shape: [usize; 3], rng: &mut impl Rng) {
        if let Some(bias) = &self.bias {
            bias.multiply(values, shape);
        }
        if let Some(gamma) = self.gamma {
            bend(values, gamma as f32);
        }
        if self.scale.is_some() || self.shift.is_some() {
            let (scale, shift) = (self.scale.unwrap_or(1.0) as f32, self.shift.unwrap_or(0.0) as f32);
            foreground(values).for_each(|v| *v = *v * scale + shift);
        }
        if let Some(deviation) = self.noise {
            let deviation = deviation as f32;
            foreground(values).for_each(|v| {
                let draw: f32 = StandardNormal.sample(rng);
                *v += deviation * draw;
            });
        }
    }
}

/// Everything but the background.
fn foreground(values: &mut [f32]) -> impl Iterator<Item = &mut f32> {
    values.iter_mut().filter(|v| **v != 0.0)
}

/// Raises intensities to a power after scaling them to 0..1; smallest and largest stay.
fn bend(values: &mut [f32], gamma: f32) {
    let bounds = |(low, high): (f32, f32), v: &mut f32| (low.min(*v), high.max(*v));
    let (low, high) = foreground(values).fold((f32::INFINITY, f32::NEG_INFINITY), bounds);
    let range = high - low;
    if range.is_finite() && range > 0.0 {
        foreground(values).for_each(|v| *v = ((*v - low) / range).powf(gamma) * range + low);
    }
}

impl Bias {
    fn multiply(&self, values: &mut [f32], shape: [usize; 3]) {
        let place = |i: usize, n: usize| if n > 1 { 2.0 * i as f64 / (n - 1) as f64 - 1.0 } else { 0.0 };
        let [_, rows, columns] = shape;
        let [cd, ch, cw, cdd, chh, cww, cdh, cdw, chw] = self.coefficients;
        for (line, row) in values.chunks_exact_mut(columns.max(1)).enumerate() {
            let (d, h) = (place(line / rows, shape[0]), place(line % rows, rows));
            // Along a row it is a parabola.
            let constant = (1.0 + cd * d + ch * h + cdd * d * d + chh * h * h + cdh * d * h) as f32;
            let (linear, square) = ((cw + cdw * d + chw * h) as f32, cww as f32);
            for (x, v) in row.iter_mut().enumerate() {
                let w = place(x, columns) as f32;
                *v *= constant + w * (linear + w * square);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    const NOTHING: Intensity = Intensity { gamma: None, scale: None, shift: None, noise: None, bias: None };

    fn applied(intensity: &Intensity, values: &[f32]) -> Vec<f32> {
        let mut out = values.to_vec();
        intensity.apply(&mut out, [1, 1, values.len()], &mut random::stream(1, "noise"));
        out
    }

    #[test]
    fn each_change_is_what_it_says_and_background_stays() {
        let image = [0.0, -1.0, 0.5, 3.0];
        assert_eq!(applied(&NOTHING, &image), image);
        let linear = Intensity { scale: Some(2.0), shift: Some(0.5), ..NOTHING };
        assert_eq!(applied(&linear, &image), [0.0, -1.5, 1.5, 6.5]);
        let bent = applied(&Intensity { gamma: Some(2.0), ..NOTHING }, &image);
        let expected = [0.0, -1.0, (1.5f32 / 4.0).powi(2) * 4.0 - 1.0, 3.0];
        assert!(bent.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{bent:?}");
        let constant = applied(&Intensity { gamma: Some(2.0), ..NOTHING }, &[2.0, 2.0]);
        assert_eq!(constant, [2.0, 2.0]);
        let noisy = applied(&Intensity { noise: Some(0.1), ..NOTHING }, &vec![1.0; 10_000]);
        let mean = noisy.iter().map(|v| f64::from(*v)).sum::<f64>() / 1e4;
        let variance = noisy.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / 1e4;
        assert!((mean - 1.0).abs() < 5e-3 && (variance.sqrt() - 0.1).abs() < 5e-3, "{mean} {variance}");
    }

    #[test]
    fn the_bias_stays_within_its_strength() {
        let mut recipe = Recipe::none();
        recipe.bias = Chance { probability: 1.0, most: 0.3 };
        let rng = &mut random::stream(2, "bias");
        for _ in 0..50 {
            let mut image = vec![1.0; 4 * 6 * 8];
            Intensity::draw(&recipe, rng).apply(&mut image, [4, 6, 8], rng);
            assert!(image.iter().all(|v| (v - 1.0).abs() <= 0.3 + 1e-6));
            assert!(image.iter().any(|v| *v != image[0]));
        }
    }
}
