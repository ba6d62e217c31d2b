//! Moving the voxels of a case.

use super::{grid::Grid, lattice::Lattice};
use crate::data::window::window;

/// The box that is computed, which may reach over the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// First voxel.
    pub start: [isize; 3],
    pub size: [usize; 3],
}

impl Crop {
    /// All of a grid.
    pub fn whole(shape: [usize; 3]) -> Self {
        Self { start: [0; 3], size: shape }
    }
}

/// Where each voxel of a box comes from. Voxels that come from beyond the grid are 0; a position belongs to it
/// up to half a voxel beyond its outer voxels' centres, whose values repeat there.
#[derive(Debug, Clone)]
pub struct Warp {
    pub(super) grid: Grid,
    pub(super) crop: Crop,
    pub(super) mirror: bool,
    /// In voxels from the middle of the grid: matrix and shift; none where nothing is turned, scaled or shifted.
    pub(super) affine: Option<([[f64; 3]; 3], [f64; 3])>,
    pub(super) elastic: Option<Lattice>,
}

/// Where a voxel's value comes from: the lowest of eight neighbours, the steps to the others (0 at the grid's
/// edge), and the parts of the way.
#[derive(Debug, Clone, Copy, Default)]
struct Source {
    inside: bool,
    first: u32,
    steps: [u32; 3],
    parts: [f32; 3],
}

impl Warp {
    /// The box of all of a case: images linearly interpolated, label maps by the nearest voxel.
    ///
    /// # Shapes
    /// Each `[D, H, W]` of the grid -> each `[D, H, W]` of the box.
    ///
    /// # Panics
    /// When an image or a map does not have the grid's size.
    pub fn apply(&self, images: &[&[f32]], labels: &[&[u8]]) -> (Vec<Vec<f32>>, Vec<Vec<u8>>) {
        let voxels: usize = self.grid.shape.iter().product();
        let mut sizes = images.iter().map(|i| i.len()).chain(labels.iter().map(|l| l.len()));
        assert!(sizes.all(|n| n == voxels), "images and labels have the size of their grid");
        if self.moves_whole_voxels() {
            let moved = images.iter().map(|image| self.copied(image)).collect();
            return (moved, labels.iter().map(|labels| self.copied(labels)).collect());
        }
        let size: usize = self.crop.size.iter().product();
        let mut moved = vec![vec![0.0; size]; images.len()];
        let mut moved_labels = vec![vec![0; size]; labels.len()];
        self.rows(|first, sources| {
            for (image, out) in images.iter().zip(&mut moved) {
                for (source, out) in sources.iter().zip(&mut out[first..]).filter(|(s, _)| s.inside) {
                    *out = source.linear(image);
                }
            }
            for (labels, out) in labels.iter().zip(&mut moved_labels) {
                for (source, out) in sources.iter().zip(&mut out[first..]).filter(|(s, _)| s.inside) {
                    *out = labels[source.nearest()];
                }
            }
        });
        (moved, moved_labels)
    }

    /// [`Warp::apply`] for one image.
    ///
    /// # Panics
    /// When the image does not have the grid's size.
    pub fn image(&self, image: &[f32]) -> Vec<f32> {
        self.apply(&[image], &[]).0.concat()
    }

    /// [`Warp::apply`] for one label map.
    ///
    /// # Panics
    /// When the map does not have the grid's size.
    pub fn labels(&self, labels: &[u8]) -> Vec<u8> {
        self.apply(&[], &[labels]).1.concat()
    }

    /// Whether nothing has to be interpolated.
    fn moves_whole_voxels(&self) -> bool {
        self.affine.is_none() && self.elastic.is_none()
    }

