//! How a folder would be read, before any of it is.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{ImageInfo, LabelInfo, LeftOut, MaskInfo};
use crate::name::Name;

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundImage {
    #[serde(flatten)]
    pub info: ImageInfo,
    /// Cases that have it.
    pub cases: usize,
    /// The file of the first of them, within the folder.
    pub example: String,
}

/// A mask that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundMaskView {
    #[serde(flatten)]
    pub info: MaskInfo,
    pub cases: usize,
    pub example: String,
    /// Values that occur in the cases that were read to see.
    pub values: Vec<u8>,
}

/// A label that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundLabel {
    #[serde(flatten)]
    pub info: LabelInfo,
    /// Cases by class.
    pub cases: BTreeMap<String, usize>,
}

/// A case that was read to see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TriedCase {
    pub case_id: String,
    pub patient_id: String,
    /// `[D, H, W]`
    pub shape: [usize; 3],
    pub spacing_mm: [f64; 3],
    pub channels: Vec<Name>,
    pub notes: Vec<String>,
}

/// What adding a folder would make of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DryRun {
    /// The name that the data set would get.
    pub name: String,
    /// How the folder is arranged: `cases`, `nnunet`, ...
    pub layout: String,
    /// The same in words.
    pub layout_label: String,
    pub images: Vec<FoundImage>,
    pub masks: Vec<FoundMaskView>,
    pub labels: Vec<FoundLabel>,
    /// Cases that would be read.
    pub cases: usize,
    pub patients: usize,
    /// Cases by what tells their patient.
    pub patient_sources: BTreeMap<String, usize>,
    /// Cases by split or fold, where the folder says so.
    pub stored_splits: BTreeMap<String, usize>,
    /// The first cases, which were read to see.
    pub tried: Vec<TriedCase>,
    pub left_out: Vec<LeftOut>,
    pub notes: Vec<String>,
    /// Bytes of all files that would be read.
    pub bytes: u64,
}

/// As lines of text.
impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        let counted = |map: &BTreeMap<String, usize>| {
            map.iter().map(|(k, n)| format!("{k} ({n})")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "layout: {} ({})", self.layout, self.layout_label)?;
        writeln!(
            f,
            "{} cases of {} patients, {:.1} MB; it would be named {}",
            self.cases,
            self.patients,
            self.bytes as f64 / 1e6,
            self.name
        )?;
        if !self.patient_sources.is_empty() {
            writeln!(f, "patients from: {}", counted(&self.patient_sources))?;
        }
        for FoundImage { info, cases, example } in &self.images {
            let unit = info.unit.as_ref().map(|unit| format!(", {unit}")).unwrap_or_default();
            writeln!(f, "image {} ({}{unit}): {cases} cases, such as {example}", info.name, info.modality)?;
        }
        for FoundMaskView { info, cases, example, values } in &self.masks {
            let classes = info.classes.iter().map(|class| {
                let values = class.values.iter().map(u8::to_string).collect::<Vec<_>>().join("+");
                format!("{} = {values}", class.name)
            });
            let classes = classes.collect::<Vec<_>>().join(", ");
            let ignored = info.ignore.map(|value| format!("; {value} is ignored")).unwrap_or_default();
            let values = values.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            writeln!(
                f,
                "mask {} ({classes}{ignored}; values seen: {values}): {cases} cases, such as {example}",
                info.name
            )?;
        }
        for FoundLabel { info, cases } in &self.labels {
            let grades = if info.ordered { " (ordered)" } else { "" };
            let classes =
                info.classes.iter().map(|class| (class.clone(), cases.get(class).copied().unwrap_or(0)));
            let classes = classes.map(|(class, n)| format!("{class} ({n})")).collect::<Vec<_>>().join(", ");
            writeln!(f, "label {}{grades}: {classes}", info.name)?;
        }
        if !self.stored_splits.is_empty() {
            writeln!(f, "splits in the folder: {}", counted(&self.stored_splits))?;
        }
        for case in &self.tried {
            let ([d, h, w], [sd, sh, sw]) = (case.shape, case.spacing_mm);
            writeln!(
                f,
                "read to see: {}: {d}x{h}x{w} voxels of {sd:.3} x {sh:.3} x {sw:.3} mm",
                case.case_id
            )?;
            for note in &case.notes {
                writeln!(f, "  note: {note}")?;
            }
        }
        for left in self.left_out.iter().take(SHOWN) {
            writeln!(f, "left out: {}: {}", left.case_id, left.reason)?;
        }
        if self.left_out.len() > SHOWN {
            writeln!(f, "and {} others are left out", self.left_out.len() - SHOWN)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}
