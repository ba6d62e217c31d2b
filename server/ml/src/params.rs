//! Parameters by name: reading, writing and filling any module.
//!
//! Names are those of the published PyTorch checkpoints: burn calls a normalisation's scale
//! `gamma` and stores linear weights transposed, which is undone here by the kind of the layer.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::family;

mod gradient;

pub use gradient::gradients;

/// What the names of a task network's parameters begin with that it has from a backbone; see
/// [`crate::family::TaskNetwork`].
pub const ENCODER: &str = "encoder.";

/// A parameter's name within the encoder; none for one of a head.
pub fn within_encoder(name: &str) -> Option<&str> {
    name.strip_prefix(ENCODER)
}

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
        self.owner() == FIXED
    }

    /// The type of the layer or module whose own the parameter is.
    fn owner(&self) -> &str {
        self.containers.last().map_or("", |c| c.trim_start_matches("Struct:"))
    }

    /// Whether it is one that starts as random numbers though it is no layer's weight.
    fn is_token(&self) -> bool {
        let own = self.names.last().map_or("", String::as_str);
        family::module_names(self.owner()).is_some_and(|names| names.tokens.contains(&own))
    }

    /// PyTorch's name of the parameter that is being visited.
    pub(crate) fn name(&self) -> String {
        self.named().0
    }

    fn named(&self) -> (String, Layout) {
        let kind = self.owner();
        // The variant of an enum is no part of a checkpoint's names.
        let mut parts: Vec<(&str, &str)> = self
            .names
            .iter()
            .zip(&self.containers)
            .filter(|(_, container)| !container.starts_with("Enum:"))
            .map(|(name, container)| (name.as_str(), container.trim_start_matches("Struct:")))
            .collect();
        let layout = match kind {
            "Linear" if parts.last().is_some_and(|(name, _)| *name == "weight") => Layout::Transposed,
            "Grn" => Layout::FourLeadingOnes,
            _ => Layout::Same,
        };
        if kind == FIXED {
            // Its values alone are in a checkpoint.
            parts.pop();
        }
        if let Some((last, _)) = parts.last_mut()
            && matches!(kind, "LayerNorm" | "GroupNorm" | "BatchNorm")
        {
            *last = match *last {
                "gamma" => "weight",
                "beta" => "bias",
                other => other,
            };
        }
        (upstream(&parts), layout)
    }
}

/// The name of a parameter by the parts that lead to it, each with the type of the module that it is a part of: every
/// module on the way says what upstream calls what lies within it.
fn upstream(parts: &[(&str, &str)]) -> String {
    let mut name = String::new();
    for (own, module) in parts.iter().rev() {
        name = if name.is_empty() { (*own).to_owned() } else { format!("{own}.{name}") };
        if let Some(names) = family::module_names(module) {
            name = names.upstream(&name);
        }
    }
    name
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

/// Number of values of all parameters; nothing is allocated to count them.
pub fn values<B: Backend, M: Module<B>>(module: &M) -> u64 {
    shapes(module).iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum()
}

/// A parameter that is to be filled.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    /// PyTorch's name.
    pub name: &'a str,
    /// PyTorch's shape.
    pub shape: &'a [usize],
    /// The type of the layer or module whose own it is.
    pub owner: &'a str,
    /// Whether it starts as random numbers though it is no layer's weight.
    pub token: bool,
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

impl<B: Backend, F: FnMut(Parameter<'_>) -> Fill> ModuleMapper<B> for Filler<'_, F> {
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
        let (owner, token) = (self.walk.owner(), self.walk.is_token());
        let parameter = Parameter { name: &name, shape: &published, owner, token };
        let Fill::Values(values) = (self.source)(parameter) else { return param };
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
    let mut source = |parameter: Parameter<'_>| source(parameter.name, parameter.shape);
    module.map(&mut Filler { walk: Walk::default(), source: &mut source, fixed_too: true })
}

/// As [`fill`], without the tables that are computed ([`crate::nn::positions::FixedTable`]), and `source` is told more.
///
/// # Panics
/// As [`fill`].
pub fn fill_learnt<B: Backend, M: Module<B>>(module: M, mut source: impl FnMut(Parameter<'_>) -> Fill) -> M {
    module.map(&mut Filler { walk: Walk::default(), source: &mut source, fixed_too: false })
}
