//! Self-distillation without labels (DINO) for the 2.5-D vision transformer.
//!
//! A student sees crops of a slice and learns to give the distribution over prototypes that a teacher
//! gives for the other large crop of the same slice. The teacher's weights follow the student's slowly;
//! its outputs are centred and sharpened, which keeps both from saying the same of everything.
//!
//! # Source
//! Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (2021), equations 1 to 4
//! and the multi-crop strategy. DINOv2, from which ProViCNet starts, adds masked patches and more to it.
//! Differences for the small size: fewer prototypes, and crops of one image at a time with mild
//! changes of intensity in place of colour.

use crate::nn::precision::affine;
use burn::module::{Module, Param, RunningState};
use burn::nn::{Initializer, Linear};
use burn::tensor::{
    Tensor, TensorData,
    activation::{log_softmax, softmax},
    backend::{AutodiffBackend, Backend},
};
use rand::RngExt;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{Drawn, Pretrain, Validation};
use crate::{
    family::provicnet::vit::{Vit, VitConfig},
    init::stream,
    model::io::SLICES,
    nn::{
        gelu::gelu,
        kernels::Kernels,
        linear::linear,
        resize::{linear as linear_resize, resize},
    },
    params::{Fill, collect, fill},
    train::{
        dataset::Item,
        evaluate::scalar,
        example::Example,
        sampling::{SamplingGeometry, WorkingGrid},
    },
};

/// Prototypes, and the widths of the projection before them.
const PROTOTYPES: usize = 512;
const HIDDEN: usize = 192;
const BOTTLENECK: usize = 64;
/// Large crops, which teacher and student see, and small ones, which only the student sees.
const LARGE: usize = 2;
const SMALL: usize = 4;
/// Shares of a slice's side that a crop covers.
const LARGE_SHARE: std::ops::Range<f32> = 0.6..1.0;
const SMALL_SHARE: std::ops::Range<f32> = 0.3..0.6;
/// Patches of a large and a small crop in each direction, for the small size and as published.
const GRIDS: [usize; 2] = [12, 6];
const FULL_GRIDS: [usize; 2] = [16, 7];
const STUDENT_TEMPERATURE: f64 = 0.1;
const TEACHER_TEMPERATURE: f64 = 0.04;
/// Share of the old centre in the new one.
const CENTRE_MOMENTUM: f64 = 0.9;
/// Share of the old teacher in the new one at the start; 1 at the end.
const TEACHER_MOMENTUM: f64 = 0.99;

/// Teacher (the encoder that is kept) and student, each with its projection.
#[derive(Module, Debug)]
pub struct SelfDistillation<B: Backend> {
    pub encoder: Vit<B>,
    pub projection: Projection<B>,
    pub student: Vit<B>,
    pub student_projection: Projection<B>,
    /// Mean of the teacher's outputs, `[PROTOTYPES]`.
    pub centre: RunningState<Tensor<B, 1>>,
}

/// Three layers, then cosines with the prototypes.
#[derive(Module, Debug)]
pub struct Projection<B: Backend> {
    pub fc1: Linear<B>,
    pub fc2: Linear<B>,
    pub fc3: Linear<B>,
    pub prototypes: Prototypes<B>,
}

/// Directions, one a row, used at length 1: `[PROTOTYPES, BOTTLENECK]`.
#[derive(Module, Debug)]
pub struct Prototypes<B: Backend> {
    pub weight: Param<Tensor<B, 2>>,
}

/// Rows at length 1.
fn unit<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let length = (x.clone().square().sum_dim(1) + 1e-12).sqrt();
    x / length
}

impl<B: Backend> Projection<B> {
    fn new(dim: usize, device: &B::Device) -> Self {
        Self {
            fc1: linear(dim, HIDDEN, device),
            fc2: linear(HIDDEN, HIDDEN, device),
            fc3: linear(HIDDEN, BOTTLENECK, device),
            prototypes: Prototypes { weight: Initializer::Zeros.init([PROTOTYPES, BOTTLENECK], device) },
        }
    }

