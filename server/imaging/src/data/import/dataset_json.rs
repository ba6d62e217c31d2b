//! `dataset.json` as nnU-Net (version 1 and 2) and the Medical Segmentation Decathlon write it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Component, Path, PathBuf},
};

use serde_json::{Map, Value};
use transferscope_domain::{
    Name,
    dataset::{ClassInfo, ImageInfo, MaskInfo},
};

use super::{channel_kind, examination::FoundMask};
use crate::data::DataError;

/// A larger one is none.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The highest number of an image, and with it the number of images of a case.
const MAX_CHANNELS: usize = 256;

/// What nnU-Net calls ways of scaling, which are written in place of the name of an image.
const SCALINGS: [&str; 6] =
    ["nonorm", "zscore", "rescale_to_0_1", "rgb_to_0_1", "rescale_0_1", "no_normalization"];

/// The name of the mask where the file does not give a better one.
const MASK: &str = "labels";

/// A JSON file; none where there is none.
///
/// # Errors
/// When it cannot be read, is too large, or is no JSON.
pub fn json(path: &Path) -> Result<Option<Value>, DataError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(DataError::io(path)(e)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(DataError::io(path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(DataError::refused(path, format!("more than {MAX_BYTES} bytes")));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let read = serde_json::from_slice(text);
    read.map(Some).map_err(|e| DataError::refused(path, format!("it is no JSON: {e}")))
}

/// The file, read; one that says nothing where there is none.
#[derive(Debug, Default)]
pub struct DatasetJson {
    path: PathBuf,
    about: Map<String, Value>,
}

/// A case of its lists, by the paths that it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub image: PathBuf,
    pub label: Option<PathBuf>,
}

impl DatasetJson {
    /// The one in a folder; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read or is something else.
    pub fn read(folder: &Path) -> Result<Option<Self>, DataError> {
        let path = folder.join("dataset.json");
        match json(&path)? {
            None => Ok(None),
            Some(Value::Object(about)) => Ok(Some(Self { path, about })),
            Some(_) => Err(DataError::refused(path, "an object with labels and images was expected")),
        }
    }

    fn refused(&self, why: impl std::fmt::Display) -> DataError {
        DataError::refused(&self.path, why.to_string())
    }

    /// Whether it has a key of this name.
    pub fn has(&self, key: &str) -> bool {
        self.about.contains_key(key)
    }

    /// What it calls the images, by number; none where it does not say.
    ///
    /// # Errors
    /// When what it says makes no sense.
    pub fn channels(&self) -> Result<Option<Vec<String>>, DataError> {
        let Some((key, said)) =
            ["channel_names", "modality"].iter().find_map(|key| Some((key, self.about.get(*key)?)))
        else {
            return Ok(None);
        };
        let title = |value: &Value| {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| self.refused(format!("{key}: {value} is no name")))
        };
        let names: BTreeMap<usize, String> = match said {
            Value::Object(names) => {
                let number = |(text, value): (&String, &Value)| match text.trim().parse() {
                    Ok(number) if number < MAX_CHANNELS => Ok((number, title(value)?)),
                    _ => Err(self.refused(format!(
                        "{key}: {text:?} where the number of an image, from 0, was expected"
                    ))),
                };
                names.iter().map(number).collect::<Result<_, _>>()?
            }
            Value::Array(names) if names.len() <= MAX_CHANNELS => {
                names.iter().enumerate().map(|(i, v)| Ok((i, title(v)?))).collect::<Result<_, DataError>>()?
            }
            other => return Err(self.refused(format!("{key}: {other} where names by number were expected"))),
        };
        if let Some((at, (number, _))) = names.iter().enumerate().find(|(at, (number, _))| at != *number) {
            return Err(self.refused(format!("{key}: image {at} is missing, {number} is there")));
        }
        Ok((!names.is_empty()).then(|| names.into_values().collect()))
    }

    /// The mask with its classes; without classes where the file names none.
    ///
    /// # Errors
    /// When what it says makes no sense.
    pub fn mask(&self, images: &[ImageInfo]) -> Result<FoundMask, DataError> {
        let labels = match self.about.get("labels") {
            None => return Ok(FoundMask::untold(free(images)?)),
            Some(Value::Object(labels)) => labels,
            Some(other) => {
                return Err(self.refused(format!("labels: {other} where names with values were expected")));
            }
        };
        let mut values: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut ignore = None;
        for (key, said) in labels {
            let wrong = |what: &str| self.refused(format!("labels: {key:?}: {said}: {what}"));
            let (name, found) = match (key.trim().parse::<u64>(), said) {
                // Version 1 has the values as keys.
                (Ok(value), Value::String(name)) => (name.clone(), vec![value]),
                (_, said) => {
                    let number = |v: &Value| match v {
                        Value::Number(n) => n.as_u64().or_else(|| {
                            n.as_f64().filter(|v| v.fract() == 0.0 && *v >= 0.0).map(|v| v as u64)
                        }),
                        Value::String(text) => text.trim().parse().ok(),
                        _ => None,
                    };
                    let numbers: Option<Vec<u64>> = match said {
                        Value::Array(all) => all.iter().map(number).collect(),
                        one => number(one).map(|v| vec![v]),
                    };
                    (key.clone(), numbers.ok_or_else(|| wrong("a value or a list of values was expected"))?)
                }
            };
            let found: Option<Vec<u8>> = found.iter().map(|v| u8::try_from(*v).ok()).collect();
            let found = found.ok_or_else(|| wrong("values from 0 to 255 were expected"))?;
            match found.as_slice() {
                [] => return Err(wrong("a value was expected")),
                [0] => {}
                several if several.contains(&0) => {
                    return Err(wrong("0 is the background, and no part of a region"));
                }
                // Version 2: voxels that nobody labelled.
                [value] if name.eq_ignore_ascii_case("ignore") => ignore = Some(*value),
                several => values.entry(class_name(&name)).or_default().extend(several),
            }
        }
        let mut classes: Vec<ClassInfo> = values
            .into_iter()
            .map(|(name, mut values)| {
                values.sort_unstable();
                values.dedup();
                ClassInfo { name, values }
            })
            .collect();
        classes.sort_by(|a, b| a.values.cmp(&b.values));
        if let Some(class) = classes.iter().find(|c| ignore.is_some_and(|ignore| c.values.contains(&ignore)))
        {
            return Err(self.refused(format!("labels: {:?} has the value that is to be ignored", class.name)));
        }
        let name = match classes.as_slice() {
            [one] => Name::like(&one.name).map_or_else(|| free(images), Ok)?,
            _ => free(images)?,
        };
        let name = if images.iter().any(|image| image.name == name) { free(images)? } else { name };
        Ok(MaskInfo { name, classes, ignore }.into())
    }

    /// The ending of its files, where it says so.
    pub fn ending(&self) -> Option<&str> {
        self.about.get("file_ending").and_then(Value::as_str)
    }

    /// The number that it gives for a key.
    pub fn count(&self, key: &str) -> Option<u64> {
        let said = self.about.get(key)?;
        said.as_u64().or_else(|| said.as_str()?.trim().parse().ok())
    }

    /// The cases of a list, as paths within the folder; none where there is no such list.
    ///
    /// # Errors
    /// When it is no list of images, or a path leaves the folder.
    pub fn list(&self, key: &str) -> Result<Option<Vec<Listed>>, DataError> {
        let entries = match self.about.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(entries)) => entries,
            Some(other) => {
                return Err(self.refused(format!("{key}: {other} where a list of images was expected")));
            }
        };
        let inside = |value: &Value| {
            let text = value.as_str().ok_or_else(|| self.refused(format!("{key}: {value} is no path")))?;
            within(text).ok_or_else(|| {
                self.refused(format!("{key}: {text:?}: a path within the folder was expected"))
            })
        };
        let entry = |entry: &Value| match entry {
            Value::Object(parts) => {
                let image =
                    parts.get("image").ok_or_else(|| self.refused(format!("{key}: {entry} has no image")))?;
                let label = parts.get("label").filter(|v| !v.is_null()).map(inside).transpose()?;
                Ok(Listed { image: inside(image)?, label })
            }
            other => Ok(Listed { image: inside(other)?, label: None }),
        };
        let listed: Vec<Listed> = entries.iter().map(entry).collect::<Result<_, DataError>>()?;
        // What macOS leaves beside every file.
        let hidden = |path: &Path| path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
        Ok(Some(listed.into_iter().filter(|listed| !hidden(&listed.image)).collect()))
    }
}

