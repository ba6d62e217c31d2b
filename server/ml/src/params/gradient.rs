//! Gradients by parameter name.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, backend::AutodiffBackend};

use super::{NamedTensor, Walk, published};

/// The gradient of every parameter that has one, in PyTorch's name and layout.
pub fn gradients<B: AutodiffBackend, M: Module<B>>(module: &M, grads: &B::Gradients) -> Vec<NamedTensor> {
    struct Visit<'a, B: AutodiffBackend> {
        walk: Walk,
        grads: &'a B::Gradients,
        found: Vec<NamedTensor>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Visit<'_, B> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.walk.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.walk.leave();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(grad) = param.val().grad(self.grads) {
                self.found.push(published(&self.walk, grad));
            }
        }
    }
    let mut visit = Visit::<B> { walk: Walk::default(), grads, found: Vec::new() };
    module.visit(&mut visit);
    visit.found
}