    /// `[N, E]` -> `[N, PROTOTYPES]`.
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2>
    where
        B: Kernels,
    {
        let x = gelu(affine(&self.fc2, gelu(affine(&self.fc1, x))));
        unit(self.fc3.forward(x)).matmul(unit(self.prototypes.weight.val()).transpose())
    }
}

/// Copies the values of `from` into `to`, mixed with a share of what is there.
fn follow<B: Backend, M: Module<B>>(to: M, from: &M, keep: f32) -> M {
    let mut values = collect(from).into_iter();
    let mut old = collect(&to).into_iter();
    fill(to, |name, _| match (values.next(), old.next()) {
        (Some(new), Some(old)) => {
            debug_assert_eq!(new.name, name);
            let mix = old.data.iter().zip(&new.data).map(|(a, b)| keep * a + (1.0 - keep) * b);
            Fill::Values(mix.collect())
        }
        _ => unreachable!("two networks of one architecture"),
    })
}

impl<B: Backend> SelfDistillation<B> {
    pub fn new(config: &VitConfig, device: &B::Device) -> Self {
        Self {
            encoder: Vit::new(config, device).no_grad(),
            projection: Projection::new(config.dim, device).no_grad(),
            student: Vit::new(config, device),
            student_projection: Projection::new(config.dim, device),
            centre: RunningState::new(Tensor::zeros([PROTOTYPES], device)),
        }
    }
}

/// Crops of some slices, all of one kind.
struct Crops {
    /// `[N, 3, side, side]`, sampling by sampling.
    data: Vec<f32>,
    /// Slice index and count of each.
    axis: Vec<f32>,
    side: usize,
    images: usize,
}

impl Crops {
    fn tensors<B: Backend>(&self, device: &B::Device) -> (Tensor<B, 4>, Tensor<B, 2>) {
        let n = self.axis.len() / 2;
        let x = TensorData::new(self.data.clone(), [n, SLICES, self.side, self.side]);
        let axis = TensorData::new(self.axis.clone(), [n, 2]);
        (Tensor::from_data(x, device), Tensor::from_data(axis, device))
    }
}

/// `views` crops of every image of every item, sampling by sampling.
fn crops(
    drawn: Drawn<'_>,
    (views, share, grid): (usize, &std::ops::Range<f32>, usize),
    patch: usize,
) -> Crops {
    let Drawn { examples, items, seed, epoch, .. } = drawn;
    let side = grid * patch;
    let jobs: Vec<(usize, &Item)> =
        (0..views).flat_map(|sampling| items.iter().map(move |item| (sampling, item))).collect();
    let parts: Vec<(Vec<f32>, Vec<f32>)> = jobs
        .into_par_iter()
        .map(|(sampling, item)| {
            let example = &examples[item.example];
            let [d, h, w] = example.shape;
            let place =
                |label: &str| stream(seed, &format!("{label}/{epoch}/{}/{}", example.case_id, item.draw));
            // The slice is that of the item, whatever the sampling.
            let z = place("slice").random_range(0..d);
            let mut rng = place(&format!("crop{side}/{sampling}"));
            let mut data = Vec::with_capacity(example.inputs.len() * SLICES * side * side);
            let mut axis = Vec::new();
            for volume in &example.inputs {
                let size =
                    [h, w].map(|n| ((rng.random_range(share.clone()) * n as f32) as usize).clamp(8, n));
                let start = [rng.random_range(0..=h - size[0]), rng.random_range(0..=w - size[1])];
                let mirrored = rng.random_bool(0.5);
                let (gain, shift) = (rng.random_range(0.8..1.2f32), rng.random_range(-0.2..0.2f32));
                let (rows, columns) = (linear_resize(size[0], side), linear_resize(size[1], side));
                for offset in -1..=1 {
                    let z = (z as isize + offset).clamp(0, d as isize - 1) as usize;
                    let mut cut = Vec::with_capacity(size[0] * size[1]);
                    for y in start[0]..start[0] + size[0] {
                        let row = (z * h + y) * w + start[1];
                        cut.extend(volume[row..row + size[1]].iter().map(|v| v * gain + shift));
                    }
                    if mirrored {
                        cut.chunks_mut(size[1]).for_each(<[f32]>::reverse);
                    }
                    data.extend(resize(&cut, size, [side, side], &rows, &columns));
                }
                axis.extend([z as f32, d as f32]);
            }
            (data, axis)
        })
        .collect();
    let images = items.iter().map(|i| examples[i.example].inputs.len()).sum();
    let mut all = Crops { data: Vec::new(), axis: Vec::new(), side, images };
    for (data, axis) in parts {
        all.data.extend(data);
        all.axis.extend(axis);
    }
    all
}

