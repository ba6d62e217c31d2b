//! Where tests find the reference numbers and sample images, which lie beside the repository.

use std::{collections::BTreeMap, io::Write, path::PathBuf};

use super::{Geometry, Volume};

/// The shared folder (`TRANSFERSCOPE_SHARED`, else `../shared` beside the repository); where it is
/// absent a line says that `test` was skipped.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TRANSFERSCOPE_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")));
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("skipped {test}: {} is absent", folder.display());
        None
    }
}

/// All f32 and u8 tensors of a file by name, with their shape.
pub fn tensors(path: &std::path::Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let values = match view.dtype() {
                safetensors::Dtype::F32 => {
                    view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
                }
                safetensors::Dtype::U8 => view.data().iter().map(|b| f32::from(*b)).collect(),
                other => panic!("{name}: {other:?}"),
            };
            (name.to_owned(), (view.shape().to_vec(), values))
        })
        .collect()
}

/// A tensor as a volume.
pub fn volume(tensor: &(Vec<usize>, Vec<f32>)) -> Volume {
    Volume { shape: tensor.0.as_slice().try_into().unwrap(), data: tensor.1.clone() }
}

/// ||a - b|| / ||b||.
pub fn relative_l2(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(x, y)| f(f64::from(*x), f64::from(*y))).sum()
    };
    (sum(&|x, y| (x - y) * (x - y)) / sum(&|_, y| y * y).max(1e-300)).sqrt()
}

/// How a MetaImage holds its voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Raw,
    Zlib,
}

/// A volume of whole numbers as a `.mha` file of `MET_SHORT`.
pub fn mha(volume: &Volume, geometry: &Geometry, storage: Storage) -> Vec<u8> {
    let mut file = metaimage_header(volume, geometry, storage, "LOCAL").into_bytes();
    file.extend(metaimage_data(volume, storage));
    file
}

/// The header of such a file, with the data in `data_file`.
pub fn metaimage_header(volume: &Volume, geometry: &Geometry, storage: Storage, data_file: &str) -> String {
    let [depth, height, width] = volume.shape;
    let [sz, sy, sx] = geometry.spacing_mm();
    let m = &geometry.world_from_voxel;
    let axes: Vec<String> = [sx, sy, sz]
        .iter()
        .enumerate()
        .flat_map(|(axis, step)| m.map(|row| (row[axis] / step).to_string()))
        .collect();
    let origin = geometry.origin().map(|v| v.to_string()).join(" ");
    format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
         CompressedData = {}\nTransformMatrix = {}\nOffset = {origin}\nElementSpacing = {sx} {sy} {sz}\n\
         DimSize = {width} {height} {depth}\nElementType = MET_SHORT\nElementDataFile = {data_file}\n",
        if storage == Storage::Zlib { "True" } else { "False" },
        axes.join(" ")
    )
}

/// The data of such a file.
pub fn metaimage_data(volume: &Volume, storage: Storage) -> Vec<u8> {
    let raw: Vec<u8> = volume.data.iter().flat_map(|v| (*v as i16).to_le_bytes()).collect();
    match storage {
        Storage::Raw => raw,
        Storage::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&raw).unwrap();
            encoder.finish().unwrap()
        }
    }
}
