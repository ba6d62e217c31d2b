//! Divergence to the pre-trained model, layer by layer.

use transferscope_domain::alignment::AlignmentValue;

use super::{
    AlignmentError, Features, Standard,
    estimate::{Orders, unbiased_and_p},
    pooled_bandwidth,
};

/// D2P: unbiased MMD² between the features before and after fine-tuning, of the same cases.
///
/// Both sets are standardised by the initial features of the layer; sigma is the median distance
/// over both sets together (see [`super::median_bandwidth`]); p is from `permutations` random orders of
/// `seed` (none for 0 permutations). Equal features give a value of at most 0, as the unbiased
/// estimate does. Where all rows of both sets are equal the value is 0 with p 1 and bandwidth 0.
/// `epoch` is copied into the values; `depth` is the position in the list. Sets of any size are
/// compared over all their rows; of more than [`super::SquaredDistances::MOST_ROWS`] rows together
/// the permutations take evenly spaced ones.
///
/// Every row stands for itself here; where several rows come from one case use
/// [`d2p_by_case`].
///
/// # Errors
/// When the two lists do not name the same layers in the same order, or a layer's features are
/// not finite, differ in width, or have fewer than two rows; the error names the layer.
///
/// # Source
/// The divergence "between the same features before and after fine-tuning" of arXiv 2601.15888;
/// kernel, bandwidth and standardisation are this project's choice.
pub fn d2p(
    initial: &[(String, Features)],
    tuned: &[(String, Features)],
    epoch: f64,
    permutations: usize,
    seed: u64,
) -> Result<Vec<AlignmentValue>, AlignmentError> {
    d2p_by_case(initial, tuned, epoch, 1, permutations, seed)
}

/// [`d2p`] where every `rows_per_case` neighbouring rows come from one case: the value is the
/// same, and the permutations deal out whole cases, since rows of one case are not independent.
///
/// # Errors
/// As [`d2p`].
pub fn d2p_by_case(
    initial: &[(String, Features)],
    tuned: &[(String, Features)],
    epoch: f64,
    rows_per_case: usize,
    permutations: usize,
    seed: u64,
) -> Result<Vec<AlignmentValue>, AlignmentError> {
    for position in 0..initial.len().max(tuned.len()) {
        let name =
            |list: &[(String, Features)]| list.get(position).map(|(n, _)| n.clone()).unwrap_or_default();
        let (initial, tuned) = (name(initial), name(tuned));
        if initial != tuned {
            return Err(AlignmentError::Layers { position, initial, tuned });
        }
    }
    let mut values = Vec::with_capacity(initial.len());
    for (depth, ((layer, before), (_, after))) in (0u32..).zip(initial.iter().zip(tuned)) {
        let orders = Orders { group: rows_per_case, count: permutations, seed };
        let (value, p, bandwidth) = compare(before, after, orders)
            .map_err(|e| AlignmentError::InLayer { layer: layer.clone(), source: Box::new(e) })?;
        values.push(AlignmentValue {
            epoch,
            layer: layer.clone(),
            depth,
            metric: "d2p".into(),
            value,
            p,
            bandwidth,
            n: u32::try_from(before.n).unwrap_or(u32::MAX),
        });
    }
    Ok(values)
}

/// Unbiased MMD² of two sets in standardised units, and the bandwidth by the median heuristic over both; 0 with
/// bandwidth 0 where all rows are equal.
///
/// # Errors
/// When a set is not finite, of another width, or has fewer than two rows.
pub fn d2p_between(standard: &Standard, x: &Features, y: &Features) -> Result<(f64, f64), AlignmentError> {
    let (x, y) = (standard.apply(x)?, standard.apply(y)?);
    let sigma = pooled_bandwidth(&x, &y)?;
    let (value, _) = unbiased_and_p(&x, &y, sigma, None, None)?;
    Ok((value, sigma.unwrap_or(0.0)))
}

