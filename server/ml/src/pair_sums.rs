//! Kernel sums over very many features on the device that the network was trained on.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::alignment::{PairSums, Rows};

/// Rows in a block: a block of pairs takes 16 MiB.
const SIDE: usize = 2048;

/// Sums in single precision, block by block; rows are centred first and sums of blocks added in double precision, so
/// that an MMD² differs from the host's by less than 1e-5.
#[derive(Debug)]
pub struct OnDevice<B: Backend> {
    pub device: B::Device,
}

impl<B: Backend> OnDevice<B> {
    /// The rows less `mean`, and their squared norms, in blocks.
    ///
    /// # Shapes
    /// `[rows, dim]` and `[rows, 1]` each.
    fn blocks(&self, rows: &Rows, mean: &[f64]) -> Vec<(Tensor<B, 2>, Tensor<B, 2>)> {
        (0..rows.n())
            .step_by(SIDE)
            .map(|first| {
                let last = (first + SIDE).min(rows.n());
                let centred =
                    (first..last).flat_map(|i| rows.row(i).iter().zip(mean).map(|(v, m)| (v - m) as f32));
                let data = TensorData::new(centred.collect::<Vec<f32>>(), [last - first, rows.dim()]);
                let block = Tensor::<B, 2>::from_data(data, &self.device);
                let norms = block.clone().powi_scalar(2).sum_dim(1);
                (block, norms)
            })
            .collect()
    }

    fn sum(&self, a: &(Tensor<B, 2>, Tensor<B, 2>), b: &(Tensor<B, 2>, Tensor<B, 2>), gamma: f64) -> f64 {
        let products = a.0.clone().matmul(b.0.clone().transpose());
        let squared = a.1.clone() + b.1.clone().transpose() - products * 2.0;
        let rows = (squared.clamp_min(0.0) * -gamma).exp().sum_dim(1);
        crate::train::evaluate::values(rows).into_iter().map(f64::from).sum()
    }
}

fn mean(x: &Rows, y: &Rows) -> Vec<f64> {
    let n = (x.n() + y.n()) as f64;
    let mut mean = vec![0.0; x.dim()];
    for rows in [x, y] {
        for i in 0..rows.n() {
            mean.iter_mut().zip(rows.row(i)).for_each(|(m, v)| *m += v / n);
        }
    }
    mean
}

impl<B: Backend> PairSums for OnDevice<B> {
    fn kernel_sums(&self, x: &Rows, y: &Rows, gamma: f64) -> [f64; 3] {
        let mean = mean(x, y);
        let (x, y) = (self.blocks(x, &mean), self.blocks(y, &mean));
        let between = |a: &[_], b: &[_]| -> f64 {
            a.iter().flat_map(|a| b.iter().map(move |b| self.sum(a, b, gamma))).sum()
        };
        // Every block with itself once, and every pair of different ones twice.
        let within = |a: &[_]| -> f64 {
            (0..a.len()).map(|i| self.sum(&a[i], &a[i], gamma) + 2.0 * between(&a[i..=i], &a[i + 1..])).sum()
        };
        [within(&x), within(&y), between(&x, &y)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alignment::{Discrepancy, Features, mmd2_unbiased},
        trajectory::FeatureTrajectory,
    };
    use burn_flex::Flex;

    fn features(n: usize, dim: usize, by: f32) -> Features {
        let data = (0..n * dim).map(|i| (i as f32 * 1.7).sin() * 3.0 + (i as f32 * 0.01).cos() + by);
        Features { n, dim, data: data.collect() }
    }

    fn rows(n: usize, by: f32) -> Rows {
        let Features { dim, data, .. } = features(n, 24, by);
        Rows::new(dim, data.into_iter().map(f64::from).collect()).unwrap()
    }

    #[test]
    fn sums_on_the_device_are_those_of_the_host() {
        let here = OnDevice::<Flex> { device: Default::default() };
        for by in [0.0, 50.0] {
            let (x, y) = (rows(2100, by), rows(3000, by + 0.4));
            for gamma in [0.001, 0.02] {
                let [xx, yy, xy] = here.kernel_sums(&x, &y, gamma);
                let (n, m) = (2100.0, 3000.0);
                let ours = (xx - n) / (n * (n - 1.0)) + (yy - m) / (m * (m - 1.0)) - 2.0 * xy / (n * m);
                let theirs = mmd2_unbiased(&x, &y, gamma).unwrap();
                assert!((ours - theirs).abs() < 1e-5 && theirs > 1e-4, "{ours} and {theirs}");
            }
        }
    }

    #[test]
    fn a_course_of_many_rows_is_the_same_by_either_way() {
        let layers = |by: f32| vec![("a".to_owned(), features(2100, 4, by))];
        let epochs = vec![(0.0, layers(0.0)), (1.0, layers(0.5))];
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
        let here = OnDevice::<Flex> { device: Default::default() };
        let (host, device) = (
            course.values().unwrap(),
            FeatureTrajectory { elsewhere: Some(&here), ..course }.values().unwrap(),
        );
        assert!(host.len() == device.len() && host.iter().any(|v| v.value > 0.01));
        for (host, device) in host.iter().zip(&device) {
            assert_eq!((&host.metric, host.p), (&device.metric, device.p));
            assert!((host.value - device.value).abs() < 1e-5, "{host:?} {device:?}");
        }
    }
}
