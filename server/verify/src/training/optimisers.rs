//! `layers/optimisers.safetensors` and `layers/schedule_warmup_cosine.json`: given gradients through the
//! optimiser of training, and its learning rates.

use burn::backend::Autodiff;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use burn_flex::Flex;
use serde_json::Value;
use transferscope_ml::{
    params::{Fill, NamedTensor, collect, fill, ids, shapes},
    train::{
        optimiser::{Group, Optimiser, Rule, clip_factor, gradient_norm},
        schedule::WarmupCosine,
    },
};

use crate::{Cases, Folder, Problem, Tensors, Tolerance, networks::layers::TOLERANCES, number, numbers};

pub const FILE: &str = "layers/optimisers.safetensors";
pub const SCHEDULE: &str = "layers/schedule_warmup_cosine.json";

type A = Autodiff<Flex>;

/// Of the schedule, which is computed in double precision.
const EXACT_RATE: Tolerance = Tolerance::absolute(1e-12);
/// Of clipped gradients, which the file with tolerances leaves out.
const CLIPPED: Tolerance = Tolerance::relative(1e-5);
/// A norm so large that nothing is clipped.
const NO_CLIPPING: f64 = f64::INFINITY;
const STEPS: usize = 5;

/// The parameters that the runs update: `a.weight`, `a.bias`, `b.weight`.
#[derive(Module, Debug)]
struct Parameters<B: Backend> {
    a: Layer<B>,
    b: Layer<B>,
}

#[derive(Module, Debug)]
struct Layer<B: Backend> {
    weight: Param<Tensor<B, 2>>,
    bias: Option<Param<Tensor<B, 1>>>,
}

/// A run of five steps.
struct Run {
    name: &'static str,
    rule: Rule,
    /// Learning rate of each step.
    lr: [f64; STEPS],
    /// Of `a.weight`.
    first: Group,
    /// Of the others.
    others: Group,
}

/// The runs of the file, whose settings no tensor tells.
fn runs() -> [Run; 7] {
    let group = |lr_scale, weight_decay| Group { lr_scale, weight_decay };
    let all = |name, rule, lr, weight_decay| {
        let same = group(1.0, weight_decay);
        Run { name, rule, lr: [lr; STEPS], first: same, others: same }
    };
    let lars = Rule::Lars { momentum: 0.9, trust: 0.001 };
    let two = Run {
        name: "adamw_two_groups",
        rule: Rule::ADAMW,
        lr: [1e-2; STEPS],
        first: group(0.5, 0.05),
        others: group(1.0, 0.0),
    };
    [
        Run { name: "adamw_two_groups_lr_schedule", lr: [0.0, 2e-3, 1e-2, 7e-3, 1e-4], ..two },
        two,
        all("adamw_betas_0p9_0p95", Rule::AdamW { beta_1: 0.9, beta_2: 0.95 }, 1e-2, 0.05),
        all("adam", Rule::ADAMW, 1e-2, 0.0),
        all("sgd_momentum", Rule::Sgd { momentum: 0.9 }, 1e-2, 0.0),
        all("lars", lars, 0.1, 0.0),
        all("lars_weight_decay", lars, 0.1, 0.01),
    ]
}

/// Compares every run step by step, then clipping.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.tensors(FILE)?;
    let tolerances = folder.tolerances(TOLERANCES)?;
    let tolerance = |tensor: &str| tolerances.of("optimisers.safetensors", tensor);
    for run in runs() {
        let (first, others) = (run.first, run.others);
        let mut optimiser =
            Optimiser::<A>::new(run.rule, move |name, _| if name == "a.weight" { first } else { others });
        let mut module = initial(&file)?;
        for (step, lr) in (1..).zip(run.lr) {
            let grads = gradients(&file, &module, step)?;
            (module, _) = optimiser.step(module, grads, lr, NO_CLIPPING);
            for tensor in collect(&module) {
                let name = format!("{}.step{step}.{}", run.name, tensor.name);
                cases.compare(FILE, &name, &wide(&tensor.data), &file.get(&name)?.data, tolerance(&name)?);
            }
        }
    }
    let module = initial(&file)?;
    let grads = gradients(&file, &module, 1)?;
    let norm = gradient_norm::<A, _>(&module, &grads);
    let clips: Vec<&str> = file.names().filter(|n| n.starts_with("clip_at_")).collect();
    for name in clips {
        let (case, what) = name.split_once('.').unwrap_or((name, ""));
        let ours = if what == "total_norm" {
            vec![norm]
        } else {
            let factor = clip_factor(norm, clip_norm(case)?);
            file.get(&format!("grad1.{what}"))?.data.iter().map(|g| g * factor).collect()
        };
        cases.compare(FILE, name, &ours, &file.get(name)?.data, CLIPPED);
    }
    Ok(())
}

/// The X of `clip_at_X`, where `p` stands for the point: `clip_at_0p1`, `clip_at_100_no_effect`.
fn clip_norm(case: &str) -> Result<f64, Problem> {
    let text = case.trim_start_matches("clip_at_").split('_').next().unwrap_or_default();
    text.replace('p', ".").parse().map_err(|_| Problem::new(format!("{case} does not say a norm")))
}

