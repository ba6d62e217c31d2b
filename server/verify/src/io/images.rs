//! `io/expected.json` and `io/expected_arrays.safetensors`: what image files hold and where it lies.

use serde_json::Value;
use transferscope_imaging::data::read;

use super::{
    metaimage, nifti,
    subject::{EXPECTED, Subject},
};
use crate::{Cases, Folder, Problem, Tensors, Tolerance};

pub const ARRAYS: &str = "io/expected_arrays.safetensors";

/// Compares every image of the file.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let json = folder.json(EXPECTED)?;
    let files = json.as_object().ok_or_else(|| Problem::new(format!("{EXPECTED} does not name files")))?;
    // Without the arrays the rest is compared all the same.
    let arrays = folder.tensors(ARRAYS);
    if let Err(problem) = &arrays {
        cases.problem(ARRAYS, problem);
    }
    let arrays = arrays.ok();
    for (name, about) in files {
        if let Err(problem) = image(folder, cases, name, about, arrays.as_deref()) {
            cases.equal(EXPECTED, name, Some(problem.to_string()));
        }
    }
    Ok(())
}

fn image(
    folder: &Folder,
    cases: &mut Cases,
    name: &str,
    about: &Value,
    arrays: Option<&Tensors>,
) -> Result<(), Problem> {
    let tensor = format!("{name}.array");
    let array = arrays.filter(|arrays| arrays.has(&tensor)).map(|arrays| arrays.get(&tensor)).transpose()?;
    let file = format!("io/{name}");
    if !folder.has(&file) {
        cases.skipped(EXPECTED, name, "there is no such file in the folder");
        return Ok(());
    }
    let path = folder.path(&file);
    if name.ends_with(".mhd") {
        // Its data lie in a file of their own, which is looked at with it.
        let header = read::metaimage::header(&path).map_err(Problem::new)?;
        let data = header.require("ElementDataFile").map_err(Problem::new)?;
        folder.path(&format!("io/{data}"));
    }
    let images = read::volumes(&path).map_err(|e| Problem::new(e.to_string()))?;
    let about = about.as_object().ok_or_else(|| Problem::new("nothing is said about it"))?;
    let subject = Subject { name, about, images: &images };
    if let Some(array) = array {
        let [z, y, x] = images[0].volume.shape;
        let shape = if images.len() == 1 { vec![z, y, x] } else { vec![images.len(), z, y, x] };
        let differs =
            (shape != array.shape).then(|| format!("shape {shape:?}, {:?} in the file", array.shape));
        cases.equal(ARRAYS, &format!("{tensor}.shape"), differs);
        cases.compare(ARRAYS, &tensor, &subject.values(), &array.data, Tolerance::EXACT);
    }
    if name.ends_with(".mha") || name.ends_with(".mhd") {
        metaimage::compare(&subject, &path, cases)
    } else {
        nifti::compare(&subject, &path, cases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_image_passes() {
        assert_file_passes(EXPECTED);
    }
}
