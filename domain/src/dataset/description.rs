//! What a person says about a folder that is to become a data set: `dataset.toml` in it, or the page where the reading is
//! looked over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::contents::Modality;
use crate::name::Name;

/// Everything that can be said; what is not said is what was recognised. Names on the left are those that were found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Description {
    /// How the folder is arranged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The data set's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Images by the names that were found, with what they are to be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<Name, ImageChange>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<Name, MaskChange>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Name, LabelChange>,
    /// The image whose grid is a case's, then the others that should come first, by their new names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Name>,
    /// DICOM series by description: which are which image, with `*` for anything, as in `t2w = "t2*tra*"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub series: BTreeMap<Name, String>,
    /// What of a case's name is its patient, with `*` for what is: `sub-*_*` takes what the first star stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
}

/// What an image is to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ImageChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modality: Option<Modality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether it was read out echo-planar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epi: Option<bool>,
    /// It is a mask.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mask: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leave_out: bool,
}

/// A value of a mask, or the values of a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Values {
    One(u8),
    Several(Vec<u8>),
}

/// What a mask is to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MaskChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Its classes by name; none for those that were found.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, Values>,
    /// Voxels of this value are neither learnt nor scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<u8>,
    /// Every value above 0 is its one class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any_value: Option<bool>,
    /// It is an image.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub image: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leave_out: bool,
}

/// What a label is to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LabelChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Its classes in order; cases of others are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leave_out: bool,
}
