//! Predictions before training, as files of the data folder: one for each data set and task.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use transferscope_domain::{
    Backbone, Task,
    backbone::SPECIALIST,
    dataset::Wish,
    metric::Split,
    prediction::{PREDICTION_SCHEMA, Prediction},
    run::DeviceChoice,
};
use transferscope_ml::{checkpoint::write_atomically, outcome::RunError, predict};

use crate::{data_dir::DataDir, inputs::catalogue::Catalogue};

/// Suffix of the name under which an architecture's random weights are scored, the control.
pub const RANDOM_SUFFIX: &str = "@random-weights";

/// Largest file that is read.
const BYTES_MAX: u64 = 1 << 20;

/// Why there is no prediction.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    #[error("there is no data set {0:?}")]
    NoDataset(String),
    #[error("{0}")]
    Unusable(String),
    #[error("no backbone with a checkpoint to score: {0}")]
    NoBackbone(String),
    #[error("{backbone}: {source}")]
    Score { backbone: String, source: RunError },
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Where a prediction is kept: `prostate--segmentation+lesion.json`, a name that every file system can hold.
pub fn path(data: &DataDir, dataset: &str, task: Task) -> PathBuf {
    let task = task.to_string().replace(':', "+");
    data.root().join("predictions").join(format!("{dataset}--{task}.json"))
}

/// A kept prediction; none where none was made, or where it was made for other content or cannot be read.
pub fn kept(data: &DataDir, dataset: &str, dataset_hash: &str, task: Task) -> Option<Prediction> {
    let path = path(data, dataset, task);
    if fs::metadata(&path).ok()?.len() > BYTES_MAX {
        return None;
    }
    let prediction: Prediction = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    let current = prediction.schema == PREDICTION_SCHEMA && prediction.dataset_hash == dataset_hash;
    current.then_some(prediction)
}

/// Scores `backbones` (all with a checkpoint where none is named) on a task and keeps the result. Each is followed by
/// its architecture with random weights. `progress` hears (done, total).
///
/// # Errors
/// When data set or backbone are not there or cannot be used, or the file cannot be written.
pub fn make(
    data: &DataDir,
    (dataset, task): (&str, Task),
    backbones: &[String],
    device: DeviceChoice,
    now_ms: i64,
    progress: &dyn Fn(usize, usize),
) -> Result<Prediction, PredictError> {
    let catalogue = Catalogue::of(data);
    let manifest = catalogue.dataset(dataset).ok_or_else(|| PredictError::NoDataset(dataset.to_owned()))?;
    let aim = manifest.aim(task, Wish::default()).map_err(PredictError::Unusable)?;
    if let Some(problem) = manifest.aim_problem(&aim) {
        return Err(PredictError::Unusable(problem));
    }
    let mut known: Vec<&Backbone> = catalogue.backbones().iter().map(|view| &view.backbone).collect();
    known.retain(|b| b.pretrained && b.name != SPECIALIST && b.architecture.is_some());
    if let Some(unknown) = backbones.iter().find(|name| known.iter().all(|b| b.name != **name)) {
        let names: Vec<&str> = known.iter().map(|b| b.name.as_str()).collect();
        return Err(PredictError::NoBackbone(format!("{unknown:?} is none of {}", names.join(", "))));
    }
    known.retain(|b| backbones.is_empty() || backbones.contains(&b.name));
    let dataset_dir = data.datasets().join(dataset);
    let total = 2 * known.len();
    let mut scores = Vec::with_capacity(total);
    progress(0, total);
    for backbone in known {
        for random in [false, true] {
            let mut of = predict::score(data.root(), &dataset_dir, &manifest, task, backbone, random, device)
                .map_err(|source| PredictError::Score { backbone: backbone.name.clone(), source })?;
            if random {
                of.backbone.push_str(RANDOM_SUFFIX);
            }
            scores.push(of);
            progress(scores.len(), total);
        }
    }
    let prediction = Prediction {
        schema: PREDICTION_SCHEMA,
        task,
        dataset: manifest.name.clone(),
        dataset_hash: manifest.hash.clone(),
        split_hash: manifest.split_hash.clone(),
        target: predict::target(task.kind).to_owned(),
        cases: manifest.usable(&aim, Split::Train).len() as u32,
        computed_ms: now_ms,
        backbones: scores,
    };
    keep(&path(data, dataset, task), &prediction)?;
    Ok(prediction)
}

fn keep(path: &Path, prediction: &Prediction) -> Result<(), PredictError> {
    let write = |source| PredictError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(write)?;
    }
    let json = serde_json::to_vec_pretty(prediction).map_err(|e| write(io::Error::other(e)))?;
    write_atomically(path, &json).map_err(write)
}

#[cfg(test)]
mod tests {
    use transferscope_domain::TaskKind;

    use super::*;

    #[test]
    fn a_prediction_of_other_content_is_none_and_unknown_names_are_said() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let task = Task::from(TaskKind::Classification);
        let prediction = Prediction {
            schema: PREDICTION_SCHEMA,
            task,
            dataset: "x".into(),
            dataset_hash: "now".into(),
            split_hash: String::new(),
            target: predict::target(task.kind).into(),
            cases: 3,
            computed_ms: 1,
            backbones: Vec::new(),
        };
        keep(&path(&data, "x", task), &prediction).unwrap();
        assert_eq!(kept(&data, "x", "now", task), Some(prediction));
        assert_eq!(kept(&data, "x", "before", task), None);
        assert_eq!(kept(&data, "x", "now", TaskKind::Segmentation.into()), None);
        let of_target = "classification:cspca".parse().unwrap();
        assert_eq!(kept(&data, "x", "now", of_target), None);
        assert!(path(&data, "x", of_target).ends_with("predictions/x--classification+cspca.json"));
        fs::write(path(&data, "x", task), "{").unwrap();
        assert_eq!(kept(&data, "x", "now", task), None);
        let none = make(&data, ("x", task), &[], DeviceChoice::Cpu, 0, &|_, _| ()).unwrap_err();
        assert!(none.to_string().contains("no data set \"x\""));
    }
}
