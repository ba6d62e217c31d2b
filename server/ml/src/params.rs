//! Parameters by name: reading, writing and filling any module.
//!
//! Names are those of the published PyTorch checkpoints: burn calls a normalisation's scale
//! `gamma` and stores linear weights transposed, which is undone here by the kind of the layer.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData, backend::Backend};

mod gradient;

pub use gradient::gradients;

/// One parameter, in PyTorch's name and layout.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

/// How a parameter's layout differs from PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Same,
    /// burn `[in, out]`, PyTorch `[out, in]`.
    Transposed,
    /// burn `[C]`, PyTorch `[1, 1, 1, 1, C]`.
    FourLeadingOnes,
}

/// Kind of the tables that no training changes.
const FIXED: &str = "FixedTable";

/// Where a walk through a module is.
#[derive(Default)]
pub(crate) struct Walk {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Walk {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    pub(crate) fn leave(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    /// Whether the parameter that is being visited is a table that no training changes.
    fn is_fixed(&self) -> bool {
        self.containers.last().is_some_and(|c| c.trim_start_matches("Struct:") == FIXED)
    }

    /// PyTorch's name of the parameter that is being visited.
    pub(crate) fn name(&self) -> String {
        self.named().0
    }

    fn named(&self) -> (String, Layout) {
        // The variant of an enum is no part of a checkpoint's names.
        let mut names: Vec<String> = self
            .names
            .iter()
            .zip(&self.containers)
            .filter(|(_, container)| !container.starts_with("Enum:"))
            .map(|(name, _)| name.clone())
            .collect();
        let kind = self.containers.last().map_or("", |c| c.trim_start_matches("Struct:"));
        let layout = match kind {
            "Linear" if names.last().is_some_and(|n| n == "weight") => Layout::Transposed,
            "Grn" => Layout::FourLeadingOnes,
            _ => Layout::Same,
        };
        if kind == FIXED {
            // Its values alone are in a checkpoint.
            names.pop();
        }
        if let Some(last) = names.last_mut()
            && matches!(kind, "LayerNorm" | "GroupNorm" | "BatchNorm")
        {
            *last = match last.as_str() {
                "gamma" => "weight".into(),
                "beta" => "bias".into(),
                other => other.into(),
            };
        }
        (rename(&names.join(".")), layout)
    }
}

/// Parts of a name that our modules spell differently from upstream, which numbers the members of
/// its sequences; the longer one first where one contains the other.
const RENAMES: &[(&str, &str)] = &[
    ("stem.conv", "downsample_layers.0.0"),
    ("stem.norm", "downsample_layers.0.1"),
    ("downsample.0.norm", "downsample_layers.1.0"),
    ("downsample.0.conv", "downsample_layers.1.1"),
    ("downsample.1.norm", "downsample_layers.2.0"),
    ("downsample.1.conv", "downsample_layers.2.1"),
    ("downsample.2.norm", "downsample_layers.3.0"),
    ("downsample.2.conv", "downsample_layers.3.1"),
    // ProFound's classifier.
    ("head.bottleneck.linear", "head.0"),
    ("head.bottleneck.norm", "head.1"),
    ("head.classes", "head.3"),
    // Upstream has the encoder of a masked autoencoder beside the decoder, not inside a part.
    ("mae_encoder", ""),
    // So it has the parts of two of its heads.
    ("upernet_head", ""),
    ("unetr_head", ""),
    // ProViCNet's heads.
    ("segmentation_conv.up1.conv", "segmentation_conv.1"),
    ("segmentation_conv.up1.norm", "segmentation_conv.2"),
    ("segmentation_conv.up2.conv", "segmentation_conv.5"),
    ("segmentation_conv.up2.norm", "segmentation_conv.6"),
    ("segmentation_conv.out", "segmentation_conv.9"),
    ("up1.first.conv", "up1.1"),
    ("up1.first.norm", "up1.2"),
    ("up1.second.conv", "up1.4"),
    ("up1.second.norm", "up1.5"),
    ("up2.first.conv", "up2.1"),
    ("up2.first.norm", "up2.2"),
    ("up2.second.conv", "up2.4"),
    ("up2.second.norm", "up2.5"),
    ("up3.first.conv", "up3.1"),
    ("up3.first.norm", "up3.2"),
    ("up3.out", "up3.4"),
    ("streams.0", "Stream_T2W"),
    ("streams.1", "Stream_ADC"),
    ("streams.2", "Stream_DWI"),
    ("upsample_module.conv", "UpsampleModule.1"),
    ("upsample_module.norm", "UpsampleModule.2"),
    ("fusion_segmentation.up.conv", "FusionSegmentation.1"),
    ("fusion_segmentation.up.norm", "FusionSegmentation.2"),
    ("fusion_segmentation.out", "FusionSegmentation.5"),
    ("channel_reducer", "ChannelReducer"),
    ("cl_head.mlp.first", "CL_Head.mlp.0"),
    ("cl_head.mlp.second", "CL_Head.mlp.2"),
    ("cl_head.mlp.third", "CL_Head.mlp.4"),
    ("cl_head", "CL_Head"),
];

/// Replaces every part of [`RENAMES`] that stands between dots.
fn rename(name: &str) -> String {
    let mut name = format!(".{name}.");
    for (ours, theirs) in RENAMES {
        let theirs = if theirs.is_empty() { ".".to_owned() } else { format!(".{theirs}.") };
        name = name.replace(&format!(".{ours}."), &theirs);
    }
    name.trim_matches('.').to_owned()
}

impl Layout {
    /// PyTorch's shape of a parameter that has `shape` here.
    fn published(self, mut shape: Vec<usize>) -> Vec<usize> {
        match self {
            Layout::Same => {}
            Layout::Transposed => shape.swap(0, 1),
            Layout::FourLeadingOnes => {
                shape.splice(0..0, [1; 4]);
            }
        }
        shape
    }
}

/// The parameter (or its gradient) that is being visited, in PyTorch's name and layout.
pub(crate) fn published<B: Backend, const D: usize>(walk: &Walk, mut tensor: Tensor<B, D>) -> NamedTensor {
    let (name, layout) = walk.named();
    let shape = layout.published(tensor.dims().to_vec());
    if layout == Layout::Transposed {
        tensor = tensor.swap_dims(0, 1);
    }
    let data = tensor.into_data().convert::<f32>().into_vec().expect("converted to f32 just now");
    NamedTensor { name, shape, data }
}

struct Collector {
    walk: Walk,
    tensors: Vec<NamedTensor>,
}

impl<B: Backend> ModuleVisitor<B> for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.walk.leave();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.tensors.push(published(&self.walk, param.val()));
    }
}

