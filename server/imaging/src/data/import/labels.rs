//! The values of a mask: whole numbers that are stored as others, values that nobody should learn, and what
//! a kind of mask may hold.

use super::examination::FoundMask;
use crate::{data::Volume, metrics::squared_distance};

/// Values this near to a whole number are it: resampling and scaling leave such.
const ROUNDING: f32 = 1e-3;

/// The value that many programs write where nobody decided, such as at borders.
const UNDECIDED: f32 = 255.0;

/// What becomes of voxels that hold a value which is not to be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillWith {
    Background,
    /// The value of the nearest voxel that holds another one.
    Nearest,
}

/// Voxels of masks to fill before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillLabel {
    pub value: u8,
    pub with: FillWith,
}

impl std::str::FromStr for FillLabel {
    type Err = String;

    /// `255`, `255=background` or `255=nearest`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (value, with) = text.split_once('=').unwrap_or((text, "background"));
        let with = match with.trim() {
            "background" => Some(FillWith::Background),
            "nearest" => Some(FillWith::Nearest),
            _ => None,
        };
        let value = value.trim().parse().ok().filter(|value| *value > 0);
        value.zip(with).map(|(value, with)| Self { value, with }).ok_or_else(|| {
            format!("{text:?}: a value from 1 to 255 was expected, as in 255, 255=background or 255=nearest")
        })
    }
}

/// Makes the values of a mask what it may hold: 0, those of its classes and the one that is ignored; where the classes
/// are still to be told, whole numbers from 0 to 255. Says what it filled.
///
/// # Errors
/// In words: a value that the mask does not have.
pub fn settle(
    mask: &FoundMask,
    volume: &mut Volume,
    spacing_mm: [f64; 3],
    fill: Option<FillLabel>,
) -> Result<Option<String>, String> {
    let several = mask.info.classes.len() > 1;
    for value in &mut volume.data {
        let whole = value.round();
        if (*value - whole).abs() <= ROUNDING {
            // Without the sign of -0.
            *value = whole + 0.0;
        }
    }
    let labels: std::collections::BTreeSet<u32> =
        volume.data.iter().filter(|v| **v > 0.0).map(|v| v.to_bits()).collect();
    // The only label of a mask is what it shows.
    let only = |fill: &FillLabel| {
        !several && labels.len() == 1 && labels.iter().all(|v| f32::from_bits(*v) == f32::from(fill.value))
    };
    let filled = match fill {
        Some(fill) if only(&fill) => Some(format!(
            "{} is the only label of the mask and was kept, whatever --fill-label says",
            fill.value
        )),
        Some(fill) => filled(volume, spacing_mm, fill),
        None => None,
    };
    let known: Vec<f32> = mask.info.values().into_iter().chain(mask.info.ignore).map(f32::from).collect();
    let any = mask.any_value || mask.info.classes.is_empty();
    let whole = |v: f32| (0.0..=255.0).contains(&v) && v.fract() == 0.0;
    let bad = volume.data.iter().copied().find(|v| !(whole(*v) && (any || *v == 0.0 || known.contains(v))));
    let undecided = mask.info.ignore != Some(UNDECIDED as u8)
        && any
        && labels.len() > 1
        && volume.data.contains(&UNDECIDED);
    if let Some(value) = bad.or(undecided.then_some(UNDECIDED)) {
        let expected = match (any, undecided && bad.is_none()) {
            (false, _) => format!("{} were expected", expected(mask)),
            (true, false) => "whole numbers from 0 to 255 were expected".to_owned(),
            (true, true) => "beside other labels".to_owned(),
        };
        let offer = if value == UNDECIDED {
            "; 255 often marks borders or voxels that nobody labelled: `--fill-label 255` turns them into background, `--fill-label 255=nearest` into the label of the nearest voxel"
        } else {
            ""
        };
        return Err(format!("a mask with the value {value}: {expected}{offer}"));
    }
    if mask.any_value {
        volume.data.iter_mut().for_each(|v| *v = f32::from(*v > 0.0));
    }
    Ok(filled)
}

/// The values of a mask with what they are, such as `0, 1 (peripheral) and 2 (transition)`.
fn expected(mask: &FoundMask) -> String {
    let name = |value: &u8| {
        let classes: Vec<&str> =
            mask.info.classes.iter().filter(|c| c.values.contains(value)).map(|c| c.name.as_str()).collect();
        format!("{value} ({})", classes.join(", "))
    };
    let mut values: Vec<String> = vec!["0".to_owned()];
    values.extend(mask.info.values().iter().map(name));
    values.extend(mask.info.ignore.map(|value| format!("{value} (ignored)")));
    let last = values.pop().unwrap_or_default();
    if values.is_empty() { last } else { format!("{} and {last}", values.join(", ")) }
}

/// Fills the voxels of a value; says how many they were, none where there are none.
fn filled(mask: &mut Volume, spacing_mm: [f64; 3], FillLabel { value, with }: FillLabel) -> Option<String> {
    let marked: Vec<usize> = (0..mask.len()).filter(|at| mask.data[*at] == f32::from(value)).collect();
    if marked.is_empty() {
        return None;
    }
    let with = match with {
        FillWith::Background => {
            marked.iter().for_each(|at| mask.data[*at] = 0.0);
            "background"
        }
        FillWith::Nearest => {
            nearest(mask, spacing_mm, f32::from(value), &marked);
            "the label of the nearest voxel"
        }
    };
    Some(format!(
        "{} voxels of the value {value} were replaced by {with}, as --fill-label says",
        marked.len()
    ))
}

