//! Tensors of one file against ours.

use std::rc::Rc;

use burn::module::Module;
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use transferscope_ml::params::gradients;

use crate::{Array, Cases, Folder, Problem, Tensors, Tolerance, Tolerances};

/// A file of expected tensors, its tolerances, and where results go.
pub struct Expected<'a> {
    /// With its group.
    file: String,
    tensors: Rc<Tensors>,
    tolerances: Tolerances,
    cases: &'a mut Cases,
}

impl<'a> Expected<'a> {
    /// Opens `models/NAME`.
    pub fn open(folder: &Folder, name: &str, cases: &'a mut Cases) -> Result<Self, Problem> {
        let file = format!("models/{name}");
        let tensors = folder.tensors(&file)?;
        let tolerances = folder.tolerances("models/provicnet_tolerances.json")?;
        Ok(Self { file, tensors, tolerances, cases })
    }

    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Compares a tensor that the file must have.
    pub fn same<B: Backend, const D: usize>(
        &mut self,
        name: &str,
        ours: Tensor<B, D>,
    ) -> Result<(), Problem> {
        let shape = ours.dims().to_vec();
        self.same_values(name, &shape, &ours.into_data().iter::<f64>().collect::<Vec<_>>())
    }

    /// Compares the first channels of a map, as many as the file has.
    pub fn same_first_channels<B: Backend>(&mut self, name: &str, ours: Tensor<B, 4>) -> Result<(), Problem> {
        let stored = self.tensors.get(name)?.shape.get(1).copied().unwrap_or(0);
        let channels = stored.clamp(1, ours.dims()[1]);
        self.same(name, ours.narrow(1, 0, channels))
    }

    /// Compares half the sum of squares, the gradients of which the file has: `grad.NAME` of parameter
    /// NAME, and `grad_sum.NAME` summed over all axes but the last.
    pub fn same_gradients<B: AutodiffBackend, M: Module<B>, const D: usize>(
        &mut self,
        model: &M,
        output: Tensor<B, D>,
    ) -> Result<(), Problem> {
        let loss = output.square().sum() * 0.5;
        let found = gradients(model, &loss.backward());
        self.same("loss", loss.inner())?;
        let names: Vec<String> = self.tensors.names().map(str::to_owned).collect();
        for name in names {
            let whole = name.strip_prefix("grad.");
            let Some(parameter) = whole.or_else(|| name.strip_prefix("grad_sum.")) else { continue };
            let gradient = found.iter().find(|g| g.name == parameter);
            let gradient = gradient
                .ok_or_else(|| Problem::new(format!("{name}: the model has no gradient of {parameter}")))?;
            let values: Vec<f64> = gradient.data.iter().map(|v| f64::from(*v)).collect();
            if whole.is_some() {
                self.same_values(&name, &gradient.shape, &values)?;
            } else {
                let last = gradient.shape.last().copied().unwrap_or(1);
                let sum: Vec<f64> = (0..last).map(|i| values.iter().skip(i).step_by(last).sum()).collect();
                // A sum has no tolerance of its own: that of what it sums, relative to its size.
                let tolerance = self.tolerance(&format!("grad.{parameter}"))?.rel_l2;
                let expected = self.tensors.get(&name)?.data;
                self.cases.compare(&self.file, &name, &sum, &expected, Tolerance::relative(tolerance));
            }
        }
        Ok(())
    }

    fn same_values(&mut self, name: &str, shape: &[usize], ours: &[f64]) -> Result<(), Problem> {
        let Array { shape: expected, data } = self.tensors.get(name)?;
        // A loss has no dimensions there and one here.
        if shape != expected && !(expected.is_empty() && shape == [1]) {
            let text = format!("shape {shape:?} here, {expected:?} in the file");
            self.cases.equal(&self.file, name, Some(text));
            return Ok(());
        }
        let tolerance = self.tolerance(name)?;
        self.cases.compare(&self.file, name, ours, &data, tolerance);
        Ok(())
    }

    fn tolerance(&self, name: &str) -> Result<Tolerance, Problem> {
        let (_, file) = self.file.split_once('/').unwrap_or(("", &self.file));
        self.tolerances.of(file, name)
    }
}
