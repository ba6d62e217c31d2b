//! Batches: which part of which case is taken, and the tensors made of it.
//!
//! Every choice is drawn from a stream of (seed, epoch, case, draw), so that paired arms see the same
//! parts, and a training that goes on in the middle of an epoch sees what it would have seen. What is
//! made ahead of time, on other threads, are plain arrays ([`HostBatch`]).

mod part;
mod places;

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use rand::RngExt;
use transferscope_imaging::augment::{Augmentation, Crop, Grid, Recipe, Warp};

use self::{
    part::Part,
    places::{around, labelled_box, longest, middle, place, shown_voxel, slice_of},
};
use super::{
    dataset::Item,
    example::{Example, IGNORED, Target},
    sampling::{SamplingGeometry, View},
};
use crate::{
    init::stream,
    loss::Inside,
    model::io::{Input, SLICES},
};

/// What the output is compared with.
#[derive(Debug, Clone)]
pub enum TargetBatch<B: Backend> {
    /// `[B, 1, D, H, W]`
    Labels(Tensor<B, 5, Int>),
    /// `[B, 1, D, H, W]` each
    Image { sharp: Tensor<B, 5>, degraded: Tensor<B, 5> },
    /// `[B]`
    Label(Tensor<B, 1, Int>),
}

/// Input and target of some samples.
#[derive(Debug, Clone)]
pub struct Batch<B: Backend> {
    pub input: Input<B>,
    pub target: TargetBatch<B>,
    /// Which voxels of a target belong to a case; none where all do.
    pub inside: Option<Inside<B>>,
}

/// A batch in plain memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct HostBatch {
    input: Vec<f32>,
    /// `[B, C, D, H, W]`, or `[S, M, 3, H, W]` of slabs.
    dims: [usize; 5],
    /// Of slabs: index and number of slices of each, and how many in a row are of one volume.
    slabs: Option<(Vec<f32>, usize)>,
    target: HostTarget,
    /// `[B, 1, D, H, W]`: 1 for the target's voxels that belong to a case, 0 for those that only pad it; none
    /// where all belong to one.
    inside: Option<(Vec<f32>, [usize; 5])>,
}

#[derive(Debug, Clone, PartialEq)]
enum HostTarget {
    Labels(Vec<i32>, [usize; 5]),
    Image { sharp: Vec<f32>, degraded: Vec<f32>, dims: [usize; 5] },
    Label(Vec<i32>),
}

impl HostBatch {
    /// The middle slice of the first image of a sample, and its rows and columns; none beyond the last sample.
    pub fn slice(&self, sample: usize) -> Option<(&[f32], [usize; 2])> {
        let [n, c, d, h, w] = self.dims;
        let first = (sample * c * d + d / 2) * h * w;
        (sample < n).then(|| (&self.input[first..first + h * w], [h, w]))
    }

    /// The tensors.
    pub fn on<B: Backend>(self, device: &B::Device) -> Batch<B> {
        let data = Tensor::from_data(TensorData::new(self.input, self.dims), device);
        let input = match self.slabs {
            None => Input::Volume(data),
            Some((axis, series)) => {
                let axis = Tensor::from_data(TensorData::new(axis, [self.dims[0], 2]), device);
                Input::Slabs { slabs: data, axis, series }
            }
        };
        let target = match self.target {
            HostTarget::Labels(data, dims) => {
                TargetBatch::Labels(Tensor::from_data(TensorData::new(data, dims), device))
            }
            HostTarget::Image { sharp, degraded, dims } => {
                let tensor = |data| Tensor::from_data(TensorData::new(data, dims), device);
                TargetBatch::Image { sharp: tensor(sharp), degraded: tensor(degraded) }
            }
            HostTarget::Label(data) => {
                let n = data.len();
                TargetBatch::Label(Tensor::from_data(TensorData::new(data, [n]), device))
            }
        };
        let inside = self.inside.map(|(mask, dims)| Inside::new(mask, dims, device));
        Batch { input, target, inside }
    }
}

/// Slices of a case that a label of the whole case is learnt from in one sample.
const SLICES_OF_A_SAMPLE: usize = 8;
/// Most slices that a label of a whole case is told from.
const SLICES_OF_A_CASE: usize = 32;

