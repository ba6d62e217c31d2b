//! From a reference file to tensors and parameters of a network.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use transferscope_ml::params::NamedTensor;

use crate::{Array, Problem, Tensors};

impl Array {
    /// As a tensor of rank `D`.
    pub fn tensor<B: Backend, const D: usize>(&self, device: &B::Device) -> Result<Tensor<B, D>, Problem> {
        let shape: [usize; D] = self
            .shape
            .clone()
            .try_into()
            .map_err(|s| Problem::new(format!("shape {s:?} where {D} dimensions belong")))?;
        Ok(Tensor::from_data(TensorData::new(self.f32(), shape), device))
    }
}

impl Tensors {
    /// Every tensor below `prefix`, the prefix cut off, as parameters to fill a module with.
    pub fn parameters(&self, prefix: &str) -> Result<Vec<NamedTensor>, Problem> {
        let names: Vec<&str> = self.names().filter(|n| n.starts_with(prefix)).collect();
        names
            .into_iter()
            .map(|name| {
                let array = self.get(name)?;
                Ok(NamedTensor {
                    name: name[prefix.len()..].to_owned(),
                    data: array.f32(),
                    shape: array.shape,
                })
            })
            .collect()
    }
}
