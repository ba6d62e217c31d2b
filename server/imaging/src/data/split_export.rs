//! Splits for other programs: who trains, who validates and who tests, as files that they read.

use std::collections::{BTreeMap, BTreeSet};

use csv::{QuoteStyle, WriterBuilder};
use serde::Serialize;
use transferscope_domain::{
    dataset::{CaseEntry, DatasetManifest},
    metric::Split,
};

use super::DataError;

/// The splits of a data set as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    /// nnU-Net's `splits_final.json`: a round for every fold where there are folds, else one of the cases that train and
    /// those that validate.
    pub splits_final: String,
    /// Cases that are in none of its rounds, since they test.
    pub test: Vec<String>,
    /// `cases.csv` as it is read here: case, patient, split, fold and labels.
    pub cases: String,
    /// A table like the `participants.tsv` of BIDS: patient and split.
    pub participants: String,
}

/// A round of nnU-Net.
#[derive(Serialize)]
struct Round<'a> {
    train: Vec<&'a str>,
    val: Vec<&'a str>,
}

/// The splits of a data set as files.
///
/// # Errors
/// When they cannot be written as text, which is a mistake of this program.
pub fn splits(manifest: &DatasetManifest) -> Result<Splits, DataError> {
    let (rounds, test) = rounds(manifest);
    let mut splits_final =
        serde_json::to_string_pretty(&rounds).map_err(|e| DataError::Options(format!("splits: {e}")))?;
    splits_final.push('\n');
    Ok(Splits {
        splits_final,
        test: test.into_iter().map(str::to_owned).collect(),
        cases: cases(manifest)?,
        participants: participants(manifest)?,
    })
}

/// The rounds, and the cases that are in none.
fn rounds(manifest: &DatasetManifest) -> (Vec<Round<'_>>, Vec<&str>) {
    let in_split = |split: Split| {
        let own = manifest.cases.iter().filter(move |case| case.split == split);
        own.map(|case| case.case_id.as_str()).collect::<Vec<_>>()
    };
    let every = !manifest.cases.is_empty() && manifest.cases.iter().all(|case| case.fold.is_some());
    let Some(folds) = manifest.folds.filter(|_| every) else {
        let round = Round { train: in_split(Split::Train), val: in_split(Split::Val) };
        return (vec![round], in_split(Split::Test));
    };
    let of = |wanted: bool, fold: u32| {
        let own = manifest.cases.iter().filter(move |case| (case.fold == Some(fold)) == wanted);
        own.map(|case| case.case_id.as_str()).collect()
    };
    ((0..folds.count).map(|fold| Round { train: of(false, fold), val: of(true, fold) }).collect(), Vec::new())
}

fn cases(manifest: &DatasetManifest) -> Result<String, DataError> {
    let labels = &manifest.contents.labels;
    let folds = manifest.cases.iter().any(|case| case.fold.is_some());
    let mut header = vec!["case_id", "patient_id", "split"];
    header.extend(folds.then_some("fold"));
    header.extend(labels.iter().map(|label| label.name.as_str()));
    let line = |case: &CaseEntry| {
        let mut cells = vec![case.case_id.clone(), case.patient_id.clone(), case.split.to_string()];
        cells.extend(folds.then(|| case.fold.map(|fold| fold.to_string()).unwrap_or_default()));
        cells.extend(labels.iter().map(|label| case.label(&label.name).unwrap_or_default().to_owned()));
        cells
    };
    written(b',', &header, manifest.cases.iter().map(line))
}

fn participants(manifest: &DatasetManifest) -> Result<String, DataError> {
    // A patient is in one split, whatever the number of cases.
    let splits: BTreeMap<&str, Split> =
        manifest.cases.iter().map(|case| (case.patient_id.as_str(), case.split)).collect();
    let mut taken = BTreeSet::new();
    let named: Vec<(String, &str, Split)> =
        splits.into_iter().map(|(id, split)| (participant(id, &mut taken), id, split)).collect();
    // Where the names of subjects do not tell whose they are, the patients stand beside them.
    let other = named.iter().any(|(name, id, _)| name != id && name.strip_prefix("sub-") != Some(id));
    let mut header = vec!["participant_id", "split"];
    header.extend(other.then_some("patient_id"));
    let lines = named.into_iter().map(|(name, id, split)| {
        let mut cells = vec![name, split.to_string()];
        cells.extend(other.then(|| id.to_owned()));
        cells
    });
    written(b'\t', &header, lines)
}

/// A patient as BIDS names subjects: `sub-` and letters and digits, each one once.
fn participant(patient: &str, taken: &mut BTreeSet<String>) -> String {
    let plain: String =
        patient.strip_prefix("sub-").unwrap_or(patient).chars().filter(char::is_ascii_alphanumeric).collect();
    let base = if plain.is_empty() { "sub-x".to_owned() } else { format!("sub-{plain}") };
    let mut name = base.clone();
    let mut n = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}x{n}");
        n += 1;
    }
    name
}

