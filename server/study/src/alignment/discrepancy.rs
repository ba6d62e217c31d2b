//! Which squared MMD is measured: its kernel and its estimator.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::gamma_from_sigma;

/// The kernel, around a bandwidth sigma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// `exp(-gamma |x - y|²)`, `gamma = 1 / (2 sigma²)`.
    #[default]
    Rbf,
    /// The sum of five of them, of a quarter to four times gamma: less depends on the bandwidth.
    RbfSum,
}

impl Kernel {
    pub const ALL: [Self; 2] = [Self::Rbf, Self::RbfSum];

    /// The name in URLs and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rbf => "rbf",
            Self::RbfSum => "rbf-sum",
        }
    }

    /// What it is, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rbf => "Gaussian, median distance",
            Self::RbfSum => "sum of five Gaussians",
        }
    }

    pub(super) fn gammas(self, sigma: f64) -> Vec<f64> {
        let gamma = gamma_from_sigma(sigma);
        match self {
            Self::Rbf => vec![gamma],
            Self::RbfSum => [0.25, 0.5, 1.0, 2.0, 4.0].map(|factor| factor * gamma).to_vec(),
        }
    }
}

impl FromStr for Kernel {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is not a kernel: use rbf or rbf-sum");
        Self::ALL.into_iter().find(|k| k.as_str() == text).ok_or_else(unknown)
    }
}

/// Which estimate of the squared MMD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Estimator)]
pub enum Estimate {
    /// U-statistic: 0 on average for equal distributions, single values can be below.
    #[default]
    Unbiased,
    /// V-statistic: never below 0, and above it for equal distributions.
    Biased,
}

impl Estimate {
    pub const ALL: [Self; 2] = [Self::Unbiased, Self::Biased];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unbiased => "unbiased",
            Self::Biased => "biased",
        }
    }
}

impl FromStr for Estimate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is not an estimator: use unbiased or biased");
        Self::ALL.into_iter().find(|e| e.as_str() == text).ok_or_else(unknown)
    }
}

/// How a squared MMD is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Discrepancy {
    pub kernel: Kernel,
    pub estimator: Estimate,
}
