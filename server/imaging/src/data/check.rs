//! Looking a data set over before anything is trained on it.

mod across;
mod images;
mod manifest_rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use transferscope_domain::{
    Name,
    dataset::{CaseEntry, DatasetManifest, LabelInfo},
    metric::Split,
};

pub use transferscope_domain::dataset::check::{CancerCounts, CheckReport, Finding, Severity, TaskUse};

use self::across::Across;
use super::{DataError, case, manifest, store};

/// Loads every case of a data set and looks it over, one at a time.
///
/// # Errors
/// When the manifest cannot be read; what is wrong with cases becomes findings.
pub fn check(dataset_dir: &Path) -> Result<CheckReport, DataError> {
    let mut manifest = manifest::load(dataset_dir)?;
    let mut report = overview(&manifest);
    manifest_rules::check(&manifest, &mut report);
    let mut across = Across::default();
    let contents = manifest.contents.clone();
    for entry in &mut manifest.cases {
        match case::load(dataset_dir, entry) {
            Ok(case) => {
                images::check(&case, entry, &contents, &mut report);
                across.add(&case, entry, &contents, &mut report);
                // Sets that were made before manifests told which masks are empty are told about here.
                entry.mask_labels = store::mask_labels(&case.volumes, &contents);
            }
            Err(error) => report.find(Severity::Error, Some(&entry.case_id), error.to_string()),
        }
    }
    across.finish(&mut report);
    report.tasks = manifest.uses();
    Ok(report)
}

/// What the manifest alone says, at once: no label values, and no findings.
pub fn overview(manifest: &DatasetManifest) -> CheckReport {
    let mut channels = BTreeMap::new();
    let mut shapes = BTreeMap::new();
    let mut spacings_mm = BTreeMap::new();
    let mut mask_sources: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for case in &manifest.cases {
        for channel in &case.channels {
            *channels.entry(channel.clone()).or_default() += 1;
        }
        for (mask, source) in &case.mask_sources {
            *mask_sources.entry(mask.clone()).or_default().entry(source.clone()).or_default() += 1;
        }
        let [d, h, w] = case.shape;
        *shapes.entry(format!("{d}x{h}x{w}")).or_default() += 1;
        let [d, h, w] = case.spacing_mm;
        *spacings_mm.entry(format!("{d:.3} x {h:.3} x {w:.3}")).or_default() += 1;
    }
    let of = |split| manifest.cases.iter().filter(move |c| c.split == split);
    let patients = |split| of(split).map(|c| c.patient_id.as_str()).collect::<BTreeSet<_>>().len();
    CheckReport {
        name: manifest.name.clone(),
        source: manifest.source.clone(),
        synthetic: manifest.synthetic,
        cases: manifest.cases.len(),
        patients: manifest.patients(),
        refused: manifest.refused.clone(),
        channels,
        shapes,
        spacings_mm,
        labels: BTreeMap::new(),
        mask_sources,
        patient_sources: manifest.patient_sources.clone(),
        split_patients: Split::ALL.map(patients),
        cspca: Split::ALL.map(|split| cancer(of(split))),
        split_hash: manifest.split_hash.clone(),
        folds: manifest.folds,
        tasks: manifest.uses(),
        label_cases: label_cases(manifest),
        findings: Vec::new(),
    }
}

fn cancer<'a>(cases: impl Iterator<Item = &'a CaseEntry>) -> CancerCounts {
    cases.fold(CancerCounts::default(), |mut counts, case| {
        match case.cspca {
            Some(true) => counts.yes += 1,
            Some(false) => counts.no += 1,
            None => counts.unknown += 1,
        }
        counts
    })
}

/// Cases by label, split and class.
fn label_cases(manifest: &DatasetManifest) -> BTreeMap<Name, [BTreeMap<String, usize>; 3]> {
    let of_label = |label: &LabelInfo| {
        let of_split = |split: Split| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            let known =
                manifest.cases.iter().filter(|c| c.split == split).filter_map(|c| c.label(&label.name));
            known.for_each(|class| *counts.entry(class.to_owned()).or_default() += 1);
            counts
        };
        (label.name, Split::ALL.map(of_split))
    };
    manifest.contents.labels.iter().map(of_label).collect()
}

#[cfg(test)]
mod tests;
