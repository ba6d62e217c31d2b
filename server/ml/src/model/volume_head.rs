//! What follows the encoder of a 3-D foundation family, where it is none of a published head.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use transferscope_domain::task::Output;

use super::{
    head3d::DenseHead3d,
    io::{Outputs, TaskIo},
    label_head::{LabelHead, places},
    linear_probe::LinearProbe,
};
use crate::nn::kernels::Kernels;

/// From an encoder's maps to a task's output.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network")]
pub enum VolumeHead<B: Backend> {
    Dense(DenseHead3d<B>),
    Probe(LinearProbe<B>),
    Label(LabelHead<B>),
}

impl<B: Backend> VolumeHead<B> {
    /// A linear layer of zeros.
    pub fn probe(features: usize, io: TaskIo, device: &B::Device) -> Self {
        match io.output {
            Output::Label => Self::Label(LabelHead::probe(features, io.out, device)),
            Output::Classes | Output::Image => Self::Probe(LinearProbe::new(features, io.out, device)),
        }
    }

    /// What an encoder's maps of `x` become; all but the dense head look for the last map normalised.
    ///
    /// # Shapes
    /// Maps `[B, E, d, h, w]`, finest first, `x [B, C, D, H, W]` -> `[B, out, D, H, W]`, or one voxel for a label.
    ///
    /// # Panics
    /// When there is no map.
    pub fn forward(&self, mut maps: Vec<Tensor<B, 5>>, x: Tensor<B, 5>) -> Outputs<B>
    where
        B: Kernels,
    {
        match self {
            Self::Dense(head) => head.forward(maps, x).into(),
            Self::Probe(head) => {
                let [.., d, h, w] = x.dims();
                head.forward(maps.pop().expect("an encoder gives maps"), [d, h, w]).into()
            }
            Self::Label(head) => head.forward(maps.into_iter().map(places).collect()).into(),
        }
    }
}
