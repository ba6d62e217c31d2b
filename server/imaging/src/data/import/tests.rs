use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use transferscope_domain::{TaskKind, metric::Split};

use super::*;
use crate::data::{
    Geometry, Volume, case, check,
    fixtures::{
        metaimage::{self, Storage},
        shared,
    },
    synth::{self, SynthOptions},
    write::{self, Element},
};

const SHAPE: [usize; 3] = [4, 8, 6];

fn ramp(offset: usize) -> Volume {
    let n: usize = SHAPE.iter().product();
    Volume { shape: SHAPE, data: (0..n).map(|i| ((i * 7 + offset) % 50) as f32).collect() }
}

fn write_case(folder: &Path, offset: usize) {
    fs::create_dir_all(folder).unwrap();
    let grid = Geometry::centred(SHAPE, [3.0, 1.0, 1.0]);
    for (i, name) in ["t2w", "adc", "hbv"].into_iter().enumerate() {
        write::nifti(&folder.join(format!("{name}.nii.gz")), &ramp(offset + i), &grid, Element::U16).unwrap();
    }
}

struct Place {
    _root: tempfile::TempDir,
    datasets: PathBuf,
    source: PathBuf,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let (datasets, source) = (root.path().join("datasets"), root.path().join("My Cases"));
    for (i, name) in ["a", "b", "c"].into_iter().enumerate() {
        write_case(&source.join(name), i * 10);
    }
    Place { _root: root, datasets, source }
}

fn quiet(_: usize, _: usize) {}

#[test]
fn the_sample_cases_import_and_the_first_is_on_the_t2w_grid() {
    let Some(folder) = shared("import of the sample cases") else { return };
    let root = tempfile::tempdir().unwrap();
    let manifest = add(root.path(), &folder.join("data"), Some("real"), &quiet).unwrap();
    assert_eq!(manifest.refused, []);
    let shapes: Vec<_> = manifest.cases.iter().map(|c| (c.case_id.as_str(), c.shape)).collect();
    let expected = [
        ("pi-cai-sample", [20, 256, 256]),
        ("prostatex-0000", [19, 384, 384]),
        ("prostatex-0001", [19, 384, 384]),
    ];
    assert_eq!(shapes, expected);
    assert_eq!(manifest.cases[0].channels, ["t2w", "hbv", "adc", "gland", "lesion"]);
    assert_eq!(manifest.cases[1].channels, ["t2w", "hbv", "adc"]);
    for split in Split::ALL {
        assert_eq!(manifest.cases.iter().filter(|c| c.split == split).count(), 1);
    }
    let dataset = root.path().join("real");
    let first = case::load(&dataset, &manifest.cases[0]).unwrap();
    let sum = |name: &str| first.volumes[name].data.iter().map(|v| f64::from(*v)).sum::<f64>();
    assert_eq!((sum("gland"), sum("lesion"), sum("t2w")), (46_897.0, 6_589.0, 336_338_046.0));
    let second = case::load(&dataset, &manifest.cases[1]).unwrap();
    let covered = second.volumes["adc"].data.iter().filter(|v| **v > 0.0).count();
    assert!(covered * 3 > second.volumes["adc"].len());
    let report = check::check(&dataset).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.labels["lesion"], [0, 1]);
    // Only one case has masks, so segmentation has nothing to validate on.
    let problem = |task| &report.tasks.iter().find(|t| t.task == task && t.default).unwrap().problem;
    assert!(problem(TaskKind::Segmentation).is_some() && problem(TaskKind::SuperResolution).is_none());
}

#[test]
fn phantoms_written_as_files_import_to_the_same_arrays() {
    let root = tempfile::tempdir().unwrap();
    let options = SynthOptions { name: "made".into(), patients: 3, test_only: 0, seed: 4, size: [6, 32, 32] };
    let made = synth::generate(root.path(), &options, &quiet).unwrap();
    let read = add(root.path(), &root.path().join("made/cases"), Some("read"), &quiet).unwrap();
    assert_eq!(made.cases.len(), 3);
    for (a, b) in made.cases.iter().zip(&read.cases) {
        let a = case::load(&root.path().join("made"), a).unwrap();
        let b = case::load(&root.path().join("read"), b).unwrap();
        assert_eq!(a.volumes, b.volumes);
    }
}

