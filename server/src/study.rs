//! An experiment's analysis: records from the store, features from run directories, predictions from their files.

use transferscope_app::{AppError, context::Study};
use transferscope_domain::{
    Arm, ExperimentId, RunState, alignment::AlignmentValue, api::ExperimentView, backbone::SPECIALIST,
    experiment::PlannedRun, prediction::Prediction, study::RunRecord,
};
use transferscope_ml::train::probe::{BEST, INITIAL, PER_CASE, path};
use transferscope_study::{
    alignment::{Standard, d2p_between},
    analysis::{BackboneFacts, Choice, D2S, Input, Measured, analyse},
    feature_file::{self, Layers},
};

use crate::{
    data_dir::DataDir,
    error::ApiError,
    predicting::Status,
    predictions,
    state::{self, AppState},
};

/// For a page, whose errors are its own.
pub async fn for_page(state: AppState, id: ExperimentId, choice: Choice) -> Result<Study, AppError> {
    study(&state, &id, choice).await.map_err(|error| match error {
        ApiError::NotFound(message) => AppError::NotFound(message),
        other => {
            tracing::error!(experiment.id = %id, error = ?other, "an experiment cannot be analysed");
            AppError::Internal("The experiment cannot be analysed; the server's log says why.".into())
        }
    })
}

/// The analysis of an experiment and what stands beside it.
///
/// # Errors
/// When there is no such experiment.
pub async fn study(state: &AppState, id: &ExperimentId, choice: Choice) -> Result<Study, ApiError> {
    let view = state.store.experiment(id).await?;
    let records = state.store.study_records(id).await?;
    let (data, predicting) = (state.data.clone(), state.predicting.status(&view.spec.dataset));
    let mut study = tokio::task::spawn_blocking(move || of_records(&data, view, records, choice))
        .await
        .map_err(|_| ApiError::Internal("the analysis broke off".into()))?;
    (study.scoring, study.scoring_failed) = match predicting {
        Status::Idle => (None, None),
        Status::Busy(words) => (Some(words), None),
        Status::Failed(reason) => (None, Some(reason)),
    };
    Ok(study)
}

fn of_records(data: &DataDir, view: ExperimentView, mut records: Vec<RunRecord>, choice: Choice) -> Study {
    if choice.measured == Measured::D2s {
        add_d2s(data, &mut records);
    }
    let backbones = facts(data, &view);
    let planned = view.spec.plan();
    let analysis = analyse(Input { planned: &planned, records: &records, backbones: &backbones }, choice);
    let manifest = state::dataset(data, &view.spec.dataset);
    let predictions: Vec<Prediction> = view
        .spec
        .tasks
        .iter()
        .filter_map(|task| predictions::kept(data, &view.spec.dataset, &manifest.as_ref()?.hash, *task))
        .collect();
    Study {
        synthetic: manifest.is_some_and(|m| m.synthetic),
        time_left_s: time_left(&planned, &records),
        missing: missing(&planned, &records).len(),
        predictions,
        scoring: None,
        scoring_failed: None,
        analysis,
        backbones,
        view,
    }
}

fn facts(data: &DataDir, view: &ExperimentView) -> Vec<BackboneFacts> {
    let fact = |b: transferscope_domain::api::BackboneView| BackboneFacts {
        name: b.backbone.name,
        objective: b.backbone.objective,
        parameters: b.backbone.parameters,
    };
    let wanted = |b: &BackboneFacts| view.spec.backbones.contains(&b.name) && b.name != SPECIALIST;
    state::backbones(data).into_iter().map(fact).filter(wanted).collect()
}

/// Whether a record is of a planned run.
fn is_of(record: &RunRecord, planned: &PlannedRun) -> bool {
    let PlannedRun { backbone, task, arm, seed, variant } = planned;
    (&record.backbone, record.task, record.arm, record.seed, record.variant())
        == (backbone, *task, *arm, *seed, *variant)
}

/// The planned runs that neither have a result nor are on their way to one.
pub fn missing<'a>(planned: &'a [PlannedRun], records: &[RunRecord]) -> Vec<&'a PlannedRun> {
    let there = |state: RunState| !matches!(state, RunState::Failed | RunState::Stopped);
    planned.iter().filter(|p| !records.iter().any(|r| is_of(r, p) && there(r.state))).collect()
}

/// Seconds of what is still to be done, by the mean time of finished runs of the same network and task, of the same
/// task, or of all.
fn time_left(planned: &[PlannedRun], records: &[RunRecord]) -> Option<f64> {
    let timed: Vec<&RunRecord> = records.iter().filter(|r| r.state == RunState::Succeeded).collect();
    let mean = |fits: &dyn Fn(&RunRecord) -> bool| {
        let seconds: Vec<f64> = timed.iter().filter(|r| fits(r)).filter_map(|r| r.seconds).collect();
        transferscope_study::statistics::mean(&seconds)
    };
    let finished = |p: &&PlannedRun| records.iter().any(|r| is_of(r, p) && r.state == RunState::Succeeded);
    planned
        .iter()
        .filter(|p| !finished(p))
        .map(|p| {
            mean(&|r| r.backbone == p.backbone && r.task == p.task && r.arm == p.arm)
                .or_else(|| mean(&|r| r.task == p.task))
                .or_else(|| mean(&|_| true))
        })
        .sum()
}

/// Adds to every finished pre-trained run the divergence of its features from those of the scratch run of its pair,
/// where the directories of both have them.
fn add_d2s(data: &DataDir, records: &mut [RunRecord]) {
    let of = |run: &RunRecord, name: &str| -> Option<Layers> {
        feature_file::read(&path(&data.run(&run.id), name)).ok()
    };
    let pairs: Vec<(usize, usize)> = records
        .iter()
        .enumerate()
        .filter(|(_, r)| r.arm == Arm::Pretrained && r.state == RunState::Succeeded)
        .filter_map(|(i, r)| {
            let scratch = |s: &RunRecord| {
                s.arm == Arm::Scratch
                    && s.state == RunState::Succeeded
                    && (&s.backbone, s.task, s.seed) == (&r.backbone, r.task, r.seed)
                    && s.variant() == r.variant()
            };
            Some((i, records.iter().rposition(scratch)?))
        })
        .collect();
    for (tuned, scratch) in pairs {
        let (run, other) = (&records[tuned], &records[scratch]);
        let files = (of(run, INITIAL), of(run, BEST), of(other, BEST));
        let (Some(initial), Some(best), Some(other)) = files else { continue };
        // The tested network's values have a p-value.
        let epoch = run.alignment.iter().find(|v| v.p.is_some()).map_or(0.0, |v| v.epoch);
        let mut added = Vec::new();
        for (depth, ((layer, before), ((_, after), (name, scratch)))) in
            initial.iter().zip(best.iter().zip(&other)).enumerate()
        {
            let compared = Standard::of(before).and_then(|s| d2p_between(&s, after, scratch));
            // Layers of another width or with values that are not finite have no divergence.
            let Ok((value, bandwidth)) = compared else { continue };
            if layer == name {
                added.push(AlignmentValue {
                    epoch,
                    layer: layer.clone(),
                    depth: depth as u32,
                    metric: D2S.into(),
                    value,
                    p: None,
                    bandwidth,
                    n: (after.n / PER_CASE * PER_CASE) as u32,
                });
            }
        }
        records[tuned].alignment.extend(added);
    }
}
