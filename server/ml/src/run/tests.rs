//! Whole runs of one step on data sets as people have them: cases of different sizes, single slices, one case a
//! split. What cannot be trained is refused in words before it is.

use std::sync::Mutex;

use transferscope_domain::{
    Augmentation, Family, Head, Name, Objective, RunId, Target as Mask, TaskKind, TrainingSpec,
    dataset::{CaseEntry, Contents, ImageInfo, LabelInfo, MaskInfo, Modality, plan::Fingerprint},
    family::profound_conv,
    pretraining::Pretraining,
    run::{DeviceChoice, REQUEST_SCHEMA},
};
use transferscope_imaging::data::{Geometry, store::Staging, synth};

use super::*;
use crate::observer::Progress;
use crate::{
    checkpoint::CheckpointError,
    data::{DataError, manifest},
    device::DeviceError,
};
use transferscope_domain::{Failure, FailureKind};

/// Keeps what a run says.
#[derive(Default)]
struct Listener(Mutex<Vec<EventBody>>);

impl Observer for Listener {
    fn event(&self, body: EventBody) -> std::io::Result<()> {
        self.0.lock().unwrap().push(body);
        Ok(())
    }
    fn progress(&self, _progress: Progress) {}
    fn should_stop(&self) -> bool {
        false
    }
}

/// A case of phantoms: voxels, voxel size, split, diagnosis, whether its masks show something.
struct Plan {
    shape: [usize; 3],
    spacing_mm: [f64; 3],
    split: Split,
    cancer: bool,
    masks: bool,
}

/// A data set of these cases in a folder.
fn dataset(folder: &Path, plans: &[Plan]) -> DatasetManifest {
    let staging = Staging::begin(&folder.join("datasets"), "mixed").unwrap();
    let cases: Vec<CaseEntry> = plans
        .iter()
        .enumerate()
        .map(|(i, plan)| {
            let mut volumes = synth::phantom(5, i as u64, plan.shape).volumes;
            for name in ["gland", "zones", "lesion"] {
                let mask = volumes.get_mut(name).unwrap();
                mask.data.fill(0.0);
                if plan.masks {
                    // Something in the middle, however small the case is.
                    let [d, h, w] = plan.shape;
                    mask.data[(d / 2 * h + h / 2) * w + w / 4..][..w / 2].fill(1.0);
                }
            }
            let id = format!("case-{i}");
            let geometry = Geometry::centred(plan.shape, plan.spacing_mm);
            let entry = staging.add_case(&id, &id, &geometry, &volumes, &Contents::prostate()).unwrap();
            CaseEntry { split: plan.split, cspca: Some(plan.cancer), ..entry }
        })
        .collect();
    published(staging, cases, Contents::prostate(), None)
}

/// The data set of these cases.
fn published(
    staging: Staging,
    cases: Vec<CaseEntry>,
    contents: Contents,
    plan: Option<transferscope_domain::dataset::Plan>,
) -> DatasetManifest {
    let manifest = DatasetManifest {
        schema: 1,
        name: "mixed".into(),
        source: "a test".into(),
        synthetic: true,
        hash: manifest::content_hash(&cases),
        split_hash: manifest::split_hash(&cases),
        cases,
        refused: Vec::new(),
        split_seed: 0,
        folds: None,
        patient_sources: Default::default(),
        notes: Vec::new(),
        contents,
        plan,
    };
    staging.publish(manifest).unwrap()
}

/// Two cases of each split, no two of one size.
fn mixed() -> Vec<Plan> {
    let shapes = [[5, 32, 32], [9, 32, 64], [18, 48, 32], [3, 32, 40], [6, 64, 25], [1, 30, 32]];
    let splits = [Split::Train, Split::Train, Split::Val, Split::Val, Split::Test, Split::Test];
    shapes
        .into_iter()
        .zip(splits)
        .enumerate()
        .map(|(i, (shape, split))| Plan {
            shape,
            spacing_mm: [3.0, 1.0, 1.0 + 0.25 * i as f64],
            split,
            cancer: i % 2 == 0,
            masks: true,
        })
        .collect()
}

