//! Scores of a prediction, by the name of their metric; what is undefined or infinite is absent.

use std::collections::BTreeMap;

use transferscope_domain::{
    dataset::MaskInfo,
    metric::MetricKind,
    report::{CaseScore, PROBABILITY, TRUTH},
};

use super::{
    evaluate::argmax,
    example::{Example, IGNORED},
};
use crate::metrics::{self, Confusion, Decisions, KappaWeight};
use transferscope_imaging::region;

/// Probability from which on a case counts as class 1.
const THRESHOLD: f64 = 0.5;
/// Least probability that a logarithm is taken of.
const LEAST: f64 = 1e-7;

/// Dice, HD95 and ASSD by class and their means. Where the example knows the case's own grid, they are of
/// that: probabilities are brought there, and what the network has not seen is background. Voxels whose truth is
/// [`IGNORED`] count for nothing; a region is all voxels of its values.
///
/// # Shapes
/// `probability` `[values + 1, D, H, W]` of the example's shape, `labels` and `truth` `[D, H, W]`.
pub fn labels(
    probability: &[f32],
    labels: &[u8],
    truth: &[u8],
    example: &Example,
    mask: &MaskInfo,
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
    let values = mask.values();
    let mut scores = BTreeMap::new();
    let mut found: [(MetricKind, Vec<f64>); 3] =
        [MetricKind::Dice, MetricKind::Hd95Mm, MetricKind::AssdMm].map(|kind| (kind, Vec::new()));
    for class in &mask.classes {
        // Which of the network's outputs belong to the class.
        let mut belongs = [false; 256];
        for (at, _) in values.iter().enumerate().filter(|(_, value)| class.values.contains(value)) {
            belongs[at + 1] = true;
        }
        let shown = |labels: &[u8]| -> Vec<u8> {
            let counts = labels.iter().zip(truth).map(|(l, t)| *t != IGNORED && belongs[usize::from(*l)]);
            counts.map(u8::from).collect()
        };
        let (said, is) = (shown(labels), shown(truth));
        let distances = metrics::SurfaceDistances::between(&said, &is, 1, shape, spacing_mm);
        let of_class = [
            metrics::dice_by_class(&said, &is, 1).pop().flatten(),
            distances.as_ref().map(metrics::SurfaceDistances::hd95),
            distances.as_ref().map(metrics::SurfaceDistances::assd),
        ];
        for ((kind, all), value) in found.iter_mut().zip(of_class) {
            let Some(value) = value else { continue };
            scores.insert(format!("{kind}.{}", class.name), value);
            all.push(value);
        }
    }
    for (kind, values) in found {
        if !values.is_empty() {
            scores.insert(kind.to_string(), values.iter().sum::<f64>() / values.len() as f64);
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

/// The cost of the probabilities of all classes of a case, and what [`together`] needs of it: the probability of the
/// second of two classes, or of each of several, and the class that it is.
pub fn label(probabilities: &[f64], truth: u8) -> BTreeMap<String, f64> {
    let of_truth = probabilities.get(usize::from(truth)).copied().unwrap_or(0.0);
    let mut scores = BTreeMap::from([
        (MetricKind::LogLoss.to_string(), -of_truth.max(LEAST).ln()),
        (TRUTH.to_owned(), f64::from(truth)),
    ]);
    match probabilities {
        [_, second] => {
            scores.insert(PROBABILITY.to_owned(), *second);
        }
        several => {
            scores.extend(several.iter().enumerate().map(|(class, p)| (format!("{PROBABILITY}.{class}"), *p)))
        }
    }
    scores
}

/// Measures of many cases together, which no single case has, of the network and of every method that
/// said a probability too (`probability@method`).
pub fn together(cases: &[&CaseScore]) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let Some(first) = cases.iter().find(|c| c.scores.contains_key(TRUTH)) else { return all };
    // `probability`, `probability@method`, `probability.2` or `probability.2@method`.
    let said = first.scores.keys().filter_map(|name| name.strip_prefix(PROBABILITY));
    let mut suffixes: Vec<(String, bool)> = said
        .map(|rest| match rest.strip_prefix('.') {
            None => (rest.to_owned(), false),
            Some(class) => (class.find('@').map_or(String::new(), |at| class[at..].to_owned()), true),
        })
        .collect();
    suffixes.sort();
    suffixes.dedup();
    for (suffix, several) in suffixes {
        let found = if several { of_several(cases, &suffix) } else { of_two(cases, &suffix) };
        all.extend(
            found.into_iter().filter_map(|(kind, value)| {
                Some((format!("{kind}{suffix}"), value.filter(|v| v.is_finite())?))
            }),
        );
    }
    all
}

fn of_two(cases: &[&CaseScore], suffix: &str) -> Vec<(MetricKind, Option<f64>)> {
    let said = |c: &&&CaseScore| {
        Some((*c.scores.get(&format!("{PROBABILITY}{suffix}"))?, *c.scores.get(TRUTH)? > 0.5))
    };
    let (scores, truth): (Vec<f64>, Vec<bool>) = cases.iter().filter_map(|c| said(&c)).unzip();
    let decisions = Decisions::at(&scores, &truth, THRESHOLD);
    vec![
        (MetricKind::Auroc, metrics::auroc(&scores, &truth)),
        (MetricKind::AveragePrecision, metrics::average_precision(&scores, &truth)),
        (MetricKind::BalancedAccuracy, decisions.balanced_accuracy()),
        (MetricKind::SensitivityAt80, metrics::sensitivity_at_specificity(&scores, &truth, 0.8)),
        (MetricKind::SensitivityAt90, metrics::sensitivity_at_specificity(&scores, &truth, 0.9)),
        (MetricKind::Kappa, kappa(&decisions)),
    ]
}

/// Of more than two classes: the mean over classes of each against the others, and what the likeliest class is worth.
/// Sensitivities at a specificity are of two classes alone.
fn of_several(cases: &[&CaseScore], suffix: &str) -> Vec<(MetricKind, Option<f64>)> {
    let said = |c: &&CaseScore| -> Option<(Vec<f64>, usize)> {
        let all = (0..).map_while(|class| c.scores.get(&format!("{PROBABILITY}.{class}{suffix}")).copied());
        Some((all.collect(), *c.scores.get(TRUTH)? as usize))
    };
    let (scores, truth): (Vec<Vec<f64>>, Vec<usize>) = cases.iter().filter_map(said).unzip();
    let classes = scores.first().map_or(0, Vec::len);
    let against = |measure: fn(&[f64], &[bool]) -> Option<f64>| {
        let each = (0..classes).filter_map(|class| {
            let own: Vec<f64> = scores.iter().map(|s| s[class]).collect();
            let is: Vec<bool> = truth.iter().map(|t| *t == class).collect();
            measure(&own, &is)
        });
        mean(&each.collect::<Vec<f64>>())
    };
    let likeliest = |s: &Vec<f64>| (1..s.len()).fold(0, |best, c| if s[c] > s[best] { c } else { best });
    let mut counts = vec![0u64; classes * classes];
    for (s, t) in scores.iter().zip(&truth) {
        counts[t * classes + likeliest(s)] += 1;
    }
    let recall = |class: usize| {
        let row = &counts[class * classes..(class + 1) * classes];
        let all: u64 = row.iter().sum();
        (all > 0).then(|| row[class] as f64 / all as f64)
    };
    let recalls: Vec<f64> = (0..classes).filter_map(recall).collect();
    vec![
        (MetricKind::Auroc, against(metrics::auroc)),
        (MetricKind::AveragePrecision, against(metrics::average_precision)),
        (MetricKind::BalancedAccuracy, mean(&recalls)),
        (MetricKind::Kappa, Confusion { classes, counts }.kappa(KappaWeight::Quadratic)),
    ]
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
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
    use transferscope_domain::dataset::ClassInfo;

    fn case(probability: f64, truth: u8) -> CaseScore {
        CaseScore {
            case_id: "c".into(),
            patient_id: "c".into(),
            split: "test".into(),
            scores: label(&[1.0 - probability, probability], truth),
        }
    }

    fn gland() -> MaskInfo {
        MaskInfo::of(transferscope_domain::Name::new("gland").unwrap(), &["gland"])
    }

    /// Three classes: each against the others by hand, kappa and recalls of the likeliest.
    #[test]
    fn several_classes_are_measured_each_against_the_others() {
        let case = |p: [f64; 3], truth: u8| CaseScore {
            case_id: "c".into(),
            patient_id: "c".into(),
            split: "test".into(),
            scores: label(&p, truth),
        };
        let cases = [
            case([0.8, 0.1, 0.1], 0),
            case([0.3, 0.4, 0.3], 1),
            case([0.2, 0.5, 0.3], 2),
            case([0.1, 0.2, 0.7], 2),
        ];
        let all = summary(&cases);
        // 0 against the others 1.0; 1: 0.4 is above 0.1 and 0.2 and below 0.5: 2/3; 2: 0.3 ties once: 3.5 of 4.
        let expected = (1.0 + 2.0 / 3.0 + 3.5 / 4.0) / 3.0;
        assert!((all["auroc"] - expected).abs() < 1e-12, "{all:?}");
        assert!((all["balanced_accuracy"] - 2.5 / 3.0).abs() < 1e-12);
        assert!(all["kappa"] > 0.0 && !all.contains_key("sensitivity_at_80"));
        assert!(!all.keys().any(|k| k.starts_with("probability") || k == "truth"));
    }

    /// A region of two values is scored over both, and what is ignored counts for nothing.
    #[test]
    fn regions_overlap_and_ignored_voxels_do_not_count() {
        let name = transferscope_domain::Name::new("tumour").unwrap();
        let class = |name: &str, values: &[u8]| ClassInfo { name: name.into(), values: values.to_vec() };
        let mask =
            MaskInfo { name, classes: vec![class("whole", &[1, 2]), class("core", &[2])], ignore: Some(9) };
        let truth = vec![0, 1, 2, IGNORED];
        let said = vec![0, 2, 2, 2];
        let probability: Vec<f32> =
            (0..3u8).flat_map(|c| said.iter().map(move |l: &u8| f32::from(u8::from(*l == c)))).collect();
        let example =
            Example::new(("c", "c"), [1, 1, 4], Vec::new(), Target::Labels(truth.clone()), Vec::new());
        let scores = labels(&probability, &said, &truth, &example, &mask);
        assert_eq!(scores["dice.whole"], 1.0);
        assert!((scores["dice.core"] - 2.0 / 3.0).abs() < 1e-12);
        assert!((scores["dice"] - 5.0 / 6.0).abs() < 1e-12);
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
            labels(&probability, &shifted, &working, &example, &gland())
        };
        let right = score(0);
        assert!(right["dice"] > 0.98 && right["hd95_mm"] <= 0.5 + 1e-9, "{right:?}");
        // Four pixels of 1 mm to the right.
        let moved = score(4);
        assert!((moved["hd95_mm"] - 4.0).abs() < 0.51 && moved["dice"] < 0.9, "{moved:?}");
    }
}
