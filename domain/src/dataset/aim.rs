//! What a task is on a data set: what goes in, what is to come out, and which cases can serve it.

use super::{CaseEntry, DatasetManifest, LabelInfo, LeftOut, MaskInfo, contents::CSPCA};
use crate::{
    metric::Split,
    name::{Inputs, Name},
    recipe::{Degradation, Target},
    task::{Task, TaskKind},
};

/// What is to come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// The classes of a mask.
    Mask(MaskInfo),
    /// A label of the whole case.
    Label(LabelInfo),
    /// An image.
    Image(Name),
    /// Whatever the objective of a pre-training makes of the images.
    Features,
}

/// A task on a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    pub kind: TaskKind,
    pub goal: Goal,
    /// Images that go in, in the order of the network's channels.
    pub inputs: Vec<Name>,
    pub degradation: Degradation,
}

/// What was asked of a task beside its kind and target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    pub inputs: Inputs,
    pub degradation: Degradation,
    /// Which mask, in requests from before tasks had targets.
    pub target: Target,
}

impl Aim {
    /// The mask that is learnt; none for other tasks.
    pub fn mask(&self) -> Option<&MaskInfo> {
        match &self.goal {
            Goal::Mask(mask) => Some(mask),
            Goal::Label(_) | Goal::Image(_) | Goal::Features => None,
        }
    }

    /// What is to come out, by name.
    pub fn target(&self) -> Option<Name> {
        match &self.goal {
            Goal::Mask(mask) => Some(mask.name),
            Goal::Label(label) => Some(label.name),
            Goal::Image(image) => Some(*image),
            Goal::Features => None,
        }
    }

    /// Images that a case must have: what goes in and what should come out.
    pub fn images(&self) -> Vec<Name> {
        let target = match self.goal {
            Goal::Image(image) => Some(image).filter(|image| !self.inputs.contains(image)),
            Goal::Mask(_) | Goal::Label(_) | Goal::Features => None,
        };
        self.inputs.iter().copied().chain(target).collect()
    }
}

impl DatasetManifest {
    /// What a kind of task is of where nothing else is said: of prostate data what it always was, else the first that
    /// the data set has. None where it has none.
    pub fn target(&self, kind: TaskKind) -> Option<Name> {
        let contents = &self.contents;
        let usual = match kind {
            // The gland where no case has zones.
            TaskKind::Segmentation => {
                ["zones", "gland"].into_iter().find_map(|name| contents.mask(name)).map(|m| m.name)
            }
            TaskKind::Classification => contents.label(CSPCA).map(|l| l.name),
            TaskKind::SuperResolution => contents.image("t2w").map(|i| i.name),
            TaskKind::ModalityTranslation | TaskKind::DistortionCorrection => {
                contents.image("hbv").map(|i| i.name)
            }
            TaskKind::Pretraining => None,
        };
        usual.or_else(|| self.targets(kind).first().copied())
    }

    /// Everything that a kind of task can be of.
    pub fn targets(&self, kind: TaskKind) -> Vec<Name> {
        let contents = &self.contents;
        match kind {
            TaskKind::Segmentation => contents.masks.iter().map(|m| m.name).collect(),
            TaskKind::Classification => contents.labels.iter().map(|l| l.name).collect(),
            TaskKind::SuperResolution => contents.images.iter().map(|i| i.name).collect(),
            TaskKind::ModalityTranslation if contents.images.len() < 2 => Vec::new(),
            TaskKind::ModalityTranslation => contents.images.iter().map(|i| i.name).collect(),
            TaskKind::DistortionCorrection => {
                contents.images.iter().filter(|i| i.epi).map(|i| i.name).collect()
            }
            TaskKind::Pretraining => Vec::new(),
        }
    }

    /// Every task that can be asked for on this data set, the default target of a kind first.
    pub fn tasks(&self) -> Vec<Task> {
        let of_kind = |kind: TaskKind| {
            let first = self.target(kind);
            let mut targets = self.targets(kind);
            targets.sort_by_key(|target| Some(*target) != first);
            targets.into_iter().map(move |target| Task::of(kind, target))
        };
        TaskKind::ALL.into_iter().flat_map(of_kind).collect()
    }

