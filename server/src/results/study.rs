//! An experiment's analysis: records from the store, features from run directories, predictions from their files.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use transferscope_app::{
    AppError,
    context::{Scoring, Study, Versus},
};
use transferscope_domain::{
    Arm, ExperimentId, RunId, RunState, alignment::AlignmentValue, api::ExperimentView, backbone::SPECIALIST,
    experiment::PlannedRun, prediction::Prediction, study::RunRecord,
};
use transferscope_ml::train::probe::{BEST, INITIAL, Look, PER_CASE, path};
use transferscope_store::StoreError;
use transferscope_study::{
    alignment::{Discrepancy, Standard, mmd2_between},
    analysis::{Analysis, BackboneFacts, Choice, D2S, Input, Measured, Network, analyse},
    feature_file::{self, Layers},
};

use super::predictions;
use crate::{
    data_dir::DataDir,
    web::{
        api::system::blocking,
        error::ApiError,
        state::{self, AppState},
    },
};

/// For a page, whose errors are its own.
pub async fn for_page(state: AppState, id: ExperimentId, choice: Choice) -> Result<Study, AppError> {
    study(&state, &id, choice).await.map_err(|error| in_words(&error))
}

fn in_words(error: &ApiError) -> AppError {
    match error {
        ApiError::NotFound(message) => AppError::NotFound(message.clone()),
        ApiError::Invalid(errors) => {
            AppError::Invalid(errors.values().map(String::as_str).collect::<Vec<_>>().join("; "))
        }
        other => {
            tracing::error!(error = ?other, "an experiment cannot be analysed");
            AppError::Internal("The experiment cannot be analysed; the server's log says why.".into())
        }
    }
}

/// The analysis of an experiment and what stands beside it.
///
/// # Errors
/// When there is no such experiment.
pub async fn study(state: &AppState, id: &ExperimentId, choice: Choice) -> Result<Study, ApiError> {
    let view = state.store.experiment(id).await?;
    let data = state.data.clone();
    let (folder, wanted) = (data.clone(), view.spec.backbones.clone());
    let backbones = blocking(move || facts(&folder, &wanted)).await?;
    let key = Key::of(&view, backbones, choice);
    let analysed = match state.studies.get(&key) {
        Some(known) => known,
        None => {
            let records = state.store.study_records(id).await?;
            let (data, asked) = (data.clone(), key.clone());
            let made = blocking(move || analysed(&data, &asked, records)).await?;
            state.studies.keep(key.clone(), made)
        }
    };
    let scoring = match state.predicting.status(&view.spec.dataset) {
        Scoring::Failed(reason) => Scoring::Failed(state.store.shown(&reason).into_owned()),
        other => other,
    };
    let frozen = state.store.snapshots_of(id).await?;
    blocking(move || {
        let manifest = state::dataset(&data, &view.spec.dataset);
        let predictions: Vec<Prediction> = view
            .spec
            .tasks
            .iter()
            .filter_map(|task| predictions::kept(&data, &view.spec.dataset, &manifest.as_ref()?.hash, *task))
            .collect();
        Study {
            synthetic: manifest.is_some_and(|m| m.synthetic),
            time_left_s: analysed.time_left_s,
            missing: analysed.missing,
            predictions,
            scoring,
            frozen,
            analysis: analysed.analysis.clone(),
            backbones: key.backbones,
            view,
        }
    })
    .await
}

/// Fewest and most experiments side by side.
const SIDE_BY_SIDE: std::ops::RangeInclusive<usize> = 2..=6;

/// Experiments side by side, for a page.
pub async fn versus_for_page(state: AppState, ids: Vec<ExperimentId>) -> Result<Versus, AppError> {
    versus(&state, &ids).await.map_err(|e| in_words(&e))
}

/// Experiments side by side; the first one is what the others are held against.
///
/// # Errors
/// Those of [`networks`].
pub async fn versus(state: &AppState, ids: &[ExperimentId]) -> Result<Versus, ApiError> {
    let (networks, missing) = networks(state, ids).await?;
    let mut studies = Vec::with_capacity(ids.len());
    for id in ids.iter().filter(|id| !missing.contains(id)) {
        studies.push(study(state, id, Choice::default()).await?);
    }
    Ok(Versus { studies, networks, missing })
}

/// The networks of several experiments, and which of these are not there.
///
/// # Errors
/// When fewer than two of them are there, or too few or too many are asked for.
pub async fn networks(
    state: &AppState,
    ids: &[ExperimentId],
) -> Result<(Vec<Network>, Vec<ExperimentId>), ApiError> {
    let mut distinct = ids.to_vec();
    distinct.sort();
    distinct.dedup();
    if !SIDE_BY_SIDE.contains(&ids.len()) || distinct.len() != ids.len() {
        let (least, most) = (SIDE_BY_SIDE.start(), SIDE_BY_SIDE.end());
        return Err(ApiError::field("id", format!("choose {least} to {most} different experiments")));
    }
    let mut experiments = Vec::with_capacity(ids.len());
    let mut missing = Vec::new();
    for id in ids {
        match state.store.experiment(id).await {
            Ok(view) => experiments.push((view.spec.plan(), state.store.study_records(id).await?)),
            Err(StoreError::NotFound { .. }) => missing.push(id.clone()),
            Err(error) => return Err(error.into()),
        }
    }
    if !SIDE_BY_SIDE.contains(&experiments.len()) {
        let names = missing.iter().map(|id| format!("{:?}", id.as_str())).collect::<Vec<_>>().join(", ");
        let left = if experiments.is_empty() { "" } else { " One alone cannot be compared." };
        return Err(ApiError::NotFound(format!("There is no experiment with the id {names}.{left}")));
    }
    let networks = blocking(move || {
        let inputs: Vec<Input<'_>> =
            experiments.iter().map(|(planned, records)| Input { planned, records, backbones: &[] }).collect();
        transferscope_study::analysis::versus(&inputs)
    })
    .await?;
    Ok((networks, missing))
}

