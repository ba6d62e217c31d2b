//! What can be told without reading an image: ids, splits, channels, labels, voxel sizes.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::{
    dataset::DatasetManifest,
    dataset::check::{CheckReport, Severity},
    metric::Split,
};

use super::super::{manifest, spelling};

/// A voxel side further than this factor from the usual one is unlike the others.
const UNLIKE: f64 = 1.5;

/// Adds what is found.
pub fn check(manifest: &DatasetManifest, report: &mut CheckReport) {
    notes(manifest, report);
    ids_and_splits(manifest, report);
    names_of_one_patient(manifest, report);
    patients_alike(manifest, report);
    hashes(manifest, report);
    channels(manifest, report);
    labels(manifest, report);
    spacings(manifest, report);
    sizes(manifest, report);
}

/// What was noticed when the set was added.
fn notes(manifest: &DatasetManifest, report: &mut CheckReport) {
    for note in &manifest.notes {
        report.find(Severity::Warning, None, note.clone());
    }
    for case in &manifest.cases {
        for note in &case.notes {
            report.find(Severity::Warning, Some(&case.case_id), note.clone());
        }
    }
}

/// Cases whose names differ only in what numbers the visits of one patient, where they are told apart as
/// patients by nothing but their names and lie in several splits.
fn names_of_one_patient(manifest: &DatasetManifest, report: &mut CheckReport) {
    let mut stems: BTreeMap<&str, Vec<(&str, Split)>> = BTreeMap::new();
    for case in manifest.cases.iter().filter(|case| case.patient_id == case.case_id) {
        if let Some(stem) = without_visit(&case.case_id) {
            stems.entry(stem).or_default().push((&case.case_id, case.split));
        }
    }
    let apart = |cases: &&Vec<(&str, Split)>| cases.iter().any(|(_, split)| *split != cases[0].1);
    let groups: Vec<_> = stems.values().filter(apart).collect();
    if let Some(cases) = groups.first() {
        let names = cases.iter().take(3).map(|(id, _)| *id).collect::<Vec<_>>().join(", ");
        report.find(
            Severity::Warning,
            None,
            format!(
                "{} of cases look like several visits of one patient by their names and are in different splits, such as {names}: if they are, say so in cases.csv",
                if groups.len() == 1 { "1 group".to_owned() } else { format!("{} groups", groups.len()) }
            ),
        );
    }
}

/// Patients whose names are spelled differently and look alike, in several splits.
fn patients_alike(manifest: &DatasetManifest, report: &mut CheckReport) {
    const SHOWN: usize = 5;
    let mut alike: BTreeMap<String, BTreeMap<&str, Split>> = BTreeMap::new();
    for case in &manifest.cases {
        alike.entry(spelling::alike(&case.patient_id)).or_default().insert(&case.patient_id, case.split);
    }
    let apart = |(key, patients): &(&String, &BTreeMap<&str, Split>)| {
        !key.is_empty() && patients.values().collect::<BTreeSet<_>>().len() > 1
    };
    let groups: Vec<_> = alike.iter().filter(apart).map(|(_, patients)| patients).collect();
    for patients in groups.iter().take(SHOWN) {
        let names = patients.iter().map(|(id, split)| format!("{id:?} in {split}")).collect::<Vec<_>>();
        let message = format!(
            "patients whose names look alike are in different splits: {}; if they are one, give them one patient_id in cases.csv",
            names.join(", ")
        );
        report.find(Severity::Warning, None, message);
    }
    if groups.len() > SHOWN {
        let message = format!("{} more such groups of patients", groups.len() - SHOWN);
        report.find(Severity::Warning, None, message);
    }
}

/// A name without what numbers a visit at its end: a letter behind a number (`exam_4a`) or a word for it
/// (`P7_visit2`); none where there is no such thing.
fn without_visit(name: &str) -> Option<&str> {
    const WORDS: [&str; 8] = ["visit", "exam", "study", "scan", "ses", "timepoint", "pre", "post"];
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let plain = digits.trim_end_matches(['_', '-', ' ']);
    let word = WORDS.iter().find_map(|word| {
        let at = plain.len().checked_sub(word.len()).filter(|at| plain.is_char_boundary(*at))?;
        plain[at..].eq_ignore_ascii_case(word).then(|| plain[..at].trim_end_matches(['_', '-', ' ']))
    });
    let letter = name
        .strip_suffix(|c: char| matches!(c, 'a'..='d' | 'A'..='D'))
        .filter(|stem| stem.ends_with(|c: char| c.is_ascii_digit()));
    word.or(letter).filter(|stem| !stem.is_empty())
}

