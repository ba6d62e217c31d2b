//! Other orders of a tensor's numbers: those of sparse layers, which store a kernel as `[offsets, in, out]`.
//!
//! # Source
//! The order of kernel offsets of NVIDIA/MinkowskiEngine `kernel_region.hpp` (MIT).

/// How the numbers of a sparse tensor become a dense one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Only the shape differs.
    Shape,
    /// `[side^3, in, out]` to `[out, in, side, side, side]`.
    Kernel { side: usize },
    /// `[side^3, channels]` to `[channels, 1, side, side, side]`.
    Depthwise { side: usize },
    /// `[in, out]` to `[out, in, 1, 1, 1]`.
    Pointwise,
}

impl Change {
    /// The dense numbers of a sparse tensor of shape `from`.
    pub(crate) fn apply(self, data: Vec<f32>, from: &[usize]) -> Vec<f32> {
        let dense = |side: usize, inputs: usize, outputs: usize| {
            let mut dense = Vec::with_capacity(data.len());
            for out in 0..outputs {
                for input in 0..inputs {
                    for (x, y, z) in cells(side) {
                        // The first axis of space varies fastest.
                        let offset = x + side * y + side * side * z;
                        dense.push(data[(offset * inputs + input) * outputs + out]);
                    }
                }
            }
            dense
        };
        if data.is_empty() {
            return data;
        }
        match (self, from) {
            (Change::Kernel { side }, &[_, inputs, outputs]) => dense(side, inputs, outputs),
            (Change::Pointwise, &[inputs, outputs]) => dense(1, inputs, outputs),
            (Change::Depthwise { side }, &[_, channels]) => dense(side, 1, channels),
            _ => data,
        }
    }
}

fn cells(side: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..side).flat_map(move |x| (0..side).flat_map(move |y| (0..side).map(move |z| (x, y, z))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_axis_of_a_kernel_varies_fastest() {
        let kernel: Vec<f32> = (0..8 * 2).map(|v| v as f32).collect();
        let dense = Change::Depthwise { side: 2 }.apply(kernel, &[8, 2]);
        assert_eq!(dense[..8], [0.0, 8.0, 4.0, 12.0, 2.0, 10.0, 6.0, 14.0]);
        assert_eq!(dense[8], 1.0);
    }
}
