//! The examinations and series of a tree of DICOM files, whatever its folders are.
//!
//! Of each file that is looked at a few hundred bytes are kept no longer than it takes to sort it; what stays is its name,
//! and what all files of a series have in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use crate::data::{
    DataError,
    read::skim::{self, Content, Segment, Skim},
};

/// Folders within folders deeper than this are refused.
const MAX_DEPTH: usize = 32;

/// A tree with more files or series is refused.
const MAX_FILES: usize = 4_000_000;
const MAX_SERIES: usize = 400_000;

/// Files that are looked at before what was seen of them is sorted.
const AT_ONCE: usize = 2048;

/// Damaged files that are named; others are counted.
const NAMED: usize = 5;

/// A tree that was looked through.
#[derive(Debug, Default)]
pub struct Tree {
    pub root: PathBuf,
    /// Folders that hold files, within the tree.
    folders: Vec<PathBuf>,
    pub studies: BTreeMap<StudyKey, Study>,
    /// Files that are no DICOM.
    pub others: usize,
    /// Objects that are no images, by what they are: how many.
    pub passed_over: BTreeMap<&'static str, usize>,
    /// DICOM files that could not be sorted: how many, and the first of them in words.
    pub damaged: (usize, Vec<String>),
    series: usize,
    files: usize,
}

/// What makes files one examination: patient and StudyInstanceUID; where anonymising took the latter away the date, or
/// the folder where nothing is left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StudyKey {
    pub patient: String,
    uid: String,
}

/// An examination.
#[derive(Debug, Default)]
pub struct Study {
    /// The first of its files; empty where none has one.
    pub date: String,
    /// By SeriesInstanceUID.
    pub series: BTreeMap<String, Series>,
    /// Contours that were drawn on it.
    pub structures: usize,
}

/// A series.
#[derive(Debug)]
pub struct Series {
    pub uid: String,
    pub content: Content,
    pub number: Option<i64>,
    pub description: String,
    pub protocol: String,
    pub modality: String,
    /// Whether all its images are localizers.
    pub localizer: bool,
    /// Slices.
    pub frames: usize,
    files: Vec<(u32, OsString)>,
    /// Of segmentations: what each of its files holds.
    pub objects: Vec<Object>,
}

/// A segmentation object.
#[derive(Debug)]
pub struct Object {
    pub segments: Vec<Segment>,
    /// Identifiers of the series that it was drawn on.
    pub drawn_on: Vec<String>,
}

impl Series {
    /// Whether it can be a volume.
    pub fn is_image(&self) -> bool {
        self.content == Content::Image && !self.localizer
    }

    /// How many files it has.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// In words: `"t2_tse_tra" (series 4, 19 images)`.
    pub fn words(&self) -> String {
        let number = self.number.map(|n| format!("series {n}, ")).unwrap_or_default();
        format!("{:?} ({number}{} images)", self.description, self.frames)
    }
}

impl Tree {
    /// Looks through the tree below a folder, a few files at once.
    ///
    /// # Errors
    /// When a folder cannot be listed, or there are too many files, series or folders within folders.
    pub fn of(root: &Path) -> Result<Self, DataError> {
        let mut tree = Self { root: root.to_owned(), ..Self::default() };
        let mut waiting = Vec::new();
        let mut elsewhere = BTreeSet::new();
        tree.walk(Path::new(""), 0, &mut elsewhere, &mut waiting)?;
        tree.sort(&mut waiting)?;
        Ok(tree)
    }

