//! From record to paper: tables, a methods paragraph and references, made from what was stored.

mod escape;
mod methods;
mod references;
mod tables;

pub use methods::methods;
pub use references::references;
pub use tables::{csv, latex, markdown};

use transferscope_domain::experiment::ExperimentSpec;

use crate::analysis::{Analysis, BackboneFacts};

/// What is written about.
#[derive(Debug, Clone, Copy)]
pub struct Paper<'a> {
    pub name: &'a str,
    pub spec: &'a ExperimentSpec,
    pub analysis: &'a Analysis,
    pub backbones: &'a [BackboneFacts],
    pub synthetic: bool,
    pub version: &'a str,
}
