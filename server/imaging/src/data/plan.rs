//! The plan of a data set, from the statistics of its training cases.
//!
//! # Source
//! The rules are those of nnU-Net (Isensee et al., Nature Methods 18:203, 2021; supplementary note 2), except the size of
//! the box, which there fills a card's memory and here is what the middle case needs, with an end that a CPU can bear.

use std::{collections::BTreeMap, path::Path};

use rayon::prelude::*;
use transferscope_domain::{
    Name,
    dataset::{
        CaseEntry, Contents, DatasetManifest, Modality, Normalisation, Plan,
        plan::{Fingerprint, Intensities},
    },
    metric::Split,
};

use super::{DataError, case, case::Case, manifest, store};

/// Most voxels of a box that is not asked for.
const PATCH_VOXELS: usize = 96 * 96 * 96;

/// Sides of a box are multiples of this, which every network's own is.
const MULTIPLE: usize = 8;

/// Most values of one case that are kept for quantiles.
const SAMPLES: usize = 4000;

/// Images are taken to be of the region of interest where at least this share of their voxels is exactly 0.
const MASKED: f64 = 0.25;

/// The plan of a data set; none for prostate MRI, whose networks have grids of their own in the study that this program
/// repeats.
///
/// # Errors
/// When a case cannot be read.
pub fn of(dataset_dir: &Path, manifest: &DatasetManifest) -> Result<Option<Plan>, DataError> {
    if is_prostate(&manifest.contents) {
        return Ok(None);
    }
    let fingerprint = fingerprint(dataset_dir, manifest)?;
    Ok(Some(made(fingerprint, &manifest.contents)))
}

/// Changes fields of a data set's plan, as [`Plan::set`] reads them. A data set without one gets one of its own first.
///
/// # Errors
/// When the data set cannot be read or written, or a change is none; nothing is changed then.
pub fn change(dataset_dir: &Path, changes: &[(&str, &str)]) -> Result<DatasetManifest, DataError> {
    let mut manifest = manifest::load(dataset_dir)?;
    let mut plan = match manifest.plan.take() {
        Some(plan) => plan,
        None => made(fingerprint(dataset_dir, &manifest)?, &manifest.contents),
    };
    for (field, text) in changes {
        plan.set(field, text).map_err(DataError::Options)?;
    }
    manifest.plan = Some(plan);
    store::rewrite(dataset_dir, &manifest)?;
    Ok(manifest)
}

/// Whether the images are those of the study: all named as there, and T2-weighted among them.
fn is_prostate(contents: &Contents) -> bool {
    let study = Contents::prostate();
    contents.image("t2w").is_some()
        && contents.images.iter().all(|image| study.image(&image.name) == Some(image))
}

/// What the training cases are like.
fn fingerprint(dataset_dir: &Path, manifest: &DatasetManifest) -> Result<Fingerprint, DataError> {
    let cases: Vec<&CaseEntry> = manifest.cases.iter().filter(|c| c.split == Split::Train).collect();
    // Where no case trains there is nothing to keep from the plan.
    let cases = if cases.is_empty() { manifest.cases.iter().collect() } else { cases };
    let read: Vec<OfCase> = cases
        .par_iter()
        .with_max_len(1)
        .map(|entry| Ok(OfCase::of(&case::load(dataset_dir, entry)?, &manifest.contents)))
        .collect::<Result<_, DataError>>()?;
    let axis = |pick: &dyn Fn(&OfCase) -> f64| median(read.iter().map(pick).collect());
    let size = |a: usize| read.iter().map(move |c| c.shape[a]);
    let foreground = read.iter().any(|c| c.foreground_mm.is_some());
    let mut intensities = BTreeMap::new();
    for image in &manifest.contents.images {
        let mut values: Vec<f32> =
            read.iter().filter_map(|c| c.values.get(&image.name)).flat_map(|(v, _)| v).copied().collect();
        if values.is_empty() {
            continue;
        }
        values.sort_unstable_by(f32::total_cmp);
        let zeros = read.iter().filter_map(|c| c.values.get(&image.name)).map(|(_, zeros)| *zeros).collect();
        intensities.insert(image.name, Intensities { zeros: median(zeros), ..of_values(&values) });
    }
    Ok(Fingerprint {
        cases: read.len(),
        spacing_mm: std::array::from_fn(|a| axis(&|c| c.spacing_mm[a])),
        shape: std::array::from_fn(|a| axis(&|c| c.shape[a] as f64).round() as usize),
        shapes: [
            std::array::from_fn(|a| size(a).min().unwrap_or(0)),
            std::array::from_fn(|a| size(a).max().unwrap_or(0)),
        ],
        foreground_mm: foreground.then(|| {
            std::array::from_fn(|a| {
                let sizes: Vec<f64> = read.iter().filter_map(|c| Some(c.foreground_mm?[a])).collect();
                median(sizes)
            })
        }),
        intensities,
    })
}

