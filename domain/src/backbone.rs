//! Backbones: named architectures and where their weights come from.

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
pub use crate::family::Family;

/// A backbone that runs can start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Backbone {
    /// Unique name, e.g. `provicnet-mini`.
    pub name: String,
    pub family: Family,
    /// One line for people.
    pub summary: String,
    /// Number of encoder parameters.
    pub parameters: u64,
    /// Whether a pre-trained checkpoint is at hand.
    pub pretrained: bool,
    /// Pre-training objective, `mae` or `patch-contrast`; none for the specialist.
    pub objective: Option<String>,
    /// What the checkpoint was pre-trained on, in words.
    pub pretraining_data: Option<String>,
    /// BLAKE3 hash of the checkpoint file.
    pub checkpoint_hash: Option<String>,
    /// Whether the pre-training data is synthetic.
    pub synthetic: bool,
    /// The encoder's size, where its weights tell.
    #[serde(default)]
    pub architecture: Option<Architecture>,
    /// Where the file came from, its licence, and what there is to say, as told when it was added.
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub licence: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
    /// Name of the file that was added; none for what was pre-trained here.
    #[serde(default)]
    pub file: Option<String>,
    /// When it was added, in milliseconds since 1970.
    #[serde(default)]
    pub added_ms: Option<i64>,
}

impl AsRef<Backbone> for Backbone {
    fn as_ref(&self) -> &Backbone {
        self
    }
}

/// The specialist's name, as in `run.backbone`.
pub const SPECIALIST: &str = "unet";

/// Longest accepted backbone or data set name.
pub const NAME_MAX: usize = 64;

/// Whether `name` may name a backbone or a data set: 1 to 64 characters from a-z, A-Z, 0-9,
/// `-`, `_` and `.`, not starting with a dot (it becomes a folder name).
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
