//! Which series is which image.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::{
    Name,
    dataset::{Contents, Description, ImageInfo, Modality},
};

use super::{
    super::{channel_kind, image_names},
    listing, pattern,
    tree::{Series, Study, Tree},
};

/// Series of more descriptions than this are not taken for images without being asked for.
const MOST: usize = 3;

/// Words in descriptions of images on which others were planned.
const LOCALIZERS: [&str; 7] = ["localizer", "localiser", "loc", "scout", "survey", "topogram", "3plane"];

/// What is asked for.
#[derive(Debug)]
pub struct Choice {
    /// The image whose grid is a case's first.
    pub images: Vec<Wanted>,
    /// Masks by patterns of the descriptions of segmentations.
    pub masks: BTreeMap<Name, String>,
    pub notes: Vec<String>,
}

/// An image, and the series that are it.
#[derive(Debug)]
pub struct Wanted {
    pub info: ImageInfo,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    /// Those that fit a pattern.
    Pattern(String),
    /// Those that could be a volume and have this description.
    Description(String),
    /// The one that could be a volume.
    Only,
}

/// What a study has of an image.
pub enum Picked<'a> {
    /// A series, and what was decided.
    One(&'a Series, Option<String>),
    Nothing,
    /// Several, in words.
    Doubt(String),
}

/// The images and masks that are asked for, or that are plain.
///
/// # Errors
/// In words, with the series that are there: nothing is asked for and nothing is plain, or what is asked for is not there.
pub fn choice(tree: &Tree, said: &Description) -> Result<Choice, String> {
    let mut masks = BTreeMap::new();
    let mut rules: Vec<(Name, Rule)> = Vec::new();
    for (name, text) in &said.series {
        let rule = Rule::Pattern(text.clone());
        let any = |series: &dyn Fn(&Study) -> bool| tree.studies.values().any(series);
        if any(&|study| !rule.of(study).is_empty()) {
            rules.push((*name, rule));
        } else if any(&|study| !drawn(study, text).is_empty()) {
            masks.insert(*name, text.clone());
        } else {
            return Err(format!(
                "no series fits {name} = {text:?}; it is {}; {}",
                listing::tree(tree),
                how(tree)
            ));
        }
    }
    if rules.is_empty() {
        rules = plain(tree).ok_or_else(|| {
            format!("it is {}; nothing tells which series is which image; {}", listing::tree(tree), how(tree))
        })?;
    }
    let mut images: Vec<Wanted> =
        rules.into_iter().map(|(name, rule)| Wanted { info: info(tree, name, &rule), rule }).collect();
    let order = order(said);
    // The grid of a case is that of an image without distortion, where nothing else is said.
    images.sort_by_key(|wanted| (order(wanted.info.name), wanted.info.epi, wanted.info.name));
    let mut notes = Vec::new();
    if let ([first, _, ..], true) = (images.as_slice(), said.order.is_empty()) {
        notes.push(format!("{0} decides the grid of a case; order = [...] in dataset.toml, with another image first, changes it", first.info.name));
    }
    for wanted in &images {
        if let (None, Some(near)) = (prostate(wanted.info.name), image_names::near(&wanted.info.name)) {
            let name = wanted.info.name;
            notes.push(format!(
                "{name}: if it is the {near} of prostate MRI, name it {near}, and the prostate tasks know it"
            ));
        }
    }
    Ok(Choice { images, masks, notes })
}

/// How to say which series is which image, with those that could be usual ones.
pub fn how(tree: &Tree) -> String {
    let near = listing::usual(tree);
    let mut example: Vec<String> =
        near.iter().map(|(name, description)| format!("--image {name}={description:?}")).collect();
    if example.is_empty() {
        example.push("--image t2w=\"t2*tra*\"".into());
    }
    format!(
        "say which is which, for example with {} on the command line, or in dataset.toml below [series] (t2w = \"t2*tra*\"; * stands for anything, ? for one letter, | parts alternatives)",
        example.join(" ")
    )
}

/// Segmentations of a study that fit a pattern.
fn drawn<'a>(study: &'a Study, text: &str) -> Vec<&'a Series> {
    let masks = study.series.values().filter(|series| !series.objects.is_empty());
    masks.filter(|series| pattern::fits(text, &series.description)).collect()
}

/// Whether a series could be a volume, as far as its headers tell.
fn could_be(series: &Series) -> bool {
    let words = series.description.to_lowercase();
    let mut words = words.split(|c: char| !c.is_alphanumeric());
    series.is_image() && series.frames > 1 && !words.any(|word| LOCALIZERS.contains(&word))
}

