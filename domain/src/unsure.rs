//! Why a number has no interval.

use serde::{Deserialize, Serialize};

/// What is missing for an interval and a p-value. The value itself stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Unsure {
    /// What another seed would have given is not known.
    OneSeed,
    /// What another test patient would have given is not known.
    OnePatient,
    /// Single cases have no scores from which the metric could be made again.
    NoCaseScores,
    /// Seeds and patients all give the same number, so that their spread is not known.
    AllEqual,
    /// Without one of the patients the value is undefined, as where a class has one case.
    Undefined,
    /// The metric jumps with single cases (a sensitivity at a threshold), so that leaving one out does not estimate
    /// its spread.
    Jumps,
}

impl Unsure {
    /// For people, to be put beside the value.
    pub fn words(self) -> &'static str {
        match self {
            Unsure::OneSeed => "one seed: no interval",
            Unsure::OnePatient => "one test patient: no interval",
            Unsure::NoCaseScores => "no scores of single cases are stored: no interval",
            Unsure::AllEqual => "all seeds and patients have the same value: no interval",
            Unsure::Undefined => "undefined if one of the patients is left out: no interval",
            Unsure::Jumps => "changes in jumps with single cases: no interval",
        }
    }
}
