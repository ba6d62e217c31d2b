//! Data sets of the Medical Segmentation Decathlon: the images of a case lie in one file of four dimensions, and
//! `dataset.json` lists the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use transferscope_domain::{Name, dataset::LeftOut, metric::Split};

use super::{
    case_files::CaseFiles,
    dataset_json::{self, DatasetJson, Listed},
    examination::{Examination, Found, FoundMask},
    image_names, layout,
    layout::Layout,
    listing::{self, Names},
    named::few,
    nnunet,
};
use crate::data::{
    DataError,
    read::{self, Source},
};

/// Whether a folder looks like one: its images have the names of their masks, or `dataset.json` lists them.
pub fn looks_like(folder: &Path, names: &Names) -> bool {
    if names.found.get("imagesTr") != Some(&true) {
        return false;
    }
    if let Ok(Some(about)) = DatasetJson::read(folder) {
        if about.has("channel_names") {
            return false;
        }
        match about.list("training") {
            // The lists of nnU-Net's first version name cases and not files.
            Ok(Some(listed)) if listed.first().is_some_and(|first| there(folder, &first.image).is_some()) => {
                return true;
            }
            // A damaged list is refused here, unless the images have nnU-Net's numbers.
            Err(_) if images_in(folder, "imagesTr").keys().all(|stem| nnunet::numbered(stem).is_none()) => {
                return true;
            }
            _ => {}
        }
    }
    let (images, masks) = (images_in(folder, "imagesTr"), images_in(folder, "labelsTr"));
    images.keys().any(|stem| masks.contains_key(stem))
}

/// Images in a folder below this one by name without ending; none where it is not there.
fn images_in(folder: &Path, below: &str) -> BTreeMap<String, String> {
    let names = listing::names(&folder.join(below)).unwrap_or_default();
    let images =
        names.found.into_iter().filter(|(name, is_folder)| !is_folder && image_names::is_read(name, false));
    images.map(|(name, _)| (image_names::stem(&name, false).to_owned(), name)).collect()
}

/// The file at a path, or the same with another ending: people unpack files and leave the list as it is.
fn there(folder: &Path, path: &Path) -> Option<PathBuf> {
    let whole = folder.join(path);
    if whole.is_file() {
        return Some(whole);
    }
    let name = path.file_name()?.to_str()?;
    let stem = image_names::stem(name, false);
    let others = read::ENDINGS.iter().map(|ending| whole.with_file_name(format!("{stem}{ending}")));
    others.into_iter().find(|path| path.is_file())
}

/// What is in it.
///
/// # Errors
/// When `dataset.json` is damaged or lists what is not in the folder, or the folder has another layout.
pub fn find(folder: &Path) -> Result<Found, DataError> {
    let mut notes = Vec::new();
    let about = DatasetJson::read(folder)?;
    let names = listing::names(folder)?;
    if about.is_none() && names.found.get("imagesTr") != Some(&true) {
        return Err(layout::not(folder, Layout::Msd, "neither dataset.json nor imagesTr is in it"));
    }
    let listed = about.as_ref().map(|about| about.list("training")).transpose()?.flatten();
    let listed = match listed {
        Some(listed) => listed,
        None => {
            notes.push(
                "dataset.json does not list the training images: all in imagesTr were taken".to_owned(),
            );
            unlisted(folder)
        }
    };
    let titles = match about.as_ref().map(DatasetJson::channels).transpose()?.flatten() {
        Some(titles) => titles,
        None => {
            let count = counted(folder, &listed);
            let images = if count == 1 { "1 image".to_owned() } else { format!("{count} images") };
            notes.push(format!("dataset.json does not name the images: the first file has {images} a case"));
            vec!["image".to_owned(); count]
        }
    };
    let images = dataset_json::images(&titles);
    let Some(reference) = images.first().map(|image| image.name) else {
        return Err(layout::not(folder, Layout::Msd, "dataset.json names no image"));
    };
    let mask = about.as_ref().unwrap_or(&DatasetJson::default()).mask(&images)?;
    if let Some(said) = about.as_ref().and_then(|about| about.count("numTraining"))
        && said != listed.len() as u64
    {
        notes.push(format!("dataset.json says {said} training images and lists {}", listed.len()));
    }
    let made =
        Made { folder, images: images.iter().map(|image| image.name).collect(), reference, mask: &mask };
    let mut examinations = BTreeMap::new();
    for listed in &listed {
        let (case_id, examination) = made.examination(listed, None);
        if examinations.insert(case_id.clone(), examination).is_some() {
            return Err(DataError::refused(
                folder.join("dataset.json"),
                format!("training: case {case_id} is listed twice"),
            ));
        }
    }
    let known: BTreeSet<&Path> = listed.iter().map(|listed| listed.image.as_path()).collect();
    let stems: BTreeSet<String> = known.iter().map(|path| stem(path)).collect();
    let others: Vec<String> =
        images_in(folder, "imagesTr").into_keys().filter(|s| !stems.contains(s)).collect();
    if !others.is_empty() {
        notes.push(format!("imagesTr: dataset.json does not list {}: left out", few(&others, "image")));
    }
    let mut left_out = Vec::new();
    tests(&made, about.as_ref(), &mut examinations, &mut left_out, &mut notes)?;
    Ok(Found {
        layout: Layout::Msd,
        images,
        masks: vec![mask.clone()],
        labels: Vec::new(),
        examinations: examinations.into_values().collect(),
        left_out,
        notes,
    })
}

