//! How images get worse: the degradations of the restoration tasks, and the trivial ways back.

pub mod bicubic;
pub mod kspace;
