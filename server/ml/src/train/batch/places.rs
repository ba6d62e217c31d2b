//! Where boxes lie in cases.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::train::{example::Example, sampling::SamplingGeometry};

/// The box in which a label of a whole case is looked for, one size for all examples so that they can stand in
/// one batch: all slices, and of their middle as much as the network's box takes. The prostate is there, and what
/// lies outside has no say in its diagnosis.
pub fn labelled_box(examples: &[Example], sampling: SamplingGeometry) -> [usize; 3] {
    let longest = longest(examples);
    let [depth, height, width] =
        std::array::from_fn(|axis| longest[axis].next_multiple_of(sampling.multiple[axis]));
    [depth, height.min(sampling.crop[1]), width.min(sampling.crop[2])]
}

/// Rows and columns of slices that all examples fit into.
pub fn slice_of([_, height, width]: [usize; 3], sampling: SamplingGeometry) -> [usize; 2] {
    [height.next_multiple_of(sampling.multiple[1]), width.next_multiple_of(sampling.multiple[2])]
}

/// Share of the boxes that are laid around something that the masks show, so that a small target is seen at all.
///
/// # Source
/// nnU-Net's third of a batch.
const SHOWN: f64 = 1.0 / 3.0;

/// A voxel of a class of the example, every class as often as the others, for a [`SHOWN`] part of the draws; none for the
/// other draws, and where the example shows nothing.
pub fn shown_voxel(rng: &mut ChaCha8Rng, example: &Example) -> Option<[usize; 3]> {
    if !rng.random_bool(SHOWN) || example.foreground.is_empty() {
        return None;
    }
    let class = &example.foreground[rng.random_range(0..example.foreground.len())];
    let at = class[rng.random_range(0..class.len())] as usize;
    let [_, h, w] = example.shape;
    Some([at / (h * w), at / w % h, at % w])
}

/// A box of `size` around a voxel, within the case as far as that is large enough; a smaller case lies in its middle.
pub fn around(voxel: [usize; 3], shape: [usize; 3], size: [usize; 3]) -> [isize; 3] {
    std::array::from_fn(|axis| {
        let room = shape[axis] as isize - size[axis] as isize;
        if room <= 0 {
            room.div_euclid(2)
        } else {
            (voxel[axis] as isize - size[axis] as isize / 2).clamp(0, room)
        }
    })
}

/// The longest side of the cases along every axis.
pub fn longest(examples: &[Example]) -> [usize; 3] {
    std::array::from_fn(|axis| examples.iter().map(|e| e.shape[axis]).max().unwrap_or(1))
}

/// A box of `size` in the middle of a volume; the larger of the two contains the other.
pub fn middle(shape: [usize; 3], size: [usize; 3]) -> ([isize; 3], [usize; 3]) {
    (std::array::from_fn(|axis| (shape[axis] as isize - size[axis] as isize).div_euclid(2)), size)
}

/// A random start of `size` voxels among `n`; the larger of the two contains the other.
pub fn place(rng: &mut ChaCha8Rng, n: usize, size: usize) -> isize {
    let room = n as i64 - size as i64;
    rng.random_range(room.min(0)..=room.max(0)) as isize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{init::stream, train::example::Target};

    #[test]
    fn a_box_around_a_voxel_stays_within_the_case_and_holds_it() {
        for (n, size) in [(20usize, 8usize), (8, 8), (5, 8)] {
            for at in 0..n {
                let [start, ..] = around([at; 3], [n; 3], [size; 3]);
                assert!((start..start + size as isize).contains(&(at as isize)), "{n} {size} {at}");
                assert!(n < size || (start >= 0 && start as usize + size <= n), "{n} {size} {at}");
            }
        }
    }

    /// A third of the draws, every class as often as the others however small it is.
    #[test]
    fn a_third_of_the_boxes_lie_around_something_shown() {
        let target = Target::Labels(vec![0; 8]);
        let mut example = Example::new(("c", "p"), [2, 2, 2], Vec::new(), target, Vec::new());
        let mut rng = stream(1, "test");
        assert_eq!(shown_voxel(&mut rng, &example), None);
        example.foreground = vec![vec![7], vec![0, 1, 2, 3]];
        let drawn: Vec<[usize; 3]> = (0..6000).filter_map(|_| shown_voxel(&mut rng, &example)).collect();
        let rare = drawn.iter().filter(|voxel| **voxel == [1, 1, 1]).count();
        assert!((1850..2150).contains(&drawn.len()), "{}", drawn.len());
        assert!(rare.abs_diff(drawn.len() / 2) < 120, "{rare} of {}", drawn.len());
    }
}
