//! Checks of data sets for pages and API: kept ones at once, others made in the background.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use transferscope_domain::dataset::{
    DatasetManifest,
    view::{CheckStatus, Checked},
};
use transferscope_ml::data::{
    check,
    kept_check::{self, KeptCheck},
};
use transferscope_store::{Store, now_ms};

use crate::data_dir::DataDir;

/// What is known of a check that was asked for since the server started.
#[derive(Debug, Clone)]
enum Known {
    Running,
    /// Also in its file, unless the folder cannot be written.
    Done(Arc<KeptCheck>),
    Failed(String),
}

/// The checks under way; clones share them.
#[derive(Debug, Clone)]
pub struct DatasetChecks {
    data: DataDir,
    /// By the manifest's key.
    known: Arc<Mutex<BTreeMap<String, Known>>>,
    /// Held by the one check that reads its cases now: several would only slow each other down.
    turn: Arc<Mutex<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DatasetChecks {
    /// For the data sets of a data folder.
    pub fn new(data: DataDir) -> Self {
        Self { data, known: Arc::default(), turn: Arc::default() }
    }

    /// What a check has found; one that was not made yet is started and goes on by itself.
    /// `store` knows what of the machine may be shown.
    pub fn look(&self, manifest: &DatasetManifest, store: &Store) -> Checked {
        let folder = self.data.datasets().join(&manifest.name);
        let done = |kept: KeptCheck| Checked {
            status: CheckStatus::Done { checked_ms: kept.checked_ms },
            report: kept.report,
        };
        // The file first: the command line may have made a newer one.
        if let Some(kept) = kept_check::read(&folder, manifest) {
            return done(kept);
        }
        let key = kept_check::key(manifest);
        let known = lock(&self.known).get(&key).cloned();
        let status = match known {
            Some(Known::Done(kept)) => return done(KeptCheck::clone(&kept)),
            Some(Known::Failed(message)) => {
                CheckStatus::Failed { message: store.shown(&message).into_owned() }
            }
            Some(Known::Running) => CheckStatus::Running,
            None => {
                self.start(key, manifest.name.clone());
                CheckStatus::Running
            }
        };
        Checked { status, report: check::overview(manifest) }
    }

    fn start(&self, key: String, name: String) {
        // Another request may have been faster.
        if lock(&self.known).insert(key.clone(), Known::Running).is_some() {
            return;
        }
        let checks = self.clone();
        let for_thread = (key.clone(), name.clone());
        let work = move || {
            let (key, name) = for_thread;
            let _turn = lock(&checks.turn);
            let known = match kept_check::make(&checks.data.datasets().join(&name), now_ms()) {
                Ok(kept) => {
                    let findings = kept.report.findings.len();
                    tracing::info!(dataset.id = name, findings, "data set checked");
                    Known::Done(Arc::new(kept))
                }
                Err(error) => {
                    tracing::error!(dataset.id = name, %error, "the data set cannot be checked");
                    Known::Failed(error.to_string())
                }
            };
            lock(&checks.known).insert(key, known);
        };
        if let Err(error) = std::thread::Builder::new().name("data check".into()).spawn(work) {
            tracing::error!(dataset.id = name, %error, "no thread to check a data set");
            lock(&self.known).remove(&key);
        }
    }
}
