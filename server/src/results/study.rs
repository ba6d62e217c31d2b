//! An experiment's analysis: records from the store, features from run directories, predictions from their files.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use transferscope_app::context::{Scoring, Study, Versus};
use transferscope_domain::{
    ExperimentId, RunId, RunState,
    api::{BackboneView, ExperimentView},
    backbone::SPECIALIST,
    experiment::PlannedRun,
    prediction::Prediction,
    study::RunRecord,
};
use transferscope_store::{Store, StoreError};
use transferscope_study::analysis::{Analysis, BackboneFacts, Choice, Input, Network, analyse};

use super::{measuring, predictions};
use crate::{
    data_dir::DataDir,
    inputs::catalogue::Catalogue,
    off_thread::{BrokenOff, blocking},
    queue::plan::{is_of, missing},
    results::predicting::Predicting,
};

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// None of the experiments that were asked for, or too few of them, are there.
    #[error("{0}")]
    NotFound(String),
    /// The experiments that were asked for are not some that can stand side by side.
    #[error("{0}")]
    Asked(String),
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
}

/// Fewest and most experiments side by side.
const SIDE_BY_SIDE: std::ops::RangeInclusive<usize> = 2..=6;

/// What analyses are made from; clones share what was made.
#[derive(Debug, Clone)]
pub struct Studies {
    pub store: Store,
    pub data: DataDir,
    pub analyses: Analyses,
    /// Scores of frozen features that are being made beside.
    pub predicting: Predicting,
}

impl Studies {
    /// The analysis of an experiment and what stands beside it.
    ///
    /// # Errors
    /// When there is no such experiment.
    pub async fn study(&self, id: &ExperimentId, choice: Choice) -> Result<Study, StudyError> {
        let view = self.store.experiment(id).await?;
        let data = self.data.clone();
        let catalogue = Arc::new(Catalogue::of(&data));
        let (of, wanted) = (Arc::clone(&catalogue), view.spec.backbones.clone());
        let backbones = blocking(move || facts(&of, &wanted)).await?;
        let key = Key::of(&view, backbones, choice);
        let analysed = match self.analyses.get(&key) {
            Some(known) => known,
            None => {
                let records = self.store.study_records(id).await?;
                let (data, asked) = (data.clone(), key.clone());
                let made = blocking(move || analysed(&data, &asked, records)).await?;
                self.analyses.keep(key.clone(), made)
            }
        };
        let scoring = match self.predicting.status(&view.spec.dataset) {
            Scoring::Failed(reason) => Scoring::Failed(self.store.shown(&reason).into_owned()),
            other => other,
        };
        let frozen = self.store.snapshots_of(id).await?;
        let study = blocking(move || {
            let manifest = catalogue.dataset(&view.spec.dataset);
            let predictions: Vec<Prediction> = view
                .spec
                .tasks()
                .iter()
                .filter_map(|task| {
                    predictions::kept(&data, &view.spec.dataset, &manifest.as_ref()?.hash, *task)
                })
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
        });
        Ok(study.await?)
    }

    /// Experiments side by side; the first one is what the others are held against.
    ///
    /// # Errors
    /// Those of [`Studies::networks`].
    pub async fn versus(&self, ids: &[ExperimentId]) -> Result<Versus, StudyError> {
        let (networks, missing) = self.networks(ids).await?;
        let mut studies = Vec::with_capacity(ids.len());
        for id in ids.iter().filter(|id| !missing.contains(id)) {
            studies.push(self.study(id, Choice::default()).await?);
        }
        Ok(Versus { studies, networks, missing })
    }

    /// The networks of several experiments, and which of these are not there.
    ///
    /// # Errors
    /// When fewer than two of them are there, or too few or too many are asked for.
    pub async fn networks(
        &self,
        ids: &[ExperimentId],
    ) -> Result<(Vec<Network>, Vec<ExperimentId>), StudyError> {
        let mut distinct = ids.to_vec();
        distinct.sort();
        distinct.dedup();
        if !SIDE_BY_SIDE.contains(&ids.len()) || distinct.len() != ids.len() {
            let (least, most) = (SIDE_BY_SIDE.start(), SIDE_BY_SIDE.end());
            return Err(StudyError::Asked(format!("choose {least} to {most} different experiments")));
        }
        let mut experiments = Vec::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.store.experiment(id).await {
                Ok(view) => experiments.push((view.spec.plan(), self.store.study_records(id).await?)),
                Err(StoreError::NotFound { .. }) => missing.push(id.clone()),
                Err(error) => return Err(error.into()),
            }
        }
        if !SIDE_BY_SIDE.contains(&experiments.len()) {
            let names = missing.iter().map(|id| format!("{:?}", id.as_str())).collect::<Vec<_>>().join(", ");
            let left = if experiments.is_empty() { "" } else { " At least two are needed for a comparison." };
            return Err(StudyError::NotFound(format!("There is no experiment with the id {names}.{left}")));
        }
        let networks = blocking(move || {
            let inputs: Vec<Input<'_>> = experiments
                .iter()
                .map(|(planned, records)| Input { planned, records, backbones: &[] })
                .collect();
            transferscope_study::analysis::versus(&inputs)
        })
        .await?;
        Ok((networks, missing))
    }
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
    measuring::measure(data, &mut records, key.choice);
    let input = Input { planned: &key.planned, records: &records, backbones: &key.backbones };
    Analysed {
        analysis: analyse(input, key.choice),
        time_left_s: time_left(&key.planned, &records),
        missing: missing(&key.planned, &records).len(),
    }
}

/// Analyses that were asked for last; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Analyses {
    /// The latest last.
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

type Kept = (Key, Arc<Analysed>);

/// Most analyses that are kept: one of 75 runs takes about a megabyte.
const ANALYSES_MAX: usize = 32;

impl Analyses {
    fn get(&self, key: &Key) -> Option<Arc<Analysed>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == key).map(|(_, analysed)| Arc::clone(analysed))
    }

    fn keep(&self, key: Key, analysed: Analysed) -> Arc<Analysed> {
        let analysed = Arc::new(analysed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What was made from other runs of the same experiment is not asked for again.
        kept.retain(|(known, _)| known.experiment != key.experiment || known.runs == key.runs);
        if kept.len() == ANALYSES_MAX {
            kept.pop_front();
        }
        kept.push_back((key, Arc::clone(&analysed)));
        analysed
    }
}

fn facts(catalogue: &Catalogue, names: &[String]) -> Vec<BackboneFacts> {
    let fact = |b: &BackboneView| BackboneFacts {
        name: b.backbone.name.clone(),
        objective: b.backbone.objective.clone(),
        parameters: b.backbone.parameters,
        architecture: Some(b.backbone.family.as_str().to_owned()),
    };
    let wanted = |b: &BackboneFacts| names.contains(&b.name) && b.name != SPECIALIST;
    catalogue.backbones().iter().map(fact).filter(wanted).collect()
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