fn request(manifest: &DatasetManifest, family: Family, task: TaskKind, training: TrainingSpec) -> RunRequest {
    RunRequest {
        schema: REQUEST_SCHEMA,
        id: RunId::try_from("0000000001".to_owned()).unwrap(),
        experiment: None,
        backbone: family.as_str().into(),
        family,
        architecture: None,
        task: task.into(),
        arm: if family == Family::Unet { Arm::Specialist } else { Arm::Scratch },
        seed: 3,
        dataset: manifest.name.clone(),
        dataset_dir: "../../datasets/mixed".into(),
        dataset_hash: manifest.hash.clone(),
        split_hash: manifest.split_hash.clone(),
        checkpoint: None,
        checkpoint_hash: None,
        training,
        plan: manifest.plan.clone(),
        pretraining: None,
        device: DeviceChoice::Cpu,
        code_version: "test".into(),
    }
}

fn one_step(family: Family, task: TaskKind) -> TrainingSpec {
    TrainingSpec {
        epochs: 1,
        batch_size: 8,
        samples_per_case: 1,
        warmup_epochs: 0.0,
        ..TrainingSpec::default_for(family, task)
    }
}

/// Runs a request in a folder of its own; what it said and how it ended.
fn run(folder: &Path, name: &str, request: &RunRequest) -> (Result<Outcome, RunError>, Vec<EventBody>) {
    let run_dir = folder.join("runs").join(name);
    fs::create_dir_all(&run_dir).unwrap();
    let listener = Listener::default();
    let ended = execute(request, &run_dir, 1, &listener);
    (ended, listener.0.into_inner().unwrap())
}

fn steps(events: &[EventBody]) -> usize {
    events.iter().filter(|e| matches!(e, EventBody::Step { .. })).count()
}

#[test]
fn every_family_trains_every_task_on_cases_of_different_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = dataset(folder.path(), &mixed());
    for family in Family::ALL {
        for task in TaskKind::ALL {
            let name = format!("{}-{task}", family.as_str());
            let (ended, events) =
                run(folder.path(), &name, &request(&manifest, family, task, one_step(family, task)));
            assert!(matches!(ended, Ok(Outcome::Finished)), "{name}: {ended:?}");
            assert_eq!(steps(&events), 1, "{name}");
            let primary = format!("test/{}", task.primary_metric());
            let value = events.iter().find_map(|e| match e {
                EventBody::Metric { name, value, .. } if *name == primary => Some(*value),
                _ => None,
            });
            assert!(value.is_some_and(f64::is_finite), "{name}: {primary} is {value:?}");
            let aligned = events.iter().filter(|e| matches!(e, EventBody::Alignment(_))).count();
            assert!(aligned > 0, "{name}: {:?}", events.iter().rfind(|e| matches!(e, EventBody::Log { .. })));
        }
    }
}

