//! Normalisations over rows of values in one pass each: soft-max, and group normalisation with the
//! rectifier that follows it. burn composes them of many passes, forward and backward.

use burn::nn::GroupNorm;
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};
use burn_backend::{TensorMetadata, tensor::FloatTensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{
    direct::contiguous,
    gelu::exp,
    kernels::{GroupNormGrads, Groups, Kernels},
};

/// Soft-max over the last dimension.
pub fn softmax<B: Kernels, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(B::softmax_rows(x.into_primitive().tensor())))
}

/// Group normalisation, then `y` where it is positive and `slope * y` elsewhere (0 = ReLU).
///
/// # Shapes
/// `[B, C, ...]` -> the same.
pub fn group_norm<B: Kernels, const D: usize>(
    norm: &GroupNorm<B>,
    x: Tensor<B, D>,
    slope: f32,
) -> Tensor<B, D> {
    let shape = x.dims();
    let (batch, channels) = (shape[0], shape[1]);
    let voxels = shape[2..].iter().product();
    let parameter = |p: &Option<burn::module::Param<Tensor<B, 1>>>, constant: f64| match p {
        Some(p) => p.val(),
        None => Tensor::full([channels], constant, &x.device()),
    };
    let (gamma, beta) = (parameter(&norm.gamma, 1.0), parameter(&norm.beta, 0.0));
    let groups = Groups { batch, channels, voxels, groups: norm.num_groups, epsilon: norm.epsilon, slope };
    let flat: Tensor<B, 3> = x.clone().reshape([batch, channels, voxels]);
    let out = B::group_norm(
        flat.into_primitive().tensor(),
        gamma.into_primitive().tensor(),
        beta.into_primitive().tensor(),
        groups,
    );
    Tensor::<B, 3>::from_primitive(TensorPrimitive::Float(out)).reshape(shape)
}

/// Gradient of a soft-max over the last dimension, by its result.
pub(super) fn softmax_gradient<B: Backend>(y: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let last = y.shape().num_dims() - 1;
    let along = B::float_sum_dim(B::float_mul(y.clone(), grad.clone()), last);
    B::float_mul(y, B::float_sub(grad, along))
}

fn wrap<B: Backend, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// Values around zero with deviation one by group, `[B, G, C/G * V]`, and `1 / deviation [B, G, 1]`.
fn standardised<B: Backend>(x: Tensor<B, 3>, g: Groups) -> (Tensor<B, 3>, Tensor<B, 3>) {
    let x = x.reshape([g.batch, g.groups, g.channels / g.groups * g.voxels]);
    let x = x.clone() - x.mean_dim(2);
    let inverse = ((x.clone() * x.clone()).mean_dim(2) + g.epsilon).sqrt().recip();
    (x * inverse.clone(), inverse)
}

/// [`Kernels::group_norm`] from a backend's own operations.
pub(super) fn composed<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    g: Groups,
) -> FloatTensor<B> {
    let (hat, _) = standardised(wrap::<B, 3>(x), g);
    let row = |t: FloatTensor<B>| wrap::<B, 1>(t).reshape([1, g.channels, 1]);
    let y = hat.reshape([g.batch, g.channels, g.voxels]) * row(gamma) + row(beta);
    let out = y.clone().mask_where(y.clone().lower_elem(0.0), y * g.slope);
    out.into_primitive().tensor()
}

