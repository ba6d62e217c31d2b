//! What can be told without reading an image: ids, splits, channels, labels, voxel sizes.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::{
    dataset::DatasetManifest,
    dataset::check::{CheckReport, Severity},
    metric::Split,
};

use super::super::{IMAGES, manifest};

/// A voxel side further than this factor from the usual one is unlike the others.
const UNLIKE: f64 = 1.5;

/// Adds what is found.
pub fn check(manifest: &DatasetManifest, report: &mut CheckReport) {
    ids_and_splits(manifest, report);
    hashes(manifest, report);
    channels(manifest, report);
    labels(report);
    spacings(manifest, report);
}

fn ids_and_splits(manifest: &DatasetManifest, report: &mut CheckReport) {
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
}

fn hashes(manifest: &DatasetManifest, report: &mut CheckReport) {
    if manifest.hash != manifest::content_hash(&manifest.cases)
        || manifest.split_hash != manifest::split_hash(&manifest.cases)
    {
        let message = "the manifest's hashes do not fit its cases: it was edited by hand".into();
        report.find(Severity::Error, None, message);
    }
}

fn channels(manifest: &DatasetManifest, report: &mut CheckReport) {
    let all = manifest.cases.len();
    for channel in IMAGES {
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

/// A split in which all cases have the same label cannot train or score a classifier.
fn labels(report: &mut CheckReport) {
    let known = report.cspca.iter().any(|c| c.yes + c.no > 0);
    for (split, counts) in Split::ALL.into_iter().zip(report.cspca) {
        let missing = match (counts.yes, counts.no) {
            (0, _) => "with",
            (_, 0) => "without",
            _ => continue,
        };
        if known {
            let message = format!("{split} has no case {missing} clinically significant cancer");
            report.find(Severity::Warning, None, message);
        }
    }
}

fn spacings(manifest: &DatasetManifest, report: &mut CheckReport) {
    if report.spacings_mm.len() > 1 {
        let n = report.spacings_mm.len();
        let message = format!("{n} different voxel sizes; cases are trained on as they are");
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
        } else if case.spacing_mm.iter().zip(usual).any(unlike) {
            let [ud, uh, uw] = usual;
            let message = format!(
                "voxels of {d:.3} x {h:.3} x {w:.3} mm, unlike the usual {ud:.3} x {uh:.3} x {uw:.3} mm: bring the set to one size (`dataset add --spacing`)"
            );
            report.find(Severity::Warning, Some(&case.case_id), message);
        }
    }
}
