//! Slices that are there twice without being the same file: sent again, or written again with another header.

use std::collections::BTreeMap;

use super::{
    collect,
    header::{self, Header, Pixels},
};
use crate::data::DataError;

/// Leaves out files of one frame whose pixels, place and rescaling are those of another one; gives what is
/// left and, in words, the copies.
///
/// # Errors
/// When pixels cannot be read, or two different images say to be one and the same.
pub fn leave_out(headers: Vec<Header>) -> Result<(Vec<Header>, Vec<String>), DataError> {
    let mut groups: BTreeMap<Vec<u64>, Vec<usize>> = BTreeMap::new();
    for (i, header) in headers.iter().enumerate() {
        if let [place] = header.frames.as_slice() {
            let numbers = [&place.position, &place.row_direction, &place.column_direction];
            let numbers = numbers.into_iter().flatten().chain(&place.spacing).chain(&place.rescale);
            groups.entry(numbers.map(|v| v.to_bits()).collect()).or_default().push(i);
        }
    }
    let mut left_out: BTreeMap<usize, String> = BTreeMap::new();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let mut seen: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for i in group {
            let header = &headers[i];
            let content = content(header)?;
            if let Some(first) = seen.get(&content) {
                left_out.insert(i, format!("{} (of {})", header.name, headers[*first].name));
                continue;
            }
            seen.insert(content, i);
            if let Some(first) = names.insert(&header.instance, i).filter(|_| !header.instance.is_empty()) {
                return Err(DataError::refused(
                    &header.path,
                    format!(
                        "it has the SOP instance UID and the place of {}, and other pixels: one of the two was changed",
                        headers[first].name
                    ),
                ));
            }
        }
    }
    let kept = headers.into_iter().enumerate().filter(|(i, _)| !left_out.contains_key(i)).map(|(_, h)| h);
    Ok((kept.collect(), left_out.into_values().collect()))
}

/// A hash of a file's pixels as they are stored.
fn content(header: &Header) -> Result<[u8; 32], DataError> {
    let refused = |reason: String| DataError::refused(&header.path, reason);
    let pixels = header::pixels(&collect::bytes(&header.path)?).map_err(refused)?;
    let mut hasher = blake3::Hasher::new();
    match &pixels {
        Pixels::Native(bytes) => {
            hasher.update(bytes);
        }
        Pixels::Fragments { fragments, .. } => fragments.iter().for_each(|fragment| {
            hasher.update(fragment);
        }),
    }
    Ok(*hasher.finalize().as_bytes())
}