/// What an analysis depends on. Runs count by their state: one with a result does not change any more, and of the
/// others an analysis knows no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    experiment: ExperimentId,
    planned: Vec<PlannedRun>,
    runs: Vec<(RunId, RunState)>,
    backbones: Vec<BackboneFacts>,
    choice: Choice,
}

impl Key {
    fn of(view: &ExperimentView, backbones: Vec<BackboneFacts>, choice: Choice) -> Self {
        Self {
            experiment: view.id.clone(),
            planned: view.spec.plan(),
            runs: view.runs.iter().map(|r| (r.id.clone(), r.state)).collect(),
            backbones,
            choice,
        }
    }
}

/// What is computed from the records of an experiment.
#[derive(Debug)]
pub struct Analysed {
    pub analysis: Analysis,
    time_left_s: Option<f64>,
    missing: usize,
}

fn analysed(data: &DataDir, key: &Key, mut records: Vec<RunRecord>) -> Analysed {
    match key.choice.measured {
        Measured::D2s => add_d2s(data, &mut records, key.choice.how),
        Measured::D2p | Measured::D2r if key.choice.how != Discrepancy::default() => {
            measure_again(data, &mut records, key.choice.how);
        }
        Measured::D2p | Measured::D2r | Measured::Cka | Measured::Procrustes => {}
    }
    let input = Input { planned: &key.planned, records: &records, backbones: &key.backbones };
    Analysed {
        analysis: analyse(input, key.choice),
        time_left_s: time_left(&key.planned, &records),
        missing: missing(&key.planned, &records).len(),
    }
}

/// Analyses that were asked for last; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Studies {
    /// The latest last.
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

type Kept = (Key, Arc<Analysed>);

/// Most analyses that are kept: one of 75 runs takes about a megabyte.
const STUDIES_MAX: usize = 32;

impl Studies {
    fn get(&self, key: &Key) -> Option<Arc<Analysed>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == key).map(|(_, analysed)| Arc::clone(analysed))
    }

    fn keep(&self, key: Key, analysed: Analysed) -> Arc<Analysed> {
        let analysed = Arc::new(analysed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What was made from other runs of the same experiment is not asked for again.
        kept.retain(|(known, _)| known.experiment != key.experiment || known.runs == key.runs);
        if kept.len() == STUDIES_MAX {
            kept.pop_front();
        }
        kept.push_back((key, Arc::clone(&analysed)));
        analysed
    }
}

fn facts(data: &DataDir, names: &[String]) -> Vec<BackboneFacts> {
    let fact = |b: transferscope_domain::api::BackboneView| BackboneFacts {
        name: b.backbone.name,
        objective: b.backbone.objective,
        parameters: b.backbone.parameters,
        architecture: Some(b.backbone.family.as_str().to_owned()),
    };
    let wanted = |b: &BackboneFacts| names.contains(&b.name) && b.name != SPECIALIST;
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

/// Seconds of what is still to be done, by the mean time of finished runs of the same network, task and variant, of
/// the same task and share of the cases, of the same task, or of all.
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
            let of_share =
                |r: &RunRecord| r.task == p.task && r.training.label_share == p.variant.label_share;
            mean(&|r| of_share(r) && r.backbone == p.backbone && r.arm == p.arm && r.variant() == p.variant)
                .or_else(|| mean(&of_share))
                .or_else(|| mean(&|r| r.task == p.task))
                .or_else(|| mean(&|_| true))
        })
        .sum()
}

/// Random orders behind the p-value of an alignment that is measured again: it only marks the tested network.
const MARKS: usize = 19;

/// Measures the alignment of every finished pre-trained run again, from the features that it left, by another kernel or
/// estimator than it had. A run whose features are gone has none.
fn measure_again(data: &DataDir, records: &mut [RunRecord], how: Discrepancy) {
    let finished = |r: &&mut RunRecord| r.arm == Arm::Pretrained && r.state == RunState::Succeeded;
    for run in records.iter_mut().filter(finished) {
        let Some(tested) = run.alignment.iter().find(|v| v.p.is_some()).map(|v| v.epoch) else { continue };
        let look = Look {
            epochs: run.training.epochs,
            tested,
            pretrained: true,
            permutations: MARKS,
            seed: run.seed,
            how,
            elsewhere: None,
        };
        run.alignment = look.values(&data.run(&run.id)).unwrap_or_else(|reason| {
            tracing::warn!(run.id = %run.id, reason, "features cannot be compared again");
            Vec::new()
        });
    }
}

/// Adds to every finished pre-trained run the divergence of its features from those of the scratch run of its pair,
/// where the directories of both have them.
fn add_d2s(data: &DataDir, records: &mut [RunRecord], how: Discrepancy) {
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
            let compared = Standard::of(before).and_then(|s| mmd2_between(&s, after, scratch, how));
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
