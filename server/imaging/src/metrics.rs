//! Scores of one case as pure functions over slices, computed in double precision.
//!
//! Nothing here knows about tensors or devices: arrays are row-major `[D, H, W]`. Degenerate
//! input (an empty reference) gives `None`, never a made-up number.

mod binary;
mod distance_map;
mod image;
mod ordinal;
mod overlap;
mod quantile;
mod regression;
mod ssim;
mod surface;

pub use binary::{
    Decisions, PrecisionRecall, Roc, auroc, average_precision, brier, log_loss, precision_recall, roc,
    sensitivity_at_specificity, specificity_at_sensitivity,
};
pub use distance_map::squared_distance;
pub use image::{mae, mse, nmse, psnr_db};
pub use ordinal::{Confusion, KappaWeight, auroc_one_vs_one, auroc_one_vs_rest};
pub use overlap::{Overlap, dice, dice_by_class, mean_by_class};
pub use quantile::quantile;
pub use regression::{mean_absolute_error, mean_squared_error, r_squared};
pub use ssim::{Ssim, SsimMap, gaussian_window, ssim3d, ssim3d_in};
pub use surface::{SurfaceDistances, assd_mm, hd95_mm};
