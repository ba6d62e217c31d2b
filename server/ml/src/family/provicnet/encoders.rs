//! The backbones of a network for several images.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::vit::{Vit, VitConfig, VitOutput, VitTrace};
use crate::nn::{drop_path::DropPath, kernels::Kernels};

/// One backbone for all images, or one for each.
///
/// The parameters of a shared one are named `encoder.NAME`, those of image i's own
/// `encoder.i.NAME`, where NAME is DINOv2's, or `axis_pos` and `axis_max`.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network, moved a few times")]
pub enum Encoders<B: Backend> {
    Shared(Vit<B>),
    Each(Vec<Vit<B>>),
}

/// Joins what each image gave for S slices, images fastest: `[S, ...]` each -> `[S * M, ...]`.
fn interleave<B: Backend, const D: usize>(mut parts: Vec<Tensor<B, D>>) -> Tensor<B, D> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut dims = parts[0].dims();
    let (s, rest) = (dims[0], dims[1..].iter().product::<usize>());
    dims[0] *= parts.len();
    let flat = parts.into_iter().map(|part| part.reshape([s, rest])).collect();
    Tensor::<B, 2>::cat(flat, 1).reshape(dims)
}

/// [`interleave`] of outputs; there is one at least.
fn join_outputs<B: Backend>(outputs: Vec<VitOutput<B>>) -> VitOutput<B> {
    let counts = outputs[0].counts;
    let (maps, tokens) = outputs.into_iter().map(|o| (o.map, o.tokens)).unzip();
    VitOutput { map: interleave(maps), tokens: interleave(tokens), counts }
}

impl<B: Backend> Encoders<B> {
    /// Backbones of zeros.
    ///
    /// # Panics
    /// When there are to be no images.
    pub fn new(config: &VitConfig, shared: bool, images: usize, device: &B::Device) -> Self {
        assert!(images > 0, "a network needs an image");
        if shared {
            Self::Shared(Vit::new(config, device))
        } else {
            Self::Each((0..images).map(|_| Vit::new(config, device)).collect())
        }
    }

    fn first(&self) -> &Vit<B> {
        match self {
            Self::Shared(vit) => vit,
            Self::Each(all) => &all[0],
        }
    }

    /// Pixels of a patch, in each direction.
    pub fn patch(&self) -> usize {
        self.first().patch()
    }

    /// Values of a token.
    pub fn dim(&self) -> usize {
        self.first().dim()
    }

    /// Blocks of a backbone.
    pub fn depth(&self) -> usize {
        self.first().blocks.len()
    }

    /// Gives every attention layer low-rank additions of zeros.
    pub fn with_lora(self, rank: usize, device: &B::Device) -> Self {
        match self {
            Self::Shared(vit) => Self::Shared(vit.with_lora(rank, device)),
            Self::Each(all) => Self::Each(all.into_iter().map(|vit| vit.with_lora(rank, device)).collect()),
        }
    }

    /// The parts that one backbone sees at once, and the tokens that go with each: all slices, or
    /// those of one image. The kind of an image is its place among the images.
    fn parts(&self, x: Tensor<B, 4>, axis: Tensor<B, 2>) -> Vec<Part<'_, B>> {
        let (s, n) = (axis.dims()[0], x.dims()[0]);
        let device = x.device();
        match self {
            Self::Shared(vit) => {
                let m = n / s;
                let axis = axis.reshape([s, 1, 2]).expand([s, m, 2]).reshape([n, 2]);
                let kind = Tensor::arange(0..m as i64, &device).reshape([1, m]).expand([s, m]).reshape([n]);
                vec![(vit, x, vit.own_tokens(axis, Some(kind)))]
            }
            Self::Each(all) => {
                let mut parts = Vec::with_capacity(all.len());
                for (i, (vit, x)) in all.iter().zip(by_image(x, all.len())).enumerate() {
                    let kind = Tensor::full([s], i as i64, &device);
                    parts.push((vit, x, vit.own_tokens(axis.clone(), Some(kind))));
                }
                parts
            }
        }
    }

    /// Runs the backbone of every image; blocks are skipped as `drop` says.
    ///
    /// # Shapes
    /// `x [S * M, 3, rows * p, columns * p]`, images fastest, `axis [S, 2]` -> outputs of `S * M`
    /// slices in the same order.
    pub fn forward(&self, x: Tensor<B, 4>, axis: Tensor<B, 2>, drop: DropPath) -> VitOutput<B>
    where
        B: Kernels,
    {
        let parts = self.parts(x, axis).into_iter();
        join_outputs(parts.map(|(vit, x, further)| vit.dropping_forward(x, further, drop)).collect())
    }

    /// [`Self::forward`] in evaluation that keeps what it passes.
    pub fn trace(&self, x: Tensor<B, 4>, axis: Tensor<B, 2>) -> VitTrace<B>
    where
        B: Kernels,
    {
        let parts = self.parts(x, axis).into_iter();
        let traces: Vec<VitTrace<B>> = parts.map(|(vit, x, further)| vit.trace(x, further)).collect();
        let each =
            |pick: &dyn Fn(&VitTrace<B>) -> Tensor<B, 3>| interleave(traces.iter().map(pick).collect());
        VitTrace {
            patch_embed: each(&|t| t.patch_embed.clone()),
            tokens_in: each(&|t| t.tokens_in.clone()),
            blocks: (0..traces[0].blocks.len()).map(|i| each(&|t| t.blocks[i].clone())).collect(),
            output: join_outputs(traces.iter().map(|t| t.output.clone()).collect()),
        }
    }
}

/// A backbone, the slices that it sees, and their further tokens.
type Part<'a, B> = (&'a Vit<B>, Tensor<B, 4>, Option<Tensor<B, 3>>);

/// The slices of every image, `[S, 3, H, W]` each.
fn by_image<B: Backend>(x: Tensor<B, 4>, images: usize) -> Vec<Tensor<B, 4>> {
    let [n, c, h, w] = x.dims();
    let x = x.reshape([n / images, images, c, h, w]);
    (0..images).map(|i| x.clone().narrow(1, i, 1).squeeze_dim(1)).collect()
}
