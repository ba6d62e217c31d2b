//! What is in a tree of DICOM files, in words.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::Name;

use super::{
    choose::Wanted,
    tree::{Series, Study, Tree},
};
use crate::data::read::skim::Content;

/// Descriptions that are listed; others are counted.
const SHOWN: usize = 40;

/// Longer descriptions are cut.
const LETTERS: usize = 64;

/// Series of one description.
#[derive(Debug, Default)]
struct Line {
    modalities: BTreeSet<String>,
    studies: usize,
    series: usize,
    files: usize,
    images: usize,
}

/// Series that can be volumes by description, most frequent first.
fn lines(tree: &Tree) -> Vec<(String, Line)> {
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    for study in tree.studies.values() {
        let mut own = BTreeSet::new();
        for series in study.series.values().filter(|series| series.is_image()) {
            let line = lines.entry(&series.description).or_default();
            line.modalities.insert(series.modality.clone());
            line.series += 1;
            line.files += series.len();
            line.images += series.frames;
            line.studies += usize::from(own.insert(series.description.as_str()));
        }
    }
    let mut lines: Vec<(String, Line)> =
        lines.into_iter().map(|(description, line)| (description.to_owned(), line)).collect();
    lines.sort_by(|(a, x), (b, y)| y.studies.cmp(&x.studies).then(a.cmp(b)));
    lines
}

/// One and many.
fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn line((description, line): &(String, Line)) -> String {
    let modalities: Vec<&str> =
        line.modalities.iter().map(String::as_str).filter(|m| !m.is_empty()).collect();
    let description: String = description.chars().take(LETTERS).collect();
    let made = if modalities.is_empty() { String::new() } else { format!("{}, ", modalities.join("+")) };
    let mut text = format!("{description:?} ({made}{}", counted(line.studies, "study", "studies"));
    if line.series != line.studies {
        text.push_str(&format!(", {} series", line.series));
    }
    text.push_str(&format!(", {}", counted(line.files, "file", "files")));
    if line.images != line.files {
        text.push_str(&format!(" of {} images", line.images));
    }
    text + ")"
}

/// The whole tree: how much there is, and its series by description.
pub fn tree(tree: &Tree) -> String {
    let lines = lines(tree);
    let patients: BTreeSet<&str> = tree.studies.keys().map(|key| key.patient.as_str()).collect();
    let with_images =
        tree.studies.values().filter(|study| study.series.values().any(Series::is_image)).count();
    let drawn = tree.studies.values().flat_map(|study| study.series.values()).map(|s| s.objects.len()).sum();
    let drawn = match drawn {
        0 => String::new(),
        n => format!("; {}", counted(n, "segmentation object", "segmentation objects")),
    };
    format!(
        "a tree of DICOM files ({} of {}, {}{drawn}). Series by description: {}",
        counted(with_images, "study", "studies"),
        counted(patients.len(), "patient", "patients"),
        counted(tree.files(), "file", "files"),
        joined(lines.iter().map(line))
    )
}

/// The series that are there, with what each is taken for.
pub fn found(tree: &Tree, images: &[Wanted]) -> String {
    let mut taken: BTreeMap<&str, BTreeSet<Name>> = BTreeMap::new();
    for study in tree.studies.values() {
        for series in study.series.values().filter(|series| series.is_image()) {
            let names = images.iter().filter(|wanted| wanted.takes(series, study)).map(|w| w.info.name);
            taken.entry(&series.description).or_default().extend(names);
        }
    }
    let lines = lines(tree);
    let lines = lines.iter().map(|own| {
        let names: Vec<&str> = taken.get(own.0.as_str()).into_iter().flatten().map(Name::as_str).collect();
        let what = if names.is_empty() { "not used".into() } else { format!("is {}", names.join(" and ")) };
        format!("{} {what}", line(own))
    });
    format!("series by description: {}", joined(lines))
}

