//! Whether the images and masks of a case lie where they should. Headers are compared, not believed: what
//! cannot be is refused, what is odd is said.

use transferscope_domain::Name;

use crate::data::alignment::Extent;

/// An image that covers less than this part of the first image's grid is another patient's or nobody's.
const COVERED: f64 = 0.1;

/// Images of a case usually share this part of the smaller one.
const SHARED: f64 = 0.9;

/// Boxes of images of one size are the same where their corners lie no further apart than this many voxels.
const SAME: f64 = 0.1;

/// A mask whose corners lie further from its image's than this many voxels is not that image's.
const ELSEWHERE: f64 = 1.0;

/// Axes no further than this from the world's are along them, in degrees.
const ALIGNED: f64 = 0.01;

/// Axes further than this from the world's are tilted, in degrees.
const TILTED: f64 = 0.5;

/// An image of the case and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    pub channel: Name,
    pub extent: Extent,
}

/// What is odd about where an image lies beside those before it, the first of which decides the grid.
///
/// # Errors
/// In words: it hardly meets the first image.
pub fn image(own: &Placed, others: &[Placed]) -> Result<Vec<String>, String> {
    let mut notes = vec![overlap(own, others)?];
    for other in others.iter().filter(|other| other.extent.shape == own.extent.shape) {
        let apart = other.extent.voxels_apart(&own.extent).unwrap_or(f64::INFINITY);
        // What the overlap says already is not said twice.
        if apart > ELSEWHERE && notes.iter().all(Option::is_none) {
            notes.push(Some(format!(
                "it has the size of {0} and lies elsewhere: its corners are up to {apart:.1} voxels from those of {0}; correct if it was acquired like that, wrong if its header was lost",
                other.channel
            )));
        }
    }
    Ok(notes.into_iter().flatten().collect())
}

/// What is odd about where a mask lies beside the images of its case, the first of which decides the grid.
///
/// # Errors
/// In words: it hardly meets the first image, or has the size of an image and lies elsewhere than it.
pub fn mask(own: &Placed, images: &[Placed]) -> Result<Vec<String>, String> {
    let overlap = overlap(own, images);
    let apart = |image: &&Placed| image.extent.voxels_apart(&own.extent).unwrap_or(f64::INFINITY);
    let of_its_size = images.iter().filter(|image| image.extent.shape == own.extent.shape);
    let nearest = of_its_size.min_by(|a, b| apart(a).total_cmp(&apart(b)));
    let Some(image) = nearest else { return Ok(overlap?.into_iter().collect()) };
    let (apart, channel) = (apart(&image), image.channel);
    if apart <= SAME {
        return Ok(overlap?.into_iter().collect());
    }
    let shared = image.extent.shared(&own.extent).unwrap_or(0.0);
    let untilted = tilt(&own.extent) < ALIGNED && tilt(&image.extent) > TILTED;
    let what = format!(
        "it has the size of {channel} and lies elsewhere: its corners are up to {apart:.1} voxels from those of {channel}"
    );
    if apart > ELSEWHERE && (overlap.is_err() || shared < SHARED || untilted) {
        let tilt = if untilted { ", and it is not tilted as that is" } else { "" };
        return Err(format!(
            "{what}{tilt}, so its geometry was probably lost when it was saved; copy the geometry of the image that it was drawn on, for example with SimpleITK's CopyInformation"
        ));
    }
    overlap?;
    Ok(vec![format!("{what}; it was placed by its own header")])
}

/// How far the axes of a grid are from those of the world at most, in degrees.
fn tilt(extent: &Extent) -> f64 {
    let m = &extent.geometry.world_from_voxel;
    let axis = |a: usize| {
        let step: [f64; 3] = std::array::from_fn(|world| m[world][a]);
        let length = step.iter().map(|s| s * s).sum::<f64>().sqrt();
        let across = |main: f64| (length * length - main * main).max(0.0).sqrt();
        let main = step.iter().fold(0.0f64, |main, s| main.max(s.abs()));
        across(main).atan2(main).to_degrees()
    };
    (0..3).map(axis).fold(0.0, f64::max)
}

/// Says that an image shares less of the first image than usual; none where it shares enough.
///
/// # Errors
/// In words: it hardly covers the first image.
fn overlap(own: &Placed, images: &[Placed]) -> Result<Option<String>, String> {
    let Some(first) = images.first() else { return Ok(None) };
    let covered = covered(&first.extent, &own.extent).ok_or("the orientation is singular")?;
    if covered < COVERED {
        return Err(format!(
            "covers {:.0} % of the {} grid: both must lie in the same coordinates",
            (100.0 * covered).floor(),
            first.channel
        ));
    }
    let shared = first.extent.shared(&own.extent).unwrap_or(0.0);
    Ok((shared < SHARED).then(|| {
        format!(
            "it and the {} image share only {:.0} % of the smaller one: displaced, or of another part of the body?",
            first.channel,
            (100.0 * shared).floor()
        )
    }))
}

