//! The data set that comes with the program: phantoms, computed at the first start.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transferscope_domain::dataset::DatasetManifest;
use transferscope_ml::data::{
    DataError, manifest,
    synth::{SynthOptions, generate},
};

use crate::data_dir::DataDir;

/// Its name.
pub const NAME: &str = "phantom";

/// Whether it is there.
pub fn present(data: &DataDir) -> bool {
    data.datasets().join(NAME).join("dataset.json").is_file()
}

/// Makes it; `progress` hears (done, total) patients.
///
/// # Errors
/// When it cannot be written, or other data lies under its name.
pub fn make(data: &DataDir, progress: &dyn Fn(usize, usize)) -> Result<DatasetManifest, DataError> {
    generate(&data.datasets(), &SynthOptions { name: NAME.into(), ..SynthOptions::default() }, progress)
}

/// How far the making of it in the background is; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Making {
    /// Patients done and wanted; none while nothing is being made.
    state: Arc<Mutex<Option<(usize, usize)>>>,
}

impl Making {
    /// What is under way, for pages; none when nothing is.
    pub fn in_words(&self) -> Option<String> {
        let (done, total) = (*self.lock())?;
        Some(format!("The built-in data set {NAME:?} is being generated: {done} of {total} patients."))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(usize, usize)>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it in a thread of its own where there is no data set at all.
    pub fn start_if_empty(&self, data: &DataDir) {
        if !manifest::list(&data.datasets()).is_ok_and(|sets| sets.is_empty()) {
            return;
        }
        tracing::info!("no data set yet: generating the built-in phantoms in the background");
        let wanted = SynthOptions::default().total();
        *self.lock() = Some((0, wanted));
        let (making, data) = (self.clone(), data.clone());
        let work = move || {
            let progress = |done: usize, total: usize| {
                *making.lock() = Some((done, total));
                if done > 0 && done.is_multiple_of(8) {
                    tracing::info!("built-in data: {done} of {total} patients");
                }
            };
            match make(&data, &progress) {
                Ok(made) => {
                    tracing::info!(
                        dataset.id = made.name,
                        cases = made.cases.len(),
                        "the built-in data set is ready"
                    );
                }
                Err(error) => tracing::error!(%error, "the built-in data set cannot be generated"),
            }
            *making.lock() = None;
        };
        if let Err(error) = std::thread::Builder::new().name("built-in data".into()).spawn(work) {
            tracing::error!(%error, "no thread for the built-in data set; generate it with `transferscope dataset synth`");
            *self.lock() = None;
        }
    }
}