/// [`Kernels::group_norm_grads`] from a backend's own operations.
pub(super) fn composed_grads<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    grad: FloatTensor<B>,
    g: Groups,
) -> GroupNormGrads<B> {
    let whole = [g.batch, g.channels, g.voxels];
    let (hat, inverse) = standardised(wrap::<B, 3>(x), g);
    let row = |t: FloatTensor<B>| wrap::<B, 1>(t).reshape([1, g.channels, 1]);
    let (gamma, beta) = (row(gamma), row(beta));
    let hat_c = hat.clone().reshape(whole);
    let y = hat_c.clone() * gamma.clone() + beta;
    let grad = wrap::<B, 3>(grad);
    let grad = grad.clone().mask_where(y.lower_elem(0.0), grad * g.slope);
    let by_channel =
        |t: Tensor<B, 3>| t.sum_dim(2).sum_dim(0).reshape([g.channels]).into_primitive().tensor();
    let (d_gamma, d_beta) = (by_channel(grad.clone() * hat_c), by_channel(grad.clone()));
    let inner = (grad * gamma).reshape(hat.dims());
    let along = (inner.clone() * hat.clone()).mean_dim(2);
    let x = (inner.clone() - inner.mean_dim(2) - hat * along) * inverse;
    GroupNormGrads { x: x.reshape(whole).into_primitive().tensor(), gamma: d_gamma, beta: d_beta }
}

fn like(x: &FlexTensor, data: Vec<f32>) -> FlexTensor {
    FlexTensor::from_data(burn::tensor::TensorData::new(data, x.shape()))
}

/// Values summed side by side.
const LANES: usize = 16;
/// Values summed in single precision before they join a sum in double precision.
const BLOCK: usize = 4096;

/// Sum of `f` over two rows of one length.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [0.0f32; LANES];
        let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        for (a, b) in a_lanes.remainder().iter().zip(b_lanes.remainder()) {
            total += f64::from(f(*a, *b));
        }
        for (a, b) in a_lanes.zip(b_lanes) {
            for i in 0..LANES {
                lanes[i] += f(a[i], b[i]);
            }
        }
        total += lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
    }
    total
}

pub(super) fn softmax_rows(x: &FlexTensor) -> FlexTensor {
    let x = contiguous(x);
    let n = x.shape()[x.shape().num_dims() - 1].max(1);
    let xs: &[f32] = x.storage();
    let mut out = vec![0.0f32; xs.len()];
    let arch = pulp::Arch::new();
    let rows = (BLOCK / n).max(1) * n;
    out.par_chunks_mut(rows).zip(xs.par_chunks(rows)).for_each(|(out, xs)| {
        arch.dispatch(
            #[inline(always)]
            || {
                for (out, x) in out.chunks_exact_mut(n).zip(xs.chunks_exact(n)) {
                    let top = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    for (out, x) in out.iter_mut().zip(x) {
                        *out = exp((x - top).max(-87.0));
                    }
                    let scale = (1.0 / sum(out, out, |a, _| a)) as f32;
                    for out in out {
                        *out *= scale;
                    }
                }
            },
        );
    });
    like(&x, out)
}

pub(super) fn softmax_rows_grad(y: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
    let (y, grad) = (contiguous(y), contiguous(grad));
    let n = y.shape()[y.shape().num_dims() - 1].max(1);
    let (ys, gs): (&[f32], &[f32]) = (y.storage(), grad.storage());
    let mut out = vec![0.0f32; ys.len()];
    let arch = pulp::Arch::new();
    let rows = (BLOCK / n).max(1) * n;
    out.par_chunks_mut(rows).zip(ys.par_chunks(rows).zip(gs.par_chunks(rows))).for_each(|(out, (ys, gs))| {
        arch.dispatch(
            #[inline(always)]
            || {
                let rows = out.chunks_exact_mut(n).zip(ys.chunks_exact(n).zip(gs.chunks_exact(n)));
                for (out, (y, g)) in rows {
                    let along = sum(y, g, |y, g| y * g) as f32;
                    for (out, (y, g)) in out.iter_mut().zip(y.iter().zip(g)) {
                        *out = y * (g - along);
                    }
                }
            },
        );
    });
    like(&y, out)
}

/// Mean and `1 / deviation` of a group.
#[inline(always)]
fn moments(x: &[f32], epsilon: f64) -> (f32, f32) {
    let n = x.len().max(1) as f64;
    let mean = (sum(x, x, |a, _| a) / n) as f32;
    let variance = sum(x, x, |a, _| (a - mean) * (a - mean)) / n;
    (mean, (1.0 / (variance + epsilon).sqrt()) as f32)
}

