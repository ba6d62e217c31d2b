//! Families of networks, one folder each: everything that a worker asks of one.
//!
//! What is said of a family whatever its size are its [`Facts`], what depends on the encoder's size are its
//! [`Rules`], and what a network of it does is [`TaskNetwork`]. The list of families (`list.rs`) makes of them the one
//! type that runs train, [`Net`], and the questions that are asked by family or by size. Nothing else names families one
//! by one.
//!
//! A new family is a folder here, its line in that list, and its file and line in `domain/src/family`.

use std::collections::HashMap;

use transferscope_domain::Family;

use crate::{checkpoint::Form, params::NamedTensor};

mod facts;
mod list;
mod net;
pub mod profound_conv;
pub mod profound_vit;
pub mod provicnet;
mod rules;
#[cfg(test)]
pub(crate) mod samples;
mod task_network;
pub mod unet;

pub(crate) use facts::{Facts, ModuleNames};
pub use list::{Net, sampling};
pub(crate) use list::{facts, list_tensors, pretrain};
pub(crate) use rules::Rules;
pub use task_network::TaskNetwork;

fn all() -> impl Iterator<Item = &'static Facts> {
    Family::ALL.into_iter().map(facts)
}

/// The ways in which files hold an encoder of any family.
pub(crate) fn forms() -> impl Iterator<Item = &'static Form> {
    all().flat_map(|facts| facts.forms)
}

/// Short names of the encoders that are read from files, in words: `ConvNeXt-V2`.
pub(crate) fn readable() -> Vec<&'static str> {
    all().filter_map(|facts| facts.encoder).collect()
}

/// What upstream calls the parts of a module of this type, where it calls them otherwise.
pub(crate) fn module_names(module: &str) -> Option<&'static ModuleNames> {
    all().flat_map(|facts| facts.modules).find(|names| names.module == module)
}

/// The values of a tensor of a file in the shape that an encoder's has, where its family knows how to turn one into
/// the other; `encoder` are all tensors of the file's encoder by name.
pub(crate) fn resized(
    tensor: &NamedTensor,
    shape: &[usize],
    encoder: &HashMap<&str, &NamedTensor>,
) -> Option<Vec<f32>> {
    all().find_map(|facts| (facts.resized)(tensor, shape, encoder))
}

#[cfg(test)]
mod tests;
