//! What a person says about a folder, and what it changes in what was found.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use transferscope_domain::{
    Name,
    dataset::{
        ClassInfo, Description,
        description::{ImageChange, LabelChange, MaskChange, Values},
    },
};

use super::{
    channel_kind,
    examination::{Found, FoundMask},
};
use crate::data::DataError;

/// The file in the folder that says how to read it.
pub const FILE: &str = "dataset.toml";

/// A larger one is none.
const MAX_BYTES: u64 = 1024 * 1024;

/// What `dataset.toml` in a folder says; nothing where there is none.
///
/// # Errors
/// When it cannot be read or is no description, with the line.
pub fn read(folder: &Path) -> Result<Description, DataError> {
    let path = folder.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Description::default()),
        Err(e) => return Err(DataError::io(&path)(e)),
    };
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    read.map_err(|e| DataError::refused(&path, format!("not a text: {e}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(DataError::refused(&path, format!("more than {MAX_BYTES} bytes")));
    }
    toml::from_str(&text).map_err(|e| DataError::refused(&path, e.to_string().trim().to_owned()))
}

/// What is said beside the folder counts before what is said in it.
pub fn joined(said: Description, in_folder: Description) -> Description {
    fn maps<V>(first: BTreeMap<Name, V>, second: BTreeMap<Name, V>) -> BTreeMap<Name, V> {
        second.into_iter().chain(first).collect()
    }
    let Description { layout, name, images, masks, labels, order, series, patient } = said;
    Description {
        layout: layout.or(in_folder.layout),
        name: name.or(in_folder.name),
        images: maps(images, in_folder.images),
        masks: maps(masks, in_folder.masks),
        labels: maps(labels, in_folder.labels),
        order: if order.is_empty() { in_folder.order } else { order },
        series: maps(series, in_folder.series),
        patient: patient.or(in_folder.patient),
    }
}

/// Changes what was found as it is said.
///
/// # Errors
/// In words: it says something of what is not there, or contradicts itself.
pub fn apply(found: &mut Found, said: &Description) -> Result<(), String> {
    for (name, change) in &said.images {
        image(found, *name, change)?;
    }
    for (name, change) in &said.masks {
        mask(found, *name, change)?;
    }
    for (name, change) in &said.labels {
        label(found, *name, change)?;
    }
    let place = |name: &Name| said.order.iter().position(|n| n == name).unwrap_or(usize::MAX);
    if let Some(unknown) = said.order.iter().find(|n| found.images.iter().all(|i| i.name != **n)) {
        return Err(format!("order: there is no image {unknown}"));
    }
    found.images.sort_by_key(|image| place(&image.name));
    let mut seen = std::collections::BTreeSet::new();
    let names = found.images.iter().map(|i| i.name).chain(found.masks.iter().map(|m| m.info.name));
    if let Some(twice) = names.into_iter().find(|name| !seen.insert(*name)) {
        return Err(format!("two images or masks would be named {twice}"));
    }
    for mask in &found.masks {
        if let Some(bad) = mask.info.classes.iter().find(|c| c.values.is_empty() || c.values.contains(&0)) {
            return Err(format!("mask {}: class {:?} needs values from 1 to 255", mask.info.name, bad.name));
        }
    }
    if let Some(pattern) = &said.patient {
        for examination in &mut found.examinations {
            if let Some(patient) = starred(pattern, &examination.case_id) {
                examination.patient_id = Some(patient);
            }
        }
    }
    Ok(())
}

/// The names of what there is, for messages.
fn names<'a>(all: impl Iterator<Item = &'a Name>) -> String {
    all.map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn image(found: &mut Found, name: Name, change: &ImageChange) -> Result<(), String> {
    let Some(at) = found.images.iter().position(|i| i.name == name) else {
        return Err(format!(
            "there is no image {name}; there are {}",
            names(found.images.iter().map(|i| &i.name))
        ));
    };
    let to = change.name.unwrap_or(name);
    if change.leave_out || change.mask {
        found.images.remove(at);
        if change.mask {
            found.masks.push(FoundMask::untold(to));
        }
    } else {
        let info = &mut found.images[at];
        if change.name.is_some() && change.modality.is_none() {
            *info = channel_kind::image(to);
        }
        info.name = to;
        info.modality = change.modality.unwrap_or(info.modality);
        info.epi = change.epi.unwrap_or(info.epi);
        if change.unit.is_some() {
            info.unit.clone_from(&change.unit);
        }
    }
    files(found, |files| files.rename_image(name, (!change.leave_out).then_some(to), change.mask));
    Ok(())
}

fn mask(found: &mut Found, name: Name, change: &MaskChange) -> Result<(), String> {
    let Some(at) = found.masks.iter().position(|m| m.info.name == name) else {
        return Err(format!(
            "there is no mask {name}; there are {}",
            names(found.masks.iter().map(|m| &m.info.name))
        ));
    };
    let to = change.name.unwrap_or(name);
    if change.leave_out || change.image {
        found.masks.remove(at);
        if change.image {
            found.images.push(channel_kind::image(to));
        }
    } else {
        let mask = &mut found.masks[at];
        mask.info.name = to;
        mask.any_value = change.any_value.unwrap_or(mask.any_value);
        mask.info.ignore = change.ignore.or(mask.info.ignore);
        if !change.classes.is_empty() {
            mask.any_value = change.any_value.unwrap_or(false);
            let class = |(name, values): (&String, &Values)| ClassInfo {
                name: name.clone(),
                values: match values {
                    Values::One(value) => vec![*value],
                    Values::Several(values) => values.clone(),
                },
            };
            mask.info.classes = change.classes.iter().map(class).collect();
            mask.info.classes.sort_by(|a, b| a.values.cmp(&b.values));
        }
    }
    files(found, |files| files.rename_mask(name, (!change.leave_out).then_some(to), change.image));
    Ok(())
}

fn label(found: &mut Found, name: Name, change: &LabelChange) -> Result<(), String> {
    let Some(at) = found.labels.iter().position(|l| l.name == name) else {
        return Err(format!(
            "there is no label {name}; there are {}",
            names(found.labels.iter().map(|l| &l.name))
        ));
    };
    let to = change.name.unwrap_or(name);
    if change.leave_out {
        found.labels.remove(at);
    } else {
        let label = &mut found.labels[at];
        label.name = to;
        label.ordered = change.ordered.unwrap_or(label.ordered);
        if change.about.is_some() {
            label.about.clone_from(&change.about);
        }
        if !change.classes.is_empty() {
            label.classes.clone_from(&change.classes);
        }
    }
    for examination in &mut found.examinations {
        if let Some(class) = examination.labels.remove(&name)
            && !change.leave_out
        {
            examination.labels.insert(to, class);
        }
    }
    Ok(())
}

fn files(found: &mut Found, change: impl Fn(&mut super::case_files::CaseFiles)) {
    found.examinations.iter_mut().filter_map(|e| e.files.as_mut().ok()).for_each(change);
}

/// What the first star of a pattern stands for in a text; none where the text does not fit the pattern.
pub fn starred(pattern: &str, text: &str) -> Option<String> {
    let mut parts = pattern.split('*');
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut first = None;
    let parts: Vec<&str> = parts.collect();
    for (i, part) in parts.iter().enumerate() {
        // The last part must end the text, those before it stand as early as they can.
        let at = if i + 1 == parts.len() {
            rest.len()
                .checked_sub(part.len())
                .filter(|at| rest.is_char_boundary(*at) && rest[*at..] == **part)?
        } else {
            rest.find(part)?
        };
        first.get_or_insert_with(|| rest[..at].to_owned());
        rest = &rest[at + part.len()..];
    }
    rest.is_empty().then_some(first?).filter(|patient| !patient.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_star_is_the_patient() {
        for (pattern, text, patient) in [
            ("sub-*_*", "sub-01_ses-2", Some("01")),
            ("*_*", "P7_visit_2", Some("P7")),
            ("*", "x", Some("x")),
            ("*_a", "x_a", Some("x")),
            ("case*", "other", None),
            ("*_*", "none", None),
            ("*-*", "-x", None),
            ("no star", "no star", None),
        ] {
            assert_eq!(starred(pattern, text).as_deref(), patient, "{pattern} {text}");
        }
    }

    #[test]
    fn a_description_is_read_and_what_is_none_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), Description::default());
        let write = |text: &str| std::fs::write(folder.path().join(FILE), text).unwrap();
        write(
            "layout = \"cases\"\norder = [\"ct\"]\n[images.volume]\nname = \"ct\"\nmodality = \"ct\"\n[masks.seg]\nignore = 255\nclasses = { liver = 1, tumour = [2, 3] }\n",
        );
        let said = read(folder.path()).unwrap();
        let seg = &said.masks[&Name::new("seg").unwrap()];
        assert_eq!(seg.classes["tumour"], Values::Several(vec![2, 3]));
        for (text, says) in
            [("layout = 3", "line 1"), ("colour = \"red\"", "unknown field"), ("[images.\"A B\"]", "no name")]
        {
            write(text);
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("dataset.toml") && error.contains(says), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[a-z*_é]{0,12}", text in "[a-z_é]{0,20}") {
            if let Some(patient) = starred(&pattern, &text) {
                prop_assert!(text.contains(&patient));
            }
        }
    }
}
