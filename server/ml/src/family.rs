//! Families of networks, one folder each: everything that a worker asks of one.
//!
//! What is said of a family whatever its size are its [`Facts`], what depends on the encoder's size are its
//! [`Rules`], and what a network of it does is [`TaskNetwork`]. The list at the end of this page makes of them the
//! one type that runs train, [`Net`], and the questions below. Nothing else names families one by one.
//!
//! A new family is a folder here, its line in that list, and its file and line in `domain/src/family`.

use std::collections::HashMap;

use burn::{
    module::Module,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use transferscope_domain::{Architecture, Family, Head};

use crate::{
    checkpoint::{Form, TensorList},
    model::{
        features::LayerRows,
        io::{Input, Outputs, TaskIo},
    },
    nn::{Mode, drop_path::DropPath, kernels::Kernels},
    outcome::{Outcome, RunError},
    params::NamedTensor,
    pretrain,
    train::{layer_decay::Layers, sampling::SamplingGeometry},
};

mod facts;
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
pub(crate) use rules::Rules;
pub use task_network::TaskNetwork;

/// Makes [`Net`] of the list of families, and what is asked of a family by its name or its encoder's size.
macro_rules! families {
    (
        encoders { $($family:ident = $module:ident;)* }
        specialist { $last:ident = $last_module:ident; }
    ) => {
        /// A network for one task.
        #[derive(Module, Debug)]
        pub enum Net<B: Backend> {
            $($family($module::$family<B>),)*
            $last($last_module::$last<B>),
        }

        impl<B: Backend> Net<B> {
            /// The network with this encoder and head, all zeros; none stands for the specialist, which has a head
            /// of its own.
            ///
            /// # Panics
            /// When the head is made for another network; requests are checked by [`Family::head_problem`].
            pub fn new(architecture: Option<&Architecture>, head: Head, io: TaskIo, device: &B::Device) -> Self {
                match architecture {
                    $(Some(Architecture::$family(size)) => {
                        Net::$family(TaskNetwork::build(size, head, io, device))
                    })*
                    None => Net::$last(TaskNetwork::build(&$last_module::SIZE, head, io, device)),
                }
            }

            /// The family that it is of.
            pub fn family(&self) -> Family {
                match self {
                    $(Net::$family(_) => Family::$family,)*
                    Net::$last(_) => Family::$last,
                }
            }

            /// See [`TaskNetwork::with_probe`].
            pub fn with_probe(self, io: TaskIo, device: &B::Device) -> Self {
                match self {
                    $(Net::$family(net) => Net::$family(TaskNetwork::with_probe(net, io, device)),)*
                    Net::$last(net) => Net::$last(TaskNetwork::with_probe(net, io, device)),
                }
            }

            /// See [`TaskNetwork::with_lora`].
            pub fn with_lora(self, rank: usize, device: &B::Device) -> Self {
                match self {
                    $(Net::$family(net) => Net::$family(TaskNetwork::with_lora(net, rank, device)),)*
                    Net::$last(net) => Net::$last(TaskNetwork::with_lora(net, rank, device)),
                }
            }

            /// See [`TaskNetwork::layers`].
            pub fn layers(&self) -> Layers {
                match self {
                    $(Net::$family(net) => net.layers(),)*
                    Net::$last(net) => net.layers(),
                }
            }
        }

        impl<B: Kernels> Net<B> {
            fn pass(
                &self,
                input: Input<B>,
                drop: DropPath,
                mode: Mode,
                keep: Option<&mut LayerRows<B>>,
            ) -> Outputs<B> {
                match self {
                    $(Net::$family(net) => net.pass(input, drop, mode, keep),)*
                    Net::$last(net) => net.pass(input, drop, mode, keep),
                }
            }

            /// See [`TaskNetwork::features`].
            ///
            /// # Panics
            /// As [`Net::forward`].
            pub fn features(&self, input: Input<B>) -> LayerRows<B> {
                match self {
                    $(Net::$family(net) => TaskNetwork::features(net, input),)*
                    Net::$last(net) => TaskNetwork::features(net, input),
                }
            }

            /// See [`TaskNetwork::maps`].
            ///
            /// # Panics
            /// As [`Net::forward`].
            pub fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>> {
                match self {
                    $(Net::$family(net) => net.maps(input),)*
                    Net::$last(net) => net.maps(input),
                }
            }
        }

        /// What is said of a family.
        pub(crate) fn facts(family: Family) -> &'static Facts {
            match family {
                $(Family::$family => &$module::FACTS,)*
                Family::$last => &$last_module::FACTS,
            }
        }

        /// How networks with this encoder look at a case; none stands for the specialist.
        pub fn sampling(architecture: Option<&Architecture>) -> SamplingGeometry {
            match architecture {
                $(Some(Architecture::$family(size)) => size.sampling(),)*
                None => $last_module::SIZE.sampling(),
            }
        }

        /// Lists every tensor that an encoder has.
        pub(crate) fn list_tensors(architecture: &Architecture, list: &mut TensorList) {
            match architecture {
                $(Architecture::$family(size) => size.tensors(list),)*
            }
        }

        /// Pre-trains an encoder of this size; none where its family has no such objective.
        pub(crate) fn pretrain<B>(
            architecture: &Architecture,
            job: &pretrain::Job<'_>,
            device: &B::Device,
        ) -> Option<Result<Outcome, RunError>>
        where
            B: AutodiffBackend + Kernels,
            B::InnerBackend: Kernels,
        {
            match architecture {
                $(Architecture::$family(size) => size.pretrain::<B>(job, device),)*
            }
        }
    };
}

families! {
    encoders {
        ProfoundConv = profound_conv;
        ProfoundVit = profound_vit;
        Provicnet = provicnet;
    }
    specialist {
        Unet = unet;
    }
}

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