/// A path that stays in its folder, without the `./` before it; none where it is another.
fn within(text: &str) -> Option<PathBuf> {
    let text = text.trim().replace('\\', "/");
    let mut path = PathBuf::new();
    for part in Path::new(&text).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!path.as_os_str().is_empty() && !text.contains('\0')).then_some(path)
}

/// A class as it is written here: words with a large first letter get a small one, abbreviations stay as they are.
fn class_name(title: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        let titled = first.chars().all(char::is_uppercase)
            && !rest.is_empty()
            && !rest.chars().any(char::is_uppercase);
        if titled { word.to_lowercase() } else { word.to_owned() }
    };
    title.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// The name of a mask that has none of its own: one that no image has.
fn free(images: &[ImageInfo]) -> Result<Name, DataError> {
    let taken = |name: &str| images.iter().any(|image| image.name == name);
    let numbered = (2..=images.len() + 2).map(|i| format!("{MASK}-{i}"));
    let name = std::iter::once(MASK.to_owned()).chain(numbered).find(|name| !taken(name));
    Name::new(&name.unwrap_or_default()).map_err(DataError::Options)
}

/// The images of these titles, each with a name of its own; those without a title have numbers.
pub fn images(titles: &[String]) -> Vec<ImageInfo> {
    let plain = |title: &String| {
        let scaling = SCALINGS.iter().any(|known| title.trim().eq_ignore_ascii_case(known));
        Name::like(title).filter(|_| !scaling).or_else(|| Name::like("image"))
    };
    let names: Vec<Option<Name>> = titles.iter().map(plain).collect();
    let mut taken: Vec<Name> = Vec::new();
    let image = |(i, name): (usize, &Option<Name>)| {
        let base = (*name)?;
        let twice = names.iter().filter(|other| **other == Some(base)).count() > 1;
        // A long name keeps its number.
        let short: String = base.chars().take(Name::MAX - 4).collect();
        let numbered =
            || (i..).find_map(|n| Name::like(&format!("{short}-{n}")).filter(|n| !taken.contains(n)));
        let name = if twice || taken.contains(&base) { numbered() } else { Some(base) }?;
        taken.push(name);
        Some(ImageInfo { name, ..channel_kind::image(base) })
    };
    names.iter().enumerate().filter_map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use transferscope_domain::dataset::Modality;

    fn of(text: &str) -> Result<DatasetJson, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dataset.json"), text).unwrap();
        DatasetJson::read(folder.path()).map(Option::unwrap).map_err(|e| e.to_string())
    }

    fn mask(labels: &str) -> Result<MaskInfo, String> {
        let read = of(&format!("{{\"labels\": {labels}}}"))?;
        read.mask(&[]).map(|mask| mask.info).map_err(|e| e.to_string())
    }

    fn classes(labels: &str) -> Vec<(String, Vec<u8>)> {
        mask(labels).unwrap().classes.into_iter().map(|c| (c.name, c.values)).collect()
    }

    #[test]
    fn labels_of_both_versions_are_classes() {
        let two = [("liver".to_owned(), vec![1]), ("GTV".to_owned(), vec![2])];
        assert_eq!(classes(r#"{"0":"background","1":"Liver","2":"GTV"}"#), two);
        assert_eq!(classes(r#"{"background":0,"GTV":2,"liver":1}"#), two);
        assert_eq!(classes(r#"{"background":"0","GTV":"2","liver":1.0}"#), two);
        let regions =
            mask(r#"{"background":0,"whole tumor":[1,2,3],"core":[2,3],"enhancing":3,"ignore":4}"#).unwrap();
        let found: Vec<_> = regions.classes.iter().map(|c| (c.name.as_str(), c.values.as_slice())).collect();
        let expected: [(&str, &[u8]); 3] =
            [("whole tumor", &[1, 2, 3]), ("core", &[2, 3]), ("enhancing", &[3])];
        assert_eq!(found, expected);
        assert_eq!((regions.name.as_str(), regions.ignore), ("labels", Some(4)));
        assert_eq!(mask(r#"{"0":"background","1":"Spleen"}"#).unwrap().name, "spleen");
        // One name for two values is a region.
        assert_eq!(classes(r#"{"1":"a","2":"a"}"#), [("a".to_owned(), vec![1, 2])]);
        for (bad, words) in [
            (r#"{"a":256}"#, "values from 0 to 255"),
            (r#"{"a":[0,1]}"#, "0 is the background"),
            (r#"{"a":[]}"#, "a value was expected"),
            (r#"{"a":null}"#, "a value or a list of values"),
            (r#"{"a":-1}"#, "a value or a list of values"),
            (r#"["a"]"#, "names with values were expected"),
            (r#"{"a":[1,2],"ignore":2}"#, "the value that is to be ignored"),
        ] {
            let error = mask(bad).unwrap_err();
            assert!(error.contains(words) && error.contains("dataset.json"), "{bad}: {error}");
        }
    }

    #[test]
    fn images_are_named_by_what_the_file_calls_them() {
        let named = |titles: &[&str]| {
            let titles: Vec<String> = titles.iter().map(|t| (*t).to_owned()).collect();
            images(&titles).into_iter().map(|i| (i.name.to_string(), i.modality)).collect::<Vec<_>>()
        };
        assert_eq!(named(&["CT"]), [("ct".to_owned(), Modality::Ct)]);
        assert_eq!(
            named(&["T2", "ADC", "noNorm"]),
            [
                ("t2".to_owned(), Modality::Mr),
                ("adc".to_owned(), Modality::Mr),
                ("image".to_owned(), Modality::Other)
            ]
        );
        let names: Vec<String> = named(&["MRI", "mri", "mri-1"]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["mri-0", "mri-1", "mri-1-2"].map(str::to_owned).to_vec());
        assert_eq!(named(&["\u{4e2d}", "\u{6587}"]).len(), 2);
    }

    #[test]
    fn channels_are_counted_from_0_and_paths_stay_inside() {
        let channels = |text: &str| of(text).unwrap().channels().map_err(|e| e.to_string());
        assert_eq!(
            channels(r#"{"channel_names":{"1":"b","0":"a"}}"#),
            Ok(Some(vec!["a".into(), "b".into()]))
        );
        assert_eq!(channels(r#"{"modality":["a"]}"#), Ok(Some(vec!["a".into()])));
        assert_eq!(channels("{}"), Ok(None));
        for bad in [
            r#"{"modality":{"1":"a"}}"#,
            r#"{"modality":{"x":"a"}}"#,
            r#"{"modality":{"0":1}}"#,
            r#"{"modality":"CT"}"#,
        ] {
            assert!(channels(bad).is_err(), "{bad}");
        }
        assert!(of("{").unwrap_err().contains("it is no JSON: EOF"));
        assert!(of("[]").unwrap_err().contains("an object"));
        let list = |text: &str| {
            of(&format!("{{\"training\":{text}}}")).unwrap().list("training").map_err(|e| e.to_string())
        };
        let found = list(
            r#"[{"image":"./imagesTr/a.nii.gz","label":"labelsTr/a.nii.gz"},"imagesTr\\b.nii","./imagesTr/._a.nii.gz"]"#,
        );
        let expected = vec![
            Listed { image: "imagesTr/a.nii.gz".into(), label: Some("labelsTr/a.nii.gz".into()) },
            Listed { image: "imagesTr/b.nii".into(), label: None },
        ];
        assert_eq!(found, Ok(Some(expected)));
        for bad in [
            r#"["../a.nii"]"#,
            r#"["/a.nii"]"#,
            r#"["x/../../a.nii"]"#,
            "[\"\"]",
            "[1]",
            "[{}]",
            "\"x\"",
            "[{\"image\":\"a\",\"label\":2}]",
        ] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_file_panics(text in "[\\[\\]{}\":,a0-9.\\\\/]{0,60}", key in "labels|modality|training") {
            for text in [text.clone(), format!("{{\"{key}\":{text}}}")] {
                if let Ok(read) = of(&text) {
                    let _ = (read.channels(), read.mask(&[]), read.list("training"));
                }
            }
        }
    }
}