/// What the images are where every examination has the same series: one alone, or a few of different descriptions.
fn plain(tree: &Tree) -> Option<Vec<(Name, Rule)>> {
    let studies: Vec<Vec<&Series>> = tree
        .studies
        .values()
        .map(|study| study.series.values().filter(|series| could_be(series)).collect::<Vec<_>>())
        .filter(|series| !series.is_empty())
        .collect();
    let descriptions: BTreeSet<&str> = studies.iter().flatten().map(|s| s.description.as_str()).collect();
    if studies.is_empty() {
        return None;
    }
    if studies.iter().all(|series| series.len() == 1) {
        let of_all = if descriptions.len() == 1 { descriptions.first().copied() } else { None };
        let modality = modality(studies.iter().flatten().copied());
        let usual = if modality == Modality::Other { "image" } else { modality.as_str() };
        let name = of_all.and_then(Name::like).or_else(|| Name::like(usual))?;
        return Some(vec![(name, Rule::Only)]);
    }
    let once = |series: &Vec<&Series>| {
        let own: BTreeSet<&str> = series.iter().map(|s| s.description.as_str()).collect();
        series.len() == descriptions.len() && own == descriptions
    };
    if descriptions.len() > MOST || !studies.iter().all(once) {
        return None;
    }
    let named: BTreeMap<Name, Rule> = descriptions
        .iter()
        .filter_map(|d| Some((Name::like(d)?, Rule::Description((*d).to_owned()))))
        .collect();
    (named.len() == descriptions.len()).then(|| named.into_iter().collect())
}

impl Rule {
    /// The series of a study that are meant.
    fn of<'a>(&self, study: &'a Study) -> Vec<&'a Series> {
        let all = || study.series.values();
        match self {
            Rule::Pattern(text) => {
                let images = || all().filter(|series| series.is_image());
                let by_description: Vec<_> =
                    images().filter(|series| pattern::fits(text, &series.description)).collect();
                if by_description.is_empty() {
                    images().filter(|series| pattern::fits(text, &series.protocol)).collect()
                } else {
                    by_description
                }
            }
            Rule::Description(text) => {
                all().filter(|series| could_be(series) && series.description == *text).collect()
            }
            Rule::Only => all().filter(|series| could_be(series)).collect(),
        }
    }
}

impl Wanted {
    /// In words: `t2w (t2*tra*)`.
    pub fn words(&self) -> String {
        match &self.rule {
            Rule::Pattern(text) | Rule::Description(text) => format!("{} ({text:?})", self.info.name),
            Rule::Only => self.info.name.to_string(),
        }
    }

    /// The series of a study that is this image: of several the one with most slices.
    pub fn pick<'a>(&self, study: &'a Study) -> Picked<'a> {
        let mut fitting = self.rule.of(study);
        fitting.sort_by_key(|series| (std::cmp::Reverse(series.frames), series.number, &series.uid));
        let words = |series: &[&Series]| series.iter().map(|s| s.words()).collect::<Vec<_>>().join(" and ");
        match fitting.as_slice() {
            [] => Picked::Nothing,
            [one] => Picked::One(one, None),
            [first, second, ..] if first.frames == second.frames => {
                let equal: Vec<&Series> =
                    fitting.iter().copied().filter(|series| series.frames == first.frames).collect();
                Picked::Doubt(format!(
                    "{} series of equally many images could be its {}: {}; give a pattern that only one of them fits, or take the files of the others away",
                    equal.len(),
                    self.words(),
                    words(&equal)
                ))
            }
            [first, others @ ..] => {
                let n = others.len() + 1;
                let note = format!(
                    "{n} series could be its {}: {} was taken, which has most images, not {}",
                    self.words(),
                    first.words(),
                    words(others)
                );
                Picked::One(first, Some(note))
            }
        }
    }

    /// Whether any study has a series of this description as this image.
    pub fn takes(&self, series: &Series, study: &Study) -> bool {
        matches!(self.pick(study), Picked::One(taken, _) if taken.uid == series.uid)
    }
}

/// What is known of an image by its name, and by what its series say.
fn info(tree: &Tree, name: Name, rule: &Rule) -> ImageInfo {
    if let Some(known) = prostate(name) {
        return known;
    }
    let told = modality(tree.studies.values().flat_map(|study| rule.of(study)));
    let by_name = channel_kind::image(name);
    if told == Modality::Other || told == by_name.modality {
        return by_name;
    }
    let unit = (told == Modality::Ct).then(|| "HU".to_owned());
    ImageInfo { name, modality: told, unit, epi: told == Modality::Mr && by_name.epi }
}

fn prostate(name: Name) -> Option<ImageInfo> {
    Contents::prostate().image(&name).cloned()
}

/// How series were made, as most of them say.
fn modality<'a>(series: impl Iterator<Item = &'a Series>) -> Modality {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    series.for_each(|series| *counts.entry(&series.modality).or_default() += 1);
    match counts.into_iter().max_by_key(|(_, n)| *n).map(|(modality, _)| modality) {
        Some("MR") => Modality::Mr,
        Some("CT") => Modality::Ct,
        Some("PT") => Modality::Pet,
        Some("US") => Modality::Us,
        _ => Modality::Other,
    }
}

/// The place of an image among those that a person put in order, then of those of prostate MRI.
fn order(said: &Description) -> impl Fn(Name) -> usize + '_ {
    let prostate: Vec<Name> = Contents::prostate().images.iter().map(|image| image.name).collect();
    move |name| {
        let to = said.images.get(&name).and_then(|change| change.name).unwrap_or(name);
        let said_place = said.order.iter().position(|n| *n == to);
        let known = prostate.iter().position(|n| *n == name).unwrap_or(prostate.len());
        said_place.unwrap_or(said.order.len() + known)
    }
}
