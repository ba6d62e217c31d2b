//! Exact Euclidean distance maps on anisotropic grids.

/// Squared distance from each voxel to the nearest one that is set, in the unit of `spacing` squared;
/// infinite where none is set.
///
/// # Shapes
/// `set [D, H, W]` row-major of `shape` -> the same; `spacing` `[D, H, W]`.
///
/// # Panics
/// When there are not as many values as `shape` has voxels.
///
/// # Source
/// Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions" (2012): one axis after the
/// other, each line the lower envelope of parabolas.
pub fn squared_distance(set: &[bool], shape: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
    let [depth, rows, columns] = shape;
    assert_eq!(set.len(), depth * rows * columns, "the values have the size of their shape");
    let mut map = vec![f64::INFINITY; set.len()];
    // Along a row the nearest set voxel is the last one before or the first one after.
    for (line, out) in set.chunks_exact(columns.max(1)).zip(map.chunks_exact_mut(columns.max(1))) {
        if !line.contains(&true) {
            continue;
        }
        let mut steps = f64::INFINITY;
        for (set, out) in line.iter().zip(out.iter_mut()) {
            steps = if *set { 0.0 } else { steps + spacing[2] };
            *out = steps;
        }
        for (set, out) in line.iter().zip(out.iter_mut()).rev() {
            steps = if *set { 0.0 } else { steps + spacing[2] };
            *out = out.min(steps).powi(2);
        }
    }
    let mut envelope = Envelope::default();
    for slice in map.chunks_exact_mut((rows * columns).max(1)) {
        for x in 0..columns {
            envelope.lower(slice, x, columns, rows, spacing[1]);
        }
    }
    for i in 0..rows * columns {
        envelope.lower(&mut map, i, rows * columns, depth, spacing[0]);
    }
    map
}

/// Room for the parabolas of one line.
#[derive(Default)]
struct Envelope {
    line: Vec<f64>,
    /// Positions of the parabolas that are lowest somewhere, and from where on each is.
    vertices: Vec<(usize, f64)>,
}

impl Envelope {
    /// Replaces the line of `n` values from `first` on by `min over j of value(j) + ((i - j) spacing)^2`.
    fn lower(&mut self, values: &mut [f64], first: usize, stride: usize, n: usize, spacing: f64) {
        self.line.clear();
        self.line.extend((0..n).map(|i| values[first + i * stride]));
        self.vertices.clear();
        let line = &self.line;
        let square = spacing * spacing;
        for (i, value) in line.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let mut from = f64::NEG_INFINITY;
            while let Some(&(j, lowest_from)) = self.vertices.last() {
                // Where the parabolas of i and j meet.
                let (a, b) = (i as f64, j as f64);
                from = ((value - line[j]) / square + a * a - b * b) / (2.0 * (a - b));
                if from > lowest_from {
                    break;
                }
                self.vertices.pop();
                from = f64::NEG_INFINITY;
            }
            self.vertices.push((i, from));
        }
        let mut at = 0;
        if self.vertices.is_empty() {
            return;
        }
        for i in 0..n {
            while at + 1 < self.vertices.len() && self.vertices[at + 1].1 <= i as f64 {
                at += 1;
            }
            let j = self.vertices[at].0;
            values[first + i * stride] = line[j] + (i as f64 - j as f64).powi(2) * square;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(set: &[bool], [_, rows, columns]: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
        let place = |i: usize| [i / (rows * columns), i / columns % rows, i % columns];
        (0..set.len())
            .map(|i| {
                let nearest = (0..set.len()).filter(|j| set[*j]).map(|j| {
                    let (a, b) = (place(i), place(j));
                    (0..3).map(|k| ((a[k] as f64 - b[k] as f64) * spacing[k]).powi(2)).sum::<f64>()
                });
                nearest.fold(f64::INFINITY, f64::min)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            set in proptest::collection::vec(proptest::bool::weighted(0.06), 4 * 5 * 7),
            spacing in [0.3f64..4.0, 0.3f64..4.0, 0.3f64..4.0],
        ) {
            let (ours, theirs) = (squared_distance(&set, [4, 5, 7], spacing), plain(&set, [4, 5, 7], spacing));
            for (a, b) in ours.iter().zip(&theirs) {
                prop_assert!(a == b || (a - b).abs() < 1e-9, "{} and {}", a, b);
            }
        }
    }

    #[test]
    fn nothing_set_is_infinitely_far_and_no_voxels_are_no_matter() {
        assert!(squared_distance(&[false; 8], [2, 2, 2], [1.0; 3]).iter().all(|v| v.is_infinite()));
        assert!(squared_distance(&[], [0, 2, 2], [1.0; 3]).is_empty());
    }
}
