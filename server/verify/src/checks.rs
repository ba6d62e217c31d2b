//! Which files are compared, and by which function.

use crate::{
    Cases, Folder, Problem, analysis,
    io::{images, resample, subject},
    metrics::{classification, image_quality, segmentation},
    networks::{checkpoints, layers, profound, provicnet},
    physics, preprocess,
    training::{finetune, losses, optimisers},
};

/// Files that belong together, relative to the folder, and what compares them. The check runs
/// where the first file is there.
#[derive(Debug)]
pub struct Entry {
    pub files: &'static [&'static str],
    pub check: fn(&Folder, &mut Cases) -> Result<(), Problem>,
}

/// Every comparison, in the order in which the report tells them.
pub const CHECKS: &[Entry] = &[
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
    Entry { files: &[classification::FILE], check: classification::check },
    Entry { files: &[image_quality::FILE, image_quality::SCORES], check: image_quality::check },
    Entry { files: &[segmentation::FILE, segmentation::MASKS], check: segmentation::check },
    Entry { files: &[physics::FILE, physics::FACTS], check: physics::check },
    Entry { files: &[subject::EXPECTED, images::ARRAYS], check: images::check },
    Entry { files: &[resample::DESCRIPTION, resample::ARRAYS], check: resample::check },
    Entry { files: &[analysis::curves::FILE], check: analysis::curves::check },
    Entry { files: &[analysis::mmd::FILE, analysis::TENSORS], check: analysis::mmd::check },
    Entry { files: &[analysis::similarity::FILE, analysis::TENSORS], check: analysis::similarity::check },
    Entry { files: &[analysis::statistics::FILE, analysis::TENSORS], check: analysis::statistics::check },
    Entry {
        files: &[analysis::transferability::FILE, analysis::TENSORS],
        check: analysis::transferability::check,
    },
];
