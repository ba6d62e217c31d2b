//! What may happen to a case.

use serde::{Deserialize, Serialize};

/// Which changes are made, how often and how much; stored with a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Probability that left and right are exchanged.
    pub mirror: f64,
    pub affine: Affine,
    pub elastic: Elastic,
    /// Exponent of the intensities, scaled to 0..1 for it: `v^gamma`.
    pub gamma: Between,
    /// Factor of the intensities.
    pub scale: Between,
    /// What is added to the intensities, in deviations of the image.
    pub shift: Between,
    /// Gaussian noise, in deviations of the image: its deviation is drawn from 0 to this.
    pub noise: Chance,
    /// A smooth multiplicative field, as of a receive coil: its largest departure from 1 is drawn from 0 to this.
    pub bias: Chance,
}

/// Rotation, scaling and shift. Slices are thick, so that what moves voxels between them is kept smaller than what
/// moves them within.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    pub probability: f64,
    /// Largest rotation in the slice plane, either way.
    pub rotation_deg: f64,
    /// Largest tilt of the slice plane about each of its axes, either way.
    pub tilt_deg: f64,
    /// Largest relative change of size in the slice plane, and across it.
    pub scaling: f64,
    pub scaling_across: f64,
    /// Largest shift along each axis of the slice plane, and across it.
    pub shift_mm: f64,
    pub shift_across_mm: f64,
}

/// Smooth displacement: independent draws on a coarse lattice, joined by cubic B-splines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elastic {
    pub probability: f64,
    /// Distance of the lattice's nodes.
    pub node_mm: f64,
    /// Largest displacement of a node along each axis of the slice plane, and across it.
    pub displacement_mm: f64,
    pub displacement_across_mm: f64,
}

/// A quantity drawn evenly between two values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    pub probability: f64,
    pub low: f64,
    pub high: f64,
}

/// A strength drawn evenly from 0 to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    pub probability: f64,
    pub most: f64,
}

/// Why a recipe cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("augmentation: {what} is {value}: use {low} to {high}")]
pub struct BadRecipe {
    what: &'static str,
    value: f64,
    low: f64,
    high: f64,
}

/// Largest displacement of a node as a share of the nodes' distance. Up to 0.48 the map cannot fold over (Choi
/// and Lee, 2000); 0.4 is the bound in use.
const STEEPEST: f64 = 0.4;

impl Default for Recipe {
    /// For segmentation and classification of prostate MRI.
    fn default() -> Self {
        Self {
            mirror: 0.5,
            affine: Affine {
                probability: 0.5,
                rotation_deg: 10.0,
                tilt_deg: 3.0,
                scaling: 0.1,
                scaling_across: 0.05,
                shift_mm: 5.0,
                shift_across_mm: 2.0,
            },
            elastic: Elastic {
                probability: 0.2,
                node_mm: 24.0,
                displacement_mm: 4.0,
                displacement_across_mm: 1.0,
            },
            gamma: Between { probability: 0.2, low: 0.7, high: 1.4 },
            scale: Between { probability: 0.3, low: 0.8, high: 1.2 },
            shift: Between { probability: 0.3, low: -0.2, high: 0.2 },
            noise: Chance { probability: 0.15, most: 0.15 },
            bias: Chance { probability: 0.2, most: 0.3 },
        }
    }
}

impl Recipe {
    /// Every case as it is.
    pub fn none() -> Self {
        let mut recipe = Self { mirror: 0.0, ..Self::default() };
        recipe.affine.probability = 0.0;
        recipe.elastic.probability = 0.0;
        for change in [&mut recipe.gamma, &mut recipe.scale, &mut recipe.shift] {
            change.probability = 0.0;
        }
        for change in [&mut recipe.noise, &mut recipe.bias] {
            change.probability = 0.0;
        }
        recipe
    }

    /// Whether every number makes sense.
    ///
    /// # Errors
    /// When one does not, naming it and what would be right.
    pub fn check(&self) -> Result<(), BadRecipe> {
        let (affine, elastic) = (&self.affine, &self.elastic);
        let node = elastic.node_mm;
        let checks = [
            ("the probability of mirror", self.mirror, 0.0, 1.0),
            ("the probability of affine", affine.probability, 0.0, 1.0),
            ("affine rotation_deg", affine.rotation_deg, 0.0, 180.0),
            ("affine tilt_deg", affine.tilt_deg, 0.0, 45.0),
            ("affine scaling", affine.scaling, 0.0, 0.5),
            ("affine scaling_across", affine.scaling_across, 0.0, 0.5),
            ("affine shift_mm", affine.shift_mm, 0.0, 100.0),
            ("affine shift_across_mm", affine.shift_across_mm, 0.0, 100.0),
            ("the probability of elastic", elastic.probability, 0.0, 1.0),
            ("elastic node_mm", node, 5.0, 1000.0),
            ("elastic displacement_mm", elastic.displacement_mm, 0.0, STEEPEST * node),
            ("elastic displacement_across_mm", elastic.displacement_across_mm, 0.0, STEEPEST * node),
            ("the probability of gamma", self.gamma.probability, 0.0, 1.0),
            ("gamma low", self.gamma.low, 0.1, self.gamma.high),
            ("gamma high", self.gamma.high, 0.1, 10.0),
            ("the probability of scale", self.scale.probability, 0.0, 1.0),
            ("scale low", self.scale.low, 0.0, self.scale.high),
            ("scale high", self.scale.high, 0.0, 10.0),
            ("the probability of shift", self.shift.probability, 0.0, 1.0),
            ("shift low", self.shift.low, -10.0, self.shift.high),
            ("shift high", self.shift.high, -10.0, 10.0),
            ("the probability of noise", self.noise.probability, 0.0, 1.0),
            ("noise most", self.noise.most, 0.0, 10.0),
            ("the probability of bias", self.bias.probability, 0.0, 1.0),
            ("bias most", self.bias.most, 0.0, 0.9),
        ];
        match checks.into_iter().find(|(_, value, low, high)| !(low..=high).contains(&value)) {
            Some((what, value, low, high)) => Err(BadRecipe { what, value, low, high }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_stored_and_wrong_ones_are_named() {
        for recipe in [Recipe::default(), Recipe::none()] {
            recipe.check().unwrap();
            let text = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
        }
        let mut recipe = Recipe::default();
        recipe.elastic.displacement_mm = 20.0;
        assert!(
            recipe.check().unwrap_err().to_string().contains("elastic displacement_mm is 20: use 0 to 9.6")
        );
        let nan = Recipe { mirror: f64::NAN, ..Recipe::default() };
        assert!(nan.check().unwrap_err().to_string().contains("mirror"));
        assert!(serde_json::from_str::<Recipe>("{\"mirror\": 0.5}").is_err());
    }
}
