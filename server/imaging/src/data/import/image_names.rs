//! Which image a file or folder of a case is by its name, and what names that are near misses were meant for.

use crate::data::read::ENDINGS;

/// Images and masks of prostate MRI.
const PROSTATE: [&str; 6] = ["t2w", "adc", "hbv", "gland", "zones", "lesion"];

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// An image or mask of this name.
    Channel(&'static str),
    /// An image under no name that is known; perhaps this one was meant.
    Perhaps(Option<&'static str>),
    NoImage,
}

/// Endings of images and archives that are not read.
const NOT_READ: [&str; 25] = [
    ".nrrd", ".nhdr", ".mgz", ".mgh", ".gipl", ".dcm", ".ima", ".zip", ".tar", ".tgz", ".tar.gz", ".7z",
    ".rar", ".bz2", ".xz", ".zst", ".mat", ".npy", ".npz", ".h5", ".tif", ".tiff", ".img", ".minc", ".mnc",
];

/// Words for images and masks as people write them, plain; longer ones first, since a name may begin with one.
const WORDS: [(&str, &str); 26] = [
    ("t2weighted", "t2w"),
    ("t2tse", "t2w"),
    ("t2tra", "t2w"),
    ("t2ax", "t2w"),
    ("t2w", "t2w"),
    ("t2", "t2w"),
    ("apparentdiffusion", "adc"),
    ("adc", "adc"),
    ("highbvalue", "hbv"),
    ("highb", "hbv"),
    ("dwi", "hbv"),
    ("hbv", "hbv"),
    ("wholegland", "gland"),
    ("glands", "gland"),
    ("gland", "gland"),
    ("prostate", "gland"),
    ("zonal", "zones"),
    ("zones", "zones"),
    ("zone", "zones"),
    ("lesions", "lesion"),
    ("lesion", "lesion"),
    ("tumour", "lesion"),
    ("tumor", "lesion"),
    ("cancer", "lesion"),
    ("cspca", "lesion"),
    ("roi", "lesion"),
];

/// What a name of a case's folder stands for.
pub fn meant(name: &str, is_folder: bool) -> Meant {
    let lower = name.to_lowercase();
    let ending = if is_folder { Some("") } else { ENDINGS.into_iter().find(|e| lower.ends_with(e)) };
    let channel = |stem: &str| PROSTATE.into_iter().find(|channel| *channel == stem);
    match ending {
        Some(ending) => {
            let stem = &lower[..lower.len() - ending.len()];
            match channel(stem) {
                Some(channel) => Meant::Channel(channel),
                // Folders may hold anything.
                None if is_folder => {
                    guess(stem).map_or(Meant::NoImage, |channel| Meant::Perhaps(Some(channel)))
                }
                None => Meant::Perhaps(guess(stem)),
            }
        }
        None => {
            let stem = lower.split('.').next().unwrap_or_default();
            let not_read = NOT_READ.iter().any(|ending| lower.ends_with(ending));
            match guess(stem) {
                // The voxels of a pair of files lie in it.
                Some(_) if lower.ends_with(".img") || lower.ends_with(".img.gz") => Meant::NoImage,
                // Without any ending, as some exports are.
                Some(channel) if not_read || !lower.contains('.') => Meant::Perhaps(Some(channel)),
                _ => Meant::NoImage,
            }
        }
    }
}

/// A name without the ending of an image that is read; a folder's as it is.
pub fn stem(name: &str, is_folder: bool) -> &str {
    let ending = if is_folder { None } else { ending(name) };
    &name[..name.len() - ending.map_or(0, str::len)]
}

/// Whether a file has the ending of an image that is read; a folder may hold one.
pub fn is_read(name: &str, is_folder: bool) -> bool {
    is_folder || ending(name).is_some()
}

fn ending(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    ENDINGS.into_iter().find(|ending| lower.ends_with(ending))
}

/// Which image a name may have been meant for.
fn guess(stem: &str) -> Option<&'static str> {
    let plain: String = stem.chars().filter(|c| c.is_alphanumeric()).collect();
    let near = |word: &str| {
        plain == word || plain.starts_with(word) || plain.ends_with(word) || one_letter_off(&plain, word)
    };
    WORDS.iter().find(|(word, _)| near(word)).map(|(_, channel)| *channel)
}

