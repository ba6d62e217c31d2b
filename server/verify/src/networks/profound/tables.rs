//! Full-size networks without weights: names and shapes of their parameters, and how many there are.
//! Nothing is allocated for it but the fixed tables.

use burn::module::Module;
use burn_flex::{Flex, FlexDevice};
use transferscope_ml::{
    family::{
        profound_conv::{
            convnext::{ConvNext, ConvNextConfig},
            fcmae::{Fcmae, FcmaeConfig},
            heads::{
                classifier::{BOTTLENECK, Classifier},
                unetr::{ConvnextUnetr, FEATURES},
                upernet::{UperNet, UperNetConfig},
            },
        },
        profound_vit::mae_vit::{MaeVit, MaeVitConfig},
    },
    params,
};

use super::raw;
use crate::{
    Cases, Folder, Problem, Tolerance,
    networks::tables::{Shapes, compare},
    number,
};

pub const DENSE: &str = "shapes/profound_convnextv2_tiny_dense.json";
pub const RAW: &str = "shapes/profound_convnextv2_tiny_fcmae_raw.json";
pub const CLASSIFIER: &str = "shapes/profound_classifier_tiny_c4.json";
pub const UPERNET: &str = "shapes/profound_upernet_tiny_o1.json";
pub const UNETR: &str = "shapes/profound_unetr_tiny_f32_o1.json";
pub const MAE_VIT: &str = "shapes/profound_mae_vit_base.json";
pub const COUNTS: &str = "shapes/profound_convnextv2_parameter_counts.json";

fn shapes<M: Module<Flex>>(network: impl FnOnce(&FlexDevice) -> M) -> Shapes {
    params::shapes(&network(&Default::default()))
}

pub fn dense(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    compare(folder, DENSE, cases, shapes(|d| ConvNext::<Flex>::new(&ConvNextConfig::tiny(), d)))
}

pub fn raw(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let dense = shapes(|d| Fcmae::<Flex>::new(&FcmaeConfig::tiny(), d));
    let raw = dense.iter().filter_map(|(name, shape)| raw::name_and_shape(name, shape));
    compare(folder, RAW, cases, raw.collect())
}

pub fn classifier(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let network = |d: &_| Classifier::<Flex>::new(&ConvNextConfig::tiny(), BOTTLENECK, 4, d);
    compare(folder, CLASSIFIER, cases, shapes(network))
}

pub fn upernet(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let network = |d: &_| UperNet::<Flex>::new(&ConvNextConfig::tiny(), &UperNetConfig::published(1), d);
    compare(folder, UPERNET, cases, shapes(network))
}

pub fn unetr(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let network = |d: &_| ConvnextUnetr::<Flex>::new(&ConvNextConfig::tiny(), FEATURES, 1, d);
    compare(folder, UNETR, cases, shapes(network))
}

pub fn mae_vit(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    compare(folder, MAE_VIT, cases, shapes(|d| MaeVit::<Flex>::new(&MaeVitConfig::base(), d)))
}

/// Compares the number of parameters of every published size.
pub fn counts(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.json(COUNTS)?;
    let sizes = file.as_object().ok_or_else(|| Problem::new(format!("{COUNTS} is no table")))?;
    for (name, count) in sizes {
        let config = ConvNextConfig::named(name);
        let config = config.ok_or_else(|| Problem::new(format!("{COUNTS}: {name} is no size")))?;
        let network = ConvNext::<Flex>::new(&config, &Default::default());
        let ours = params::values(&network) as f64;
        cases.compare(COUNTS, name, &[ours], &[number(count)?], Tolerance::EXACT);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_file_passes;

    #[test]
    fn full_sizes_have_the_published_parameters() {
        for file in [DENSE, RAW, CLASSIFIER, UPERNET, UNETR, MAE_VIT, COUNTS] {
            assert_file_passes(file);
        }
    }
}
