//! Alignments that runs did not record, made of the features that they left.

use rayon::prelude::*;
use transferscope_domain::{Arm, RunState, alignment::AlignmentValue, study::RunRecord};
use transferscope_ml::train::features::{AlignmentConfig, BEST, INITIAL, PER_CASE, path};
use transferscope_study::{
    alignment::{AlignmentError, Discrepancy, Features, Standard, mmd2_between},
    analysis::{Choice, D2S, Measured},
    feature_file::{self, Layers},
};

use crate::data_dir::DataDir;

/// Random orders behind the p-value of an alignment that is measured again: it only marks the tested network.
const MARKS: usize = 19;

/// Adds what the choice asks for to records that do not have it. A run whose features are gone has none.
pub fn measure(data: &DataDir, records: &mut [RunRecord], choice: Choice) {
    match choice.measured {
        Measured::D2s => add_d2s(data, records, choice.how),
        measured if measured.is_of_files() => add(data, records, measured),
        measured if measured.is_mmd() && choice.how != Discrepancy::default() => {
            measure_again(data, records, choice.how);
        }
        _ => {}
    }
}

fn is_tuned(run: &RunRecord) -> bool {
    run.arm == Arm::Pretrained && run.state == RunState::Succeeded
}

/// Measures the MMD² of every finished pre-trained run again, by another kernel or estimator than it had.
fn measure_again(data: &DataDir, records: &mut [RunRecord], how: Discrepancy) {
    for run in records.iter_mut().filter(|r| is_tuned(r)) {
        let Some(tested) = run.alignment.iter().find(|v| v.p.is_some()).map(|v| v.epoch) else { continue };
        let config = AlignmentConfig {
            epochs: run.training.epochs,
            tested,
            pretrained: true,
            permutations: MARKS,
            seed: run.seed,
            how,
            elsewhere: None,
        };
        run.alignment = config.values(&data.run(&run.id)).unwrap_or_else(|reason| {
            tracing::warn!(run.id = %run.id, reason, "features cannot be compared again");
            Vec::new()
        });
    }
}

fn features(data: &DataDir, run: &RunRecord, name: &str) -> Option<Layers> {
    feature_file::read(&path(&data.run(&run.id), name)).ok()
}

/// Values of the layers of one run, and bandwidths. Layers that cannot be compared have none.
fn by_layer(
    run: &RunRecord,
    metric: &str,
    layers: &Layers,
    mut of: impl FnMut(usize, &Features) -> Result<Option<(f64, f64)>, AlignmentError>,
) -> Vec<AlignmentValue> {
    // The tested network's values have a p-value.
    let epoch = run.alignment.iter().find(|v| v.p.is_some()).map_or(0.0, |v| v.epoch);
    let value = |(depth, (layer, features)): (usize, &(String, Features))| {
        let (value, bandwidth) = of(depth, features).ok()??;
        Some(AlignmentValue {
            epoch,
            layer: layer.clone(),
            depth: depth as u32,
            metric: metric.to_owned(),
            value,
            p: None,
            bandwidth,
            n: (features.n / PER_CASE * PER_CASE) as u32,
        })
    };
    layers.iter().enumerate().filter_map(value).collect()
}

/// Adds to every finished pre-trained run how alike its features are to those before training.
fn add(data: &DataDir, records: &mut [RunRecord], measured: Measured) {
    records.par_iter_mut().filter(|r| is_tuned(r)).for_each(|run| {
        let (Some(before), Some(after)) = (features(data, run, INITIAL), features(data, run, BEST)) else {
            return;
        };
        let added = by_layer(run, measured.as_str(), &after, |depth, after| {
            let Some((_, before)) = before.get(depth) else { return Ok(None) };
            Ok(measured.of_features(before, after, PER_CASE)?.map(|value| (value, 0.0)))
        });
        run.alignment.extend(added);
    });
}

/// Adds to every finished pre-trained run the divergence of its features from those of the scratch run of its pair,
/// where the directories of both have them.
fn add_d2s(data: &DataDir, records: &mut [RunRecord], how: Discrepancy) {
    let pairs: Vec<(usize, usize)> = records
        .iter()
        .enumerate()
        .filter(|(_, r)| is_tuned(r))
        .filter_map(|(i, r)| {
            let scratch = |s: &RunRecord| {
                s.arm == Arm::Scratch
                    && s.state == RunState::Succeeded
                    && (&s.backbone, s.task, s.seed) == (&r.backbone, r.task, r.seed)
                    && s.variant() == r.variant()
            };
            Some((i, records.iter().rposition(scratch)?))
        })
        .collect();
    for (tuned, scratch) in pairs {
        let run = &records[tuned];
        let files = (features(data, run, INITIAL), features(data, run, BEST));
        let (Some(before), Some(after)) = files else { continue };
        let Some(scratch) = features(data, &records[scratch], BEST) else { continue };
        let added = by_layer(run, D2S, &after, |depth, after| {
            let (Some((layer, before)), Some((other, scratch))) = (before.get(depth), scratch.get(depth))
            else {
                return Ok(None);
            };
            if layer != other {
                return Ok(None);
            }
            mmd2_between(&Standard::of(before)?, after, scratch, how).map(Some)
        });
        records[tuned].alignment.extend(added);
    }
}