/// What is taken of a case for one sample: a box, or for a label of a whole case several slices; and what is
/// done to it.
struct Sample<'a> {
    example: &'a Example,
    parts: Vec<Part>,
    augmentation: Option<Augmentation>,
}

impl Sample<'_> {
    /// All images of a part, as long as it is in the volume: slices beyond repeat the end slice.
    ///
    /// # Shapes
    /// `[size]` of the part each, or `[3, H, W]` round its slice.
    fn images(&self, part: Part, slab: bool) -> Vec<Vec<f32>> {
        let example = self.example;
        let last = example.shape[0] as isize - 1;
        let inside = |offset: isize| (part.start[0] + offset).clamp(0, last);
        let Some(augmentation) = &self.augmentation else {
            let taken = |volume: &Vec<f32>| {
                if !slab {
                    return part.take(volume, example.shape);
                }
                (-1..=1).flat_map(|o| part.at_slice(inside(o)).take(volume, example.shape)).collect()
            };
            return example.inputs.iter().map(taken).collect();
        };
        let around = if slab { part.with_neighbours() } else { part };
        let volumes: Vec<&[f32]> = example.inputs.iter().map(Vec::as_slice).collect();
        let (mut images, _) = self.warp(augmentation, around).apply(&volumes, &[]);
        let slice = part.size[1] * part.size[2];
        for (channel, image) in images.iter_mut().enumerate() {
            augmentation.intensity(channel, image, around.size);
            around.mirror(image);
            if slab && part.start[0] == 0 {
                image.copy_within(slice..2 * slice, 0);
            }
            if slab && part.start[0] == last {
                image.copy_within(slice..2 * slice, 2 * slice);
            }
        }
        images
    }

    /// Labels of a part.
    fn labels(&self, part: Part, labels: &[u8]) -> Vec<u8> {
        match &self.augmentation {
            Some(augmentation) => {
                let mut labels = self.warp(augmentation, part).labels(labels);
                part.mirror(&mut labels);
                labels
            }
            None => part.take(labels, self.example.shape),
        }
    }

    fn warp(&self, augmentation: &Augmentation, part: Part) -> Warp {
        let grid = Grid { shape: self.example.shape, spacing_mm: self.example.spacing_mm };
        augmentation.spatial(grid, Crop { start: part.start, size: part.size })
    }
}

/// The batch of some samples of an epoch, changed as `recipe` says, or without one mirrored at random.
/// Images to be restored are mirrored at most.
///
/// # Panics
/// When `items` is empty or names an example that is not there.
pub fn training_batch(
    examples: &[Example],
    items: &[Item],
    sampling: impl Into<SamplingGeometry>,
    recipe: Option<&Recipe>,
    seed: u64,
    epoch: u64,
) -> HostBatch {
    let sampling = sampling.into();
    // One size for all cases, so that any of them can stand in one batch: smaller ones are padded.
    let longest = longest(examples);
    let samples: Vec<Sample<'_>> = items
        .iter()
        .map(|item| {
            let example = &examples[item.example];
            let recipe = recipe.filter(|_| !matches!(example.target, Target::Image { .. }));
            let augmentation = recipe.map(|recipe| {
                let label = format!("augment/{epoch}/{}/{}", example.case_id, item.draw);
                Augmentation::draw(recipe, &mut stream(seed, &label))
            });
            let mut rng = stream(seed, &format!("sample/{epoch}/{}/{}", example.case_id, item.draw));
            // The recipe mirrors from left to right itself.
            let left_right = rng.random_bool(0.5) && augmentation.is_none() && sampling.mirror[2];
            let mut mirrored = [false, false, left_right];
            // A slice keeps its neighbours on their sides.
            let axes = if sampling.view == View::Slabs { 1..2 } else { 0..2 };
            for axis in axes {
                mirrored[axis] = sampling.mirror[axis] && rng.random_bool(0.5);
            }
            let shown = if sampling.planned { shown_voxel(&mut rng, example) } else { None };
            let [d, h, w] = example.shape;
            let parts = match (sampling.view, &example.target) {
                (View::Slabs, Target::Label(_)) => {
                    let (start, size) = middle(example.shape, labelled_box(examples, sampling));
                    let slice = |i: usize| {
                        // One slice of each of as many stretches.
                        let at = (i as f64 + rng.random_range(0.0..1.0)) / SLICES_OF_A_SAMPLE as f64;
                        let z = ((at * d as f64) as isize).min(d as isize - 1);
                        Part { start: [z, start[1], start[2]], size: [1, size[1], size[2]], mirrored }
                    };
                    (0..SLICES_OF_A_SAMPLE).map(slice).collect()
                }
                // A slice with a neighbour on either side where there are three.
                (View::Slabs, _) => {
                    let mut place = |n: usize, size: usize| place(&mut rng, n, size);
                    let any = if d > 2 { 1 + place(d - 2, 1) } else { place(d, 1) };
                    let z = shown.map_or(any, |[z, ..]| z as isize);
                    let [height, width] = slice_of(longest, sampling);
                    vec![Part {
                        start: [z, place(h, height), place(w, width)],
                        size: [1, height, width],
                        mirrored,
                    }]
                }
                (View::Volumes { .. }, Target::Label(_)) => {
                    let (start, size) = middle(example.shape, labelled_box(examples, sampling));
                    vec![Part { start, size, mirrored }]
                }
                (View::Volumes { .. }, _) => {
                    let mut place = |n: usize, size: usize| place(&mut rng, n, size);
                    let size = sampling.crop_of(longest);
                    let any = [place(d, size[0]), place(h, size[1]), place(w, size[2])];
                    let start = shown.map_or(any, |voxel| around(voxel, example.shape, size));
                    vec![Part { start, size, mirrored }]
                }
            };
            Sample { example, parts, augmentation }
        })
        .collect();
    batch(&samples, sampling)
}

