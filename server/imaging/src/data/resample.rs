//! Bringing an image onto another grid through the world.

use rayon::prelude::*;

use super::{DataError, Geometry, Image, Volume, read::MAX_VOXELS, spline::Spline};

/// How values between voxels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Trilinear, for intensities.
    Linear,
    /// The nearest voxel (halves go up), for labels.
    Nearest,
    /// Cubic B-spline through the voxels, for intensities whose detail matters; it overshoots at edges.
    Cubic,
}

/// Samples `moving` at the voxel centres of a grid. A centre lies inside when its position among
/// moving's voxels is in `[-0.5, n - 0.5)` on every axis (edge values repeat there, and the spline is
/// mirrored); everything else gets `outside`.
///
/// # Errors
/// When moving's axes do not span space.
///
/// # Source
/// The conventions of ITK's `ResampleImageFilter` with an identity transform.
pub fn onto(
    moving: &Image,
    shape: [usize; 3],
    grid: &Geometry,
    interpolation: Interpolation,
    outside: f32,
) -> Result<Volume, DataError> {
    let voxel_from_world = moving
        .geometry
        .voxel_from_world()
        .ok_or_else(|| DataError::Options("the orientation of the image to resample is singular".into()))?;
    // Position among moving's voxels from the grid's voxel (x, y, z), in one step.
    let m: [[f64; 4]; 3] = std::array::from_fn(|r| {
        std::array::from_fn(|c| {
            let sum: f64 = (0..3).map(|k| voxel_from_world[r][k] * grid.world_from_voxel[k][c]).sum();
            if c == 3 { sum + voxel_from_world[r][3] } else { sum }
        })
    });
    let volume = &moving.volume;
    let spline = (interpolation == Interpolation::Cubic).then(|| Spline::through(volume));
    let [depth, height, width] = shape;
    let mut data = vec![outside; depth * height * width];
    data.par_chunks_mut(width.max(1)).enumerate().for_each(|(line, row)| {
        let (z, y) = ((line / height) as f64, (line % height) as f64);
        for (x, value) in row.iter_mut().enumerate() {
            let position = m.map(|r| r[0] * x as f64 + r[1] * y + r[2] * z + r[3]);
            // A centre that lies on a voxel takes its value unchanged.
            let position = position.map(|p| if (p - p.round()).abs() < ROUNDING { p.round() } else { p });
            if !is_inside(volume, position) {
                continue;
            }
            *value = match (&spline, interpolation) {
                (Some(spline), _) => spline.at(position) as f32,
                (None, Interpolation::Nearest) => nearest(volume, position),
                (None, _) => linear(volume, position),
            };
        }
    });
    Ok(Volume { shape, data })
}

/// The grid of `shape` and `grid` with another voxel size (mm, `[D, H, W]`): the same axes and the same
/// centre, and the number of voxels that comes nearest to the same extent.
///
/// # Errors
/// When the voxel size is none, or the grid would be too large to be read as an image.
pub fn at_spacing(
    shape: [usize; 3],
    grid: &Geometry,
    spacing_mm: [f64; 3],
) -> Result<([usize; 3], Geometry), DataError> {
    let [d, h, w] = spacing_mm;
    if !spacing_mm.iter().all(|mm| (0.01..=100.0).contains(mm)) {
        let reason = format!("a voxel size of {d} x {h} x {w} mm: 0.01 to 100 mm each were expected");
        return Err(DataError::Options(reason));
    }
    let old = grid.spacing_mm();
    let sides: [f64; 3] =
        std::array::from_fn(|a| (shape[a] as f64 * old[a] / spacing_mm[a]).round().max(1.0));
    if sides.iter().product::<f64>() > MAX_VOXELS as f64 {
        let [x, y, z] = [sides[2], sides[1], sides[0]];
        return Err(DataError::Options(format!(
            "voxels of {d} x {h} x {w} mm would make an image of {x}x{y}x{z} voxels: at most {MAX_VOXELS} are kept"
        )));
    }
    let mut m = grid.world_from_voxel;
    for axis in 0..3 {
        // x is the last of the sides.
        let side = 2 - axis;
        let factor = spacing_mm[side] / old[side];
        for row in &mut m {
            let step = row[axis] * factor;
            row[3] += 0.5 * ((shape[side] as f64 - 1.0) * row[axis] - (sides[side] - 1.0) * step);
            row[axis] = step;
        }
    }
    Ok((sides.map(|n| n as usize), Geometry { world_from_voxel: m }))
}

