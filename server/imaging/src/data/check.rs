//! Looking a data set over before anything is trained on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use transferscope_domain::{Task, dataset::DatasetManifest, event::LeftOut, metric::Split};

pub use transferscope_domain::dataset::check::{CheckReport, Finding, Severity, TaskUse};

use super::{DataError, IMAGES, MASKS, case, case::Case, manifest};

/// Loads every case of a data set and looks it over.
///
/// # Errors
/// When the manifest cannot be read; what is wrong with cases becomes findings.
pub fn check(dataset_dir: &Path) -> Result<CheckReport, DataError> {
    let manifest = manifest::load(dataset_dir)?;
    let mut report = overview(&manifest);
    check_ids_and_splits(&manifest, &mut report);
    let mut by_hash: BTreeMap<[u8; 32], String> = BTreeMap::new();
    let mut labels: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for entry in &manifest.cases {
        match case::load(dataset_dir, entry) {
            Ok(case) => {
                check_case(&case, &mut labels, &mut report);
                if let Some(t2w) = case.volumes.get("t2w") {
                    let mut hasher = blake3::Hasher::new();
                    t2w.data.iter().for_each(|v| {
                        hasher.update(&v.to_le_bytes());
                    });
                    let hash = *hasher.finalize().as_bytes();
                    if let Some(first) = by_hash.get(&hash) {
                        let message = format!("the same t2w image as case {first}");
                        report.find(Severity::Error, Some(&entry.case_id), message);
                    } else {
                        by_hash.insert(hash, entry.case_id.clone());
                    }
                }
            }
            Err(error) => report.find(Severity::Error, Some(&entry.case_id), error.to_string()),
        }
    }
    report.labels = labels.into_iter().map(|(k, v)| (k, v.into_iter().collect())).collect();
    Ok(report)
}

/// What the manifest alone says, at once: no label values, and no findings.
pub fn overview(manifest: &DatasetManifest) -> CheckReport {
    let mut channels = BTreeMap::new();
    let mut shapes = BTreeMap::new();
    let mut spacings_mm = BTreeMap::new();
    for case in &manifest.cases {
        for channel in &case.channels {
            *channels.entry(channel.clone()).or_default() += 1;
        }
        let [d, h, w] = case.shape;
        *shapes.entry(format!("{d}x{h}x{w}")).or_default() += 1;
        let [d, h, w] = case.spacing_mm;
        *spacings_mm.entry(format!("{d:.3} x {h:.3} x {w:.3}")).or_default() += 1;
    }
    let split_patients = Split::ALL.map(|split| {
        let ids: BTreeSet<_> =
            manifest.cases.iter().filter(|c| c.split == split).map(|c| c.patient_id.as_str()).collect();
        ids.len()
    });
    let tasks = Task::ALL
        .into_iter()
        .map(|task| TaskUse {
            task,
            train: manifest.usable(task, Split::Train).len(),
            val: manifest.usable(task, Split::Val).len(),
            test: manifest.usable(task, Split::Test).len(),
            problem: manifest.task_problem(task),
            left_out: manifest
                .cases
                .iter()
                .filter_map(|c| {
                    manifest.unusable(c, task).map(|reason| LeftOut { case_id: c.case_id.clone(), reason })
                })
                .collect(),
        })
        .collect();
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
        split_patients,
        tasks,
        findings: Vec::new(),
    }
}

fn check_ids_and_splits(manifest: &DatasetManifest, report: &mut CheckReport) {
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for case in &manifest.cases {
        splits.entry(&case.patient_id).or_default().insert(case.split);
        if !ids.insert(&case.case_id) {
            report.find(Severity::Error, Some(&case.case_id), "the case id stands there twice".into());
        }
    }
    for (patient, splits) in splits.into_iter().filter(|(_, s)| s.len() > 1) {
        let names = splits.into_iter().map(Split::as_str).collect::<Vec<_>>().join(" and ");
        report.find(Severity::Error, None, format!("patient {patient} is in {names}"));
    }
    if manifest.hash != manifest::content_hash(&manifest.cases) {
        let message = "the manifest's hash does not fit its cases: it was edited by hand".into();
        report.find(Severity::Error, None, message);
    }
    if report.spacings_mm.len() > 1 {
        let message =
            format!("{} different voxel sizes; cases are trained on as they are", report.spacings_mm.len());
        report.find(Severity::Warning, None, message);
    }
}

fn check_case(case: &Case, labels: &mut BTreeMap<String, BTreeSet<u32>>, report: &mut CheckReport) {
    let id = Some(case.id.as_str());
    if case.spacing_mm.iter().any(|s| !(0.05..=20.0).contains(s)) {
        let [d, h, w] = case.spacing_mm;
        report.find(Severity::Warning, id, format!("unusual voxel size {d:.3} x {h:.3} x {w:.3} mm"));
    }
    for name in MASKS {
        let Some(mask) = case.volumes.get(name) else { continue };
        let values: BTreeSet<u32> = mask.data.iter().map(|v| *v as u32).collect();
        let highest = if name == "zones" { 2 } else { 1 };
        if mask.data.iter().any(|v| v.fract() != 0.0 || *v < 0.0) || values.iter().any(|v| *v > highest) {
            report.find(Severity::Error, id, format!("{name} holds values other than 0 to {highest}"));
        }
        // A case without a lesion is as good as any; one without a gland is not.
        if name != "lesion" && values.iter().all(|v| *v == 0) {
            report.find(Severity::Error, id, format!("the {name} mask is empty"));
        }
        labels.entry(name.to_owned()).or_default().extend(values);
    }
    for name in IMAGES {
        let Some((low, high)) = case.volumes.get(name).and_then(|v| v.range()) else { continue };
        if low == high {
            report.find(Severity::Error, id, format!("{name} has the same value everywhere"));
        }
        if name == "adc" && high > 0.0 && high < 10.0 {
            let message = format!("adc goes up to {high}: 1e-6 mm^2/s was expected (about 1000 in tissue)");
            report.find(Severity::Warning, id, message);
        }
    }
    if let (Some(gland), Some(zones)) = (case.volumes.get("gland"), case.volumes.get("zones")) {
        let apart = gland.data.iter().zip(&zones.data).filter(|(g, z)| (**g > 0.0) != (**z > 0.0)).count();
        let size = gland.data.iter().filter(|g| **g > 0.0).count().max(1);
        if apart * 20 > size {
            report.find(Severity::Warning, id, format!("gland and zones differ in {apart} voxels"));
        }
    }
}
