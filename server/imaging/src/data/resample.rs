//! Bringing an image onto another grid through the world.

use rayon::prelude::*;

use super::{DataError, Geometry, Image, Volume};

/// How values between voxels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Trilinear, for intensities.
    Linear,
    /// The nearest voxel (halves go up), for labels.
    Nearest,
}

/// Samples `moving` at the voxel centres of a grid. A centre lies inside when its position among
/// moving's voxels is in `[-0.5, n - 0.5)` on every axis (edge values repeat there); everything else
/// gets `outside`.
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
    let [depth, height, width] = shape;
    let mut data = vec![outside; depth * height * width];
    data.par_chunks_mut(width.max(1)).enumerate().for_each(|(line, row)| {
        let (z, y) = ((line / height) as f64, (line % height) as f64);
        for (x, value) in row.iter_mut().enumerate() {
            let position = m.map(|r| r[0] * x as f64 + r[1] * y + r[2] * z + r[3]);
            // A centre that lies on a voxel takes its value unchanged.
            let position = position.map(|p| if (p - p.round()).abs() < ROUNDING { p.round() } else { p });
            if let Some(v) = sample(&moving.volume, position, interpolation) {
                *value = v;
            }
        }
    });
    Ok(Volume { shape, data })
}

/// Positions that rounding alone puts outside or beside a voxel boundary, in voxels.
const ROUNDING: f64 = 1e-9;

fn sample(volume: &Volume, position_xyz: [f64; 3], interpolation: Interpolation) -> Option<f32> {
    let [depth, height, width] = volume.shape;
    let sides = [width, height, depth];
    let inside =
        position_xyz.iter().zip(sides).all(|(p, n)| *p >= -0.5 - ROUNDING && *p < n as f64 - 0.5 - ROUNDING);
    if !inside {
        return None;
    }
    let clamp = |i: f64, n: usize| (i.max(0.0) as usize).min(n - 1);
    match interpolation {
        Interpolation::Nearest => {
            let [x, y, z] =
                std::array::from_fn(|a| clamp((position_xyz[a] + 0.5 + ROUNDING).floor(), sides[a]));
            Some(volume.at(z, y, x))
        }
        Interpolation::Linear => {
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
            Some(sum as f32)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::data::{
        fixtures::{relative_l2, shared, tensors, volume},
        read,
    };

    fn numbers<const N: usize>(value: &Value) -> [f64; N] {
        std::array::from_fn(|i| value[i].as_f64().unwrap())
    }

    fn geometry(grid: &Value) -> (Geometry, [usize; 3]) {
        let d: [f64; 9] = numbers(&grid["direction_lps"]);
        let direction = std::array::from_fn(|r| std::array::from_fn(|c| d[3 * r + c]));
        let [x, y, z]: [f64; 3] = numbers(&grid["size_xyz"]);
        let g = Geometry::new(numbers(&grid["spacing"]), numbers(&grid["origin_lps"]), direction);
        (g, [z as usize, y as usize, x as usize])
    }

    fn reference(folder: &std::path::Path) -> Value {
        serde_json::from_slice(&std::fs::read(folder.join("reference/io/resample.json")).unwrap()).unwrap()
    }

    #[test]
    fn agrees_with_itk_on_synthetic_grids() {
        let Some(folder) = shared("resample") else { return };
        let json = reference(&folder);
        let arrays = tensors(&folder.join("reference/io/resample.safetensors"));
        for case in ["oblique_to_other_oblique", "same_axes_finer_grid", "coarser_grid"] {
            let (moving, _) = geometry(&json[case]["moving"]);
            let (grid, shape) = geometry(&json[case]["reference"]);
            let image = |name: &str| Image { volume: volume(&arrays[name]), geometry: moving };
            let get = |name: &str, how, outside| onto(&image(name), shape, &grid, how, outside).unwrap().data;
            let linear = get("moving", Interpolation::Linear, -1.0);
            let expected = &arrays[&format!("{case}.linear")].1;
            assert!(relative_l2(&linear, expected) < 1e-6, "{case}: {}", relative_l2(&linear, expected));
            assert!(linear.iter().zip(expected).all(|(a, b)| (*a == -1.0) == (*b == -1.0)), "{case}: inside");
            assert_eq!(
                get("moving", Interpolation::Nearest, -1.0),
                arrays[&format!("{case}.nearest")].1,
                "{case}"
            );
            let labels = get("moving_label", Interpolation::Nearest, 0.0);
            assert_eq!(labels, arrays[&format!("{case}.label_nearest")].1, "{case}");
        }
    }

    #[test]
    fn agrees_with_itk_on_a_real_diffusion_series() {
        let Some(folder) = shared("resample of a DICOM series") else { return };
        let json = reference(&folder);
        let arrays = tensors(&folder.join("reference/io/resample.safetensors"));
        let t2w = read::image(&folder.join("data/prostatex-0000/t2w")).unwrap();
        let (grid, shape) = geometry(&json["prostatex-0000"]["reference_geometry"]);
        assert_eq!(shape, t2w.volume.shape);
        for (a, b) in
            grid.world_from_voxel.iter().flatten().zip(t2w.geometry.world_from_voxel.iter().flatten())
        {
            assert!((a - b).abs() < 1e-5);
        }
        for channel in ["adc", "hbv"] {
            let moving = read::image(&folder.join("data/prostatex-0000").join(channel)).unwrap();
            for (how, name) in [(Interpolation::Linear, "linear"), (Interpolation::Nearest, "nearest")] {
                let full = onto(&moving, shape, &grid, how, 0.0).unwrap();
                let got: Vec<f32> = (0..96 * 96).map(|i| full.at(9, i / 96 * 4, i % 96 * 4)).collect();
                let expected = &arrays[&format!("prostatex-0000.{channel}_on_t2w.{name}")].1;
                let error = relative_l2(&got, expected);
                let limit = if how == Interpolation::Linear { 1e-6 } else { 1e-12 };
                assert!(error < limit, "{channel} {name}: {error}");
            }
        }
    }
}
