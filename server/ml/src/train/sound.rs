//! Whether loaded cases can be learnt from, chosen by and measured on, before any of it costs time.

use transferscope_domain::{
    dataset::{ClassInfo, MaskInfo},
    metric::Split,
};

use super::example::{Example, IGNORED, Target, TaskPlan};

/// Says why a training on these cases would have no result; none where it has one. Data sets that were made
/// before their manifests told which masks are empty are first seen through here.
pub fn problem(split: Split, examples: &[Example], plan: &TaskPlan) -> Option<String> {
    let n = examples.len();
    if n == 0 {
        return Some(format!("there is no usable case in {split}"));
    }
    let empty = |example: &Example| match (&example.target, split) {
        // What is learnt lies on the working grid, what is measured on the case's own.
        (Target::Labels(labels), Split::Train) => labels.iter().all(|l| [0, IGNORED].contains(l)),
        (Target::Labels(_), _) => scored(example).iter().all(|l| [0, IGNORED].contains(l)),
        (Target::Image { .. } | Target::Label(_), _) => false,
    };
    if examples.iter().all(empty) {
        let mask = plan.aim.target().map(|name| name.to_string()).unwrap_or_default();
        return Some(format!(
            "the {mask} masks of all {n} {split} cases are empty: there is nothing to {}",
            if split == Split::Train { "learn from" } else { "measure" }
        ));
    }
    let label = |example: &Example| match example.target {
        Target::Label(label) => Some(label),
        Target::Labels(_) | Target::Image { .. } => None,
    };
    let first = label(examples.first()?)?;
    examples.iter().all(|e| label(e) == Some(first)).then(|| {
        format!("all {n} {split} cases have the same label: cases of at least two classes are needed")
    })
}

/// Says for how many of these cases a measure is undefined, since there is nothing of a class in them.
pub fn unmeasured(split: Split, examples: &[Example], mask: &MaskInfo) -> Vec<String> {
    let labelled: Vec<&Example> = examples.iter().filter(|e| matches!(e.target, Target::Labels(_))).collect();
    let values = mask.values();
    let of_class = |class: &ClassInfo| {
        let shows = |label: &u8| {
            let value = usize::from(*label).checked_sub(1).and_then(|at| values.get(at));
            value.is_some_and(|value| class.values.contains(value))
        };
        let n = labelled.iter().filter(|e| !scored(e).iter().any(shows)).count();
        (n > 0).then(|| format!("{n} of {} {split} cases have no {}", labelled.len(), class.name))
    };
    mask.classes.iter().filter_map(of_class).collect()
}

/// The labels against which a case is scored.
fn scored(example: &Example) -> &[u8] {
    match (&example.native, &example.target) {
        (Some(native), _) => &native.labels,
        (None, Target::Labels(labels)) => labels,
        (None, Target::Image { .. } | Target::Label(_)) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transferscope_domain::{Name, dataset::MaskInfo};

    fn cases(targets: &[Target]) -> Vec<Example> {
        targets
            .iter()
            .map(|t| Example::new(("c", "p"), [1, 1, 2], Vec::new(), t.clone(), Vec::new()))
            .collect()
    }

    fn mask(name: &str, classes: &[&str]) -> MaskInfo {
        MaskInfo::of(Name::new(name).unwrap(), classes)
    }

    #[test]
    fn what_has_no_result_is_refused_and_what_lacks_a_measure_is_said() {
        let plan = TaskPlan::usual("segmentation:lesion");
        let labels = |values: [u8; 2]| Target::Labels(values.into());
        let (some, none) = (labels([0, 1]), labels([0, 0]));
        for split in Split::ALL {
            assert_eq!(problem(split, &cases(&[some.clone(), none.clone()]), &plan), None);
            let said = problem(split, &cases(&[none.clone(), none.clone()]), &plan).unwrap();
            assert!(said.contains("lesion masks of all 2") && said.contains(split.as_str()), "{said}");
            assert!(problem(split, &[], &plan).unwrap().contains("no usable case"));
            assert!(problem(split, &cases(&[Target::Label(1), Target::Label(1)]), &plan).is_some());
            assert_eq!(problem(split, &cases(&[Target::Label(1), Target::Label(0)]), &plan), None);
            let image = Target::Image { sharp: vec![0.0; 2], degraded: vec![0.0; 2] };
            assert_eq!(problem(split, &cases(&[image]), &plan), None);
        }
        let mixed = cases(&[some, none.clone(), none]);
        assert_eq!(
            unmeasured(Split::Test, &mixed, &mask("lesion", &["lesion"])),
            ["2 of 3 test cases have no lesion"]
        );
        let zones =
            unmeasured(Split::Val, &cases(&[labels([1, 1])]), &mask("zones", &["peripheral", "transition"]));
        assert_eq!(zones, ["1 of 1 val cases have no transition"]);
    }
}
