//! Networks: the encoders of the two families, the specialist, and the heads that join them to a task.

pub mod convmae;
pub mod convnext;
pub mod fcmae;
pub mod head3d;
pub mod heads;
pub mod mae_vit;
pub mod masked;
pub mod net;
pub mod probe;
pub mod provicnet;
pub mod refine;
pub mod transformer;
pub mod unet;
pub mod vit;
