//! The Brain Imaging Data Structure: `sub-X/[ses-Y/]anat/sub-X_[ses-Y_]T1w.nii.gz`, masks below `derivatives`, and what is
//! known of subjects in `participants.tsv`.

mod file_name;
mod participants;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::{Path, PathBuf},
};

use transferscope_domain::{
    Name,
    dataset::{ClassInfo, LeftOut},
};

use self::file_name::FileName;
use super::{
    case_files::CaseFiles,
    channel_kind,
    csv_file::CsvFile,
    examination::{Examination, Found, FoundMask},
    image_names, layout,
    layout::Layout,
    listing::{self, MAX_CASES, Names},
    named::few,
};
use crate::data::{
    DataError,
    read::{self, Source},
};

/// Folders of a subject or session with images.
const KINDS: [&str; 7] = ["anat", "dwi", "func", "perf", "pet", "ct", "us"];

/// Folders whose images are means to an end.
const AIDS: [&str; 1] = ["fmap"];

/// Spaces that are those of a subject's own images.
const OWN_SPACES: [&str; 9] =
    ["orig", "native", "individual", "t1w", "t2w", "flair", "scanner", "anat", "dwi"];

/// Whether a folder looks like one.
pub fn looks_like(folder: &Path, names: &Names) -> bool {
    let subject = |(name, is_folder): (&String, &bool)| *is_folder && is_subject(&folder.join(name), name);
    names.found.contains_key("dataset_description.json")
        || names.found.iter().any(subject)
        || raw(folder, names) != folder
}

/// Where the subjects are: in the folder, or in `rawdata` where its derivatives lie beside that.
fn raw(folder: &Path, names: &Names) -> PathBuf {
    let has = |names: &Names| names.found.iter().any(|(name, f)| *f && name.starts_with("sub-"));
    let raw = folder.join("rawdata");
    let inner = listing::names(&raw).unwrap_or_default();
    if !has(names) && has(&inner) { raw } else { folder.to_owned() }
}

/// Whether a folder is a subject: `sub-X` with folders of sessions or kinds of images.
fn is_subject(folder: &Path, name: &str) -> bool {
    let kind = |inner: &str| inner.starts_with("ses-") || KINDS.contains(&inner) || AIDS.contains(&inner);
    name.starts_with("sub-")
        && listing::names(folder).is_ok_and(|names| names.found.iter().any(|(name, f)| *f && kind(name)))
}

/// An image or mask of a subject.
#[derive(Debug)]
struct Item {
    name: FileName,
    path: PathBuf,
}

