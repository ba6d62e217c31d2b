//! Adding a folder of cases as a data set.
//!
//! [`layout`] finds what is in a folder, [`describe`] changes of it what a person says otherwise, and [`add_with`] reads
//! case by case, a few at once: what was read is stored and noted in a journal, so that an import that was killed goes on
//! where it was. [`dry_run`] does the same with the first cases alone and stores nothing.

mod bids;
mod case_files;
mod case_folder;
mod channel_kind;
mod classes;
mod csv_file;
mod dataset_json;
pub mod describe;
mod dicom_tree;
mod dry_run;
mod examination;
mod geometry;
mod image_names;
mod journal;
mod labels;
pub mod layout;
mod listing;
mod msd;
mod named;
mod nnunet;
mod patients;
mod picai;
mod pictures;
mod rows;
mod table;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Mutex,
};

use rayon::prelude::*;
use transferscope_domain::{
    dataset::{CaseEntry, Contents, DatasetManifest, Description, LeftOut, contents::CSPCA},
    metric::Split,
};

use self::{
    case_files::{Loaded, Reading},
    examination::{Examination, Found},
    journal::{Journal, Outcome, Stored},
    patients::{Known, Patient},
    table::Row,
};
pub use self::{
    dry_run::dry_run,
    labels::{FillLabel, FillWith},
    layout::Layout,
};
pub use super::split_export::splits;
use super::{
    DataError, manifest, plan,
    split::{self, SplitPlan, Stratum},
    store::Staging,
};

/// Seed of the patient split of every data set that is added.
pub const SPLIT_SEED: u64 = 0;

/// Most cases that are read at once: memory stays at this many of them.
const WORKERS: usize = 4;

/// What can be chosen when a folder is added.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// By default the folder's own name.
    pub name: Option<String>,
    pub split: SplitPlan,
    /// Voxel size in mm, `[D, H, W]`, that every case gets; by default each keeps that of its first image.
    pub spacing_mm: Option<[f64; 3]>,
    /// A value of masks that is not to be learnt, and what becomes of its voxels.
    pub fill_label: Option<FillLabel>,
    /// What is said about the folder; counts before its `dataset.toml`.
    pub description: Description,
}