fn written(
    separator: u8,
    header: &[&str],
    lines: impl Iterator<Item = Vec<String>>,
) -> Result<String, DataError> {
    let failed = |e: &dyn std::fmt::Display| DataError::Options(format!("splits: {e}"));
    let mut writer =
        WriterBuilder::new().delimiter(separator).quote_style(QuoteStyle::Necessary).from_writer(Vec::new());
    writer.write_record(header).map_err(|e| failed(&e))?;
    for line in lines {
        writer.write_record(&line).map_err(|e| failed(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{
        Geometry, Volume,
        fixtures::nifti::{self, Orientation},
        import::{AddOptions, add_with},
        split::SplitPlan,
    };
    use std::{fs, path::Path};
    use transferscope_domain::dataset::Folds;

    /// An nnU-Net folder of `count` cases, of which a patient can have two.
    fn folder(at: &Path, count: usize) {
        fs::create_dir_all(at.join("imagesTr")).unwrap();
        fs::create_dir_all(at.join("labelsTr")).unwrap();
        let grid = Geometry::centred([3, 4, 5], [3.0, 1.0, 1.0]);
        for i in 0..count {
            let data = (0..60).map(|v| ((v * (i + 3)) % 97) as f32).collect();
            let image = nifti::file(&Volume { shape: [3, 4, 5], data }, &grid, 1, Orientation::Sform, 1);
            fs::write(at.join(format!("imagesTr/c {i}, x_0000.nii")), image).unwrap();
            let mut mask = Volume::filled([3, 4, 5], 0.0);
            mask.data[30] = 1.0;
            let mask = nifti::file(&mask, &grid, 1, Orientation::Sform, 1);
            fs::write(at.join(format!("labelsTr/c {i}, x.nii")), mask).unwrap();
        }
        let about =
            r#"{"channel_names":{"0":"CT"},"labels":{"background":0,"liver":1},"file_ending":".nii"}"#;
        fs::write(at.join("dataset.json"), about).unwrap();
    }

    fn add(root: &Path, name: &str, split: SplitPlan) -> DatasetManifest {
        let options = AddOptions { name: Some(name.into()), split, ..AddOptions::default() };
        add_with(&root.join("out"), &root.join("in"), &options, &|_, _| ()).unwrap()
    }

    #[test]
    fn splits_that_are_written_are_read_back() {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("in");
        folder(&source, 12);
        let made = add(root.path(), "a", SplitPlan::Single);
        let files = splits(&made).unwrap();
        let rounds: serde_json::Value = serde_json::from_str(&files.splits_final).unwrap();
        assert_eq!(rounds.as_array().unwrap().len(), 1);
        let tests: Vec<&str> =
            made.cases.iter().filter(|c| c.split == Split::Test).map(|c| c.case_id.as_str()).collect();
        assert_eq!(files.test, tests);
        assert_eq!(
            rounds[0]["train"].as_array().unwrap().len()
                + rounds[0]["val"].as_array().unwrap().len()
                + tests.len(),
            12
        );
        // Names with blanks and commas are quoted.
        assert!(files.cases.contains("\"c 0, x\",\"c 0, x\","), "{}", files.cases);
        // Other splits than would be drawn.
        let turned =
            files.cases.replace(",train", ",TRAIN").replace(",test", ",train").replace(",val", ",test");
        let turned = turned.replacen(",TRAIN", ",val", 3).replace(",TRAIN", ",train");
        fs::write(source.join("cases.csv"), &turned).unwrap();
        let again = add(root.path(), "b", SplitPlan::Single);
        assert_ne!(again.split_hash, made.split_hash);
        assert_eq!(splits(&again).unwrap().cases, turned);
        fs::write(source.join("cases.csv"), &files.cases).unwrap();
        assert_eq!(add(root.path(), "c", SplitPlan::Single).split_hash, made.split_hash);
        assert!(
            files.participants.starts_with("participant_id\tsplit\tpatient_id\nsub-c0x\t"),
            "{}",
            files.participants
        );
    }

    #[test]
    fn five_folds_are_read_back_as_the_same_folds() {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("in");
        folder(&source, 12);
        let drawn = add(root.path(), "drawn", SplitPlan::DrawnFolds(Folds { count: 5, test: 1 }));
        let files = splits(&drawn).unwrap();
        assert!(files.test.is_empty());
        fs::write(source.join("splits_final.json"), &files.splits_final).unwrap();
        let folds = |made: &DatasetManifest| made.cases.iter().map(|c| c.fold.unwrap()).collect::<Vec<_>>();
        let again = add(root.path(), "again", SplitPlan::StoredFold(1));
        assert_eq!(folds(&again), folds(&drawn));
        assert_eq!(again.split_hash, drawn.split_hash);
        assert_eq!(splits(&again).unwrap(), files);
    }

    #[test]
    fn participants_are_named_as_bids_names_them() {
        let mut taken = BTreeSet::new();
        let names: Vec<String> =
            ["sub-01", "a_b", "ab", "\u{e9}", "x"].iter().map(|id| participant(id, &mut taken)).collect();
        assert_eq!(names, ["sub-01", "sub-ab", "sub-abx2", "sub-x", "sub-xx2"]);
    }
}
