//! How files hold the encoder of ProFound's 3-D masked autoencoder.

use transferscope_domain::{Architecture, family::profound_vit::Size};

use crate::checkpoint::{Form, Hints, KeyMap, Known, TensorList, depth, heads, tensor_shape, unchunked};

/// First parts of the names of an encoder's tensors.
const ROOTS: [&str; 5] = ["cls_token", "pos_embed", "patch_embed", "blocks", "norm"];

/// Patches of volumes have three directions.
const LANDMARK_RANK: usize = 5;

/// How files hold an encoder.
pub(super) static FORMS: [Form; 1] = [Form {
    landmark: "patch_embed.proj.weight",
    is_here: |folder| {
        folder.rank() == LANDMARK_RANK && folder.names().any(|name| name.starts_with("blocks."))
    },
    belongs: |root, _| ROOTS.contains(&root),
    around: &[],
    known: |name, _| Ok(Known::Whole(unchunked(name))),
    constants: &[],
    note: None,
    infer,
}];

/// The size of an encoder, from the shapes of its tensors.
fn infer(map: &KeyMap, hints: Hints) -> Result<Architecture, String> {
    let [dim, in_channels, d, h, w]: [usize; 5] = tensor_shape(map, "patch_embed.proj.weight")?;
    let [_, tokens, _]: [usize; 3] = tensor_shape(map, "pos_embed")?;
    if !dim.is_multiple_of(6) {
        return Err(format!(
            "its width of {dim} is no multiple of 6, which positions along three axes are made for"
        ));
    }
    let patch = [d, h, w];
    let fits = |image| cells(image, patch).and_then(|n| n.checked_add(1)) == Some(tokens);
    let mut named = [Size::BASE, Size::MINI].into_iter();
    let known = named.find(|size| size.patch == patch && fits(size.image)).map(|size| size.image);
    let image = hints.image.or(known).ok_or_else(|| {
        format!(
            "the image size cannot be derived from {} patches of {d}x{h}x{w} voxels; give it with --image DxHxW",
            tokens - 1
        )
    })?;
    if !fits(image) {
        return Err(format!(
            "an image of {image:?} voxels does not have the {} patches of {patch:?} voxels that the file is for",
            tokens - 1
        ));
    }
    Ok(Size { in_channels, image, patch, dim, depth: depth(map)?, heads: heads(dim, hints)? }.into())
}

/// Patches of an image; none where they do not fit.
fn cells(image: [usize; 3], patch: [usize; 3]) -> Option<usize> {
    image.iter().zip(patch).try_fold(1usize, |n, (voxels, size)| {
        (*voxels > 0 && voxels.is_multiple_of(size)).then(|| n.checked_mul(voxels / size))?
    })
}

/// Lists the tensors of an encoder.
pub(super) fn tensors(size: &Size, list: &mut TensorList) {
    let Size { in_channels, image, patch: [d, h, w], dim, depth, .. } = *size;
    list.add("cls_token", &[1, 1, dim]);
    list.add("pos_embed", &[1, 1 + cells(image, [d, h, w]).unwrap_or(0), dim]);
    list.layer("patch_embed.proj", &[dim, in_channels, d, h, w]);
    list.transformer_blocks(dim, depth, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patches of volumes may be any number, and their table is never one of patches alone.
    #[test]
    fn a_table_is_left_as_it_is() {
        let known = (FORMS[0].known)("pos_embed", &[1, 25, 8]).unwrap();
        assert_eq!(known, Known::Whole("pos_embed".into()));
    }
}
