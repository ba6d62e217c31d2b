//! nnU-Net data sets, version 1 and 2: every image a file `imagesTr/CASE_0000.nii.gz`, numbered as in `dataset.json`.

mod rounds;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use transferscope_domain::{
    Name,
    dataset::{ImageInfo, LeftOut, Modality},
    metric::Split,
};

use super::{
    case_files::CaseFiles,
    channel_kind::{self, ChannelKind},
    dataset_json::{self, DatasetJson},
    examination::{Examination, Found, FoundMask},
    image_names, layout,
    layout::Layout,
    listing::{self, Names},
    named::few,
};
use crate::data::{
    DataError,
    read::{
        Source,
        picture::{self, Part},
    },
};

/// Whether a folder looks like one, or like a folder of such.
pub fn looks_like(folder: &Path, names: &Names) -> bool {
    if names.found.get("imagesTr") == Some(&true) {
        return true;
    }
    !inner(folder, names).is_empty()
}

/// Data sets in folders of this one.
fn inner(folder: &Path, names: &Names) -> Vec<String> {
    let folders = names.found.iter().filter(|(_, is_folder)| **is_folder).map(|(name, _)| name);
    folders.filter(|name| folder.join(name).join("imagesTr").is_dir()).cloned().collect()
}

/// What is in it.
///
/// # Errors
/// When `dataset.json` is damaged, there is no image, or the folder has another layout.
pub fn find(folder: &Path) -> Result<Found, DataError> {
    let names = listing::names(folder)?;
    if names.found.get("imagesTr") != Some(&true) {
        let why = match inner(folder, &names).as_slice() {
            [] => "it has no folder imagesTr".to_owned(),
            inner => format!("it is a folder of {}: add one of them", few(inner, "such data set")),
        };
        return Err(layout::not(folder, Layout::Nnunet, &why));
    }
    let about = DatasetJson::read(folder)?;
    let mut notes = Vec::new();
    let training = Files::of(&folder.join("imagesTr"), &mut notes)?;
    if training.cases.is_empty() {
        let why = "imagesTr has no image CASE_0000.nii.gz";
        let ending = about.as_ref().and_then(DatasetJson::ending);
        let ending = ending.map(|ending| format!("dataset.json says that its files end in {ending}"));
        let why = std::iter::once(why.to_owned()).chain(ending).chain(notes).collect::<Vec<_>>().join("; ");
        return Err(layout::not(folder, Layout::Nnunet, &why));
    }
    let testing = Files::of(&folder.join("imagesTs"), &mut notes)?;
    let images = images(about.as_ref(), &training, &mut notes)?;
    let mask = about.as_ref().unwrap_or(&DatasetJson::default()).mask(&images)?;
    let no_classes = mask.info.classes.is_empty();
    if no_classes {
        let what = if about.is_some() { "names no labels" } else { "is not there" };
        notes.push(format!("dataset.json {what}: the classes of the masks are told from their values"));
    }
    let Some(reference) = images.first().map(|image| image.name) else {
        return Err(layout::not(folder, Layout::Nnunet, "dataset.json names no image"));
    };
    let mut unnamed: BTreeSet<usize> = BTreeSet::new();
    for files in training.cases.values() {
        unnamed.extend(files.keys().filter(|number| **number >= images.len() && !training.colour));
    }
    if !unnamed.is_empty() {
        let numbers: Vec<String> = unnamed.iter().map(|number| format!("_{number:04}")).collect();
        notes.push(format!(
            "dataset.json names {} images: {} left out",
            images.len(),
            few(&numbers, "number")
        ));
    }
    let masks = Masks::of(&folder.join("labelsTr"), &mut notes)?;
    let made = Made { folder, images: &images, reference, mask: &mask };
    let (rounds, said) = rounds::read(folder, &training.cases.keys().cloned().collect());
    notes.extend(said);
    let mut left_out: Vec<LeftOut> = Vec::new();
    let mut examinations = BTreeMap::new();
    for (case, numbered) in &training.cases {
        let files = made.files(case, numbered, &masks, &training);
        let examination =
            Examination { fold: rounds.get(case).copied(), ..Examination::new(case.clone(), files) };
        examinations.insert(case.clone(), examination);
    }
    let alone = masks.files.keys().filter(|case| !training.cases.contains_key(*case));
    left_out.extend(alone.map(|case| LeftOut {
        case_id: case.clone(),
        reason: "labelsTr has a mask of it, but imagesTr no image".into(),
    }));
    if let Some(said) = about.as_ref().and_then(|about| about.count("numTraining"))
        && said != training.cases.len() as u64
    {
        let cases = training.cases.len();
        notes.push(format!("dataset.json says {said} training cases, imagesTr has {cases}"));
    }
    let test_masks = Masks::of(&folder.join("labelsTs"), &mut notes)?;
    let mut without = Vec::new();
    for (case, numbered) in &testing.cases {
        if !test_masks.files.contains_key(case) {
            without.push(case.clone());
        } else if examinations.contains_key(case) {
            let reason = "a training case has the same name: this test case was left out";
            left_out.push(LeftOut { case_id: case.clone(), reason: reason.into() });
        } else {
            let files = made.files(case, numbered, &test_masks, &testing);
            let test = Examination { split: Some(Split::Test), ..Examination::new(case.clone(), files) };
            examinations.insert(case.clone(), test);
        }
    }
    if !without.is_empty() {
        notes.push(format!("imagesTs: {} without a mask in labelsTs: left out", few(&without, "test case")));
    }
    Ok(Found {
        layout: Layout::Nnunet,
        images,
        masks: vec![mask],
        labels: Vec::new(),
        examinations: examinations.into_values().collect(),
        left_out,
        notes,
    })
}

