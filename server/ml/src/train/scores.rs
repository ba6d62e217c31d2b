//! Scores of a prediction, by the name of their metric; what is undefined or infinite is absent.

use std::collections::BTreeMap;

use transferscope_domain::{
    dataset::SegmentationTarget,
    metric::MetricKind,
    report::{CaseScore, PROBABILITY, TRUTH},
};

use super::{evaluate::argmax, example::Example};
use crate::metrics::{self, Confusion, Decisions, KappaWeight};
use transferscope_imaging::region;

/// Probability from which on a case counts as class 1.
const THRESHOLD: f64 = 0.5;
/// Least probability that a logarithm is taken of.
const LEAST: f64 = 1e-7;

/// Dice, HD95 and ASSD by class and their means. Where the example knows the case's own grid, they are of
/// that: probabilities are brought there, and what the network has not seen is background.
///
/// # Shapes
/// `probability` `[classes, D, H, W]` of the example's shape, `labels` and `truth` `[D, H, W]`.
pub fn labels(
    probability: &[f32],
    labels: &[u8],
    truth: &[u8],
    example: &Example,
    target: SegmentationTarget,
) -> BTreeMap<String, f64> {
    let native;
    let (labels, truth, shape, spacing_mm) = match &example.native {
        Some(own) => {
            let voxels = example.voxels();
            let there: Vec<f32> = probability
                .chunks(voxels)
                .enumerate()
                .flat_map(|(class, values)| {
                    own.placement.to_native_grid(values, if class == 0 { 1.0 } else { 0.0 })
                })
                .collect();
            native = argmax(&there, probability.len() / voxels);
            (native.as_slice(), own.labels.as_slice(), own.shape, own.spacing_mm)
        }
        None => (labels, truth, example.shape, [1.0; 3]),
    };
    let mut scores = BTreeMap::new();
    let names = target.classes();
    let dice = metrics::dice_by_class(labels, truth, names.len() as u8);
    let distances: Vec<_> = (1..=names.len() as u8)
        .map(|class| metrics::SurfaceDistances::between(labels, truth, class, shape, spacing_mm))
        .collect();
    let by_class = |pick: &dyn Fn(&metrics::SurfaceDistances) -> f64| -> Vec<Option<f64>> {
        distances.iter().map(|d| d.as_ref().map(pick)).collect()
    };
    for (kind, values) in [
        (MetricKind::Dice, dice),
        (MetricKind::Hd95Mm, by_class(&metrics::SurfaceDistances::hd95)),
        (MetricKind::AssdMm, by_class(&metrics::SurfaceDistances::assd)),
    ] {
        for (name, value) in names.iter().zip(&values) {
            scores.extend(value.map(|v| (format!("{kind}.{name}"), v)));
        }
        let found: Vec<f64> = values.into_iter().flatten().collect();
        if !found.is_empty() {
            scores.insert(kind.to_string(), found.iter().sum::<f64>() / found.len() as f64);
        }
    }
    scores
}

/// PSNR (data range 1), SSIM, NMSE and MAE in the example's box; names end with `suffix`.
///
/// # Shapes
/// Both `[D, H, W]` of the example's shape.
pub fn image(image: &[f32], sharp: &[f32], example: &Example, suffix: &str) -> BTreeMap<String, f64> {
    let shape = example.shape;
    let (image, sharp, shape) = match &example.region {
        Some(place) => {
            (region::cut(image, shape, place), region::cut(sharp, shape, place), region::size(place))
        }
        None => (image.to_vec(), sharp.to_vec(), shape),
    };
    let scores = [
        (MetricKind::PsnrDb, Some(metrics::psnr_db(&image, &sharp, 1.0))),
        (MetricKind::Ssim, Some(metrics::ssim3d(&image, &sharp, shape, 1.0))),
        (MetricKind::Nmse, metrics::nmse(&image, &sharp)),
        (MetricKind::Mae, Some(metrics::mae(&image, &sharp))),
    ];
    scores
        .into_iter()
        .filter_map(|(kind, value)| Some((format!("{kind}{suffix}"), value.filter(|v| v.is_finite())?)))
        .collect()
}

/// The cost of a probability, and what [`together`] needs of the case.
pub fn label(probability: f64, truth: u8) -> BTreeMap<String, f64> {
    let of_truth = if truth == 1 { probability } else { 1.0 - probability };
    BTreeMap::from([
        (MetricKind::LogLoss.to_string(), -of_truth.max(LEAST).ln()),
        (PROBABILITY.to_owned(), probability),
        (TRUTH.to_owned(), f64::from(truth)),
    ])
}

