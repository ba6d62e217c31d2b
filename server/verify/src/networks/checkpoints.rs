//! Checkpoint files: those of PyTorch hold what those of safetensors hold, and sparse layers become
//! the dense ones of fine-tuning. All exact.

use std::collections::BTreeSet;

use transferscope_ml::{
    checkpoint::{self, CheckpointError, CheckpointFile, KeyMap, Pick},
    family::profound_conv::sparse::dense_from_sparse,
    params::NamedTensor,
};

use crate::{Cases, Folder, Problem, Tolerance};

impl From<CheckpointError> for Problem {
    fn from(error: CheckpointError) -> Self {
        Problem::new(error.to_string())
    }
}

pub fn convnext(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    same(folder, cases, "models/profound_convnext_dense.pth", "models/profound_convnext_dense.safetensors")
}

pub fn mae_vit(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    same(folder, cases, "models/profound_mae_vit.pth", "models/profound_mae_vit.safetensors")
}

pub fn provicnet(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    same(folder, cases, "models/provicnet_tiny.pth", "models/provicnet_tiny.safetensors")
}

fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// A file of PyTorch against the same tensors in safetensors.
fn same(folder: &Folder, cases: &mut Cases, torch: &str, plain: &str) -> Result<(), Problem> {
    let mut file = checkpoint::open(&folder.path(torch))?;
    let weights = file.weights()?;
    if !folder.has(plain) {
        cases.equal(torch, "read", None);
        return Ok(());
    }
    let plain = folder.tensors(plain)?;
    for tensor in weights {
        let theirs = plain.get(&tensor.name)?;
        compare(cases, torch, &tensor, &theirs.shape, &theirs.data);
    }
    // Counters are listed, but are no weights.
    for counter in file.tensors().iter().filter(|t| !t.element.is_float()) {
        let theirs = plain.get(&counter.name)?;
        let differs = (theirs.shape != counter.shape).then(|| format!("{:?} here", counter.shape));
        cases.equal(torch, &counter.name, differs);
    }
    names(cases, torch, &file, plain.names());
    Ok(())
}

fn names<'a>(cases: &mut Cases, torch: &str, file: &CheckpointFile, theirs: impl Iterator<Item = &'a str>) {
    let ours: BTreeSet<&str> = file.tensors().iter().map(|t| t.name.as_str()).collect();
    let theirs: BTreeSet<&str> = theirs.collect();
    let difference: Vec<&&str> = ours.symmetric_difference(&theirs).collect();
    let differs = (!difference.is_empty()).then(|| format!("only one file has {difference:?}"));
    cases.equal(torch, "names", differs);
}

fn compare(cases: &mut Cases, file: &str, ours: &NamedTensor, shape: &[usize], theirs: &[f64]) {
    if ours.shape == shape {
        cases.compare(file, &ours.name, &f64s(&ours.data), theirs, Tolerance::EXACT);
    } else {
        cases.equal(file, &ours.name, Some(format!("shape {:?} here, {shape:?} there", ours.shape)));
    }
}

/// ProFound's raw pre-training file, converted.
pub fn fcmae(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    const RAW: &str = "models/profound_fcmae_raw.pth";
    const DENSE: &str = "models/profound_fcmae_remapped.safetensors";
    let mut file = checkpoint::open(&folder.path(RAW))?;
    let weights = KeyMap::find(&mut file, &Pick::default())?.load(&mut file)?;
    let expected = ["encoder.norm.bias", "encoder.norm.weight"];
    let differs = (weights.defaulted != expected).then(|| format!("{:?}", weights.defaulted));
    cases.equal(RAW, "not in the file", differs);
    if !folder.has(DENSE) {
        return Ok(());
    }
    let dense = folder.tensors(DENSE)?;
    let mut ours: Vec<NamedTensor> = weights.tensors;
    ours.retain(|t| !weights.defaulted.contains(&t.name));
    for tensor in &mut ours {
        tensor.name = tensor.name.trim_start_matches("encoder.").to_owned();
        let theirs = dense.get(&tensor.name)?;
        compare(cases, RAW, tensor, &theirs.shape, &theirs.data);
    }
    // A tensor of theirs that has no counterpart stays untouched, which is a miss.
    Ok(())
}

/// Small sparse kernels whose numbers tell their place.
pub fn kernel_layout(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    const FILE: &str = "models/profound_kernel_layout.safetensors";
    let tensors = folder.tensors(FILE)?;
    for raw in tensors.parameters("raw.encoder.")? {
        let dense = dense_from_sparse(raw).map_err(Problem::new)?;
        let theirs = tensors.get(&format!("dense.{}", dense.name))?;
        compare(cases, FILE, &dense, &theirs.shape, &theirs.data);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::tests::assert_file_passes;

    #[test]
    fn pytorch_files_equal_safetensors() {
        assert_file_passes("models/profound_convnext_dense.pth");
        assert_file_passes("models/profound_mae_vit.pth");
        assert_file_passes("models/provicnet_tiny.pth");
    }

    #[test]
    fn the_raw_pre_training_file_becomes_dense() {
        assert_file_passes("models/profound_fcmae_raw.pth");
    }

    #[test]
    fn kernels_lie_as_the_file_says() {
        assert_file_passes("models/profound_kernel_layout.safetensors");
    }
}