    /// Paths of the files of a series, within the tree.
    pub fn files_of<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = PathBuf> + 'a {
        series.files.iter().map(|(folder, name)| self.folders[*folder as usize].join(name))
    }

    /// Files in it that are DICOM.
    pub fn files(&self) -> usize {
        self.files - self.others
    }

    fn walk(
        &mut self,
        folder: &Path,
        depth: usize,
        elsewhere: &mut BTreeSet<PathBuf>,
        waiting: &mut Vec<(u32, OsString)>,
    ) -> Result<(), DataError> {
        let whole = self.root.join(folder);
        if depth > MAX_DEPTH {
            return Err(DataError::refused(&whole, format!("folders more than {MAX_DEPTH} deep")));
        }
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(&whole).map_err(DataError::io(&whole))? {
            let entry = entry.map_err(DataError::io(&whole))?;
            let (path, name) = (entry.path(), entry.file_name());
            if name.to_string_lossy().starts_with('.') || name.eq_ignore_ascii_case("DICOMDIR") {
                continue;
            }
            let kind = entry.file_type().map_err(DataError::io(&path))?;
            if kind.is_symlink() && path.is_dir() {
                // What lies in the tree is seen there, and a way back up would have no end.
                let target = path.canonicalize().map_err(DataError::io(&path))?;
                let within = target.starts_with(&self.root) || self.root.starts_with(&target);
                if !within && elsewhere.insert(target) {
                    folders.push(name);
                }
            } else if path.is_dir() {
                folders.push(name);
            } else if path.is_file() {
                files.push(name);
            }
        }
        files.sort();
        folders.sort();
        if !files.is_empty() {
            let number = self.folders.len() as u32;
            self.folders.push(folder.to_owned());
            for name in files {
                self.files += 1;
                if self.files > MAX_FILES {
                    return Err(DataError::refused(&self.root, format!("more than {MAX_FILES} files")));
                }
                waiting.push((number, name));
                if waiting.len() >= AT_ONCE {
                    self.sort(waiting)?;
                }
            }
        }
        folders.into_iter().try_for_each(|name| self.walk(&folder.join(name), depth + 1, elsewhere, waiting))
    }

    /// Looks at the files that wait, and puts them where they belong.
    fn sort(&mut self, waiting: &mut Vec<(u32, OsString)>) -> Result<(), DataError> {
        let path =
            |(folder, name): &(u32, OsString)| self.root.join(&self.folders[*folder as usize]).join(name);
        let seen: Vec<Result<Option<Skim>, String>> =
            waiting.par_iter().map(|file| skim::skim(&path(file))).collect();
        for (file, seen) in waiting.drain(..).zip(seen) {
            match seen {
                Ok(Some(skim)) => self.put(file, skim)?,
                Ok(None) => self.others += 1,
                Err(why) => {
                    self.damaged.0 += 1;
                    if self.damaged.1.len() < NAMED {
                        let path = self.folders[file.0 as usize].join(&file.1);
                        self.damaged.1.push(format!("{} ({why})", path.display()));
                    }
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, file: (u32, OsString), skim: Skim) -> Result<(), DataError> {
        if let Content::Other(what) = skim.content {
            *self.passed_over.entry(what).or_default() += 1;
            return Ok(());
        }
        let folder = || self.folders[file.0 as usize].to_string_lossy().into_owned();
        let uid = match (skim.study.is_empty(), skim.patient.is_empty()) {
            (false, _) => skim.study,
            (true, false) => skim.date.clone(),
            (true, true) => folder(),
        };
        let series = if skim.series.is_empty() { folder() } else { skim.series };
        let study = self.studies.entry(StudyKey { patient: skim.patient, uid }).or_default();
        if study.date.is_empty() || (!skim.date.is_empty() && skim.date < study.date) {
            study.date = skim.date;
        }
        if skim.content == Content::Structures {
            study.structures += 1;
            return Ok(());
        }
        let known = study.series.entry(series);
        if matches!(known, std::collections::btree_map::Entry::Vacant(_)) {
            self.series += 1;
            if self.series > MAX_SERIES {
                return Err(DataError::refused(&self.root, format!("more than {MAX_SERIES} series")));
            }
        }
        let uid = known.key().clone();
        let series = known.or_insert_with(|| Series {
            uid,
            content: skim.content,
            number: skim.number,
            description: skim.description,
            protocol: skim.protocol,
            modality: skim.modality,
            localizer: true,
            frames: 0,
            files: Vec::new(),
            objects: Vec::new(),
        });
        series.localizer &= skim.localizer;
        series.frames += skim.frames;
        series.files.push(file);
        if skim.content == Content::Segmentation {
            series.objects.push(Object { segments: skim.segments, drawn_on: skim.drawn_on });
        }
        Ok(())
    }
}
