//! ProFound's networks: small ones with weights against what they must compute, and full-size ones
//! against the names and shapes of their parameters.

use std::rc::Rc;

use burn::{
    backend::Autodiff,
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use burn_flex::Flex;
use transferscope_ml::{
    checkpoint,
    family::profound_conv::convnext::{ConvNextConfig, STRIDE},
    params::{Fill, NamedTensor, fill, gradients, shapes},
};

use crate::{Cases, Folder, Problem, Tensors, Tolerance, Tolerances, whole};

pub mod classifier;
pub mod convnext;
pub mod fcmae;
pub mod layer_decay;
pub mod mae_vit;
mod raw;
pub mod tables;
pub mod unetr;
pub mod upernet;

pub const CONFIGS: &str = "models/profound_configs.json";
pub const TOLERANCES: &str = "models/profound_tolerances.json";

/// What everything here runs on.
type A = Autodiff<Flex>;

/// Most blocks of a network that is built.
const DEPTH_LIMIT: usize = 256;
/// Most values of a fixed table that is built.
const TABLE_LIMIT: usize = 1 << 24;
/// Most values of a cell that is predicted.
const CELL_LIMIT: usize = 1 << 24;

/// The settings of one network.
struct Config {
    name: &'static str,
    value: serde_json::Value,
}

impl Config {
    fn open(folder: &Folder, name: &'static str) -> Result<Self, Problem> {
        let value = folder.json(CONFIGS)?[name].clone();
        if value.is_null() {
            return Err(Problem::new(format!("{CONFIGS} has no {name}")));
        }
        Ok(Self { name, value })
    }

    /// A positive whole number.
    fn whole(&self, key: &str) -> Result<usize, Problem> {
        whole(&self.value[key], &format!("{} {key}", self.name), 1)
    }

    /// Positive whole numbers.
    fn list(&self, key: &str) -> Result<Vec<usize>, Problem> {
        let what = format!("{} {key}", self.name);
        let items = self.value[key].as_array();
        let items = items.ok_or_else(|| Problem::new(format!("{what} is no list")))?;
        items.iter().map(|item| whole(item, &what, 1)).collect()
    }

    /// As many positive whole numbers as are asked for.
    fn array<const N: usize>(&self, key: &str) -> Result<[usize; N], Problem> {
        let found = self.list(key)?;
        found.try_into().map_err(|found: Vec<usize>| {
            Problem::new(format!("{} {key} has {} numbers, not {N}", self.name, found.len()))
        })
    }

    /// Number of blocks, which is bounded.
    fn depth(&self, key: &str) -> Result<usize, Problem> {
        let depth = self.whole(key)?;
        self.need(depth <= DEPTH_LIMIT, || format!("{depth} blocks are more than {DEPTH_LIMIT}"))?;
        Ok(depth)
    }

    /// An encoder's size; its channels in are those of the weights.
    fn conv_next(&self, weights: &[NamedTensor], prefix: &str) -> Result<ConvNextConfig, Problem> {
        let stem = format!("{prefix}downsample_layers.0.0.weight");
        let in_channels = weights.iter().find(|t| t.name == stem).and_then(|t| t.shape.get(1).copied());
        let in_channels = in_channels.ok_or_else(|| Problem::new(format!("there is no weight {stem}")))?;
        let depths = self.array("depths")?;
        self.need(depths.iter().all(|d| *d <= DEPTH_LIMIT), || format!("depths {depths:?} are too many"))?;
        Ok(ConvNextConfig { in_channels, depths, dims: self.array("dims")? })
    }

    fn need(&self, holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Problem> {
        if holds { Ok(()) } else { Err(Problem::new(format!("{}: {}", self.name, otherwise()))) }
    }

    /// Cells of `size` voxels and some channels that fill an image.
    fn cells(&self, size: [usize; 3], image: [usize; 3], channels: usize) -> Result<(), Problem> {
        let exact = image.iter().zip(size).all(|(n, s)| n.is_multiple_of(s));
        self.need(exact, || format!("{image:?} is no multiple of {size:?}"))?;
        let values = size.into_iter().try_fold(channels, |product, n| product.checked_mul(n));
        self.need(values.is_some_and(|n| n <= CELL_LIMIT), || format!("cells of {size:?} voxels"))
    }

    /// Tokens of `dim` values by `heads` heads, with positions.
    fn tokens(&self, dim: usize, heads: usize, tokens: usize) -> Result<(), Problem> {
        self.need(dim.is_multiple_of(6) && dim.is_multiple_of(heads), || {
            format!("{dim} values are no multiple of 6 and of {heads} heads")
        })?;
        self.need(tokens > 0 && (tokens + 1).saturating_mul(dim) <= TABLE_LIMIT, || {
            format!("{tokens} tokens of {dim} values")
        })
    }
}

/// The weights of a file of PyTorch.
fn weights(folder: &Folder, path: &str) -> Result<Vec<NamedTensor>, Problem> {
    Ok(checkpoint::open(&folder.path(path))?.weights()?)
}

/// The weights of a file of safetensors, or of its twin of PyTorch where there is only this one.
fn either(folder: &Folder, plain: &str, torch: &str) -> Result<Vec<NamedTensor>, Problem> {
    if folder.has(plain) { folder.tensors(plain)?.parameters("") } else { weights(folder, torch) }
}

/// Fills a module from a file's tensors, which must be its parameters, no more and no less; counters
/// of batches, which we do not keep, apart.
fn load<M: Module<A>>(module: M, weights: &[NamedTensor]) -> Result<M, Problem> {
    let expected = shapes(&module);
    for (name, shape) in &expected {
        match weights.iter().find(|t| t.name == *name) {
            None => return Err(Problem::new(format!("there is no weight {name}"))),
            Some(t) if t.shape != *shape => {
                return Err(Problem::new(format!("{name} has shape {:?}, not {shape:?}", t.shape)));
            }
            Some(_) => {}
        }
    }
    let known = |t: &NamedTensor| expected.iter().any(|(name, _)| *name == t.name);
    if let Some(other) = weights.iter().find(|t| !t.name.ends_with("num_batches_tracked") && !known(t)) {
        return Err(Problem::new(format!("the network has no parameter {}", other.name)));
    }
    Ok(fill(module, |name, _| match weights.iter().find(|t| t.name == name) {
        Some(tensor) => Fill::Values(tensor.data.clone()),
        None => Fill::Keep,
    }))
}

/// Half the sum of squares, the loss of the files.
fn half_squares<const D: usize>(x: Tensor<A, D>) -> Tensor<A, 1> {
    x.square().sum() * 0.5
}

/// Values of a tensor.
fn values<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// A file of inputs and outputs that is being compared.
struct Io<'a> {
    path: &'static str,
    file: Rc<Tensors>,
    tolerances: Tolerances,
    cases: &'a mut Cases,
}

impl<'a> Io<'a> {
    fn open(folder: &Folder, path: &'static str, cases: &'a mut Cases) -> Result<Self, Problem> {
        Ok(Self { path, file: folder.tensors(path)?, tolerances: folder.tolerances(TOLERANCES)?, cases })
    }

    fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<A, D>, Problem> {
        let array = self.file.get(name)?;
        array.tensor(&Default::default()).map_err(|p| Problem::new(format!("{}: {name}: {p}", self.path)))
    }

    /// A volume of `channels`, sizes divisible by `multiple`.
    fn volume(&self, name: &str, channels: usize, multiple: [usize; 3]) -> Result<Tensor<A, 5>, Problem> {
        let x = self.tensor::<5>(name)?;
        let [b, c, d, h, w] = x.dims();
        let fits = [d, h, w].iter().zip(multiple).all(|(n, m)| *n > 0 && n.is_multiple_of(m));
        if b == 0 || c != channels || !fits {
            return Err(Problem::new(format!(
                "{}: {name} has shape {:?}, not {channels} channels and multiples of {multiple:?}",
                self.path,
                x.dims()
            )));
        }
        Ok(x)
    }

    /// The bound of a tensor.
    fn tolerance(&self, name: &str) -> Result<Tolerance, Problem> {
        self.tolerances.of(self.path.trim_start_matches("models/"), name)
    }

    /// Compares with the tensor `name` of the file.
    fn compare<const D: usize>(&mut self, name: &str, ours: Tensor<A, D>) -> Result<(), Problem> {
        self.compare_values(name, &values(ours))
    }

    fn compare_values(&mut self, name: &str, ours: &[f64]) -> Result<(), Problem> {
        let tolerance = self.tolerance(name)?;
        self.cases.compare(self.path, name, ours, &self.file.get(name)?.data, tolerance);
        Ok(())
    }

    /// Compares every gradient below `prefix` in the file with that of the parameter it names.
    fn compare_gradients<M: Module<A>>(
        &mut self,
        prefix: &str,
        module: &M,
        loss: &Tensor<A, 1>,
    ) -> Result<(), Problem> {
        let ours = gradients(module, &loss.backward());
        let names: Vec<String> =
            self.file.names().filter(|n| n.starts_with(prefix)).map(Into::into).collect();
        for name in names {
            let parameter = &name[prefix.len()..];
            let found = ours.iter().find(|t| t.name == parameter);
            let found = found.ok_or_else(|| Problem::new(format!("{parameter} has no gradient here")))?;
            let found: Vec<f64> = found.data.iter().map(|v| f64::from(*v)).collect();
            self.compare_values(&name, &found)?;
        }
        Ok(())
    }
}

/// What the strides of the encoder ask of a volume.
const MULTIPLE: [usize; 3] = [STRIDE; 3];
