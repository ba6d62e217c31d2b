//! Augmentation: training cases changed at random, so that a network sees more than there is.
//!
//! A [`Recipe`] says what may happen and how much; [`Augmentation::draw`] draws from it what does happen to one
//! case. The same draw gives the same result on any number of cores and in every arm: callers seed the generator
//! by what the draw is for (seed, epoch, case). All images of a case and its labels are moved by one [`Warp`],
//! which resamples once, whatever it is composed of, and computes only the box that is asked for. Intensities are
//! changed image by image.
//!
//! Images are normalised ones: exactly 0 is background, and stays so.

mod draw;
mod grid;
mod intensity;
mod lattice;
mod recipe;
mod warp;

pub use draw::Augmentation;
pub use grid::Grid;
pub use recipe::{Affine, BadRecipe, Between, Chance, Elastic, Recipe};
pub use warp::{Crop, Warp};