/// Takes the test images that have masks, and names the others.
fn tests(
    made: &Made<'_>,
    about: Option<&DatasetJson>,
    examinations: &mut BTreeMap<String, Examination>,
    left_out: &mut Vec<LeftOut>,
    notes: &mut Vec<String>,
) -> Result<(), DataError> {
    let mut listed = about.map(|about| about.list("test")).transpose()?.flatten().unwrap_or_default();
    if listed.is_empty() {
        let found = images_in(made.folder, "imagesTs").into_values();
        listed = found.map(|name| Listed { image: Path::new("imagesTs").join(name), label: None }).collect();
    }
    let masks = images_in(made.folder, "labelsTs");
    let mut without = Vec::new();
    for mut listed in listed {
        let name = stem(&listed.image);
        let mask = masks.get(&name).map(|mask| Path::new("labelsTs").join(mask));
        listed.label = listed.label.or(mask).filter(|label| there(made.folder, label).is_some());
        if listed.label.is_none() {
            without.push(name);
        } else if examinations.contains_key(&name) {
            let reason = "a training image has the same name: this test image was left out";
            left_out.push(LeftOut { case_id: name, reason: reason.into() });
        } else {
            let (case_id, examination) = made.examination(&listed, Some(Split::Test));
            examinations.insert(case_id, examination);
        }
    }
    if !without.is_empty() {
        notes.push(format!("imagesTs: {} without a mask in labelsTs: left out", few(&without, "test image")));
    }
    Ok(())
}

/// The images in imagesTr, with the masks of the same name.
fn unlisted(folder: &Path) -> Vec<Listed> {
    let masks = images_in(folder, "labelsTr");
    let listed = |(stem, name): (String, String)| Listed {
        image: Path::new("imagesTr").join(name),
        label: masks.get(&stem).map(|mask| Path::new("labelsTr").join(mask)),
    };
    images_in(folder, "imagesTr").into_iter().map(listed).collect()
}

/// The number of images in the first file whose header can be read, 1 where none can.
fn counted(folder: &Path, listed: &[Listed]) -> usize {
    const TRIED: usize = 3;
    const MOST: usize = 64;
    let headers = listed.iter().filter_map(|listed| there(folder, &listed.image)).take(TRIED);
    let mut counts = headers.filter_map(|path| read::nifti::header(&path).ok()?.volumes().ok());
    counts.next().map_or(1, |(_, times)| times.clamp(1, MOST))
}

/// A file's name without its ending.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    image_names::stem(&name, false).to_owned()
}

/// What cases are made of.
struct Made<'a> {
    folder: &'a Path,
    images: Vec<Name>,
    reference: Name,
    mask: &'a FoundMask,
}

impl Made<'_> {
    fn examination(&self, listed: &Listed, split: Option<Split>) -> (String, Examination) {
        let case_id = stem(&listed.image);
        let examination = Examination { split, ..Examination::new(case_id.clone(), self.files(listed)) };
        (case_id, examination)
    }

    fn files(&self, listed: &Listed) -> Result<CaseFiles, DataError> {
        let missing = |path: &Path, what: &str| {
            DataError::refused(self.folder.join(path), format!("{what}, and it is not there"))
        };
        let path = there(self.folder, &listed.image)
            .ok_or_else(|| missing(&listed.image, "dataset.json lists this image"))?;
        // Images that nobody names would be lost in silence.
        if self.images.len() > 1
            && let Some((_, times)) = read::nifti::header(&path).ok().and_then(|header| header.volumes().ok())
            && times != self.images.len()
        {
            let its = if times == 1 { "1 image".to_owned() } else { format!("{times} images") };
            let why = format!("it has {its}, and dataset.json names {}", self.images.len());
            return Err(DataError::refused(path, why));
        }
        let source = |index: usize| match self.images.len() {
            1 => Source::Path(path.clone()),
            _ => Source::Volume { path: path.clone(), index },
        };
        let images = self.images.iter().enumerate().map(|(index, name)| (*name, source(index))).collect();
        let mut notes = Vec::new();
        let mut masks = BTreeMap::new();
        match &listed.label {
            Some(label) => {
                let path = there(self.folder, label)
                    .ok_or_else(|| missing(label, "dataset.json lists this mask"))?;
                masks.insert(self.mask.info.name, Source::Path(path));
            }
            None => notes.push("it has no mask".to_owned()),
        }
        CaseFiles::new(self.folder, self.reference, images, masks, notes)
    }
}
