//! Published heads, under upstream's names.

pub mod classifier;
pub mod unetr;
pub mod upernet;