/// What is in it.
///
/// # Errors
/// When it cannot be listed, has no subject, or a table in it is damaged.
pub fn find(folder: &Path) -> Result<Found, DataError> {
    let raw = raw(folder, &listing::names(folder)?);
    let mut all = All::default();
    let names = listing::names(&raw)?;
    for (name, _) in names.found.iter().filter(|(name, is_folder)| **is_folder && name.starts_with("sub-")) {
        all.subject(&raw.join(name), name)?;
        if all.cases.len() > MAX_CASES {
            return Err(DataError::refused(folder, format!("more than {MAX_CASES} sessions")));
        }
    }
    if all.cases.is_empty() {
        return Err(layout::not(
            folder,
            Layout::Bids,
            "no image sub-X/anat/sub-X_T1w.nii.gz or its like is in it",
        ));
    }
    let mut notes = all.notes();
    let several = all.several();
    // Images by case and name.
    let mut images: BTreeMap<String, BTreeMap<Name, PathBuf>> = BTreeMap::new();
    let mut refused: BTreeMap<String, DataError> = BTreeMap::new();
    for (case, items) in &all.cases {
        let own = images.entry(case.clone()).or_default();
        for item in items {
            let Some(name) = item.name.image(&several) else { continue };
            if let Some(other) = own.insert(name, item.path.clone()) {
                let other = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let why = format!("{name} is there more than once: {other} is it as well");
                refused.insert(case.clone(), DataError::refused(&item.path, why));
            }
        }
    }
    let order = settled(&mut images, &mut notes);
    let Some(reference) = order.first().copied() else {
        return Err(layout::not(
            folder,
            Layout::Bids,
            &format!("it has no image of three dimensions; {}", notes.join("; ")),
        ));
    };
    let mut left_out = Vec::new();
    let masks = masks(folder, &mut all, &mut notes, &mut left_out)?;
    let names: BTreeSet<Name> = masks.values().flat_map(BTreeMap::keys).copied().collect();
    let tables = tables(folder)?;
    let found_masks: Vec<FoundMask> = names
        .into_iter()
        .map(|name| {
            let mut mask = FoundMask::untold(name);
            if name.starts_with("dseg") {
                mask.info.classes.clone_from(&tables);
            }
            mask
        })
        .collect();
    let ids: Vec<(String, String)> =
        all.cases.iter().map(|(case, items)| (case.clone(), subject_of(case, items))).collect();
    let said = participants::read(&raw, &ids)?;
    notes.extend(said.notes);
    let examinations = ids.iter().map(|(case, subject)| {
        let files = match refused.remove(case) {
            Some(error) => Err(error),
            None => files(&raw, case, reference, &images, masks.get(case), &order),
        };
        let mut examination = Examination::new(case.clone(), files);
        examination.patient_id = Some(subject.clone());
        for (label, classes) in &said.labels {
            examination.labels.extend(classes.get(case).map(|class| (label.name, class.clone())));
        }
        if let Some(row) = said.rows.get(subject) {
            examination.split = row.split;
            examination.fold = row.fold;
        }
        examination
    });
    let examinations = examinations.collect();
    Ok(Found {
        layout: Layout::Bids,
        images: order.into_iter().map(channel_kind::image).collect(),
        masks: found_masks,
        labels: said.labels.into_iter().map(|(label, _)| label).collect(),
        examinations,
        left_out,
        notes,
    })
}

/// The subject of a case: what its files say, which its folder does as well.
fn subject_of(case: &str, items: &[Item]) -> String {
    let subject = items.first().map(|item| item.name.subject.clone());
    subject.unwrap_or_else(|| case.split('_').next().unwrap_or(case).to_owned())
}

fn files(
    folder: &Path,
    case: &str,
    reference: Name,
    images: &BTreeMap<String, BTreeMap<Name, PathBuf>>,
    masks: Option<&BTreeMap<Name, PathBuf>>,
    order: &[Name],
) -> Result<CaseFiles, DataError> {
    let own = images.get(case).into_iter().flatten().filter(|(name, _)| order.contains(name));
    let source = |(name, path): (&Name, &PathBuf)| (*name, Source::Path(path.clone()));
    let images: BTreeMap<Name, Source> = own.map(source).collect();
    if !images.contains_key(&reference) {
        let has = images.keys().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let has = if has.is_empty() { "no image".to_owned() } else { has };
        let why =
            format!("no {reference} image, which most cases have and whose grid is a case's; it has {has}");
        return Err(DataError::refused(folder.join(case), why));
    }
    let masks = masks.into_iter().flatten().map(source).collect();
    CaseFiles::new(folder, reference, images, masks, Vec::new())
}

/// The images that cases have, the most common one first. Rare ones and those of four dimensions are taken away, and named.
fn settled(images: &mut BTreeMap<String, BTreeMap<Name, PathBuf>>, notes: &mut Vec<String>) -> Vec<Name> {
    let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
    images.values().flat_map(BTreeMap::keys).for_each(|name| *counts.entry(*name).or_default() += 1);
    let cases = images.values().filter(|own| !own.is_empty()).count();
    let mut order: Vec<(Name, usize)> = Vec::new();
    for (name, count) in counts {
        if 2 * count < cases {
            notes.push(format!("{name}: {count} of {cases} cases have it: left out, since it is rare"));
        } else if let Some(volumes) = series(images, name) {
            let map = if name.starts_with("dwi") {
                "; a map computed from it (sub-X_ADC.nii.gz) is read"
            } else {
                ""
            };
            notes.push(format!(
                "{name}: four dimensions ({volumes} volumes) where one image was expected: left out{map}"
            ));
        } else {
            order.push((name, count));
        }
    }
    order.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    order.into_iter().map(|(name, _)| name).collect()
}