/// [`add_with`] with a name and everything else as usual.
///
/// # Errors
/// As there.
pub fn add(
    datasets_dir: &Path,
    folder: &Path,
    name: Option<&str>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<DatasetManifest, DataError> {
    let options = AddOptions { name: name.map(str::to_owned), ..AddOptions::default() };
    add_with(datasets_dir, folder, &options, progress)
}

/// A folder that was looked through, with its table.
struct Looked {
    whole: PathBuf,
    name: String,
    found: Found,
    rows: BTreeMap<String, Row>,
    /// The name of the table.
    from_table: String,
    refused: Vec<LeftOut>,
    notes: Vec<String>,
}

/// Looks a folder through, reading no image but where nothing else tells what a name stands for.
fn look(folder: &Path, options: &AddOptions) -> Result<Looked, DataError> {
    let whole = folder.canonicalize().map_err(DataError::io(folder))?;
    let said = describe::joined(options.description.clone(), describe::read(&whole)?);
    let layout = match said.layout.as_deref().map(str::parse::<Layout>) {
        None => None,
        Some(Ok(layout)) => Some(layout),
        Some(Err(why)) => return Err(DataError::refused(whole.join(describe::FILE), why)),
    };
    let mut found = layout::find(&whole, layout, &said)?;
    // Tables of pictures name files, and are read with them.
    let own_table = found.layout == Layout::Pictures && pictures::reads_tables(&whole);
    let table = if own_table { table::Table::default() } else { table::read(&whole)? };
    let from_table = table.name.clone().unwrap_or_default();
    for label in &table.labels {
        found.labels.retain(|own| own.name != label.name);
        found.labels.push(label.clone());
    }
    let cspca = |row: &Row| row.labels.keys().any(|name| *name == CSPCA);
    if table.rows.values().any(cspca) && !found.labels.iter().any(|l| l.name == CSPCA) {
        found.labels.extend(Contents::prostate().labels);
    }
    let ids: Vec<&str> = found.examinations.iter().map(|e| e.case_id.as_str()).collect();
    let rows::Matched { mut rows, left_out, mut notes } = rows::matched(&whole, table, &ids)?;
    for examination in &mut found.examinations {
        if let Some(row) = rows.get_mut(&examination.case_id) {
            examination.labels.extend(std::mem::take(&mut row.labels));
        }
    }
    let refused = |why: String| DataError::refused(&whole, why);
    describe::apply(&mut found, &said).map_err(refused)?;
    notes.extend(std::mem::take(&mut found.notes));
    let mut all_left_out = std::mem::take(&mut found.left_out);
    all_left_out.extend(left_out);
    let name =
        options.name.clone().or(said.name.map(|name| name.to_string())).unwrap_or_else(|| name_of(&whole));
    Ok(Looked { whole, name, found, rows, from_table, refused: all_left_out, notes })
}

/// Adds the cases in `folder` as a data set under `datasets_dir`; `progress` hears (done, total) cases.
///
/// How the folder is arranged is recognised ([`Layout`]) unless it is said. `dataset.toml` in it, or the description among
/// the options, may say what its images, masks and labels are. `cases.csv` in it may name patients, labels, splits and
/// folds; without it examinations with one PatientID or one and the same image are one patient's. Images and masks are
/// resampled onto the grid of a case's first image. A case that cannot be trusted is left out and named in the manifest
/// with the reason; what is odd about those that can stays with the data set as a note. Adding the same content again
/// changes nothing, and adding a folder whose import was killed goes on where it was.
///
/// # Errors
/// When no case is usable, the folder does not have the layout that it should, another data set has the name, a table is
/// damaged or about none of the cases, the splits cannot be as chosen, or writing fails; nothing is left behind
/// then.
pub fn add_with(
    datasets_dir: &Path,
    folder: &Path,
    options: &AddOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<DatasetManifest, DataError> {
    let Looked { whole, name, mut found, rows, from_table, mut refused, mut notes } = look(folder, options)?;
    let staging = Staging::begin(datasets_dir, &name)?;
    let journal = Journal::open(staging.folder())?;
    // A tree that was read as one says itself what is wrong with it.
    let without_images = found.layout != Layout::Dicom
        && found.examinations.iter().all(|examination| examination.files.is_err());
    let examinations = std::mem::take(&mut found.examinations);
    let stored = {
        let contents = contents_of(&found);
        let reading = Reading {
            contents: &contents,
            masks: &found.masks,
            spacing_mm: options.spacing_mm,
            fill: options.fill_label,
        };
        let import =
            Import { staging: &staging, journal: &journal, rows: &rows, from_table: &from_table, reading };
        let (stored, left_out) = import.read_all(examinations, &whole, progress)?;
        refused.extend(left_out);
        stored
    };
    if stored.is_empty() {
        return Err(match without_images.then(|| dicom_tree::described(&whole)).flatten() {
            Some(what) => DataError::refused(folder, what),
            None => DataError::NoUsableCase { folder: folder.to_owned(), refused },
        });
    }
    if let Some(fill) = options.fill_label
        && !stored.iter().any(|case| case.filled)
    {
        notes.push(format!("--fill-label: no mask has voxels of the value {}", fill.value));
    }
    let mut stored = stored;
    let patient_sources = settle(&mut stored, &mut notes);
    let images: Vec<_> = stored.iter().map(|case| case.known.images.clone()).collect();
    let mut strata: BTreeMap<String, Stratum> = BTreeMap::new();
    for case in &stored {
        let own = Stratum::of(&case.entry, case.lesion);
        let patient = strata.entry(case.entry.patient_id.clone()).or_default();
        *patient = std::mem::take(patient).and(own);
    }
    let mut splits: BTreeMap<String, Split> = BTreeMap::new();
    for case in &stored {
        let of_row = rows.get(&case.entry.case_id).and_then(|row| row.split);
        splits.extend(of_row.or(case.split).map(|split| (case.entry.case_id.clone(), split)));
    }
    let mut cases: Vec<CaseEntry> = stored.into_iter().map(|case| case.entry).collect();
    let from_rows = rows.values().any(|row| row.split.is_some());
    if !from_rows && matches!(options.split, SplitPlan::Single) {
        notes.extend(split::completed(&cases, &strata, &mut splits, SPLIT_SEED));
    }
    let folds = split::assign(&mut cases, &strata, &splits, options.split, SPLIT_SEED)?;
    notes.extend(in_several_splits(&cases, &images));
    let hash = manifest::content_hash(&cases);
    notes.extend(same_as(datasets_dir, &name, &hash)?);
    let contents = classes::told(&found, &cases);
    classes::check(&contents, &mut cases);
    let mut manifest = DatasetManifest {
        schema: manifest::SCHEMA,
        name,
        source: whole
            .file_name()
            .map_or_else(|| "a folder".into(), |n| format!("folder {}", n.to_string_lossy())),
        synthetic: false,
        hash: manifest::content_hash(&cases),
        split_hash: manifest::split_hash(&cases),
        cases,
        refused,
        split_seed: SPLIT_SEED,
        folds,
        patient_sources,
        notes,
        contents,
        plan: None,
    };
    manifest.plan = plan::of(staging.folder(), &manifest)?;
    journal.remove()?;
    staging.publish(manifest)
}

/// Says that a data set of another name holds the same cases in the same splits.
fn same_as(datasets_dir: &Path, name: &str, hash: &str) -> Result<Option<String>, DataError> {
    let others = manifest::list(datasets_dir)?;
    let same = others.into_iter().find(|other| other.name != name && other.hash == hash);
    Ok(same.map(|same| format!("the same cases in the same splits as the data set {}", same.name)))
}

/// What is found, without the classes that are still to be told.
fn contents_of(found: &Found) -> Contents {
    Contents {
        images: found.images.clone(),
        masks: found.masks.iter().map(|mask| mask.info.clone()).collect(),
        labels: found.labels.clone(),
    }
}

/// Everything that cases are read with.
struct Import<'a> {
    staging: &'a Staging,
    journal: &'a Journal,
    rows: &'a BTreeMap<String, Row>,
    from_table: &'a str,
    reading: Reading<'a>,
}

impl Import<'_> {
    /// Reads and stores all cases, a few at once; those that cannot be used with the reason. In the order of the
    /// examinations.
    fn read_all(
        &self,
        examinations: Vec<Examination>,
        whole: &Path,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<(Vec<Stored>, Vec<LeftOut>), DataError> {
        let total = examinations.len();
        let done = Mutex::new(0);
        progress(0, total);
        let read = |examination: Examination| {
            let case_id = examination.case_id.clone();
            let outcome = self.outcome(examination, whole);
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *done += 1;
            progress(*done, total);
            outcome.map(|outcome| (case_id, outcome))
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build();
        let pool = pool.map_err(|e| DataError::Options(format!("threads cannot be started: {e}")))?;
        let outcomes: Result<Vec<(String, Outcome)>, DataError> =
            pool.install(|| examinations.into_par_iter().with_max_len(1).map(read).collect());
        let (mut stored, mut refused) = (Vec::new(), Vec::new());
        for (case_id, outcome) in outcomes? {
            match outcome {
                Outcome::Stored(case) => stored.push(*case),
                Outcome::Refused(reason) => refused.push(LeftOut { case_id, reason }),
            }
        }
        Ok((stored, refused))
    }

    /// What becomes of a case, or became of it before the import was killed.
    fn outcome(&self, examination: Examination, whole: &Path) -> Result<Outcome, DataError> {
        let case_id = examination.case_id.clone();
        let signature = self.signature(&examination);
        if let Some(known) = self.journal.done(&case_id, &signature, self.staging.folder()) {
            return Ok(known);
        }
        let outcome = match self.read(examination) {
            Ok(case) => Outcome::Stored(Box::new(case)),
            // The disk is not the case's fault.
            Err(error @ DataError::Io { .. }) if written_by_us(&error, self.staging) => return Err(error),
            Err(error) => Outcome::Refused(relative(&error.to_string(), whole)),
        };
        self.journal.add(&case_id, signature, &outcome)?;
        Ok(outcome)
    }

    /// Changes with the files of a case, with what is said of it and with how it is read.
    fn signature(&self, examination: &Examination) -> String {
        let row = self.rows.get(&examination.case_id);
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{:?}", self.reading).as_bytes());
        hasher.update(format!("{examination:?} {row:?}").as_bytes());
        if let Ok(files) = &examination.files {
            hasher.update(files.stamps().as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Reads and stores one examination, with what its table says of it. Whose it is, is decided later.
    fn read(&self, examination: Examination) -> Result<Stored, DataError> {
        let row = self.rows.get(&examination.case_id);
        let files = examination.files?;
        let Loaded { geometry, volumes, notes, identifiers, right_handed } = files.load(self.reading)?;
        let case_id = examination.case_id;
        let mut entry =
            self.staging.add_case(&case_id, &case_id, &geometry, &volumes, self.reading.contents)?;
        entry.labels = examination.labels;
        entry.cspca = entry.labels.get(CSPCA).and_then(|class| match class.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        });
        entry.fold = row.and_then(|row| row.fold).or(examination.fold);
        entry.mask_sources = files.sources().clone();
        let filled = notes.iter().any(|note| note.contains("--fill-label"));
        entry.notes = notes;
        let lesion = volumes.get("lesion").map(|mask| mask.data.iter().any(|v| *v > 0.0));
        let of_table = row.map(|row| (row.patient_id.clone(), self.from_table.to_owned()));
        let of_layout = examination.patient_id.map(|patient| (patient, "file names".to_owned()));
        let images = self.reading.contents.images.iter();
        let images =
            images.filter_map(|i| Some((i.name.to_string(), volumes.get(i.name.as_str())?.content_hash())));
        let known = Known { case_id, told: of_table.or(of_layout), identifiers, images: images.collect() };
        Ok(Stored { entry, known, right_handed, lesion, filled, split: examination.split })
    }
}

/// An image's name and a hash of its voxels.
type Image = (String, [u8; 32]);

/// Names the cases that share an image with a case of another split, which makes every later result too good. `images`
/// are those of each case, by their content.
fn in_several_splits(cases: &[CaseEntry], images: &[Vec<Image>]) -> Option<String> {
    let mut splits: BTreeMap<&Image, BTreeSet<Split>> = BTreeMap::new();
    for (case, image) in cases.iter().zip(images).flat_map(|(case, all)| all.iter().map(move |i| (case, i))) {
        splits.entry(image).or_default().insert(case.split);
    }
    let leaks = |images: &Vec<Image>| images.iter().any(|image| splits[image].len() > 1);
    let found = cases.iter().zip(images).filter(|(_, images)| leaks(images));
    let names: Vec<&str> = found.map(|(case, _)| case.case_id.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} share an image with a case of another split, so that results will be too good: give them one patient_id in cases.csv and add the folder under another name",
            names.join(", ")
        )
    })
}

/// Decides what only all cases together tell: whose each is, and which are stored unlike the others. Gives the
/// number of cases by what told their patient.
fn settle(cases: &mut [Stored], notes: &mut Vec<String>) -> BTreeMap<String, usize> {
    let known: Vec<Known> = cases.iter().map(|case| case.known.clone()).collect();
    let (patients, about_all) = patients::of(&known);
    notes.extend(about_all);
    let mirrored = geometry::mirrored(&cases.iter().map(|case| case.right_handed).collect::<Vec<_>>());
    let mut sources = BTreeMap::new();
    for ((case, Patient { id, source, notes }), mirrored) in cases.iter_mut().zip(patients).zip(mirrored) {
        case.entry.patient_id = id;
        case.entry.notes.extend(notes.into_iter().chain(mirrored));
        *sources.entry(source).or_default() += 1;
    }
    sources
}

/// Whether an error comes from the data set that is being written.
fn written_by_us(error: &DataError, staging: &Staging) -> bool {
    matches!(error, DataError::Io { path, .. } if path.starts_with(staging.folder()))
}

/// Reasons name files within the folder that was added or beside it, not where it lies on this machine.
fn relative(reason: &str, folder: &Path) -> String {
    let within = reason.replace(&format!("{}/", folder.display()), "");
    match folder.parent().filter(|up| up.parent().is_some()) {
        Some(up) => within.replace(&format!("{}/", up.display()), "../"),
        None => within,
    }
}

/// A data set name from a folder's name.
fn name_of(folder: &Path) -> String {
    let text = folder.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .take(64)
        .collect();
    name.trim_start_matches(['-', '_', '.']).to_owned()
}

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod field;
#[cfg(test)]
mod orientation;
#[cfg(test)]
mod tests;