/// How much of a grid lies within another image, by points spread evenly over it.
fn covered(grid: &Extent, image: &Extent) -> Option<f64> {
    const PROBES: usize = 12;
    let voxel_from_world = image.geometry.voxel_from_world()?;
    let [depth, height, width] = image.shape;
    let xyz = [grid.shape[2], grid.shape[1], grid.shape[0]];
    let mut inside = 0;
    for probe in 0..PROBES.pow(3) {
        let part = [probe % PROBES, probe / PROBES % PROBES, probe / PROBES.pow(2)];
        let voxel: [f64; 3] =
            std::array::from_fn(|a| (part[a] as f64 + 0.5) / PROBES as f64 * xyz[a] as f64 - 0.5);
        let world = grid.geometry.world(voxel);
        let at = voxel_from_world.map(|r| r[0] * world[0] + r[1] * world[1] + r[2] * world[2] + r[3]);
        let within = at.iter().zip([width, height, depth]).all(|(p, n)| *p >= -0.5 && *p < n as f64 - 0.5);
        inside += usize::from(within);
    }
    Some(inside as f64 / PROBES.pow(3) as f64)
}

/// Says of cases that their voxels are stored mirrored beside most others', which is right where another
/// program converted them and wrong where a header was edited: by case, from whether each is right-handed.
pub fn mirrored(right_handed: &[bool]) -> Vec<Option<String>> {
    let right = right_handed.iter().filter(|right| **right).count();
    let all = right_handed.len();
    let (rare, few) = if right * 2 > all { (false, all - right) } else { (true, right) };
    let says = few > 0 && few * 3 <= all;
    let note = || {
        format!(
            "its voxels are stored mirrored beside those of {} of the {all} cases, as their headers say: check that left and right are not exchanged",
            all - few
        )
    };
    right_handed.iter().map(|right| (says && *right == rare).then(note)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Geometry;

    const SHAPE: [usize; 3] = [10, 40, 40];

    fn placed(channel: &str, shift_mm: [f64; 3]) -> Placed {
        let mut geometry = Geometry::centred(SHAPE, [3.0, 0.5, 0.5]);
        geometry.world_from_voxel.iter_mut().zip(shift_mm).for_each(|(row, shift)| row[3] += shift);
        Placed { channel: Name::new(channel).unwrap(), extent: Extent { shape: SHAPE, geometry } }
    }

    #[test]
    fn a_mask_that_lost_its_place_is_refused_and_a_small_shift_is_said() {
        let t2w = placed("t2w", [0.0; 3]);
        let of = |shift| mask(&placed("gland", shift), &[t2w]);
        assert_eq!(of([0.0; 3]), Ok(vec![]));
        assert_eq!(of([0.04, 0.0, 0.0]), Ok(vec![]));
        assert!(of([0.3, 0.0, 0.0]).unwrap()[0].contains("up to 0.6 voxels"));
        assert!(of([1.0, 0.0, 0.0]).unwrap()[0].contains("up to 2.0 voxels"));
        assert!(of([0.0, 0.0, 6.0]).unwrap_err().contains("CopyInformation"));
        assert!(of([100.0, 0.0, 0.0]).unwrap_err().contains("CopyInformation"));
        let mut smaller = placed("gland", [100.0, 0.0, 0.0]);
        smaller.extent.shape[2] -= 1;
        assert!(mask(&smaller, &[t2w]).unwrap_err().contains("covers 0 %"));
        // Drawn on the adc image, which lies elsewhere itself.
        let adc = placed("adc", [0.0, 0.0, 6.0]);
        let notes = mask(&placed("lesion", [0.0, 0.0, 6.0]), &[t2w, adc]).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("share only 80 %"), "{notes:?}");
    }

    #[test]
    fn a_mask_that_lost_the_tilt_of_its_image_is_refused() {
        let turned = |degrees: f64| {
            let (s, c) = degrees.to_radians().sin_cos();
            let axes = [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]];
            let geometry = Geometry::new([0.5, 0.5, 3.0], [0.0; 3], axes);
            Placed { channel: Name::new("t2w").unwrap(), extent: Extent { shape: SHAPE, geometry } }
        };
        let own = Placed { channel: Name::new("gland").unwrap(), ..turned(0.0) };
        assert!((tilt(&turned(8.0).extent) - 8.0).abs() < 1e-9 && tilt(&own.extent) == 0.0);
        let why = mask(&own, &[turned(8.0)]).unwrap_err();
        assert!(why.contains("not tilted as that is") && why.contains("CopyInformation"), "{why}");
        // Of another examination, which has a tilt of its own.
        assert!(mask(&turned(4.0), &[turned(8.0)]).unwrap()[0].contains("its own header"));
        assert_eq!(mask(&turned(8.0), &[turned(8.0)]), Ok(vec![]));
    }

    #[test]
    fn images_that_share_little_are_named() {
        let t2w = placed("t2w", [0.0; 3]);
        assert_eq!(image(&placed("adc", [0.0; 3]), &[t2w]), Ok(vec![]));
        assert!(image(&placed("adc", [0.0, 0.0, 6.0]), &[t2w]).unwrap()[0].contains("share only 80 %"));
        assert!(image(&placed("adc", [1.0, 0.0, 0.0]), &[t2w]).unwrap()[0].contains("up to 2.0 voxels"));
        assert!(image(&placed("adc", [100.0, 0.0, 0.0]), &[t2w]).is_err());
    }

    #[test]
    fn the_few_that_are_stored_mirrored_are_named() {
        assert_eq!(mirrored(&[true, false, true, true]).iter().flatten().count(), 1);
        assert!(mirrored(&[true, false, true])[1].as_ref().unwrap().contains("2 of the 3 cases"));
        assert_eq!(mirrored(&[true, false]).iter().flatten().count(), 0);
        assert_eq!(mirrored(&[false, false, false]).iter().flatten().count(), 0);
        assert_eq!(mirrored(&[]), []);
    }
}
