//! Slabs of neighbouring slices, the channels of a 2.5-D network.

/// The slices that a network sees at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slab {
    /// The slice in the middle, whose labels are to be predicted; none outside the volume.
    pub centre: Option<usize>,
    /// All slices in order; none is a slice of zeros.
    pub slices: Vec<Option<usize>>,
}

/// ProViCNet's slabs of `2 * half + 1` slices, one for each slice of the volume.
///
/// Where a slab would leave the volume its centre moves inwards by `half`, so that positions at the
/// ends repeat others. A volume of fewer slices than two slabs gets `half` slices of zeros at
/// either end first, and then slabs for those as well. A volume too small even for that (fewer
/// than `half` slices, which upstream cannot read) has its centres moved only as far as they fit.
///
/// # Source
/// ProViCNet's `getNChannel`.
pub fn slabs(slices: usize, half: usize) -> Vec<Slab> {
    if slices == 0 {
        return Vec::new();
    }
    let padding = if slices < 2 * (2 * half + 1) { half } else { 0 };
    let padded = slices + 2 * padding;
    let real = |at: usize| at.checked_sub(padding).filter(|z| *z < slices);
    let centre_of = |z: usize| {
        let moved = if z < half {
            z + half
        } else if z + half >= padded {
            z - half
        } else {
            z
        };
        moved.clamp(half, padded - 1 - half)
    };
    (0..padded)
        .map(centre_of)
        .map(|centre| Slab {
            centre: real(centre),
            slices: (centre - half..=centre + half).map(real).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centres_move_inwards_at_the_ends() {
        let centres: Vec<_> = slabs(7, 1).into_iter().map(|s| s.centre.unwrap()).collect();
        assert_eq!(centres, [1, 1, 2, 3, 4, 5, 5]);
        assert_eq!(slabs(7, 1)[0].slices, [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn small_volumes_are_padded_and_tiny_ones_do_not_fail() {
        let all = slabs(5, 1);
        assert_eq!(all.len(), 7);
        assert_eq!(all[0], Slab { centre: Some(0), slices: vec![None, Some(0), Some(1)] });
        for (slices, half) in [(1, 0), (1, 1), (1, 4), (2, 4), (3, 4), (4, 4)] {
            for slab in slabs(slices, half) {
                assert_eq!(slab.slices.len(), 2 * half + 1);
                assert!(slab.slices.iter().flatten().all(|z| *z < slices));
            }
        }
        assert!(slabs(0, 1).is_empty());
    }
}
