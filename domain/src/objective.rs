//! What a backbone is pre-trained by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    dataset::{DatasetManifest, LeftOut},
    metric::Split,
};

/// What a backbone learns from images before any task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Masked autoencoding: hidden patches are reconstructed from visible ones (ProFound).
    Mae,
    /// Supervised segmentation of gland and lesion, with patches of cancer pulled together and
    /// pushed from distant healthy ones (ProViCNet).
    PatchContrast,
    /// A student learns to say of crops what a slowly following teacher says of whole slices
    /// (DINO), which ProViCNet's backbone started from.
    SelfDistillation,
}

impl Objective {
    /// All objectives, in the order in which pages list them.
    pub const ALL: [Objective; 3] = [Objective::Mae, Objective::PatchContrast, Objective::SelfDistillation];

    /// The name in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Objective::Mae => "mae",
            Objective::PatchContrast => "patch-contrast",
            Objective::SelfDistillation => "self-distillation",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            Objective::Mae => "Masked autoencoding",
            Objective::PatchContrast => "Segmentation with patch contrast",
            Objective::SelfDistillation => "Self-distillation (DINO)",
        }
    }

    /// One line of help for the form.
    pub fn help(self) -> &'static str {
        match self {
            Objective::Mae => "Reconstructs hidden patches from visible ones. Needs images only.",
            Objective::PatchContrast => {
                "Segments gland and lesion, and pulls patches of cancer together. Needs gland and lesion masks."
            }
            Objective::SelfDistillation => {
                "Student and teacher agree about crops of a slice. Needs images only."
            }
        }
    }

    /// Images and masks that a case must have.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Objective::Mae | Objective::SelfDistillation => &["t2w", "hbv", "adc"],
            Objective::PatchContrast => &["t2w", "hbv", "adc", "gland", "lesion"],
        }
    }

    /// Cases that cannot serve, with the reason.
    pub fn left_out(self, dataset: &DatasetManifest) -> Vec<LeftOut> {
        let reason = |missing: Vec<&str>| {
            format!("{self} needs {}; missing: {}", self.needs().join(", "), missing.join(", "))
        };
        dataset
            .cases
            .iter()
            .filter_map(|case| {
                let missing: Vec<_> = self.needs().iter().filter(|n| !case.has(n)).copied().collect();
                (!missing.is_empty())
                    .then(|| LeftOut { case_id: case.case_id.clone(), reason: reason(missing) })
            })
            .collect()
    }

    /// Says why the objective cannot learn from a data set; none where it can. Training and test
    /// patients are learnt from, validation patients tell how well it goes.
    pub fn data_problem(self, dataset: &DatasetManifest) -> Option<String> {
        let usable = |val: bool| {
            let cases = dataset.cases.iter().filter(|c| (c.split == Split::Val) == val);
            cases.filter(|c| self.needs().iter().all(|n| c.has(n))).count()
        };
        let (learn, validate) = (usable(false), usable(true));
        let nothing_to_find = |channel: &str| {
            let cases = dataset.cases.iter().filter(|c| c.split != Split::Val);
            let mut usable = cases.filter(|c| self.needs().iter().all(|n| c.has(n)));
            learn > 0 && usable.all(|c| c.is_empty_mask(channel))
        };
        if let Some(channel) = self.needs().iter().find(|channel| nothing_to_find(channel)) {
            return Some(format!(
                "{} trains on {channel} masks; in {:?} those of all {learn} training cases are empty.",
                self.label(),
                dataset.name
            ));
        }
        (learn == 0 || validate == 0).then(|| {
            format!(
                "{} needs cases with {}; {:?} has {learn} for training and {validate} for validation.",
                self.label(),
                self.needs().join(", "),
                dataset.name,
            )
        })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Objective {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Objective::ALL.into_iter().find(|o| o.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Objective::ALL.iter().map(|o| o.as_str()).collect();
            format!("unknown objective {text:?}: use one of {}", known.join(", "))
        })
    }
}