/// Gives the marked voxels the value whose nearest voxel is nearest; of equally near ones the lowest.
fn nearest(mask: &mut Volume, spacing_mm: [f64; 3], value: f32, marked: &[usize]) {
    let others: std::collections::BTreeSet<u8> =
        mask.data.iter().filter(|v| **v != value && (0.0..=255.0).contains(*v)).map(|v| *v as u8).collect();
    let mut best = vec![(f64::INFINITY, 0.0); marked.len()];
    for other in others {
        let set: Vec<bool> = mask.data.iter().map(|v| *v == f32::from(other)).collect();
        let map = squared_distance(&set, mask.shape, spacing_mm);
        for (best, at) in best.iter_mut().zip(marked) {
            if map[*at] < best.0 {
                *best = (map[*at], f32::from(other));
            }
        }
    }
    for ((_, value), at) in best.into_iter().zip(marked) {
        mask.data[*at] = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transferscope_domain::{Name, dataset::MaskInfo};

    use super::{
        super::{examination::Found, layout::Layout},
        *,
    };

    fn row(values: &[f32]) -> Volume {
        Volume { shape: [1, 1, values.len()], data: values.to_vec() }
    }

    fn prostate(channel: &str) -> FoundMask {
        Found::prostate(Layout::Cases, Vec::new()).mask(channel).unwrap().clone()
    }

    fn of(channel: &str, values: &[f32], fill: Option<&str>) -> Result<Vec<f32>, String> {
        let mut mask = row(values);
        let fill = fill.map(|text| text.parse().unwrap());
        settle(&prostate(channel), &mut mask, [3.0, 1.0, 1.0], fill).map(|_| mask.data)
    }

    #[test]
    fn classes_keep_their_values_and_others_are_refused_with_what_they_are() {
        let name = Name::new("organs").unwrap();
        let mut mask = FoundMask::from(MaskInfo::of(name, &["liver", "spleen"]));
        mask.info.ignore = Some(9);
        let of = |mask: &FoundMask, values: &[f32]| {
            let mut volume = row(values);
            settle(mask, &mut volume, [1.0; 3], None).map(|_| volume.data)
        };
        assert_eq!(of(&mask, &[0.0, 1.0, 2.0, 9.0]), Ok(vec![0.0, 1.0, 2.0, 9.0]));
        let refused = of(&mask, &[3.0]).unwrap_err();
        assert!(refused.contains("0, 1 (liver), 2 (spleen) and 9 (ignored) were expected"), "{refused}");
        let untold = FoundMask::untold(name);
        assert!(of(&untold, &[0.0, 7.0, 255.0, 1.0]).unwrap_err().contains("beside other labels"));
        assert_eq!(of(&untold, &[0.0, 7.0, 1.0]), Ok(vec![0.0, 7.0, 1.0]));
        assert!(of(&untold, &[256.0]).is_err() && of(&untold, &[0.5]).is_err());
    }

    #[test]
    fn labels_that_were_scaled_or_resampled_are_whole_numbers_again() {
        assert_eq!(of("gland", &[0.99999, 1e-9, -1e-9, 0.0], None), Ok(vec![1.0, 0.0, 0.0, 0.0]));
        assert_eq!(of("zones", &[1.0000001, 1.999_99, 1e-4], None), Ok(vec![1.0, 2.0, 0.0]));
        assert_eq!(of("gland", &[255.0, 0.0], None), Ok(vec![1.0, 0.0]));
        assert_eq!(of("lesion", &[2.0, 5.0, 0.0], None), Ok(vec![1.0, 1.0, 0.0]));
        assert!(of("gland", &[0.5], None).unwrap_err().contains("the value 0.5: whole numbers"));
        assert!(of("zones", &[0.998], None).unwrap_err().contains("the value 0.998"));
        assert!(of("gland", &[f32::NAN], None).is_err() && of("gland", &[f32::INFINITY], None).is_err());
        assert!(of("gland", &[-1.0], None).unwrap_err().contains("the value -1"));
    }

    #[test]
    fn what_nobody_decided_is_refused_with_a_way_out_or_filled() {
        let zones = [0.0, 255.0, 1.0, 255.0, 255.0, 2.0];
        let text = of("zones", &zones, None).unwrap_err();
        assert!(text.contains("nobody labelled") && text.contains("--fill-label 255=nearest"), "{text}");
        assert!(of("gland", &[0.0, 1.0, 255.0], None).unwrap_err().contains("beside other labels"));
        assert_eq!(of("zones", &zones, Some("255")), Ok(vec![0.0, 0.0, 1.0, 0.0, 0.0, 2.0]));
        assert_eq!(of("zones", &zones, Some("255=nearest")), Ok(vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0]));
        assert_eq!(of("gland", &[0.0, 255.0], Some("255")), Ok(vec![0.0, 1.0]), "its only label");
        for bad in ["", "0", "256", "255=other", "x=nearest"] {
            assert!(bad.parse::<FillLabel>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever a mask holds, what comes out is what its kind may hold.
        #[test]
        fn masks_hold_their_kind_or_are_refused(values in prop::collection::vec(prop_oneof![any::<f32>(), (0u8..=255).prop_map(f32::from)], 1..40), zones: bool, fill: bool) {
            let mut mask = row(&values);
            let fill = fill.then_some(FillLabel { value: 255, with: FillWith::Nearest });
            if settle(&prostate(if zones { "zones" } else { "gland" }), &mut mask, [1.0; 3], fill).is_ok() {
                let highest = if zones { 2.0 } else { 1.0 };
                prop_assert!(mask.data.iter().all(|v| (0.0..=highest).contains(v) && v.fract() == 0.0));
            }
        }
    }
}
