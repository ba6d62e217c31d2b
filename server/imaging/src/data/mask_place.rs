//! Where masks lie within the grid of their case. This is told from voxels alone, so that it is seen when a
//! data set is added and also in one that is there already, whose headers nobody has any more.

use std::collections::BTreeMap;

use transferscope_domain::dataset::Contents;

use super::Volume;

/// Parts of the image within which the middle of a mask is expected.
const MIDDLE: std::ops::RangeInclusive<f64> = 0.25..=0.75;

/// A gland whose slice at an end of the image is this large beside its largest one goes on beyond it.
const CUT: f64 = 0.75;

/// Stacks of fewer slices show no more than a part of any gland.
const SLICES: usize = 8;

/// Names masks whose middle lies outside the middle half of the image, and glands that go on beyond the first
/// or last slice: both are what a mask shows whose place was lost. A lesion may lie at the rim of its gland,
/// so its own is looked at only where there is no gland, and in the slice plane.
pub fn displaced(volumes: &BTreeMap<String, Volume>, contents: &Contents) -> Vec<String> {
    let has_gland = ["gland", "zones"].iter().any(|mask| volumes.contains_key(*mask));
    let masks = volumes.iter().filter(|(name, _)| contents.mask(name).is_some());
    masks
        .filter(|(name, _)| !(has_gland && name.as_str() == "lesion"))
        .filter_map(|(name, mask)| {
            let lesion = name == "lesion";
            let whole = ["gland", "zones"].contains(&name.as_str());
            let why = off_the_middle(mask, lesion).or_else(|| if whole { cut_off(mask) } else { None })?;
            Some(format!("{name}: {why}: displaced, or drawn on another image?"))
        })
        .collect()
}

fn off_the_middle(mask: &Volume, in_plane: bool) -> Option<String> {
    let voxel = middle(mask, |v| v > 0.0)?;
    let parts: [f64; 3] = std::array::from_fn(|a| (voxel[a] + 0.5) / mask.shape[a] as f64);
    let axes = ["of the slices", "of the rows", "of the columns"];
    let mut looked_at = axes.into_iter().zip(parts).skip(usize::from(in_plane));
    let (axis, part) = looked_at.find(|(_, part)| !MIDDLE.contains(part))?;
    Some(format!("its middle lies at {:.0} % {axis}, outside the middle half of the image", 100.0 * part))
}

fn cut_off(mask: &Volume) -> Option<String> {
    let [depth, height, width] = mask.shape;
    let areas: Vec<usize> =
        mask.data.chunks(height * width).map(|slice| slice.iter().filter(|v| **v > 0.0).count()).collect();
    let largest = areas.iter().max().copied().unwrap_or(0);
    let (first, last) = (areas.first().copied()?, areas.last().copied()?);
    let (which, end) = if first >= last { ("first", first) } else { ("last", last) };
    // One that is as large at both ends fills the stack, wherever it was drawn.
    (depth >= SLICES
        && end > 0
        && end as f64 >= CUT * largest as f64
        && (first.min(last) as f64) < CUT * end as f64)
        .then(|| {
            format!(
                "it is cut off in the {which} slice, where it has {:.0} % of its largest area",
                100.0 * end as f64 / largest as f64
            )
        })
}

/// The middle of those voxels of a mask whose values are meant: slice, row, column; none where there are none.
pub fn middle(mask: &Volume, meant: impl Fn(f32) -> bool) -> Option<[f64; 3]> {
    let [_, height, width] = mask.shape;
    let (mut n, mut sum) = (0usize, [0usize; 3]);
    for (at, _) in mask.data.iter().enumerate().filter(|(_, v)| meant(**v)) {
        n += 1;
        let place = [at / (width * height), at / width % height, at % width];
        sum.iter_mut().zip(place).for_each(|(sum, place)| *sum += place);
    }
    (n > 0).then(|| sum.map(|sum| sum as f64 / n as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn displaced(volumes: &BTreeMap<String, Volume>) -> Vec<String> {
        super::displaced(volumes, &Contents::prostate())
    }

    #[test]
    fn masks_far_from_the_middle_are_named() {
        let mut gland = Volume::filled([4, 8, 8], 0.0);
        let at = gland.index(1, 1, 4);
        gland.data[at] = 1.0;
        let said = displaced(&BTreeMap::from([("gland".to_owned(), gland.clone())]));
        assert!(said[0].starts_with("gland: its middle lies at 19 % of the rows"), "{said:?}");
        let both =
            BTreeMap::from([("gland".to_owned(), gland.clone()), ("lesion".to_owned(), gland.clone())]);
        assert_eq!(displaced(&both).len(), 1);
        assert_eq!(displaced(&BTreeMap::from([("lesion".to_owned(), gland)])).len(), 1);
        assert!(
            displaced(&BTreeMap::from([("gland".to_owned(), Volume::filled([4, 8, 8], 1.0))])).is_empty()
        );
    }

    /// A ball of a gland, its middle in this slice of sixteen.
    fn ball(slice: i64) -> Volume {
        let mut gland = Volume::filled([16, 32, 32], 0.0);
        for (d, h, w) in (0..16).flat_map(|d| (0..32).flat_map(move |h| (0..32).map(move |w| (d, h, w)))) {
            let off = [2 * (d as i64 - slice), h as i64 - 16, w as i64 - 16];
            if off.iter().map(|o| o * o).sum::<i64>() <= 100 {
                let at = gland.index(d, h, w);
                gland.data[at] = 1.0;
            }
        }
        gland
    }

    #[test]
    fn glands_that_go_on_beyond_the_stack_are_named() {
        let said = |gland: Volume| displaced(&BTreeMap::from([("gland".to_owned(), gland)]));
        assert!(said(ball(8)).is_empty() && said(ball(4)).is_empty() && said(ball(11)).is_empty());
        assert!(said(ball(1))[0].contains("its middle lies at"));
        // A large one, most of whose middle is there.
        let long = |first: usize| {
            let mut gland = Volume::filled([16, 32, 32], 0.0);
            for d in first..first + 9 {
                for at in 0..64 {
                    let at = gland.index(d, 12 + at / 8, 12 + at % 8);
                    gland.data[at] = 1.0;
                }
            }
            gland
        };
        assert!(said(long(0))[0].contains("gland: it is cut off in the first slice, where it has 100 %"));
        assert!(said(long(7))[0].contains("cut off in the last slice"));
        assert!(said(long(3)).is_empty());
        assert!(said(Volume::filled([16, 8, 8], 1.0)).is_empty());
        assert!(said(Volume::filled([16, 8, 8], 0.0)).is_empty());
        assert!(said(Volume::filled([0, 8, 8], 0.0)).is_empty());
    }
}