/// The number of volumes of the first file of an image that can be read, where it is more than one.
fn series(images: &BTreeMap<String, BTreeMap<Name, PathBuf>>, name: Name) -> Option<usize> {
    const TRIED: usize = 3;
    let paths = images.values().filter_map(|own| own.get(&name)).take(TRIED);
    let mut volumes = paths.filter_map(|path| Some(read::nifti::header(path).ok()?.volumes().ok()?.1));
    volumes.next().filter(|volumes| *volumes > 1)
}

/// Files of subjects.
#[derive(Debug, Default)]
struct All {
    /// Images by case.
    cases: BTreeMap<String, Vec<Item>>,
    /// Masks that lie among the images.
    masks: Vec<Item>,
    odd: Vec<String>,
    aids: usize,
}

impl All {
    fn subject(&mut self, folder: &Path, subject: &str) -> Result<(), DataError> {
        let inner = listing::names(folder)?.found;
        let mut any = false;
        for (session, _) in inner.iter().filter(|(name, is_folder)| **is_folder && name.starts_with("ses-")) {
            any = true;
            self.session(&folder.join(session), &format!("{subject}_{session}"))?;
        }
        if !any || inner.keys().any(|name| KINDS.contains(&name.as_str())) {
            self.session(folder, subject)?;
        }
        Ok(())
    }

    fn session(&mut self, folder: &Path, case: &str) -> Result<(), DataError> {
        let mut items = Vec::new();
        for (kind, _) in listing::names(folder)?.found.into_iter().filter(|(_, is_folder)| *is_folder) {
            let files = listing::names(&folder.join(&kind))?.found;
            if AIDS.contains(&kind.as_str()) {
                self.aids += files.len();
                continue;
            }
            for (name, _) in files.into_iter().filter(|(name, f)| !f && image_names::is_read(name, false)) {
                let path = folder.join(&kind).join(&name);
                match FileName::parse(image_names::stem(&name, false)) {
                    // A folder and its files can disagree; then nobody knows whose the file is.
                    Some(name) if name.case() == case || name.subject == case => {
                        let item = Item { name, path };
                        if item.name.is_mask() { self.masks.push(item) } else { items.push(item) }
                    }
                    _ => self.odd.push(format!("{case}/{kind}/{name}")),
                }
            }
        }
        self.cases.insert(case.to_owned(), items);
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.odd.is_empty() {
            notes.push(format!(
                "{} not named after their subject and session: left out",
                few(&self.odd, "file")
            ));
        }
        if self.aids > 0 {
            notes.push("field maps (fmap) were left out".into());
        }
        notes
    }

    /// The suffixes of which a case has several images.
    fn several(&self) -> BTreeSet<String> {
        let mut several = BTreeSet::new();
        for items in self.cases.values() {
            let mut seen = BTreeSet::new();
            several
                .extend(items.iter().filter(|i| !seen.insert(&i.name.suffix)).map(|i| i.name.suffix.clone()));
        }
        several
    }
}

