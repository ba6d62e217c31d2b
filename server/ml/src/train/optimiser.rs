//! Updates of named parameters in groups, with the gradient norm and its clipping.
//!
//! A parameter is updated when it has a gradient; what is frozen has none and no state.

use std::collections::BTreeMap;

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, SimpleOptimizer};
use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use transferscope_domain::Optimiser as Setting;

use crate::{
    nn::lora::is_lora,
    params::{NamedTensor, Walk},
};

/// How a parameter follows its gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Adam with decoupled weight decay, eps 1e-8; without decay it is Adam.
    AdamW { beta_1: f64, beta_2: f64 },
    /// Gradient descent with momentum; weight decay is added to the gradient.
    Sgd { momentum: f64 },
    /// Gradient descent with momentum, tensors of rank 2 and more scaled by
    /// `trust * |parameter| / |gradient|`; the others are not decayed either.
    ///
    /// # Source
    /// You et al., "Large Batch Training of Convolutional Networks" (2017), in the form of MAE's
    /// published linear probing.
    Lars { momentum: f64, trust: f64 },
}

impl Rule {
    /// AdamW with betas 0.9 and 0.999.
    pub const ADAMW: Self = Rule::AdamW { beta_1: 0.9, beta_2: 0.999 };
}

impl From<Setting> for Rule {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::AdamW => Rule::ADAMW,
            Setting::Sgd => Rule::Sgd { momentum: 0.9 },
            Setting::Lars => Rule::Lars { momentum: 0.9, trust: 0.001 },
        }
    }
}

/// What is particular to some parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// The learning rate is multiplied by it.
    pub lr_scale: f64,
    pub weight_decay: f64,
}

impl Group {
    /// Full learning rate; `weight_decay` on weights (rank 2 and more) and low-rank factors, none on
    /// biases, normalisations, GRN, layer scales and tables.
    pub fn plain(name: &str, rank: usize, weight_decay: f64) -> Self {
        let decayed = rank >= 2 && (name.ends_with("weight") || is_lora(name));
        Self { lr_scale: 1.0, weight_decay: if decayed { weight_decay } else { 0.0 } }
    }
}

/// The group of a parameter, by name and rank.
type Grouping = Box<dyn Fn(&str, usize) -> Group>;

/// A rule, its groups, and what it remembers of every parameter.
pub struct Optimiser<B: AutodiffBackend> {
    rule: Rule,
    grouping: Grouping,
    states: BTreeMap<String, State<B::InnerBackend>>,
}

/// What a rule remembers of one parameter, flattened.
enum State<B: Backend> {
    Moments(AdamWState<B, 1>),
    Momentum(Tensor<B, 1>),
}

impl<B: AutodiffBackend> Optimiser<B> {
    pub fn new(rule: Rule, grouping: impl Fn(&str, usize) -> Group + 'static) -> Self {
        Self { rule, grouping: Box::new(grouping), states: BTreeMap::new() }
    }

    /// AdamW in the groups of [`Group::plain`].
    pub fn adamw(weight_decay: f64) -> Self {
        Self::new(Rule::ADAMW, move |name, rank| Group::plain(name, rank, weight_decay))
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
        let scale = clip_factor(norm, clip_norm);
        let mut update = Update { walk: Walk::default(), optimiser: self, grads: &mut grads, lr, scale };
        (module.map(&mut update), norm)
    }

    /// The state as tensors named `m/PARAMETER` and, for Adam, `v/PARAMETER`, and Adam's number of
    /// steps.
    pub fn state(&self) -> (Vec<NamedTensor>, u64) {
        let mut tensors = Vec::new();
        let mut time = 0;
        let mut push = |kind: &str, name: &str, tensor: &Tensor<B::InnerBackend, 1>| {
            let data = tensor.to_data().convert::<f32>().into_vec().expect("converted to f32 just now");
            tensors.push(NamedTensor { name: format!("{kind}/{name}"), shape: tensor.dims().to_vec(), data });
        };
        for (name, state) in &self.states {
            match state {
                State::Moments(state) => {
                    time = time.max(state.momentum.time as u64);
                    push("m", name, &state.momentum.moment_1);
                    push("v", name, &state.momentum.moment_2);
                }
                State::Momentum(momentum) => push("m", name, momentum),
            }
        }
        (tensors, time)
    }