/// All parameters of a module, in its own order.
pub fn collect<B: Backend, M: Module<B>>(module: &M) -> Vec<NamedTensor> {
    let mut collector = Collector { walk: Walk::default(), tensors: Vec::new() };
    module.visit(&mut collector);
    collector.tensors
}

/// Names and parameter ids, in the order of [`collect`].
pub fn ids<B: Backend, M: Module<B>>(module: &M) -> Vec<(String, ParamId)> {
    struct Ids(Walk, Vec<(String, ParamId)>);
    impl<B: Backend> ModuleVisitor<B> for Ids {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.leave();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.1.push((self.0.name(), param.id));
        }
    }
    let mut ids = Ids(Walk::default(), Vec::new());
    module.visit(&mut ids);
    ids.1
}

/// Names and PyTorch's shapes, in the order of [`collect`]; parameters that were not used yet are
/// not allocated for it.
pub fn shapes<B: Backend, M: Module<B>>(module: &M) -> Vec<(String, Vec<usize>)> {
    struct Shapes(Walk, Vec<(String, Vec<usize>)>);
    impl<B: Backend> ModuleVisitor<B> for Shapes {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.leave();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let (name, layout) = self.0.named();
            self.1.push((name, layout.published(param.lazy_shape().to_vec())));
        }
    }
    let mut shapes = Shapes(Walk::default(), Vec::new());
    module.visit(&mut shapes);
    shapes.1
}

/// What a source of parameters says to one parameter.
pub enum Fill {
    /// Keep what is there.
    Keep,
    /// Replace by these values, row-major in PyTorch's layout.
    Values(Vec<f32>),
}

struct Filler<'a, F> {
    walk: Walk,
    source: &'a mut F,
    fixed_too: bool,
}

impl<B: Backend, F: FnMut(&str, &[usize]) -> Fill> ModuleMapper<B> for Filler<'_, F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.walk.leave();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.walk.is_fixed() && !self.fixed_too {
            return param;
        }
        let (name, layout) = self.walk.named();
        let mut dims = param.val().dims();
        let published = layout.published(dims.to_vec());
        if layout == Layout::Transposed {
            dims.swap(0, 1);
        }
        let Fill::Values(values) = (self.source)(&name, &published) else { return param };
        param.map(|old| {
            let device = old.device();
            let mut new = Tensor::<B, D>::from_data(TensorData::new(values, dims), &device);
            if layout == Layout::Transposed {
                new = new.swap_dims(0, 1);
            }
            // A leaf of its own again, tracked as before.
            Tensor::<B, D>::from_data(new.into_data(), &device).set_require_grad(old.is_require_grad())
        })
    }
}

/// Asks `source` for every parameter by name and shape (PyTorch's), in the module's order.
///
/// # Panics
/// When `source` gives a number of values that does not fit the shape that it was told.
pub fn fill<B: Backend, M: Module<B>>(module: M, mut source: impl FnMut(&str, &[usize]) -> Fill) -> M {
    module.map(&mut Filler { walk: Walk::default(), source: &mut source, fixed_too: true })
}

/// As [`fill`], without the tables that are computed ([`crate::nn::positions::FixedTable`]).
///
/// # Panics
/// As [`fill`].
pub fn fill_learnt<B: Backend, M: Module<B>>(module: M, mut source: impl FnMut(&str, &[usize]) -> Fill) -> M {
    module.map(&mut Filler { walk: Walk::default(), source: &mut source, fixed_too: false })
}
