//! `card.json`: what stands beside a backbone's weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use transferscope_domain::{
    Architecture, Backbone, Family,
    api::{LossPoint, Made},
    report::LoadReport,
};

/// How a backbone was made, for one that was pre-trained by this program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub name: String,
    pub family: Family,
    pub summary: String,
    /// The encoder's size, and the BLAKE3 hash of `weights.safetensors`; cards from before they were
    /// written here leave both to be read from the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_hash: Option<String>,
    /// `mae` or `patch-contrast`.
    pub objective: String,
    /// Data in words, with its hash.
    pub data: String,
    pub data_hash: String,
    pub synthetic: bool,
    pub seed: u64,
    pub steps: u64,
    pub parameters: u64,
    /// The command that makes it again.
    pub command: String,
    pub code_version: String,
    pub device: String,
    pub seconds: f64,
    /// `[step, loss]`, thinned.
    pub loss_curve: Vec<LossPoint>,
    /// What the objective reached on the validation cases, by name.
    pub validation: BTreeMap<String, f64>,
}

/// Where a backbone came from, for one that was added from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddedCard {
    pub name: String,
    pub architecture: Architecture,
    /// Number of encoder parameters.
    pub parameters: u64,
    /// Name of the file, without its folder.
    pub file: String,
    /// BLAKE3 hash of that file.
    pub file_hash: String,
    /// BLAKE3 hash of `weights.safetensors`.
    pub weights_hash: String,
    pub source: Option<String>,
    pub licence: Option<String>,
    pub note: Option<String>,
    /// Milliseconds since 1970.
    pub added_ms: i64,
    /// What became of the file's tensors.
    pub load_report: LoadReport,
}

/// Any `card.json`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum AnyCard {
    Added(Box<AddedCard>),
    Pretrained(Box<Card>),
}

impl AnyCard {
    /// Only added files have a hash of their own beside that of the weights.
    pub(super) fn parse(json: &[u8]) -> serde_json::Result<Self> {
        let value: serde_json::Value = serde_json::from_slice(json)?;
        if value.get("file_hash").is_some() {
            serde_json::from_value(value).map(AnyCard::Added)
        } else {
            serde_json::from_value(value).map(AnyCard::Pretrained)
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            AnyCard::Added(card) => &card.name,
            AnyCard::Pretrained(card) => &card.name,
        }
    }
}

impl Card {
    /// How it was made.
    pub(super) fn made(self) -> Made {
        Made {
            seed: self.seed,
            steps: self.steps,
            command: self.command,
            code_version: self.code_version,
            device: self.device,
            seconds: self.seconds,
            data_hash: self.data_hash,
            loss_curve: self.loss_curve,
            validation: self.validation,
        }
    }

    /// For lists; the hash and the architecture are those of the weights.
    pub(super) fn backbone(self, weights_hash: String, architecture: Option<Architecture>) -> Backbone {
        Backbone {
            name: self.name,
            family: self.family,
            summary: self.summary,
            parameters: self.parameters,
            pretrained: true,
            objective: Some(self.objective),
            pretraining_data: Some(self.data),
            checkpoint_hash: Some(weights_hash),
            synthetic: self.synthetic,
            architecture,
            source: None,
            licence: None,
            note: None,
            file: None,
            added_ms: None,
        }
    }
}

impl AddedCard {
    /// For lists.
    pub(super) fn backbone(self) -> Backbone {
        Backbone {
            name: self.name,
            family: self.architecture.family(),
            summary: format!("{}, added from {}.", self.architecture.name(), self.file),
            parameters: self.parameters,
            pretrained: true,
            objective: None,
            pretraining_data: None,
            checkpoint_hash: Some(self.weights_hash),
            synthetic: false,
            architecture: Some(self.architecture),
            source: self.source,
            licence: self.licence,
            note: self.note,
            file: Some(self.file),
            added_ms: Some(self.added_ms),
        }
    }
}
