//! State dicts: the models here have exactly the tensors of a file, and the counters of its norms.

use transferscope_ml::family::provicnet::published::{Published, Variant};

use super::model::{Configs, Weights, tiny};
use crate::{Cases, Folder, Problem};
use burn_flex::Flex;

/// Whether a model takes exactly these weights.
fn fits(
    folder: &Folder,
    cases: &mut Cases,
    file: &str,
    weights: &Weights,
    variant: Variant,
) -> Result<(), Problem> {
    let configs = Configs::open(folder)?;
    let model = Published::<Flex>::new(&configs.vit()?, variant, configs.classes()?, &Default::default());
    let differs = weights.fill(model).err().map(|problem| problem.to_string());
    cases.equal(file, "state_dict", differs);
    Ok(())
}

pub fn contrastive(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = "models/provicnet_tiny.safetensors";
    fits(folder, cases, file, &Weights::safetensors(folder, file)?, tiny(folder)?)
}

pub fn modal(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = "models/provicnet_tiny_modal.safetensors";
    let variant = Variant { modal: true, ..Variant::default() };
    fits(folder, cases, file, &Weights::safetensors(folder, file)?, variant)
}