/// Boxes of `size` at random places, mirrored at random, for 3-D pre-training.
///
/// # Panics
/// As [`training_batch`].
pub fn random_crops(
    examples: &[Example],
    items: &[Item],
    size: [usize; 3],
    sampling: impl Into<SamplingGeometry>,
    seed: u64,
    epoch: u64,
) -> HostBatch {
    let sampling = sampling.into();
    let samples: Vec<Sample<'_>> = items
        .iter()
        .map(|item| {
            let example = &examples[item.example];
            let mut rng = stream(seed, &format!("box/{epoch}/{}/{}", example.case_id, item.draw));
            let mirrored = [false, false, rng.random_bool(0.5)];
            let start = std::array::from_fn(|axis| place(&mut rng, example.shape[axis], size[axis]));
            Sample { example, parts: vec![Part { start, size, mirrored }], augmentation: None }
        })
        .collect();
    batch(&samples, sampling)
}

/// The shape of [`whole`]'s batches joined: the example's, padded to what the network needs.
pub fn padded(example: &Example, sampling: impl Into<SamplingGeometry>) -> [usize; 3] {
    let sampling = sampling.into();
    std::array::from_fn(|axis| example.shape[axis].next_multiple_of(sampling.multiple[axis]))
}

/// Batches that cover a whole example without augmentation: one padded volume for the 3-D families,
/// runs of slices for the 2.5-D one. Outputs, joined in order, are cut to `example.shape`; a label of the
/// whole case comes from one batch of its middle.
pub fn whole(example: &Example, sampling: impl Into<SamplingGeometry>) -> Vec<HostBatch> {
    let sampling = sampling.into();
    let d = example.shape[0];
    let [_, h, w] = padded(example, sampling);
    let slice = |z: usize| Part { start: [z as isize, 0, 0], size: [1, h, w], mirrored: [false; 3] };
    match (sampling.view, &example.target) {
        (View::Slabs, Target::Label(_)) => {
            let n = d.min(SLICES_OF_A_CASE);
            let (start, [_, height, width]) =
                middle(example.shape, labelled_box(std::slice::from_ref(example), sampling));
            let slice = |z: usize| Part {
                start: [z as isize, start[1], start[2]],
                size: [1, height, width],
                mirrored: [false; 3],
            };
            let parts = (0..n).map(|i| slice((2 * i + 1) * d / (2 * n))).collect();
            vec![batch(&[plain(example, parts)], sampling)]
        }
        (View::Volumes { .. }, Target::Label(_)) => {
            let (start, size) = middle(example.shape, labelled_box(std::slice::from_ref(example), sampling));
            let part = Part { start, size, mirrored: [false; 3] };
            vec![batch(&[plain(example, vec![part])], sampling)]
        }
        (View::Slabs, _) => {
            const SLICES_AT_ONCE: usize = 8;
            let all: Vec<usize> = (0..d).collect();
            let runs = all.chunks(SLICES_AT_ONCE);
            runs.map(|run| {
                let samples: Vec<_> = run.iter().map(|z| plain(example, vec![slice(*z)])).collect();
                batch(&samples, sampling)
            })
            .collect()
        }
        (View::Volumes { .. }, _) => {
            let part = Part { start: [0; 3], size: padded(example, sampling), mirrored: [false; 3] };
            vec![batch(&[plain(example, vec![part])], sampling)]
        }
    }
}