/// A data set of one image with another name than any of the prostate, a mask of two classes with voxels that nobody
/// labelled, three grades, and a plan: cases are smaller and larger than its box, and of other voxels.
fn general(folder: &Path) -> DatasetManifest {
    let name = |text: &str| Name::new(text).unwrap();
    let mut hip = MaskInfo::of(name("hip"), &["front", "back"]);
    hip.ignore = Some(9);
    let grade = LabelInfo {
        name: name("grade"),
        about: None,
        classes: ["low", "middle", "high"].map(str::to_owned).into(),
        ordered: true,
    };
    let contents = Contents {
        images: vec![ImageInfo { name: name("t1"), modality: Modality::Mr, unit: None, epi: false }],
        masks: vec![hip],
        labels: vec![grade],
    };
    let staging = Staging::begin(&folder.join("datasets"), "mixed").unwrap();
    let case = |i: usize| {
        let shape = [[12, 20, 18], [20, 26, 40], [9, 33, 17]][i % 3];
        let mut volumes = synth::phantom(5, i as u64, shape).volumes;
        volumes.retain(|name, _| name == "t2w" || name == "zones");
        let mut mask = volumes.remove("zones").unwrap();
        let [d, h, w] = shape;
        for (z, y, x) in
            (d / 3..d / 2 + 1).flat_map(|z| (h / 3..h / 2).flat_map(move |y| (4..12).map(move |x| (z, y, x))))
        {
            mask.data[(z * h + y) * w + x] = if x < 8 { 1.0 } else { 2.0 };
        }
        mask.data[0] = 9.0;
        let volumes = [("t1".to_owned(), volumes.remove("t2w").unwrap()), ("hip".to_owned(), mask)].into();
        let geometry = Geometry::centred(shape, [1.0, 1.0 + 0.25 * (i % 2) as f64, 1.0]);
        let id = format!("case-{i}");
        let entry = staging.add_case(&id, &id, &geometry, &volumes, &contents).unwrap();
        let grade = (name("grade"), ["low", "middle", "high"][i % 3].to_owned());
        CaseEntry { split: Split::ALL[i / 3], labels: [grade].into(), ..entry }
    };
    let cases: Vec<CaseEntry> = (0..9).map(case).collect();
    let plan = transferscope_domain::dataset::Plan {
        spacing_mm: [1.0; 3],
        patch: [16, 24, 16],
        normalisation: Default::default(),
        mirror: [true; 3],
        fingerprint: Fingerprint::default(),
        changed: Vec::new(),
    };
    published(staging, cases, contents, Some(plan))
}

#[test]
fn every_family_trains_on_data_that_are_no_prostate() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = general(folder.path());
    for family in Family::ALL {
        for task in [TaskKind::Segmentation, TaskKind::Classification, TaskKind::SuperResolution] {
            let name = format!("{}-{task}", family.as_str());
            let training = TrainingSpec { augmentation: Augmentation::Standard, ..one_step(family, task) };
            let (ended, events) = run(folder.path(), &name, &request(&manifest, family, task, training));
            assert!(matches!(ended, Ok(Outcome::Finished)), "{name}: {ended:?}");
            let named = |wanted: &str| {
                events.iter().find_map(|e| match e {
                    EventBody::Metric { name, value, .. } if name == wanted => Some(*value),
                    _ => None,
                })
            };
            let primary = named(&format!("test/{}", task.primary_metric()));
            assert!(primary.is_some_and(f64::is_finite), "{name}: {primary:?}");
            if task == TaskKind::Segmentation {
                assert!(named("test/dice.front").is_some() && named("test/dice.back").is_some(), "{name}");
            }
        }
    }
    let spec = one_step(Family::Unet, TaskKind::DistortionCorrection);
    let refused =
        refusal(folder.path(), &request(&manifest, Family::Unet, TaskKind::DistortionCorrection, spec));
    assert!(refused.contains("an echo-planar image"), "{refused}");
}

#[test]
fn published_heads_and_every_objective_take_cases_of_different_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = dataset(folder.path(), &mixed());
    for (family, task, head) in [
        (Family::ProfoundConv, TaskKind::Segmentation, Head::Upernet),
        (Family::ProfoundConv, TaskKind::Segmentation, Head::Unetr),
        (Family::ProfoundConv, TaskKind::Classification, Head::Classifier),
        (Family::Provicnet, TaskKind::Segmentation, Head::Fusion),
    ] {
        let training = TrainingSpec { head, ..one_step(family, task) };
        let (ended, events) =
            run(folder.path(), &head.to_string(), &request(&manifest, family, task, training));
        assert!(matches!(ended, Ok(Outcome::Finished)), "{head}: {ended:?}");
        assert_eq!(steps(&events), 1, "{head}");
    }
    for (family, objective) in [
        (Family::ProfoundConv, Objective::Mae),
        (Family::ProfoundVit, Objective::Mae),
        (Family::Provicnet, Objective::PatchContrast),
        (Family::Provicnet, Objective::SelfDistillation),
    ] {
        let training = TrainingSpec {
            epochs: 1,
            batch_size: 8,
            samples_per_case: 1,
            warmup_epochs: 0.0,
            ..TrainingSpec::pretraining()
        };
        let mut request = request(&manifest, family, TaskKind::Pretraining, training);
        request.pretraining = Some(Pretraining { objective, name: "b".into(), accumulate: 1, publish: None });
        let name = format!("{objective}-{}", family.as_str());
        let (ended, events) = run(folder.path(), &name, &request);
        assert!(matches!(ended, Ok(Outcome::Finished)), "{name}: {ended:?}");
        assert_eq!(steps(&events), 1, "{name}");
    }
}

