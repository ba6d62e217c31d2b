//! Features of the probe set, for alignment. The probe set are the validation cases, and their features come from
//! the pass that scores them, so that looking at every epoch costs next to nothing.

use std::{
    io,
    path::{Path, PathBuf},
};

use burn::tensor::backend::Backend;
use transferscope_domain::alignment::AlignmentValue;
use transferscope_study::feature_file::{self, FeatureFileError, Layers};

use super::evaluate::values;
use crate::{
    alignment::{Discrepancy, Features, PairSums},
    checkpoint::write_atomically,
    model::features::LayerRows,
    trajectory::FeatureTrajectory,
};

/// Rows of features of each case: the octants of a volume, or evenly spaced slices.
pub const PER_CASE: usize = 8;

/// Features of the tested network, of the one before training and of random weights.
pub const BEST: &str = "best";
pub const INITIAL: &str = "initial";
pub const RANDOM: &str = "random";

/// The layers of a case: of what its passes left, [`PER_CASE`] rows each, evenly spaced. A case with fewer rows
/// than that repeats some.
pub fn of_case<B: Backend>(passes: LayerRows<B>) -> Layers {
    let mut layers: Layers = Vec::new();
    for (name, rows) in passes {
        let [n, dim] = rows.dims();
        let at = layers.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            layers.push((name, Features { n: 0, dim, data: Vec::new() }));
            layers.len() - 1
        });
        let features = &mut layers[at].1;
        features.n += n;
        features.data.extend(values(rows));
    }
    for (_, features) in &mut layers {
        let Features { n, dim, data } = features;
        let kept = (0..PER_CASE).map(|i| (2 * i + 1) * *n / (2 * PER_CASE));
        *data = kept.flat_map(|row| &data[row * *dim..(row + 1) * *dim]).copied().collect();
        *n = PER_CASE;
    }
    layers
}

/// The layers of all cases, one case after the other.
pub fn joined<'a>(cases: impl IntoIterator<Item = &'a Layers>) -> Layers {
    let mut cases = cases.into_iter();
    let mut all = cases.next().cloned().unwrap_or_default();
    for case in cases {
        for ((_, features), (_, more)) in all.iter_mut().zip(case) {
            features.n += more.n;
            features.data.extend(&more.data);
        }
    }
    all
}

/// The file of a network's features in a run directory, by [`BEST`] and the like or [`at_epoch`].
pub fn path(run_dir: &Path, name: &str) -> PathBuf {
    run_dir.join("features").join(format!("{name}.safetensors"))
}

/// The name of the features after a whole number of epochs.
pub fn at_epoch(epoch: u64) -> String {
    if epoch == 0 { INITIAL.to_owned() } else { format!("epoch-{epoch:05}") }
}

/// Writes features.
///
/// # Errors
/// When the folder cannot be written.
pub fn save(run_dir: &Path, name: &str, layers: &Layers) -> io::Result<()> {
    write_atomically(&path(run_dir, name), &feature_file::to_bytes(layers)?)
}

/// How the alignment of a run is measured from the features that it left.
#[derive(Debug, Clone, Copy)]
pub struct AlignmentConfig<'a> {
    pub epochs: u32,
    /// The epoch whose network was tested.
    pub tested: f64,
    /// Whether it started from a checkpoint; a network that started from random weights is its own control.
    pub pretrained: bool,
    /// Random orders behind the p-value of the tested network.
    pub permutations: usize,
    pub seed: u64,
    pub how: Discrepancy,
    /// The device for very many rows; none is this one.
    pub elsewhere: Option<&'a dyn PairSums>,
}

impl AlignmentConfig<'_> {
    /// See [`FeatureTrajectory::values`].
    ///
    /// # Errors
    /// In words, when a file is damaged or not there, or features cannot be compared.
    pub fn values(&self, run_dir: &Path) -> Result<Vec<AlignmentValue>, String> {
        let epochs = course(run_dir, u64::from(self.epochs)).map_err(|e| e.to_string())?;
        let random = if self.pretrained {
            feature_file::read(&path(run_dir, RANDOM)).map_err(|e| e.to_string())?
        } else {
            epochs.first().map(|(_, layers)| layers.clone()).unwrap_or_default()
        };
        let trajectory = FeatureTrajectory {
            epochs: &epochs,
            tested: self.tested,
            random: Some(&random),
            rows_per_case: PER_CASE,
            permutations: self.permutations,
            seed: self.seed,
            how: self.how,
            elsewhere: self.elsewhere,
        };
        trajectory.values().map_err(|e| e.to_string())
    }
}

/// The features before training and after every epoch that left some.
///
/// # Errors
/// When a file is damaged.
pub fn course(run_dir: &Path, epochs: u64) -> Result<Vec<(f64, Layers)>, FeatureFileError> {
    (0..=epochs)
        .map(|epoch| (epoch, path(run_dir, &at_epoch(epoch))))
        .filter(|(_, path)| path.exists())
        .map(|(epoch, path)| Ok((epoch as f64, feature_file::read(&path)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Tensor, TensorData};
    use burn_flex::Flex;

    fn rows(n: usize, first: f32) -> Tensor<Flex, 2> {
        let data: Vec<f32> = (0..n).map(|i| first + i as f32).collect();
        Tensor::from_data(TensorData::new(data, [n, 1]), &Default::default())
    }

    #[test]
    fn passes_become_rows_of_a_case_and_cases_stand_in_a_row() {
        let passes = vec![
            ("a".to_owned(), rows(12, 0.0)),
            ("b".to_owned(), rows(2, 50.0)),
            ("a".to_owned(), rows(12, 12.0)),
            ("b".to_owned(), rows(2, 52.0)),
        ];
        let case = of_case(passes);
        assert_eq!(case[0].1.data, [1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0, 22.0]);
        assert_eq!(case[1].1.data, [50.0, 50.0, 51.0, 51.0, 52.0, 52.0, 53.0, 53.0]);
        let all = joined([&case, &case]);
        assert_eq!((all[1].1.n, all[1].1.data.len()), (16, 16));
        assert!(joined([]).is_empty());
    }
}
