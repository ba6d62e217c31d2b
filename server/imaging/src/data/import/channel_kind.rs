//! Whether what a name stands for is an image or a mask, and how an image was made: by the name, else by the voxels of an
//! example.

use std::path::PathBuf;

use transferscope_domain::{
    Name,
    dataset::{ImageInfo, Modality},
};

use crate::data::{
    Volume,
    read::{
        self, Source,
        skim::{self, Content},
    },
};

use super::listing;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    Image(ImageInfo),
    Mask,
}

/// Words in names of masks.
const MASKS: [&str; 22] = [
    "mask",
    "masks",
    "seg",
    "segs",
    "segm",
    "segmentation",
    "label",
    "labels",
    "annotation",
    "annotations",
    "gt",
    "truth",
    "roi",
    "rois",
    "contour",
    "contours",
    "gland",
    "zones",
    "lesion",
    "lesions",
    "tumor",
    "tumour",
];

/// Words in names of images, with how those are made and whether they are read out echo-planar.
const IMAGES: [(&str, Modality, bool); 27] = [
    ("ct", Modality::Ct, false),
    ("ncct", Modality::Ct, false),
    ("cect", Modality::Ct, false),
    ("cta", Modality::Ct, false),
    ("cbct", Modality::Ct, false),
    ("pet", Modality::Pet, false),
    ("suv", Modality::Pet, false),
    ("us", Modality::Us, false),
    ("ultrasound", Modality::Us, false),
    ("mr", Modality::Mr, false),
    ("mri", Modality::Mr, false),
    ("t1", Modality::Mr, false),
    ("t1w", Modality::Mr, false),
    ("t1c", Modality::Mr, false),
    ("t1ce", Modality::Mr, false),
    ("t1gd", Modality::Mr, false),
    ("t2", Modality::Mr, false),
    ("t2w", Modality::Mr, false),
    ("t2star", Modality::Mr, false),
    ("flair", Modality::Mr, false),
    ("swi", Modality::Mr, false),
    ("pd", Modality::Mr, false),
    ("pdw", Modality::Mr, false),
    ("adc", Modality::Mr, true),
    ("dwi", Modality::Mr, true),
    ("hbv", Modality::Mr, true),
    ("bold", Modality::Mr, true),
];

/// Most values of a mask that does not say to be one.
const MASK_VALUES: usize = 16;

fn words(name: &str) -> impl Iterator<Item = String> + '_ {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_ascii_lowercase)
}

/// The image of a name, as far as the name tells how it was made.
pub fn image(name: Name) -> ImageInfo {
    let known = words(&name).find_map(|word| IMAGES.into_iter().find(|(known, ..)| *known == word));
    let (_, modality, epi) = known.unwrap_or(("", Modality::Other, false));
    ImageInfo { name, modality, unit: (modality == Modality::Ct).then(|| "HU".to_owned()), epi }
}

/// What a name stands for, where it tells.
pub fn by_name(name: &Name) -> Option<ChannelKind> {
    if words(name).any(|word| MASKS.contains(&word.as_str())) {
        return Some(ChannelKind::Mask);
    }
    let image = image(*name);
    (image.modality != Modality::Other).then_some(ChannelKind::Image(image))
}

/// What a name stands for: as it tells, else as the voxels of the first example that can be read do. None where no example
/// is an image: a folder without DICOM files. `examples` are paths, by whether they are folders.
pub fn of(
    name: Name,
    told: Option<ChannelKind>,
    mut examples: impl Iterator<Item = (PathBuf, bool)>,
) -> Option<ChannelKind> {
    /// Examples that are tried.
    const TRIED: usize = 3;
    let is_image = |(path, is_folder): &(PathBuf, bool)| {
        if !*is_folder {
            return true;
        }
        let names = listing::names(path).map(|n| n.found).unwrap_or_default();
        names
            .iter()
            .filter(|(_, f)| !**f)
            .take(TRIED)
            .filter_map(|(name, _)| skim::skim(&path.join(name)).ok().flatten())
            .any(|skim| skim.content == Content::Image)
    };
    let mut first = examples.by_ref().take(TRIED).filter(is_image).peekable();
    first.peek()?;
    if told.is_some() {
        return told;
    }
    let read = first.find_map(|(path, _)| read::examine(&Source::Path(path), read::Kind::Intensities).ok());
    Some(match read {
        Some(read) if is_mask(&read.image.volume) => ChannelKind::Mask,
        Some(read) => {
            ChannelKind::Image(ImageInfo { modality: by_values(&read.image.volume), ..image(name) })
        }
        None => ChannelKind::Image(image(name)),
    })
}

/// Whether voxels are those of a mask: few whole numbers from 0.
fn is_mask(volume: &Volume) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    volume.data.iter().all(|v| {
        v.fract() == 0.0 && (0.0..=255.0).contains(v) && {
            seen.insert(*v as u8);
            seen.len() <= MASK_VALUES
        }
    })
}

/// Air in Hounsfield units is far below 0, and whole.
fn by_values(volume: &Volume) -> Modality {
    const AIR: f32 = -500.0;
    let whole = volume.data.iter().take(4096).all(|v| v.fract() == 0.0);
    match volume.range() {
        Some((low, high)) if low < AIR && high > 0.0 && whole => Modality::Ct,
        _ => Modality::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_they_are_where_they_can() {
        let of = |text: &str| by_name(&Name::like(text).unwrap());
        let modality = |text: &str| match of(text) {
            Some(ChannelKind::Image(info)) => (info.modality, info.epi),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(modality("CT"), (Modality::Ct, false));
        assert_eq!(modality("t1-post"), (Modality::Mr, false));
        assert_eq!(modality("dwi_b1000"), (Modality::Mr, true));
        for mask in ["liver_mask", "Segmentation", "GT", "tumour"] {
            assert_eq!(of(mask), Some(ChannelKind::Mask), "{mask}");
        }
        assert_eq!(of("image"), None);
        assert_eq!(of("actor"), None, "words are whole");
    }

    #[test]
    fn voxels_tell_where_names_do_not() {
        let volume = |data: Vec<f32>| Volume { shape: [1, 1, data.len()], data };
        assert!(is_mask(&volume(vec![0.0, 1.0, 2.0])));
        assert!(!is_mask(&volume(vec![0.0, 0.5])) && !is_mask(&volume((0..40).map(|i| i as f32).collect())));
        assert_eq!(by_values(&volume(vec![-1000.0, 40.0])), Modality::Ct);
        assert_eq!(by_values(&volume(vec![0.0, 40.0])), Modality::Other);
    }
}