/// Which name of prostate MRI a name of an image or mask is near to.
pub fn near(name: &str) -> Option<&'static str> {
    guess(name)
}

/// Whether one letter more, less or another, or two in the other order, make one word of the other; short words are too like each other.
pub fn one_letter_off(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() < 4 || b.len() < 4 || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same..], &b[same..]);
    let cut = |word: &[char]| word.get(1..).unwrap_or_default().to_vec();
    let exchanged = match (a, b) {
        ([a0, a1, a @ ..], [b0, b1, b @ ..]) => (a0, a1, a) == (b1, b0, b),
        _ => false,
    };
    exchanged || cut(a) == cut(b) || cut(a) == b || a == cut(b)
}

/// Says that a file was left out, and which name it should have; `there` gives the file of a channel.
pub fn left_out<'a>(name: &str, channel: Option<&str>, there: impl Fn(&str) -> Option<&'a str>) -> String {
    let lower = name.to_lowercase();
    let readable = ENDINGS.into_iter().find(|ending| lower.ends_with(ending));
    match channel {
        None => format!("{name} was left out: an image or mask must be named {}", PROSTATE.join(", ")),
        Some(channel) => match (there(channel), readable) {
            (Some(taken), _) => format!("{name} was left out: {taken} is the {channel} of this case"),
            (None, Some(ending)) => {
                format!("{name} was left out: name it {channel}{ending} if it is the {channel} of this case")
            }
            (None, None) if lower.contains('.') => format!(
                "{name} was left out, since such files are not read: convert it to {channel}.nii.gz if it is the {channel} of this case"
            ),
            (None, None) => {
                format!(
                    "{name} was left out: name it {channel} if it holds the DICOM files of the {channel}, or give it its ending"
                )
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_says_nothing_and_near_misses_are_named() {
        for (name, expected) in [
            ("t2w.nii.gz", Meant::Channel("t2w")),
            ("T2W.NII.GZ", Meant::Channel("t2w")),
            ("Gland.nii", Meant::Channel("gland")),
            ("hbv.MHA", Meant::Channel("hbv")),
            ("t2.nii.gz", Meant::Perhaps(Some("t2w"))),
            ("adc_.nii.gz", Meant::Perhaps(Some("adc"))),
            ("T2W (1).nii.gz", Meant::Perhaps(Some("t2w"))),
            ("c1_lesion.nii.gz", Meant::Perhaps(Some("lesion"))),
            ("glnad.nii.gz", Meant::Perhaps(Some("gland"))),
            ("glant.nii.gz", Meant::Perhaps(Some("gland"))),
            ("whatever.nii", Meant::Perhaps(None)),
            ("t2w.nrrd", Meant::Perhaps(Some("t2w"))),
            ("adc.dcm", Meant::Perhaps(Some("adc"))),
            ("t2w", Meant::Perhaps(Some("t2w"))),
            ("t2w.json", Meant::NoImage),
            ("t2w.img", Meant::NoImage),
            ("t2w.raw", Meant::NoImage),
            ("readme.txt", Meant::NoImage),
        ] {
            assert_eq!(meant(name, false), expected, "{name}");
        }
        assert_eq!(meant("T2W", true), Meant::Channel("t2w"));
        assert_eq!(meant("t2_tse_tra", true), Meant::Perhaps(Some("t2w")));
        assert_eq!(meant("old", true), Meant::NoImage);
    }

    #[test]
    fn what_is_said_names_what_would_be_right() {
        let none = |_: &str| None;
        assert!(left_out("T2.NII.GZ", Some("t2w"), none).contains("name it t2w.nii.gz if"));
        assert!(left_out("t2w_sag.nii", Some("t2w"), |_| Some("t2w.nii")).contains("t2w.nii is the t2w"));
        assert!(left_out("t2w.nrrd", Some("t2w"), none).contains("convert it to t2w.nii.gz"));
        assert!(left_out("x.nii", None, none).contains("must be named t2w, adc, hbv, gland, zones, lesion"));
    }
}
