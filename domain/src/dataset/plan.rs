//! How the cases of a data set are brought to a network: voxel size, box, scale of the numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// What is done to an image's numbers before a network sees them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Mean 0 and deviation 1 over the voxels of the image that are not 0; those stay 0.
    NonzeroZScore,
    /// Mean 0 and deviation 1 over all voxels of the image.
    ZScore,
    /// Clipped to `low` and `high`, then less `mean` and divided by `deviation`: the same for every case, so that a unit
    /// keeps its meaning.
    Fixed { low: f64, high: f64, mean: f64, deviation: f64 },
}

impl Normalisation {
    /// In words, with numbers.
    pub fn words(&self) -> String {
        match self {
            Normalisation::NonzeroZScore => {
                "mean 0 and deviation 1 over the voxels of each image that are not 0".into()
            }
            Normalisation::ZScore => "mean 0 and deviation 1 over each image".into(),
            Normalisation::Fixed { low, high, mean, deviation } => format!(
                "clipped to {low:.4} to {high:.4}, less {mean:.4}, divided by {deviation:.4}: the same for all cases"
            ),
        }
    }
}

/// Numbers of an image over the training cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Intensities {
    /// Quantiles 0.005 and 0.995 within the masks, or within the image where there is no mask.
    pub low: f64,
    pub high: f64,
    pub mean: f64,
    pub deviation: f64,
    /// Share of the image's voxels that are exactly 0.
    pub zeros: f64,
}

/// What a data set's cases are like: what its plan is made from. Of the training cases alone, so that nothing of a
/// test case says how it is treated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fingerprint {
    /// Training cases that were looked at.
    pub cases: usize,
    /// Median voxel size in mm, `[D, H, W]`.
    pub spacing_mm: [f64; 3],
    /// Median size in voxels of the case's own grid, `[D, H, W]`.
    pub shape: [usize; 3],
    /// The smallest and the largest size along each axis.
    pub shapes: [[usize; 3]; 2],
    /// Median size in mm of the box around what the masks show, `[D, H, W]`; none without masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreground_mm: Option<[f64; 3]>,
    /// By image.
    pub intensities: BTreeMap<Name, Intensities>,
}

/// How cases are brought to a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    /// Voxel size in mm that networks see, `[D, H, W]`.
    pub spacing_mm: [f64; 3],
    /// Voxels of the box that volume networks are trained on, `[D, H, W]`.
    pub patch: [usize; 3],
    /// By image.
    pub normalisation: BTreeMap<Name, Normalisation>,
    /// Axes along which training samples are mirrored at random, `[D, H, W]`.
    pub mirror: [bool; 3],
    /// What it was made from.
    pub fingerprint: Fingerprint,
    /// What of it a person has set, by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl Plan {
    /// Fields that can be changed.
    pub const FIELDS: [&'static str; 4] = ["spacing", "patch", "mirror", "normalisation"];

    /// Most voxels of a box: four bytes each, times the maps of a network.
    pub const PATCH_MAX: usize = 256 * 256 * 256;

    /// How an image's numbers are scaled.
    pub fn normalisation(&self, image: &str) -> Normalisation {
        self.normalisation.get(image).copied().unwrap_or(Normalisation::ZScore)
    }

    /// Changes one field, as in `spacing=1,1,1`, `patch=40,56,40`, `mirror=2` or `normalisation=ct:zscore`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn set(&mut self, field: &str, text: &str) -> Result<(), String> {
        match field {
            "spacing" => {
                let values = three::<f64>(text)?;
                if let Some(bad) = values.iter().find(|v| !(0.01..=100.0).contains(*v)) {
                    return Err(format!("spacing: {bad} mm: 0.01 to 100 mm are possible"));
                }
                self.spacing_mm = values;
            }
            "patch" => {
                let values = three::<usize>(text)?;
                let voxels = values.iter().try_fold(1usize, |n, side| n.checked_mul(*side));
                if values.contains(&0) || voxels.is_none_or(|n| n > Self::PATCH_MAX) {
                    return Err(format!(
                        "patch: {text}: 1 to {} voxels in all are possible",
                        Self::PATCH_MAX
                    ));
                }
                self.patch = values;
            }
            "mirror" => self.mirror = axes(text)?,
            "normalisation" => {
                let wrong = || {
                    format!(
                        "normalisation: {text:?}: IMAGE:nonzero-zscore, IMAGE:zscore or IMAGE:fixed was expected, where IMAGE is one of {}",
                        self.normalisation.keys().map(Name::as_str).collect::<Vec<_>>().join(", ")
                    )
                };
                let (image, how) = text.split_once(':').ok_or_else(wrong)?;
                let Intensities { low, high, mean, deviation, .. } =
                    *self.fingerprint.intensities.get(image).ok_or_else(wrong)?;
                let how = match how {
                    "nonzero-zscore" => Normalisation::NonzeroZScore,
                    "zscore" => Normalisation::ZScore,
                    "fixed" => Normalisation::Fixed { low, high, mean, deviation: deviation.max(1e-6) },
                    _ => return Err(wrong()),
                };
                let name = Name::new(image)?;
                self.normalisation.insert(name, how);
            }
            other => {
                return Err(format!("{other:?} is nothing of a plan: use {}", Self::FIELDS.join(", ")));
            }
        }
        if !self.changed.iter().any(|changed| changed == field) {
            self.changed.push(field.to_owned());
        }
        Ok(())
    }

    /// [`Plan::words`] for a page.
    pub fn facts(&self) -> Vec<(String, String)> {
        self.words().into_iter().map(|(name, words)| (name.to_owned(), words)).collect()
    }

    /// Lines for people: what is done, with numbers and why.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let Fingerprint { cases, spacing_mm, shape, shapes: [low, high], foreground_mm, .. } =
            &self.fingerprint;
        let mm = |v: &[f64; 3]| v.map(|v| format!("{}", (v * 1000.0).round() / 1000.0)).join(" x ");
        let voxels = |v: &[usize; 3]| v.map(|v| v.to_string()).join(" x ");
        let by_hand = |field: &str| {
            if self.changed.iter().any(|changed| changed == field) { "; set by hand" } else { "" }
        };
        let foreground = foreground_mm
            .as_ref()
            .map(|size| format!(" What the masks show is {} mm large in the middle case.", mm(size)))
            .unwrap_or_default();
        let mirrored: Vec<&str> = ["across slices", "front to back", "left to right"]
            .into_iter()
            .zip(self.mirror)
            .filter_map(|(axis, on)| on.then_some(axis))
            .collect();
        let scaled = self.normalisation.iter().map(|(image, how)| format!("{image}: {}", how.words()));
        vec![
            (
                "Voxel size",
                format!(
                    "{} mm (slices, rows, columns); the median of {cases} training cases is {} mm{}",
                    mm(&self.spacing_mm),
                    mm(spacing_mm),
                    by_hand("spacing")
                ),
            ),
            (
                "Box",
                format!(
                    "{} voxels; cases are {} to {} voxels large, {} in the median.{foreground} Smaller cases are padded, larger ones are seen box by box{}",
                    voxels(&self.patch),
                    voxels(low),
                    voxels(high),
                    voxels(shape),
                    by_hand("patch")
                ),
            ),
            ("Numbers", format!("{}{}", scaled.collect::<Vec<_>>().join("; "), by_hand("normalisation"))),
            (
                "Mirrored in training",
                format!(
                    "{}{}",
                    if mirrored.is_empty() { "no".to_owned() } else { mirrored.join(", ") },
                    by_hand("mirror")
                ),
            ),
        ]
    }
}

