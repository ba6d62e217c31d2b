//! Enlargement without any computation.

use burn::tensor::{Tensor, backend::Backend};

/// Repeats every voxel `k` times in each direction.
///
/// # Shapes
/// `[B, C, D, H, W]` -> `[B, C, k D, k H, k W]`.
pub(crate) fn repeat<B: Backend>(x: Tensor<B, 5>, k: usize) -> Tensor<B, 5> {
    let [b, c, d, h, w] = x.dims();
    let x = x.reshape([b, c, d, 1, h, 1, w, 1]).expand([b, c, d, k, h, k, w, k]);
    x.reshape([b, c, d * k, h * k, w * k])
}
