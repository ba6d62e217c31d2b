//! Soft-max attention whose maps are not kept: `softmax(q k^T) v`, sample by sample where the maps
//! are large.
//!
//! A slice of 448 pixels has 1031 tokens, so the maps of one block with six heads take 25 MB, and
//! those of twelve blocks and a batch more than a card has. The backward pass therefore computes
//! them again; only small ones are kept, where computing twice would cost more than it saves.

use std::ops::Range;

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};
use burn_autodiff::{NodeId, checkpoint::base::Checkpointer, grads::Gradients, ops::Backward, ops::Ops};
use burn_backend::tensor::FloatTensor;

use super::{
    kernels::Kernels,
    precision::{full, low},
    rows::softmax,
};

/// Values of attention maps that are in memory at once (one sample's at least).
pub(super) const AT_ONCE: usize = 1 << 26;
/// Values of attention maps up to which a layer's are kept for the backward pass.
const KEPT: usize = 1 << 22;

/// `softmax(q k^T) v` for every sample and head; queries are scaled by the caller.
///
/// # Shapes
/// `q`, `k`, `v` `[S, heads, N, size]` -> the same.
pub fn attention<B: Kernels>(q: Tensor<B, 4>, k: Tensor<B, 4>, v: Tensor<B, 4>) -> Tensor<B, 4> {
    let [q, k, v] = [q, k, v].map(|t| low(t).into_primitive().tensor());
    full(wrap(B::attend(q, k, v)))
}

fn wrap<B: Backend>(x: FloatTensor<B>) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn maps<B: Kernels>(q: Tensor<B, 4>, k: Tensor<B, 4>) -> Tensor<B, 4> {
    let low = q.dtype();
    // Soft-max in 32 bits, whatever the products are computed in.
    softmax(full(q.matmul(k.swap_dims(2, 3)))).cast(low)
}

/// Samples that are computed together.
fn parts([samples, heads, n, _]: [usize; 4], at_once: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (at_once / (heads * n * n).max(1)).max(1);
    (0..samples).step_by(step).map(move |from| from..(from + step).min(samples))
}

fn cut<B: Backend>(x: &Tensor<B, 4>, samples: &Range<usize>) -> Tensor<B, 4> {
    if samples.len() == x.dims()[0] { x.clone() } else { x.clone().slice([samples.clone()]) }
}

fn join<B: Backend>(mut parts: Vec<Tensor<B, 4>>) -> Tensor<B, 4> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 0) }
}

/// [`attention`] on a backend that does not differentiate.
pub(super) fn forward<B: Kernels>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    at_once: usize,
) -> FloatTensor<B> {
    let [q, k, v] = [q, k, v].map(wrap::<B>);
    let mixed =
        parts(q.dims(), at_once).map(|p| maps(cut(&q, &p), cut(&k, &p)).matmul(cut(&v, &p))).collect();
    join(mixed).into_primitive().tensor()
}

/// [`forward`] and its maps, where those are small.
pub(super) fn forward_kept<B: Kernels>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let [s, heads, n, _] = wrap::<B>(q.clone()).dims();
    if s * heads * n * n > KEPT {
        return (forward::<B>(q, k, v, AT_ONCE), None);
    }
    let maps = maps(wrap::<B>(q), wrap(k));
    let mixed = maps.clone().matmul(wrap(v));
    (mixed.into_primitive().tensor(), Some(maps.into_primitive().tensor()))
}

