//! Overlap of label maps.

/// Dice coefficient of one class, `2 |P and T| / (|P| + |T|)`, 0 to 1.
///
/// None where the truth has no voxel of the class (the score would say nothing about overlap;
/// means leave it out), and 0 where only the prediction is empty.
///
/// # Panics
/// When the two maps differ in length.
pub fn dice(prediction: &[u8], truth: &[u8], class: u8) -> Option<f64> {
    assert_eq!(prediction.len(), truth.len(), "label maps of one case have one size");
    let (mut both, mut sizes, mut in_truth) = (0u64, 0u64, 0u64);
    for (p, t) in prediction.iter().zip(truth) {
        let (p, t) = (u64::from(*p == class), u64::from(*t == class));
        both += p & t;
        sizes += p + t;
        in_truth += t;
    }
    (in_truth > 0).then(|| 2.0 * both as f64 / sizes as f64)
}

/// [`dice`] of the classes 1 to `classes`, class 1 first; background is not scored.
pub fn dice_by_class(prediction: &[u8], truth: &[u8], classes: u8) -> Vec<Option<f64>> {
    (1..=classes).map(|class| dice(prediction, truth, class)).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0u32);
    for v in values {
        sum += v;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}

/// Mean over the scored classes of each case, then over the cases that have any; `cases` holds
/// one row of [`dice_by_class`] a case. None where nothing could be scored.
pub fn mean_dice(cases: &[Vec<Option<f64>>]) -> Option<f64> {
    mean(cases.iter().filter_map(|case| mean(case.iter().flatten().copied())))
}

/// Mean of each class over the cases that have it.
pub fn mean_by_class(cases: &[Vec<Option<f64>>]) -> Vec<Option<f64>> {
    let classes = cases.iter().map(Vec::len).max().unwrap_or(0);
    (0..classes)
        .map(|class| mean(cases.iter().filter_map(|case| case.get(class).copied().flatten())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    /// Single precision in the reference.
    const TOLERANCE: f64 = 1e-5;

    #[test]
    fn equals_the_reference_on_every_mask_pair() {
        let Some(masks) = reference::tensors("metrics/segmentation_masks.safetensors") else { return };
        let expected = reference::json("metrics/segmentation.json").unwrap();
        for (case, values) in expected["cases"].as_object().unwrap() {
            let ours = dice(&masks.u8(&format!("{case}.prediction")), &masks.u8(&format!("{case}.truth")), 1);
            let theirs = reference::number(&values["dice_monai_ignore_empty"]);
            match ours {
                Some(ours) => assert!((ours - theirs).abs() < TOLERANCE, "{case}: {ours} and {theirs}"),
                None => assert!(theirs.is_nan(), "{case}: none and {theirs}"),
            }
        }
    }

    #[test]
    fn means_equal_the_reference_and_skip_absent_classes() {
        let Some(masks) = reference::tensors("metrics/segmentation_masks.safetensors") else { return };
        let expected = &reference::json("metrics/segmentation.json").unwrap()["multiclass"];
        let (prediction, truth) = (masks.u8("multiclass.prediction"), masks.u8("multiclass.truth"));
        let size = prediction.len() / 3;
        let cases: Vec<_> = (0..3)
            .map(|i| dice_by_class(&prediction[i * size..][..size], &truth[i * size..][..size], 3))
            .collect();
        for (case, theirs) in cases.iter().zip(expected["per_case_class"].as_array().unwrap()) {
            for (ours, theirs) in case.iter().zip(theirs.as_array().unwrap()) {
                let theirs = reference::number(theirs);
                assert!(ours.map_or(theirs.is_nan(), |o| (o - theirs).abs() < TOLERANCE));
            }
        }
        let theirs = reference::number(&expected["DiceMetric_mean"][0]);
        assert!((mean_dice(&cases).unwrap() - theirs).abs() < TOLERANCE);
        let theirs = expected["DiceMetric_mean_batch"].as_array().unwrap();
        for (ours, theirs) in mean_by_class(&cases).iter().zip(theirs) {
            assert!((ours.unwrap() - reference::number(theirs)).abs() < TOLERANCE);
        }
    }

    #[test]
    fn an_empty_truth_is_not_scored_and_an_empty_prediction_is_zero() {
        assert_eq!(dice(&[1, 0], &[0, 0], 1), None);
        assert_eq!(dice(&[0, 0], &[0, 0], 1), None);
        assert_eq!(dice(&[0, 0], &[1, 0], 1), Some(0.0));
        assert_eq!(mean_dice(&[vec![None], vec![]]), None);
        assert_eq!(mean_dice(&[vec![None, Some(0.5)], vec![Some(1.0), Some(0.0)]]), Some(0.5));
    }
}
