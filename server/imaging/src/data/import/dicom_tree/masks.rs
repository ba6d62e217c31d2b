//! Which segmentation objects are which mask of which examination, and which value each of their segments has.
//!
//! A class has one value in all cases, whatever the numbers of its segments: labels of the whole tree are collected first.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use transferscope_domain::{
    Name,
    dataset::{ClassInfo, MaskInfo},
};

use super::{
    super::examination::FoundMask,
    choose::Choice,
    pattern,
    tree::{Object, Series, StudyKey, Tree},
};
use crate::data::read::{SegmentFile, Source, skim::Segment};

/// Segmentations of more names than this are numbered rather than named, and are taken for one mask.
const MOST_NAMES: usize = 8;

/// A mask of objects that do not say what they are.
const UNNAMED: &str = "segmentation";

/// The masks of a tree.
#[derive(Debug, Default)]
pub struct Masks<'a> {
    drawn: BTreeMap<(StudyKey, Name), Vec<Drawn<'a>>>,
    /// Values of classes by label in small letters, with how it is written.
    classes: BTreeMap<Name, BTreeMap<String, (String, u8)>>,
    /// Examinations all of whose objects were drawn on images of another one.
    moved: BTreeSet<StudyKey>,
    notes: Vec<String>,
}

/// An object of a mask.
#[derive(Debug)]
struct Drawn<'a> {
    path: PathBuf,
    series: &'a Series,
    object: &'a Object,
}

/// A segment's label.
fn label(segment: &Segment) -> String {
    let label: String = segment.label.split_whitespace().collect::<Vec<_>>().join(" ");
    if label.is_empty() { format!("segment {}", segment.number) } else { label }
}

impl<'a> Masks<'a> {
    /// All segmentation objects, by the examination whose images they were drawn on.
    pub fn of(tree: &'a Tree, choice: &Choice) -> Self {
        let mut masks = Self::default();
        let drawn = |series: &&Series| !series.objects.is_empty();
        if !tree.studies.values().any(|study| study.series.values().any(|series| drawn(&series))) {
            return masks;
        }
        let mut homes: BTreeMap<&str, &StudyKey> = BTreeMap::new();
        for (key, study) in &tree.studies {
            homes.extend(study.series.values().filter(|s| s.is_image()).map(|s| (s.uid.as_str(), key)));
        }
        let named = Names::of(tree, choice);
        let mut unasked = 0;
        for (key, study) in &tree.studies {
            for series in study.series.values().filter(drawn) {
                let Some(name) = named.of_series(series) else {
                    unasked += series.objects.len();
                    continue;
                };
                for (path, object) in tree.files_of(series).zip(&series.objects) {
                    let own = object.drawn_on.iter().any(|uid| study.series.contains_key(uid));
                    let other = || object.drawn_on.iter().find_map(|uid| homes.get(uid.as_str()).copied());
                    let home = if own { key } else { other().unwrap_or(key) };
                    if home != key {
                        masks.moved.insert(key.clone());
                    }
                    let classes = masks.classes.entry(name).or_default();
                    for label in object.segments.iter().map(label) {
                        let known = classes.entry(label.to_lowercase()).or_insert_with(|| (label.clone(), 0));
                        // Of several ways to write it the first in order.
                        known.0 = known.0.clone().min(label);
                    }
                    let path = tree.root.join(path);
                    masks.drawn.entry((home.clone(), name)).or_default().push(Drawn { path, series, object });
                }
            }
        }
        if unasked > 0 {
            masks
                .notes
                .push(format!("{unasked} segmentation objects fit none of the patterns and were not used"));
        }
        masks.notes.extend(named.note);
        masks.number();
        masks
    }

    /// Gives every class its value.
    fn number(&mut self) {
        let Self { classes, notes, drawn, .. } = self;
        classes.retain(|name, labels| {
            for (value, (_, own)) in (1u8..=255).zip(labels.values_mut()) {
                *own = value;
            }
            let fit = labels.len() <= 255;
            if !fit {
                notes.push(format!(
                    "{name}: its segments have {} labels, and a mask has at most 255 classes: it was left out",
                    labels.len()
                ));
            }
            fit
        });
        drawn.retain(|(_, name), _| classes.contains_key(name));
    }

    /// Whether the objects of an examination were drawn on another one's images.
    pub fn moved(&self, key: &StudyKey) -> bool {
        self.moved.contains(key)
    }

