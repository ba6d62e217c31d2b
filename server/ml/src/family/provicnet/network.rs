//! ProViCNet in 2.5-D: every axial position of every image goes through the backbone with its
//! two neighbours, the maps of the images are joined, and a convolution head gives full
//! resolution.
//!
//! Published ProViCNet trains one backbone per image and fuses their tokens; the `mini` size
//! shares one backbone between the images. A slice of n pixels is enlarged by 7/4, so that a
//! patch of 14 covers 8 of its pixels, as 256 pixels enlarged to 448 do upstream; the head's
//! three doublings lead back to n. GroupNorm stands in the mini head where upstream has BatchNorm: it
//! needs no running statistics and does not mind small batches.
//!
//! Here are the networks that runs train; upstream's models, file by file, are in [`super::published`]. A
//! file's `backbone.NAME` is `encoder.NAME` here (or `encoder.i.NAME`, see [`Encoders`]), its
//! `axis_pos` and `axis_max` are `encoder.axis_pos` and `encoder.axis_max`; its mask token and `CL_Head`
//! have no place, since no task uses them.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use transferscope_domain::{Head, family::provicnet::Size, task::Output};

use super::{
    encoders::Encoders,
    slice_head::{HeadKind, SliceHead},
    vit::{DinoSize, VitConfig, VitOutput, VitTrace},
};
use crate::{
    family::TaskNetwork,
    model::{
        features::LayerRows,
        io::{Input, Outputs, SLICES, TaskIo},
        label_head::LabelHead,
        linear_probe::LinearProbe,
        refine::ImageHead,
        transformer,
    },
    nn::{Mode, drop_path::DropPath, kernels::Kernels, resize::linear as linear_resize},
    train::layer_decay::Layers,
};

/// Pixels of a slice that one patch covers.
pub const CELL: usize = 8;

/// What a network is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ProvicnetConfig {
    pub vit: VitConfig,
    /// One backbone for all images, or one for each.
    pub shared: bool,
    pub head: HeadKind,
}

impl ProvicnetConfig {
    /// The size that fine-tunes on two CPU cores.
    pub fn mini() -> Self {
        Self { vit: VitConfig::mini(), shared: true, head: HeadKind::Mini }
    }

    /// The published form: DINOv2-S with registers, one for each image, and the published heads.
    /// Slices have 256 pixels, of which the backbone sees 448.
    pub fn published() -> Self {
        Self { vit: VitConfig::dinov2(DinoSize::Small, true), shared: false, head: HeadKind::Published }
    }
}

/// Backbones and head.
#[derive(Module, Debug)]
pub struct Provicnet<B: Backend> {
    pub encoder: Encoders<B>,
    pub head: SliceHead<B>,
    /// Restoration by a convolution head only.
    pub refine: Option<ImageHead<B>>,
}

impl<B: Backend> Provicnet<B> {
    /// A network of zeros.
    pub fn new(config: &ProvicnetConfig, io: TaskIo, device: &B::Device) -> Self {
        let TaskIo { images, .. } = io;
        let head = match io.output {
            Output::Label => {
                SliceHead::Label(LabelHead::compact(&[config.vit.dim * images], true, io.out, device))
            }
            Output::Classes | Output::Image => {
                SliceHead::new(config.head, config.vit.dim, images, io.maps(), device)
            }
        };
        Self {
            encoder: Encoders::new(&config.vit, config.shared, images, device),
            head,
            refine: io.refine(images, device),
        }
    }

    /// Slices as the backbone sees them.
    ///
    /// # Shapes
    /// `[S, M, 3, H, W]` -> `[S * M, 3, rows * p, columns * p]`.
    fn enlarged(&self, slabs: Tensor<B, 5>) -> Tensor<B, 4> {
        let [s, m, _, h, w] = slabs.dims();
        let device = slabs.device();
        let patch = self.encoder.patch();
        let matrix = |n: usize| {
            let to = n / CELL * patch;
            Tensor::<B, 2>::from_data(TensorData::new(linear_resize(n, to), [to, n]), &device)
        };
        let (rows, columns) = (h / CELL * patch, w / CELL * patch);
        // Width by one product on the right, height by one on the left.
        let wide = slabs.reshape([s * m * SLICES * h, w]).matmul(matrix(w).transpose());
        let tall = matrix(h).unsqueeze::<3>().expand([s * m * SLICES, rows, h]).matmul(wide.reshape([
            s * m * SLICES,
            h,
            columns,
        ]));
        tall.reshape([s * m, SLICES, rows, columns])
    }

