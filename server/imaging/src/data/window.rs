//! Parts of volumes, with zeros where they reach over the edge.

/// The window of `size` that begins at `start`, zero outside of the volume.
pub fn window<T: Copy + Default>(
    data: &[T],
    [d, h, w]: [usize; 3],
    start: [isize; 3],
    size: [usize; 3],
) -> Vec<T> {
    let mut out = vec![T::default(); size.iter().product()];
    let overlap = |start: isize, n: usize, size: usize| {
        let from = (-start).max(0) as usize;
        let to = (n as isize - start).clamp(0, size as isize) as usize;
        from..to.max(from)
    };
    let xs = overlap(start[2], w, size[2]);
    for z in overlap(start[0], d, size[0]) {
        for y in overlap(start[1], h, size[1]) {
            let row = ((z as isize + start[0]) as usize * h + (y as isize + start[1]) as usize) * w;
            let from = row + (xs.start as isize + start[2]) as usize;
            let to = (z * size[1] + y) * size[2] + xs.start;
            out[to..to + xs.len()].copy_from_slice(&data[from..from + xs.len()]);
        }
    }
    out
}

/// Brings every axis to `size` around the centre: cut where it is longer, zeros where it is shorter.
///
/// # Source
/// MONAI's `CenterSpatialCrop` (a cut begins at `n / 2 - size / 2`) and symmetric `SpatialPad` (the odd
/// zero comes last), one after the other.
pub fn centred<T: Copy + Default>(data: &[T], shape: [usize; 3], size: [usize; 3]) -> Vec<T> {
    let start = std::array::from_fn(|axis| {
        let (n, to) = (shape[axis], size[axis]);
        if n > to { (n / 2 - to / 2) as isize } else { -(((to - n) / 2) as isize) }
    });
    window(data, shape, start, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_reach_over_every_edge() {
        let data: Vec<u8> = (1..=8).collect();
        assert_eq!(window(&data, [2, 2, 2], [0, 0, 0], [2, 2, 2]), data);
        assert_eq!(window(&data, [2, 2, 2], [-1, -1, -1], [2, 2, 2]), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(window(&data, [2, 2, 2], [1, 1, 1], [2, 2, 2]), [8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(window(&data, [2, 2, 2], [5, 0, 0], [1, 1, 1]), [0]);
    }

    #[test]
    fn a_centred_axis_is_cut_or_padded() {
        let data: Vec<u8> = (1..=5).collect();
        let row = |size| centred(&data, [1, 1, 5], [1, 1, size]);
        assert_eq!((row(2), row(3)), (vec![2, 3], vec![2, 3, 4]));
        assert_eq!((row(6), row(7)), (vec![1, 2, 3, 4, 5, 0], vec![0, 1, 2, 3, 4, 5, 0]));
        assert_eq!(centred(&[1u8, 2], [2, 1, 1], [1, 1, 3]), [0, 2, 0]);
    }
}