    /// The masks of an examination whose images are these series, the one that decides the grid first; and what was
    /// decided.
    pub fn sources(&self, key: &StudyKey, images: &[&str]) -> (BTreeMap<Name, Source>, Vec<String>) {
        let (mut sources, mut notes) = (BTreeMap::new(), Vec::new());
        for (name, classes) in &self.classes {
            let Some(drawn) = self.drawn.get(&(key.clone(), *name)) else { continue };
            // Those that were drawn on one image: the first one's before another one's before nobody's.
            let rank = |own: &Drawn| {
                let place = images.iter().position(|uid| own.object.drawn_on.iter().any(|on| on == uid));
                place.unwrap_or(images.len() + usize::from(!own.object.drawn_on.is_empty()))
            };
            let Some(best) = drawn.iter().min_by_key(|own| rank(own)) else { continue };
            let best_rank = rank(best);
            let like = |own: &&Drawn| {
                rank(own) == best_rank
                    && (best_rank < images.len() || own.object.drawn_on == best.object.drawn_on)
            };
            let kept: Vec<&Drawn> = drawn.iter().filter(like).collect();
            if best_rank > images.len() {
                notes.push(format!("{name} was drawn on a series that is none of its images"));
            }
            if kept.len() < drawn.len() {
                notes.push(format!(
                    "{name}: {} of {} segmentation objects were drawn on another series than the others and were left out",
                    drawn.len() - kept.len(),
                    drawn.len()
                ));
            }
            if kept.len() > 1 {
                notes.push(format!("{name}: {} segmentation objects make it together", kept.len()));
            }
            let mut files = kept
                .iter()
                .map(|own| SegmentFile { path: own.path.clone(), values: values(own.object, classes) });
            if let Some(first) = files.next() {
                let name_of = kept[0].series.description.clone();
                let called = if name_of.is_empty() { name.to_string() } else { name_of };
                sources.insert(*name, Source::Segments { name: called, first, others: files.collect() });
            }
        }
        (sources, notes)
    }

    /// What masks there are, with their classes; and what was noticed.
    pub fn found(self) -> (Vec<FoundMask>, Vec<String>) {
        let masks =
            self.classes.into_iter().filter(|(_, labels)| !labels.is_empty()).map(|(name, labels)| {
                let mut classes: Vec<ClassInfo> = labels
                    .into_values()
                    .map(|(name, value)| ClassInfo { name, values: vec![value] })
                    .collect();
                classes.sort_by(|a, b| a.values.cmp(&b.values));
                FoundMask::from(MaskInfo { name, classes, ignore: None })
            });
        (masks.collect(), self.notes)
    }
}

/// The value of each segment of an object.
fn values(object: &Object, classes: &BTreeMap<String, (String, u8)>) -> BTreeMap<u16, u8> {
    let value = |segment: &Segment| Some((segment.number, classes.get(&label(segment).to_lowercase())?.1));
    object.segments.iter().filter_map(value).collect()
}

/// What segmentations are called.
struct Names<'a> {
    choice: &'a Choice,
    /// Whether all are one mask.
    one: bool,
    note: Option<String>,
}

impl<'a> Names<'a> {
    fn of(tree: &Tree, choice: &'a Choice) -> Self {
        let mut names = Self { choice, one: false, note: None };
        let series = tree.studies.values().flat_map(|study| study.series.values());
        let all: BTreeSet<Name> =
            series.filter(|s| !s.objects.is_empty()).filter_map(|s| names.of_series(s)).collect();
        if choice.masks.is_empty() && all.len() > MOST_NAMES {
            names.one = true;
            names.note = Some(format!(
                "segmentations have {} descriptions and are taken for one mask, {UNNAMED}; to choose, say for example --image lesion=\"*lesion*\"",
                all.len()
            ));
        }
        names
    }

    /// The mask that the objects of a series are; none where other masks are asked for.
    fn of_series(&self, series: &Series) -> Option<Name> {
        if !self.choice.masks.is_empty() {
            let mut asked = self.choice.masks.iter();
            return asked.find(|(_, text)| pattern::fits(text, &series.description)).map(|(name, _)| *name);
        }
        let unnamed = || Name::like(UNNAMED);
        if self.one {
            return unnamed();
        }
        let name = Name::like(&series.description).or_else(unnamed)?;
        let is_image = self.choice.images.iter().any(|wanted| wanted.info.name == name);
        // What it is comes first, so that a long name does not lose it.
        if is_image { Name::like(&format!("mask-{name}")) } else { Some(name) }
    }
}