#[test]
fn the_same_again_changes_nothing_and_other_content_is_refused() {
    let p = place();
    let first = add(&p.datasets, &p.source, None, &quiet).unwrap();
    assert_eq!(first.name, "my-cases");
    assert_eq!(add(&p.datasets, &p.source, None, &quiet).unwrap(), first);
    write_case(&p.source.join("d"), 33);
    let error = add(&p.datasets, &p.source, None, &quiet).unwrap_err().to_string();
    assert!(error.contains("\"my-cases\" exists already and holds other content"), "{error}");
    let left: Vec<_> = fs::read_dir(&p.datasets).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["my-cases"], "nothing half-written stays");
    assert!(matches!(add(&p.datasets, &p.source, Some("../x"), &quiet), Err(DataError::BadName(_))));
}

#[test]
fn bad_cases_are_left_out_with_a_reason_that_names_the_file() {
    let p = place();
    write_case(&p.source.join("torn"), 1);
    let torn = p.source.join("torn/hbv.nii.gz");
    let bytes = fs::read(&torn).unwrap();
    fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    write_case(&p.source.join("twice"), 2);
    fs::create_dir(p.source.join("twice/adc")).unwrap();
    fs::create_dir(p.source.join("empty")).unwrap();
    write_case(&p.source.join("far"), 3);
    let mut away = Geometry::centred(SHAPE, [3.0, 1.0, 1.0]);
    away.world_from_voxel[0][3] += 500.0;
    write::nifti(&p.source.join("far/adc.nii.gz"), &ramp(0), &away, Element::U16).unwrap();
    write_case(&p.source.join("zones"), 4);
    let grid = Geometry::centred(SHAPE, [3.0, 1.0, 1.0]);
    write::nifti(&p.source.join("zones/zones.nii.gz"), &Volume::filled(SHAPE, 3.0), &grid, Element::U8)
        .unwrap();
    fs::write(p.source.join("README.md"), "not a case").unwrap();

    let manifest = add(&p.datasets, &p.source, None, &quiet).unwrap();
    assert_eq!(manifest.cases.len(), 3);
    let reason = |id: &str| &manifest.refused.iter().find(|r| r.case_id == id).unwrap().reason;
    assert_eq!(manifest.refused.len(), 5);
    assert!(reason("torn").starts_with("torn/hbv.nii.gz: "), "{}", reason("torn"));
    assert!(reason("twice").contains("adc is there more than once: adc and adc.nii.gz"));
    assert!(reason("empty").contains("no t2w image"));
    assert!(reason("far").contains("covers 0 % of the t2w grid"));
    assert!(reason("zones").contains("a mask with the value 3"));
}

#[test]
fn a_folder_without_a_usable_case_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("in");
    fs::create_dir_all(source.join("x")).unwrap();
    let datasets = root.path().join("datasets");
    let error = add(&datasets, &source, None, &quiet).unwrap_err();
    assert!(matches!(&error, DataError::NoUsableCase { refused, .. } if refused.len() == 1), "{error}");
    assert_eq!(fs::read_dir(&datasets).unwrap().count(), 0);
    assert!(matches!(add(&datasets, &root.path().join("none"), None, &quiet), Err(DataError::Io { .. })));
}

