//! Metrics: name, unit, direction, range.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Higher,
    Lower,
}

impl Direction {
    /// Whether `a` is better than `b`; never true for a NaN.
    pub fn better(self, a: f64, b: f64) -> bool {
        match self {
            Direction::Higher => a > b,
            Direction::Lower => a < b,
        }
    }

    /// +1 where higher is better, -1 where lower is.
    pub fn sign(self) -> f64 {
        match self {
            Direction::Higher => 1.0,
            Direction::Lower => -1.0,
        }
    }

    /// For column heads: an arrow and words for screen readers.
    pub fn label(self) -> &'static str {
        match self {
            Direction::Higher => "higher is better",
            Direction::Lower => "lower is better",
        }
    }

    /// `"higher"` or `"lower"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        }
    }
}

/// Part of the data that a value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    Train,
    Val,
    Test,
}

impl Split {
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// `"train"`, `"val"`, `"test"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// The training objective of the task, without unit.
    Loss,
    /// Dice coefficient, mean over foreground classes and cases, 0 to 1.
    Dice,
    /// Peak signal-to-noise ratio in dB for the case's data range.
    PsnrDb,
    /// Structural similarity, 11^3 Gaussian window with sigma 1.5, up to 1.
    Ssim,
    /// Normalised mean squared error: sum (y - x)^2 / sum x^2.
    Nmse,
    /// 95th percentile of the distances between the two surfaces, the larger of both directions, in mm.
    Hd95Mm,
    /// Mean distance between the two surfaces, both directions pooled, in mm.
    AssdMm,
    /// Area under the receiver operating characteristic; 0.5 is chance.
    Auroc,
    /// Precision averaged over the steps of recall, without interpolation.
    AveragePrecision,
    /// Mean of sensitivity and specificity at probability 0.5.
    BalancedAccuracy,
    /// Largest sensitivity among thresholds with a specificity of 0.8 at least.
    SensitivityAt80,
    /// Largest sensitivity among thresholds with a specificity of 0.9 at least.
    SensitivityAt90,
    /// Cohen's kappa with quadratic weights at probability 0.5: agreement beyond chance.
    Kappa,
    /// Minus the logarithm of the probability that was given to the truth, mean over cases.
    LogLoss,
    /// Mean absolute error, in the scale where the sharp image's maximum is 1.
    Mae,
    /// Mean squared error of reconstruction on hidden patches, each standardised: 1 is what
    /// predicting a patch's own mean costs.
    MaskedError,
    /// Learning rate of the step.
    Lr,
    /// Norm of all gradients together before clipping.
    GradNorm,
    /// Wall time of one optimiser step in milliseconds.
    StepMs,
}

impl MetricKind {
    pub const ALL: [MetricKind; 19] = [
        MetricKind::Loss,
        MetricKind::Dice,
        MetricKind::PsnrDb,
        MetricKind::Ssim,
        MetricKind::Nmse,
        MetricKind::Hd95Mm,
        MetricKind::AssdMm,
        MetricKind::Auroc,
        MetricKind::AveragePrecision,
        MetricKind::BalancedAccuracy,
        MetricKind::SensitivityAt80,
        MetricKind::SensitivityAt90,
        MetricKind::Kappa,
        MetricKind::LogLoss,
        MetricKind::Mae,
        MetricKind::MaskedError,
        MetricKind::Lr,
        MetricKind::GradNorm,
        MetricKind::StepMs,
    ];

