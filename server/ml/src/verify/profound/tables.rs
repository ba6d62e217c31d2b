//! Full-size networks without weights: names and shapes of their parameters, and how many there are.
//! Nothing is allocated for it but the fixed tables.

use std::collections::BTreeMap;

use burn::module::Module;
use burn_flex::{Flex, FlexDevice};

use super::raw;
use crate::{
    model::{
        convmae::{ConvMae, ConvMaeConfig},
        convnext::{ConvNext, ConvNextConfig},
        fcmae::{Fcmae, FcmaeConfig},
        heads::{
            classifier::{BOTTLENECK, Classifier},
            unetr::{ConvnextUnetr, FEATURES},
            upernet::{UperNet, UperNetConfig},
        },
        mae_vit::{MaeVit, MaeVitConfig},
    },
    params,
    verify::{Cases, Folder, Problem, Tolerance, folder::number},
};

pub const DENSE: &str = "shapes/profound_convnextv2_tiny_dense.json";
pub const RAW: &str = "shapes/profound_convnextv2_tiny_fcmae_raw.json";
pub const CLASSIFIER: &str = "shapes/profound_classifier_tiny_c4.json";
pub const UPERNET: &str = "shapes/profound_upernet_tiny_o1.json";
pub const UNETR: &str = "shapes/profound_unetr_tiny_f32_o1.json";
pub const MAE_VIT: &str = "shapes/profound_mae_vit_base.json";
pub const CONVMAE: &str = "shapes/profound_convmae_vit_base.json";
pub const COUNTS: &str = "shapes/profound_convnextv2_parameter_counts.json";

type Shapes = Vec<(String, Vec<usize>)>;

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

pub fn convmae(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    compare(folder, CONVMAE, cases, shapes(|d| ConvMae::<Flex>::new(&ConvMaeConfig::base(), d)))
}

/// Compares the number of parameters of every published size.
pub fn counts(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.json(COUNTS)?;
    let sizes = file.as_object().ok_or_else(|| Problem::new(format!("{COUNTS} is no table")))?;
    for (name, count) in sizes {
        let config = ConvNextConfig::named(name);
        let config = config.ok_or_else(|| Problem::new(format!("{COUNTS}: {name} is no size")))?;
        cases.compare(COUNTS, name, &[config.parameters() as f64], &[number(count)?], Tolerance::EXACT);
    }
    Ok(())
}

/// Ends the name of what PyTorch's batch normalisation counts and we do not.
const COUNTER: &str = ".num_batches_tracked";
/// Ends the names of what is saved and no parameter.
const BUFFERS: [&str; 2] = [".running_mean", ".running_var"];
/// Ends the names of parameters that no training changes.
const FIXED: &str = "pos_embed";

/// Compares names, shapes and numbers of parameters: all, trained ones, and by part.
fn compare(folder: &Folder, path: &str, cases: &mut Cases, ours: Shapes) -> Result<(), Problem> {
    let file = folder.json(path)?;
    let wrong = |what: &str| Problem::new(format!("{path}: {what}"));
    let mut theirs = BTreeMap::new();
    let mut counters = 0;
    for key in file["keys"].as_array().ok_or_else(|| wrong("there is no list of keys"))? {
        let name = key[0].as_str().ok_or_else(|| wrong("a key has no name"))?;
        let sizes = key[1].as_array().ok_or_else(|| wrong("a key has no shape"))?;
        let shape: Option<Vec<u64>> = sizes.iter().map(serde_json::Value::as_u64).collect();
        let shape = shape.ok_or_else(|| wrong("a shape is not of whole numbers"))?;
        if name.ends_with(COUNTER) {
            counters += 1;
        } else if theirs.insert(name, shape).is_some() {
            return Err(wrong(&format!("{name} is listed twice")));
        }
    }
    let mut differences = Vec::new();
    for (name, shape) in &ours {
        let shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
        match theirs.remove(name.as_str()) {
            Some(found) if found == shape => {}
            Some(found) => differences.push(format!("{name} is {shape:?} here, {found:?} there")),
            None => differences.push(format!("{name} is only here")),
        }
    }
    differences.extend(theirs.keys().map(|name| format!("{name} is only there")));
    let first = differences.first().map(|first| format!("{} differ: {first}", differences.len()));
    cases.equal(path, "keys", first);

    let count = |wanted: &dyn Fn(&str) -> bool| -> f64 {
        let parameter = |name: &str| !BUFFERS.iter().any(|b| name.ends_with(b));
        let counted = ours.iter().filter(|(name, _)| parameter(name) && wanted(name));
        counted.map(|(_, shape)| shape.iter().product::<usize>() as f64).sum()
    };
    let mut exact = |what: &str, ours: f64, theirs: &serde_json::Value| -> Result<(), Problem> {
        cases.compare(path, what, &[ours], &[number(theirs)?], Tolerance::EXACT);
        Ok(())
    };
    // A counter of its own for every running mean.
    let means = ours.iter().filter(|(name, _)| name.ends_with(BUFFERS[0])).count();
    exact("counters", means as f64, &counters.into())?;
    exact("tensors", (ours.len() + means) as f64, &file["tensors"])?;
    exact("parameters", count(&|_| true), &file["parameters"])?;
    if !file["parameters_trainable"].is_null() {
        exact("parameters_trainable", count(&|name| !name.ends_with(FIXED)), &file["parameters_trainable"])?;
    }
    for (part, theirs) in file["parameters_by_part"].as_object().into_iter().flatten() {
        let inside = format!("{part}.");
        exact(&format!("parameters_by_part.{part}"), count(&|name| name.starts_with(&inside)), theirs)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::tests::assert_file_passes;

    #[test]
    fn full_sizes_have_the_published_parameters() {
        for file in [DENSE, RAW, CLASSIFIER, UPERNET, UNETR, MAE_VIT, CONVMAE, COUNTS] {
            assert_file_passes(file);
        }
    }
}
