//! What goes into a network and comes out of it.

use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::task::Output;

use super::refine::{self, ImageHead};

/// Slices of a slab: a slice and its neighbours, which are the input channels of a network of slices.
pub const SLICES: usize = 3;

/// What a network is fed.
#[derive(Debug, Clone)]
pub enum Input<B: Backend> {
    /// `[B, C, D, H, W]`
    Volume(Tensor<B, 5>),
    /// `slabs [S, M, 3, H, W]`, `axis [S, 2]` (slice index, slice count)
    Slabs {
        slabs: Tensor<B, 5>,
        axis: Tensor<B, 2>,
        /// Slabs in a row that are of one volume; only a label of the volume asks for it.
        series: usize,
    },
}

impl<B: Backend> Input<B> {
    /// The volumes `[B, C, D, H, W]` of a 3-D network.
    ///
    /// # Panics
    /// When it is slabs.
    pub fn volume(self) -> Tensor<B, 5> {
        match self {
            Input::Volume(x) => x,
            Input::Slabs { .. } => unreachable!("a family's batches come from its own sampler"),
        }
    }

    /// The slabs of a 2.5-D network, where they are, and how many in a row are of one volume.
    ///
    /// # Panics
    /// When it is volumes.
    pub fn slabs(self) -> (Tensor<B, 5>, Tensor<B, 2>, usize) {
        match self {
            Input::Slabs { slabs, axis, series } => (slabs, axis, series),
            Input::Volume(_) => unreachable!("a family's batches come from its own sampler"),
        }
    }
}

/// What a network gives.
#[derive(Debug, Clone)]
pub struct Outputs<B: Backend> {
    /// See [`crate::family::Net::forward`].
    pub main: Tensor<B, 5>,
    /// A second head's, in training, where there is one.
    pub auxiliary: Option<Tensor<B, 5>>,
}

impl<B: Backend> From<Tensor<B, 5>> for Outputs<B> {
    fn from(main: Tensor<B, 5>) -> Self {
        Self { main, auxiliary: None }
    }
}

/// Channels in and out of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskIo {
    /// Images that the task gives.
    pub images: usize,
    /// Classes, or the image's channels.
    pub out: usize,
    pub output: Output,
}

impl TaskIo {
    /// Channels of a foundation family's dense head.
    pub fn maps(self) -> usize {
        match self.output {
            Output::Classes | Output::Label => self.out,
            Output::Image => refine::MAPS,
        }
    }

    /// The head that follows the dense one when the output is an image.
    pub fn refine<B: Backend>(self, channels: usize, device: &B::Device) -> Option<ImageHead<B>> {
        match self.output {
            Output::Classes | Output::Label => None,
            Output::Image => Some(ImageHead::new(channels, self.out, device)),
        }
    }
}
