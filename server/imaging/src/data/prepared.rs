//! Prepared arrays of a case: one safetensors file, named by the hash of its bytes.
//!
//! Images whose values are all whole numbers from 0 to 65535 are stored as u16, masks as u8,
//! everything else as f32: loading gives back the same f32 values in every case.

use std::{collections::BTreeMap, collections::HashMap};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Geometry, Volume};

/// Key of the metadata entry that holds the grid's [`Geometry`] as JSON.
const GEOMETRY_KEY: &str = "world_from_voxel_lps";

fn pack(volume: &Volume) -> (Dtype, Vec<u8>) {
    let whole_up_to = |max: f32| volume.data.iter().all(|v| (0.0..=max).contains(v) && v.fract() == 0.0);
    if whole_up_to(255.0) {
        (Dtype::U8, volume.data.iter().map(|v| *v as u8).collect())
    } else if whole_up_to(65535.0) {
        (Dtype::U16, volume.data.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect())
    } else {
        (Dtype::F32, volume.data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }
}

fn unpack(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    match dtype {
        Dtype::U8 => Some(bytes.iter().map(|b| f32::from(*b)).collect()),
        Dtype::U16 => {
            Some(bytes.chunks_exact(2).map(|b| f32::from(u16::from_le_bytes([b[0], b[1]]))).collect())
        }
        Dtype::F32 => {
            Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        _ => None,
    }
}

/// The file's bytes; the same volumes and grid give the same bytes.
///
/// # Errors
/// In words, when the arrays cannot be put into the format.
pub fn encode(volumes: &BTreeMap<String, Volume>, geometry: &Geometry) -> Result<Vec<u8>, String> {
    let packed: Vec<_> = volumes.iter().map(|(name, v)| (name, v.shape, pack(v))).collect();
    let views = packed
        .iter()
        .map(|(name, shape, (dtype, bytes))| {
            TensorView::new(*dtype, shape.to_vec(), bytes).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    let grid = serde_json::to_string(geometry).map_err(|e| e.to_string())?;
    // One entry only: a map with more has no fixed order, and the bytes are hashed.
    let metadata = HashMap::from([(GEOMETRY_KEY.to_owned(), grid)]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}

/// The arrays in a file's bytes, and the grid they lie on.
///
/// # Errors
/// In words, when the bytes are not such a file or hold an unexpected element type.
pub fn decode(bytes: &[u8]) -> Result<(BTreeMap<String, Volume>, Geometry), String> {
    let no_file = |e| format!("not a safetensors file: {e}");
    let file = SafeTensors::deserialize(bytes).map_err(no_file)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(no_file)?;
    let grid = header.metadata().as_ref().and_then(|entries| entries.get(GEOMETRY_KEY));
    let grid = grid.ok_or_else(|| format!("no {GEOMETRY_KEY} in it"))?;
    let geometry = serde_json::from_str(grid).map_err(|e| format!("{GEOMETRY_KEY}: {e}"))?;
    let volumes = file
        .iter()
        .map(|(name, view)| {
            let shape: [usize; 3] =
                view.shape().try_into().map_err(|_| format!("{name} has rank {}", view.shape().len()))?;
            let data = unpack(view.dtype(), view.data())
                .ok_or_else(|| format!("{name} has element type {:?}", view.dtype()))?;
            Ok((name.to_owned(), Volume { shape, data }))
        })
        .collect::<Result<_, String>>()?;
    Ok((volumes, geometry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back() {
        let shape = [1, 2, 3];
        let volume = |data: Vec<f32>| Volume { shape, data };
        let volumes = BTreeMap::from([
            ("gland".to_owned(), volume(vec![0.0, 1.0, 2.0, 255.0, 0.0, 1.0])),
            ("t2w".to_owned(), volume(vec![0.0, 65535.0, 256.0, 1.0, 2.0, 3.0])),
            ("adc".to_owned(), volume(vec![0.5, -1.0, 1e-20, 3e9, 70000.0, 0.0])),
        ]);
        let geometry = Geometry::centred(shape, [3.0, 1.0, 1.0]);
        let bytes = encode(&volumes, &geometry).unwrap();
        assert_eq!(bytes, encode(&volumes, &geometry).unwrap());
        assert_eq!(decode(&bytes).unwrap(), (volumes, geometry));
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode(b"no").is_err());
    }
}
