//! Networks on images larger than what they were trained on.

pub mod sliding_window;
