//! ProFound's raw pre-training files: sparse layers to dense names and layouts.
//!
//! The encoder is pre-trained on visible voxels only, with sparse layers that store a kernel as
//! `[offsets, in, out]`. Fine-tuning has the same network with dense layers.
//!
//! # Source
//! `remap_checkpoint_keys` of pipiwang/ProFound (Apache-2.0), and the order of
//! kernel offsets of NVIDIA/MinkowskiEngine `kernel_region.hpp` (MIT), in [`Change`].

use crate::{
    checkpoint::{Change, Fault},
    params::NamedTensor,
};

/// A tensor of the dense encoder, made of one of the sparse encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dense {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) change: Change,
}

/// Whether these are names of a sparse encoder.
pub(super) fn is_sparse<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| name.ends_with(".kernel"))
}

/// The dense counterpart of a sparse tensor; `name` without the encoder's prefix.
pub(super) fn dense(name: &str, shape: &[usize]) -> Result<Dense, Fault> {
    let unfit = || Fault::damaged(format!("tensor {name} of shape {shape:?} is none of a sparse encoder"));
    let made = |name: String, shape: Vec<usize>, change| Ok(Dense { name, shape, change });
    let parts: Vec<&str> = name.split('.').collect();
    let (&last, layer) = parts.split_last().ok_or_else(unfit)?;
    if last == "kernel" {
        let name = format!("{}.weight", layer.join("."));
        return match *shape {
            [volume, from, to] => {
                let side = cube_root(volume).ok_or_else(unfit)?;
                made(name, vec![to, from, side, side, side], Change::Kernel { side })
            }
            [from, to] if layer.ends_with(&["downsample_layers", "3", "1"]) => {
                made(name, vec![to, from, 1, 1, 1], Change::Pointwise)
            }
            [volume, channels] => {
                let side = cube_root(volume).ok_or_else(unfit)?;
                made(name, vec![channels, 1, side, side, side], Change::Depthwise { side })
            }
            _ => Err(unfit()),
        };
    }
    // Sparse layers wrap a dense one, named `ln` or `linear`.
    let layer = match layer.split_last() {
        Some((&("ln" | "linear"), outer)) => outer,
        _ => layer,
    };
    let count = shape.iter().product();
    let shape = if layer.ends_with(&["grn"]) {
        vec![1, 1, 1, 1, count]
    } else if last == "bias" {
        vec![count]
    } else {
        shape.to_vec()
    };
    let name = layer.iter().chain([&last]).copied().collect::<Vec<_>>().join(".");
    made(name, shape, Change::Shape)
}

/// The dense tensor that a tensor of a sparse encoder becomes; its name without the encoder's
/// prefix.
///
/// # Errors
/// In words, when its shape is not one of a sparse layer.
pub fn dense_from_sparse(tensor: NamedTensor) -> Result<NamedTensor, String> {
    let Dense { name, shape, change } = dense(&tensor.name, &tensor.shape).map_err(|e| e.to_string())?;
    Ok(NamedTensor { name, shape, data: change.apply(tensor.data, &tensor.shape) })
}

fn cube_root(volume: usize) -> Option<usize> {
    // Kernels are of 2 or 7; the bound keeps the search short.
    (1..=31).find(|side| side * side * side == volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_shapes_are_those_of_the_dense_encoder() {
        for (name, shape, dense_name, dense_shape) in [
            (
                "downsample_layers.0.0.weight",
                vec![8, 3, 4, 4, 4],
                "downsample_layers.0.0.weight",
                vec![8, 3, 4, 4, 4],
            ),
            ("downsample_layers.1.0.ln.bias", vec![8], "downsample_layers.1.0.bias", vec![8]),
            (
                "downsample_layers.1.1.kernel",
                vec![8, 8, 16],
                "downsample_layers.1.1.weight",
                vec![16, 8, 2, 2, 2],
            ),
            (
                "downsample_layers.3.1.kernel",
                vec![32, 64],
                "downsample_layers.3.1.weight",
                vec![64, 32, 1, 1, 1],
            ),
            ("stages.0.0.dwconv.kernel", vec![343, 8], "stages.0.0.dwconv.weight", vec![8, 1, 7, 7, 7]),
            ("stages.0.0.dwconv.bias", vec![1, 8], "stages.0.0.dwconv.bias", vec![8]),
            ("stages.0.0.pwconv1.linear.weight", vec![32, 8], "stages.0.0.pwconv1.weight", vec![32, 8]),
            ("stages.0.0.grn.beta", vec![1, 32], "stages.0.0.grn.beta", vec![1, 1, 1, 1, 32]),
        ] {
            let dense = dense(name, &shape).unwrap();
            assert_eq!((dense.name.as_str(), dense.shape), (dense_name, dense_shape), "{name}");
        }
        assert!(dense("stages.0.0.dwconv.kernel", &[344, 8]).is_err());
        assert!(dense("stages.0.0.dwconv.kernel", &[343]).is_err());
    }
}