    /// Runs the backbone on every image of every slab.
    ///
    /// # Shapes
    /// `slabs [S, M, 3, H, W]` (H and W divisible by 8), `axis [S, 2]` -> output of `S * M` slices,
    /// images fastest.
    pub fn encode(&self, slabs: Tensor<B, 5>, axis: Tensor<B, 2>, drop: DropPath) -> VitOutput<B>
    where
        B: Kernels,
    {
        self.encoder.forward(self.enlarged(slabs), axis, drop)
    }

    /// [`Self::encode`] in evaluation that keeps what it passes.
    pub fn trace(&self, slabs: Tensor<B, 5>, axis: Tensor<B, 2>) -> VitTrace<B>
    where
        B: Kernels,
    {
        self.encoder.trace(self.enlarged(slabs), axis)
    }

    /// Features of the backbone's layers, and its map, in evaluation.
    ///
    /// # Shapes
    /// `slabs [S, M, 3, H, W]`, `axis [S, 2]` -> rows `[S, E]`, map as of [`Self::encode`].
    pub fn watched(&self, slabs: Tensor<B, 5>, axis: Tensor<B, 2>) -> (LayerRows<B>, Tensor<B, 4>)
    where
        B: Kernels,
    {
        let slices = axis.dims()[0];
        let trace = self.trace(slabs, axis);
        (of_slices(slices, &trace.blocks, &trace.output.tokens), trace.output.map)
    }

    /// Blocks are skipped as `drop` says; the mode matters to heads with batch normalisation. Where someone
    /// watches, no block is skipped.
    ///
    /// # Shapes
    /// `slabs [S, M, 3, H, W]`, `axis [S, 2]` -> `[S, out, 1, H, W]`; `[S / series, out, 1, 1, 1]` for a
    /// label of the volume that `series` slabs in a row are of.
    pub fn forward(
        &self,
        slabs: Tensor<B, 5>,
        axis: Tensor<B, 2>,
        series: usize,
        drop: DropPath,
        mode: Mode,
        keep: Option<&mut LayerRows<B>>,
    ) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let map = match keep {
            None => self.encode(slabs.clone(), axis, drop).map,
            Some(layers) => {
                let (rows, map) = self.watched(slabs.clone(), axis);
                layers.extend(rows);
                map
            }
        };
        if let SliceHead::Label(head) = &self.head {
            let [s, m, ..] = slabs.dims();
            let [_, e, h, w] = map.dims();
            return head.forward(vec![map.reshape([s / series, series, m * e, h * w])]);
        }
        let centre = middle(slabs);
        let [s, m, h, w] = centre.dims();
        let out = self.head.forward(map, centre.clone(), mode);
        let channels = out.dims()[1];
        let out = out.reshape([s, channels, 1, h, w]);
        ImageHead::finish(&self.refine, out, centre.reshape([s, m, 1, h, w]))
    }
}

impl<B: Backend> TaskNetwork<B> for Provicnet<B> {
    type Size = Size;

    fn build(size: &Size, head: Head, io: TaskIo, device: &B::Device) -> Self {
        let kind = if head == Head::Fusion { HeadKind::Published } else { HeadKind::Mini };
        let shared = !(size.each || head.has_own_backbones());
        Self::new(&ProvicnetConfig { vit: VitConfig::of(size), shared, head: kind }, io, device)
    }

    fn with_probe(self, io: TaskIo, device: &B::Device) -> Self {
        let features = self.encoder.dim() * io.images;
        let head = match io.output {
            Output::Label => SliceHead::Label(LabelHead::probe(features, io.out, device)),
            Output::Classes | Output::Image => SliceHead::Probe(LinearProbe::new(features, io.out, device)),
        };
        Self { head, refine: None, ..self }
    }

    fn with_lora(self, rank: usize, device: &B::Device) -> Self {
        Self { encoder: self.encoder.with_lora(rank, device), ..self }
    }

    fn layers(&self) -> Layers {
        let depth = self.encoder.depth();
        Layers::new(depth + 1, move |inside| {
            // A network of several encoders numbers them.
            let own = match inside.split_once('.') {
                Some((number, own)) if number.parse::<usize>().is_ok() => own,
                _ => inside,
            };
            transformer::layer(depth, own)
        })
    }

    fn pass(&self, input: Input<B>, drop: DropPath, mode: Mode, keep: Option<&mut LayerRows<B>>) -> Outputs<B>
    where
        B: Kernels,
    {
        let (slabs, axis, series) = input.slabs();
        self.forward(slabs, axis, series, drop, mode, keep).into()
    }

    fn features(&self, input: Input<B>) -> LayerRows<B>
    where
        B: Kernels,
    {
        let (slabs, axis, _) = input.slabs();
        self.watched(slabs, axis).0
    }

