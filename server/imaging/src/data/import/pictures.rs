//! Folders of pictures (PNG, JPEG, TIFF): pictures with masks beside them, pictures with a table, or a folder a class.

mod gather;
mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use transferscope_domain::{
    Name,
    dataset::{ClassInfo, ImageInfo, LabelInfo, LeftOut, MaskInfo, Modality},
};

use self::gather::{Gathered, Role, Seen};
pub use self::tables::reads_tables;
use super::{
    case_files::CaseFiles,
    examination::{Examination, Found, FoundMask},
    layout,
    layout::Layout,
    listing::{MAX_CASES, Names},
    named::few,
    table::labels,
};
use crate::data::{
    DataError,
    read::{
        Source,
        picture::{self, Colour, Part, Raster},
    },
};

/// The label of folders that are classes.
const CLASS: &str = "class";

/// The mask where its folder has no better name.
const MASK: &str = "mask";

/// A folder a class has this many pictures on average, or the folders are something else.
const PICTURES_OF_A_CLASS: usize = 3;

/// Masks of more colours are pictures.
const MAX_COLOURS: usize = 64;

/// Whether a folder looks like one: it has pictures, nothing else that is an image, and an arrangement that is read.
pub fn looks_like(folder: &Path, _names: &Names) -> bool {
    const LOOKED_AT: usize = 5_000;
    let Ok(seen) = gather::pictures(folder, LOOKED_AT) else { return false };
    let mostly = seen.pictures.len() > seen.others;
    seen.images == 0 && mostly && !seen.pictures.is_empty() && arranged(&seen).is_ok()
}

/// How pictures are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arranged {
    /// Masks lie in folders of their own.
    Masks,
    /// Folders are classes.
    Classes,
    /// Folders say nothing but splits.
    Flat,
}

fn arranged(seen: &Gathered) -> Result<Arranged, String> {
    if seen.pictures.iter().any(|picture| picture.has(Role::Mask)) {
        return Ok(Arranged::Masks);
    }
    let folders: BTreeSet<&str> = seen.pictures.iter().filter_map(|p| p.others().next()).collect();
    let loose = seen.pictures.iter().filter(|p| p.others().next().is_none()).count();
    match folders.len() {
        0 => Ok(Arranged::Flat),
        // What lies in few folders beside many loose pictures is left out by itself.
        _ if loose > seen.pictures.len() / 2 => Ok(Arranged::Flat),
        1 => Ok(Arranged::Flat),
        n if seen.pictures.len() >= PICTURES_OF_A_CLASS * n => Ok(Arranged::Classes),
        n => Err(format!(
            "{} in {n} folders: a folder a class has {PICTURES_OF_A_CLASS} pictures or more on average; of pictures with masks, images/ and masks/ hold files of the same name",
            few(&seen.pictures.iter().map(Seen::label).collect::<Vec<_>>(), "picture")
        )),
    }
}

/// What is in it.
///
/// # Errors
/// When it cannot be listed, holds no picture or too many, or a table in it is damaged.
pub fn find(folder: &Path) -> Result<Found, DataError> {
    let seen = gather::pictures(folder, 3 * MAX_CASES)?;
    let not = |why: String| layout::not(folder, Layout::Pictures, &why);
    if seen.stopped {
        return Err(DataError::refused(folder, format!("more than {} files", 3 * MAX_CASES)));
    }
    if seen.pictures.is_empty() {
        return Err(not(format!("no picture ({}) is in it", picture::PICTURE_ENDINGS.join(", "))));
    }
    let arranged = arranged(&seen).map_err(not)?;
    let mut notes = Vec::new();
    let (images, masks) = match arranged {
        Arranged::Masks => {
            let (masks, images): (Vec<Seen>, Vec<Seen>) =
                seen.pictures.into_iter().partition(|picture| picture.has(Role::Mask));
            // Where a folder says that it has the images, others are something else.
            let said = images.iter().any(|picture| picture.has(Role::Image));
            let (images, others): (Vec<Seen>, Vec<Seen>) =
                images.into_iter().partition(|picture| !said || picture.has(Role::Image));
            if !others.is_empty() {
                let names: Vec<String> = others.iter().map(Seen::label).collect();
                notes.push(format!(
                    "{} neither among the images nor the masks: left out",
                    few(&names, "picture")
                ));
            }
            (images, masks)
        }
        Arranged::Classes => {
            let (images, loose): (Vec<Seen>, Vec<Seen>) =
                seen.pictures.into_iter().partition(|picture| picture.others().next().is_some());
            if !loose.is_empty() {
                let names: Vec<String> = loose.iter().map(Seen::label).collect();
                notes.push(format!("{} in no folder of a class: left out", few(&names, "picture")));
            }
            (images, Vec::new())
        }
        Arranged::Flat => gather::by_suffix(seen.pictures),
    };
    if images.is_empty() {
        return Err(not("there are masks and no images".into()));
    }
    if seen.images > 0 {
        notes.push(format!("{} files of other formats than pictures were left out", seen.images));
    }
    let ids = ids(&images);
    let kind = Kind::of(&images, &mut notes);
    let mut by_case = Masks::of(&images, &ids, masks);
    let mut left_out = std::mem::take(&mut by_case.left_out);
    let masks: Vec<(FoundMask, Part)> =
        by_case.names().into_iter().map(|name| by_case.settled(name, &mut notes)).collect();
    let table = tables::read(folder, &images, &ids)?;
    notes.extend(table.notes);
    left_out.extend(table.left_out);
    let mut found_labels: Vec<LabelInfo> = table.labels.iter().map(|(label, _)| label.clone()).collect();
    let class = Name::new(CLASS).map_err(DataError::Options)?;
    if arranged == Arranged::Classes {
        found_labels.retain(|label| label.name != class);
        found_labels.push(class_label(class, &images));
    }
    let mut examinations = BTreeMap::new();
    for (seen, case_id) in images.iter().zip(&ids) {
        let files = kind.files(folder, seen, by_case.cases.get(case_id), &masks);
        let mut examination = Examination::new(case_id.clone(), files);
        examination.split = seen.split();
        for (label, classes) in &table.labels {
            examination.labels.extend(classes.get(case_id).map(|class| (label.name, class.clone())));
        }
        if arranged == Arranged::Classes {
            examination.labels.extend(seen.others().next().map(|folder| (class, folder.to_owned())));
        }
        if let Some(row) = table.rows.get(case_id) {
            examination.patient_id.clone_from(&row.patient_id);
            examination.split = row.split.or(examination.split);
            examination.fold = row.fold;
        }
        examinations.insert(case_id.clone(), examination);
    }
    let masks = masks.into_iter().map(|(mask, _)| mask).collect();
    Ok(Found {
        layout: Layout::Pictures,
        images: kind.images,
        masks,
        labels: found_labels,
        examinations: examinations.into_values().collect(),
        left_out,
        notes,
    })
}

