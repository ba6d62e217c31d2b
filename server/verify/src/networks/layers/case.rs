//! One layer of `layers.safetensors`: what goes in, what comes out, and all gradients.

use std::marker::PhantomData;

use burn::backend::Autodiff;
use burn::module::Module;
use burn::tensor::Tensor;
use burn_flex::Flex;
use transferscope_ml::params::{Fill, NamedTensor, collect, fill, gradients};

use crate::{Array, Cases, Problem, Tensors, Tolerances};

/// Layers run on the CPU, where the backward pass is ours as well.
pub type B = Autodiff<Flex>;

/// Counts batches in PyTorch's batch normalisation; the fixed momentum that everyone uses does not
/// depend on it, so that our layer has no such thing.
const UNUSED: &str = "num_batches_tracked";

/// The tensors `NAME.*` of a file and where their comparisons go.
pub struct Case<'a> {
    pub path: &'a str,
    pub file: &'a Tensors,
    pub tolerances: &'a Tolerances,
    pub cases: &'a mut Cases,
    pub name: &'a str,
}

impl Case<'_> {
    /// A tensor of the layer; every axis has something on it.
    pub fn array(&self, what: &str) -> Result<Array, Problem> {
        let array = self.file.get(&format!("{}.{what}", self.name))?;
        self.need(!array.shape.contains(&0), || format!("{what} has shape {:?}", array.shape))?;
        Ok(array)
    }

    /// Sizes of a tensor of rank `D`.
    pub fn shape<const D: usize>(&self, what: &str) -> Result<[usize; D], Problem> {
        let shape = self.array(what)?.shape;
        shape.try_into().map_err(|s| self.problem(format!("{what} has shape {s:?}, not {D} dimensions")))
    }

    /// An error that names the layer.
    pub fn problem(&self, text: impl AsRef<str>) -> Problem {
        Problem::new(format!("{}: {}", self.name, text.as_ref()))
    }

    /// An error unless `holds`: sizes in a file may be anything.
    pub fn need(&self, holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Problem> {
        if holds { Ok(()) } else { Err(self.problem(otherwise())) }
    }

    /// Fills `module`, runs `forward` on the input, and compares output, gradients and whatever the
    /// module keeps.
    pub fn module<M: Module<B>, const D: usize, const E: usize>(
        &mut self,
        module: M,
        forward: impl FnOnce(&M, Tensor<B, D>) -> Tensor<B, E>,
    ) -> Result<(), Problem> {
        let device = Default::default();
        let module = self.filled(module)?;
        let input: Tensor<B, D> = self.array("input")?.tensor(&device)?;
        let input = input.require_grad();
        let output = forward(&module, input.clone());
        let grad_output: Tensor<B, E> = self.array("grad_output")?.tensor(&device)?;
        self.need(grad_output.dims() == output.dims(), || {
            format!(
                "the output is {:?} here, its gradient {:?} in the file",
                output.dims(),
                grad_output.dims()
            )
        })?;
        self.compare("output", &values(output.clone()))?;
        let grads = (output * grad_output).sum().backward();
        let grad_input = input.grad(&grads).map_or_else(Vec::new, values);
        self.compare("grad_input", &grad_input)?;
        self.compare_named("grad.", &gradients(&module, &grads))?;
        self.compare_named("after.", &collect(&module))
    }

    /// [`Case::module`] of something without parameters.
    pub fn function<const D: usize, const E: usize>(
        &mut self,
        forward: impl FnOnce(Tensor<B, D>) -> Tensor<B, E>,
    ) -> Result<(), Problem> {
        self.module(PhantomData::<B>, |_, x| forward(x))
    }

    /// The module with all parameters of the file.
    fn filled<M: Module<B>>(&self, module: M) -> Result<M, Problem> {
        let mut given = self.file.parameters(&format!("{}.param.", self.name))?;
        given.retain(|t| t.name != UNUSED);
        let mut wrong = None;
        let module = fill(module, |name, shape| {
            let Some(at) = given.iter().position(|t| t.name == name) else { return Fill::Keep };
            let found = given.swap_remove(at);
            if found.shape == shape {
                return Fill::Values(found.data);
            }
            wrong = Some(format!("{name} has shape {:?}, here it is {shape:?}", found.shape));
            Fill::Keep
        });
        if let Some(first) = given.first() {
            wrong = Some(format!("our layer has no parameter {}", first.name));
        }
        wrong.map_or(Ok(module), |text| Err(self.problem(text)))
    }

    /// Compares every tensor of the file below `prefix`.
    fn compare_named(&mut self, prefix: &str, ours: &[NamedTensor]) -> Result<(), Problem> {
        let start = format!("{}.{prefix}", self.name);
        let names: Vec<&str> = self.file.names().filter_map(|n| n.strip_prefix(&start)).collect();
        for name in names {
            let ours = ours.iter().find(|t| t.name == name);
            let data: Vec<f64> =
                ours.map_or_else(Vec::new, |t| t.data.iter().map(|v| f64::from(*v)).collect());
            self.compare(&format!("{prefix}{name}"), &data)?;
        }
        Ok(())
    }

    fn compare(&mut self, what: &str, ours: &[f64]) -> Result<(), Problem> {
        let tensor = format!("{}.{what}", self.name);
        let theirs = self.file.get(&tensor)?;
        let file = self.path.rsplit('/').next().unwrap_or(self.path);
        let tolerance = self.tolerances.of(file, &tensor)?;
        self.cases.compare(self.path, &tensor, ours, &theirs.data, tolerance);
        Ok(())
    }
}

/// The values of a tensor, row-major.
pub fn values<T: burn::tensor::backend::Backend, const D: usize>(x: Tensor<T, D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}
