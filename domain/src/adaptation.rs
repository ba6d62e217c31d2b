//! Which part of a pre-trained network a run trains.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::choice::choices;

choices! {
    /// How a backbone is adapted to a task. The specialist has no backbone and is always trained in full; the scratch
    /// arm may be frozen too, as the control with random features.
    Adaptation, "adaptation" {
        Full = "full", "Full fine-tuning", "Encoder and head are trained.";
        Frozen = "frozen", "Frozen encoder", "The encoder stays as it is, the head is trained.";
        LinearProbe = "linear-probe", "Linear probe",
            "The encoder stays as it is, one linear layer on its last features is the head.";
        /// The rest of the encoder stays as it is.
        Lora = "lora", "LoRA", "The encoder's matrices get low-rank additions, trained with the head.";
    }
}

impl Adaptation {
    /// Whether the encoder's own parameters stay as they are.
    pub fn freezes_encoder(self) -> bool {
        self != Adaptation::Full
    }
}

#[cfg(test)]
mod tests {
    use super::Adaptation;

    #[test]
    fn names_go_round_in_text_and_json() {
        for &adaptation in Adaptation::ALL {
            assert_eq!(adaptation.as_str().parse(), Ok(adaptation));
            assert_eq!(serde_json::to_value(adaptation).unwrap(), adaptation.as_str());
        }
        assert!("half".parse::<Adaptation>().unwrap_err().contains("linear-probe"));
    }
}