/// The images that cases have: as `dataset.json` names them, else by the numbers that there are.
fn images(
    about: Option<&DatasetJson>,
    files: &Files,
    notes: &mut Vec<String>,
) -> Result<Vec<ImageInfo>, DataError> {
    if let Some(titles) = about.map(DatasetJson::channels).transpose()?.flatten() {
        if files.colour && titles.len() == 1 {
            notes.push(
                "the pictures have three colours, dataset.json names one image: their brightness was taken"
                    .into(),
            );
        }
        return Ok(dataset_json::images(&titles));
    }
    let highest = files.cases.values().filter_map(|files| files.keys().last()).max().copied().unwrap_or(0);
    let mut images = dataset_json::images(&vec!["image".to_owned(); highest + 1]);
    let what = if about.is_some() { "names no images" } else { "is not there" };
    let numbers = if highest == 0 { "_0000 is".to_owned() } else { format!("_0000 to _{highest:04} are") };
    notes.push(format!("dataset.json {what}: by their numbers, {numbers} taken for images"));
    for (number, image) in images.iter_mut().enumerate() {
        // How it was made is told from its voxels.
        let examples = files.cases.values().filter_map(|files| files.get(&number)?.as_ref().ok());
        let examples = examples.filter(|path| !is_picture(path)).map(|path| (path.clone(), false));
        if let Some(ChannelKind::Image(info)) = channel_kind::of(image.name, None, examples) {
            image.modality = info.modality;
        }
        image.unit = (image.modality == Modality::Ct).then(|| "HU".to_owned());
    }
    Ok(images)
}

fn is_picture(path: &Path) -> bool {
    path.file_name().is_some_and(|name| picture::is_picture(&name.to_string_lossy()))
}

/// A name without the ending of an image or picture; none where it has neither.
fn stem(name: &str) -> Option<&str> {
    match picture::stem(name) {
        Some(stem) => Some(stem),
        None if image_names::is_read(name, false) => Some(image_names::stem(name, false)),
        None => None,
    }
}

/// Images by case and number, each a file or the two that have one name.
struct Files {
    cases: BTreeMap<String, BTreeMap<usize, Result<PathBuf, String>>>,
    /// The folder's name.
    within: String,
    /// Whether they are pictures in colour, of which every file is three images.
    colour: bool,
}

impl Files {
    /// Those of a folder, which need not be there. Other files in it are noted.
    fn of(folder: &Path, notes: &mut Vec<String>) -> Result<Self, DataError> {
        let within = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut files = Files { cases: BTreeMap::new(), within: within.clone(), colour: false };
        if !folder.is_dir() {
            return Ok(files);
        }
        let (mut unread, mut odd) = (Vec::new(), Vec::new());
        for (name, is_folder) in listing::names(folder)?.found {
            let Some(stem) = stem(&name).filter(|_| !is_folder) else {
                let lower = name.to_ascii_lowercase();
                // What belongs to an image beside it.
                let beside = [".json", ".img", ".img.gz", ".raw", ".zraw"].iter().any(|e| lower.ends_with(e));
                if !beside {
                    unread.push(name);
                }
                continue;
            };
            let Some((case, number)) = numbered(stem) else {
                odd.push(name);
                continue;
            };
            let case = files.cases.entry(case.to_owned()).or_default();
            let file = match case.remove(&number) {
                None => Ok(folder.join(&name)),
                Some(Ok(other)) => {
                    let other = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    Err(format!("image _{number:04} is there more than once: {other} and {name}"))
                }
                Some(Err(why)) => Err(format!("{why} and {name}")),
            };
            case.insert(number, file);
        }
        notes.extend(not_read(&within, &unread));
        if !odd.is_empty() {
            notes.push(format!("{within}: {} without a number such as _0000: left out", few(&odd, "file")));
        }
        let first = files.cases.values().find_map(|numbers| numbers.get(&0)?.as_ref().ok());
        files.colour = first.is_some_and(|path| {
            is_picture(path) && picture::read(path).is_ok_and(|picture| picture.is_coloured())
        });
        Ok(files)
    }
}

