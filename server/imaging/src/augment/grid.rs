//! Where the voxels of a case lie, for what moves them.

/// The voxels of a case, without their place in the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// `[D, H, W]`.
    pub shape: [usize; 3],
    pub spacing_mm: [f64; 3],
}
