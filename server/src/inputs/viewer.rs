//! Cases for people who look at them: what a viewer needs to know, and the pictures that it shows.

use std::sync::Arc;

use transferscope_domain::dataset::{
    CaseEntry, DatasetManifest,
    sheet::Sheet,
    view::{CaseDetail, first_colour},
};
use transferscope_ml::{
    data::{DataError, placement::placement},
    preview::{
        PreviewError,
        slices::{self, Look},
    },
};

use super::{
    case_cache::{CaseCache, Shown},
    catalogue::Catalogue,
};
use crate::data_dir::DataDir;

/// Why a case cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A name leads nowhere.
    #[error("{0}")]
    NotFound(String),
    /// A file of the data set was removed.
    #[error("{0}")]
    Gone(String),
    /// What is asked for makes no sense, or is too large to be shown.
    #[error("{field}: {message}")]
    Refused { field: &'static str, message: String },
    /// The case's file cannot be read, or not be drawn.
    #[error("{0}")]
    Broken(String),
}

impl ViewError {
    fn refused(field: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { field, message: message.into() }
    }
}

/// Shows cases of a data folder; clones share those that are kept in memory.
#[derive(Debug, Clone)]
pub struct Viewer {
    data: DataDir,
    cases: CaseCache,
}

/// A case that was found and loaded.
struct Found {
    manifest: DatasetManifest,
    /// Its place in the manifest.
    at: usize,
    shown: Arc<Shown>,
}

impl Found {
    fn entry(&self) -> &CaseEntry {
        &self.manifest.cases[self.at]
    }
}

/// What is asked of a picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// A channel of the case; its first image if not given.
    pub channel: Option<String>,
    /// Values shown black and white; those of the first window if not given. Images only.
    pub low: Option<f32>,
    pub high: Option<f32>,
    /// Whether the inside of a mask is tinted, besides its outline.
    pub tint: bool,
    /// Which slice, from 0; all of them on a sheet if not given.
    pub slice: Option<usize>,
}

/// A picture of a case.
pub struct Drawn {
    /// None where the asker has it already.
    pub png: Option<Vec<u8>>,
    /// The hash of the case.
    pub hash: String,
    /// Entity tag: two pictures with the same tag are the same.
    pub tag: String,
}

impl Viewer {
    /// A viewer of the cases of a data folder.
    pub fn new(data: DataDir) -> Self {
        Self { data, cases: CaseCache::default() }
    }

    /// What a viewer needs to know of a case. Reads its file: not for a thread that answers requests.
    ///
    /// # Errors
    /// For names that lead nowhere, a case that is too large to be shown, and a damaged one.
    pub fn detail(&self, dataset: &str, case: &str) -> Result<CaseDetail, ViewError> {
        let found = self.find(dataset, case)?;
        let entry = found.entry();
        let neighbour = |at: Option<usize>| Some(found.manifest.cases.get(at?)?.case_id.clone());
        Ok(CaseDetail {
            dataset: found.manifest.name.clone(),
            synthetic: found.manifest.synthetic,
            case: entry.clone(),
            contents: found.manifest.contents.clone(),
            images: found.shown.levels.clone(),
            placement: placement(&found.shown.case.geometry, entry.shape),
            distortion: found.shown.distortion.clone(),
            sheet: Sheet::of(entry.shape),
            previous: neighbour(found.at.checked_sub(1)),
            next: neighbour(found.at.checked_add(1)),
        })
    }

    /// Draws a picture of a case, unless it is the one with the tag that the asker `has`. Reads the case's
    /// file: not for a thread that answers requests.
    ///
    /// # Errors
    /// As [`Viewer::detail`]; also for a channel that the case does not have, a window without width, and
    /// a sheet that would be too large.
    pub fn draw(
        &self,
        dataset: &str,
        case: &str,
        wanted: &Wanted,
        has: Option<&[u8]>,
    ) -> Result<Drawn, ViewError> {
        let found = self.find(dataset, case)?;
        let contents = &found.manifest.contents;
        let first = || contents.images.iter().find(|i| found.entry().has(&i.name)).map(|i| i.name.as_str());
        let channel = wanted.channel.as_deref().or_else(first).unwrap_or_default();
        let Some(volume) = found.shown.case.volumes.get(channel) else {
            let known = found.entry().channels.join(", ");
            return Err(ViewError::refused(
                "channel",
                format!("case {case} has no {channel:?}: use one of {known}"),
            ));
        };
        let look = if contents.mask(channel).is_some() {
            Look::Mask { first: first_colour(contents, channel), tint: wanted.tint }
        } else {
            let levels = found.shown.levels.iter().find(|l| l.channel == channel);
            let first = levels.map_or([0.0, 1.0], |l| l.window.map(|v| v as f32));
            let window = [wanted.low.unwrap_or(first[0]), wanted.high.unwrap_or(first[1])];
            if window.iter().any(|v| !v.is_finite()) || window[0] >= window[1] {
                let message = format!("{} to {}: high must be larger than low", window[0], window[1]);
                return Err(ViewError::refused("low", message));
            }
            Look::Grey { window }
        };
        let hash = found.entry().hash.clone();
        let content = format!("{hash} {channel} {look:?} {:?}", wanted.slice);
        let tag = format!("\"{}\"", blake3::hash(content.as_bytes()).to_hex());
        if has == Some(tag.as_bytes()) {
            return Ok(Drawn { png: None, hash, tag });
        }
        let png = match wanted.slice {
            Some(z) => slices::slice(volume, look, z),
            None => slices::sheet(volume, look),
        };
        let png = png.map_err(|error| match error {
            PreviewError::Slice { .. } => ViewError::NotFound(format!("{error}.")),
            PreviewError::Extent { .. } => {
                ViewError::refused("channel", "its slices do not fit in one picture: request them one by one")
            }
            other => ViewError::Broken(other.to_string()),
        })?;
        Ok(Drawn { png: Some(png), hash, tag })
    }

    fn find(&self, dataset: &str, case: &str) -> Result<Found, ViewError> {
        let manifest = Catalogue::of(&self.data)
            .dataset(dataset)
            .ok_or_else(|| ViewError::NotFound(format!("There is no data set {dataset:?}.")))?;
        let at =
            manifest.cases.iter().position(|c| c.case_id == case).ok_or_else(|| {
                ViewError::NotFound(format!("The data set {dataset} has no case {case:?}."))
            })?;
        let folder = self.data.datasets().join(&manifest.name);
        let shown =
            self.cases.load(&folder, &manifest.contents, &manifest.cases[at]).map_err(
                |error| match error {
                    DataError::Options(message) => ViewError::refused("case", message),
                    DataError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                        ViewError::Gone(format!(
                            "The file {} of case {case} is no longer in the data set {dataset}.",
                            manifest.cases[at].prepared
                        ))
                    }
                    other => ViewError::Broken(other.to_string()),
                },
            )?;
        Ok(Found { manifest, at, shown })
    }
}