/// What a plan is made of that a fingerprint says.
fn made(fingerprint: Fingerprint, contents: &Contents) -> Plan {
    let spacing_mm = spacing(&fingerprint);
    let normalisation = contents.images.iter().filter_map(|image| {
        let numbers = fingerprint.intensities.get(&image.name)?;
        Some((image.name, normalisation(image.modality, numbers)))
    });
    Plan {
        spacing_mm,
        patch: patch(&fingerprint, spacing_mm),
        normalisation: normalisation.collect(),
        mirror: [true; 3],
        changed: Vec::new(),
        fingerprint,
    }
}

/// The median in every direction.
fn spacing(fingerprint: &Fingerprint) -> [f64; 3] {
    fingerprint.spacing_mm.map(|mm| (mm * 1e4).round() / 1e4)
}

/// The median case's size, and where that is more than [`PATCH_VOXELS`], a smaller box of the same proportions in mm, as far as
/// voxels allow.
fn patch(fingerprint: &Fingerprint, spacing_mm: [f64; 3]) -> [usize; 3] {
    let whole: [f64; 3] =
        std::array::from_fn(|a| fingerprint.shape[a] as f64 * fingerprint.spacing_mm[a] / spacing_mm[a]);
    let mut sides = whole.map(|side| side.max(1.0));
    while sides.iter().product::<f64>() > PATCH_VOXELS as f64 {
        // The side that is longest beside the others in mm.
        let longest =
            (0..3).max_by(|a, b| (sides[*a] * spacing_mm[*a]).total_cmp(&(sides[*b] * spacing_mm[*b])));
        sides[longest.unwrap_or(0)] *= 0.95;
    }
    sides.map(|side| if side < 1.5 { 1 } else { (side.round() as usize).next_multiple_of(MULTIPLE) })
}

fn normalisation(modality: Modality, numbers: &Intensities) -> Normalisation {
    let Intensities { low, high, mean, deviation, zeros } = *numbers;
    match modality {
        Modality::Ct => Normalisation::Fixed { low, high, mean, deviation: deviation.max(1e-6) },
        Modality::Mr | Modality::Pet | Modality::Us | Modality::Other if zeros >= MASKED => {
            Normalisation::NonzeroZScore
        }
        Modality::Mr | Modality::Pet | Modality::Us | Modality::Other => Normalisation::ZScore,
    }
}

/// What one case tells.
struct OfCase {
    spacing_mm: [f64; 3],
    shape: [usize; 3],
    foreground_mm: Option<[f64; 3]>,
    /// Some values of each image within the masks, or of all of it without a mask; and its share of zeros.
    values: BTreeMap<Name, (Vec<f32>, f64)>,
}

impl OfCase {
    fn of(case: &Case, contents: &Contents) -> Self {
        let masks: Vec<&[f32]> = contents
            .masks
            .iter()
            .filter_map(|m| Some(case.volumes.get(m.name.as_str())?.data.as_slice()))
            .collect();
        let voxels = case.shape.iter().product();
        let shown: Vec<usize> = (0..voxels).filter(|i| masks.iter().any(|m| m[*i] > 0.0)).collect();
        let foreground_mm = bounding_box(&shown, case.shape)
            .map(|size| std::array::from_fn(|a| size[a] as f64 * case.spacing_mm[a]));
        let of_image = |data: &[f32]| {
            let n = if shown.is_empty() { data.len() } else { shown.len() };
            let step = n.div_ceil(SAMPLES).max(1);
            let at = |i: usize| if shown.is_empty() { data[i] } else { data[shown[i]] };
            let zeros = data.iter().filter(|v| **v == 0.0).count() as f64 / data.len().max(1) as f64;
            ((0..n).step_by(step).map(at).collect(), zeros)
        };
        let values = contents
            .images
            .iter()
            .filter_map(|image| Some((image.name, of_image(&case.volumes.get(image.name.as_str())?.data))));
        Self { spacing_mm: case.spacing_mm, shape: case.shape, foreground_mm, values: values.collect() }
    }
}

/// Size in voxels of the box around some voxels; none without any.
fn bounding_box(voxels: &[usize], [_, height, width]: [usize; 3]) -> Option<[usize; 3]> {
    let place = |i: usize| [i / (height * width), i / width % height, i % width];
    let first = place(*voxels.first()?);
    let (low, high) = voxels.iter().map(|i| place(*i)).fold((first, first), |(low, high), at| {
        (std::array::from_fn(|a| low[a].min(at[a])), std::array::from_fn(|a| high[a].max(at[a])))
    });
    Some(std::array::from_fn(|a| high[a] - low[a] + 1))
}

/// Numbers of sorted values, of which there is one at least.
fn of_values(sorted: &[f32]) -> Intensities {
    let n = sorted.len() as f64;
    let quantile = |q: f64| f64::from(sorted[((n - 1.0) * q).round() as usize]);
    let mean = sorted.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let deviation = (sorted.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
    Intensities { low: quantile(0.005), high: quantile(0.995), mean, deviation, zeros: 0.0 }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}
