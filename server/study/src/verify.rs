//! Comparing with the group `analysis` of the reference numbers; the framework is
//! [`transferscope_imaging::verify`].

use transferscope_imaging::verify::Entry;

/// The comparisons of this crate.
pub const CHECKS: &[Entry] = &[];
