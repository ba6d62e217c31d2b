//! Batches: which cases come when, which part of a case is taken, and the tensors made of it.
//!
//! Every choice is drawn from a stream of (seed, epoch, case, draw), so that paired arms see the same
//! cases in the same order, and a training that goes on in the middle of an epoch sees what it
//! would have seen.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use transferscope_domain::Family;

use super::{
    example::{Example, Target},
    view::View,
};
use crate::{
    data::window::window,
    init::stream,
    loss::{DiceCe, dice_ce, l1_ssim},
    model::{
        net::{Input, PROFOUND_CHANNELS},
        vit::SLICES,
    },
};

/// One sample of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Index of the example.
    pub example: usize,
    /// Which of the epoch's samples of that example.
    pub draw: u32,
}

/// The samples of an epoch in order.
pub fn epoch_items(examples: usize, samples_per_case: u32, seed: u64, epoch: u64) -> Vec<Item> {
    let mut items: Vec<Item> = (0..samples_per_case)
        .flat_map(|draw| (0..examples).map(move |example| Item { example, draw }))
        .collect();
    items.shuffle(&mut stream(seed, &format!("order/{epoch}")));
    items
}

/// What the output is compared with.
#[derive(Debug, Clone)]
pub enum TargetBatch<B: Backend> {
    /// `[B, 1, D, H, W]`
    Labels(Tensor<B, 5, Int>),
    /// `[B, 1, D, H, W]` each
    Image { sharp: Tensor<B, 5>, degraded: Tensor<B, 5> },
}

/// Input and target of some samples.
#[derive(Debug, Clone)]
pub struct Batch<B: Backend> {
    pub input: Input<B>,
    pub target: TargetBatch<B>,
}

/// Weight of the structural term beside the mean absolute error.
const SSIM_WEIGHT: f64 = 0.2;

/// The task's loss: Dice + cross-entropy for classes, L1 + SSIM for images.
pub fn loss<B: Backend>(output: Tensor<B, 5>, target: TargetBatch<B>) -> Tensor<B, 1> {
    match target {
        TargetBatch::Labels(labels) => dice_ce(output, labels, &DiceCe::WithoutBackground),
        TargetBatch::Image { sharp, degraded } => l1_ssim(output + degraded, sharp, SSIM_WEIGHT),
    }
}

/// A box of an example, possibly mirrored from left to right.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: [isize; 3],
    size: [usize; 3],
    mirrored: bool,
}

impl Part {
    fn take<T: Copy + Default>(&self, data: &[T], shape: [usize; 3]) -> Vec<T> {
        let mut out = window(data, shape, self.start, self.size);
        if self.mirrored {
            out.chunks_mut(self.size[2]).for_each(<[T]>::reverse);
        }
        out
    }
}

/// The batch of some samples of an epoch.
///
/// # Panics
/// When `items` is empty or names an example that is not there.
pub fn training_batch<B: Backend>(
    examples: &[Example],
    items: &[Item],
    view: impl Into<View>,
    seed: u64,
    epoch: u64,
    device: &B::Device,
) -> Batch<B> {
    let view = view.into();
    let parts: Vec<(&Example, Part)> = items
        .iter()
        .map(|item| {
            let example = &examples[item.example];
            let mut rng = stream(seed, &format!("sample/{epoch}/{}/{}", example.case_id, item.draw));
            let mirrored = rng.random_bool(0.5);
            let mut place = |n: usize, size: usize| place(&mut rng, n, size);
            let [d, h, w] = example.shape;
            let part = match view.family {
                // A slice with a neighbour on either side where there are three.
                Family::Provicnet => {
                    let z = if d > 2 { 1 + place(d - 2, 1) } else { place(d, 1) };
                    Part { start: [z, 0, 0], size: [1, h, w], mirrored }
                }
                Family::ProfoundConv | Family::ProfoundVit | Family::Unet => {
                    let size = view.crop_of(example.shape);
                    Part { start: [place(d, size[0]), place(h, size[1]), place(w, size[2])], size, mirrored }
                }
            };
            (example, part)
        })
        .collect();
    batch(&parts, view, device)
}