pub(super) fn group_norm_direct(
    x: &FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    g: Groups,
) -> FlexTensor {
    let (x, gamma, beta) = (contiguous(x), contiguous(gamma), contiguous(beta));
    let (xs, gamma, beta): (&[f32], &[f32], &[f32]) = (x.storage(), gamma.storage(), beta.storage());
    let each = g.channels / g.groups;
    let mut out = vec![0.0f32; xs.len()];
    let arch = pulp::Arch::new();
    let size = (each * g.voxels).max(1);
    out.par_chunks_mut(size).zip(xs.par_chunks(size)).enumerate().for_each(|(index, (out, xs))| {
        arch.dispatch(
            #[inline(always)]
            || {
                let (mean, inverse) = moments(xs, g.epsilon);
                let rows = out.chunks_exact_mut(g.voxels).zip(xs.chunks_exact(g.voxels));
                for (i, (out, xs)) in rows.enumerate() {
                    let c = index % g.groups * each + i;
                    let (scale, shift) = (inverse * gamma[c], beta[c]);
                    for (out, x) in out.iter_mut().zip(xs) {
                        let y = (x - mean) * scale + shift;
                        *out = if y < 0.0 { y * g.slope } else { y };
                    }
                }
            },
        );
    });
    like(&x, out)
}

