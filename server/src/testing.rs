//! What tests of this crate have in common.

use transferscope_domain::{
    Arm, Family, RunRequest, TaskKind, TrainingSpec,
    run::{DeviceChoice, REQUEST_SCHEMA},
};
use transferscope_store::{NewRun, ids};

/// A run that can be queued; there is no directory of it.
pub fn queued_run(device: DeviceChoice) -> NewRun {
    let (family, task) = (Family::Provicnet, TaskKind::Segmentation);
    let request = RunRequest {
        schema: REQUEST_SCHEMA,
        id: ids::new_run_id(),
        experiment: None,
        backbone: "provicnet-mini".into(),
        family,
        architecture: None,
        task: task.into(),
        arm: Arm::Scratch,
        seed: 0,
        dataset: "tiny".into(),
        dataset_dir: "../../datasets/tiny".into(),
        dataset_hash: "hash".into(),
        split_hash: "split".into(),
        checkpoint: None,
        checkpoint_hash: None,
        training: TrainingSpec::default_for(family, task),
        plan: None,
        pretraining: None,
        device,
        code_version: "test".into(),
    };
    NewRun { request, synthetic: true, arrival: None }
}
