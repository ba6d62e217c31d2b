//! What all networks of a task can be asked, whatever their family.

use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::{Architecture, Family, Head};

use super::Net;
use crate::{
    model::{
        features::LayerRows,
        io::{Input, Outputs, TaskIo},
    },
    nn::{Mode, drop_path::DropPath, kernels::Kernels},
};

impl<B: Backend> Net<B> {
    /// The `mini` network of a family, all zeros; see [`crate::init`].
    pub fn mini(family: Family, io: TaskIo, device: &B::Device) -> Self {
        Self::new(Architecture::mini(family).as_ref(), Head::Compact, io, device)
    }

    /// Whether it has an encoder that can be a backbone's, and so can be adapted.
    pub fn has_backbone(&self) -> bool {
        self.family() != Family::SPECIALIST
    }
}

impl<B: Kernels> Net<B> {
    /// Blocks of the encoder are skipped as `drop` says; [`DropPath::NONE`] to evaluate. The mode matters
    /// to heads with batch normalisation.
    ///
    /// # Shapes
    /// A volume gives `[B, out, D, H, W]`, slabs give `[S, out, 1, H, W]`; a label of a volume is
    /// `[B, out, 1, 1, 1]` from either.
    ///
    /// # Panics
    /// When a volume is given to a 2.5-D network or the other way round.
    pub fn forward(&self, input: Input<B>, drop: DropPath, mode: Mode) -> Tensor<B, 5> {
        self.outputs(input, drop, mode).main
    }

    /// [`Self::forward`] with what a second head gives in training.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn outputs(&self, input: Input<B>, drop: DropPath, mode: Mode) -> Outputs<B> {
        self.pass(input, drop, mode, None)
    }

    /// [`Self::forward`] in evaluation, and the features of the encoder's layers on the way, which come last in
    /// `layers`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn with_features(&self, input: Input<B>, layers: &mut LayerRows<B>) -> Tensor<B, 5> {
        self.pass(input, DropPath::NONE, Mode::Eval, Some(layers)).main
    }
}
