//! How files hold ProFound's ConvNeXt: as fine-tuning saves it, and with the sparse layers of pre-training.

use transferscope_domain::{Architecture, family::profound_conv::Size};

use super::sparse;
use crate::checkpoint::{
    Constant, Fault, Folder, Form, Hints, KeyMap, Known, TensorList, blocks, tensor_shape,
};

/// First parts of the names of an encoder's tensors.
const ROOTS: [&str; 3] = ["downsample_layers", "stages", "norm"];

/// The tensor that both forms are found by: of the stem, with an axis for each direction of space.
const LANDMARK: &str = "downsample_layers.0.0.weight";
const LANDMARK_RANK: usize = 5;

/// How files hold an encoder.
pub(super) static FORMS: [Form; 2] = [
    Form {
        landmark: LANDMARK,
        is_here: |folder| folder.rank() == LANDMARK_RANK && !is_sparse(folder),
        belongs: |root, _| ROOTS.contains(&root),
        around: &[],
        known: |name, _| Ok(Known::Whole(name.to_owned())),
        constants: &[],
        note: None,
        infer,
    },
    Form {
        landmark: LANDMARK,
        is_here: |folder| folder.rank() == LANDMARK_RANK && is_sparse(folder),
        belongs: |root, _| ROOTS.contains(&root),
        around: &[],
        known: dense,
        // The pre-training network ends without the norm that fine-tuning adds.
        constants: &[
            Constant { name: "norm.weight", shaped_as: "downsample_layers.3.1.bias", value: 1.0 },
            Constant { name: "norm.bias", shaped_as: "downsample_layers.3.1.bias", value: 0.0 },
        ],
        note: None,
        infer,
    },
];

fn is_sparse(folder: &Folder<'_>) -> bool {
    sparse::is_sparse(folder.names())
}

fn dense(name: &str, shape: &[usize]) -> Result<Known, Fault> {
    let sparse::Dense { name, shape, change } = sparse::dense(name, shape)?;
    Ok(Known::Changed { name, shape, change })
}

/// The size of an encoder, from the shapes of its tensors.
fn infer(map: &KeyMap, _hints: Hints) -> Result<Architecture, String> {
    let [first, in_channels, ..]: [usize; 5] = tensor_shape(map, LANDMARK)?;
    let mut dims = [first; 4];
    for (stage, dim) in dims.iter_mut().enumerate().skip(1) {
        [*dim, ..] = tensor_shape::<5>(map, &format!("downsample_layers.{stage}.1.weight"))?;
    }
    let mut depths = [0; 4];
    for folder in ["downsample_layers", "stages"] {
        if let Some(further) = blocks::numbers(map, folder).find(|n| n.is_none_or(|n| n >= depths.len())) {
            let number = further.map_or_else(|| "another".to_owned(), |n| n.to_string());
            return Err(format!(
                "encoder.{folder}.{number} is there: networks of four stages (0 to 3) are read"
            ));
        }
    }
    for (stage, depth) in depths.iter_mut().enumerate() {
        *depth = blocks::count(map, &format!("stages.{stage}"), "dwconv.weight")?;
    }
    Ok(Size { in_channels, depths, dims }.into())
}

/// Lists the tensors of an encoder.
pub(super) fn tensors(size: &Size, list: &mut TensorList) {
    let Size { in_channels, depths, dims } = *size;
    list.layer("downsample_layers.0.0", &[dims[0], in_channels, 4, 4, 4]);
    list.layer("downsample_layers.0.1", &[dims[0]]);
    for (stage, k) in [(1, 2), (2, 2), (3, 1)] {
        list.layer(&format!("downsample_layers.{stage}.0"), &[dims[stage - 1]]);
        list.layer(&format!("downsample_layers.{stage}.1"), &[dims[stage], dims[stage - 1], k, k, k]);
    }
    for (stage, (depth, dim)) in depths.into_iter().zip(dims).enumerate() {
        for block in 0..depth {
            let block = format!("stages.{stage}.{block}");
            list.layer(&format!("{block}.dwconv"), &[dim, 1, 7, 7, 7]);
            list.layer(&format!("{block}.norm"), &[dim]);
            list.layer(&format!("{block}.pwconv1"), &[4 * dim, dim]);
            list.add(&format!("{block}.grn.gamma"), &[1, 1, 1, 1, 4 * dim]);
            list.add(&format!("{block}.grn.beta"), &[1, 1, 1, 1, 4 * dim]);
            list.layer(&format!("{block}.pwconv2"), &[dim, 4 * dim]);
        }
    }
    list.layer("norm", &[dims[3]]);
}
