//! Tensors as views of a storage: offset, shape and strides, all in elements.

use super::error::Fault;

/// Largest number of dimensions that is read; PyTorch's networks have up to five.
const RANK_LIMIT: usize = 8;

/// Which elements of a storage a tensor shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// Product of `shape`.
    count: usize,
}

impl View {
    /// All of a storage, row-major.
    pub(crate) fn whole(shape: &[usize]) -> Result<Self, Fault> {
        let mut strides = vec![1usize; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
        }
        Self::new(0, shape.to_vec(), strides)
    }

    pub(crate) fn new(offset: usize, shape: Vec<usize>, strides: Vec<usize>) -> Result<Self, Fault> {
        if shape.len() != strides.len() || shape.len() > RANK_LIMIT {
            return Err(Fault::damaged(format!(
                "a tensor has {} dimensions and {} strides; at most {RANK_LIMIT} are read",
                shape.len(),
                strides.len()
            )));
        }
        let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let count =
            count.ok_or_else(|| Fault::damaged(format!("the shape {shape:?} is impossibly large")))?;
        Ok(Self { offset, shape, strides, count })
    }

    /// The same elements of a storage of which `elements` come before this view's own.
    pub(crate) fn moved(&self, elements: usize) -> Option<Self> {
        Some(Self { offset: self.offset.checked_add(elements)?, ..self.clone() })
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether this is all of a storage of `len` elements, as it lies.
    pub(crate) fn is_whole(&self, len: usize) -> bool {
        let row_major = || {
            let mut stride = 1;
            self.shape.iter().zip(&self.strides).rev().all(|(dim, own)| {
                let fits = *dim == 1 || *own == stride;
                stride *= dim;
                fits
            })
        };
        self.offset == 0 && self.count == len && self.count > 0 && row_major()
    }

    /// Checks that a storage of `len` elements holds every element that is shown, and that no more
    /// elements are shown than it has, which bounds what reading the tensor can cost.
    pub(crate) fn check(&self, len: usize) -> Result<(), Fault> {
        if self.count == 0 {
            return Ok(());
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |at, (dim, stride)| at.checked_add((dim - 1).checked_mul(*stride)?));
        if last.is_none_or(|last| last >= len) {
            return Err(Fault::damaged(format!(
                "shape {:?} with strides {:?} from element {} on reaches beyond its storage of {len} elements",
                self.shape, self.strides, self.offset
            )));
        }
        if self.count > len {
            return Err(Fault::Unsupported(format!(
                "shape {:?} repeats the elements of a storage of {len} (an expanded tensor); \
                 save it with .contiguous()",
                self.shape
            )));
        }
        Ok(())
    }

    /// The shown elements of a storage, row-major, as bytes; `size` bytes an element. The view has
    /// been checked against this storage.
    pub(crate) fn gather(&self, storage: &[u8], size: usize) -> Vec<u8> {
        if self.count == 0 {
            return Vec::new();
        }
        // Trailing axes that lie row-major are copied in one piece.
        let mut run = 1;
        let mut outer = self.shape.len();
        while outer > 0 && (self.shape[outer - 1] == 1 || self.strides[outer - 1] == run) {
            run *= self.shape[outer - 1];
            outer -= 1;
        }
        let mut bytes = Vec::with_capacity(self.count * size);
        let mut index = vec![0; outer];
        loop {
            let at: usize = self.offset + index.iter().zip(&self.strides).map(|(i, s)| i * s).sum::<usize>();
            bytes.extend_from_slice(&storage[at * size..(at + run) * size]);
            let Some(axis) = (0..outer).rev().find(|a| index[*a] + 1 < self.shape[*a]) else { break };
            index[axis] += 1;
            index[axis + 1..].fill(0);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(n: u8) -> Vec<u8> {
        (0..n).collect()
    }

    #[test]
    fn rows_columns_and_transposed_matrices_are_gathered() {
        let view = |offset, shape: &[usize], strides: &[usize]| {
            let view = View::new(offset, shape.to_vec(), strides.to_vec()).unwrap();
            view.check(12).unwrap();
            view.gather(&storage(12), 1)
        };
        assert_eq!(View::whole(&[3, 4]).unwrap().gather(&storage(12), 1), storage(12));
        assert_eq!(view(0, &[4, 3], &[1, 4]), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        assert_eq!(view(5, &[2, 2], &[4, 1]), [5, 6, 9, 10]);
        assert_eq!(view(1, &[3, 1], &[4, 99]), [1, 5, 9]);
        assert_eq!(view(7, &[], &[]), [7]);
        assert!(view(50, &[0, 5], &[1, 1]).is_empty());
        assert_eq!(View::whole(&[2, 3]).unwrap().gather(&storage(12), 2), storage(12));
        let every_other = View::new(0, vec![2, 2, 1], vec![1, 2, 1]).unwrap();
        assert_eq!(every_other.gather(&storage(12), 1), [0, 2, 1, 3]);
    }

    #[test]
    fn views_beyond_their_storage_are_errors() {
        for (offset, shape, strides) in [
            (0, vec![13], vec![1]),
            (1, vec![12], vec![1]),
            (usize::MAX, vec![2], vec![1]),
            (0, vec![2, 2], vec![usize::MAX, 1]),
            (0, vec![2; 8], vec![0; 8]),
        ] {
            assert!(View::new(offset, shape, strides).unwrap().check(12).is_err());
        }
        assert!(View::new(0, vec![usize::MAX, 2], vec![0, 0]).is_err());
        assert!(View::new(0, vec![1; 9], vec![1; 9]).is_err());
        assert!(View::new(0, vec![1], vec![]).is_err());
    }
}
