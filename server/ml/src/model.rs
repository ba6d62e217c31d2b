//! Parts of networks that families share: heads that join an encoder to a task, and what goes in and comes out.

pub mod features;
pub mod head3d;
pub mod io;
pub mod label_head;
pub mod linear_probe;
pub mod masked;
pub mod refine;
pub mod transformer;
pub mod volume_head;