#[test]
fn features_before_training_are_scored_on_cases_of_different_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = dataset(folder.path(), &mixed());
    let dataset_dir = folder.path().join("datasets/mixed");
    for backbone in backbone::registry(folder.path()) {
        for task in [TaskKind::Segmentation, TaskKind::ModalityTranslation] {
            let scored = crate::predict::score(
                folder.path(),
                &dataset_dir,
                &manifest,
                task.into(),
                &backbone,
                true,
                DeviceChoice::Cpu,
            );
            assert_eq!(scored.map(|s| s.rows).unwrap_or_else(|e| panic!("{e}")), 16, "{}", backbone.name);
        }
    }
}

/// One case a split, of one slice smaller than any box, asked for in batches of 256.
#[test]
fn single_small_slices_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let plan =
        |split, cancer| Plan { shape: [1, 16, 18], spacing_mm: [3.0, 0.9, 0.8], split, cancer, masks: true };
    let plans: Vec<Plan> = Split::ALL.into_iter().map(|split| plan(split, true)).collect();
    let manifest = dataset(folder.path(), &plans);
    for family in Family::ALL {
        for task in [
            TaskKind::Segmentation,
            TaskKind::SuperResolution,
            TaskKind::ModalityTranslation,
            TaskKind::DistortionCorrection,
        ] {
            let name = format!("{}-{task}", family.as_str());
            let training = TrainingSpec { batch_size: 256, ..one_step(family, task) };
            let (ended, _) = run(folder.path(), &name, &request(&manifest, family, task, training));
            assert!(matches!(ended, Ok(Outcome::Finished)), "{name}: {ended:?}");
        }
    }
    let thick = TrainingSpec {
        degradation: transferscope_domain::Degradation::Thick2,
        ..one_step(Family::Unet, TaskKind::SuperResolution)
    };
    let refused = refusal(folder.path(), &request(&manifest, Family::Unet, TaskKind::SuperResolution, thick));
    assert!(refused.contains("1 slices cannot be averaged 2 by 2"), "{refused}");
    let spec = one_step(Family::Unet, TaskKind::Classification);
    let refused = refusal(folder.path(), &request(&manifest, Family::Unet, TaskKind::Classification, spec));
    assert!(refused.contains("with and without"), "{refused}");
}

/// The words of a run that must not begin to train.
fn refusal(folder: &Path, request: &RunRequest) -> String {
    let (ended, events) = run(folder, "refused", request);
    assert_eq!(steps(&events), 0);
    assert!(events.iter().all(|e| !matches!(e, EventBody::Started { .. })));
    ended.unwrap_err().failure().message
}

