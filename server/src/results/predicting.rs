//! Predictions that a page has asked for: one at a time, in a thread beside the server.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use transferscope_app::context::Scoring;
use transferscope_domain::{Task, run::DeviceChoice};
use transferscope_store::now_ms;

use super::predictions::{self, PredictError};
use crate::data_dir::DataDir;

/// What is under way, or what became of the last one; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Predicting {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Busy {
        dataset: String,
        task: Task,
        done: usize,
        total: usize,
    },
    Failed {
        dataset: String,
        reason: String,
    },
}

impl Predicting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be said on a page about `dataset`.
    pub fn status(&self, dataset: &str) -> Scoring {
        match &*self.lock() {
            State::Busy { dataset: of, task, done, total } => {
                let part = if *total == 0 { String::new() } else { format!(", {done} of {total} done") };
                Scoring::Busy(format!("Scoring backbones on {of}: {task}{part}."))
            }
            State::Failed { dataset: of, reason } if of == dataset => Scoring::Failed(reason.clone()),
            State::Failed { .. } | State::Idle => Scoring::Idle,
        }
    }

    /// Scores all backbones on tasks of a data set, unless something is under way already; says whether it began.
    /// Tasks that the data set cannot serve are left out.
    pub fn start(&self, data: &DataDir, dataset: &str, tasks: &[Task], device: DeviceChoice) -> bool {
        let Some(first) = tasks.first() else { return false };
        {
            let mut state = self.lock();
            if matches!(*state, State::Busy { .. }) {
                return false;
            }
            *state = State::Busy { dataset: dataset.to_owned(), task: *first, done: 0, total: 0 };
        }
        let (this, data) = (self.clone(), data.clone());
        let (dataset, tasks) = (dataset.to_owned(), tasks.to_vec());
        let of = dataset.clone();
        let work = move || {
            let made = catch_unwind(AssertUnwindSafe(|| this.score(&data, &dataset, &tasks, device)));
            *this.lock() = match made {
                Ok(Ok(())) => State::Idle,
                Ok(Err(error)) => State::Failed { dataset, reason: error.to_string() },
                Err(_) => State::Failed { dataset, reason: "the computation ended early".into() },
            };
        };
        let started = std::thread::Builder::new().name("predictions".into()).spawn(work);
        if let Err(error) = &started {
            *self.lock() =
                State::Failed { dataset: of, reason: format!("no thread could be started: {error}") };
        }
        started.is_ok()
    }

    fn score(
        &self,
        data: &DataDir,
        dataset: &str,
        tasks: &[Task],
        device: DeviceChoice,
    ) -> Result<(), PredictError> {
        for task in tasks {
            let progress = |done, total| {
                *self.lock() = State::Busy { dataset: dataset.to_owned(), task: *task, done, total };
            };
            match predictions::make(data, (dataset, *task), &[], device, now_ms(), &progress) {
                Ok(_) => {}
                Err(PredictError::Unusable(reason)) => {
                    tracing::info!(dataset.id = dataset, %task, reason, "no prediction for a task");
                }
                Err(error) => {
                    tracing::error!(dataset.id = dataset, %task, %error, "a prediction cannot be made");
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use transferscope_domain::TaskKind;

    use super::*;

    #[test]
    fn a_data_set_that_is_not_there_is_said_and_does_not_block_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let predicting = Predicting::default();
        assert_eq!(predicting.status("x"), Scoring::Idle);
        assert!(!predicting.start(&data, "x", &[], DeviceChoice::Cpu));
        for _ in 0..2 {
            assert!(predicting.start(&data, "x", &[TaskKind::Segmentation.into()], DeviceChoice::Cpu));
            let begun = Instant::now();
            let failed = loop {
                match predicting.status("x") {
                    Scoring::Failed(reason) => break reason,
                    _ if begun.elapsed() > Duration::from_secs(30) => panic!("it never ends"),
                    _ => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            assert!(failed.contains("no data set \"x\""), "{failed}");
            assert_eq!(predicting.status("another"), Scoring::Idle);
        }
    }
}