/// Cross-entropy of every student sampling with every teacher sampling of the same image but itself.
///
/// # Shapes
/// `teacher [LARGE * N, K]` and `student [(LARGE + SMALL) * N, K]`, sampling by sampling -> `[1]`.
fn agreement<B: Backend>(
    teacher: Tensor<B, 2>,
    student: Tensor<B, 2>,
    centre: Tensor<B, 1>,
    images: usize,
) -> Tensor<B, 1> {
    let k = teacher.dims()[1];
    let views = student.dims()[0] / images;
    let wanted = softmax((teacher - centre.reshape([1, k])) / TEACHER_TEMPERATURE, 1).detach();
    let said = log_softmax(student / STUDENT_TEMPERATURE, 1);
    let sampling = |x: &Tensor<B, 2>, v: usize| x.clone().slice([v * images..(v + 1) * images, 0..k]);
    let mut terms = Vec::new();
    for t in 0..LARGE {
        for s in (0..views).filter(|s| *s != t) {
            terms.push((sampling(&wanted, t) * sampling(&said, s)).sum_dim(1).mean().neg());
        }
    }
    Tensor::cat(terms, 0).mean()
}

impl<B: Kernels> SelfDistillation<B> {
    /// The loss of some items, and the teacher's outputs.
    fn views(&self, drawn: Drawn<'_>, device: &B::Device) -> (Tensor<B, 1>, Tensor<B, 2>) {
        let patch = self.encoder.patch();
        let [large, small] = if drawn.sampling.grid == WorkingGrid::SMALL { GRIDS } else { FULL_GRIDS };
        let large = crops(drawn, (LARGE, &LARGE_SHARE, large), patch);
        let small = crops(drawn, (SMALL, &SMALL_SHARE, small), patch);
        let (x, axis) = large.tensors::<B>(device);
        let class = |vit: &Vit<B>, x: Tensor<B, 4>, axis: Tensor<B, 2>| {
            vit.forward(x, vit.own_tokens(axis, None)).class()
        };
        let teacher = self.projection.forward(class(&self.encoder, x.clone(), axis.clone())).detach();
        let (small_x, small_axis) = small.tensors::<B>(device);
        let student =
            Tensor::cat(vec![class(&self.student, x, axis), class(&self.student, small_x, small_axis)], 0);
        let student = self.student_projection.forward(student);
        (agreement(teacher.clone(), student, self.centre.value(), large.images), teacher)
    }
}