fn joined(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(SHOWN);
    let text = lines.take(SHOWN).collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{text}; and {more} other descriptions") } else { text }
}

/// What is in the tree and is no image.
pub fn passed_over(tree: &Tree) -> Vec<String> {
    let mut notes = Vec::new();
    let all = || tree.studies.values().flat_map(|study| study.series.values());
    let localizers = all().filter(|series| series.content == Content::Image && series.localizer);
    let (series, files) = localizers.fold((0, 0), |(n, files), series| (n + 1, files + series.len()));
    if series > 0 {
        notes.push(format!(
            "{series} series of localizers were passed over ({})",
            counted(files, "file", "files")
        ));
    }
    if !tree.passed_over.is_empty() {
        let kinds = tree.passed_over.iter().map(|(what, n)| format!("{n} {what}"));
        notes.push(format!(
            "DICOM files that are no images were passed over: {}",
            kinds.collect::<Vec<_>>().join(", ")
        ));
    }
    let structures: usize = tree.studies.values().map(|study| study.structures).sum();
    if structures > 0 {
        notes.push(format!("{structures} {}", super::STRUCTURES));
    }
    if tree.others > 0 {
        notes.push(format!("{} that are no DICOM were passed over", counted(tree.others, "file", "files")));
    }
    let (damaged, names) = &tree.damaged;
    if *damaged > 0 {
        let more = if *damaged > names.len() { " and others" } else { "" };
        notes.push(format!(
            "{} that cannot be sorted were passed over: {}{more}",
            counted(*damaged, "DICOM file", "DICOM files"),
            names.join("; ")
        ));
    }
    notes
}

/// The series of a study.
pub fn series_of(study: &Study) -> String {
    let mut series: Vec<&Series> = study.series.values().filter(|series| series.is_image()).collect();
    series.sort_by_key(|series| series.number);
    let words: Vec<String> = series.iter().take(SHOWN).map(|series| series.words()).collect();
    let more = series.len().saturating_sub(SHOWN);
    words.join(", ") + &if more > 0 { format!(" and {more} others") } else { String::new() }
}

/// What a study without images has.
pub fn without_images(study: &Study) -> String {
    let objects: usize = study.series.values().map(|series| series.objects.len()).sum();
    let localizers = study.series.values().filter(|series| series.content == Content::Image).count();
    let parts = [
        (objects, "segmentation objects of images that are not there"),
        (study.structures, "RTSTRUCT"),
        (localizers, "series of localizers"),
    ];
    let parts = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// Series that are probably usual images: a name, and the description that most studies have.
pub fn usual(tree: &Tree) -> Vec<(&'static str, String)> {
    const NAMES: [(&str, &[&str], &[&str]); 6] = [
        ("adc", &["adc", "apparent"], &[]),
        ("flair", &["flair"], &["MR"]),
        ("t2w", &["t2"], &["MR"]),
        ("t1", &["t1"], &["MR"]),
        ("dwi", &["dwi", "diff", "bval", "trace", "ep2d"], &["MR"]),
        ("ct", &[""], &["CT"]),
    ];
    let lines = lines(tree);
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for (name, words, modalities) in NAMES {
        let fits = |(description, line): &&(String, Line)| {
            let lower = description.to_lowercase();
            words.iter().any(|word| lower.contains(word))
                && (modalities.is_empty() || modalities.iter().any(|m| line.modalities.contains(*m)))
                && !description.is_empty()
                && !used.contains(description.as_str())
        };
        // Of equally frequent ones an axial one.
        let axial = |description: &str| {
            let lower = description.to_lowercase();
            lower.contains("tra") || lower.contains("ax")
        };
        let best =
            lines.iter().filter(fits).max_by_key(|(d, line)| (line.studies, axial(d), std::cmp::Reverse(d)));
        if let Some((description, _)) = best {
            used.insert(description);
            found.push((name, description.clone()));
        }
    }
    found
}
