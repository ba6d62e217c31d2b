//! The one operation that we compute ourselves on the CPU: depth-wise 3-D convolution.
//!
//! burn-flex runs it as a grouped convolution, an order of magnitude slower than a direct loop;
//! every ConvNeXt block has one, so it decides how long a run takes. On other backends burn's own
//! operation is used. [`Autodiff`] gets its backward pass from the inner backend's two gradients.

use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn_autodiff::NodeId;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::ops::ConvOptions;
use burn_backend::tensor::FloatTensor;
use burn_flex::Flex;

/// A backend with depth-wise 3-D convolution: kernel `[C, 1, k, k, k]` with odd `k`, stride 1,
/// zero padding `k / 2`, no bias.
pub trait Kernels: Backend {
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

fn options(channels: usize, k: usize) -> ConvOptions<3> {
    ConvOptions::new([1; 3], [k / 2; 3], [1; 3], channels)
}

#[cfg(feature = "cuda")]
impl Kernels for burn::backend::Cuda {
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

impl Kernels for Flex {
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, k: usize) -> FloatTensor<Self> {
        super::depthwise::forward(x, weight, k, false)
    }
    fn depthwise_grad_x(
        _x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        super::depthwise::forward(grad, weight, k, true)
    }
    fn depthwise_grad_weight(
        x: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        k: usize,
    ) -> FloatTensor<Self> {
        super::depthwise::grad_weight(x, grad, k)
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
