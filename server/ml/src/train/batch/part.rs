//! A box of a case, as a network sees it.

use crate::{data::window::window, model::io::SLICES};

/// A box of an example, possibly mirrored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub start: [isize; 3],
    pub size: [usize; 3],
    /// By axis.
    pub mirrored: [bool; 3],
}

impl Part {
    pub fn take<T: Copy + Default>(&self, data: &[T], shape: [usize; 3]) -> Vec<T> {
        let mut out = window(data, shape, self.start, self.size);
        self.mirror(&mut out);
        out
    }

    /// Turns what was taken round along the axes that are mirrored.
    pub fn mirror<T: Copy>(&self, out: &mut [T]) {
        let [d, h, w] = self.size;
        if self.mirrored[2] {
            out.chunks_mut(w).for_each(<[T]>::reverse);
        }
        if self.mirrored[1] {
            for slice in out.chunks_mut(h * w) {
                (0..h / 2).for_each(|y| (0..w).for_each(|x| slice.swap(y * w + x, (h - 1 - y) * w + x)));
            }
        }
        if self.mirrored[0] {
            let n = h * w;
            (0..d / 2).for_each(|z| (0..n).for_each(|i| out.swap(z * n + i, (d - 1 - z) * n + i)));
        }
    }

    /// Whether it reaches over an edge of a volume.
    pub fn reaches_over(&self, shape: [usize; 3]) -> bool {
        let beyond = |axis: usize| {
            self.start[axis] < 0 || self.start[axis] + self.size[axis] as isize > shape[axis] as isize
        };
        (0..3).any(beyond)
    }

    /// The slice with those before and after it.
    pub fn with_neighbours(self) -> Self {
        let [z, y, x] = self.start;
        Self { start: [z - 1, y, x], size: [SLICES, self.size[1], self.size[2]], ..self }
    }

    /// The same box at another slice.
    pub fn at_slice(self, z: isize) -> Self {
        Self { start: [z, self.start[1], self.start[2]], ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every axis is turned round by itself, twice is as before, and all three are the reverse of everything.
    #[test]
    fn boxes_are_mirrored_axis_by_axis() {
        let data: Vec<u8> = (0..2 * 3 * 4).collect();
        let take = |mirrored| Part { start: [0; 3], size: [2, 3, 4], mirrored }.take(&data, [2, 3, 4]);
        assert_eq!(take([false; 3]), data);
        assert_eq!(take([false, false, true])[..4], [3, 2, 1, 0]);
        assert_eq!(take([false, true, false])[..4], [8, 9, 10, 11]);
        assert_eq!(take([true, false, false])[..4], [12, 13, 14, 15]);
        let all: Vec<u8> = data.iter().rev().copied().collect();
        assert_eq!(take([true; 3]), all);
        let part = Part { start: [0; 3], size: [2, 3, 4], mirrored: [true; 3] };
        assert_eq!(part.take(&all, [2, 3, 4]), data);
    }
}
