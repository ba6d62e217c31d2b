//! Scores of one case as pure functions over slices, computed in double precision.
//!
//! Nothing here knows about tensors or devices: arrays are row-major `[D, H, W]`. Degenerate
//! input (an empty reference) gives `None`, never a made-up number.

mod image;
mod overlap;
mod ssim;

pub use image::{mae, mae_in_mask, mse, nmse, psnr_db};
pub use overlap::{dice, dice_by_class, mean_by_class, mean_dice};
pub use ssim::{gaussian_window, ssim3d};
