//! Heads that ProViCNet publishes, under upstream's names.

pub mod channel_reducer;
pub mod contrastive;
pub mod conv_head;
pub mod conv_head_3up;
pub mod fusion;