impl<B: AutodiffBackend + Kernels> Pretrain<B> for SelfDistillation<B>
where
    B::InnerBackend: Kernels,
{
    fn prepare(self) -> Self {
        Self {
            student: follow(self.student, &self.encoder, 0.0),
            student_projection: follow(self.student_projection, &self.projection, 0.0),
            ..self
        }
    }

    fn loss(&self, drawn: Drawn<'_>, device: &B::Device) -> Tensor<B, 1> {
        let (loss, teacher) = self.views(drawn, device);
        let mean = teacher.mean_dim(0).reshape([PROTOTYPES]);
        self.centre.update(self.centre.value() * CENTRE_MOMENTUM + mean * (1.0 - CENTRE_MOMENTUM));
        // What was updated is what `value` and a visit see from now on.
        self.centre.value_sync();
        loss
    }

    fn after_step(self, progress: f64) -> Self {
        let keep = 1.0 - (1.0 - TEACHER_MOMENTUM) * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0;
        Self {
            encoder: follow(self.encoder, &self.student, keep as f32),
            projection: follow(self.projection, &self.student_projection, keep as f32),
            ..self
        }
    }

    fn validate(
        net: &Self::InnerModule,
        examples: &[Example],
        sampling: SamplingGeometry,
        seed: u64,
        device: &B::Device,
    ) -> Validation {
        // One slice of a case at a time, the same in every validation.
        let losses = (0..examples.len()).map(|example| {
            let items = [Item { example, draw: 0 }];
            let (loss, _) =
                net.views(Drawn { examples, items: &items, sampling, seed, epoch: u64::MAX }, device);
            scalar(loss)
        });
        let loss = losses.sum::<f64>() / examples.len() as f64;
        Validation { metrics: [("loss".to_owned(), loss)].into(), pictures: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::example::Target;
    use burn::backend::Autodiff;
    use burn::optim::GradientsParams;
    use burn_flex::Flex;
    use transferscope_domain::Family;

    type B = Autodiff<Flex>;

    fn example() -> Example {
        let shape = [4, 32, 32];
        let volume: Vec<f32> = (0..4 * 32 * 32).map(|i| (i as f32 * 0.37).sin()).collect();
        Example::new(("c", "p"), shape, vec![volume; 3], Target::Labels(vec![0; 4 * 32 * 32]), Vec::new())
    }

    fn net() -> SelfDistillation<B> {
        crate::init::random(SelfDistillation::<B>::new(&VitConfig::mini(), &Default::default()), 1).prepare()
    }

    #[test]
    fn a_uniform_student_pays_the_logarithm_of_the_prototypes_and_agreement_less() {
        let device = Default::default();
        let k = 5;
        let teacher = Tensor::<Flex, 2>::zeros([2, k], &device)
            .slice_assign([0..2, 0..1], Tensor::ones([2, 1], &device));
        let centre = Tensor::<Flex, 1>::zeros([k], &device);
        let uniform = Tensor::<Flex, 2>::zeros([6, k], &device);
        let loss = agreement(teacher.clone(), uniform, centre.clone(), 1).into_scalar();
        assert!((loss - (k as f32).ln()).abs() < 1e-5);
        let same = teacher.clone().slice([0..1, 0..k]).expand([6, k]);
        assert!(agreement(teacher, same, centre, 1).into_scalar() < 1e-3);
    }

    #[test]
    fn only_the_student_learns_and_the_teacher_follows() {
        let device = Default::default();
        let net = net();
        let before = collect(&net.encoder);
        assert_eq!(before[0].data, collect(&net.student)[0].data);
        let items = [Item { example: 0, draw: 0 }];
        let sampling = Family::Provicnet.into();
        let loss =
            net.loss(Drawn { examples: &[example()], items: &items, sampling, seed: 0, epoch: 0 }, &device);
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        let mut optimiser = crate::train::optimiser::Optimiser::adamw(0.0);
        let (net, norm) = optimiser.step(net, grads, 1e-2, 1.0);
        assert!(norm > 0.0);
        let weight = |tensors: &[crate::params::NamedTensor]| {
            tensors.iter().find(|t| t.name == "blocks.0.attn.qkv.weight").unwrap().data.clone()
        };
        let student = weight(&collect(&net.student));
        assert_eq!(weight(&collect(&net.encoder)), weight(&before));
        assert_ne!(student, weight(&before));
        let net = net.after_step(0.0);
        for ((new, old), s) in weight(&collect(&net.encoder)).iter().zip(weight(&before)).zip(student) {
            assert!((new - (0.99 * old + 0.01 * s)).abs() < 1e-6);
        }
        assert_eq!(collect(&net.clone().after_step(1.0).encoder)[0].data, collect(&net.encoder)[0].data);
    }

    #[test]
    fn views_of_an_item_are_of_one_slice_and_can_be_drawn_again() {
        let draw = |seed| {
            let (examples, items) = ([example()], [Item { example: 0, draw: 2 }]);
            let sampling = Family::Provicnet.into();
            crops(
                Drawn { examples: &examples, items: &items, sampling, seed, epoch: 1 },
                (3, &SMALL_SHARE, 2),
                14,
            )
        };
        let (a, b) = (draw(1), draw(1));
        assert_eq!(a.data, b.data);
        assert_eq!((a.images, a.axis.len() / 2, a.side), (3, 9, 28));
        assert!(a.axis.chunks(2).all(|pair| pair == &a.axis[..2]));
        assert_ne!(a.data, draw(2).data);
    }
}