    fn copied<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        let Crop { mut start, size } = self.crop;
        if self.mirror {
            // The box's last column is the mirrored grid's first one.
            start[2] = self.grid.shape[2] as isize - start[2] - size[2] as isize;
        }
        let mut out = window(values, self.grid.shape, start, size);
        if self.mirror && size[2] > 0 {
            out.chunks_exact_mut(size[2]).for_each(<[T]>::reverse);
        }
        out
    }

    /// Calls `f` for each row of the box with the position of its first voxel and the sources of all.
    fn rows(&self, mut f: impl FnMut(usize, &[Source])) {
        let [depth, rows, columns] = self.crop.size;
        let [d, h, w] = self.crop.start;
        let mut positions: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; columns]);
        let mut sources = vec![Source::default(); columns];
        for z in 0..depth {
            let d = d + z as isize;
            let elastic = self.elastic.as_ref().map(|lattice| lattice.slice(d, w, columns));
            for y in 0..rows {
                let h = h + y as isize;
                let (first, step) = self.line([d, h, w]);
                for axis in 0..3 {
                    let (first, step) = (first[axis], step[axis]);
                    for (x, position) in positions[axis].iter_mut().enumerate() {
                        *position = first + x as f32 * step;
                    }
                }
                if let Some(elastic) = &elastic {
                    elastic.add_to_row(h, &mut positions);
                }
                self.find_sources(&positions, &mut sources);
                f((z * rows + y) * columns, &sources);
            }
        }
    }

    fn find_sources(&self, positions: &[Vec<f32>; 3], sources: &mut [Source]) {
        let shape = self.grid.shape;
        let strides = [(shape[1] * shape[2]) as u32, shape[2] as u32, 1];
        let last = shape.map(|n| n as f32 - 1.0);
        let within = |axis: usize| positions[axis].iter().all(|p| *p >= 0.0 && *p < last[axis]);
        if (0..3).all(within) {
            // Nothing of the row touches the grid's edge.
            let [ds, hs, ws] = positions;
            for (((source, d), h), w) in sources.iter_mut().zip(ds).zip(hs).zip(ws) {
                // Through i32, for which processors have an instruction.
                let [d0, h0, w0] = [*d, *h, *w].map(|at| at as i32 as u32);
                source.inside = true;
                source.first = d0 * strides[0] + h0 * strides[1] + w0;
                source.steps = strides;
                source.parts = [d - d0 as f32, h - h0 as f32, w - w0 as f32];
            }
            return;
        }
        for (x, source) in sources.iter_mut().enumerate() {
            *source = Source::default();
            source.inside = (0..3).all(|a| positions[a][x] >= -0.5 && positions[a][x] < last[a] + 0.5);
            if !source.inside {
                continue;
            }
            for axis in 0..3 {
                let at = positions[axis][x].clamp(0.0, last[axis]);
                let low = at as u32;
                source.first += low * strides[axis];
                source.parts[axis] = at - low as f32;
                source.steps[axis] = if at < last[axis] { strides[axis] } else { 0 };
            }
        }
    }

    /// Source position of a row's first voxel and its change from voxel to voxel, without the elastic part.
    fn line(&self, start: [isize; 3]) -> ([f32; 3], [f32; 3]) {
        let middle = self.grid.shape.map(|n| (n as f64 - 1.0) / 2.0);
        let side = if self.mirror { -1.0 } else { 1.0 };
        let mut from: [f64; 3] = std::array::from_fn(|a| start[a] as f64 - middle[a]);
        from[2] *= side;
        let (position, step) = match &self.affine {
            None => (from, [0.0, 0.0, side]),
            Some((matrix, shift)) => (
                std::array::from_fn(|a| (0..3).map(|b| matrix[a][b] * from[b]).sum::<f64>() + shift[a]),
                std::array::from_fn(|a| matrix[a][2] * side),
            ),
        };
        (std::array::from_fn(|a| (position[a] + middle[a]) as f32), step.map(|v| v as f32))
    }
}

impl Source {
    /// Steps from one value to the next: equal values give just that value.
    fn linear(&self, values: &[f32]) -> f32 {
        let [d, h, w] = self.steps.map(|step| step as usize);
        let values = &values[self.first as usize..];
        let along = |a: f32, b: f32, part: f32| a + part * (b - a);
        let row = |i: usize| along(values[i], values[i + w], self.parts[2]);
        let slice = |i: usize| along(row(i), row(i + h), self.parts[1]);
        along(slice(0), slice(d), self.parts[0])
    }

    fn nearest(&self) -> usize {
        let step = |axis: usize| if self.parts[axis] >= 0.5 { self.steps[axis] } else { 0 };
        (self.first + step(0) + step(1) + step(2)) as usize
    }
}
