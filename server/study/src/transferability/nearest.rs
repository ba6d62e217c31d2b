//! What the nearest rows of other patients say.

use nalgebra::DMatrix;

use super::{balanced_accuracy, r_squared};

/// The `k` nearest rows of other groups for each row; none where a row has fewer.
fn neighbours(x: &DMatrix<f64>, groups: &[usize], k: usize) -> Option<Vec<Vec<usize>>> {
    let n = x.nrows();
    (0..n)
        .map(|i| {
            let mut others: Vec<(f64, usize)> = (0..n)
                .filter(|j| groups[*j] != groups[i])
                .map(|j| ((x.row(i) - x.row(j)).norm_squared(), j))
                .collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            (others.len() >= k).then(|| others[..k].iter().map(|(_, j)| *j).collect())
        })
        .collect()
}

/// Balanced accuracy of the most frequent class among the nearest; of equally frequent ones that of the nearest.
pub fn nearest_classes(x: &DMatrix<f64>, classes: &[usize], groups: &[usize], k: usize) -> Option<f64> {
    let told: Vec<usize> = neighbours(x, groups, k)?
        .iter()
        .map(|near| {
            let votes = |class: usize| near.iter().filter(|j| classes[**j] == class).count();
            let most = near.iter().map(|j| votes(classes[*j])).max().unwrap_or(0);
            near.iter().map(|j| classes[*j]).find(|c| votes(*c) == most).unwrap_or(0)
        })
        .collect();
    balanced_accuracy(&told, classes)
}

/// R² of the mean of the nearest.
pub fn nearest_values(x: &DMatrix<f64>, y: &DMatrix<f64>, groups: &[usize], k: usize) -> Option<f64> {
    let near = neighbours(x, groups, k)?;
    let told = DMatrix::from_fn(y.nrows(), y.ncols(), |i, c| {
        near[i].iter().map(|j| y[(*j, c)]).sum::<f64>() / k as f64
    });
    r_squared(&told, y)
}
