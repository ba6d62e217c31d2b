//! Lists of a full-size network's tensors: names, shapes, and how many parameters there are.

use std::collections::BTreeMap;

use crate::{Cases, Folder, Problem, Tolerance, number};

/// Names and shapes of a network, from [`transferscope_ml::params::shapes`].
pub type Shapes = Vec<(String, Vec<usize>)>;

/// Ends the name of what PyTorch's batch normalisation counts and we do not.
pub const COUNTER: &str = ".num_batches_tracked";
/// Ends the names of what is saved and no parameter.
const BUFFERS: [&str; 2] = [".running_mean", ".running_var"];
/// Ends the names of parameters that no training changes.
const FIXED: &str = "pos_embed";

/// Compares names, shapes, types and numbers of parameters: all, trained ones, and by part.
///
/// # Errors
/// When the file is no such list.
pub fn compare(folder: &Folder, path: &str, cases: &mut Cases, ours: Shapes) -> Result<(), Problem> {
    let file = folder.json(path)?;
    let wrong = |what: &str| Problem::new(format!("{path}: {what}"));
    let mut theirs = BTreeMap::new();
    let mut counters = 0;
    for key in file["keys"].as_array().ok_or_else(|| wrong("there is no list of keys"))? {
        let name = key[0].as_str().ok_or_else(|| wrong("a key has no name"))?;
        let sizes = key[1].as_array().ok_or_else(|| wrong("a key has no shape"))?;
        let shape: Option<Vec<u64>> = sizes.iter().map(serde_json::Value::as_u64).collect();
        let shape = shape.ok_or_else(|| wrong("a shape is not of whole numbers"))?;
        let counter = name.ends_with(COUNTER);
        if key[2] != if counter { "int64" } else { "float32" } {
            return Err(wrong(&format!("{name} is of type {}", key[2])));
        }
        if counter {
            counters += 1;
        } else if theirs.insert(name, shape).is_some() {
            return Err(wrong(&format!("{name} is listed twice")));
        }
    }
    let mut differences = Vec::new();
    for (name, shape) in &ours {
        let shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
        match theirs.remove(name.as_str()) {
            Some(found) if found == shape => {}
            Some(found) => differences.push(format!("{name} is {shape:?} here, {found:?} there")),
            None => differences.push(format!("{name} is only here")),
        }
    }
    differences.extend(theirs.keys().map(|name| format!("{name} is only there")));
    let first = differences.first().map(|first| format!("{} differ: {first}", differences.len()));
    cases.equal(path, "keys", first);

    let count = |wanted: &dyn Fn(&str) -> bool| -> f64 {
        let parameter = |name: &str| !BUFFERS.iter().any(|b| name.ends_with(b));
        let counted = ours.iter().filter(|(name, _)| parameter(name) && wanted(name));
        counted.map(|(_, shape)| shape.iter().product::<usize>() as f64).sum()
    };
    let mut exact = |what: &str, ours: f64, theirs: &serde_json::Value| -> Result<(), Problem> {
        cases.compare(path, what, &[ours], &[number(theirs)?], Tolerance::EXACT);
        Ok(())
    };
    // A counter of its own for every running mean.
    let means = ours.iter().filter(|(name, _)| name.ends_with(BUFFERS[0])).count();
    exact("counters", means as f64, &counters.into())?;
    exact("tensors", (ours.len() + means) as f64, &file["tensors"])?;
    exact("parameters", count(&|_| true), &file["parameters"])?;
    if !file["parameters_trainable"].is_null() {
        exact("parameters_trainable", count(&|name| !name.ends_with(FIXED)), &file["parameters_trainable"])?;
    }
    for (part, theirs) in file["parameters_by_part"].as_object().into_iter().flatten() {
        let inside = format!("{part}.");
        exact(&format!("parameters_by_part.{part}"), count(&|name| name.starts_with(&inside)), theirs)?;
    }
    Ok(())
}
