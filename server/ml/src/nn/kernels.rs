//! The operations that we compute ourselves on the CPU: convolutions that keep the size.
//!
//! burn-flex unrolls the input for a matrix product, and runs a depth-wise convolution as a grouped
//! one; with our few channels on large grids direct loops are several times faster, and convolutions
//! decide how long a run takes. On other backends burn's own operations are used. [`Autodiff`] gets its backward pass from the inner backend's two gradients.

use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn_autodiff::NodeId;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
#[cfg(feature = "cuda")]
use burn_backend::ops::ConvOptions;
use burn_backend::tensor::FloatTensor;
use burn_flex::Flex;

use super::attention::Attention;

/// A group normalisation: sizes of `[B, C, V]`, and the slope of the rectifier after it below zero.
#[derive(Debug, Clone, Copy)]
pub struct Groups {
    pub batch: usize,
    pub channels: usize,
    pub voxels: usize,
    pub groups: usize,
    pub epsilon: f64,
    pub slope: f32,
}

/// Gradients of a group normalisation.
#[derive(Debug)]
pub struct GroupNormGrads<B: Backend> {
    pub x: FloatTensor<B>,
    pub gamma: FloatTensor<B>,
    pub beta: FloatTensor<B>,
}

/// A backend with convolutions of odd kernel `k`, stride 1 and zero padding `k / 2`, dense and
/// depth-wise (kernel `[C, 1, k, k, k]`, no bias), the exact GELU,
/// and normalisations over rows.
pub trait Kernels: Backend {
    /// Whole cases that an evaluation puts through a network at once.
    const CASES_AT_ONCE: usize;

    /// The exact GELU of every value.
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Gradient of [`Kernels::exact_gelu`] with respect to `x`.
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `x [B, C_in, D, H, W]`, `weight [C_out, C_in, kD, kH, kW]`, `bias [1, C_out, 1, 1, 1]` ->
    /// `[B, C_out, D, H, W]`.
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Soft-max over the last dimension.
    fn softmax_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        use burn_backend::TensorMetadata;
        let last = x.shape().num_dims() - 1;
        Self::softmax(x, last)
    }
    /// Gradient of [`Kernels::softmax_rows`], by its result.
    fn softmax_rows_grad(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        super::rows::softmax_gradient::<Self>(y, grad)
    }
    /// `softmax(q k^T) v` of `[S, heads, N, size]` each.
    fn attend(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self> {
        super::attention::forward::<Self>(q, k, v, super::attention::AT_ONCE)
    }
    /// `x [B, C, V]`, `gamma [C]`, `beta [C]` -> rectified `[B, C, V]`.
    fn group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: Groups,
    ) -> FloatTensor<Self> {
        super::rows::composed::<Self>(x, gamma, beta, groups)
    }
    /// Gradients of [`Kernels::group_norm`].
    fn group_norm_grads(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        groups: Groups,
    ) -> GroupNormGrads<Self> {
        super::rows::composed_grads::<Self>(x, gamma, beta, grad, groups)
    }
    /// Gradient of [`Kernels::conv`] with respect to `x`.
    fn conv_grad_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// Gradient of [`Kernels::conv`] with respect to `weight`.
    fn conv_grad_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// `x [B, C, D, H, W]`, `weight [C, 1, k, k, k]` -> `[B, C, D, H, W]`.
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, k: usize) -> FloatTensor<Self>;
    /// Gradient with respect to `x`.
    fn depthwise_grad_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self>;
    /// Gradient with respect to `weight`.
    fn depthwise_grad_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self>;
}

#[cfg(feature = "cuda")]
fn options(channels: usize, k: usize) -> ConvOptions<3> {
    ConvOptions::new([1; 3], [k / 2; 3], [1; 3], channels)
}

/// A dense convolution that keeps the size, by the shape of its kernel.
#[cfg(feature = "cuda")]
fn same(weight: &burn_backend::Shape) -> ConvOptions<3> {
    ConvOptions::new([1; 3], [weight[2] / 2, weight[3] / 2, weight[4] / 2], [1; 3], 1)
}

