//! Learning rate over the course of a training.

/// Linear warm-up from 0, then half a cosine down to 0; `epoch` may be fractional.
///
/// # Source
/// The schedule of MAE's published training code, which ProFound uses.
pub fn warmup_cosine(epoch: f64, lr: f64, warmup_epochs: f64, epochs: f64) -> f64 {
    if epoch < warmup_epochs {
        lr * epoch / warmup_epochs
    } else {
        let done = ((epoch - warmup_epochs) / (epochs - warmup_epochs)).min(1.0);
        lr * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::warmup_cosine;

    #[test]
    fn rises_linearly_and_falls_to_zero() {
        assert_eq!(warmup_cosine(0.0, 2.0, 1.0, 5.0), 0.0);
        assert_eq!(warmup_cosine(0.25, 2.0, 1.0, 5.0), 0.5);
        assert_eq!(warmup_cosine(1.0, 2.0, 1.0, 5.0), 2.0);
        assert!((warmup_cosine(3.0, 2.0, 1.0, 5.0) - 1.0).abs() < 1e-12);
        assert!(warmup_cosine(5.0, 2.0, 1.0, 5.0).abs() < 1e-12);
        // No warm-up is allowed.
        assert_eq!(warmup_cosine(0.0, 2.0, 0.0, 5.0), 2.0);
    }
}
