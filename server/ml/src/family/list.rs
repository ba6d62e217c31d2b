//! The list of families, and what its macro makes of it.

#![expect(clippy::large_enum_variant, reason = "one network a process, moved a few times")]

use burn::{
    module::Module,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use transferscope_domain::{Architecture, Family, Head};

use super::{Facts, Rules, TaskNetwork};
use crate::{
    checkpoint::TensorList,
    model::{
        features::LayerRows,
        io::{Input, Outputs, TaskIo},
    },
    nn::{Mode, drop_path::DropPath, kernels::Kernels},
    outcome::{Outcome, RunError},
    pretrain,
    train::{layer_decay::Layers, sampling::SamplingGeometry},
};

/// Makes [`Net`] of the list of families, and what is asked of a family by its name or its encoder's size.
macro_rules! families {
    (
        encoders { $($family:ident = $module:ident;)* }
        specialist { $last:ident = $last_module:ident; }
    ) => {
        /// A network for one task.
        #[derive(Module, Debug)]
        pub enum Net<B: Backend> {
            $($family(super::$module::$family<B>),)*
            $last(super::$last_module::$last<B>),
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
                    None => Net::specialist(&super::$last_module::Size::default(), io, device),
                }
            }

            /// The specialist of a size, all zeros.
            pub fn specialist(size: &super::$last_module::Size, io: TaskIo, device: &B::Device) -> Self {
                Net::$last(TaskNetwork::build(size, Head::default(), io, device))
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
            pub(super) fn pass(
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
                $(Family::$family => &super::$module::FACTS,)*
                Family::$last => &super::$last_module::FACTS,
            }
        }

        /// How networks with this encoder look at a case; none stands for the specialist.
        pub fn sampling(architecture: Option<&Architecture>) -> SamplingGeometry {
            match architecture {
                $(Some(Architecture::$family(size)) => size.sampling(),)*
                None => super::$last_module::Size::default().sampling(),
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