    /// What a task is on this data set.
    ///
    /// # Errors
    /// When it has nothing of the kind, or nothing of this name; says what it has.
    pub fn aim(&self, task: impl Into<Task>, wish: impl Into<Wish>) -> Result<Aim, String> {
        let (task, wish) = (task.into(), wish.into());
        let contents = &self.contents;
        let kind = task.kind;
        if kind == TaskKind::Pretraining {
            let inputs = contents.images.iter().map(|i| i.name).collect();
            return Ok(Aim { kind, goal: Goal::Features, inputs, degradation: wish.degradation });
        }
        let old = Name::new(wish.target.as_str())
            .ok()
            .filter(|_| kind == TaskKind::Segmentation && wish.target != Target::default());
        let known = self.targets(kind);
        let names = || known.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let target = match task.target.or(old).or_else(|| self.target(kind)) {
            None => {
                let what = match kind {
                    TaskKind::Segmentation => "a mask",
                    TaskKind::Classification => "a label of its cases",
                    TaskKind::DistortionCorrection => "an echo-planar image",
                    TaskKind::SuperResolution | TaskKind::Pretraining => "an image",
                    TaskKind::ModalityTranslation => "two images",
                };
                return Err(format!("{} needs {what}, and {:?} has none", kind.label(), self.name));
            }
            Some(target) if !known.contains(&target) => {
                return Err(format!(
                    "{}: {:?} has no {target} to learn; it has {}",
                    kind.label(),
                    self.name,
                    if known.is_empty() { "nothing of the kind".to_owned() } else { names() }
                ));
            }
            Some(target) => target,
        };
        let nothing = || format!("{}: {:?} has no {target}", kind.label(), self.name);
        let goal = match kind {
            TaskKind::Segmentation => Goal::Mask(contents.mask(&target).ok_or_else(nothing)?.clone()),
            TaskKind::Classification => Goal::Label(contents.label(&target).ok_or_else(nothing)?.clone()),
            _ => Goal::Image(target),
        };
        let inputs = self.inputs(kind, target, wish.inputs)?;
        Ok(Aim { kind, goal, inputs, degradation: wish.degradation })
    }