    /// The name in `split/metric`.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Loss => "loss",
            MetricKind::Dice => "dice",
            MetricKind::PsnrDb => "psnr_db",
            MetricKind::Ssim => "ssim",
            MetricKind::Nmse => "nmse",
            MetricKind::Hd95Mm => "hd95_mm",
            MetricKind::AssdMm => "assd_mm",
            MetricKind::Auroc => "auroc",
            MetricKind::AveragePrecision => "average_precision",
            MetricKind::BalancedAccuracy => "balanced_accuracy",
            MetricKind::SensitivityAt80 => "sensitivity_at_80",
            MetricKind::SensitivityAt90 => "sensitivity_at_90",
            MetricKind::Kappa => "kappa",
            MetricKind::LogLoss => "log_loss",
            MetricKind::Mae => "mae",
            MetricKind::MaskedError => "masked_error",
            MetricKind::Lr => "lr",
            MetricKind::GradNorm => "grad_norm",
            MetricKind::StepMs => "step_ms",
        }
    }

    /// The name on pages, without unit.
    pub fn label(self) -> &'static str {
        match self {
            MetricKind::Loss => "Loss",
            MetricKind::Dice => "Dice",
            MetricKind::PsnrDb => "PSNR",
            MetricKind::Ssim => "SSIM",
            MetricKind::Nmse => "NMSE",
            MetricKind::Hd95Mm => "HD95",
            MetricKind::AssdMm => "ASSD",
            MetricKind::Auroc => "AUROC",
            MetricKind::AveragePrecision => "Average precision",
            MetricKind::BalancedAccuracy => "Balanced accuracy",
            MetricKind::SensitivityAt80 => "Sensitivity at 80 % specificity",
            MetricKind::SensitivityAt90 => "Sensitivity at 90 % specificity",
            MetricKind::Kappa => "Kappa",
            MetricKind::LogLoss => "Log loss",
            MetricKind::Mae => "MAE",
            MetricKind::MaskedError => "Masked error",
            MetricKind::Lr => "Learning rate",
            MetricKind::GradNorm => "Gradient norm",
            MetricKind::StepMs => "Step time",
        }
    }

    /// The unit, empty where there is none.
    pub fn unit(self) -> &'static str {
        match self {
            MetricKind::PsnrDb => "dB",
            MetricKind::StepMs => "ms",
            MetricKind::Hd95Mm | MetricKind::AssdMm => "mm",
            MetricKind::Loss
            | MetricKind::Dice
            | MetricKind::Ssim
            | MetricKind::Nmse
            | MetricKind::Auroc
            | MetricKind::AveragePrecision
            | MetricKind::BalancedAccuracy
            | MetricKind::SensitivityAt80
            | MetricKind::SensitivityAt90
            | MetricKind::Kappa
            | MetricKind::LogLoss
            | MetricKind::Mae
            | MetricKind::MaskedError
            | MetricKind::Lr
            | MetricKind::GradNorm => "",
        }
    }

    /// Which way is better.
    pub fn direction(self) -> Direction {
        match self {
            MetricKind::Dice
            | MetricKind::PsnrDb
            | MetricKind::Ssim
            | MetricKind::Auroc
            | MetricKind::AveragePrecision
            | MetricKind::BalancedAccuracy
            | MetricKind::SensitivityAt80
            | MetricKind::SensitivityAt90
            | MetricKind::Kappa => Direction::Higher,
            MetricKind::Loss
            | MetricKind::Nmse
            | MetricKind::Hd95Mm
            | MetricKind::AssdMm
            | MetricKind::LogLoss
            | MetricKind::Mae
            | MetricKind::MaskedError
            | MetricKind::Lr
            | MetricKind::GradNorm
            | MetricKind::StepMs => Direction::Lower,
        }
    }

    /// Least and largest value that it can have; none where there is no end.
    pub fn range(self) -> (Option<f64>, Option<f64>) {
        match self {
            MetricKind::Dice
            | MetricKind::Auroc
            | MetricKind::AveragePrecision
            | MetricKind::BalancedAccuracy
            | MetricKind::SensitivityAt80
            | MetricKind::SensitivityAt90 => (Some(0.0), Some(1.0)),
            MetricKind::Ssim | MetricKind::Kappa => (Some(-1.0), Some(1.0)),
            MetricKind::Nmse
            | MetricKind::Hd95Mm
            | MetricKind::AssdMm
            | MetricKind::LogLoss
            | MetricKind::Mae
            | MetricKind::MaskedError
            | MetricKind::GradNorm
            | MetricKind::Lr
            | MetricKind::StepMs => (Some(0.0), None),
            MetricKind::Loss | MetricKind::PsnrDb => (None, None),
        }
    }

    /// Decimal places on pages.
    pub fn decimals(self) -> usize {
        match self {
            MetricKind::PsnrDb | MetricKind::Hd95Mm | MetricKind::AssdMm => 2,
            MetricKind::StepMs => 0,
            MetricKind::Lr => 6,
            MetricKind::Loss
            | MetricKind::Dice
            | MetricKind::Ssim
            | MetricKind::Nmse
            | MetricKind::Auroc
            | MetricKind::AveragePrecision
            | MetricKind::BalancedAccuracy
            | MetricKind::SensitivityAt80
            | MetricKind::SensitivityAt90
            | MetricKind::Kappa
            | MetricKind::LogLoss
            | MetricKind::Mae
            | MetricKind::MaskedError
            | MetricKind::GradNorm => 4,
        }
    }

    /// `split/metric`, the name under which values are stored and asked for.
    pub fn name(self, split: Split) -> String {
        format!("{split}/{}", self.as_str())
    }

    /// `split/metric@baseline`: the score of a simple baseline on the same cases.
    pub fn baseline_name(self, split: Split, baseline: &str) -> String {
        format!("{split}/{}@{baseline}", self.as_str())
    }

    /// The metric of a full name such as `val/dice` or `test/psnr_db@bicubic`; class-wise names
    /// such as `test/dice.peripheral` belong to their metric too.
    pub fn of_name(name: &str) -> Option<MetricKind> {
        let (_, rest) = name.split_once('/')?;
        let rest = rest.split(['@', '.']).next()?;
        rest.parse().ok()
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MetricKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        MetricKind::ALL
            .into_iter()
            .find(|m| m.as_str() == text)
            .ok_or_else(|| format!("unknown metric {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_round() {
        for kind in MetricKind::ALL {
            assert_eq!(MetricKind::of_name(&kind.name(Split::Val)), Some(kind));
            assert_eq!(MetricKind::of_name(&kind.baseline_name(Split::Test, "bicubic")), Some(kind));
        }
        assert_eq!(MetricKind::of_name("test/dice.peripheral"), Some(MetricKind::Dice));
        assert_eq!(MetricKind::of_name("nonsense"), None);
    }
}