/// Gradients of [`attention`] with respect to `q`, `k` and `v`.
fn gradients<B: Kernels>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    kept: Option<FloatTensor<B>>,
    grad: FloatTensor<B>,
    at_once: usize,
) -> [FloatTensor<B>; 3] {
    let [q, k, v, grad] = [q, k, v, grad].map(wrap::<B>);
    let kept = kept.map(wrap::<B>);
    let (mut by_q, mut by_k, mut by_v) = (Vec::new(), Vec::new(), Vec::new());
    for p in parts(q.dims(), at_once) {
        let (q, k, v, grad) = (cut(&q, &p), cut(&k, &p), cut(&v, &p), cut(&grad, &p));
        let maps = match &kept {
            Some(kept) => cut(kept, &p),
            None => maps(q.clone(), k.clone()),
        };
        by_v.push(maps.clone().swap_dims(2, 3).matmul(grad.clone()));
        let low = q.dtype();
        let inner = B::softmax_rows_grad(
            full(maps).into_primitive().tensor(),
            full(grad.matmul(v.swap_dims(2, 3))).into_primitive().tensor(),
        );
        let inner = wrap::<B>(inner).cast(low);
        by_q.push(inner.clone().matmul(k));
        by_k.push(q.swap_dims(2, 3).matmul(inner).swap_dims(2, 3));
    }
    [by_q, by_k, by_v].map(|parts| join(parts).into_primitive().tensor())
}

/// The step of the backward pass.
#[derive(Debug)]
pub(super) struct Attention;

/// Where `q`, `k` and `v` are found, and the maps if they were kept.
type State<B> = ([NodeId; 3], Option<FloatTensor<B>>);

impl<B: Kernels> Backward<B, 3> for Attention {
    type State = State<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (nodes, kept) = ops.state;
        let [q, k, v] = nodes.map(|node| -> FloatTensor<B> { checkpointer.retrieve_node_output(node) });
        let all = gradients::<B>(q, k, v, kept, grad, AT_ONCE);
        for (node, grad) in ops.parents.into_iter().zip(all) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::{backend::Autodiff, tensor::Distribution};
    use burn_flex::Flex;

    type A = Autodiff<Flex>;

    fn close(a: Tensor<Flex, 4>, b: Tensor<Flex, 4>) {
        let worst = (a - b.clone()).abs().max().into_scalar();
        let scale = b.abs().max().into_scalar();
        assert!(worst <= 1e-5 * scale, "{worst} of {scale}");
    }

    /// Value and gradients are those of the operations that it is made of, maps kept or not, all at
    /// once or sample by sample.
    #[test]
    fn agrees_with_its_parts() {
        let device = Default::default();
        let random = || Tensor::<A, 4>::random([3, 2, 17, 5], Distribution::Normal(0.0, 1.0), &device);
        let [q, k, v] = [random(), random(), random()].map(|t| t.require_grad());
        let up = random();
        let ours = attention(q.clone(), k.clone(), v.clone());
        let theirs = softmax(q.clone().matmul(k.clone().swap_dims(2, 3))).matmul(v.clone());
        close(ours.clone().inner(), theirs.clone().inner());
        let (a, b) = ((ours * up.clone()).sum().backward(), (theirs.clone() * up.clone()).sum().backward());
        for x in [&q, &k, &v] {
            close(x.grad(&a).unwrap(), x.grad(&b).unwrap());
        }
        let raw = |t: &Tensor<A, 4>| t.clone().inner().into_primitive().tensor();
        for at_once in [1, 2 * 2 * 17 * 17, AT_ONCE] {
            let again = forward::<Flex>(raw(&q), raw(&k), raw(&v), at_once);
            close(wrap::<Flex>(again), theirs.clone().inner());
            let again = gradients::<Flex>(raw(&q), raw(&k), raw(&v), None, raw(&up), at_once);
            for (x, again) in [&q, &k, &v].into_iter().zip(again) {
                close(wrap::<Flex>(again), x.grad(&b).unwrap());
            }
        }
    }

    #[test]
    fn large_maps_are_computed_by_parts_of_a_batch() {
        let of = |dims| parts(dims, AT_ONCE).collect::<Vec<_>>();
        assert_eq!(of([5, 6, 1031, 64]), vec![0..5]);
        assert_eq!(of([25, 6, 1031, 64]), vec![0..10, 10..20, 20..25]);
        assert_eq!(of([2, 24, 4000, 64]), vec![0..1, 1..2]);
    }
}
