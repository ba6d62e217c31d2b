//! Resolution lost across the slices: thick slices that average several thin ones.

use crate::data::Volume;

/// Why a volume cannot be averaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{slices} slices cannot be averaged {factor} by {factor}: use 1 to {slices}")]
pub struct BadFactor {
    slices: usize,
    factor: usize,
}

/// A volume of thick slices, each the mean of `factor` neighbouring ones: a slice profile that is a box
/// without gaps. Where the factor does not divide the number of slices, the last thick slice is the mean
/// of those that are left.
///
/// # Shapes
/// `[D, H, W]` -> `[ceil(D / factor), H, W]`.
///
/// # Errors
/// When the factor is 0 or there are fewer slices than it.
pub fn average(volume: &Volume, factor: usize) -> Result<Volume, BadFactor> {
    let [slices, rows, columns] = volume.shape;
    if !(1..=slices).contains(&factor) {
        return Err(BadFactor { slices, factor });
    }
    let plane = rows * columns;
    let mut data = Vec::with_capacity(slices.div_ceil(factor) * plane);
    for first in (0..slices).step_by(factor) {
        let group = first..(first + factor).min(slices);
        let share = 1.0 / group.len() as f64;
        data.extend((0..plane).map(|i| {
            let sum: f64 = group.clone().map(|d| f64::from(volume.data[d * plane + i])).sum();
            (sum * share) as f32
        }));
    }
    Ok(Volume { shape: [slices.div_ceil(factor), rows, columns], data })
}

/// How thick slices are brought back to the full grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restoring {
    /// Every thin slice is the thick one that it lies in.
    Repeated,
    /// Linear between the middles of the thick slices, which with an unchanged slice plane is what trilinear
    /// interpolation does; the ends repeat.
    Linear,
}

/// The baseline reconstruction of `slices` thin slices from those that [`average`] made with this factor.
///
/// # Shapes
/// `[ceil(slices / factor), H, W]` -> `[slices, H, W]`.
///
/// # Panics
/// When the thick volume is not one of `slices` averaged by `factor`.
pub fn restore(thick: &Volume, slices: usize, factor: usize, how: Restoring) -> Volume {
    let [groups, rows, columns] = thick.shape;
    assert!(factor > 0 && groups == slices.div_ceil(factor), "thick slices of this factor");
    // Middle of a thick slice, counted in thin ones.
    let middle = |group: usize| {
        let first = group * factor;
        (first + (first + factor).min(slices) - 1) as f64 / 2.0
    };
    let mut data = Vec::with_capacity(slices * rows * columns);
    for d in 0..slices {
        let own = d / factor;
        if how == Restoring::Repeated {
            data.extend_from_slice(thick.slice(own));
            continue;
        }
        let at = d as f64;
        let low = if middle(own) <= at { own } else { own.saturating_sub(1) };
        let high = if middle(own) <= at { (own + 1).min(groups - 1) } else { own };
        let gap = middle(high) - middle(low);
        let part = if gap > 0.0 { (at - middle(low)) / gap } else { 0.0 };
        data.extend(
            thick
                .slice(low)
                .iter()
                .zip(thick.slice(high))
                .map(|(a, b)| (f64::from(*a) * (1.0 - part) + f64::from(*b) * part) as f32),
        );
    }
    Volume { shape: [slices, rows, columns], data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(slices: usize) -> Volume {
        Volume { shape: [slices, 1, 2], data: (0..2 * slices).map(|i| (i / 2) as f32).collect() }
    }

    #[test]
    fn means_of_groups_and_of_what_is_left() {
        assert_eq!(average(&ramp(7), 3).unwrap().data, [1.0, 1.0, 4.0, 4.0, 6.0, 6.0]);
        assert_eq!(average(&ramp(4), 1).unwrap(), ramp(4));
        assert!(average(&ramp(4), 5).unwrap_err().to_string().contains("use 1 to 4"));
        assert!(average(&ramp(4), 0).is_err());
    }

    #[test]
    fn a_ramp_comes_back_between_the_middles() {
        let thick = average(&ramp(7), 3).unwrap();
        let linear = restore(&thick, 7, 3, Restoring::Linear);
        let column: Vec<f32> = linear.data.iter().step_by(2).copied().collect();
        assert_eq!(column, [1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let repeated = restore(&thick, 7, 3, Restoring::Repeated);
        let column: Vec<f32> = repeated.data.iter().step_by(2).copied().collect();
        assert_eq!(column, [1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 6.0]);
        for how in [Restoring::Linear, Restoring::Repeated] {
            assert_eq!(restore(&average(&ramp(5), 1).unwrap(), 5, 1, how), ramp(5));
        }
        assert_eq!(restore(&average(&ramp(3), 3).unwrap(), 3, 3, Restoring::Linear).data, [1.0; 6]);
    }
}