#[test]
fn patients_of_the_table_stay_together_and_bad_tables_are_refused() {
    let p = place();
    write_case(&p.source.join("d"), 30);
    let table = p.source.join("cases.csv");
    fs::write(&table, "case_id,patient_id,cspca\na,p1,0\nb,p1,1\nc,p2,0\nd,p3,\n").unwrap();
    let manifest = add(&p.datasets, &p.source, Some("with-table"), &quiet).unwrap();
    assert_eq!(manifest.patients(), 3);
    assert_eq!(manifest.cases[0].split, manifest.cases[1].split);
    let labels: Vec<_> = manifest.cases.iter().map(|c| c.cspca).collect();
    assert_eq!(labels, [Some(false), Some(true), Some(false), None]);
    for (text, reason) in [
        ("case_id,patient_id,cspca\na,p,maybe\n", "line 2: cspca \"maybe\": yes, no or unknown was expected"),
        ("case_id,patient_id,split\na,p,holdout\n", "line 2: split \"holdout\": train, val or test"),
        ("case_id,patient_id,fold\na,p,-1\n", "line 2: fold \"-1\": a whole number"),
        ("case_id,case_id,patient_id\na,a,p\n", "two columns case_id"),
        ("case_id,patient_id\na,p,x\n", "line 2: 3 cells where the header has 2"),
        ("case_id,name\na,x\n", "no column patient_id"),
        ("case_id,patient_id\na,p\na,q\n", "line 3: case \"a\" is listed twice"),
        ("case_id,patient_id\na,\n", "line 2: case_id or patient_id is empty"),
    ] {
        fs::write(&table, text).unwrap();
        let error = add(&p.datasets, &p.source, Some("other"), &quiet).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn changed_arrays_are_noticed_on_loading_and_by_the_check() {
    let p = place();
    // A copy of a case under another patient's name.
    write_case(&p.source.join("copy"), 0);
    let manifest = add(&p.datasets, &p.source, Some("x"), &quiet).unwrap();
    let dataset = p.datasets.join("x");
    let report = check::check(&dataset).unwrap();
    assert!(report.findings.iter().any(|f| f.message.contains("the same t2w image as case a")), "{report}");
    let path = dataset.join(&manifest.cases[1].prepared);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(case::load(&dataset, &manifest.cases[1]).unwrap_err().to_string().contains("has changed"));
    assert!(!check::check(&dataset).unwrap().is_sound());
    let text = fs::read_to_string(dataset.join("dataset.json")).unwrap();
    let mut edited: DatasetManifest = serde_json::from_str(&text).unwrap();
    edited.cases[0].patient_id =
        edited.cases.iter().find(|c| c.split != edited.cases[0].split).unwrap().patient_id.clone();
    fs::write(dataset.join("dataset.json"), serde_json::to_vec(&edited).unwrap()).unwrap();
    let text = check::check(&dataset).unwrap().to_string();
    assert!(text.contains("is in ") && text.contains("edited by hand"), "{text}");
}

#[test]
fn a_case_of_the_table_without_images_is_named() {
    let p = place();
    fs::write(p.source.join("cases.csv"), "case_id,patient_id\na,a\nz,z\n").unwrap();
    let manifest = add(&p.datasets, &p.source, Some("x"), &quiet).unwrap();
    assert_eq!(manifest.refused.len(), 1);
    assert_eq!(manifest.refused[0].case_id, "z");
}

#[test]
fn stored_splits_and_folds_of_the_table_are_kept() {
    let p = place();
    let table = "case_id,patient_id,split,fold\na,a,test,0\nb,b,train,1\nc,c,val,2\n";
    fs::write(p.source.join("cases.csv"), table).unwrap();
    let manifest = add(&p.datasets, &p.source, Some("stored"), &quiet).unwrap();
    let splits = |m: &DatasetManifest| m.cases.iter().map(|c| c.split).collect::<Vec<_>>();
    assert_eq!(splits(&manifest), [Split::Test, Split::Train, Split::Val]);
    assert_eq!(manifest.folds, None);
    let round = |name: &str, test| {
        let options = AddOptions {
            name: Some(name.into()),
            split: SplitPlan::StoredFold(test),
            ..AddOptions::default()
        };
        add_with(&p.datasets, &p.source, &options, &quiet).unwrap()
    };
    let (first, second) = (round("first", 0), round("second", 1));
    assert_eq!(splits(&first), [Split::Test, Split::Val, Split::Train]);
    assert_eq!(splits(&second), [Split::Train, Split::Test, Split::Val]);
    assert_ne!(first.split_hash, second.split_hash);
    assert_eq!(first.folds.map(|f| (f.count, f.test)), Some((3, 0)));
}

/// A study of the PI-CAI layout, with its masks and its line of the marksheet.
fn write_study(images: &Path, labels: &Path, patient: &str, study: &str, offset: usize) {
    let folder = images.join(patient);
    fs::create_dir_all(&folder).unwrap();
    let grid = Geometry::centred(SHAPE, [3.0, 1.0, 1.0]);
    for (i, channel) in ["t2w", "adc", "hbv", "cor", "sag"].into_iter().enumerate() {
        let path = folder.join(format!("{patient}_{study}_{channel}.mha"));
        fs::write(path, metaimage::file(&ramp(offset + i), &grid, Storage::Zlib)).unwrap();
    }
    let mut mask = Volume::filled(SHAPE, 0.0);
    mask.data[60..90].fill(2.0);
    for place in [
        "csPCa_lesion_delineations/human_expert/resampled",
        "anatomical_delineations/whole_gland/AI/Bosma22b",
    ] {
        fs::create_dir_all(labels.join(place)).unwrap();
        let path = labels.join(place).join(format!("{patient}_{study}.nii.gz"));
        write::nifti(&path, &mask, &grid, Element::U8).unwrap();
    }
}

#[test]
fn the_layout_of_pi_cai_is_recognised() {
    let root = tempfile::tempdir().unwrap();
    let images = root.path().join("images");
    let labels = root.path().join("picai_labels");
    let fold = |n: usize| images.join(format!("public_training_images_fold{n}"));
    write_study(&fold(0), &labels, "10000", "1000000", 0);
    write_study(&fold(1), &labels, "10001", "1000001", 10);
    write_study(&fold(2), &labels, "10002", "1000002", 20);
    write_study(&fold(2), &labels, "10002", "1000003", 30);
    let sheet = labels.join("clinical_information");
    fs::create_dir_all(&sheet).unwrap();
    fs::write(
        sheet.join("marksheet.csv"),
        "patient_id,study_id,mri_date,patient_age,psa,psad,prostate_volume,histopath_type,lesion_GS,lesion_ISUP,\
         case_ISUP,case_csPCa,center\n\
         10000,1000000,2019-07-02,73,7.7,,55,MRBx,0+0,0,0,NO,PCNN\n\
         10001,1000001,2016-05-27,64,8.7,0.09,102,\"SysBx+MRBx\",\"4+3,0+0\",\"3,0\",3,YES,ZGT\n\
         10002,1000002,2021-04-18,58,4.2,0.06,74,,,,,NO,ZGT\n",
    )
    .unwrap();
    // Found beside the images, and below the folder that is added.
    for (folder, name) in [(&images, "beside"), (&root.path().to_owned(), "below")] {
        let made = add(&root.path().join("out"), folder, Some(name), &quiet).unwrap();
        let cases: Vec<_> = made.cases.iter().map(|c| (c.case_id.as_str(), c.cspca, c.fold)).collect();
        let expected = [
            ("10000_1000000", Some(false), Some(0)),
            ("10001_1000001", Some(true), Some(1)),
            ("10002_1000002", Some(false), Some(2)),
            ("10002_1000003", None, Some(2)),
        ];
        assert_eq!(cases, expected);
        assert_eq!((made.patients(), made.refused.len()), (3, 0));
        assert_eq!(made.cases[0].channels, ["t2w", "hbv", "adc", "gland", "lesion"]);
        assert_eq!(made.cases[0].mask_sources["lesion"], "csPCa_lesion_delineations/human_expert/resampled");
        let first = case::load(&root.path().join("out").join(name), &made.cases[0]).unwrap();
        assert_eq!(first.volumes["lesion"].range(), Some((0.0, 1.0)));
    }
    let options =
        AddOptions { name: Some("round".into()), split: SplitPlan::StoredFold(1), ..AddOptions::default() };
    let round = add_with(&root.path().join("out"), &images, &options, &quiet).unwrap();
    let splits: Vec<_> = round.cases.iter().map(|c| c.split).collect();
    assert_eq!(splits, [Split::Train, Split::Test, Split::Val, Split::Val]);

    fs::remove_file(fold(0).join("10000/10000_1000000_t2w.mha")).unwrap();
    fs::remove_file(fold(1).join("10001/10001_1000001_adc.mha")).unwrap();
    let lacking = add(&root.path().join("out"), &images, Some("lacking"), &quiet).unwrap();
    assert!(lacking.refused[0].reason.contains("no t2w image"), "{}", lacking.refused[0].reason);
    assert!(!lacking.cases[0].has("adc"));
}

#[test]
fn every_case_gets_the_voxel_size_that_is_asked_for() {
    let p = place();
    let options =
        AddOptions { name: Some("fine".into()), spacing_mm: Some([1.5, 0.5, 0.75]), ..AddOptions::default() };
    let made = add_with(&p.datasets, &p.source, &options, &quiet).unwrap();
    assert_eq!(made.cases[0].shape, [8, 16, 8]);
    assert!(made.cases[0].spacing_mm.iter().zip([1.5, 0.5, 0.75]).all(|(a, b)| (a - b).abs() < 1e-9));
    let case = case::load(&p.datasets.join("fine"), &made.cases[0]).unwrap();
    let (low, high) = case.volumes["t2w"].range().unwrap();
    assert!(low >= 0.0 && high <= 49.0 && low < high);
    let options =
        AddOptions { name: Some("none".into()), spacing_mm: Some([0.0; 3]), ..AddOptions::default() };
    let error = add_with(&p.datasets, &p.source, &options, &quiet).unwrap_err().to_string();
    assert!(error.contains("a voxel size of 0 x 0 x 0 mm"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever the bytes, a table is read or refused.
    #[test]
    fn tables_never_panic(noise in prop::collection::vec(any::<u8>(), 0..300), cells in "[a-c,;\\n\"01]{0,80}", mark in 0..4usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.csv");
        let mark = [b"".as_slice(), b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"][mark];
        fs::write(&path, [mark, &noise].concat()).unwrap();
        let _ = table::read(folder.path());
        fs::write(&path, format!("case_id,patient_id,cspca,split,fold\n{cells}")).unwrap();
        if let Ok(table) = table::read(folder.path()) {
            prop_assert!(table.rows.iter().all(|(case, row)| !case.is_empty() && !row.patient_id.is_empty()));
            if let Ok(matched) = rows::matched(folder.path(), table, &["a", "01", "1", "c"]) {
                prop_assert!(matched.rows.keys().all(|case| ["a", "01", "1", "c"].contains(&case.as_str())));
            }
        }
    }

    /// Whatever is known of them, cases with one name of a patient are that patient's.
    #[test]
    fn patients_of_a_table_never_change(cases in prop::collection::vec((prop::option::of("[ab]"), "[XY ]?", 0u8..4), 1..8)) {
        let known: Vec<patients::Known> = cases
            .iter()
            .enumerate()
            .map(|(i, (told, id, image))| patients::Known {
                case_id: format!("case {i}"),
                told: told.clone().map(|patient| (patient, "cases.csv".to_owned())),
                identifiers: vec![id.clone()],
                images: vec![("t2w".to_owned(), [*image; 32])],
            })
            .collect();
        let (found, _) = patients::of(&known);
        prop_assert_eq!(found.len(), cases.len());
        for (found, (told, ..)) in found.iter().zip(&cases) {
            prop_assert!(told.as_ref().is_none_or(|told| *told == found.id));
        }
    }

    /// Whatever a name is, it stands for one thing and can be spoken of.
    #[test]
    fn names_never_panic(name in "\\PC{0,20}(\\.nii|\\.nii\\.gz|\\.mha|\\.nrrd)?", is_folder: bool) {
        if let image_names::Meant::Perhaps(channel) = image_names::meant(&name, is_folder) {
            prop_assert!(image_names::left_out(&name, channel, |_| None).starts_with(&name));
        }
    }
}

/// What was asked for and had no effect is said, and what would make every later result too good.
#[test]
fn columns_fills_and_splits_that_are_not_what_they_seem_are_noted() {
    let p = place();
    // Case d has the images of case a, and the table gives them to two patients of different splits.
    write_case(&p.source.join("d"), 0);
    let table = "case_id,patient_id,split,splitt\na,p1,train,\nb,p2,val,\nc,p3,test,\nd,p4,test,\n";
    fs::write(p.source.join("cases.csv"), table).unwrap();
    let fill: FillLabel = "254".parse().unwrap();
    let options =
        |name: &str| AddOptions { name: Some(name.into()), fill_label: Some(fill), ..AddOptions::default() };
    let made = add_with(&p.datasets, &p.source, &options("noted"), &quiet).unwrap();
    let noted = |words: &str| made.notes.iter().filter(|note| note.contains(words)).count();
    assert_eq!(noted("columns that are not read: splitt; read are case_id"), 1, "{:?}", made.notes);
    assert_eq!(noted("--fill-label: no mask has voxels of the value 254"), 1, "{:?}", made.notes);
    assert_eq!(noted("a, d share an image with a case of another split"), 1, "{:?}", made.notes);

    // The only label of a mask is what it shows, and stays.
    let mut mask = Volume::filled(SHAPE, 0.0);
    mask.data[60..90].fill(254.0);
    let grid = Geometry::centred(SHAPE, [3.0, 1.0, 1.0]);
    write::nifti(&p.source.join("a/gland.nii.gz"), &mask, &grid, Element::U8).unwrap();
    fs::remove_dir_all(p.source.join("d")).unwrap();
    fs::write(p.source.join("cases.csv"), table.replace(",splitt", ",").replace("d,p4,test,\n", "")).unwrap();
    let made = add_with(&p.datasets, &p.source, &options("kept"), &quiet).unwrap();
    let of_a = &made.cases.iter().find(|case| case.case_id == "a").unwrap().notes;
    assert!(
        of_a.iter().any(|note| note.contains("254 is the only label of the mask and was kept")),
        "{of_a:?}"
    );
    assert_eq!(made.notes.iter().filter(|n| n.contains("split") || n.contains("fill-label")).count(), 0);
}

/// Added under another name, the same folder is said to be the same.
#[test]
fn the_same_cases_under_another_name_are_said() {
    let p = place();
    let first = add(&p.datasets, &p.source, Some("one"), &quiet).unwrap();
    assert!(first.notes.is_empty());
    let again = add(&p.datasets, &p.source, Some("two"), &quiet).unwrap();
    assert!(again.notes.iter().any(|note| note.contains("as the data set one")), "{:?}", again.notes);
}

/// What an import that was killed had read is not read again, what it was writing goes, and the end is that of an
/// import that was not killed.
#[test]
fn an_import_that_was_killed_goes_on() {
    let p = place();
    let expected = add(&p.datasets, &p.source, Some("whole"), &quiet).unwrap();
    // As the process leaves it: the folder with its journal, which a killed process does not remove.
    let staging = p.datasets.join(".killed.partial");
    let journal = staging.join("import.jsonl");
    let killed = std::panic::catch_unwind(|| {
        add(&p.datasets, &p.source, Some("killed"), &|done, _| {
            if done == 2 {
                let kept = p.datasets.join("kept");
                copy(&staging, &kept);
                panic!("killed");
            }
        })
    });
    assert!(killed.is_err());
    fs::rename(p.datasets.join("kept"), &staging).unwrap();
    fs::write(staging.join("prepared/torn.safetensors.7.tmp"), "half").unwrap();
    let before = fs::read_to_string(&journal).unwrap();
    let done: Vec<&str> = before.lines().collect();
    assert!(!done.is_empty() && done.len() < 3, "{before}");
    // A case that was read is not looked at again: its files may be gone by name and time alone.
    let made = add(&p.datasets, &p.source, Some("killed"), &quiet).unwrap();
    assert_eq!((made.hash, made.cases), (expected.hash, expected.cases));
    let left: Vec<_> =
        fs::read_dir(p.datasets.join("killed")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the manifest and the arrays: {left:?}");
    assert!(!staging.exists() && !p.datasets.join(".killed.lock").exists());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
