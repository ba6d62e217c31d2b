//! One folder a case, with images that are named by what they show.
//!
//! Prostate MRI has its names (t2w, adc, hbv; gland, zones, lesion), and names close to one of them are near misses that
//! are named, not guessed. Of other data every name that most cases have is an image or a mask of that name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use transferscope_domain::{Name, dataset::Contents};

use super::{
    case_files::CaseFiles,
    channel_kind::{self, ChannelKind},
    examination::{Examination, Found, FoundMask},
    image_names::{self, Meant},
    layout::Layout,
    listing::{self, Names},
};
use crate::data::{DataError, read::Source};

/// A case's folder with the names in it, or why it cannot be listed.
struct Folder {
    case_id: String,
    names: Result<Names, DataError>,
}

/// What a name of a file or folder in a case stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stands {
    For(Name),
    /// An image under no name that counts; perhaps this one was meant.
    NearMiss(Option<&'static str>),
    /// It is in too few cases to be one of the set's.
    Rare,
    Nothing,
}

/// The case folders in a folder; nothing says whose each is.
///
/// # Errors
/// When the folder cannot be listed or holds too many.
pub fn find(folder: &Path) -> Result<Found, DataError> {
    let Names { found, unreadable } = listing::names(folder)?;
    let lies_here =
        |(name, is_folder): &(&String, &bool)| image_names::meant(name, **is_folder) == Meant::Channel("t2w");
    if let Some((name, _)) = found.iter().find(lies_here) {
        let reason = format!(
            "{name} lies in the folder itself: every case has a folder of its own in it, and its images lie there (CASE/t2w.nii.gz)"
        );
        return Err(DataError::refused(folder, reason));
    }
    let folders: Vec<Folder> = found
        .into_iter()
        .filter(|(_, is_folder)| *is_folder)
        .map(|(case_id, _)| Folder { names: listing::names(&folder.join(&case_id)), case_id })
        .collect();
    let prostate = is_prostate(&folders);
    let mut all = if prostate {
        Found::prostate(Layout::Cases, Vec::new())
    } else {
        let (images, masks, labels) = (Vec::new(), Vec::new(), Vec::new());
        let (examinations, left_out, notes) = (Vec::new(), Vec::new(), Vec::new());
        Found { layout: Layout::Cases, images, masks, labels, examinations, left_out, notes }
    };
    let others = common_names(folder, &folders, prostate);
    for (name, kind) in &others {
        if let Some(near) = image_names::near(name).filter(|_| !prostate) {
            all.notes.push(format!(
                "{name}: if it is the {near} of prostate MRI, name it {near}, and the prostate tasks know it"
            ));
        }
        match kind {
            ChannelKind::Image(info) => all.images.push(info.clone()),
            ChannelKind::Mask => all.masks.push(FoundMask::untold(*name)),
        }
    }
    let reference = all.reference().or_else(|| Contents::prostate().images.first().map(|i| i.name));
    if let Some(reference) = reference {
        let layout = Naming { all: &all, others: &others, prostate, reference };
        let cases = folders.into_iter().map(|Folder { case_id, names }| {
            let files = names.and_then(|names| layout.files(&folder.join(&case_id), &names));
            Examination::new(case_id, files)
        });
        let unreadable = unreadable.into_iter().filter(|(_, is_folder)| *is_folder).map(|(name, _)| {
            let reason = "the folder's name is not valid Unicode: give it another one";
            let files = Err(DataError::refused(folder.join(&name), reason));
            Examination::new(name, files)
        });
        all.examinations = cases.chain(unreadable).collect();
    }
    Ok(all)
}

/// Whether any case has an image or mask of prostate MRI under its very name, or none has an image at all: then what is
/// expected is said with these names.
fn is_prostate(folders: &[Folder]) -> bool {
    let mut any = false;
    for (name, is_folder) in folders.iter().filter_map(|f| f.names.as_ref().ok()).flat_map(|n| &n.found) {
        match image_names::meant(name, *is_folder) {
            Meant::Channel(_) => return true,
            Meant::Perhaps(_) => any = true,
            // Such as a folder `ct` of DICOM files.
            Meant::NoImage => {
                any |=
                    *is_folder && Name::like(name).is_some_and(|name| channel_kind::by_name(&name).is_some());
            }
        }
    }
    !any
}

/// Names beside those of prostate MRI that most cases have, or that say to be a mask, with what they are.
fn common_names(folder: &Path, folders: &[Folder], prostate: bool) -> BTreeMap<Name, ChannelKind> {
    let mut by_stem: BTreeMap<Name, Vec<(usize, &str, bool)>> = BTreeMap::new();
    for (case, names) in folders.iter().enumerate().filter_map(|(i, f)| Some((i, f.names.as_ref().ok()?))) {
        for (name, is_folder) in &names.found {
            let takes = match image_names::meant(name, *is_folder) {
                Meant::Channel(_) => false,
                // Near misses of prostate names are named, unless the set has nothing to do with them.
                Meant::Perhaps(Some(_)) => !prostate && image_names::is_read(name, *is_folder),
                Meant::Perhaps(None) => true,
                Meant::NoImage => *is_folder,
            };
            if let Some(stem) = takes.then(|| image_names::stem(name, *is_folder)).and_then(Name::like) {
                by_stem.entry(stem).or_default().push((case, name, *is_folder));
            }
        }
    }
    let readable = folders.iter().filter(|f| f.names.is_ok()).count();
    let mut kinds = BTreeMap::new();
    for (stem, places) in by_stem {
        let cases: BTreeSet<usize> = places.iter().map(|(case, ..)| *case).collect();
        let common = 2 * cases.len() >= readable && (!prostate || cases.len() > 1);
        let by_name = channel_kind::by_name(&stem);
        if !common && !matches!(by_name, Some(ChannelKind::Mask)) {
            continue;
        }
        // A folder that is none of DICOM files is no image.
        let examples = places
            .iter()
            .map(|(case, name, is_folder)| (folder.join(&folders[*case].case_id).join(name), *is_folder));
        if let Some(kind) = channel_kind::of(stem, by_name, examples) {
            kinds.insert(stem, kind);
        }
    }
    kinds
}

