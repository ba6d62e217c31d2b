//! The classes of masks and labels that no layout names: told from the values that occur.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::{
    Name,
    dataset::{CaseEntry, ClassInfo, Contents, LabelInfo, MaskInfo},
};

use super::examination::Found;

/// What the cases of a folder have: of what was found what any of them has, with the classes that occur.
pub fn told(found: &Found, cases: &[CaseEntry]) -> Contents {
    let has = |name: &Name| cases.iter().any(|case| case.has(name));
    let images = found.images.iter().filter(|i| has(&i.name)).cloned().collect();
    let masks = found.masks.iter().filter(|m| has(&m.info.name)).map(|m| mask(&m.info, cases)).collect();
    let labels = found.labels.iter().filter_map(|l| label(l, cases)).collect();
    Contents { images, masks, labels }
}

/// A mask with its classes: those that are named, else one for each value that occurs.
pub fn mask(info: &MaskInfo, cases: &[CaseEntry]) -> MaskInfo {
    if !info.classes.is_empty() {
        return info.clone();
    }
    let values: BTreeSet<u8> =
        cases.iter().filter_map(|c| c.mask_labels.get(info.name.as_str())).flatten().copied().collect();
    let values: Vec<u8> = values.into_iter().filter(|v| Some(*v) != info.ignore).collect();
    let name = |value: &u8| match values.as_slice() {
        [_] => info.name.to_string(),
        _ => format!("label {value}"),
    };
    let mut classes: Vec<ClassInfo> =
        values.iter().map(|value| ClassInfo { name: name(value), values: vec![*value] }).collect();
    if classes.is_empty() {
        // Every mask is empty: there is a class, and nobody has it.
        classes.push(ClassInfo { name: info.name.to_string(), values: vec![1] });
    }
    MaskInfo { classes, ..info.clone() }
}

/// A label with its classes: those that are named, else those that occur. None where no case has it.
fn label(info: &LabelInfo, cases: &[CaseEntry]) -> Option<LabelInfo> {
    let occur: BTreeSet<&str> = cases.iter().filter_map(|c| c.label(&info.name)).collect();
    if occur.is_empty() {
        return None;
    }
    let mut label = info.clone();
    if label.classes.is_empty() {
        label.classes = occur.into_iter().map(str::to_owned).collect();
    }
    (label.classes.len() > 1).then_some(label)
}

/// Takes away what cases say of labels that the data set does not have.
pub fn check(contents: &Contents, cases: &mut [CaseEntry]) {
    for case in cases {
        let labels: BTreeMap<Name, String> = std::mem::take(&mut case.labels);
        case.labels = labels.into_iter().filter(|(name, _)| contents.label(name).is_some()).collect();
    }
}
