//! Names and shapes of the full-size models; nothing is allocated for them.

use burn_flex::Flex;
use transferscope_ml::{
    family::provicnet::{
        heads::{conv_head_3up::ConvHead3Up, fusion::Fusion},
        published::{Published, Variant},
        vit::{DinoSize, VitConfig},
    },
    params::shapes,
};

use crate::{Cases, Folder, Problem, networks::tables::compare};

const CLASSES: usize = 4;
/// Values of a token of the published backbone.
const FEATURES: usize = 384;

pub const CONTRASTIVE: &str = "shapes/provicnet_dinov2_s_reg_448_contrastive.json";
pub const PLAIN: &str = "shapes/provicnet_dinov2_s_reg_448_plain.json";
pub const BASE: &str = "shapes/provicnet_dinov2_b_reg_448_plain.json";
pub const MODAL: &str = "shapes/provicnet_dinov2_s_reg_448_modal.json";
pub const ULTRASOUND: &str = "shapes/provicnet_dinov2_s_reg_448_trus.json";
pub const FUSION: &str = "shapes/provicnet_fusion.json";
pub const CONV3: &str = "shapes/provicnet_conv3_head.json";

fn published(
    folder: &Folder,
    path: &str,
    cases: &mut Cases,
    size: DinoSize,
    variant: Variant,
) -> Result<(), Problem> {
    let config = VitConfig::dinov2(size, true).published();
    let network = Published::<Flex>::new(&config, variant, CLASSES, &Default::default());
    compare(folder, path, cases, shapes(&network))
}

pub fn contrastive(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    published(folder, CONTRASTIVE, cases, DinoSize::Small, Variant::CONTRASTIVE)
}

pub fn plain(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    published(folder, PLAIN, cases, DinoSize::Small, Variant::default())
}

pub fn base(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    published(folder, BASE, cases, DinoSize::Base, Variant::default())
}

pub fn modal(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let variant = Variant { modal: true, ..Variant::default() };
    published(folder, MODAL, cases, DinoSize::Small, variant)
}

pub fn ultrasound(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    published(folder, ULTRASOUND, cases, DinoSize::Small, Variant::ULTRASOUND)
}

pub fn fusion(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let network = Fusion::<Flex>::new(FEATURES, 3, CLASSES, &Default::default());
    compare(folder, FUSION, cases, shapes(&network))
}

pub fn conv3(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let network = ConvHead3Up::<Flex>::new(FEATURES, CLASSES, &Default::default());
    compare(folder, CONV3, cases, shapes(&network))
}