/// Measures of many cases together, which no single case has, of the network and of every method that
/// said a probability too (`probability@method`).
pub fn together(cases: &[&CaseScore]) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let Some(first) = cases.iter().find(|c| c.scores.contains_key(TRUTH)) else { return all };
    let suffixes: Vec<String> =
        first.scores.keys().filter_map(|name| name.strip_prefix(PROBABILITY)).map(str::to_owned).collect();
    for suffix in suffixes {
        let said = |c: &&&CaseScore| {
            Some((*c.scores.get(&format!("{PROBABILITY}{suffix}"))?, *c.scores.get(TRUTH)? > 0.5))
        };
        let (scores, truth): (Vec<f64>, Vec<bool>) = cases.iter().filter_map(|c| said(&c)).unzip();
        let decisions = Decisions::at(&scores, &truth, THRESHOLD);
        let found = [
            (MetricKind::Auroc, metrics::auroc(&scores, &truth)),
            (MetricKind::AveragePrecision, metrics::average_precision(&scores, &truth)),
            (MetricKind::BalancedAccuracy, decisions.balanced_accuracy()),
            (MetricKind::SensitivityAt80, metrics::sensitivity_at_specificity(&scores, &truth, 0.8)),
            (MetricKind::SensitivityAt90, metrics::sensitivity_at_specificity(&scores, &truth, 0.9)),
            (MetricKind::Kappa, kappa(&decisions)),
        ];
        all.extend(
            found.into_iter().filter_map(|(kind, value)| {
                Some((format!("{kind}{suffix}"), value.filter(|v| v.is_finite())?))
            }),
        );
    }
    all
}

/// Quadratic kappa of two classes.
fn kappa(decisions: &Decisions) -> Option<f64> {
    let Decisions { true_negatives, false_positives, false_negatives, true_positives } = *decisions;
    let confusion = Confusion {
        classes: 2,
        counts: vec![true_negatives, false_positives, false_negatives, true_positives],
    };
    confusion.kappa(KappaWeight::Quadratic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{
        evaluate::summary,
        example::{Native, Target},
        placement::Placement,
        sampling::WorkingGrid,
    };

    fn case(probability: f64, truth: u8) -> CaseScore {
        CaseScore {
            case_id: "c".into(),
            patient_id: "c".into(),
            split: "test".into(),
            scores: label(probability, truth),
        }
    }

    #[test]
    fn cases_are_measured_together_and_what_was_said_is_no_measure() {
        let cases = [case(0.9, 1), case(0.2, 0), case(0.6, 0), case(0.4, 1)];
        let all = summary(&cases);
        assert_eq!(all["auroc"], 0.75);
        assert_eq!(all["balanced_accuracy"], 0.5);
        assert_eq!(all["kappa"], 0.0);
        let mean = -(0.9f64.ln() + 0.8f64.ln() + 0.4f64.ln() + 0.4f64.ln()) / 4.0;
        assert!((all["log_loss"] - mean).abs() < 1e-12);
        assert!(!all.contains_key("probability") && !all.contains_key("truth"));
        let one_sided = summary(&cases[1..3]);
        assert!(!one_sided.contains_key("auroc") && one_sided.contains_key("log_loss"));
    }

    /// A label map that is right on the working grid is right on the case's own, in its millimetres.
    #[test]
    fn labels_are_scored_on_the_cases_own_grid() {
        let shape = [4, 64, 64];
        let truth: Vec<u8> = (0..4 * 64 * 64)
            .map(|i| u8::from((16..48).contains(&(i % 64)) && (16..48).contains(&(i / 64 % 64))))
            .collect();
        let placement = Placement::new(shape, [3.0, 0.5, 0.5], WorkingGrid::SMALL);
        let working: Vec<u8> = (0..4 * 32 * 32)
            .map(|i| u8::from((8..24).contains(&(i % 32)) && (8..24).contains(&(i / 32 % 32))))
            .collect();
        assert_eq!(placement.shape, [4, 32, 32]);
        let mut example = Example::new(
            ("c", "c"),
            placement.shape,
            Vec::new(),
            Target::Labels(working.clone()),
            Vec::new(),
        );
        example.native = Some(Native { placement, shape, spacing_mm: [3.0, 0.5, 0.5], labels: truth });
        let score = |moved: usize| {
            let mut shifted = working.clone();
            shifted.rotate_right(moved);
            let probability: Vec<f32> = shifted
                .iter()
                .map(|l| 1.0 - f32::from(*l))
                .chain(shifted.iter().map(|l| f32::from(*l)))
                .collect();
            labels(&probability, &shifted, &working, &example, SegmentationTarget::Gland)
        };
        let right = score(0);
        assert!(right["dice"] > 0.98 && right["hd95_mm"] <= 0.5 + 1e-9, "{right:?}");
        // Four pixels of 1 mm to the right.
        let moved = score(4);
        assert!((moved["hd95_mm"] - 4.0).abs() < 0.51 && moved["dice"] < 0.9, "{moved:?}");
    }
}
