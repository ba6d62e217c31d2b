//! What a network of a family does.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use transferscope_domain::Head;

use crate::{
    model::{
        features::LayerRows,
        io::{Input, Outputs, TaskIo},
    },
    nn::{Mode, drop_path::DropPath, kernels::Kernels},
    train::layer_decay::Layers,
};

/// A family's network for one task. What it has from a backbone is in its field `encoder`, so that its parameters are
/// named [`crate::params::ENCODER`] and whatever the checkpoints of the family call them.
pub trait TaskNetwork<B: Backend>: Module<B> {
    /// What tells the size of an encoder.
    type Size;

    /// The network with an encoder of this size, all zeros; see [`crate::init`].
    ///
    /// # Panics
    /// When the head is made for another family; requests are checked by [`Family::head_problem`].
    fn build(size: &Self::Size, head: Head, io: TaskIo, device: &B::Device) -> Self;

    /// The same with a linear layer of zeros instead of the head; the specialist stays as it is.
    fn with_probe(self, _io: TaskIo, _device: &B::Device) -> Self {
        self
    }

    /// The same with low-rank additions of zeros in the encoder; the specialist stays as it is.
    fn with_lora(self, _rank: usize, _device: &B::Device) -> Self {
        self
    }

    /// How the encoder's layers are numbered from the input; the specialist has none to tell apart.
    fn layers(&self) -> Layers {
        Layers::none()
    }

    /// A pass, and where `keep` is given the features of the encoder's layers on the way, which come last in it.
    /// Blocks of the encoder are skipped as `drop` says; where someone watches, none has to be.
    ///
    /// # Shapes
    /// See [`super::Net::forward`].
    ///
    /// # Panics
    /// When a volume is given to a 2.5-D network or the other way round.
    fn pass(
        &self,
        input: Input<B>,
        drop: DropPath,
        mode: Mode,
        keep: Option<&mut LayerRows<B>>,
    ) -> Outputs<B>
    where
        B: Kernels;

    /// The features that a watched [`Self::pass`] takes on its way, without what comes after the encoder.
    ///
    /// # Panics
    /// As [`Self::pass`].
    fn features(&self, input: Input<B>) -> LayerRows<B>
    where
        B: Kernels;

    /// Maps of the encoder's layers, finest first, each `[B, C, D, H, W]` on a grid that divides the
    /// one before; images of a slab are joined as channels of a grid with one slice.
    ///
    /// # Panics
    /// As [`Self::pass`].
    fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>>
    where
        B: Kernels;
}
