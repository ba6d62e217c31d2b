//! What happens to one case.

use rand::{Rng, RngExt};

use super::{
    grid::Grid,
    intensity::Intensity,
    lattice::Lattice,
    recipe::Recipe,
    warp::{Crop, Warp},
};
use crate::random;

/// One draw from a recipe. It depends on the generator alone: not on the case's size, nor on which box of it is
/// computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmentation {
    recipe: Recipe,
    mirror: bool,
    affine: Option<Motion>,
    elastic: Option<u64>,
    /// Of the intensities of all images, each of which draws its own.
    intensity_seed: u64,
}

/// A linear map about the middle and a shift, in mm, `[D, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Motion {
    matrix: [[f64; 3]; 3],
    shift_mm: [f64; 3],
}

impl Motion {
    /// `rotation[a]` turns about axis a, in radians; `scale` comes first.
    fn new(rotation: [f64; 3], scale: [f64; 3], shift_mm: [f64; 3]) -> Self {
        let mut matrix = [[scale[0], 0.0, 0.0], [0.0, scale[1], 0.0], [0.0, 0.0, scale[2]]];
        for (axis, angle) in rotation.into_iter().enumerate() {
            let (sin, cos) = angle.sin_cos();
            let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
            let (first, second) = (matrix[a], matrix[b]);
            matrix[a] = std::array::from_fn(|column| cos * first[column] - sin * second[column]);
            matrix[b] = std::array::from_fn(|column| sin * first[column] + cos * second[column]);
        }
        Self { matrix, shift_mm }
    }
}

impl Augmentation {
    /// Draws what happens; always the same number of draws, so that one probability changes nothing but what it
    /// is of. The recipe is taken as it is: see [`Recipe::check`].
    pub fn draw(recipe: &Recipe, rng: &mut impl Rng) -> Self {
        let mut either = |most: f64| (2.0 * rng.random::<f64>() - 1.0) * most;
        let a = &recipe.affine;
        let (turn, tilt) = (a.rotation_deg.to_radians(), a.tilt_deg.to_radians());
        let rotation = [either(turn), either(tilt), either(tilt)];
        let (across, within) = (1.0 + either(a.scaling_across), 1.0 + either(a.scaling));
        let shift_mm = [either(a.shift_across_mm), either(a.shift_mm), either(a.shift_mm)];
        let motion = Motion::new(rotation, [across, within, within], shift_mm);
        let elastic_seed = rng.random::<u64>();
        let intensity_seed = rng.random::<u64>();
        let mut happens = |probability: f64| rng.random::<f64>() < probability;
        let (mirror, affine) = (happens(recipe.mirror), happens(a.probability));
        let elastic = happens(recipe.elastic.probability);
        Self {
            recipe: recipe.clone(),
            mirror,
            affine: affine.then_some(motion),
            elastic: elastic.then_some(elastic_seed),
            intensity_seed,
        }
    }

    /// Where the voxels of a box come from, for all images and labels of a case on this grid.
    pub fn spatial(&self, grid: Grid, crop: Crop) -> Warp {
        let spacing = grid.spacing_mm;
        let affine = self.affine.map(|motion| {
            (
                std::array::from_fn(|a| {
                    std::array::from_fn(|b| motion.matrix[a][b] * spacing[b] / spacing[a])
                }),
                std::array::from_fn(|a| motion.shift_mm[a] / spacing[a]),
            )
        });
        let elastic = self.elastic.map(|seed| {
            let e = &self.recipe.elastic;
            let most = [e.displacement_across_mm, e.displacement_mm, e.displacement_mm];
            Lattice::draw(seed, &grid, e.node_mm, most)
        });
        Warp { grid, crop, mirror: self.mirror, affine, elastic }
    }