/// The names of cases: those of the files, with their folders where files of several folders have one name.
fn ids(images: &[Seen]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    images.iter().for_each(|seen| *counts.entry(&seen.stem).or_default() += 1);
    let mut taken = BTreeSet::new();
    let id = |seen: &Seen| {
        let short = if counts[seen.stem.as_str()] == 1 { seen.stem.clone() } else { seen.id() };
        // One picture in two formats has one name as well.
        let whole = std::iter::once(short).chain(std::iter::once(seen.label().replace('/', "_")));
        let numbered = (2..).map(|n| format!("{}-{n}", seen.label().replace('/', "_")));
        let id = whole.chain(numbered).find(|id| !taken.contains(id)).unwrap_or_default();
        taken.insert(id.clone());
        id
    };
    images.iter().map(id).collect()
}

fn class_label(name: Name, images: &[Seen]) -> LabelInfo {
    let classes: BTreeSet<&str> = images.iter().filter_map(|seen| seen.others().next()).collect();
    let mut classes: Vec<String> = classes.into_iter().map(str::to_owned).collect();
    labels::in_order(&mut classes);
    LabelInfo { name, about: None, classes, ordered: false }
}

/// Pictures spread over all of them, read.
fn some<'a>(paths: impl ExactSizeIterator<Item = &'a PathBuf>, most: usize) -> impl Iterator<Item = Raster> {
    let step = paths.len().div_ceil(most).max(1);
    paths.step_by(step).filter_map(|path| picture::read(path).ok())
}

/// What the pictures are: grey or in colour, with a pixel size or without.
struct Kind {
    images: Vec<ImageInfo>,
    parts: Vec<(Name, Part)>,
    sized: bool,
}

impl Kind {
    fn of(images: &[Seen], notes: &mut Vec<String>) -> Self {
        const LOOKED_AT: usize = 8;
        let (mut coloured, mut sized, mut any) = (false, true, false);
        let paths: Vec<PathBuf> = images.iter().map(|seen| seen.path.clone()).collect();
        for raster in some(paths.iter(), LOOKED_AT) {
            any = true;
            coloured |= raster.is_coloured();
            sized &= raster.pixel_mm.is_some();
        }
        let sized = sized && any;
        if !sized {
            notes.push("no pixel size is stored: 1 mm is assumed".into());
        }
        let parts = match coloured {
            true => vec![("red", Part::Red), ("green", Part::Green), ("blue", Part::Blue)],
            false => vec![("grey", Part::Grey)],
        };
        let parts: Vec<(Name, Part)> =
            parts.into_iter().filter_map(|(name, part)| Some((Name::new(name).ok()?, part))).collect();
        let image = |name: Name| ImageInfo { name, modality: Modality::Other, unit: None, epi: false };
        Self { images: parts.iter().map(|(name, _)| image(*name)).collect(), parts, sized }
    }