/// Cases of different sizes are padded.
fn sizes(manifest: &DatasetManifest, report: &mut CheckReport) {
    if report.shapes.len() > 1 && manifest.plan.is_none() {
        let n = report.shapes.len();
        let extent = |axis: usize| {
            let mm = manifest.cases.iter().map(|c| c.shape[axis] as f64 * c.spacing_mm[axis]);
            let (low, high) = mm.fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(v), high.max(v)));
            if high - low < 0.5 { format!("{high:.0}") } else { format!("{low:.0} to {high:.0}") }
        };
        let [d, h, w] = std::array::from_fn(extent);
        let message = format!(
            "{n} different image sizes ({d} x {h} x {w} mm): smaller ones are padded with background to the box that training uses"
        );
        report.find(Severity::Warning, None, message);
    }
}

fn ids_and_splits(manifest: &DatasetManifest, report: &mut CheckReport) {
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for case in &manifest.cases {
        splits.entry(&case.patient_id).or_default().insert(case.split);
        if !ids.insert(&case.case_id) {
            report.find(Severity::Error, Some(&case.case_id), "the case id is listed twice".into());
        }
    }
    for (patient, splits) in splits.into_iter().filter(|(_, s)| s.len() > 1) {
        let names = splits.into_iter().map(Split::as_str).collect::<Vec<_>>().join(" and ");
        report.find(Severity::Error, None, format!("patient {patient} is in {names}"));
    }
}

fn hashes(manifest: &DatasetManifest, report: &mut CheckReport) {
    if manifest.hash != manifest::content_hash(&manifest.cases)
        || manifest.split_hash != manifest::split_hash(&manifest.cases)
    {
        let message = "the manifest's hashes do not match its cases: it was edited by hand".into();
        report.find(Severity::Error, None, message);
    }
}

fn channels(manifest: &DatasetManifest, report: &mut CheckReport) {
    let all = manifest.cases.len();
    for channel in manifest.contents.images.iter().map(|image| image.name.as_str()) {
        let lacking: Vec<&str> =
            manifest.cases.iter().filter(|c| !c.has(channel)).map(|c| c.case_id.as_str()).collect();
        if !lacking.is_empty() && lacking.len() < all {
            let n = lacking.len();
            let first = lacking[0];
            report.find(
                Severity::Warning,
                None,
                format!("{n} of {all} cases have no {channel}, such as {first}"),
            );
        }
    }
}

/// A split in which a class of a label is missing cannot train or score a classifier.
fn labels(manifest: &DatasetManifest, report: &mut CheckReport) {
    for label in &manifest.contents.labels {
        let Some(by_split) = report.label_cases.get(&label.name).cloned() else { continue };
        for (split, counts) in Split::ALL.into_iter().zip(by_split) {
            for (at, class) in label.classes.iter().enumerate() {
                if counts.get(class).is_some_and(|n| *n > 0) {
                    continue;
                }
                let what = match (&label.about, label.classes.len(), at) {
                    (Some(about), 2, 0) => format!("without {about}"),
                    (Some(about), 2, _) => format!("with {about}"),
                    _ => format!("whose {} is {class}", label.name),
                };
                report.find(Severity::Warning, None, format!("{split} has no case {what}"));
            }
        }
    }
}

fn spacings(manifest: &DatasetManifest, report: &mut CheckReport) {
    if report.spacings_mm.len() > 1 {
        let n = report.spacings_mm.len();
        let what = match &manifest.plan {
            Some(plan) => {
                let [d, h, w] = plan.spacing_mm;
                format!("training brings them to {d:.3} x {h:.3} x {w:.3} mm")
            }
            None => "cases are trained on as they are".to_owned(),
        };
        let message = format!("{n} different voxel sizes; {what}");
        report.find(Severity::Warning, None, message);
    }
    let usual: [f64; 3] = std::array::from_fn(|axis| {
        let mut sides: Vec<f64> = manifest.cases.iter().map(|c| c.spacing_mm[axis]).collect();
        sides.sort_by(f64::total_cmp);
        sides.get(sides.len() / 2).copied().unwrap_or(1.0)
    });
    for case in &manifest.cases {
        let [d, h, w] = case.spacing_mm;
        let unlike = |(side, usual): (&f64, f64)| !(usual / UNLIKE..=usual * UNLIKE).contains(side);
        if case.spacing_mm.iter().any(|s| !(0.05..=20.0).contains(s)) {
            let message = format!("unusual voxel size {d:.3} x {h:.3} x {w:.3} mm");
            report.find(Severity::Warning, Some(&case.case_id), message);
        } else if manifest.plan.is_none() && case.spacing_mm.iter().zip(usual).any(unlike) {
            let [ud, uh, uw] = usual;
            let message = format!(
                "voxels of {d:.3} x {h:.3} x {w:.3} mm, unlike the usual {ud:.3} x {uh:.3} x {uw:.3} mm: resample the data set to one voxel size (`dataset add --spacing`)"
            );
            report.find(Severity::Warning, Some(&case.case_id), message);
        }
    }
}
