//! What can be measured between the features of two networks.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use transferscope_domain::alignment::names;

use crate::{
    alignment::{AlignmentError, Features, Rows, Standard, energy_distance, frechet_distance},
    similarity::{correlation_rdm, mutual_neighbours, pwcca, rsa, svcca},
};

/// Divergence between a pre-trained and a scratch run's features; made from their files, see
/// [`crate::trajectory::FeatureTrajectory`] for those that runs record.
pub const D2S: &str = "d2s";

/// A similarity or a distance of two sets of rows; none where it is undefined.
type Between = fn(&Rows, &Rows) -> Result<Option<f64>, AlignmentError>;

/// Makes [`Measured`] of a table: name, label, and whether a larger value means features that are more alike.
macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $name:expr, $label:literal, $larger_is_closer:literal, $between:expr;)*) => {
        /// What is measured between features.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Measured {
            $($(#[$doc])* $variant,)*
        }

        impl Measured {
            /// All of them, in the order in which pages list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in URLs and files.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it is, for people.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }

            /// Whether a larger value means features that are more alike.
            pub fn larger_is_closer(self) -> bool {
                match self {
                    $(Self::$variant => $larger_is_closer,)*
                }
            }

            /// How it is made of features that a run left; none for what runs record themselves, and for an MMD².
            fn between(self) -> Option<Between> {
                match self {
                    $(Self::$variant => $between,)*
                }
            }
        }
    };
}

measures! {
    D2p = names::D2P, "MMD² to the features before fine-tuning (D2P)", false, None;
    D2r = names::D2R, "MMD² to random weights (D2R)", false, None;
    D2s = D2S, "MMD² to the network trained from scratch (D2S)", false, None;
    Cka = names::CKA, "CKA with the features before fine-tuning", true, None;
    Procrustes = names::PROCRUSTES, "Procrustes distance to the features before fine-tuning", false, None;
    Svcca = "svcca", "SVCCA with the features before fine-tuning", true, Some(by_variance);
    Pwcca = "pwcca", "PWCCA with the features before fine-tuning", true, Some(by_weight);
    Rsa = "rsa", "Representational similarity (RSA) with the features before fine-tuning", true, Some(by_dissimilarity);
    MutualNeighbours = "mutual-neighbours", "Mutual nearest neighbours with the features before fine-tuning", true,
        Some(by_neighbours);
    Energy = "energy", "Energy distance to the features before fine-tuning", false,
        Some(|x, y| energy_distance(x, y).map(Some));
    Frechet = "frechet", "Fréchet distance to the features before fine-tuning", false,
        Some(|x, y| frechet_distance(x, y).map(Some));
}

/// Share of the variance that SVCCA keeps, as its authors do.
const VARIANCE: f64 = 0.99;
/// Rows that count as near.
const NEIGHBOURS: usize = 10;
/// Most rows of a set that are compared by what a run did not record: some of these need all pairs of rows, others all
/// pairs of columns more than once.
const ROWS_MOST: usize = 512;

/// Centred rows of a set span one dimension less than there are rows: correlations are 1 where that is all that a set has.
fn spans_everything(dimensions: usize, rows: &Rows) -> bool {
    dimensions + 1 >= rows.n()
}

fn by_variance(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    let (found, kept) = svcca(x, y, VARIANCE)?;
    if kept.iter().any(|n| spans_everything(*n, x)) { Ok(None) } else { Ok(found.mean()) }
}

fn by_weight(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    if spans_everything(x.dim().min(y.dim()), x) { Ok(None) } else { pwcca(x, y) }
}

fn by_dissimilarity(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    Ok(rsa(&correlation_rdm(x), &correlation_rdm(y)))
}

fn by_neighbours(x: &Rows, y: &Rows) -> Result<Option<f64>, AlignmentError> {
    mutual_neighbours(x, y, NEIGHBOURS.min(x.n() / 2)).map(Some)
}

impl Measured {
    /// Whether it is an MMD², which has a kernel and an estimator.
    pub fn is_mmd(self) -> bool {
        matches!(self, Self::D2p | Self::D2r | Self::D2s)
    }

    /// Whether it is made of the features that a finished run left, by [`Self::of_features`].
    pub fn is_of_files(self) -> bool {
        self.between().is_some()
    }