    /// The files of one picture.
    fn files(
        &self,
        folder: &Path,
        seen: &Seen,
        own: Option<&BTreeMap<Name, PathBuf>>,
        masks: &[(FoundMask, Part)],
    ) -> Result<CaseFiles, DataError> {
        let source = |path: &Path, part: &Part| Source::Picture {
            path: path.to_owned(),
            part: part.clone(),
            sized: self.sized,
        };
        let images = self.parts.iter().map(|(name, part)| (*name, source(&seen.path, part))).collect();
        let mut notes = Vec::new();
        let mut files = BTreeMap::new();
        for (mask, part) in masks {
            let name = mask.info.name;
            match own.and_then(|own| own.get(&name)) {
                Some(path) => {
                    files.insert(name, source(path, part));
                }
                None => notes.push(format!("it has no {name}")),
            }
        }
        let reference = self.parts.first().map(|(name, _)| *name);
        let reference = reference.ok_or_else(|| DataError::Options("a picture without images".into()))?;
        CaseFiles::new(folder, reference, images, files, notes)
    }
}

/// Masks by case and name.
struct Masks {
    cases: BTreeMap<String, BTreeMap<Name, PathBuf>>,
    left_out: Vec<LeftOut>,
}

impl Masks {
    /// Gives every mask its picture: that of the same folders and name, else the only one of its name.
    fn of(images: &[Seen], ids: &[String], masks: Vec<Seen>) -> Self {
        let mut by_place: BTreeMap<(Option<_>, Vec<&str>, &str), &String> = BTreeMap::new();
        let mut by_name: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (seen, id) in images.iter().zip(ids) {
            by_place.insert((seen.split(), seen.others().collect(), &seen.stem), id);
            by_name.entry(&seen.stem).or_default().push(id);
        }
        let mut all = Masks { cases: BTreeMap::new(), left_out: Vec::new() };
        let default = Name::new(MASK).ok();
        for mask in &masks {
            let others: Vec<&str> = mask.others().collect();
            let stems = [mask.stem.as_str(), gather::without_suffix(&mask.stem).unwrap_or(&mask.stem)];
            let here = stems.iter().find_map(|stem| by_place.get(&(mask.split(), others.clone(), *stem)));
            let only = || {
                stems.iter().find_map(|stem| match by_name.get(stem).map(Vec::as_slice) {
                    Some([one]) => Some(one),
                    _ => None,
                })
            };
            // Folders below that of the masks that the images do not have are masks of their own.
            let (case, name) = match (here, others.first()) {
                (Some(case), _) => (Some(case), default),
                (None, None) => (only(), default),
                (None, Some(_)) => {
                    let above =
                        stems.iter().find_map(|stem| by_place.get(&(mask.split(), Vec::new(), *stem)));
                    (above.or_else(only), Name::like(&others.join("-")))
                }
            };
            let (Some(case), Some(name)) = (case, name) else {
                let reason = "a mask, of which there is no picture".to_owned();
                all.left_out.push(LeftOut { case_id: mask.label(), reason });
                continue;
            };
            let own = all.cases.entry((*case).clone()).or_default();
            if let Some(other) = own.get(&name) {
                let other = other.file_name().unwrap_or_default().to_string_lossy();
                let reason = format!("another {name} of {case} is there: {other}");
                all.left_out.push(LeftOut { case_id: mask.label(), reason });
                continue;
            }
            own.insert(name, mask.path.clone());
        }
        all
    }

    fn names(&self) -> BTreeSet<Name> {
        self.cases.values().flat_map(BTreeMap::keys).copied().collect()
    }

    /// A mask with its classes where its colours are, and how its files are read.
    fn settled(&self, name: Name, notes: &mut Vec<String>) -> (FoundMask, Part) {
        const FIRST: usize = 8;
        const LOOKED_AT: usize = 2_000;
        let paths: Vec<&PathBuf> = self.cases.values().filter_map(|own| own.get(&name)).collect();
        let coloured = |raster: &Raster| {
            raster.bands == 3 && raster.palette.is_none() && !raster.lossy && raster.is_coloured()
        };
        let plain = (FoundMask::untold(name), Part::Grey);
        if !some(paths.iter().copied(), FIRST).any(|raster| coloured(&raster)) {
            return plain;
        }
        let mut colours: BTreeSet<Colour> = BTreeSet::new();
        for raster in some(paths.iter().copied(), LOOKED_AT).filter(|raster| raster.bands == 3) {
            match raster.colours(MAX_COLOURS) {
                Some(of_it) => colours.extend(of_it),
                None => return plain,
            }
            if colours.len() > MAX_COLOURS {
                return plain;
            }
        }
        colours.remove(&[0; 3]);
        let colours: Vec<Colour> = colours.into_iter().collect();
        let class = |(i, colour): (usize, &Colour)| ClassInfo {
            name: picture::named(colour),
            values: vec![i as u8 + 1],
        };
        let classes: Vec<ClassInfo> = colours.iter().enumerate().map(class).collect();
        let said: Vec<String> = classes.iter().map(|c| format!("{} is {}", c.name, c.values[0])).collect();
        notes.push(format!("{name}: every colour is a class and black is background: {}", said.join(", ")));
        let info = MaskInfo { name, classes, ignore: None };
        (info.into(), Part::Colours(Arc::from(colours)))
    }
}
