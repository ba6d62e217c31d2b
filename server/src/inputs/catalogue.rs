//! The data sets and backbones of a data folder, by name and in lists.

use std::sync::OnceLock;

use transferscope_domain::{
    Backbone,
    api::{BackboneView, Made},
    dataset::DatasetManifest,
    report::LoadReport,
};
use transferscope_ml::{
    backbone,
    data::{DataError, manifest},
};

use crate::data_dir::DataDir;

/// What lies in a data folder when it is first asked for: a value for one request or one submission. Each list is read
/// once at most, however often it is looked at.
#[derive(Debug)]
pub struct Catalogue {
    data: DataDir,
    datasets: OnceLock<Vec<DatasetManifest>>,
    backbones: OnceLock<Vec<BackboneView>>,
}

impl Catalogue {
    /// Of a data folder; nothing is read yet.
    pub fn of(data: &DataDir) -> Self {
        Self { data: data.clone(), datasets: OnceLock::new(), backbones: OnceLock::new() }
    }

    /// The data sets, sorted by name; what cannot be read is in the log and not in the list.
    pub fn datasets(&self) -> &[DatasetManifest] {
        self.try_datasets().unwrap_or_else(|error| {
            tracing::error!(%error, "the data sets cannot be listed");
            &[]
        })
    }

    /// The same for who must not take an unreadable folder for an empty one.
    ///
    /// # Errors
    /// When the data sets cannot be listed.
    pub fn try_datasets(&self) -> Result<&[DatasetManifest], DataError> {
        if let Some(known) = self.datasets.get() {
            return Ok(known);
        }
        let listed = manifest::list(&self.data.datasets())?;
        Ok(self.datasets.get_or_init(|| listed))
    }

    /// One data set, of which only its own manifest is read; none where there is none of this name that can be read.
    pub fn dataset(&self, name: &str) -> Option<DatasetManifest> {
        if let Some(known) = self.datasets.get() {
            return known.iter().find(|d| d.name == name).cloned();
        }
        if !manifest::is_name(name) {
            return None;
        }
        let folder = self.data.datasets().join(name);
        if !folder.join(manifest::FILE).is_file() {
            return None;
        }
        match manifest::load(&folder) {
            Ok(manifest) => (manifest.name == name).then_some(manifest),
            Err(error) => {
                tracing::error!(dataset.id = name, %error, "the data set cannot be read");
                None
            }
        }
    }

    /// The backbones that ship with the program and those that were added to the data folder; their runs are not counted.
    pub fn backbones(&self) -> &[BackboneView] {
        self.backbones.get_or_init(|| {
            let all = backbone::registry(self.data.root());
            all.into_iter().map(|backbone| BackboneView { backbone, runs: 0 }).collect()
        })
    }

    /// One backbone.
    pub fn backbone(&self, name: &str) -> Option<&Backbone> {
        self.backbones().iter().map(|view| &view.backbone).find(|backbone| backbone.name == name)
    }

    /// How the weights of a backbone were loaded and how they were made, as far as its card tells.
    pub fn card(&self, name: &str) -> (Option<LoadReport>, Option<Made>) {
        backbone::card(self.data.root(), name)
    }
}

#[cfg(test)]
mod tests {
    use transferscope_ml::data::synth::{SynthOptions, generate};

    use super::*;

    #[test]
    fn lists_stay_as_they_were_first_read() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let add = |name: &str| {
            let options =
                SynthOptions { name: name.into(), patients: 1, test_only: 0, seed: 1, size: [4, 16, 16] };
            generate(&data.datasets(), &options, &|_, _| ()).unwrap()
        };
        let first = add("first");
        let catalogue = Catalogue::of(&data);
        assert_eq!(catalogue.dataset("first").as_ref(), Some(&first));
        assert_eq!(catalogue.datasets(), std::slice::from_ref(&first));
        add("second");
        assert_eq!(catalogue.dataset("second"), None);
        assert_eq!(catalogue.try_datasets().unwrap(), [first]);
        let later = Catalogue::of(&data);
        assert_eq!(later.datasets().len(), 2);
        assert!(later.dataset("../second").is_none() && later.dataset("third").is_none());
        let shipped = &later.backbones()[0].backbone;
        assert_eq!(later.backbone(&shipped.name), Some(shipped));
        assert!(later.backbone("nothing").is_none());
    }
}
