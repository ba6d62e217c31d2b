//! The exact GELU, `x * (1 + erf(x / sqrt 2)) / 2`, and its gradient.
//!
//! On the CPU both are plain loops over polynomials, which compilers turn into vector instructions;
//! a call of the C library's `erf` for every value costs as much as the matrix products around it.

use burn::tensor::{Tensor, TensorPrimitive};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{direct::contiguous, kernels::Kernels};

/// The exact GELU of every value.
pub fn gelu<B: Kernels, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(B::exact_gelu(x.into_primitive().tensor())))
}

/// Values that one task works on.
const CHUNK: usize = 1 << 14;

pub(super) fn forward(x: &FlexTensor) -> FlexTensor {
    let x = contiguous(x);
    let xs: &[f32] = x.storage();
    let mut out = vec![0.0f32; xs.len()];
    let arch = pulp::Arch::new();
    out.par_chunks_mut(CHUNK).zip(xs.par_chunks(CHUNK)).for_each(|(out, xs)| {
        arch.dispatch(
            #[inline(always)]
            || {
                for (out, x) in out.iter_mut().zip(xs) {
                    *out = x * below(*x);
                }
            },
        );
    });
    like(&x, out)
}

pub(super) fn gradient(x: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
    let (x, grad) = (contiguous(x), contiguous(grad));
    let (xs, gs): (&[f32], &[f32]) = (x.storage(), grad.storage());
    let mut out = vec![0.0f32; xs.len()];
    let arch = pulp::Arch::new();
    out.par_chunks_mut(CHUNK).zip(xs.par_chunks(CHUNK).zip(gs.par_chunks(CHUNK))).for_each(
        |(out, (xs, gs))| {
            arch.dispatch(
                #[inline(always)]
                || {
                    for (out, (x, g)) in out.iter_mut().zip(xs.iter().zip(gs)) {
                        *out = g * (below(*x) + x * density(*x));
                    }
                },
            );
        },
    );
    like(&x, out)
}

fn like(x: &FlexTensor, data: Vec<f32>) -> FlexTensor {
    use burn_backend::TensorMetadata;
    FlexTensor::from_data(burn::tensor::TensorData::new(data, x.shape()))
}

/// Share of a standard normal distribution below `x`.
#[inline(always)]
fn below(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// The error function as `x P(x²) / Q(x²)`, the minimax fit for single precision that Eigen and XLA
/// use; within 4e-7 everywhere, and one beyond |x| = 4.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut p = -2.726_142e-10_f32;
    for c in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906e-4, -2.954_6e-3, -1.609_603_3e-2] {
        p = p * s + c;
    }
    let mut q = -1.456_607_2e-5_f32;
    for c in [-2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        q = q * s + c;
    }
    x * p / q
}

/// Density of the standard normal distribution.
#[inline(always)]
fn density(x: f32) -> f32 {
    const SCALE: f32 = 0.398_942_3;
    SCALE * exp((-0.5 * x * x).max(-87.0))
}

/// `e^x` for x in -87..=0, relative error below 2e-7: a power of two times a polynomial on half a unit
/// around zero.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first exact in few bits.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut p = 1.0 / 720.0;
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + c;
    }
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn_flex::Flex;

    /// Against the definition with a double-precision error function (its Taylor series, 60 terms).
    fn erf64(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..160 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn value_and_gradient_are_exact_to_single_precision() {
        let xs: Vec<f32> = (-500..=500).map(|i| i as f32 / 100.0).collect();
        let x = Tensor::<Autodiff<Flex>, 1>::from_floats(xs.as_slice(), &Default::default()).require_grad();
        let y = gelu(x.clone());
        let grads = y.clone().sum().backward();
        let values = y.inner().into_data().into_vec::<f32>().unwrap();
        let slopes = x.grad(&grads).unwrap().into_data().into_vec::<f32>().unwrap();
        for (i, x) in xs.iter().enumerate() {
            let x = f64::from(*x);
            let cdf = 0.5 * (1.0 + erf64(x / 2f64.sqrt()));
            let pdf = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(values[i]) - x * cdf).abs() < 2e-6, "gelu({x}) = {}", values[i]);
            assert!((f64::from(slopes[i]) - (cdf + x * pdf)).abs() < 2e-6, "gelu'({x}) = {}", slopes[i]);
        }
    }

    #[test]
    fn far_values_stay_finite() {
        for x in [-1e30f32, -100.0, -13.2, 0.0, 13.2, 100.0, 1e30] {
            let expected = if x > 0.0 { x } else { 0.0 };
            assert!((x * below(x) - expected).abs() <= x.abs() * 1e-6, "{x}");
            assert!(density(x).is_finite() && density(x) >= 0.0);
        }
    }
}