/// Positions that rounding alone puts outside or beside a voxel boundary, in voxels.
const ROUNDING: f64 = 1e-9;

fn sides_xyz(volume: &Volume) -> [usize; 3] {
    let [depth, height, width] = volume.shape;
    [width, height, depth]
}

fn is_inside(volume: &Volume, position_xyz: [f64; 3]) -> bool {
    let within = |(p, n): (&f64, usize)| *p >= -0.5 - ROUNDING && *p < n as f64 - 0.5 - ROUNDING;
    position_xyz.iter().zip(sides_xyz(volume)).all(within)
}

fn clamp(i: f64, n: usize) -> usize {
    (i.max(0.0) as usize).min(n - 1)
}

fn nearest(volume: &Volume, position_xyz: [f64; 3]) -> f32 {
    let sides = sides_xyz(volume);
    let [x, y, z] = std::array::from_fn(|a| clamp((position_xyz[a] + 0.5 + ROUNDING).floor(), sides[a]));
    volume.at(z, y, x)
}

fn linear(volume: &Volume, position_xyz: [f64; 3]) -> f32 {
    let sides = sides_xyz(volume);
    let low = position_xyz.map(f64::floor);
    let part: [f64; 3] = std::array::from_fn(|a| position_xyz[a] - low[a]);
    let index: [[usize; 2]; 3] =
        std::array::from_fn(|a| [clamp(low[a], sides[a]), clamp(low[a] + 1.0, sides[a])]);
    let mut sum = 0.0;
    for corner in 0..8 {
        let bit = [corner & 1, corner >> 1 & 1, corner >> 2];
        let weight: f64 = (0..3).map(|a| if bit[a] == 1 { part[a] } else { 1.0 - part[a] }).product();
        if weight > 0.0 {
            let value = volume.at(index[2][bit[2]], index[1][bit[1]], index[0][bit[0]]);
            sum += weight * f64::from(value);
        }
    }
    sum as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spacing_keeps_axes_centre_and_about_the_extent() {
        let (s, c) = 0.3f64.sin_cos();
        let direction = [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]];
        let grid = Geometry::new([0.5, 0.7, 3.0], [1.0, -2.0, 3.0], direction);
        let shape = [10, 40, 30];
        let (sides, finer) = at_spacing(shape, &grid, [1.5, 0.5, 0.5]).unwrap();
        assert_eq!(sides, [20, 56, 30]);
        let spacing = finer.spacing_mm();
        assert!(spacing.iter().zip([1.5, 0.5, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12));
        let centre = |shape: [usize; 3], grid: &Geometry| {
            grid.world([shape[2], shape[1], shape[0]].map(|n| 0.5 * (n as f64 - 1.0)))
        };
        for (a, b) in centre(sides, &finer).iter().zip(centre(shape, &grid)) {
            assert!((a - b).abs() < 1e-12);
        }
        assert!(at_spacing(shape, &grid, [0.0, 1.0, 1.0]).unwrap_err().to_string().contains("0.01 to 100"));
        let tiny = at_spacing([400, 400, 400], &grid, [0.01, 0.01, 0.01]).unwrap_err().to_string();
        assert!(tiny.contains("at most"), "{tiny}");
    }

    /// A plane stays a plane in all three ways, as far as each can know it.
    #[test]
    fn a_slope_is_kept() {
        let shape = [1, 1, 60];
        let grid = Geometry::centred(shape, [1.0; 3]);
        let image =
            Image { volume: Volume { shape, data: (0..60).map(|x| x as f32).collect() }, geometry: grid };
        let (sides, finer) = at_spacing(shape, &grid, [1.0, 1.0, 0.25]).unwrap();
        for (how, limit) in
            [(Interpolation::Linear, 1e-5), (Interpolation::Nearest, 0.5), (Interpolation::Cubic, 1e-5)]
        {
            let line = onto(&image, sides, &finer, how, -1.0).unwrap();
            for x in 80..160 {
                let expected = (x as f32 + 0.5) * 0.25 - 0.5;
                assert!((line.data[x] - expected).abs() <= limit, "{how:?} at {x}: {}", line.data[x]);
            }
        }
    }
}