/// Value, p and bandwidth of one layer.
fn compare(
    before: &Features,
    after: &Features,
    orders: Orders,
) -> Result<(f64, Option<f64>, f64), AlignmentError> {
    let standard = Standard::of(before)?;
    let (before, after) = (standard.apply(before)?, standard.apply(after)?);
    let sigma = pooled_bandwidth(&before, &after)?;
    let (value, p) = unbiased_and_p(&before, &after, sigma, Some(orders), None)?;
    Ok((value, p, sigma.unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::mmd2_biased;

    fn features(n: usize, dim: usize, f: impl Fn(usize) -> f32) -> Features {
        Features { n, dim, data: (0..n * dim).map(f).collect() }
    }

    fn layers(list: &[(&str, Features)]) -> Vec<(String, Features)> {
        list.iter().map(|(n, f)| ((*n).to_owned(), f.clone())).collect()
    }

    fn wave(i: usize) -> f32 {
        (i as f32 * 1.7).sin() * 3.0 + (i as f32 * 0.3).cos()
    }

    #[test]
    fn unchanged_features_have_no_divergence_and_moved_ones_do() {
        let initial = layers(&[("stage0", features(20, 4, wave)), ("stage1", features(20, 6, wave))]);
        let same = d2p(&initial, &initial, 0.0, 99, 1).unwrap();
        assert!(same.iter().all(|v| v.value <= 0.0 && v.p == Some(1.0) && v.bandwidth > 0.0 && v.n == 20));
        let rows = initial[0].1.standardise_by(&initial[0].1).unwrap();
        assert_eq!(mmd2_biased(&rows, &rows, 0.5).unwrap(), 0.0);

        let moved = layers(&[
            ("stage0", features(20, 4, |i| wave(i) + 6.0)),
            ("stage1", features(20, 6, |i| wave(i) + 0.5)),
        ]);
        let values = d2p(&initial, &moved, 3.0, 199, 1).unwrap();
        assert_eq!(values[0].p, Some(1.0 / 200.0));
        assert!(values[0].value > 0.2 && values[0].value > values[1].value);
        assert_eq!((values[0].epoch, values[1].depth, values[1].layer.as_str()), (3.0, 1, "stage1"));
        assert_eq!(values, d2p(&initial, &moved, 3.0, 199, 1).unwrap());
        assert_eq!(d2p(&initial, &moved, 3.0, 0, 1).unwrap()[0].p, None);
    }

    #[test]
    fn a_common_scale_of_the_features_changes_nothing() {
        let before = features(12, 3, wave);
        let after = features(12, 3, |i| wave(i) * 1.3 + 0.2);
        let scale = |f: &Features| Features { data: f.data.iter().map(|v| v * 64.0).collect(), ..f.clone() };
        let plain =
            d2p(&layers(&[("a", before.clone())]), &layers(&[("a", after.clone())]), 0.0, 0, 0).unwrap();
        let scaled =
            d2p(&layers(&[("a", scale(&before))]), &layers(&[("a", scale(&after))]), 0.0, 0, 0).unwrap();
        assert!((plain[0].value - scaled[0].value).abs() < 1e-12);
    }

    #[test]
    fn constant_features_are_0_with_p_1() {
        let constant = layers(&[("a", features(5, 3, |_| 0.25))]);
        let value = &d2p(&constant, &constant, 0.0, 20, 0).unwrap()[0];
        assert_eq!((value.value, value.p, value.bandwidth), (0.0, Some(1.0), 0.0));
    }

    #[test]
    fn rows_of_one_case_are_dealt_out_together() {
        // Each case's four rows are nearly equal, and cases differ more than training moved them.
        let before = features(24, 2, |i| (i / 8 * 8) as f32 * 0.5 + wave(i) * 0.01);
        let after = Features { data: before.data.iter().map(|v| v + 4.0).collect(), ..before.clone() };
        let (before, after) = (layers(&[("a", before)]), layers(&[("a", after)]));
        let by_row = &d2p(&before, &after, 0.0, 499, 1).unwrap()[0];
        let by_case = &d2p_by_case(&before, &after, 0.0, 4, 499, 1).unwrap()[0];
        assert_eq!(by_row.value, by_case.value);
        // Rows that count as independent make chance look smaller than it is.
        assert!(by_row.p.unwrap() + 0.2 < by_case.p.unwrap(), "{:?} {:?}", by_row.p, by_case.p);
    }

    #[test]
    fn very_many_rows_are_compared_without_a_matrix() {
        let many = features(2304, 2, wave);
        let moved = Features { data: many.data.iter().map(|v| v + 1.0).collect(), ..many.clone() };
        let (many, moved) = (layers(&[("a", many)]), layers(&[("a", moved)]));
        let value = &d2p_by_case(&many, &moved, 0.0, 8, 49, 1).unwrap()[0];
        assert_eq!((value.n, value.p), (2304, Some(0.02)));
        assert!(value.value > 0.01 && value.bandwidth > 0.0);
        assert!(d2p(&many, &many, 0.0, 0, 1).unwrap()[0].value <= 0.0);
        let torn = Features { n: 5000, dim: 1, data: vec![0.0] };
        assert!(d2p(&layers(&[("a", torn.clone())]), &layers(&[("a", torn)]), 0.0, 0, 0).is_err());
    }

    #[test]
    fn errors_name_the_layer() {
        let a = layers(&[("a", features(5, 3, wave))]);
        let nan = layers(&[("a", features(5, 3, |i| if i == 4 { f32::NAN } else { 0.0 }))]);
        let message = d2p(&a, &nan, 0.0, 0, 0).unwrap_err().to_string();
        assert!(message.contains("layer a") && message.contains("row 1, column 1"), "{message}");
        assert!(matches!(d2p(&a, &[], 0.0, 0, 0), Err(AlignmentError::Layers { .. })));
    }
}