/// Masks by case and name: those among the images, then those below `derivatives`.
fn masks(
    folder: &Path,
    all: &mut All,
    notes: &mut Vec<String>,
    left_out: &mut Vec<LeftOut>,
) -> Result<BTreeMap<String, BTreeMap<Name, PathBuf>>, DataError> {
    let mut items = std::mem::take(&mut all.masks);
    let derivatives = folder.join("derivatives");
    let mut walk = Walk { seen: 0, masks: Vec::new(), others: 0 };
    if derivatives.is_dir() {
        walk.walk(&derivatives, 0)?;
    }
    items.extend(walk.masks);
    if walk.others > 0 {
        notes.push(format!("derivatives: {} images that are no masks were left out", walk.others));
    }
    let mut masks: BTreeMap<String, BTreeMap<Name, PathBuf>> = BTreeMap::new();
    let (mut elsewhere, mut twice) = (Vec::new(), Vec::new());
    for item in items {
        let shown = item.path.strip_prefix(folder).unwrap_or(&item.path).display().to_string();
        if item.name.get("space").is_some_and(|space| !OWN_SPACES.contains(&space.to_lowercase().as_str())) {
            elsewhere.push(shown);
            continue;
        }
        let case = item.name.case();
        let case = if all.cases.contains_key(&case) {
            Some(case)
        } else {
            // A mask without a session is that of the only one.
            let mut own =
                all.cases.keys().filter(|case| case.split('_').next() == Some(item.name.subject.as_str()));
            own.next().filter(|_| own.next().is_none() && item.name.get("ses").is_none()).cloned()
        };
        let (Some(case), Some(name)) = (case, item.name.mask()) else {
            left_out.push(LeftOut { case_id: shown, reason: "a mask, of which there is no image".into() });
            continue;
        };
        let own = masks.entry(case).or_default();
        match own.entry(name) {
            Entry::Occupied(_) => twice.push(shown),
            Entry::Vacant(free) => {
                free.insert(item.path);
            }
        }
    }
    if !elsewhere.is_empty() {
        notes.push(format!(
            "{} in another space than the subject's images: left out",
            few(&elsewhere, "mask")
        ));
    }
    if !twice.is_empty() {
        notes.push(format!(
            "{} of which the case has another of the same name: left out",
            few(&twice, "mask")
        ));
    }
    Ok(masks)
}

/// A walk through the derivatives.
struct Walk {
    seen: usize,
    masks: Vec<Item>,
    others: usize,
}

impl Walk {
    fn walk(&mut self, folder: &Path, depth: usize) -> Result<(), DataError> {
        const MAX_DEPTH: usize = 7;
        for (name, is_folder) in listing::names(folder)?.found {
            self.seen += 1;
            if self.seen > 5 * MAX_CASES {
                return Err(DataError::refused(folder, format!("more than {} files", 5 * MAX_CASES)));
            }
            let path = folder.join(&name);
            if is_folder {
                if depth < MAX_DEPTH {
                    self.walk(&path, depth + 1)?;
                }
            } else if image_names::is_read(&name, false)
                && let Some(parsed) = FileName::parse(image_names::stem(&name, false))
            {
                if parsed.is_mask() {
                    self.masks.push(Item { name: parsed, path });
                } else {
                    self.others += 1;
                }
            }
        }
        Ok(())
    }
}

/// The classes of `dseg` masks, where one table with the columns `index` and `name` says them: in the folder, below
/// `derivatives`, or in a folder of these.
fn tables(folder: &Path) -> Result<Vec<ClassInfo>, DataError> {
    const LOOKED_AT: usize = 50;
    let derivatives = folder.join("derivatives");
    let inner = listing::names(&derivatives).unwrap_or_default().found;
    let inner = inner.into_iter().filter(|(_, is_folder)| *is_folder).map(|(name, _)| derivatives.join(name));
    let places: Vec<PathBuf> =
        [folder.to_owned(), derivatives.clone()].into_iter().chain(inner).take(LOOKED_AT).collect();
    for place in places {
        let names = listing::names(&place).unwrap_or_default().found;
        let Some((name, _)) = names.into_iter().find(|(name, f)| !f && name.ends_with("dseg.tsv")) else {
            continue;
        };
        let path = place.join(name);
        let Some(mut file) = CsvFile::open(&path, "index")? else { continue };
        let (index, title) = (file.require("index")?, file.require("name")?);
        let mut classes: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        while let Some(record) = file.next()? {
            // Atlases have numbers beyond those of masks; a mask that holds one is refused by its own values.
            let value =
                record.whole(index).and_then(|value| u8::try_from(value).ok()).filter(|value| *value > 0);
            if let Some(value) = value {
                classes.entry(record.cell(title).to_owned()).or_default().push(value);
            }
        }
        let mut classes: Vec<ClassInfo> =
            classes.into_iter().map(|(name, values)| ClassInfo { name, values }).collect();
        classes.sort_by(|a, b| a.values.cmp(&b.values));
        return Ok(classes);
    }
    Ok(Vec::new())
}