#[cfg(feature = "cuda")]
impl Kernels for burn::backend::Cuda {
    const CASES_AT_ONCE: usize = 1;

    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as burn_backend::ops::ActivationOps<Self>>::gelu(x)
    }
    // burn's own gradient is that of the tanh approximation.
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        use burn_backend::ops::FloatTensorOps;
        let erf = Self::float_erf(Self::float_mul_scalar(x.clone(), std::f64::consts::FRAC_1_SQRT_2.into()));
        let below = Self::float_mul_scalar(Self::float_add_scalar(erf, 1.0.into()), 0.5.into());
        let square = Self::float_mul(x.clone(), x.clone());
        let bell = Self::float_exp(Self::float_mul_scalar(square, (-0.5).into()));
        let density = Self::float_mul_scalar(bell, (0.5 / std::f64::consts::PI).sqrt().into());
        Self::float_mul(grad, Self::float_add(below, Self::float_mul(x, density)))
    }
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        use burn_backend::{TensorMetadata, ops::FloatTensorOps};
        let bias = Self::float_reshape(bias.clone(), [bias.shape()[1]].into());
        let options = same(&weight.shape());
        <Self as burn_backend::ops::ModuleOps<Self>>::conv3d(x, weight, Some(bias), options)
    }
    fn conv_grad_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        use burn_backend::TensorMetadata;
        let options = same(&weight.shape());
        <Self as burn_backend::ops::ModuleOps<Self>>::conv3d_x_backward(x, weight, grad, options)
    }
    fn conv_grad_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        use burn_backend::TensorMetadata;
        let options = same(&weight.shape());
        <Self as burn_backend::ops::ModuleOps<Self>>::conv3d_weight_backward(x, weight, grad, options)
    }
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, k: usize) -> FloatTensor<Self> {
        use burn_backend::TensorMetadata;
        let channels = x.shape()[1];
        <Self as burn_backend::ops::ModuleOps<Self>>::conv3d(x, weight, None, options(channels, k))
    }
    fn depthwise_grad_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        use burn_backend::TensorMetadata;
        let channels = x.shape()[1];
        <Self as burn_backend::ops::ModuleOps<Self>>::conv3d_x_backward(x, weight, grad, options(channels, k))
    }
    fn depthwise_grad_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        use burn_backend::TensorMetadata;
        let channels = x.shape()[1];
        <Self as burn_backend::ops::ModuleOps<Self>>::conv3d_weight_backward(
            x,
            weight,
            grad,
            options(channels, k),
        )
    }
}

/// Computes with our loops, which know 32 bits alone, and rounds the result to what was given: like a
/// card's tensor cores, which take lower precision and add up in 32 bits.
fn in_float32<const N: usize>(
    inputs: [FloatTensor<Flex>; N],
    compute: impl FnOnce([FloatTensor<Flex>; N]) -> FloatTensor<Flex>,
) -> FloatTensor<Flex> {
    use burn_backend::{DType, FloatDType, ops::FloatTensorOps};
    let given = inputs[0].dtype();
    if given == DType::F32 {
        return compute(inputs);
    }
    let wide = inputs.map(|t| Flex::float_cast(t, FloatDType::F32));
    Flex::float_cast(compute(wide), given.into())
}

impl Kernels for Flex {
    const CASES_AT_ONCE: usize = 4;

    fn softmax_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        super::rows::softmax_rows(&x)
    }
    fn softmax_rows_grad(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        super::rows::softmax_rows_grad(&y, &grad)
    }
    fn group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: Groups,
    ) -> FloatTensor<Self> {
        super::rows::group_norm_direct(&x, &gamma, &beta, groups)
    }
    fn group_norm_grads(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        groups: Groups,
    ) -> GroupNormGrads<Self> {
        let (x, gamma, beta) = super::rows::group_norm_direct_grads(&x, &gamma, &beta, &grad, groups);
        GroupNormGrads { x, gamma, beta }
    }
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        super::gelu::forward(&x)
    }
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        super::gelu::gradient(&x, &grad)
    }
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        in_float32([x, weight, bias], |[x, weight, bias]| super::direct::forward(&x, &weight, &bias))
    }
    fn conv_grad_x(
        _x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        in_float32([weight, grad], |[weight, grad]| super::direct::grad_x(&weight, &grad))
    }
    fn conv_grad_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [_, _, kd, kh, kw] = super::direct::dims(&weight);
        in_float32([x, grad], |[x, grad]| super::direct::grad_weight(&x, &grad, [kd, kh, kw]))
    }
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, k: usize) -> FloatTensor<Self> {
        in_float32([x, weight], |[x, weight]| super::depthwise::forward(x, weight, k, false))
    }
    fn depthwise_grad_x(
        _x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        in_float32([grad, weight], |[grad, weight]| super::depthwise::forward(grad, weight, k, true))
    }
    fn depthwise_grad_weight(
        x: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        in_float32([x, grad], |[x, grad]| super::depthwise::grad_weight(x, grad, k))
    }
}

#[derive(Debug)]
struct Gelu;

impl<B: Kernels> Backward<B, 1> for Gelu {
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let x: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(ops.state);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::gelu_grad(x, grad));
        }
    }
}

