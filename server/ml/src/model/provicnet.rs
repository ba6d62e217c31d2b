//! ProViCNet in 2.5-D: every axial position of every sequence goes through the backbone with its
//! two neighbours, the maps of the sequences are joined, and a convolution head gives full
//! resolution.
//!
//! Published ProViCNet trains one backbone a sequence and fuses their tokens; the `mini` size
//! shares one backbone between the sequences. A slice of n pixels is enlarged by 7/4, so that a
//! patch of 14 covers 8 of its pixels, as 256 pixels enlarged to 448 do upstream; the head's
//! three doublings lead back to n. GroupNorm stands where upstream has BatchNorm: it needs no
//! running statistics and does not mind small batches.

use burn::module::Module;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::{
    net::Ports,
    probe::LinearProbe,
    refine::ImageHead,
    vit::{SLICES, Vit, VitConfig, VitOutput},
};
use crate::nn::{
    conv::SameConv2d, drop_path::DropPath, kernels::Kernels, resize::linear as linear_resize,
    rows::group_norm,
};

/// Pixels of a slice that one patch covers.
pub const CELL: usize = 8;
/// Channels of the head after its first and second doubling.
const WIDE: usize = 48;
const FINE: usize = 16;

/// Backbone and head.
#[derive(Module, Debug)]
pub struct Provicnet<B: Backend> {
    pub encoder: Vit<B>,
    pub head: SliceHead<B>,
    /// Restoration by the convolution head only.
    pub refine: Option<ImageHead<B>>,
}

/// From the maps of a slice to the slice's resolution.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a network")]
pub enum SliceHead<B: Backend> {
    Convolution(Head2d<B>),
    Probe(LinearProbe<B>),
}

/// Three times: enlarge by two, 3x3 convolution; the last one also sees the input slices.
#[derive(Module, Debug)]
pub struct Head2d<B: Backend> {
    pub conv1: SameConv2d<B>,
    pub norm1: GroupNorm<B>,
    pub conv2: SameConv2d<B>,
    pub norm2: GroupNorm<B>,
    pub conv3: SameConv2d<B>,
    pub norm3: GroupNorm<B>,
    pub out: SameConv2d<B>,
}

impl<B: Backend> Head2d<B> {
    /// A head of zeros for maps of `features` channels.
    pub fn new(features: usize, sequences: usize, out: usize, device: &B::Device) -> Self {
        let norm = |c: usize| GroupNormConfig::new(8, c).init(device);
        Self {
            conv1: SameConv2d::new(features, WIDE, 3, device),
            norm1: norm(WIDE),
            conv2: SameConv2d::new(WIDE, FINE, 3, device),
            norm2: norm(FINE),
            conv3: SameConv2d::new(FINE + sequences, FINE, 3, device),
            norm3: norm(FINE),
            out: SameConv2d::new(FINE, out, 1, device),
        }
    }

    /// `[S, features, h, w]`, `[S, sequences, 8h, 8w]` -> `[S, out, 8h, 8w]`.
    pub fn forward(&self, map: Tensor<B, 4>, slices: Tensor<B, 4>) -> Tensor<B, 4>
    where
        B: Kernels,
    {
        let x = group_norm(&self.norm1, self.conv1.forward(double(map)), 0.0);
        let x = group_norm(&self.norm2, self.conv2.forward(double(x)), 0.0);
        let x = Tensor::cat(vec![double(x), slices], 1);
        self.out.forward(group_norm(&self.norm3, self.conv3.forward(x), 0.0))
    }
}

/// Nearest-neighbour enlargement by two.
pub(crate) fn double<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h, 1, w, 1]).expand([b, c, h, 2, w, 2]).reshape([b, c, 2 * h, 2 * w])
}

impl<B: Backend> Provicnet<B> {
    /// A network of zeros.
    pub fn new(config: &VitConfig, ports: Ports, device: &B::Device) -> Self {
        Self {
            encoder: Vit::new(config, device),
            head: SliceHead::Convolution(Head2d::new(
                config.dim * ports.sequences,
                ports.sequences,
                ports.maps(),
                device,
            )),
            refine: ports.refine(ports.sequences, device),
        }
    }

    /// The same with a linear layer of zeros instead of the head.
    pub fn with_probe(self, ports: Ports, device: &B::Device) -> Self {
        let features = self.encoder.norm.gamma.dims()[0] * ports.sequences;
        let head = SliceHead::Probe(LinearProbe::new(features, ports.out, device));
        Self { head, refine: None, ..self }
    }

    /// Runs the backbone on every sequence of every slab.
    ///
    /// # Shapes
    /// `slabs [S, M, 3, H, W]` (H and W divisible by 8), `axis [S, 2]` -> tokens of `S * M` slices,
    /// sequences fastest.
    pub fn encode(&self, slabs: Tensor<B, 5>, axis: Tensor<B, 2>, drop: DropPath) -> VitOutput<B>
    where
        B: Kernels,
    {
        let [s, m, _, h, w] = slabs.dims();
        let device = slabs.device();
        let patch = self.encoder.patch_embed.proj.weight.dims()[2];
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
        let axis = axis.reshape([s, 1, 2]).expand([s, m, 2]).reshape([s * m, 2]);
        self.encoder.dropping_forward(tall.reshape([s * m, SLICES, rows, columns]), axis, drop)
    }

    /// # Shapes
    /// `slabs [S, M, 3, H, W]`, `axis [S, 2]` -> `[S, out, 1, H, W]`.
    pub fn forward(&self, slabs: Tensor<B, 5>, axis: Tensor<B, 2>, drop: DropPath) -> Tensor<B, 5>
    where
        B: Kernels,
    {
        let [s, m, _, h, w] = slabs.dims();
        let map = self.encode(slabs.clone(), axis, drop).map;
        let [_, e, rows, columns] = map.dims();
        let head = match &self.head {
            SliceHead::Probe(probe) => {
                return probe.forward(map.reshape([s, m * e, 1, rows, columns]), [1, h, w]);
            }
            SliceHead::Convolution(head) => head,
        };
        let map = map.reshape([s, m * e, rows, columns]);
        let centre = slabs.slice([0..s, 0..m, 1..2, 0..h, 0..w]).reshape([s, m, h, w]);
        let out = head.forward(map, centre.clone());
        let channels = out.dims()[1];
        let out = out.reshape([s, channels, 1, h, w]);
        ImageHead::finish(&self.refine, out, centre.reshape([s, m, 1, h, w]))
    }
}