    /// Takes back what [`Optimiser::state`] gave.
    pub fn restore(&mut self, tensors: &[NamedTensor], time: u64, device: &B::Device) {
        let tensor = |t: &NamedTensor| {
            Tensor::<B::InnerBackend, 1>::from_data(TensorData::new(t.data.clone(), [t.data.len()]), device)
        };
        let second: BTreeMap<&str, &NamedTensor> =
            tensors.iter().filter_map(|t| Some((t.name.strip_prefix("v/")?, t))).collect();
        for (name, m) in tensors.iter().filter_map(|t| Some((t.name.strip_prefix("m/")?, t))) {
            let state = match second.get(name) {
                Some(v) => {
                    let momentum = AdaptiveMomentumState::new(time as usize, tensor(m), tensor(v));
                    State::Moments(AdamWState::new(momentum))
                }
                None => State::Momentum(tensor(m)),
            };
            self.states.insert(name.to_owned(), state);
        }
    }
}

/// One parameter and its gradient.
struct Step<B: Backend> {
    parameter: Tensor<B, 1>,
    /// Of the parameter before it was flattened.
    rank: usize,
    grad: Tensor<B, 1>,
    lr: f64,
    weight_decay: f64,
}

impl Rule {
    fn step<B: Backend>(self, step: Step<B>, state: Option<State<B>>) -> (Tensor<B, 1>, Option<State<B>>) {
        match self {
            Rule::AdamW { beta_1, beta_2 } => {
                let rule = AdamWConfig::new()
                    .with_beta_1(beta_1 as f32)
                    .with_beta_2(beta_2 as f32)
                    .with_epsilon(1e-8)
                    .with_weight_decay(step.weight_decay as f32)
                    .build();
                let state = match state {
                    Some(State::Moments(state)) => Some(state),
                    _ => None,
                };
                let (new, state) =
                    SimpleOptimizer::<B>::step(&rule, step.lr, step.parameter, step.grad, state);
                (new, state.map(State::Moments))
            }
            Rule::Sgd { momentum } => {
                let grad = decayed(step.grad, &step.parameter, step.weight_decay);
                descend(step.parameter, grad, step.lr, momentum, state)
            }
            Rule::Lars { momentum, trust } => {
                let mut grad = step.grad;
                if step.rank >= 2 {
                    grad = decayed(grad, &step.parameter, step.weight_decay);
                    grad = grad.clone() * trust_ratio(&step.parameter, &grad, trust);
                }
                descend(step.parameter, grad, step.lr, momentum, state)
            }
        }
    }
}

fn decayed<B: Backend>(grad: Tensor<B, 1>, parameter: &Tensor<B, 1>, weight_decay: f64) -> Tensor<B, 1> {
    if weight_decay == 0.0 { grad } else { grad + parameter.clone() * weight_decay }
}

fn descend<B: Backend>(
    parameter: Tensor<B, 1>,
    grad: Tensor<B, 1>,
    lr: f64,
    momentum: f64,
    state: Option<State<B>>,
) -> (Tensor<B, 1>, Option<State<B>>) {
    let velocity = match state {
        Some(State::Momentum(old)) => old * momentum + grad,
        _ => grad,
    };
    (parameter - velocity.clone() * lr, Some(State::Momentum(velocity)))
}

/// `trust * |parameter| / |grad|`, one where either is zero.
fn trust_ratio<B: Backend>(parameter: &Tensor<B, 1>, grad: &Tensor<B, 1>, trust: f64) -> Tensor<B, 1> {
    let norm = |x: &Tensor<B, 1>| x.clone().square().sum().sqrt();
    let (size, slope) = (norm(parameter), norm(grad));
    let undefined = size.clone().equal_elem(0.0).bool_or(slope.clone().equal_elem(0.0));
    (size * trust / slope).mask_fill(undefined, 1.0)
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
            let group = (self.optimiser.grouping)(&name, D);
            let grad = if self.scale < 1.0 { grad * self.scale } else { grad };
            let step = Step {
                parameter: tensor.inner().reshape([count]),
                rank: D,
                grad: grad.reshape([count]),
                lr: self.lr * group.lr_scale,
                weight_decay: group.weight_decay,
            };
            let state = self.optimiser.states.remove(&name);
            let (new, state) = self.optimiser.rule.step(step, state);
            if let Some(state) = state {
                self.optimiser.states.insert(name.clone(), state);
            }
            Tensor::from_inner(new.reshape(dims)).require_grad()
        })
    }
}

/// What gradients of a common norm are multiplied by to have at most `clip_norm`.
///
/// # Source
/// PyTorch's `clip_grad_norm_`.
pub fn clip_factor(norm: f64, clip_norm: f64) -> f64 {
    if norm.is_finite() { (clip_norm / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

/// Norm of all gradients together.
pub fn gradient_norm<B: AutodiffBackend, M: Module<B>>(module: &M, grads: &GradientsParams) -> f64 {
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
