//! The pictures below a folder, and what the folders on the way to them say.

use std::path::{Path, PathBuf};

use transferscope_domain::metric::Split;

use crate::data::{
    DataError,
    import::{
        image_names,
        listing::{self, Names},
        table,
    },
    read::picture,
};

/// Folders deeper than this are not looked into.
const MAX_DEPTH: usize = 4;

/// What a folder says of the pictures in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Image,
    Mask,
    Split(Split),
    /// Nothing that is known: a class, or a mask.
    Other,
}

/// Names of folders of images, plain.
const IMAGES: [&str; 11] = [
    "jpegimages",
    "photos",
    "images",
    "image",
    "imgs",
    "img",
    "pictures",
    "originals",
    "original",
    "inputs",
    "input",
];

/// Names of folders of masks, plain.
const MASKS: [&str; 20] = [
    "segmentationclass",
    "segmentationobject",
    "1stmanual",
    "manualsegmentation",
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "segmentations",
    "segmentation",
    "segs",
    "seg",
    "gt",
    "groundtruth",
    "manual",
    "targets",
    "target",
    "gts",
];

/// Ends of names of masks that lie beside their pictures.
const SUFFIXES: [&str; 12] = [
    "_mask",
    "-mask",
    "_masks",
    "_seg",
    "-seg",
    "_segmentation",
    "-segmentation",
    "_label",
    "-label",
    "_labels",
    "_gt",
    "_annotation",
];

/// A picture.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The folders on the way to it, with what each says.
    folders: Vec<(String, Vec<Role>)>,
    /// Its name without the ending.
    pub stem: String,
    /// Its name.
    name: String,
    pub path: PathBuf,
}

impl Seen {
    pub fn has(&self, role: Role) -> bool {
        self.folders.iter().any(|(_, own)| own.contains(&role))
    }

    pub fn split(&self) -> Option<Split> {
        self.folders.iter().flat_map(|(_, roles)| roles).find_map(|role| match role {
            Role::Split(split) => Some(*split),
            _ => None,
        })
    }

    /// The folders that say nothing that is known.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().filter(|(_, roles)| roles.contains(&Role::Other)).map(|(name, _)| name.as_str())
    }

    /// Its place below the folder.
    pub fn label(&self) -> String {
        let folders = self.folders.iter().map(|(name, _)| name.as_str());
        folders.chain([self.name.as_str()]).collect::<Vec<_>>().join("/")
    }

    /// Its folders and name as one.
    pub fn id(&self) -> String {
        let says = |role: &Role| matches!(role, Role::Other | Role::Split(_));
        let folders = self.folders.iter().filter(|(_, roles)| roles.iter().any(says));
        folders.map(|(name, _)| name.as_str()).chain([self.stem.as_str()]).collect::<Vec<_>>().join("_")
    }
}

/// What is below a folder.
#[derive(Debug, Default)]
pub struct Gathered {
    pub pictures: Vec<Seen>,
    /// Files that are images of other formats.
    pub images: usize,
    /// Files that are neither images nor texts.
    pub others: usize,
    seen: usize,
    /// Whether there was more than is looked at.
    pub stopped: bool,
}

/// The pictures below a folder, of at most `most` files and folders.
///
/// # Errors
/// When it cannot be listed.
pub fn pictures(folder: &Path, most: usize) -> Result<Gathered, DataError> {
    let mut all = Gathered::default();
    all.walk(folder, &mut Vec::new(), most)?;
    Ok(all)
}

impl Gathered {
    fn walk(
        &mut self,
        at: &Path,
        folders: &mut Vec<(String, Vec<Role>)>,
        most: usize,
    ) -> Result<(), DataError> {
        let Names { found, .. } = listing::names(at)?;
        for (name, is_folder) in found {
            self.seen += 1;
            if self.seen > most {
                self.stopped = true;
                return Ok(());
            }
            let path = at.join(&name);
            if is_folder {
                if folders.len() < MAX_DEPTH {
                    folders.push((name.clone(), roles(&name)));
                    self.walk(&path, folders, most)?;
                    folders.pop();
                }
            } else if let Some(stem) = picture::stem(&name) {
                let stem = stem.to_owned();
                self.pictures.push(Seen { folders: folders.clone(), stem, name, path });
            } else {
                let lower = name.to_ascii_lowercase();
                let ending = lower.rsplit_once('.').map_or("", |(_, ending)| ending);
                let text =
                    ["csv", "tsv", "txt", "md", "json", "xml", "toml", "yaml", "yml", "pdf", "html", "db"];
                if image_names::is_read(&name, false) || ["dcm", "ima", "nrrd"].contains(&ending) {
                    self.images += 1;
                } else if !text.contains(&ending) && ending != "ini" {
                    self.others += 1;
                }
            }
        }
        Ok(())
    }
}

/// What a folder's name says: `train_masks` says two things.
fn roles(name: &str) -> Vec<Role> {
    let lower = name.to_lowercase();
    let plain: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    if let Some(role) = role(&plain) {
        return vec![role];
    }
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(role)
        .collect::<Option<Vec<Role>>>()
        .filter(|roles| !roles.is_empty())
        .unwrap_or(vec![Role::Other])
}

fn role(word: &str) -> Option<Role> {
    if IMAGES.contains(&word) {
        return Some(Role::Image);
    }
    if MASKS.contains(&word) {
        return Some(Role::Mask);
    }
    table::split_named(word).map(Role::Split)
}

/// The name of the picture that a mask of this name belongs to; none where the name is none of a mask.
pub fn without_suffix(stem: &str) -> Option<&str> {
    let lower = stem.to_ascii_lowercase();
    let suffix = SUFFIXES.iter().find(|suffix| lower.ends_with(**suffix))?;
    Some(&stem[..stem.len() - suffix.len()]).filter(|stem| !stem.is_empty())
}

/// Pictures, and the masks that lie beside them and are named after them.
pub fn by_suffix(all: Vec<Seen>) -> (Vec<Seen>, Vec<Seen>) {
    let stems: std::collections::BTreeSet<String> = all.iter().map(|seen| seen.stem.clone()).collect();
    let (masks, images) =
        all.into_iter().partition(|seen| without_suffix(&seen.stem).is_some_and(|stem| stems.contains(stem)));
    (images, masks)
}