    /// The images that go in: those that were asked for, else all but what is to come out.
    fn inputs(&self, kind: TaskKind, target: Name, asked: Inputs) -> Result<Vec<Name>, String> {
        let all: Vec<Name> = self.contents.images.iter().map(|i| i.name).collect();
        if kind == TaskKind::SuperResolution {
            return Ok(vec![target]);
        }
        let mut inputs: Vec<Name> = asked.iter().collect();
        if inputs.is_empty() {
            inputs = all
                .iter()
                .copied()
                .filter(|i| kind != TaskKind::ModalityTranslation || *i != target)
                .collect();
        }
        if let Some(unknown) = inputs.iter().find(|i| !all.contains(i)) {
            let names = all.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("inputs: {:?} has no image {unknown}; it has {names}", self.name));
        }
        if kind == TaskKind::ModalityTranslation && inputs.contains(&target) {
            return Err(format!("inputs: {target} is what is to come out: it cannot go in"));
        }
        if kind == TaskKind::DistortionCorrection && !inputs.contains(&target) {
            return Err(format!("inputs: {target} is what is to be corrected: it must go in"));
        }
        Ok(inputs)
    }

    /// Why `case` cannot serve a task; none where it can.
    pub fn unusable(&self, case: &CaseEntry, aim: &Aim) -> Option<String> {
        let needs = aim.images();
        let missing: Vec<_> = needs.iter().filter(|n| !case.has(n)).map(Name::as_str).collect();
        if !missing.is_empty() {
            let needs = needs.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
            return Some(format!("{} needs {needs}; missing: {}", aim.kind, missing.join(", ")));
        }
        match &aim.goal {
            Goal::Mask(mask) => {
                (!case.has(&mask.name)).then(|| format!("no {} mask to learn from", mask.name))
            }
            Goal::Label(label) => match case.label(&label.name) {
                None => Some(format!("its {} is not known: the table has no value for it", label.name)),
                Some(class) if !label.classes.iter().any(|c| c == class) => {
                    Some(format!("its {} is {class:?}, which is none of the classes", label.name))
                }
                Some(_) => None,
            },
            Goal::Image(_) if aim.kind == TaskKind::SuperResolution => {
                let (slices, factor) = (case.shape[0], aim.degradation.slices_averaged());
                (slices < factor).then(|| format!("{slices} slices cannot be averaged {factor} by {factor}"))
            }
            Goal::Image(_) | Goal::Features => None,
        }
    }

    /// Usable cases of a split.
    pub fn usable(&self, aim: &Aim, split: Split) -> Vec<&CaseEntry> {
        self.cases.iter().filter(|c| c.split == split && self.unusable(c, aim).is_none()).collect()
    }

    /// Cases that a task leaves out, each with the reason.
    pub fn left_out(&self, aim: &Aim) -> Vec<LeftOut> {
        let left_out = |case: &CaseEntry| {
            Some(LeftOut { case_id: case.case_id.clone(), reason: self.unusable(case, aim)? })
        };
        self.cases.iter().filter_map(left_out).collect()
    }

    /// Says why a task cannot run on this data set; none where it can.
    pub fn task_problem(&self, task: impl Into<Task>, wish: impl Into<Wish>) -> Option<String> {
        match self.aim(task, wish) {
            Ok(aim) => self.aim_problem(&aim),
            Err(problem) => Some(problem),
        }
    }

    /// The same of a task that the data set has.
    pub fn aim_problem(&self, aim: &Aim) -> Option<String> {
        let empty: Vec<_> =
            Split::ALL.into_iter().filter(|s| self.usable(aim, *s).is_empty()).map(Split::as_str).collect();
        if empty.is_empty() {
            return self.missing_classes(aim).or_else(|| self.empty_masks(aim));
        }
        let usable = self.cases.iter().filter(|c| self.unusable(c, aim).is_none()).count();
        let why = self
            .cases
            .iter()
            .find_map(|c| self.unusable(c, aim))
            .map(|r| format!(" ({r})"))
            .unwrap_or_default();
        Some(format!(
            "{} needs at least one usable patient in each of train, val and test; {:?} has {usable} usable of {} cases{why} and none in {}",
            aim.kind.label(),
            self.name,
            self.cases.len(),
            empty.join(" and ")
        ))
    }

    /// Says where a split has cases of one class only, which nothing can be learnt from or measured on; none where
    /// every split has two, and for tasks without a label.
    fn missing_classes(&self, aim: &Aim) -> Option<String> {
        let Goal::Label(label) = &aim.goal else { return None };
        let split = Split::ALL.into_iter().find(|split| {
            let classes: std::collections::BTreeSet<&str> =
                self.usable(aim, *split).into_iter().filter_map(|c| c.label(&label.name)).collect();
            classes.len() < 2
        })?;
        let what = match (&label.about, label.classes.as_slice()) {
            (Some(about), [_, _]) => format!("patients with and without {about}"),
            _ => format!("cases of at least two classes of {}", label.name),
        };
        Some(format!(
            "{} needs {what} in each of train, val and test; {:?} has only one in {split}",
            aim.kind.label(),
            self.name
        ))
    }

    /// Says in which splits no usable case's mask shows anything: nothing could be learnt, chosen or measured.
    fn empty_masks(&self, aim: &Aim) -> Option<String> {
        let mask = &aim.mask()?.name;
        let all_empty = |split: &Split| self.usable(aim, *split).iter().all(|c| c.is_empty_mask(mask));
        let splits: Vec<_> = Split::ALL.into_iter().filter(all_empty).map(Split::as_str).collect();
        (!splits.is_empty()).then(|| {
            format!(
                "Segmentation of {mask} needs at least one case in each of train, val and test whose {mask} mask is not empty; in {:?} all {mask} masks of {} are empty",
                self.name,
                splits.join(" and ")
            )
        })
    }

    /// Says for which validation and test cases a measure is undefined since there is nothing to find in them;
    /// none where every case can be measured.
    pub fn unmeasured(&self, aim: &Aim) -> Option<String> {
        let mask = aim.mask()?;
        let of_split = |split: Split| {
            let cases = self.usable(aim, split);
            let lacks = |values: &[u8]| {
                let shows = |labels: &Vec<u8>| labels.iter().any(|label| values.contains(label));
                let known = |c: &&&CaseEntry| {
                    c.mask_labels.get(mask.name.as_str()).is_some_and(|labels| !shows(labels))
                };
                cases.iter().filter(known).count()
            };
            let missing = mask.classes.iter().map(|class| (lacks(&class.values), &class.name));
            missing
                .filter(|(n, _)| *n > 0)
                .map(|(n, name)| format!("{n} of {} {split} cases have no {name}", cases.len()))
                .collect::<Vec<_>>()
        };
        let said: Vec<String> = [Split::Val, Split::Test].into_iter().flat_map(of_split).collect();
        (!said.is_empty()).then(|| {
            format!(
                "{}: Dice and surface distances are undefined there, and means are over the others",
                said.join(", ")
            )
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::dataset::Contents;

    /// A case of prostate data; what its lesion mask shows, where it has one.
    pub(crate) fn case(split: Split, lesion: Option<&[u8]>) -> CaseEntry {
        let mut case: CaseEntry = serde_json::from_str(
            r#"{"case_id":"c","patient_id":"p","split":"train","shape":[3,16,16],"spacing_mm":[1,1,1],
            "channels":["t2w","hbv","adc","lesion"],"prepared":"p","hash":"h"}"#,
        )
        .unwrap();
        case.split = split;
        case.mask_labels.extend(lesion.map(|labels| ("lesion".to_owned(), labels.to_vec())));
        case
    }

    pub(crate) fn manifest(cases: Vec<CaseEntry>) -> DatasetManifest {
        let mut manifest: DatasetManifest = serde_json::from_str(
            r#"{"schema":1,"name":"set","source":"","synthetic":false,"hash":"","cases":[],"refused":[],"split_seed":0}"#,
        )
        .unwrap();
        manifest.cases = cases;
        manifest.settle();
        manifest
    }

    fn task(text: &str) -> Task {
        text.parse().unwrap()
    }

    fn usual() -> Wish {
        Wish::default()
    }

    fn names(names: &[Name]) -> Vec<&str> {
        names.iter().map(Name::as_str).collect()
    }

    #[test]
    fn prostate_data_mean_what_they_meant_before_they_said_what_they_hold() {
        let mut set = manifest(vec![case(Split::Train, Some(&[1]))]);
        set.cases[0].channels.extend(["gland".to_owned(), "zones".to_owned()]);
        set.cases[0].cspca = Some(true);
        set.contents = Contents::default();
        set.settle();
        for (kind, target, inputs) in [
            ("segmentation", "zones", vec!["t2w", "hbv", "adc"]),
            ("classification", "cspca", vec!["t2w", "hbv", "adc"]),
            ("distortion-correction", "hbv", vec!["t2w", "hbv", "adc"]),
            ("super-resolution", "t2w", vec!["t2w"]),
            ("modality-translation", "hbv", vec!["t2w", "adc"]),
        ] {
            let aim = set.aim(task(kind), usual()).unwrap();
            assert_eq!((aim.target().unwrap().as_str(), names(&aim.inputs)), (target, inputs), "{kind}");
            assert_eq!(set.aim(task(&format!("{kind}:{target}")), usual()).unwrap(), aim, "the same, named");
        }
        assert_eq!(set.cases[0].label("cspca"), Some("yes"));
        let lesion = Wish { target: Target::Lesion, ..usual() };
        assert_eq!(set.aim(task("segmentation"), lesion).unwrap().target().unwrap(), "lesion");
        set.cases[0].channels.retain(|c| c != "zones");
        set.contents = Contents::default();
        set.settle();
        assert_eq!(set.aim(task("segmentation"), usual()).unwrap().target().unwrap(), "gland");
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let set = manifest(vec![case(Split::Train, None)]);
        let problem = |text: &str| set.aim(task(text), usual()).unwrap_err();
        assert!(problem("segmentation:kidney").contains("no kidney to learn; it has lesion"));
        assert!(problem("classification").contains("a label of its cases"));
        let with = |text: &str, inputs: &str| {
            set.aim(task(text), Wish { inputs: inputs.parse().unwrap(), ..usual() })
        };
        assert_eq!(names(&with("segmentation", "adc,t2w").unwrap().inputs), ["adc", "t2w"]);
        assert!(with("segmentation", "flair").unwrap_err().contains("no image flair; it has t2w, hbv, adc"));
        assert!(with("modality-translation:adc", "adc,t2w").unwrap_err().contains("cannot go in"));
        assert!(with("distortion-correction:adc", "t2w").unwrap_err().contains("must go in"));
    }

    #[test]
    fn classes_that_a_split_lacks_are_named() {
        let label = LabelInfo {
            name: Name::new("grade").unwrap(),
            about: None,
            classes: ["low", "middle", "high"].map(str::to_owned).into(),
            ordered: true,
        };
        let mut set = manifest(Split::ALL.iter().flat_map(|s| [case(*s, None), case(*s, None)]).collect());
        set.contents.labels = vec![label];
        for (i, case) in set.cases.iter_mut().enumerate() {
            case.labels.insert(Name::new("grade").unwrap(), ["low", "high"][i % 2].into());
        }
        assert_eq!(set.task_problem(task("classification:grade"), usual()), None);
        set.cases[5].labels.insert(Name::new("grade").unwrap(), "unheard".into());
        let problem = set.task_problem(task("classification"), usual()).unwrap();
        assert!(
            problem.contains("at least two classes of grade") && problem.contains("only one in test"),
            "{problem}"
        );
        assert!(
            set.left_out(&set.aim(task("classification"), usual()).unwrap())[0]
                .reason
                .contains("\"unheard\"")
        );
    }

    #[test]
    fn lesions_must_be_somewhere_in_every_split() {
        let lesion = task("segmentation:lesion");
        let [train, val, test] = Split::ALL;
        let (some, none) = (Some(&[1u8][..]), Some(&[][..]));
        let set = |labels: [Option<&[u8]>; 3]| {
            manifest([train, val, test].into_iter().zip(labels).map(|(s, l)| case(s, l)).collect())
        };
        assert_eq!(set([some, some, some]).task_problem(lesion, usual()), None);
        // What older data sets do not tell is found out when a run starts.
        assert_eq!(set([None, some, None]).task_problem(lesion, usual()), None);
        for (labels, where_) in [
            ([some, some, none], "of test are"),
            ([none, some, some], "of train are"),
            ([none, some, none], "of train and test are"),
            ([some, none, some], "of val are"),
        ] {
            let problem = set(labels).task_problem(lesion, usual()).unwrap();
            assert!(problem.starts_with("Segmentation of lesion") && problem.contains(where_), "{problem}");
        }
        // One that has something is enough, and of the others it is said.
        let mut mixed = set([some, some, some]);
        mixed.cases.push(case(test, none));
        mixed.cases.push(case(test, none));
        assert_eq!(mixed.task_problem(lesion, usual()), None);
        let unmeasured = |set: &DatasetManifest| set.unmeasured(&set.aim(lesion, usual()).unwrap());
        let said = unmeasured(&mixed).unwrap();
        assert!(said.contains("2 of 3 test cases have no lesion"), "{said}");
        assert_eq!(unmeasured(&set([none, some, some])), None);
    }

    #[test]
    fn too_few_slices_are_left_out_of_a_thick_super_resolution() {
        let set = manifest(Split::ALL.map(|split| case(split, None)).into());
        let problem =
            |degradation| set.task_problem(task("super-resolution"), Wish { degradation, ..usual() });
        assert_eq!(problem(Degradation::Thick2), None);
        assert_eq!(problem(Degradation::InPlane2), None);
        let problem = problem(Degradation::Thick4).unwrap();
        assert!(problem.contains("3 slices cannot be averaged 4 by 4"), "{problem}");
    }
}