    fn maps(&self, input: Input<B>) -> Vec<Tensor<B, 5>>
    where
        B: Kernels,
    {
        let (slabs, axis, _) = input.slabs();
        let [s, m, ..] = slabs.dims();
        let map = self.encode(slabs, axis, DropPath::NONE).map;
        let [_, e, rows, columns] = map.dims();
        vec![map.reshape([s, m * e, 1, rows, columns])]
    }
}

/// Of the blocks of a transformer over slices, and of the last one normalised: means over all tokens and
/// images of a slice.
///
/// # Shapes
/// `tokens` `[S * M, N, E]` of `s` slices, images fastest -> `[S, E]`.
fn of_slices<B: Backend>(s: usize, blocks: &[Tensor<B, 3>], last: &Tensor<B, 3>) -> LayerRows<B> {
    let pool = |tokens: &Tensor<B, 3>| {
        let [sm, n, e] = tokens.dims();
        tokens.clone().reshape([s, sm / s * n, e]).mean_dim(1).reshape([s, e])
    };
    let mut layers: LayerRows<B> =
        blocks.iter().enumerate().map(|(i, tokens)| (format!("block{i}"), pool(tokens))).collect();
    layers.push(("norm".to_owned(), pool(last)));
    layers
}

/// The middle slice of every slab: `[S, M, 3, H, W]` -> `[S, M, H, W]`.
pub fn middle<B: Backend>(slabs: Tensor<B, 5>) -> Tensor<B, 4> {
    slabs.narrow(2, SLICES / 2, 1).squeeze_dim(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{init, params};
    use burn::tensor::Distribution;
    use burn_flex::Flex;

    fn io(images: usize) -> TaskIo {
        TaskIo { images, out: 4, output: Output::Classes }
    }

    fn small() -> VitConfig {
        let vit = VitConfig::dinov2(DinoSize::Small, true);
        VitConfig { grid: 3, dim: 12, depth: 2, heads: 2, hidden: 24, ..vit }
    }

    #[test]
    fn names_tell_shared_backbones_from_own_ones() {
        let names = |shared, images, head| -> Vec<String> {
            let config = ProvicnetConfig { vit: small(), shared, head };
            let net = Provicnet::<Flex>::new(&config, io(images), &Default::default());
            params::shapes(&net).into_iter().map(|(name, _)| name).collect()
        };
        let has = |names: &[String], name: &str| names.iter().any(|n| n == name);
        let mini = names(true, 3, HeadKind::Mini);
        assert!(has(&mini, "encoder.blocks.1.mlp.fc1.weight") && has(&mini, "head.conv1.weight"));
        let own = names(false, 3, HeadKind::Published);
        assert!(has(&own, "encoder.2.axis_pos.weight"));
        assert!(has(&own, "head.Stream_DWI.UpsampleModule.2.running_mean"));
        let single = names(true, 1, HeadKind::Published);
        assert!(has(&single, "head.segmentation_conv.9.bias"));
    }

    /// Own backbones with the weights of a shared one give what that gives, in the same order.
    #[test]
    fn images_stay_in_order() {
        let device = Default::default();
        let net = |shared| {
            let config = ProvicnetConfig { vit: small(), shared, head: HeadKind::Published };
            Provicnet::<Flex>::new(&config, io(2), &device)
        };
        let shared = init::random(net(true), 1);
        let source = params::collect(&shared);
        let own = params::fill(net(false), |name, _| {
            let name = name.replace("encoder.0.", "encoder.").replace("encoder.1.", "encoder.");
            let found = source.iter().find(|t| t.name == name).unwrap();
            params::Fill::Values(found.data.clone())
        });
        let slabs = Tensor::<Flex, 5>::random([3, 2, 3, 16, 24], Distribution::Default, &device);
        let axis = Tensor::<Flex, 2>::from_data([[0.0, 3.0], [1.0, 3.0], [2.0, 3.0]], &device);
        let (a, b) = (shared.trace(slabs.clone(), axis.clone()), own.trace(slabs.clone(), axis.clone()));
        assert_eq!(a.output.tokens.dims(), [6, 1 + 4 + 2 + 6, 12]);
        let close = |a: Tensor<Flex, 3>, b: Tensor<Flex, 3>| {
            assert!((a - b).abs().max().into_scalar() < 1e-5);
        };
        close(a.output.tokens, b.output.tokens);
        close(a.blocks[0].clone(), b.blocks[0].clone());
        let (a, b) = (
            shared.forward(slabs.clone(), axis.clone(), 1, DropPath::NONE, Mode::Eval, None),
            own.forward(slabs, axis, 1, DropPath::NONE, Mode::Eval, None),
        );
        assert_eq!(a.dims(), [3, 4, 1, 16, 24]);
        close(a.reshape([3, 4, 384]), b.reshape([3, 4, 384]));
    }
}