/// What names in the folders of cases stand for.
struct Naming<'a> {
    all: &'a Found,
    others: &'a BTreeMap<Name, ChannelKind>,
    prostate: bool,
    reference: Name,
}

impl Naming<'_> {
    fn stands(&self, name: &str, is_folder: bool) -> Stands {
        let stem = Name::like(image_names::stem(name, is_folder));
        let known = stem.filter(|stem| self.others.contains_key(stem));
        let readable = image_names::is_read(name, is_folder);
        match (image_names::meant(name, is_folder), known) {
            (Meant::Channel(channel), _) if self.prostate => {
                Name::new(channel).map_or(Stands::Nothing, Stands::For)
            }
            (Meant::NoImage, Some(stem)) if is_folder => Stands::For(stem),
            (Meant::NoImage, _) => Stands::Nothing,
            (_, Some(stem)) if readable => Stands::For(stem),
            (Meant::Perhaps(channel), _) if self.prostate => Stands::NearMiss(channel),
            (Meant::Perhaps(_) | Meant::Channel(_), _) => Stands::Rare,
        }
    }

    /// Looks for the images and masks of a case, whatever the case of their names; what else looks like an image is
    /// named.
    fn files(&self, folder: &Path, Names { found, unreadable }: &Names) -> Result<CaseFiles, DataError> {
        let mut candidates: BTreeMap<Name, Vec<&String>> = BTreeMap::new();
        let mut others = Vec::new();
        for (name, is_folder) in found {
            match self.stands(name, *is_folder) {
                Stands::For(channel) => candidates.entry(channel).or_default().push(name),
                Stands::NearMiss(channel) => others.push((name, Some(channel))),
                Stands::Rare => others.push((name, None)),
                Stands::Nothing => {}
            }
        }
        if let Some((channel, names)) = candidates.iter().find(|(_, names)| names.len() > 1) {
            let names = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and ");
            return Err(DataError::refused(folder, format!("{channel} is there more than once: {names}")));
        }
        let there = |channel: &str| candidates.get(channel).map(|names| names[0].as_str());
        let left_out = |(name, meant): &(&String, Option<Option<&str>>)| match meant {
            Some(channel) => image_names::left_out(name, *channel, there),
            None => self.rare(name),
        };
        let mut notes: Vec<String> = others.iter().map(left_out).collect();
        notes.extend(
            unreadable.keys().map(|name| format!("{name:?} was left out: its name is not valid Unicode")),
        );
        if self.prostate && !candidates.contains_key("t2w") {
            notes.extend(deeper(folder, found));
        }
        let (mut images, mut masks) = (BTreeMap::new(), BTreeMap::new());
        for (channel, names) in candidates {
            let source = Source::Path(folder.join(names[0]));
            let kind = if self.all.mask(&channel).is_some() { &mut masks } else { &mut images };
            kind.insert(channel, source);
        }
        CaseFiles::new(folder, self.reference, images, masks, notes)
    }

    /// Says that an image was left out since hardly any case has its like, and which was perhaps meant.
    fn rare(&self, name: &str) -> String {
        if !image_names::is_read(name, false) {
            return format!("{name} was left out, since such files are not read");
        }
        let stem = image_names::stem(name, false).to_lowercase();
        let near = self
            .others
            .keys()
            .find(|known| image_names::one_letter_off(&stem, known) || stem.starts_with(known.as_str()));
        let meant = near
            .map(|known| format!(": name it {known} if it is the {known} of this case"))
            .unwrap_or_default();
        format!("{name} was left out, since few cases have an image of this name{meant}")
    }
}

/// Names the t2w image that lies a folder deeper than it should; none where there is none.
fn deeper(folder: &Path, found: &BTreeMap<String, bool>) -> Option<String> {
    const LOOKED_INTO: usize = 20;
    let folders = found.iter().filter(|(_, is_folder)| **is_folder).take(LOOKED_INTO);
    folders.filter_map(|(name, _)| Some((name, listing::names(&folder.join(name)).ok()?.found))).find_map(
        |(name, inner)| {
            let t2w = inner.iter().find(|(image, is_folder)| {
                matches!(image_names::meant(image, **is_folder), Meant::Channel("t2w"))
            });
            t2w.map(|(image, _)| format!("{name}/{image} lies a folder too deep: move what is in {name} up"))
        },
    )
}