fn wide(data: &[f32]) -> Vec<f64> {
    data.iter().map(|v| f64::from(*v)).collect()
}

/// The parameters before the first step.
fn initial(file: &Tensors) -> Result<Parameters<A>, Problem> {
    let given = file.parameters("init.")?;
    let device = Default::default();
    let zeros = |name: &str| -> Result<Param<Tensor<A, 2>>, Problem> {
        let shape = given.iter().find(|t| t.name == name).map(|t| t.shape.as_slice());
        let Some(&[rows, columns]) = shape else {
            return Err(Problem::new(format!("init.{name} is no matrix")));
        };
        Ok(Initializer::Zeros.init([rows, columns], &device))
    };
    let length = given.iter().find(|t| t.name == "a.bias").map_or(0, |t| t.data.len());
    let module = Parameters {
        a: Layer { weight: zeros("a.weight")?, bias: Some(Initializer::Zeros.init([length], &device)) },
        b: Layer { weight: zeros("b.weight")?, bias: None },
    };
    let mut missing = None;
    let module = fill(module, |name, shape| match find(&given, name, shape) {
        Some(tensor) => Fill::Values(tensor.data.clone()),
        None => {
            missing = Some(Problem::new(format!("no init.{name} of shape {shape:?}")));
            Fill::Keep
        }
    });
    missing.map_or(Ok(module), Err)
}

fn find<'a>(tensors: &'a [NamedTensor], name: &str, shape: &[usize]) -> Option<&'a NamedTensor> {
    tensors.iter().find(|t| t.name == name && t.shape == shape)
}

/// The given gradients of a step, as a backward pass would leave them.
fn gradients(file: &Tensors, module: &Parameters<A>, step: usize) -> Result<GradientsParams, Problem> {
    let given = file.parameters(&format!("grad{step}."))?;
    let mut grads = GradientsParams::new();
    for ((name, id), (_, shape)) in ids(module).into_iter().zip(shapes(module)) {
        let missing = || Problem::new(format!("grad{step}.{name} is missing or of another shape"));
        let values = find(&given, &name, &shape).ok_or_else(missing)?.data.clone();
        match shape[..] {
            [n] => grads.register(id, leaf(values, [n])),
            [rows, columns] => grads.register(id, leaf(values, [rows, columns])),
            _ => return Err(missing()),
        }
    }
    Ok(grads)
}

fn leaf<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<Flex, D> {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

/// Start of the column names that say the learning rate of a group.
const SCALED: &str = "lr_of_group_with_lr_scale_";

/// Compares the learning rates of every schedule, a column a comparison.
pub fn check_schedule(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(SCHEDULE)?;
    for (i, entry) in list(&json, "schedules")?.iter().enumerate() {
        let schedule = WarmupCosine {
            lr: number(&entry["lr"])?,
            min_lr: number(&entry["min_lr"])?,
            warmup_epochs: number(&entry["warmup_epochs"])?,
            epochs: number(&entry["epochs"])?,
        };
        let columns = list(&entry["columns"], "columns")?;
        let rows = list(&entry["rows"], "rows")?.iter().map(numbers).collect::<Result<Vec<_>, _>>()?;
        if columns.is_empty() || rows.iter().any(|row| row.len() != columns.len()) {
            return Err(Problem::new(format!("{SCHEDULE}: a row has not a number for every column")));
        }
        // The first column is the epoch.
        for (at, column) in columns.iter().enumerate().skip(1) {
            let name = column.as_str().unwrap_or_default();
            let scale = match name.strip_prefix(SCALED) {
                None if name == "lr" => Some(1.0),
                text => text.and_then(|t| t.parse::<f64>().ok()),
            };
            let unknown = || Problem::new(format!("{SCHEDULE}: column {column} is not known"));
            let scale = scale.ok_or_else(unknown)?;
            let ours: Vec<f64> = rows.iter().map(|row| scale * schedule.at(row[0])).collect();
            let theirs: Vec<f64> = rows.iter().map(|row| row[at]).collect();
            cases.compare(SCHEDULE, &format!("{i}.{name}"), &ours, &theirs, EXACT_RATE);
        }
    }
    Ok(())
}

fn list<'a>(json: &'a Value, what: &str) -> Result<&'a Vec<Value>, Problem> {
    json.as_array().ok_or_else(|| Problem::new(format!("{SCHEDULE} has no list of {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_rule_follows_the_given_gradients() {
        assert_file_passes(FILE);
    }

    #[test]
    fn rates_rise_and_fall_as_published() {
        assert_file_passes(SCHEDULE);
    }

    #[test]
    fn a_norm_is_read_from_the_name() {
        assert_eq!(clip_norm("clip_at_0p1").unwrap(), 0.1);
        assert_eq!(clip_norm("clip_at_100_no_effect").unwrap(), 100.0);
        assert!(clip_norm("clip_at_x").is_err());
    }
}
