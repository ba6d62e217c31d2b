//! Learning rate over the course of a training.

use transferscope_domain::TrainingSpec;

/// A learning rate that rises and falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupCosine {
    /// At the peak.
    pub lr: f64,
    /// At the end.
    pub min_lr: f64,
    /// Epochs until the peak.
    pub warmup_epochs: f64,
    pub epochs: f64,
}

impl WarmupCosine {
    /// The schedule of a training.
    pub fn of(spec: &TrainingSpec) -> Self {
        Self {
            lr: spec.lr,
            min_lr: spec.min_lr,
            warmup_epochs: spec.warmup_epochs,
            epochs: f64::from(spec.epochs),
        }
    }

    /// Linear warm-up from 0, then half a cosine down to `min_lr`; `epoch` may be fractional.
    ///
    /// # Source
    /// The schedule of MAE's published training code, which ProFound uses.
    pub fn at(&self, epoch: f64) -> f64 {
        if epoch < self.warmup_epochs {
            self.lr * epoch / self.warmup_epochs
        } else {
            let done = ((epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs)).min(1.0);
            self.min_lr + (self.lr - self.min_lr) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WarmupCosine;

    #[test]
    fn rises_linearly_and_falls_to_the_end() {
        let schedule = WarmupCosine { lr: 2.0, min_lr: 0.0, warmup_epochs: 1.0, epochs: 5.0 };
        assert_eq!([0.0, 0.25, 1.0].map(|e| schedule.at(e)), [0.0, 0.5, 2.0]);
        assert!((schedule.at(3.0) - 1.0).abs() < 1e-12);
        assert!(schedule.at(5.0).abs() < 1e-12);
        let to_half = WarmupCosine { min_lr: 0.5, ..schedule };
        assert!((to_half.at(3.0) - 1.25).abs() < 1e-12 && (to_half.at(5.0) - 0.5).abs() < 1e-12);
        // No warm-up is allowed.
        assert_eq!(WarmupCosine { warmup_epochs: 0.0, ..schedule }.at(0.0), 2.0);
    }
}