#[derive(Debug)]
struct Softmax;

impl<B: Kernels> Backward<B, 1> for Softmax {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::softmax_rows_grad(ops.state, grad));
        }
    }
}

#[derive(Debug)]
struct GroupNorm;

impl<B: Kernels> Backward<B, 3> for GroupNorm {
    type State = (NodeId, NodeId, NodeId, Groups);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, gamma_node, beta_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let (x, gamma, beta, groups) = ops.state;
        let x: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(x);
        let gamma: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(gamma);
        let beta: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(beta);
        let all = B::group_norm_grads(x, gamma, beta, grad, groups);
        for (node, grad) in [(x_node, all.x), (gamma_node, all.gamma), (beta_node, all.beta)] {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct Conv;

impl<B: Kernels> Backward<B, 3> for Conv {
    type State = (NodeId, NodeId);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let (x, weight) = ops.state;
        let x: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(x);
        let weight: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(weight);
        if let Some(node) = bias_node {
            let by_row = B::float_sum_dim(grad.clone(), 4);
            let by_channel = [3, 2, 0].into_iter().fold(by_row, |sum, dim| B::float_sum_dim(sum, dim));
            grads.register::<B>(node.id, by_channel);
        }
        if let Some(node) = x_node {
            let g = B::conv_grad_x(x.clone(), weight.clone(), grad.clone());
            grads.register::<B>(node.id, g);
        }
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::conv_grad_weight(x, weight, grad));
        }
    }
}

#[derive(Debug)]
struct Depthwise;

impl<B: Kernels> Backward<B, 2> for Depthwise {
    type State = (NodeId, NodeId, usize);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, weight_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let (x, weight, k) = ops.state;
        let x: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(x);
        let weight: B::FloatTensorPrimitive = checkpointer.retrieve_node_output(weight);
        if let Some(node) = x_node {
            let g = B::depthwise_grad_x(x.clone(), weight.clone(), grad.clone(), k);
            grads.register::<B>(node.id, g);
        }
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::depthwise_grad_weight(x, weight, grad, k));
        }
    }
}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    const CASES_AT_ONCE: usize = B::CASES_AT_ONCE;

    fn softmax_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = Softmax.prepare::<C>([x.node.clone()]).compute_bound().stateful();
        let y = B::softmax_rows(x.primitive);
        match prep {
            OpsKind::Tracked(prep) => prep.finish(y.clone(), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
    fn attend(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [q.node.clone(), k.node.clone(), v.node.clone()];
        match Attention.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let inputs = [prep.checkpoint(&q), prep.checkpoint(&k), prep.checkpoint(&v)];
                let (out, kept) = super::attention::forward_kept::<B>(q.primitive, k.primitive, v.primitive);
                prep.finish((inputs, kept), out)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::attend(q.primitive, k.primitive, v.primitive)),
        }
    }
    fn group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: Groups,
    ) -> FloatTensor<Self> {
        let nodes = [x.node.clone(), gamma.node.clone(), beta.node.clone()];
        let compute = |x, gamma, beta| B::group_norm(x, gamma, beta, groups);
        match GroupNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&gamma), prep.checkpoint(&beta), groups);
                prep.finish(state, compute(x.primitive, gamma.primitive, beta.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(compute(x.primitive, gamma.primitive, beta.primitive)),
        }
    }
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Gelu.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::exact_gelu(x.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::exact_gelu(x.primitive)),
        }
    }
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::gelu_grad(x.primitive, grad.primitive))
    }
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
        match Conv.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight));
                prep.finish(state, B::conv(x.primitive, weight.primitive, bias.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::conv(x.primitive, weight.primitive, bias.primitive)),
        }
    }
    fn conv_grad_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::conv_grad_x(x.primitive, weight.primitive, grad.primitive))
    }
    fn conv_grad_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::conv_grad_weight(
            x.primitive,
            weight.primitive,
            grad.primitive,
        ))
    }
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, k: usize) -> FloatTensor<Self> {
        match Depthwise.prepare::<C>([x.node.clone(), weight.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), k);
                prep.finish(state, B::depthwise(x.primitive, weight.primitive, k))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::depthwise(x.primitive, weight.primitive, k)),
        }
    }
    // Second derivatives are not needed: the gradients are not tracked further.
    fn depthwise_grad_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::depthwise_grad_x(
            x.primitive,
            weight.primitive,
            grad.primitive,
            k,
        ))
    }
    fn depthwise_grad_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::depthwise_grad_weight(
            x.primitive,
            weight.primitive,
            grad.primitive,
            k,
        ))
    }
}