/// Boxes of `size` at random places, mirrored at random, for 3-D pre-training.
///
/// # Panics
/// As [`training_batch`].
pub fn boxes<B: Backend>(
    examples: &[Example],
    items: &[Item],
    size: [usize; 3],
    view: impl Into<View>,
    seed: u64,
    epoch: u64,
    device: &B::Device,
) -> Batch<B> {
    let view = view.into();
    let parts: Vec<(&Example, Part)> = items
        .iter()
        .map(|item| {
            let example = &examples[item.example];
            let mut rng = stream(seed, &format!("box/{epoch}/{}/{}", example.case_id, item.draw));
            let mirrored = rng.random_bool(0.5);
            let start = std::array::from_fn(|axis| place(&mut rng, example.shape[axis], size[axis]));
            (example, Part { start, size, mirrored })
        })
        .collect();
    batch(&parts, view, device)
}

/// A random start of `size` voxels among `n`; the larger of the two contains the other.
fn place(rng: &mut ChaCha8Rng, n: usize, size: usize) -> isize {
    let room = n as i64 - size as i64;
    rng.random_range(room.min(0)..=room.max(0)) as isize
}

/// The shape of [`whole`]'s batches joined: the example's, padded to what the network needs.
pub fn padded(example: &Example, view: impl Into<View>) -> [usize; 3] {
    let view = view.into();
    match view.family {
        Family::Provicnet => example.shape,
        Family::ProfoundConv | Family::ProfoundVit | Family::Unet => {
            std::array::from_fn(|axis| example.shape[axis].next_multiple_of(view.multiple[axis]))
        }
    }
}

/// Batches that cover a whole example without augmentation: one padded volume for the 3-D families,
/// runs of slices for the 2.5-D one. Outputs, joined in order, are cut to `example.shape`.
pub fn whole<B: Backend>(example: &Example, view: impl Into<View>, device: &B::Device) -> Vec<Batch<B>> {
    let view = view.into();
    let [d, h, w] = example.shape;
    let parts: Vec<Part> = match view.family {
        Family::Provicnet => {
            (0..d).map(|z| Part { start: [z as isize, 0, 0], size: [1, h, w], mirrored: false }).collect()
        }
        Family::ProfoundConv | Family::ProfoundVit | Family::Unet => {
            vec![Part { start: [0; 3], size: padded(example, view), mirrored: false }]
        }
    };
    const SLICES_AT_ONCE: usize = 8;
    parts
        .chunks(SLICES_AT_ONCE)
        .map(|parts| batch(&parts.iter().map(|p| (example, *p)).collect::<Vec<_>>(), view, device))
        .collect()
}

/// Samples of a fixed set for features: `per_case` evenly spaced slices or boxes of each example.
pub fn probes<B: Backend>(
    example: &Example,
    per_case: usize,
    view: impl Into<View>,
    device: &B::Device,
) -> Batch<B> {
    let view = view.into();
    let [d, h, w] = example.shape;
    let parts: Vec<(&Example, Part)> = (0..per_case)
        .map(|i| {
            let part = match view.family {
                Family::Provicnet => {
                    let z = (i * 2 + 1) * d / (2 * per_case);
                    Part { start: [z as isize, 0, 0], size: [1, h, w], mirrored: false }
                }
                Family::ProfoundConv | Family::ProfoundVit | Family::Unet => {
                    // The corners of the volume; where the box has no room to move, half a cell to
                    // either side.
                    let size = view.crop_of(example.shape);
                    let start = std::array::from_fn(|axis| {
                        let room = example.shape[axis] as isize - size[axis] as isize;
                        let half = view.multiple[axis] as isize / 2;
                        let (low, high) = if room > 0 { (0, room) } else { (-half, half) };
                        if i >> (2 - axis) & 1 == 0 { low } else { high }
                    });
                    Part { start, size, mirrored: false }
                }
            };
            (example, part)
        })
        .collect();
    batch(&parts, view, device)
}

