//! The data set that comes with the program: phantoms, computed at the first start.

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

/// Makes it in a thread of its own where there is no data set at all.
pub fn make_if_empty(data: &DataDir) {
    let empty = manifest::list(&data.datasets()).is_ok_and(|sets| sets.is_empty());
    if !empty {
        return;
    }
    tracing::info!("no data set yet: making the built-in phantoms in the background");
    let data = data.clone();
    let work = move || {
        let progress = |finished: usize, total: usize| {
            if finished > 0 && finished.is_multiple_of(8) {
                tracing::info!("built-in data: {finished} of {total} patients");
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
            Err(error) => tracing::error!(%error, "the built-in data set cannot be made"),
        }
    };
    if let Err(error) = std::thread::Builder::new().name("built-in data".into()).spawn(work) {
        tracing::error!(%error, "no thread for the built-in data set; make it with `transferscope dataset synth`");
    }
}
