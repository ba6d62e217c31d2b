//! Published heads, under upstream's names.

pub mod channel_reducer;
pub mod classifier;
pub mod contrastive;
pub mod conv_head;
pub mod conv_head_3up;
pub mod fusion;
pub mod label;
pub mod unetr;
pub mod upernet;
