//! How features move along a training, layer by layer.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use transferscope_domain::alignment::{AlignmentValue, names};

use crate::{
    alignment::{
        AlignmentError, Discrepancy, Features, PairSums, Rows, Standard,
        estimate::{Orders, mmd2_and_p},
        pooled_bandwidth,
    },
    feature_file::Layers,
    similarity::{linear_cka, procrustes_distance},
};

/// Features of the same cases at several times of a training.
#[derive(Debug, Clone, Copy)]
pub struct FeatureTrajectory<'a> {
    /// Epoch and features, in order; the first are those before training.
    pub epochs: &'a [(f64, Layers)],
    /// The epoch whose network was tested.
    pub tested: f64,
    /// Of the same architecture with random weights.
    pub random: Option<&'a Layers>,
    /// Rows in a row that come from one case.
    pub rows_per_case: usize,
    /// Random orders behind the p-value of the tested network.
    pub permutations: usize,
    pub seed: u64,
    pub how: Discrepancy,
    /// The device for sets of more than [`crate::alignment::SquaredDistances::MOST_ROWS`] rows together; none is this one.
    pub elsewhere: Option<&'a dyn PairSums>,
}

impl FeatureTrajectory<'_> {
    /// Of every layer and epoch: `d2p`, MMD² to before training; `d2r`, MMD² to random weights; `cka` and
    /// `procrustes`, how alike the features are to those before training. Of the tested network also a p-value of
    /// `d2p`, and the controls: `control-identity`, the MMD² of the features before training with themselves (at most
    /// 0); `control-random`, between before training and random weights; `control-shuffled`, CKA where the cases are
    /// dealt out anew.
    ///
    /// All sets are standardised by the features before training. A layer has one bandwidth, by the median heuristic
    /// over the features before training and those of the tested network together. Sets of any size are compared over
    /// all their rows; of more than [`crate::alignment::SquaredDistances::MOST_ROWS`] rows together the permutations take evenly
    /// spaced ones, in whole cases.
    ///
    /// # Errors
    /// When the epochs do not have the same layers with the same rows, or a value is not finite.
    pub fn values(&self) -> Result<Vec<AlignmentValue>, AlignmentError> {
        let Some((_, initial)) = self.epochs.first() else { return Ok(Vec::new()) };
        let mut values = Vec::new();
        for (depth, (layer, before)) in initial.iter().enumerate() {
            self.of_layer(depth, layer, before, &mut values)
                .map_err(|e| AlignmentError::InLayer { layer: layer.clone(), source: Box::new(e) })?;
        }
        Ok(values)
    }

    fn of_layer(
        &self,
        depth: usize,
        layer: &str,
        before: &Features,
        values: &mut Vec<AlignmentValue>,
    ) -> Result<(), AlignmentError> {
        let standard = Standard::of(before)?;
        let rows = |layers: &Layers| -> Result<Rows, AlignmentError> {
            match layers.get(depth) {
                Some((name, features)) if name == layer => standard.apply(features),
                other => Err(AlignmentError::Layers {
                    position: depth,
                    initial: layer.to_owned(),
                    tuned: other.map(|(name, _)| name.clone()).unwrap_or_default(),
                }),
            }
        };
        let initial = standard.apply(before)?;
        let random = self.random.map(&rows).transpose()?;
        let tested = self.epochs.iter().find(|(epoch, _)| *epoch == self.tested);
        let tested = tested.map_or_else(|| Ok(initial.clone()), |(_, layers)| rows(layers))?;
        // Where all rows are equal there is no bandwidth, and no distance either.
        let sigma = pooled_bandwidth(&initial, &tested)?;
        let mmd2 = |x: &Rows, y: &Rows| Ok(mmd2_and_p(x, y, sigma, self.how, None, self.elsewhere)?.0);
        let orders = Orders { group: self.rows_per_case, count: self.permutations, seed: self.seed };
        let n = u32::try_from(before.n).unwrap_or(u32::MAX);
        let mut say = |epoch: f64, metric: &str, value: f64, p: Option<f64>| {
            values.push(AlignmentValue {
                epoch,
                layer: layer.to_owned(),
                depth: depth as u32,
                metric: metric.to_owned(),
                value,
                p,
                bandwidth: sigma.unwrap_or(0.0),
                n,
            });
        };
        for (epoch, layers) in self.epochs {
            let now = rows(layers)?;
            let asked = (*epoch == self.tested).then_some(orders);
            let (d2p, p) = mmd2_and_p(&now, &initial, sigma, self.how, asked, self.elsewhere)?;
            say(*epoch, names::D2P, d2p, p);
            if let Some(random) = &random {
                say(*epoch, names::D2R, mmd2(&now, random)?, None);
            }
            if let Some(cka) = linear_cka(&now, &initial)? {
                say(*epoch, names::CKA, cka, None);
            }
            if let Some(distance) = procrustes_distance(&now, &initial)? {
                say(*epoch, names::PROCRUSTES, distance, None);
            }
        }
        say(self.tested, names::CONTROL_IDENTITY, mmd2(&initial, &initial)?, None);
        if let Some(random) = &random {
            say(self.tested, names::CONTROL_RANDOM, mmd2(random, &initial)?, None);
        }
        if let Some(cka) = linear_cka(&self.shuffled(&tested)?, &initial)? {
            say(self.tested, names::CONTROL_SHUFFLED, cka, None);
        }
        Ok(())
    }

    /// The same rows with the cases in a random order.
    fn shuffled(&self, rows: &Rows) -> Result<Rows, AlignmentError> {
        let per_case = self.rows_per_case.max(1);
        let mut cases: Vec<usize> = (0..rows.n().div_ceil(per_case)).collect();
        cases.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        let order = cases.into_iter().flat_map(|c| (c * per_case)..((c + 1) * per_case).min(rows.n()));
        Rows::new(rows.dim(), order.flat_map(|i| rows.row(i)).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(shift: f32, scale: f32) -> Layers {
        let wave = |i: usize| (i as f32 * 1.7).sin() * 3.0 + (i as f32 * 0.3).cos();
        let data: Vec<f32> = (0..16 * 4).map(|i| wave(i) * scale + shift).collect();
        vec![("stage0".into(), Features { n: 16, dim: 4, data })]
    }

    fn value(values: &[AlignmentValue], metric: &str, epoch: f64) -> AlignmentValue {
        values.iter().find(|v| v.metric == metric && v.epoch == epoch).cloned().unwrap()
    }

    #[test]
    fn features_that_move_away_are_farther_by_epoch_under_one_bandwidth() {
        let epochs = vec![(0.0, layers(0.0, 1.0)), (1.0, layers(1.0, 1.0)), (2.0, layers(4.0, 1.0))];
        let random = layers(-9.0, 0.2);
        let course = FeatureTrajectory {
            epochs: &epochs,
            tested: 2.0,
            random: Some(&random),
            rows_per_case: 2,
            permutations: 99,
            seed: 1,
            how: Discrepancy::default(),
            elsewhere: None,
        };
        let values = course.values().unwrap();
        let of = |metric, epoch| value(&values, metric, epoch);
        assert!(of(names::D2P, 0.0).value <= 0.0);
        assert!(of(names::D2P, 1.0).value < of(names::D2P, 2.0).value);
        assert_eq!((of(names::D2P, 1.0).p, of(names::D2P, 2.0).p), (None, Some(0.01)));
        assert!(values.iter().all(|v| v.bandwidth == values[0].bandwidth && v.bandwidth > 0.0 && v.n == 16));
        // A shift changes neither CKA nor Procrustes.
        assert!((of(names::CKA, 2.0).value - 1.0).abs() < 1e-9);
        assert!(of(names::PROCRUSTES, 2.0).value < 1e-4);
        assert_eq!(of(names::CONTROL_IDENTITY, 2.0).value, of(names::D2P, 0.0).value);
        assert_eq!(of(names::CONTROL_RANDOM, 2.0).value, of(names::D2R, 0.0).value);
        assert!(of(names::CONTROL_SHUFFLED, 2.0).value < 0.9);
        assert!(of(names::D2R, 0.0).value > 0.1);
    }

    #[test]
    fn very_many_rows_are_compared_too() {
        let many = |by: f32| {
            let data = (0..2100 * 2).map(|i| (i as f32 * 1.7).sin() + by).collect();
            vec![("a".to_owned(), Features { n: 2100, dim: 2, data })]
        };
        let epochs = vec![(0.0, many(0.0)), (1.0, many(0.5))];
        let course = FeatureTrajectory {
            epochs: &epochs,
            tested: 1.0,
            random: None,
            rows_per_case: 4,
            permutations: 19,
            seed: 0,
            how: Discrepancy::default(),
            elsewhere: None,
        };
        let values = course.values().unwrap();
        let d2p = value(&values, names::D2P, 1.0);
        assert!(d2p.value > 0.01 && d2p.p == Some(0.05) && d2p.n == 2100, "{d2p:?}");
        assert!(value(&values, names::CONTROL_IDENTITY, 1.0).value <= 0.0);
    }

    #[test]
    fn constant_features_and_other_layers_are_told() {
        let flat = vec![("a".to_owned(), Features { n: 4, dim: 2, data: vec![0.5; 8] })];
        let epochs = vec![(0.0, flat.clone()), (1.0, flat)];
        let course = FeatureTrajectory {
            epochs: &epochs,
            tested: 1.0,
            random: None,
            rows_per_case: 1,
            permutations: 9,
            seed: 0,
            how: Discrepancy::default(),
            elsewhere: None,
        };
        let values = course.values().unwrap();
        let d2p = value(&values, names::D2P, 1.0);
        assert_eq!((d2p.value, d2p.p, d2p.bandwidth), (0.0, Some(1.0), 0.0));
        assert!(values.iter().all(|v| v.metric != names::CKA), "0/0 is no similarity");
        let other = vec![(0.0, layers(0.0, 1.0)), (1.0, vec![])];
        let error = FeatureTrajectory { epochs: &other, ..course }.values().unwrap_err();
        assert!(error.to_string().contains("stage0"), "{error}");
        assert!(FeatureTrajectory { epochs: &[], ..course }.values().unwrap().is_empty());
    }

    fn features(n: usize, dim: usize, f: impl Fn(usize) -> f32) -> Features {
        Features { n, dim, data: (0..n * dim).map(f).collect() }
    }

    fn wave(i: usize) -> f32 {
        (i as f32 * 1.7).sin() * 3.0 + (i as f32 * 0.3).cos()
    }

    fn named(list: &[(&str, Features)]) -> Layers {
        list.iter().map(|(name, features)| ((*name).to_owned(), features.clone())).collect()
    }

    /// D2P of every layer of a network that was tested after one epoch.
    fn d2p(
        before: &Layers,
        after: &Layers,
        rows_per_case: usize,
        permutations: usize,
    ) -> Result<Vec<AlignmentValue>, AlignmentError> {
        let epochs = [(0.0, before.clone()), (1.0, after.clone())];
        let course = FeatureTrajectory {
            epochs: &epochs,
            tested: 1.0,
            random: None,
            rows_per_case,
            permutations,
            seed: 1,
            how: Discrepancy::default(),
            elsewhere: None,
        };
        let values = course.values()?.into_iter();
        Ok(values.filter(|v| v.metric == names::D2P && v.epoch == 1.0).collect())
    }

    #[test]
    fn unchanged_features_have_no_divergence_and_moved_ones_do() {
        let initial = named(&[("stage0", features(20, 4, wave)), ("stage1", features(20, 6, wave))]);
        let same = d2p(&initial, &initial, 1, 99).unwrap();
        assert!(same.iter().all(|v| v.value <= 0.0 && v.p == Some(1.0) && v.bandwidth > 0.0 && v.n == 20));
        let moved = named(&[
            ("stage0", features(20, 4, |i| wave(i) + 6.0)),
            ("stage1", features(20, 6, |i| wave(i) + 0.5)),
        ]);
        let values = d2p(&initial, &moved, 1, 199).unwrap();
        assert_eq!(values[0].p, Some(1.0 / 200.0));
        assert!(values[0].value > 0.2 && values[0].value > values[1].value);
        assert_eq!((values[1].depth, values[1].layer.as_str()), (1, "stage1"));
        assert_eq!(values, d2p(&initial, &moved, 1, 199).unwrap());
        assert_eq!(d2p(&initial, &moved, 1, 0).unwrap()[0].p, None);
    }

    #[test]
    fn a_common_scale_of_the_features_changes_nothing() {
        let [before, after] = [features(12, 3, wave), features(12, 3, |i| wave(i) * 1.3 + 0.2)];
        let scale = |f: &Features| Features { data: f.data.iter().map(|v| v * 64.0).collect(), ..f.clone() };
        let of = |before, after| d2p(&named(&[("a", before)]), &named(&[("a", after)]), 1, 0).unwrap();
        let (plain, scaled) = (of(before.clone(), after.clone()), of(scale(&before), scale(&after)));
        assert!((plain[0].value - scaled[0].value).abs() < 1e-12);
    }

    #[test]
    fn rows_of_one_case_are_dealt_out_together() {
        // Each case's four rows are nearly equal, and cases differ more than training moved them.
        let before = features(24, 2, |i| (i / 8 * 8) as f32 * 0.5 + wave(i) * 0.01);
        let after = Features { data: before.data.iter().map(|v| v + 4.0).collect(), ..before.clone() };
        let (before, after) = (named(&[("a", before)]), named(&[("a", after)]));
        let by_row = &d2p(&before, &after, 1, 499).unwrap()[0];
        let by_case = &d2p(&before, &after, 4, 499).unwrap()[0];
        assert_eq!(by_row.value, by_case.value);
        // Rows that count as independent make chance look smaller than it is.
        assert!(by_row.p.unwrap() + 0.2 < by_case.p.unwrap(), "{:?} {:?}", by_row.p, by_case.p);
    }

    #[test]
    fn what_is_no_number_or_torn_names_its_layer() {
        let a = named(&[("a", features(5, 3, wave))]);
        let nan = named(&[("a", features(5, 3, |i| if i == 4 { f32::NAN } else { 0.0 }))]);
        let message = d2p(&a, &nan, 1, 0).unwrap_err().to_string();
        assert!(message.contains("layer a") && message.contains("row 1, column 1"), "{message}");
        let torn = named(&[("a", Features { n: 5000, dim: 1, data: vec![0.0] })]);
        assert!(d2p(&torn, &torn, 1, 0).is_err());
    }
}