#[test]
fn a_training_without_a_result_is_refused_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let plans = |empty: &[usize]| -> Vec<Plan> {
        let mut plans = mixed();
        empty.iter().for_each(|i| plans[*i].masks = false);
        plans
    };
    let spec = |family| TrainingSpec { target: Mask::Lesion, ..one_step(family, TaskKind::Segmentation) };
    for (empty, of) in [(&[0, 1][..], "train"), (&[2, 3], "val"), (&[4, 5], "test")] {
        let folder = tempfile::tempdir().unwrap();
        let manifest = dataset(folder.path(), &plans(empty));
        let request = request(&manifest, Family::Unet, TaskKind::Segmentation, spec(Family::Unet));
        let refused = refusal(folder.path(), &request);
        assert!(refused.contains("lesion") && refused.contains(&format!("of {of} are empty")), "{refused}");

        // A data set from before manifests told which masks are empty.
        let mut older = manifest.clone();
        older.cases.iter_mut().for_each(|case| case.mask_labels.clear());
        let file = folder.path().join("datasets/mixed/dataset.json");
        fs::write(file, serde_json::to_vec(&older).unwrap()).unwrap();
        let refused = refusal(folder.path(), &request);
        assert!(refused.contains(&format!("lesion masks of all 2 {of} cases are empty")), "{refused}");
    }
    // One empty case of two is measured where it can be, which is said.
    let manifest = dataset(folder.path(), &plans(&[4]));
    let (ended, events) = run(
        folder.path(),
        "some",
        &request(&manifest, Family::Unet, TaskKind::Segmentation, spec(Family::Unet)),
    );
    assert!(matches!(ended, Ok(Outcome::Finished)), "{ended:?}");
    let said = events.iter().any(|e| {
        matches!(e, EventBody::Log { message, .. } if message.contains("1 of 2 test cases have no lesion"))
    });
    assert!(said);
}

#[test]
fn an_encoder_that_cannot_take_the_images_and_settings_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = dataset(folder.path(), &mixed());
    let of = |architecture: transferscope_domain::Architecture| {
        let family = architecture.family();
        let spec = one_step(family, TaskKind::Segmentation);
        let mut request = request(&manifest, family, TaskKind::Segmentation, spec);
        request.architecture = Some(architecture);
        request
    };
    let conv = |in_channels| {
        transferscope_domain::Architecture::ProfoundConv(profound_conv::Size {
            in_channels,
            depths: [1, 1, 2, 1],
            dims: [24, 48, 96, 192],
        })
    };
    let (ended, _) = run(folder.path(), "narrow", &of(conv(1)));
    let refused = ended.unwrap_err().failure();
    assert!(refused.message.contains("takes 1 images at once, and the task gives 3"), "{refused:?}");
    assert_eq!(refused.kind, FailureKind::BadSettings);
    // More than enough is filled with zeros.
    let (ended, _) = run(folder.path(), "wide", &of(conv(5)));
    assert!(matches!(ended, Ok(Outcome::Finished)), "{ended:?}");

    let mut request = of(conv(3));
    request.training.batch_size = 0;
    let (ended, _) = run(folder.path(), "none", &request);
    assert!(ended.unwrap_err().to_string().contains("batch_size: 0 is out of range"));
}

#[test]
fn an_error_is_of_the_kind_of_what_caused_it() {
    use std::io::{self, ErrorKind};

    let data = |kind: ErrorKind| DataError::Io { path: "case.bin".into(), source: kind.into() };
    let weights = |kind: ErrorKind| CheckpointError::Read { path: "w".into(), source: kind.into() };
    let write = |source| RunError::Write { what: "a picture".into(), source };
    let full = io::Error::other(data(ErrorKind::QuotaExceeded));
    for (error, kind) in [
        (data(ErrorKind::NotFound).into(), FailureKind::BadData),
        (data(ErrorKind::StorageFull).into(), FailureKind::Disk),
        (weights(ErrorKind::NotFound).into(), FailureKind::BadCheckpoint),
        (weights(ErrorKind::OutOfMemory).into(), FailureKind::OutOfMemory),
        (write(full), FailureKind::Disk),
        (write(ErrorKind::PermissionDenied.into()), FailureKind::Disk),
        (RunError::Settings("No.".into()), FailureKind::BadSettings),
        (RunError::from(DeviceError::NoCuda("none".into())), FailureKind::Device),
    ] {
        let failure = error.failure();
        assert_eq!(failure, Failure::new(kind, error.to_string()));
        assert!(!failure.hint.is_empty(), "{error:?}");
    }
}
