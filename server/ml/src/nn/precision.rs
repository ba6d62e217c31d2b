//! Mixed precision: matrix products and convolutions of a training step in bfloat16, everything
//! else (parameters, normalisations, soft-max, losses, optimiser) in 32 bits.
//!
//! What is computed inside [`with`] on this thread follows it; backward passes do too, since they go
//! back through the same casts. Validation, tests and features are computed outside, so that numbers on
//! pages do not depend on it. Brain floats have the range of 32-bit ones, so that no loss is scaled.
//!
//! # Source
//! The operations that PyTorch's `autocast` computes in the lower precision.

use std::cell::Cell;

use burn::nn::Linear;
use burn::tensor::{DType, FloatDType, Tensor, backend::Backend};
use transferscope_domain::Precision;

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::Float32) };
}

/// Computes `work` in this precision.
pub fn with<R>(precision: Precision, work: impl FnOnce() -> R) -> R {
    /// Puts the former precision back, also when `work` panics.
    struct Back(Precision);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _back = Back(CURRENT.replace(precision));
    work()
}

/// Whether a device computes in this precision.
pub fn is_supported<B: Backend>(precision: Precision, device: &B::Device) -> bool {
    match precision {
        Precision::Float32 => true,
        Precision::Bfloat16 => B::supports_dtype(device, DType::BF16),
    }
}

/// In the precision of products.
pub(super) fn low<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    match CURRENT.get() {
        Precision::Float32 => x,
        Precision::Bfloat16 => x.cast(FloatDType::BF16),
    }
}

/// In 32 bits.
pub(super) fn full<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    x.cast(FloatDType::F32)
}

/// Matrix product.
pub fn product<B: Backend, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Tensor<B, D> {
    full(low(a).matmul(low(b)))
}

/// What a linear layer makes of `x`.
///
/// # Shapes
/// `[..., in]` -> `[..., out]`.
pub fn affine<B: Backend, const D: usize>(layer: &Linear<B>, x: Tensor<B, D>) -> Tensor<B, D> {
    if CURRENT.get() == Precision::Float32 {
        return layer.forward(x);
    }
    let [from, to] = layer.weight.dims();
    let mut dims = x.dims();
    let rows = dims.iter().product::<usize>() / from;
    dims[D - 1] = to;
    let y = product(x.reshape([rows, from]), layer.weight.val());
    let y = match &layer.bias {
        Some(bias) => y + bias.val().reshape([1, to]),
        None => y,
    };
    y.reshape(dims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        family::{Net, samples},
        init,
        model::io::TaskIo,
        nn::{Mode, drop_path::DropPath},
        params::gradients,
    };
    use burn::{backend::Autodiff, tensor::TensorData};
    use burn_flex::Flex;
    use rand::RngExt;
    use transferscope_domain::{Family, task::Output};

    type A = Autodiff<Flex>;

    /// Brain floats keep 8 bits: what a network gives is off by about a hundredth, its gradients by up to a fifth,
    /// and by something; outside of [`with`] nothing changes.
    #[test]
    fn networks_and_gradients_are_close_in_mixed_precision_and_exact_outside() {
        let device = Default::default();
        let io = TaskIo { images: 3, out: 3, output: Output::Classes };
        let mut rng = init::stream(1, "input");
        for family in Family::ALL {
            let net = init::random(Net::<A>::mini(family, io, &device), 1);
            let mut random = |shape: [usize; 5]| {
                let values = (0..shape.iter().product()).map(|_| rng.random_range(-1.7f32..1.7)).collect();
                Tensor::<A, 5>::from_data(TensorData::new(values, shape), &device)
            };
            let input = samples::input_of(family, &device, &mut random);
            let up = random(net.forward(input.clone(), DropPath::NONE, Mode::Train).dims());
            let run = |precision| {
                let y = with(precision, || net.forward(input.clone(), DropPath::NONE, Mode::Train));
                assert_eq!(y.dtype(), DType::F32);
                let grads = gradients(&net, &(y.clone() * up.clone()).sum().backward());
                let all: Vec<f32> = grads.into_iter().flat_map(|g| g.data).collect();
                (y.into_data().to_vec::<f32>().unwrap(), all)
            };
            let off = |a: &[f32], b: &[f32]| {
                assert_eq!(a.len(), b.len());
                let sum = |f: &dyn Fn(f32, f32) -> f32| {
                    a.iter().zip(b).map(|(a, b)| f64::from(f(*a, *b))).sum::<f64>()
                };
                (sum(&|a, b| (a - b).powi(2)) / sum(&|_, b| b * b)).sqrt()
            };
            let (exact, again, mixed) =
                (run(Precision::Float32), run(Precision::Float32), run(Precision::Bfloat16));
            assert_eq!(exact.0, again.0, "{}", family.as_str());
            let (y, g) = (off(&mixed.0, &exact.0), off(&mixed.1, &exact.1));
            println!("{}: output off by {y:.2e}, gradients by {g:.2e}", family.as_str());
            assert!(y > 1e-5 && y < 3e-2, "{}: {y}", family.as_str());
            assert!(g > 1e-5 && g < 0.2, "{}: {g}", family.as_str());
        }
    }

    #[test]
    fn a_panic_inside_does_not_stay() {
        let caught = std::panic::catch_unwind(|| with(Precision::Bfloat16, || panic!("inside")));
        assert!(caught.is_err());
        assert_eq!(CURRENT.get(), Precision::Float32);
    }
}
