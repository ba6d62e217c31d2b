//! Heads that ProFound publishes with its ConvNeXt, under upstream's names.

pub mod classifier;
pub mod unetr;
pub mod upernet;
