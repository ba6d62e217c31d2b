//! Parity with numbers that trusted libraries computed: `transferscope verify FOLDER`.
//!
//! A folder holds groups (`models`, `layers`, ...) of files that say what goes in, what must come
//! out and how close; sizes are read from the files, never assumed. [`CHECKS`] lists which files
//! are understood and by which function. Nothing is skipped silently: a tensor that a check never
//! looked at is a miss, and a file that no check knows is named.
//!
//! Start reading at [`verify`]; a check gets a [`Folder`] to read from and [`Cases`] to tell.

use std::path::Path;

use transferscope_imaging::verify as pure;

mod checkpoints;
mod finetune;
pub mod gradient;
mod layers;
mod losses;
mod optimisers;
mod preprocess;
mod profound;
mod provicnet;
mod tables;
pub mod tensors;
#[cfg(test)]
pub(crate) mod tests;

pub use pure::{Cases, Entry, Folder, Line, Problem, Report, Tolerance, cases, folder};

/// What the networks and their training are compared with; see [`all`].
const CHECKS: &[Entry] = &[
    Entry { files: &["models/dinov2_noreg_posembed.safetensors"], check: provicnet::positions::check },
    Entry {
        files: &["models/profound_convnext_dense.pth", "models/profound_convnext_dense.safetensors"],
        check: checkpoints::convnext,
    },
    Entry {
        files: &["models/profound_fcmae_raw.pth", "models/profound_fcmae_remapped.safetensors"],
        check: checkpoints::fcmae,
    },
    Entry { files: &["models/profound_kernel_layout.safetensors"], check: checkpoints::kernel_layout },
    Entry {
        files: &["models/profound_mae_vit.pth", "models/profound_mae_vit.safetensors"],
        check: checkpoints::mae_vit,
    },
    Entry {
        files: &["models/provicnet_contrast.safetensors", "models/provicnet_contrast_pairs.json"],
        check: provicnet::contrast::check,
    },
    Entry {
        files: &["models/provicnet_fusion_tiny_io.safetensors", "models/provicnet_fusion_tiny.pth"],
        check: provicnet::fusion::check,
    },
    Entry { files: &["models/provicnet_preprocess.safetensors"], check: provicnet::preprocess::images },
    Entry { files: &["models/provicnet_slice_windows.json"], check: provicnet::preprocess::windows },
    Entry {
        files: &["models/provicnet_tiny.pth", "models/provicnet_tiny.safetensors"],
        check: checkpoints::provicnet,
    },
    Entry { files: &[profound::convnext::TRACE], check: profound::convnext::check_trace },
    Entry {
        files: &[profound::classifier::IO, profound::classifier::WEIGHTS],
        check: profound::classifier::check,
    },
    Entry { files: &[profound::convmae::IO, profound::convmae::WEIGHTS], check: profound::convmae::check },
    Entry {
        files: &[
            profound::convnext::IO,
            profound::convnext::WEIGHTS,
            profound::CONFIGS,
            profound::TOLERANCES,
        ],
        check: profound::convnext::check,
    },
    Entry { files: &[profound::fcmae::IO, profound::fcmae::WEIGHTS], check: profound::fcmae::check },
    Entry { files: &[profound::layer_decay::FILE], check: profound::layer_decay::check },
    Entry { files: &[profound::mae_vit::IO, profound::mae_vit::WEIGHTS], check: profound::mae_vit::check },
    Entry { files: &[profound::unetr::IO, profound::unetr::WEIGHTS], check: profound::unetr::check },
    Entry { files: &[profound::upernet::IO, profound::upernet::WEIGHTS], check: profound::upernet::check },
    Entry { files: &[profound::tables::CLASSIFIER], check: profound::tables::classifier },
    Entry { files: &[profound::tables::CONVMAE], check: profound::tables::convmae },
    Entry { files: &[profound::tables::COUNTS], check: profound::tables::counts },
    Entry { files: &[profound::tables::DENSE], check: profound::tables::dense },
    Entry { files: &[profound::tables::RAW], check: profound::tables::raw },
    Entry { files: &[profound::tables::MAE_VIT], check: profound::tables::mae_vit },
    Entry { files: &[profound::tables::UNETR], check: profound::tables::unetr },
    Entry { files: &[profound::tables::UPERNET], check: profound::tables::upernet },
    Entry { files: &[finetune::FILE], check: finetune::check },
    Entry { files: &[layers::FILE, layers::TOLERANCES], check: layers::check },
    Entry { files: &[optimisers::FILE], check: optimisers::check },
    Entry { files: &[optimisers::SCHEDULE], check: optimisers::check_schedule },
    Entry { files: &[losses::FILE, losses::TOLERANCES], check: losses::check },
    Entry { files: &[preprocess::FILE], check: preprocess::check },
    Entry { files: &["models/provicnet_tiny.safetensors"], check: provicnet::state::contrastive },
    Entry { files: &["models/provicnet_tiny_448_io.safetensors"], check: provicnet::single::full_size },
    Entry {
        files: &[
            "models/provicnet_tiny_io.safetensors",
            "models/provicnet_configs.json",
            "models/provicnet_tolerances.json",
        ],
        check: provicnet::single::contrastive,
    },
    Entry { files: &["models/provicnet_tiny_modal.safetensors"], check: provicnet::state::modal },
    Entry { files: &["models/provicnet_tiny_modal_io.safetensors"], check: provicnet::single::modal },
    Entry { files: &["models/provicnet_tiny_nopos_io.safetensors"], check: provicnet::single::without_place },
    Entry {
        files: &["models/provicnet_tiny_trus_io.safetensors", "models/provicnet_tiny_trus.pth"],
        check: provicnet::single::ultrasound,
    },
    Entry { files: &[provicnet::shapes::CONV3], check: provicnet::shapes::conv3 },
    Entry { files: &[provicnet::shapes::BASE], check: provicnet::shapes::base },
    Entry { files: &[provicnet::shapes::CONTRASTIVE], check: provicnet::shapes::contrastive },
    Entry { files: &[provicnet::shapes::MODAL], check: provicnet::shapes::modal },
    Entry { files: &[provicnet::shapes::PLAIN], check: provicnet::shapes::plain },
    Entry { files: &[provicnet::shapes::ULTRASOUND], check: provicnet::shapes::ultrasound },
    Entry { files: &[provicnet::shapes::FUSION], check: provicnet::shapes::fusion },
];

/// Every comparison: the networks', and those of images, measures and analysis.
fn all() -> Vec<&'static Entry> {
    CHECKS.iter().chain(pure::CHECKS).chain(transferscope_study::verify::CHECKS).collect()
}

/// Compares every known file below `root`.
///
/// # Errors
/// When the folder cannot be listed; a file that cannot be read is a miss of the report.
pub fn verify(root: &Path) -> std::io::Result<Report> {
    pure::verify(root, &all())
}