/// Names files that are not read, and what can be done about it.
fn not_read(within: &str, files: &[String]) -> Option<String> {
    let nrrd = files.iter().any(|name| name.to_ascii_lowercase().ends_with(".nrrd"));
    let convert = if nrrd { ": convert .nrrd to .nii.gz" } else { "" };
    (!files.is_empty())
        .then(|| format!("{within}: {} of no format that is read: left out{convert}", few(files, "file")))
}

/// Case and number of `CASE_0000`; none where a name is of another form.
pub fn numbered(stem: &str) -> Option<(&str, usize)> {
    let (case, number) = stem.rsplit_once('_')?;
    let digits = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    (digits && !case.is_empty()).then(|| Some((case, number.parse().ok()?))).flatten()
}

/// Masks by case, each a file or the two that have one name.
struct Masks {
    within: String,
    there: bool,
    files: BTreeMap<String, Result<PathBuf, String>>,
}

impl Masks {
    /// Those of a folder, which need not be there.
    fn of(folder: &Path, notes: &mut Vec<String>) -> Result<Self, DataError> {
        let within = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut masks = Masks { within, there: folder.is_dir(), files: BTreeMap::new() };
        if !masks.there {
            return Ok(masks);
        }
        let mut unread = Vec::new();
        for (name, is_folder) in listing::names(folder)?.found {
            match stem(&name).filter(|_| !is_folder) {
                Some(case) => {
                    let file = match masks.files.remove(case) {
                        None => Ok(folder.join(&name)),
                        Some(_) => Err("its mask is there in two formats".to_owned()),
                    };
                    masks.files.insert(case.to_owned(), file);
                }
                None if name.to_ascii_lowercase().ends_with(".nrrd") => unread.push(name),
                None => {}
            }
        }
        notes.extend(not_read(&masks.within, &unread));
        Ok(masks)
    }
}

/// What cases are made of.
struct Made<'a> {
    folder: &'a Path,
    images: &'a [ImageInfo],
    reference: Name,
    mask: &'a FoundMask,
}

impl Made<'_> {
    fn files(
        &self,
        case: &str,
        numbered: &BTreeMap<usize, Result<PathBuf, String>>,
        masks: &Masks,
        files: &Files,
    ) -> Result<CaseFiles, DataError> {
        let within = self.folder.join(&files.within);
        let refused = |why: &String| DataError::refused(&within, format!("{case}: {why}"));
        let mut notes = Vec::new();
        let mut images = BTreeMap::new();
        // A picture in colour is three images, as nnU-Net reads it.
        let colours = files.colour && self.images.len() == 3;
        for (number, image) in self.images.iter().enumerate() {
            let source = match numbered.get(if colours { &0 } else { &number }) {
                Some(Ok(path)) => {
                    source(path, [Part::Red, Part::Green, Part::Blue].get(number).filter(|_| colours))
                }
                Some(Err(why)) => return Err(refused(why)),
                None if image.name == self.reference => {
                    let what = "on whose grid all images of a case are brought";
                    return Err(DataError::refused(
                        within,
                        format!("{case}_{number:04} ({}) is missing, {what}", image.name),
                    ));
                }
                None => {
                    notes.push(format!("{case}_{number:04} ({}) is missing", image.name));
                    continue;
                }
            };
            images.insert(image.name, source);
        }
        let mask = match masks.files.get(case) {
            Some(Ok(path)) => Some((self.mask.info.name, source(path, None))),
            Some(Err(why)) => return Err(refused(why)),
            None => {
                notes.push(if masks.there {
                    format!("{} has no mask of it", masks.within)
                } else {
                    format!("there is no {}", masks.within)
                });
                None
            }
        };
        CaseFiles::new(self.folder, self.reference, images, mask.into_iter().collect(), notes)
    }
}

/// A file as an image or mask: of a picture this part, or its brightness or values.
fn source(path: &Path, part: Option<&Part>) -> Source {
    match is_picture(path) {
        true => {
            let part = part.cloned().unwrap_or(Part::Grey);
            Source::Picture { path: path.to_owned(), part, sized: false }
        }
        false => Source::Path(path.to_owned()),
    }
}
