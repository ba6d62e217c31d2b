//! AdamW over named parameters, with the gradient norm and its clipping.

use std::collections::BTreeMap;

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, SimpleOptimizer};
use burn::tensor::{Tensor, TensorData, backend::AutodiffBackend};

use crate::params::{NamedTensor, Walk};

/// Moments of one parameter, flattened.
type Moments<B> = AdamWState<<B as AutodiffBackend>::InnerBackend, 1>;

/// AdamW with decoupled weight decay on weights (rank 2 and more) and none on biases,
/// normalisations, GRN and layer scales, betas 0.9 and 0.999, eps 1e-8.
pub struct Optimiser<B: AutodiffBackend> {
    decayed: AdamW,
    plain: AdamW,
    moments: BTreeMap<String, Moments<B>>,
}

impl<B: AutodiffBackend> Optimiser<B> {
    pub fn new(weight_decay: f64) -> Self {
        let build =
            |decay: f64| AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(decay as f32).build();
        Self { decayed: build(weight_decay), plain: build(0.0), moments: BTreeMap::new() }
    }

    /// One update; gradients are scaled down so that their common norm is at most `clip_norm`.
    /// Returns the module and the norm before clipping.
    pub fn step<M: AutodiffModule<B>>(
        &mut self,
        module: M,
        mut grads: GradientsParams,
        lr: f64,
        clip_norm: f64,
    ) -> (M, f64) {
        let norm = gradient_norm::<B, M>(&module, &grads);
        let scale = if norm.is_finite() { (clip_norm / (norm + 1e-6)).min(1.0) } else { 1.0 };
        let mut update = Update { walk: Walk::default(), optimiser: self, grads: &mut grads, lr, scale };
        (module.map(&mut update), norm)
    }

    /// The moments as tensors named `m/PARAMETER` and `v/PARAMETER`, and the number of steps.
    pub fn state(&self) -> (Vec<NamedTensor>, u64) {
        let mut tensors = Vec::new();
        let mut time = 0;
        for (name, state) in &self.moments {
            time = time.max(state.momentum.time as u64);
            for (kind, moment) in [("m", &state.momentum.moment_1), ("v", &state.momentum.moment_2)] {
                let data = moment.to_data().convert::<f32>().into_vec().expect("converted to f32 just now");
                tensors.push(NamedTensor {
                    name: format!("{kind}/{name}"),
                    shape: moment.dims().to_vec(),
                    data,
                });
            }
        }
        (tensors, time)
    }

    /// Takes back what [`Optimiser::state`] gave.
    pub fn restore(&mut self, tensors: &[NamedTensor], time: u64, device: &B::Device) {
        let find = |kind: &str, name: &str| tensors.iter().find(|t| t.name == format!("{kind}/{name}"));
        let tensor = |t: &NamedTensor| {
            Tensor::<B::InnerBackend, 1>::from_data(TensorData::new(t.data.clone(), [t.data.len()]), device)
        };
        for name in tensors.iter().filter_map(|t| t.name.strip_prefix("m/")) {
            if let (Some(m), Some(v)) = (find("m", name), find("v", name)) {
                let momentum = AdaptiveMomentumState::new(time as usize, tensor(m), tensor(v));
                self.moments.insert(name.to_owned(), AdamWState::new(momentum));
            }
        }
    }
}

struct Update<'a, B: AutodiffBackend> {
    walk: Walk,
    optimiser: &'a mut Optimiser<B>,
    grads: &'a mut GradientsParams,
    lr: f64,
    scale: f64,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Update<'_, B> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.walk.leave();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(grad) = self.grads.remove::<B::InnerBackend, D>(param.id) else { return param };
        let name = self.walk.name();
        param.map(|tensor| {
            let dims = tensor.dims();
            let count = dims.iter().product::<usize>();
            let weight = dims.len() >= 2 && name.ends_with("weight");
            let rule = if weight { &self.optimiser.decayed } else { &self.optimiser.plain };
            let grad = if self.scale < 1.0 { grad * self.scale } else { grad };
            let state = self.optimiser.moments.remove(&name);
            let (new, state) = SimpleOptimizer::<B::InnerBackend>::step(
                rule,
                self.lr,
                tensor.inner().reshape([count]),
                grad.reshape([count]),
                state,
            );
            if let Some(state) = state {
                self.optimiser.moments.insert(name.clone(), state);
            }
            Tensor::from_inner(new.reshape(dims)).require_grad()
        })
    }
}

/// Norm of all gradients together.
fn gradient_norm<B: AutodiffBackend, M: Module<B>>(module: &M, grads: &GradientsParams) -> f64 {
    struct Sum<'a, B: AutodiffBackend>(&'a GradientsParams, Option<Tensor<B::InnerBackend, 1>>);
    impl<B: AutodiffBackend> ModuleVisitor<B> for Sum<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(grad) = self.0.get::<B::InnerBackend, D>(param.id) {
                let square = grad.square().sum();
                self.1 = Some(match self.1.take() {
                    None => square,
                    Some(sum) => sum + square,
                });
            }
        }
    }
    let mut sum = Sum::<B>(grads, None);
    module.visit(&mut sum);
    sum.1.map_or(0.0, |s| {
        f64::from(s.into_data().convert::<f32>().as_slice::<f32>().map_or(f32::NAN, |v| v[0])).sqrt()
    })
}
