//! Which part of a pre-trained network a run trains.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How a backbone is adapted to a task. The specialist has no backbone and is always trained in
/// full; the scratch arm may be frozen too, as the control with random features.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Adaptation {
    /// Encoder and head are trained.
    #[default]
    Full,
    /// The encoder stays as it is, the task's head is trained.
    Frozen,
    /// The encoder stays as it is, one linear layer on its last features is the head.
    LinearProbe,
    /// The encoder's matrices get low-rank additions, which are trained with the task's head; the rest
    /// of the encoder stays as it is.
    Lora,
}

impl Adaptation {
    /// All ways, in the order in which pages list them.
    pub const ALL: [Adaptation; 4] =
        [Adaptation::Full, Adaptation::Frozen, Adaptation::LinearProbe, Adaptation::Lora];

    /// The name in JSON, URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Adaptation::Full => "full",
            Adaptation::Frozen => "frozen",
            Adaptation::LinearProbe => "linear-probe",
            Adaptation::Lora => "lora",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            Adaptation::Full => "Full fine-tuning",
            Adaptation::Frozen => "Frozen encoder",
            Adaptation::LinearProbe => "Linear probe",
            Adaptation::Lora => "LoRA",
        }
    }

    /// Whether the encoder's own parameters stay as they are.
    pub fn freezes_encoder(self) -> bool {
        self != Adaptation::Full
    }
}

impl fmt::Display for Adaptation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Adaptation {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Adaptation::ALL.into_iter().find(|a| a.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Adaptation::ALL.iter().map(|a| a.as_str()).collect();
            format!("unknown adaptation {text:?}: use one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Adaptation;

    #[test]
    fn names_go_round_in_text_and_json() {
        for adaptation in Adaptation::ALL {
            assert_eq!(adaptation.as_str().parse(), Ok(adaptation));
            assert_eq!(serde_json::to_value(adaptation).unwrap(), adaptation.as_str());
        }
        assert!("half".parse::<Adaptation>().unwrap_err().contains("linear-probe"));
    }
}
