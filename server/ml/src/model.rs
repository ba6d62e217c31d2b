//! Networks: the encoders of the two families, the specialist, and the heads that join them to a task.

pub mod convnext;
pub mod head3d;
pub mod net;
pub mod probe;
pub mod provicnet;
pub mod refine;
pub mod unet;
pub mod vit;