/// Three values parted by commas or `x`.
fn three<T: std::str::FromStr + Copy>(text: &str) -> Result<[T; 3], String> {
    let values: Vec<T> =
        text.split([',', 'x', ' ']).filter(|t| !t.is_empty()).filter_map(|t| t.parse().ok()).collect();
    let parts = text.split([',', 'x', ' ']).filter(|t| !t.is_empty()).count();
    match values.as_slice() {
        [a, b, c] if parts == 3 => Ok([*a, *b, *c]),
        _ => Err(format!("{text:?}: three numbers were expected, for slices, rows and columns, as in 1,1,1")),
    }
}

/// Axes by number, 0 for slices, 1 for rows, 2 for columns; `none` for none.
fn axes(text: &str) -> Result<[bool; 3], String> {
    let mut axes = [false; 3];
    for part in text.split([',', ' ']).filter(|t| !t.is_empty() && *t != "none") {
        let axis = part.parse().ok().and_then(|axis: usize| axes.get_mut(axis));
        *axis.ok_or_else(|| {
            format!("mirror: {part:?}: 0 (slices), 1 (rows), 2 (columns) or none was expected")
        })? = true;
    }
    Ok(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let ct = Name::new("ct").unwrap();
        let numbers = Intensities { low: -100.0, high: 300.0, mean: 50.0, deviation: 40.0, zeros: 0.0 };
        Plan {
            spacing_mm: [1.0; 3],
            patch: [32; 3],
            normalisation: [(ct, Normalisation::ZScore)].into(),
            mirror: [false, false, true],
            fingerprint: Fingerprint { intensities: [(ct, numbers)].into(), ..Fingerprint::default() },
            changed: Vec::new(),
        }
    }

    #[test]
    fn a_plan_is_changed_field_by_field_and_says_so() {
        let mut plan = plan();
        for (field, text) in [
            ("spacing", "3, 0.5, 0.5"),
            ("patch", "40x56x40"),
            ("mirror", "0,2"),
            ("normalisation", "ct:fixed"),
        ] {
            plan.set(field, text).unwrap();
        }
        assert_eq!(
            (plan.spacing_mm, plan.patch, plan.mirror),
            ([3.0, 0.5, 0.5], [40, 56, 40], [true, false, true])
        );
        assert!(matches!(plan.normalisation("ct"), Normalisation::Fixed { low, .. } if low == -100.0));
        assert_eq!(plan.changed.len(), 4);
        assert!(plan.words().iter().all(|(_, words)| words.contains("set by hand")));
        plan.set("mirror", "none").unwrap();
        assert_eq!((plan.mirror, plan.changed.len()), ([false; 3], 4));
    }

    #[test]
    fn what_is_no_plan_is_refused_with_what_would_be() {
        let mut plan = plan();
        for (field, text, says) in [
            ("spacing", "1,1", "three numbers"),
            ("spacing", "0,1,1", "0.01 to 100"),
            ("spacing", "nan,1,1", "0.01 to 100"),
            ("patch", "0,1,1", "1 to"),
            ("patch", "9999999,9999999,9999999", "1 to"),
            ("patch", "1,1,x,1,1", "three numbers"),
            ("mirror", "3", "2 (columns)"),
            ("normalisation", "mr:zscore", "one of ct"),
            ("colour", "red", "spacing, patch"),
        ] {
            let error = plan.set(field, text).unwrap_err();
            assert!(error.contains(says), "{field}={text}: {error}");
        }
        assert_eq!(plan, super::tests::plan());
    }
}
