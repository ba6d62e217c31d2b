//! How a run's weights start.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The three arms of the study. Runs of one cell (backbone x task) in different arms are paired:
/// same split, same case order, same budget, same seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// From a pre-trained checkpoint.
    Pretrained,
    /// The same architecture from random weights.
    Scratch,
    /// A task-specific network (residual 3-D U-Net) from random weights.
    Specialist,
}

impl Arm {
    /// All arms, in the order in which pages list them.
    pub const ALL: [Arm; 3] = [Arm::Pretrained, Arm::Scratch, Arm::Specialist];

    /// The name in JSON, URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Arm::Pretrained => "pretrained",
            Arm::Scratch => "scratch",
            Arm::Specialist => "specialist",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            Arm::Pretrained => "Pre-trained",
            Arm::Scratch => "From scratch",
            Arm::Specialist => "Specialist",
        }
    }

    /// One line of help for the form.
    pub fn help(self) -> &'static str {
        match self {
            Arm::Pretrained => "Starts from the foundation model's checkpoint.",
            Arm::Scratch => "Same architecture, random weights: what the pre-training is worth.",
            Arm::Specialist => "A residual 3-D U-Net made for the task; trained once per task and seed.",
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Arm {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Arm::ALL
            .into_iter()
            .find(|a| a.as_str() == text)
            .ok_or_else(|| format!("unknown arm {text:?}: use pretrained, scratch or specialist"))
    }
}
