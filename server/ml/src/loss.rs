//! Training objectives on burn tensors.
//!
//! All are means over the batch, so that their size does not depend on it, and generic over the
//! backend; none reads a value back from the device.

mod classes;
mod dice_ce;
mod inside;
mod l1_ssim;

pub use classes::{Emphasis, balanced_weights, cross_entropy};
pub use dice_ce::{DiceCe, dice_ce, dice_loss};
pub use inside::Inside;
pub use l1_ssim::l1_ssim;