    /// The value for the features of the same rows before and after training, standardised by those before. Of more than
    /// 512 rows evenly spaced ones count, in whole groups of `rows_per_case`. None where it is undefined: for constant
    /// features, and for canonical correlations where features have as many dimensions as there are rows, so that they
    /// are 1 whatever was learnt.
    ///
    /// # Errors
    /// When the sets differ in rows or width, have too few rows, or are not finite.
    pub fn of_features(
        self,
        before: &Features,
        after: &Features,
        rows_per_case: usize,
    ) -> Result<Option<f64>, AlignmentError> {
        let Some(between) = self.between() else { return Ok(None) };
        let standard = Standard::of(before)?;
        let rows = |features| Ok(thinned(&standard.apply(features)?, rows_per_case));
        between(&rows(after)?, &rows(before)?)
    }
}

/// At most [`ROWS_MOST`] rows, evenly spaced, in whole cases.
fn thinned(rows: &Rows, per_case: usize) -> Rows {
    let per_case = per_case.clamp(1, ROWS_MOST);
    let (cases, most) = (rows.n().div_ceil(per_case), ROWS_MOST / per_case);
    if cases <= most {
        return rows.clone();
    }
    let kept =
        (0..most).map(|i| i * cases / most).flat_map(|c| c * per_case..((c + 1) * per_case).min(rows.n()));
    let data = kept.flat_map(|i| rows.row(i)).copied().collect();
    Rows::new(rows.dim(), data).expect("rows of a set that was accepted")
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Measured {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|m| m.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|m| m.as_str()).collect();
            format!("{text:?} is not an alignment measure: use one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise, moved from that of `turn` 0 by as much as `turn` says.
    fn wave(n: usize, dim: usize, turn: f32) -> Features {
        let noise = |i: usize, by: f32| ((i as f32 * 12.9898 + by).sin() * 43_758.547).fract();
        Features { n, dim, data: (0..n * dim).map(|i| noise(i, 0.0) + turn * noise(i, 7.0)).collect() }
    }

    #[test]
    fn names_go_round_and_are_those_of_json() {
        for measured in Measured::ALL {
            assert_eq!(measured.as_str().parse(), Ok(*measured));
            assert_eq!(serde_json::to_value(measured).unwrap(), measured.as_str());
        }
        assert!("ccka".parse::<Measured>().unwrap_err().contains("mutual-neighbours"));
    }

    /// The same features are as alike as can be, others less.
    #[test]
    fn what_is_made_of_files_tells_same_from_other() {
        let (before, moved) = (wave(48, 5, 0.0), wave(48, 5, 0.4));
        let mut seen = 0;
        for measured in Measured::ALL.iter().filter(|m| m.is_of_files()) {
            let of = |after: &Features| measured.of_features(&before, after, 8).unwrap().unwrap();
            let (same, other) = (of(&before), of(&moved));
            if measured.larger_is_closer() {
                assert!((same - 1.0).abs() < 1e-9 && other < 0.99, "{measured}: {same}, {other}");
            } else {
                assert!(same.abs() < 1e-6 && other > 1e-3, "{measured}: {same}, {other}");
            }
            seen += 1;
        }
        assert_eq!(seen, 6);
    }

    /// With more features than rows every canonical correlation is 1, which says nothing.
    #[test]
    fn undefined_is_none() {
        let (before, moved) = (wave(8, 20, 0.0), wave(8, 20, 0.4));
        for measured in [Measured::Svcca, Measured::Pwcca] {
            assert_eq!(measured.of_features(&before, &moved, 8), Ok(None), "{measured}");
        }
        assert_eq!(Measured::D2p.of_features(&before, &moved, 8), Ok(None), "runs record it");
        assert!(Measured::Energy.of_features(&before, &wave(8, 3, 0.0), 8).is_err());
    }

    #[test]
    fn many_rows_are_thinned_in_whole_cases() {
        let rows = Standard::of(&wave(4000, 3, 0.0)).unwrap().apply(&wave(4000, 3, 0.0)).unwrap();
        let few = thinned(&rows, 8);
        assert_eq!(few.n(), 512);
        assert_eq!((few.row(0), few.row(7)), (rows.row(0), rows.row(7)));
        assert_eq!(thinned(&few, 8), few);
    }
}