pub(super) fn group_norm_direct_grads(
    x: &FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    grad: &FlexTensor,
    g: Groups,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (x, gamma, beta, grad) = (contiguous(x), contiguous(gamma), contiguous(beta), contiguous(grad));
    let (xs, gs): (&[f32], &[f32]) = (x.storage(), grad.storage());
    let (gammas, betas): (&[f32], &[f32]) = (gamma.storage(), beta.storage());
    let each = g.channels / g.groups;
    let size = (each * g.voxels).max(1);
    let mut out = vec![0.0f32; xs.len()];
    // Sums of `grad * hat` and of `grad` for every sample and channel.
    let mut sums = vec![[0.0f64; 2]; g.batch * g.channels];
    let arch = pulp::Arch::new();
    let chunks = xs.par_chunks(size).zip(gs.par_chunks(size)).zip(sums.par_chunks_mut(each));
    out.par_chunks_mut(size).zip(chunks).enumerate().for_each(|(index, (out, ((xs, gs), sums)))| {
        arch.dispatch(
            #[inline(always)]
            || {
                let (mean, inverse) = moments(xs, g.epsilon);
                let first = index % g.groups * each;
                let (mut all, mut along) = (0.0, 0.0);
                let rows = xs.chunks_exact(g.voxels).zip(gs.chunks_exact(g.voxels));
                for (i, (xs, gs)) in rows.clone().enumerate() {
                    let (gamma, beta) = (gammas[first + i], betas[first + i]);
                    let scale = inverse * gamma;
                    let active =
                        |x: f32, g_: f32| if (x - mean) * scale + beta < 0.0 { g_ * g.slope } else { g_ };
                    let plain = sum(xs, gs, active);
                    let with_hat = sum(xs, gs, |x, g| active(x, g) * ((x - mean) * inverse));
                    sums[i] = [with_hat, plain];
                    all += plain * f64::from(gamma);
                    along += with_hat * f64::from(gamma);
                }
                let n = xs.len() as f64;
                let (all, along) = ((all / n) as f32, (along / n) as f32);
                for ((i, (xs, gs)), out) in rows.enumerate().zip(out.chunks_exact_mut(g.voxels)) {
                    let (gamma, beta) = (gammas[first + i], betas[first + i]);
                    let scale = inverse * gamma;
                    for (out, (x, grad)) in out.iter_mut().zip(xs.iter().zip(gs)) {
                        let hat = (x - mean) * inverse;
                        let grad = if (x - mean) * scale + beta < 0.0 { grad * g.slope } else { *grad };
                        *out = inverse * (grad * gamma - all - hat * along);
                    }
                }
            },
        );
    });
    let fold = |part: usize| -> Vec<f32> {
        (0..g.channels)
            .map(|c| (0..g.batch).map(|b| sums[b * g.channels + c][part]).sum::<f64>() as f32)
            .collect()
    };
    (like(&x, out), like(&gamma, fold(0)), like(&beta, fold(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::module::Param;
    use burn::nn::GroupNormConfig;
    use burn::tensor::{Distribution, activation};
    use burn_flex::Flex;

    type A = Autodiff<Flex>;

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<A, D> {
        Tensor::random(shape, Distribution::Normal(0.5, 2.0), &Default::default()).require_grad()
    }

    fn close<const D: usize>(a: Tensor<Flex, D>, b: Tensor<Flex, D>) {
        let worst = (a - b.clone()).abs().max().into_scalar();
        let scale = b.abs().max().into_scalar().max(1.0);
        assert!(worst <= 2e-5 * scale, "{worst} of {scale}");
    }

    /// Against burn's composition, value and gradient, rows of any length.
    #[test]
    fn softmax_agrees_with_burn() {
        for n in [1, 7, 16, 151] {
            let x = random([3, 5, n]);
            let up = random([3, 5, n]).detach();
            let (ours, theirs) = (softmax(x.clone()), activation::softmax(x.clone(), 2));
            close(ours.clone().inner(), theirs.clone().inner());
            let (a, b) = ((ours * up.clone()).sum().backward(), (theirs * up).sum().backward());
            close(x.grad(&a).unwrap(), x.grad(&b).unwrap());
        }
    }

    /// Against burn's module and rectifier, value and three gradients; and the composed form that other
    /// backends use against the direct one.
    #[test]
    fn group_norm_agrees_with_burn() {
        for (batch, channels, groups, space, slope) in
            [(2, 8, 8, [4, 5, 6], 0.01), (3, 16, 8, [1, 9, 17], 0.0), (1, 6, 2, [2, 2, 2], 0.01)]
        {
            let [d, h, w] = space;
            let mut norm = GroupNormConfig::new(groups, channels).init::<A>(&Default::default());
            let (gamma, beta) = (random([channels]), random([channels]));
            norm.gamma = Some(Param::from_tensor(gamma.clone()));
            norm.beta = Some(Param::from_tensor(beta.clone()));
            let x = random([batch, channels, d, h, w]);
            let up = random([batch, channels, d, h, w]).detach();
            let ours = group_norm(&norm, x.clone(), slope);
            let theirs = activation::leaky_relu(norm.forward(x.clone()), f64::from(slope));
            close(ours.clone().inner(), theirs.clone().inner());
            let (a, b) = ((ours * up.clone()).sum().backward(), (theirs * up.clone()).sum().backward());
            close(x.grad(&a).unwrap(), x.grad(&b).unwrap());
            let gradient = |p: &Option<Param<Tensor<A, 1>>>, g| p.as_ref().unwrap().val().grad(g).unwrap();
            close(gradient(&norm.gamma, &a), gradient(&norm.gamma, &b));
            close(gradient(&norm.beta, &a), gradient(&norm.beta, &b));

            let g = Groups { batch, channels, voxels: d * h * w, groups, epsilon: norm.epsilon, slope };
            let flat = |t: Tensor<A, 5>| -> FlexTensor {
                t.inner().reshape([batch, channels, d * h * w]).into_primitive().tensor()
            };
            let one = |t: Tensor<A, 1>| -> FlexTensor { t.inner().into_primitive().tensor() };
            let (x, gamma, beta, up) = (flat(x), one(gamma), one(beta), flat(up));
            close(
                wrap::<Flex, 3>(composed::<Flex>(x.clone(), gamma.clone(), beta.clone(), g)),
                wrap(group_norm_direct(&x, &gamma, &beta, g)),
            );
            let direct = group_norm_direct_grads(&x, &gamma, &beta, &up, g);
            let composed = composed_grads::<Flex>(x, gamma, beta, up, g);
            close(wrap::<Flex, 3>(composed.x), wrap(direct.0));
            close(wrap::<Flex, 1>(composed.gamma), wrap(direct.1));
            close(wrap::<Flex, 1>(composed.beta), wrap(direct.2));
        }
    }
}