/// All parts have one size.
fn batch<B: Backend>(parts: &[(&Example, Part)], view: View, device: &B::Device) -> Batch<B> {
    let n = parts.len();
    let size = parts[0].1.size;
    let [d, h, w] = size;
    let input = match view.family {
        Family::Provicnet => {
            let m = parts[0].0.inputs.len();
            let mut slabs = Vec::with_capacity(n * m * SLICES * h * w);
            let mut axis = Vec::with_capacity(2 * n);
            for (example, part) in parts {
                let last = example.shape[0] as isize - 1;
                for volume in &example.inputs {
                    for offset in -1..=1 {
                        // Neighbours outside of the volume repeat the end slice.
                        let z = (part.start[0] + offset).clamp(0, last);
                        let slice = Part { start: [z, part.start[1], part.start[2]], ..*part };
                        slabs.extend(slice.take(volume, example.shape));
                    }
                }
                axis.extend([part.start[0] as f32, example.shape[0] as f32]);
            }
            Input::Slabs {
                slabs: Tensor::from_data(TensorData::new(slabs, [n, m, SLICES, h, w]), device),
                axis: Tensor::from_data(TensorData::new(axis, [n, 2]), device),
            }
        }
        Family::ProfoundConv | Family::ProfoundVit | Family::Unet => {
            let channels = match view.family {
                Family::ProfoundConv | Family::ProfoundVit => PROFOUND_CHANNELS,
                _ => parts[0].0.inputs.len(),
            };
            let voxels = d * h * w;
            let mut data = Vec::with_capacity(n * channels * voxels);
            for (example, part) in parts {
                for volume in &example.inputs {
                    data.extend(part.take(volume, example.shape));
                }
                data.resize(data.len() + (channels - example.inputs.len()) * voxels, 0.0);
            }
            Input::Volume(Tensor::from_data(TensorData::new(data, [n, channels, d, h, w]), device))
        }
    };
    let target = match &parts[0].0.target {
        Target::Labels(_) => {
            let mut labels = Vec::with_capacity(n * d * h * w);
            for (example, part) in parts {
                if let Target::Labels(data) = &example.target {
                    labels.extend(part.take(data, example.shape).into_iter().map(i32::from));
                }
            }
            TargetBatch::Labels(Tensor::from_data(TensorData::new(labels, [n, 1, d, h, w]), device))
        }
        Target::Image { .. } => {
            let (mut sharp, mut degraded) = (Vec::new(), Vec::new());
            for (example, part) in parts {
                let (s, d) = example.target.image_parts();
                sharp.extend(part.take(s, example.shape));
                degraded.extend(part.take(d, example.shape));
            }
            let tensor = |data| Tensor::from_data(TensorData::new(data, [n, 1, d, h, w]), device);
            TargetBatch::Image { sharp: tensor(sharp), degraded: tensor(degraded) }
        }
    };
    Batch { input, target }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    fn example() -> Example {
        let shape = [5, 32, 32];
        let data: Vec<f32> = (0..5 * 32 * 32).map(|i| i as f32).collect();
        Example {
            case_id: "c".into(),
            patient_id: "p".into(),
            shape,
            inputs: vec![data.clone()],
            target: Target::Labels(vec![1; 5 * 32 * 32]),
            display: data,
        }
    }

    #[test]
    fn an_epoch_takes_every_case_and_only_its_order_changes() {
        let one = epoch_items(5, 2, 7, 0);
        assert_eq!(one, epoch_items(5, 2, 7, 0));
        assert_ne!(one, epoch_items(5, 2, 7, 1));
        let mut sorted: Vec<_> = one.iter().map(|i| (i.example, i.draw)).collect();
        sorted.sort_unstable();
        assert_eq!(sorted.len(), 10);
        sorted.dedup();
        assert_eq!(sorted.len(), 10);
    }

    #[test]
    fn slices_carry_their_neighbours_and_ends_repeat() {
        let batches = whole::<Flex>(&example(), Family::Provicnet, &Default::default());
        assert_eq!(batches.len(), 1);
        let Input::Slabs { slabs, axis } = &batches[0].input else { panic!("slabs") };
        assert_eq!(slabs.dims(), [5, 1, 3, 32, 32]);
        let first = slabs.clone().slice([0..1, 0..1, 0..3, 0..1, 0..1]).into_data();
        assert_eq!(first.as_slice::<f32>().unwrap(), [0.0, 0.0, 1024.0]);
        let middle = slabs.clone().slice([2..3, 0..1, 0..3, 0..1, 0..1]).into_data();
        assert_eq!(middle.as_slice::<f32>().unwrap(), [1024.0, 2048.0, 3072.0]);
        assert_eq!(axis.clone().narrow(0, 2, 1).into_data().as_slice::<f32>().unwrap(), [2.0, 5.0]);
    }

    #[test]
    fn volumes_are_padded_and_the_same_draw_is_the_same_sample() {
        let device = Default::default();
        let batches = whole::<Flex>(&example(), Family::ProfoundConv, &device);
        let Input::Volume(x) = &batches[0].input else { panic!("volume") };
        assert_eq!(x.dims(), [1, 3, 16, 32, 32]);
        let items = [Item { example: 0, draw: 3 }];
        let take = || {
            let b = training_batch::<Flex>(&[example()], &items, Family::Unet, 1, 2, &device);
            let Input::Volume(x) = b.input else { panic!("volume") };
            x.into_data()
        };
        assert_eq!(take(), take());
    }
}
