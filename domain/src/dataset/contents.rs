//! What a data set has: its images, its masks with the classes drawn in them, and the labels of its cases.

use serde::{Deserialize, Serialize};

use crate::{choice::choices, name::Name};

use std::{fmt, str::FromStr};

choices! {
    /// How an image was made; what its numbers mean, and how they are scaled for a network, follows from it.
    Modality, "modality" {
        Mr = "mr", "MR", "Magnetic resonance: numbers without a unit, scaled image by image.";
        Ct = "ct", "CT", "Computed tomography: Hounsfield units, scaled by what is usual within the masks of all cases.";
        Pet = "pet", "PET", "Positron emission tomography: uptake.";
        Us = "us", "Ultrasound", "Ultrasound.";
        Other = "other", "Other", "Anything else, such as photographs, microscopy and plain films.";
    }
}

/// An image that cases have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageInfo {
    pub name: Name,
    #[serde(default)]
    pub modality: Modality,
    /// Of its numbers, where known: `HU`, `mm²/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether it was read out echo-planar, which an uneven field distorts: diffusion, for example.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub epi: bool,
}

/// A class of a mask: voxels of one value, or a region of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClassInfo {
    /// On pages and in the names of metrics.
    pub name: String,
    /// Values that belong to it. Regions may share values: they are scored each for itself.
    pub values: Vec<u8>,
}

/// A mask that cases have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MaskInfo {
    pub name: Name,
    pub classes: Vec<ClassInfo>,
    /// Voxels of this value are neither learnt nor scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<u8>,
}

impl MaskInfo {
    /// A mask of classes with the values 1, 2, ...
    pub fn of(name: Name, classes: &[&str]) -> Self {
        let class = |(i, name): (usize, &&str)| ClassInfo { name: (*name).into(), values: vec![i as u8 + 1] };
        Self { name, classes: classes.iter().enumerate().map(class).collect(), ignore: None }
    }

    /// The values that a network tells apart, in its order of outputs after the background: those of all classes, each
    /// once.
    pub fn values(&self) -> Vec<u8> {
        let mut values: Vec<u8> = self.classes.iter().flat_map(|c| c.values.iter().copied()).collect();
        values.sort_unstable();
        values.dedup();
        values.retain(|v| *v != 0 && Some(*v) != self.ignore);
        values
    }
}

/// What is known of a whole case: one of two or more classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LabelInfo {
    pub name: Name,
    /// What is asked, for pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Its values as the table writes them; of two, the second is what is looked for. Of grades, the lowest first.
    pub classes: Vec<String>,
    /// Whether the classes are grades.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
}

/// Everything that cases of a data set can have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Contents {
    /// In the order of the network's input. All lie on the grid of the first one that a case has.
    pub images: Vec<ImageInfo>,
    pub masks: Vec<MaskInfo>,
    pub labels: Vec<LabelInfo>,
}

/// The label of prostate data: whether there is clinically significant cancer.
pub const CSPCA: &str = "cspca";

impl Contents {
    /// What data sets held before they said so themselves: prostate MRI.
    pub fn prostate() -> Self {
        let name = |text| Name::new(text).expect("a name");
        let image = |text, unit: Option<&str>, epi| ImageInfo {
            name: name(text),
            modality: Modality::Mr,
            unit: unit.map(str::to_owned),
            epi,
        };
        Self {
            images: vec![
                image("t2w", None, false),
                image("hbv", None, true),
                image("adc", Some("10⁻⁶ mm²/s"), true),
            ],
            masks: vec![
                MaskInfo::of(name("zones"), &["peripheral", "transition"]),
                MaskInfo::of(name("gland"), &["gland"]),
                MaskInfo::of(name("lesion"), &["lesion"]),
            ],
            labels: vec![LabelInfo {
                name: name(CSPCA),
                about: Some("clinically significant cancer".into()),
                classes: vec!["no".into(), "yes".into()],
                ordered: false,
            }],
        }
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    pub fn image(&self, name: &str) -> Option<&ImageInfo> {
        self.images.iter().find(|i| i.name == name)
    }

    pub fn mask(&self, name: &str) -> Option<&MaskInfo> {
        self.masks.iter().find(|m| m.name == name)
    }

    pub fn label(&self, name: &str) -> Option<&LabelInfo> {
        self.labels.iter().find(|l| l.name == name)
    }

    /// Names of images, then of masks.
    pub fn channels(&self) -> impl Iterator<Item = Name> {
        self.images.iter().map(|i| i.name).chain(self.masks.iter().map(|m| m.name))
    }

    /// What contradicts itself in it; none where it can be used.
    pub fn problem(&self) -> Option<String> {
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = self.channels().find(|name| !seen.insert(*name)) {
            return Some(format!("two images or masks are named {twice}"));
        }
        for mask in &self.masks {
            let about = |what: String| Some(format!("mask {}: {what}", mask.name));
            if mask.classes.is_empty() {
                return about("it has no class".into());
            }
            if let Some(class) = mask.classes.iter().find(|c| c.values.is_empty() || c.values.contains(&0)) {
                return about(format!("class {:?} needs values from 1 to 255", class.name));
            }
            if let Some(ignore) = mask.ignore
                && mask.classes.iter().any(|c| c.values.contains(&ignore))
            {
                return about(format!("the value {ignore} cannot be a class and ignored"));
            }
            let mut names = std::collections::BTreeSet::new();
            if let Some(twice) = mask.classes.iter().find(|c| !names.insert(&c.name)) {
                return about(format!("two classes are named {:?}", twice.name));
            }
        }
        let few = self.labels.iter().find(|l| l.classes.len() < 2);
        few.map(|label| format!("label {}: two classes are needed", label.name))
    }
}