/// Of [`whole`] what `rows` evenly spaced rows of features are made from: of slices as many, and all of a volume.
pub fn feature_parts(example: &Example, sampling: SamplingGeometry, rows: usize) -> Vec<HostBatch> {
    let d = example.shape[0];
    let [_, h, w] = padded(example, sampling);
    if sampling.view != View::Slabs || matches!(example.target, Target::Label(_)) || d <= rows {
        return whole(example, sampling);
    }
    let samples: Vec<_> = (0..rows)
        .map(|i| {
            let start = [((2 * i + 1) * d / (2 * rows)) as isize, 0, 0];
            plain(example, vec![Part { start, size: [1, h, w], mirrored: [false; 3] }])
        })
        .collect();
    vec![batch(&samples, sampling)]
}

/// A sample as it is.
fn plain(example: &Example, parts: Vec<Part>) -> Sample<'_> {
    Sample { example, parts, augmentation: None }
}

/// All parts have one size, and all samples as many of them.
fn batch(samples: &[Sample<'_>], sampling: SamplingGeometry) -> HostBatch {
    let parts: Vec<(&Sample<'_>, Part)> =
        samples.iter().flat_map(|s| s.parts.iter().map(move |part| (s, *part))).collect();
    let n = parts.len();
    let [d, h, w] = parts[0].1.size;
    let images = parts[0].0.example.inputs.len();
    let mut input = Vec::new();
    let (dims, slabs) = match sampling.view {
        View::Slabs => {
            input.reserve(n * images * SLICES * h * w);
            let mut axis = Vec::with_capacity(2 * n);
            for (sample, part) in &parts {
                sample.images(*part, true).into_iter().for_each(|image| input.extend(image));
                axis.extend([part.start[0] as f32, sample.example.shape[0] as f32]);
            }
            ([n, images, SLICES, h, w], Some((axis, n / samples.len())))
        }
        View::Volumes { channels } => {
            let channels = channels.unwrap_or(images).max(images);
            let voxels = d * h * w;
            input.reserve(n * channels * voxels);
            for (sample, part) in &parts {
                sample.images(*part, false).into_iter().for_each(|image| input.extend(image));
                input.resize(input.len() + (channels - images) * voxels, 0.0);
            }
            ([n, channels, d, h, w], None)
        }
    };
    HostBatch { input, dims, slabs, target: target(samples, &parts), inside: inside(&parts) }
}

/// Which voxels of the parts belong to their cases; none where all do, or where a case has one label.
fn inside(parts: &[(&Sample<'_>, Part)]) -> Option<(Vec<f32>, [usize; 5])> {
    let whole = |(sample, part): &(&Sample<'_>, Part)| match &sample.example.target {
        Target::Label(_) => true,
        Target::Labels(labels) => !part.reaches_over(sample.example.shape) && !labels.contains(&IGNORED),
        Target::Image { .. } => !part.reaches_over(sample.example.shape),
    };
    if parts.iter().all(whole) {
        return None;
    }
    let [d, h, w] = parts[0].1.size;
    let mut mask = Vec::with_capacity(parts.len() * d * h * w);
    for (sample, part) in parts {
        let counts = match &sample.example.target {
            Target::Labels(labels) => labels.iter().map(|l| u8::from(*l != IGNORED)).collect(),
            Target::Label(_) | Target::Image { .. } => vec![1; sample.example.voxels()],
        };
        let belongs = sample.labels(*part, &counts);
        mask.extend(belongs.into_iter().map(f32::from));
    }
    Some((mask, [parts.len(), 1, d, h, w]))
}

fn target(samples: &[Sample<'_>], parts: &[(&Sample<'_>, Part)]) -> HostTarget {
    let [d, h, w] = parts[0].1.size;
    let dims = [parts.len(), 1, d, h, w];
    match &parts[0].0.example.target {
        Target::Labels(_) => {
            let mut labels = Vec::with_capacity(dims.iter().product());
            for (sample, part) in parts {
                if let Target::Labels(data) = &sample.example.target {
                    let known = |label: u8| if label == IGNORED { 0 } else { i32::from(label) };
                    labels.extend(sample.labels(*part, data).into_iter().map(known));
                }
            }
            HostTarget::Labels(labels, dims)
        }
        Target::Image { .. } => {
            let (mut all_sharp, mut all_degraded) = (Vec::new(), Vec::new());
            for (sample, part) in parts {
                if let Target::Image { sharp, degraded } = &sample.example.target {
                    all_sharp.extend(part.take(sharp, sample.example.shape));
                    all_degraded.extend(part.take(degraded, sample.example.shape));
                }
            }
            HostTarget::Image { sharp: all_sharp, degraded: all_degraded, dims }
        }
        Target::Label(_) => {
            let label = |sample: &Sample<'_>| match sample.example.target {
                Target::Label(label) => Some(i32::from(label)),
                Target::Labels(_) | Target::Image { .. } => None,
            };
            HostTarget::Label(samples.iter().filter_map(label).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use transferscope_domain::Family;

    fn example(target: Target) -> Example {
        let shape = [5, 32, 32];
        let data: Vec<f32> = (0..5 * 32 * 32).map(|i| i as f32).collect();
        Example::new(("c", "p"), shape, vec![data.clone()], target, data)
    }

    fn labelled() -> Example {
        example(Target::Labels(vec![1; 5 * 32 * 32]))
    }

    #[test]
    fn slices_carry_their_neighbours_and_ends_repeat() {
        let mut batches = whole(&labelled(), Family::Provicnet);
        assert_eq!(batches.len(), 1);
        let Input::Slabs { slabs, axis, series } = batches.remove(0).on::<Flex>(&Default::default()).input
        else {
            panic!("slabs")
        };
        assert_eq!((slabs.dims(), series), ([5, 1, 3, 32, 32], 1));
        let first = slabs.clone().slice([0..1, 0..1, 0..3, 0..1, 0..1]).into_data();
        assert_eq!(first.as_slice::<f32>().unwrap(), [0.0, 0.0, 1024.0]);
        let middle = slabs.clone().slice([2..3, 0..1, 0..3, 0..1, 0..1]).into_data();
        assert_eq!(middle.as_slice::<f32>().unwrap(), [1024.0, 2048.0, 3072.0]);
        assert_eq!(axis.clone().narrow(0, 2, 1).into_data().as_slice::<f32>().unwrap(), [2.0, 5.0]);
    }

    #[test]
    fn volumes_are_padded_and_the_same_draw_is_the_same_sample() {
        let batches = whole(&labelled(), Family::ProfoundConv);
        assert_eq!(batches[0].dims, [1, 3, 16, 32, 32]);
        let items = [Item { example: 0, draw: 3 }];
        let take = || training_batch(&[labelled()], &items, Family::Unet, None, 1, 2);
        assert_eq!(take(), take());
    }

    /// The same draw augments alike, whatever else is in the batch; labels stay labels, images to be restored
    /// are left alone, and a recipe of nothing is nothing.
    #[test]
    fn augmentation_belongs_to_the_draw() {
        let mut labelled = labelled();
        if let Target::Labels(labels) = &mut labelled.target {
            labels.iter_mut().enumerate().for_each(|(i, l)| *l = u8::from(i % 32 < 16));
        }
        let items = [Item { example: 0, draw: 0 }, Item { example: 0, draw: 1 }];
        let cases = [labelled];
        for family in [Family::Unet, Family::Provicnet] {
            let take = |recipe: Option<&Recipe>, items: &[Item], cases: &[Example]| {
                training_batch(cases, items, family, recipe, 1, 0)
            };
            let all = Recipe::default();
            let (both, second) = (take(Some(&all), &items, &cases), take(Some(&all), &items[1..], &cases));
            assert_eq!(both.input[both.input.len() / 2..], second.input);
            assert_ne!(both, take(None, &items, &cases));
            let HostTarget::Labels(labels, _) = &both.target else { panic!("labels") };
            assert!(labels.iter().all(|l| (0..2).contains(l)));
            let image = [example(Target::Image { sharp: vec![0.0; 5120], degraded: vec![0.0; 5120] })];
            assert_eq!(take(Some(&all), &items, &image), take(None, &items, &image));
        }
    }

    /// Cases of any size stand in one batch, each whole somewhere in the box; what pads them is marked, and where
    /// nothing is padded nothing is.
    #[test]
    fn cases_of_different_sizes_share_a_box() {
        let sized = |shape: [usize; 3]| {
            let voxels = shape.iter().product();
            let labels = Target::Labels(vec![1; voxels]);
            Example::new(("c", "p"), shape, vec![vec![2.0; voxels]], labels, Vec::new())
        };
        let cases = [sized([3, 64, 64]), sized([1, 32, 48]), sized([20, 48, 32])];
        let items = [0, 1, 2].map(|example| Item { example, draw: 0 });
        for family in Family::ALL {
            let sampling = SamplingGeometry::from(family);
            let batch = training_batch(&cases, &items, sampling, None, 1, 0);
            let [n, .., h, w] = batch.dims;
            assert_eq!((n, h, w), (3, 64, 64), "{family:?}");
            let (mask, dims) = batch.inside.as_ref().unwrap();
            let HostTarget::Labels(labels, of_labels) = &batch.target else { panic!("labels") };
            assert_eq!(dims, of_labels);
            assert!(mask.iter().zip(labels).all(|(m, l)| *m == *l as f32), "{family:?}");
            let inside = |i: usize| mask.chunks(mask.len() / 3).nth(i).unwrap().iter().sum::<f32>();
            let slices =
                |depth: usize| if sampling.view == View::Slabs { 1 } else { depth.min(sampling.crop[0]) };
            let expected =
                [(3, 64 * 64), (1, 32 * 48), (20, 48 * 32)].map(|(d, area)| (slices(d) * area) as f32);
            assert_eq!([0, 1, 2].map(inside), expected, "{family:?}");
            let augmented = training_batch(&cases, &items, sampling, Some(&Recipe::default()), 1, 0);
            assert_eq!(augmented.dims, batch.dims);
            assert!(augmented.inside.is_some());
        }
        let alike = [sized([24, 64, 64]), sized([24, 64, 64])];
        for family in Family::ALL {
            assert_eq!(training_batch(&alike, &items[..2], family, None, 1, 0).inside, None, "{family:?}");
        }
    }

    #[test]
    fn a_case_with_one_label_is_seen_whole() {
        let one = Example { shape: [5, 32, 32], ..example(Target::Label(1)) };
        let mut longer = example(Target::Label(0));
        longer.shape = [7, 32, 16];
        longer.inputs = vec![vec![1.0; 7 * 32 * 16]];
        let cases = [one, longer];
        let items = [Item { example: 0, draw: 0 }, Item { example: 1, draw: 0 }];
        let volumes = training_batch(&cases, &items, Family::Unet, None, 1, 0);
        assert_eq!((volumes.dims, &volumes.target), ([2, 1, 8, 32, 32], &HostTarget::Label(vec![1, 0])));
        let sum = |batch: &HostBatch, of: std::ops::Range<usize>| batch.input[of].iter().sum::<f32>();
        let n = 8 * 32 * 32;
        assert_eq!(sum(&volumes, n..2 * n), 7.0 * 32.0 * 16.0);

        let slices = training_batch(&cases[..1], &items[..1], Family::Provicnet, None, 1, 0);
        assert_eq!(slices.dims, [8, 1, 3, 32, 32]);
        let (axis, series) = slices.slabs.unwrap();
        let seen: Vec<f32> = axis.chunks(2).map(|a| a[0]).collect();
        assert_eq!(series, 8);
        assert!(seen.is_sorted() && seen[0] == 0.0 && seen[7] == 4.0, "{seen:?}");
        let all = whole(&cases[0], Family::Provicnet).remove(0);
        assert_eq!((all.dims[0], all.slabs.unwrap().1), (5, 5));
    }
}
