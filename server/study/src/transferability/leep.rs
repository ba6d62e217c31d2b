//! LEEP and NCE: how well a source model's own classes foretell the task's.

use nalgebra::DMatrix;

/// Mean log likelihood of the labels under the source model's class probabilities (`[rows, source classes]`) and the
/// empirical distribution of labels given source classes; at most 0. None without rows or where they do not fit.
///
/// # Source
/// Nguyen et al., "LEEP: A New Measure to Evaluate Transferability of Learned Representations" (2020).
pub fn leep(probabilities: &DMatrix<f64>, labels: &[usize]) -> Option<f64> {
    let n = probabilities.nrows();
    if n == 0 || labels.len() != n {
        return None;
    }
    let classes = labels.iter().max()? + 1;
    let sources = probabilities.ncols();
    let mut joint = DMatrix::<f64>::zeros(classes, sources);
    for (i, label) in labels.iter().enumerate() {
        for z in 0..sources {
            joint[(*label, z)] += probabilities[(i, z)] / n as f64;
        }
    }
    let marginal = joint.row_sum();
    let likelihood = |i: usize| -> f64 {
        let share = |z: usize| {
            if marginal[z] > 0.0 { joint[(labels[i], z)] / marginal[z] * probabilities[(i, z)] } else { 0.0 }
        };
        (0..sources).map(share).sum::<f64>().ln()
    };
    Some((0..n).map(likelihood).sum::<f64>() / n as f64)
}

/// Negative conditional entropy of the labels given the source model's labels, in nats; at most 0. None without rows
/// or where they do not fit.
///
/// # Source
/// Tran, Nguyen and Hassner, "Transferability and Hardness of Supervised Classification Tasks" (2019).
pub fn nce(source: &[usize], labels: &[usize]) -> Option<f64> {
    let n = labels.len();
    if n == 0 || source.len() != n {
        return None;
    }
    let mut joint = std::collections::BTreeMap::<(usize, usize), f64>::new();
    let mut marginal = std::collections::BTreeMap::<usize, f64>::new();
    for (z, y) in source.iter().zip(labels) {
        *joint.entry((*z, *y)).or_default() += 1.0;
        *marginal.entry(*z).or_default() += 1.0;
    }
    Some(joint.iter().map(|((z, _), count)| count / n as f64 * (count / marginal[z]).ln()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_knows_the_labels_is_certain() {
        let certain = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 1.0]);
        assert_eq!(leep(&certain, &[0, 1]), Some(0.0));
        let unsure = DMatrix::from_element(2, 2, 0.5);
        assert!((leep(&unsure, &[0, 1]).unwrap() - 0.5f64.ln()).abs() < 1e-12);
        assert_eq!(nce(&[3, 3, 5], &[0, 0, 1]), Some(0.0));
        assert!((nce(&[3, 3], &[0, 1]).unwrap() - 0.5f64.ln()).abs() < 1e-12);
        assert_eq!(leep(&certain, &[0]), None);
    }
}