    /// Changes the intensities of an image in place; `channel` tells the images of a case apart, each of which
    /// is changed in its own way.
    ///
    /// # Shapes
    /// `values [D, H, W]` of `shape`.
    pub fn intensity(&self, channel: usize, values: &mut [f32], shape: [usize; 3]) {
        let rng = &mut random::stream(self.intensity_seed, &format!("intensity {channel}"));
        Intensity::draw(&self.recipe, rng).apply(values, shape, rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::window::window;

    const GRID: Grid = Grid { shape: [10, 24, 28], spacing_mm: [3.0, 1.0, 1.0] };

    fn image() -> Vec<f32> {
        let wave = |i: usize| 2.0 + (i as f32 * 0.013).sin() + (i as f32 * 0.2).cos();
        (0..GRID.shape.iter().product::<usize>()).map(wave).collect()
    }

    /// A recipe of which everything happens.
    fn all() -> Recipe {
        let mut recipe = Recipe { mirror: 1.0, ..Recipe::default() };
        recipe.affine.probability = 1.0;
        recipe.elastic.probability = 1.0;
        for change in [&mut recipe.gamma, &mut recipe.scale, &mut recipe.shift] {
            change.probability = 1.0;
        }
        recipe.noise.probability = 1.0;
        recipe.bias.probability = 1.0;
        recipe
    }

    fn drawn(recipe: &Recipe, label: &str) -> Augmentation {
        Augmentation::draw(recipe, &mut random::stream(3, label))
    }

    fn whole(augmentation: &Augmentation) -> Warp {
        augmentation.spatial(GRID, Crop::whole(GRID.shape))
    }

    #[test]
    fn no_recipe_changes_nothing() {
        let nothing = drawn(&Recipe::none(), "a");
        let mut out = whole(&nothing).image(&image());
        nothing.intensity(0, &mut out, GRID.shape);
        assert_eq!(out, image());
        let labels: Vec<u8> = (0..image().len()).map(|i| (i % 5) as u8).collect();
        assert_eq!(whole(&nothing).labels(&labels), labels);
    }

    #[test]
    fn the_mirror_undoes_itself_and_is_a_plain_copy() {
        let recipe = Recipe { mirror: 1.0, ..Recipe::none() };
        let mirror = whole(&drawn(&recipe, "a"));
        let once = mirror.image(&image());
        assert_eq!(once[..28], image()[..28].iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(mirror.image(&once), image());
        // By interpolation it is the same to the bit.
        let mut turned = mirror.clone();
        turned.affine = Some(([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]));
        assert_eq!(turned.image(&image()), once);
    }

    #[test]
    fn a_box_is_a_part_of_the_whole() {
        for (recipe, label) in [(all(), "a"), (all(), "b"), (Recipe { mirror: 1.0, ..Recipe::none() }, "c")] {
            let augmentation = drawn(&recipe, label);
            let full = whole(&augmentation).image(&image());
            let (start, size) = ([2, -3, 5], [4, 16, 30]);
            let part = augmentation.spatial(GRID, Crop { start, size }).image(&image());
            let cut = window(&full, GRID.shape, start, size);
            for (i, (a, b)) in part.iter().zip(&cut).enumerate() {
                let inside = i / 30 % 16 >= 3 && i % 30 < 23;
                // Positions are counted from the box's first column, in single precision.
                assert!(!inside || (a - b).abs() < 1e-3, "{i}: {a} and {b}");
            }
        }
    }

    #[test]
    fn constants_and_labels_stay_what_they_are() {
        for label in ["a", "b", "c", "d"] {
            let warp = whole(&drawn(&all(), label));
            let flat = warp.image(&vec![0.7; image().len()]);
            assert!(flat.iter().all(|v| *v == 0.7 || *v == 0.0));
            let inside = flat.iter().filter(|v| **v == 0.7).count();
            assert!(inside * 2 > flat.len(), "most of the volume stays in view");
            let labels: Vec<u8> = (0..image().len()).map(|i| if i % 28 < 14 { 3 } else { 7 }).collect();
            let moved = warp.labels(&labels);
            assert!(moved.iter().all(|l| [0, 3, 7].contains(l)));
            assert!(moved.iter().zip(&flat).all(|(l, v)| (*l == 0) == (*v == 0.0)));
        }
    }

    #[test]
    fn rotations_and_shifts_go_where_they_should() {
        // A quarter turn in the slice plane of a square grid, and half a voxel across it.
        let grid = Grid { shape: [3, 5, 5], spacing_mm: [2.0, 1.0, 1.0] };
        let mut augmentation = drawn(&Recipe::none(), "a");
        let quarter = std::f64::consts::FRAC_PI_2;
        augmentation.affine = Some(Motion::new([quarter, 0.0, 0.0], [1.0; 3], [1.0, 0.0, 0.0]));
        let values: Vec<f32> = (0..75).map(|v| v as f32).collect();
        let out = augmentation.spatial(grid, Crop::whole(grid.shape)).image(&values);
        let at = |v: &[f32], z: usize, y: usize, x: usize| v[(z * 5 + y) * 5 + x];
        for (y, x) in [(0, 0), (1, 3), (4, 2)] {
            // Row y, column x shows row 4 - x, column y, between two slices.
            let expected = at(&values, 0, 4 - x, y) + 12.5;
            assert!((at(&out, 0, y, x) - expected).abs() < 1e-3, "{} and {expected}", at(&out, 0, y, x));
        }
    }

    #[test]
    fn draws_repeat_and_images_of_a_case_differ() {
        let (a, b) = (drawn(&all(), "a"), drawn(&all(), "b"));
        assert_eq!(a, drawn(&all(), "a"));
        assert_ne!(a, b);
        let brightened = |channel| {
            let mut out = image();
            a.intensity(channel, &mut out, GRID.shape);
            out
        };
        assert_eq!(brightened(0), brightened(0));
        assert_ne!(brightened(0), brightened(1));
    }

    #[test]
    fn probabilities_are_kept() {
        let rng = &mut random::stream(9, "many");
        let draws: Vec<_> = (0..2000).map(|_| Augmentation::draw(&Recipe::default(), rng)).collect();
        let share = |f: fn(&Augmentation) -> bool| draws.iter().filter(|d| f(d)).count() as f64 / 2000.0;
        // Within four standard errors.
        assert!((share(|d| d.mirror) - 0.5).abs() < 0.045);
        assert!((share(|d| d.affine.is_some()) - 0.5).abs() < 0.045);
        assert!((share(|d| d.elastic.is_some()) - 0.2).abs() < 0.036);
    }
}
