//! The new-experiment form: text fields as they travel in a URL or a posted form, parsed by
//! the same code in the browser and on the server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Adaptation, Arm, Overrides, Setting, Task, TaskKind,
    backbone::{Backbone, SPECIALIST},
    dataset::DatasetManifest,
    experiment::ExperimentSpec,
};

/// Field name to message.
pub type FieldErrors = BTreeMap<String, String>;

/// The form's fields; lists are what the checked boxes send, the rest is text as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExperimentForm {
    pub name: String,
    pub backbones: Vec<String>,
    pub tasks: Vec<String>,
    pub arms: Vec<String>,
    pub dataset: String,
    pub seeds: String,
    pub epochs: String,
    /// By the key of a [`Setting`], what was typed or chosen; the default where there is none. Several texts stand only
    /// where an experiment may have several values.
    pub settings: BTreeMap<String, Vec<String>>,
}

impl ExperimentForm {
    /// Reads the fields from key-value pairs of a query or a posted form; a key may come several
    /// times, and unknown keys are ignored.
    pub fn from_pairs<K: AsRef<str>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut form = Self::default();
        for (key, value) in pairs {
            form.put(key.as_ref(), value.into());
        }
        form
    }

    /// Takes one pair in; an empty text takes a setting back to its default.
    fn put(&mut self, key: &str, value: String) {
        if let Some(list) = self.list_mut(key) {
            list.push(value);
        } else if let Some(text) = self.text_mut(key) {
            *text = value;
        } else if let Some(setting) = Setting::named(key) {
            let texts = self.settings.entry(key.to_owned()).or_default();
            if !setting.several {
                texts.clear();
            }
            texts.extend(Some(value).filter(|v| !v.is_empty()));
            if texts.is_empty() {
                self.settings.remove(key);
            }
        }
    }

    /// The fields as key-value pairs, empty ones left out: the form's state in a URL.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let mut form = self.clone();
        let mut pairs = Vec::new();
        for key in Self::LISTS {
            let list = form.list_mut(key).map(std::mem::take).unwrap_or_default();
            pairs.extend(list.into_iter().map(|v| (key, v)));
        }
        for key in Self::TEXTS {
            let text = form.text_mut(key).map(std::mem::take).unwrap_or_default();
            pairs.extend(Some((key, text)).filter(|(_, v)| !v.is_empty()));
        }
        for setting in Setting::ALL {
            pairs.extend(self.texts(setting).iter().map(|v| (setting.name, v.clone())));
        }
        pairs
    }

    /// Whether the form has a field of this name.
    pub fn has(key: &str) -> bool {
        Self::LISTS.contains(&key) || Self::TEXTS.contains(&key) || Setting::named(key).is_some()
    }

    /// What was typed or chosen for a setting.
    pub fn texts(&self, setting: &Setting) -> &[String] {
        self.settings.get(setting.name).map_or(&[], Vec::as_slice)
    }

    /// Names of the fields beside the settings that hold a list.
    const LISTS: [&'static str; 3] = ["backbones", "tasks", "arms"];

    /// Names of the fields beside the settings that hold one text.
    const TEXTS: [&'static str; 4] = ["name", "dataset", "seeds", "epochs"];

    fn list_mut(&mut self, key: &str) -> Option<&mut Vec<String>> {
        Some(match key {
            "backbones" => &mut self.backbones,
            "tasks" => &mut self.tasks,
            "arms" => &mut self.arms,
            _ => return None,
        })
    }

    fn text_mut(&mut self, key: &str) -> Option<&mut String> {
        Some(match key {
            "name" => &mut self.name,
            "dataset" => &mut self.dataset,
            "seeds" => &mut self.seeds,
            "epochs" => &mut self.epochs,
            _ => return None,
        })
    }

    /// What the form shows when it is opened.
    pub fn initial(dataset: &str) -> Self {
        Self {
            backbones: vec!["profound-conv-mini".into(), "provicnet-mini".into()],
            tasks: vec![TaskKind::Segmentation.as_str().into()],
            arms: Arm::ALL.iter().map(|a| a.as_str().to_owned()).collect(),
            dataset: dataset.into(),
            seeds: "0".into(),
            ..Self::default()
        }
    }

    /// The form that stands for an experiment.
    pub fn of(spec: &ExperimentSpec) -> Self {
        fn joined<T: ToString>(values: &[T]) -> String {
            values.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
        }
        let mut form = Self {
            name: spec.name.clone(),
            backbones: spec.backbones.clone(),
            tasks: spec.tasks.iter().map(ToString::to_string).collect(),
            arms: spec.arms.iter().map(ToString::to_string).collect(),
            dataset: spec.dataset.clone(),
            seeds: joined(&spec.seeds),
            epochs: spec.epochs.map(|e| e.to_string()).unwrap_or_default(),
            ..Self::default()
        };
        let axis = |form: &mut Self, key: &str, values: Vec<String>| {
            if !values.is_empty() {
                form.settings.insert(key.into(), values);
            }
        };
        for (key, value) in spec.overrides.to_pairs() {
            axis(&mut form, key, vec![value]);
        }
        axis(&mut form, "adaptation", spec.adaptations.iter().map(ToString::to_string).collect());
        axis(&mut form, "label_share", spec.label_shares.iter().map(ToString::to_string).collect());
        form
    }

    /// Parses the fields.
    ///
    /// # Errors
    /// Messages by field, for all fields that are wrong on their own.
    pub fn parse(&self) -> Result<ExperimentSpec, FieldErrors> {
        let mut errors = FieldErrors::new();
        let mut tasks = Vec::new();
        for text in &self.tasks {
            match text.parse::<Task>() {
                Ok(task) => tasks.push(task),
                Err(e) => drop(errors.insert("tasks".into(), e)),
            }
        }
        let mut arms = Vec::new();
        for text in &self.arms {
            match text.parse::<Arm>() {
                Ok(arm) => arms.push(arm),
                Err(e) => drop(errors.insert("arms".into(), e)),
            }
        }
        let seeds = parse_seeds(&self.seeds).unwrap_or_else(|e| {
            errors.insert("seeds".into(), e);
            Vec::new()
        });
        let epochs = match self.epochs.trim() {
            "" => None,
            text => text.parse::<u32>().map(Some).unwrap_or_else(|_| {
                errors.insert("epochs".into(), format!("{text:?} is not a whole number."));
                None
            }),
        };
        let mut overrides = Overrides::default();
        let (mut adaptations, mut label_shares) = (Vec::new(), Vec::new());
        for setting in Setting::ALL {
            let texts = self.texts(setting);
            let read = match setting.name {
                "adaptation" => parse_adaptations(texts).map(|values| adaptations = values),
                "label_share" => parse_shares(&texts.join(", ")).map(|values| label_shares = values),
                _ => texts.iter().try_for_each(|text| setting.set(&mut overrides, text)),
            };
            if let Err(e) = read {
                errors.insert(setting.name.into(), e);
            }
        }
        // One value is no axis.
        if let [one] = adaptations.as_slice() {
            overrides.adaptation = Some(*one);
            adaptations.clear();
        }
        if let [one] = label_shares.as_slice() {
            overrides.label_share = Some(*one);
            label_shares.clear();
        }
        let spec = ExperimentSpec {
            name: self.name.trim().to_owned(),
            backbones: self.backbones.clone(),
            tasks,
            arms,
            dataset: self.dataset.trim().to_owned(),
            seeds,
            label_shares,
            adaptations,
            epochs,
            overrides,
        };
        for (field, message) in spec.errors() {
            errors.entry(field).or_insert(message);
        }
        if errors.is_empty() { Ok(spec) } else { Err(errors) }
    }
}

fn parse_adaptations(texts: &[String]) -> Result<Vec<Adaptation>, String> {
    texts.iter().map(|text| text.parse()).collect()
}

/// Parses `0.1, 0.25, 1` or `10%`; at most 20 shares.
///
/// # Errors
/// A message that quotes the part that is no share.
pub fn parse_shares(text: &str) -> Result<Vec<f64>, String> {
    let mut shares: Vec<f64> = Vec::new();
    for part in text.split([',', ' ', ';']).map(str::trim).filter(|p| !p.is_empty()) {
        let bad = || format!("{part:?} is not a share: write numbers like 0.1, 0.25, 1 or 10%.");
        let share = match part.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().map_err(|_| bad())? / 100.0,
            None => part.parse().map_err(|_| bad())?,
        };
        if !share.is_finite() || shares.len() == 20 {
            return Err(bad());
        }
        if !shares.contains(&share) {
            shares.push(share);
        }
    }
    Ok(shares)
}

/// Parses `0, 1, 2` or `0-4` or a mix of both; at most 1000 seeds.
///
/// # Errors
/// A message that quotes the part that is no seed.
pub fn parse_seeds(text: &str) -> Result<Vec<u64>, String> {
    let mut seeds = Vec::new();
    for part in text.split([',', ' ', ';']).map(str::trim).filter(|p| !p.is_empty()) {
        let bad = || format!("{part:?} is not a seed: write whole numbers like 0, 1, 2 or a range like 0-4.");
        let (low, high) = match part.split_once('-') {
            Some((a, b)) => (a.trim().parse().map_err(|_| bad())?, b.trim().parse().map_err(|_| bad())?),
            None => {
                let seed: u64 = part.parse().map_err(|_| bad())?;
                (seed, seed)
            }
        };
        if high < low || high - low >= 1000 || seeds.len() >= 1000 {
            return Err(format!("{part:?} is not a usable range: at most 1000 seeds, lower end first."));
        }
        for seed in low..=high {
            if !seeds.contains(&seed) {
                seeds.push(seed);
            }
        }
    }
    Ok(seeds)
}

/// Checks a well-formed specification against what the server has.
pub fn check_against(
    spec: &ExperimentSpec,
    backbones: &[impl AsRef<Backbone>],
    datasets: &[DatasetManifest],
) -> FieldErrors {
    let mut errors = spec.errors();
    let backbones: Vec<&Backbone> = backbones.iter().map(AsRef::as_ref).collect();
    let chosen: Vec<&Backbone> =
        backbones.iter().copied().filter(|b| spec.backbones.contains(&b.name)).collect();
    for name in spec.backbones.iter().filter(|n| *n != SPECIALIST) {
        match backbones.iter().find(|b| b.name == *name) {
            None => {
                let known: Vec<_> = backbones.iter().map(|b| b.name.as_str()).collect();
                errors.insert(
                    "backbones".into(),
                    format!("Unknown backbone {name:?}; known are {}.", known.join(", ")),
                );
            }
            Some(b) if spec.arms.contains(&Arm::Pretrained) && !b.pretrained => {
                errors.insert(
                    "backbones".into(),
                    format!("{name} has no pre-trained checkpoint; leave the pre-trained arm out."),
                );
            }
            Some(_) => {}
        }
    }
    if let Some(head) = spec.overrides.head {
        let unfit = chosen
            .iter()
            .flat_map(|b| spec.tasks.iter().map(move |task| (b.family, task.kind)))
            .find_map(|(family, task)| family.head_problem(head, task));
        if let Some(problem) = unfit {
            errors.insert(
                "head".into(),
                format!("{problem}: start a separate experiment for it, or use compact."),
            );
        }
    }
    match datasets.iter().find(|d| d.name == spec.dataset) {
        None => {
            let known: Vec<_> = datasets.iter().map(|d| d.name.as_str()).collect();
            let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
            errors
                .entry("dataset".into())
                .or_insert(format!("Unknown data set {:?}; known are: {known}.", spec.dataset));
        }
        Some(dataset) => {
            for task in spec.tasks() {
                match dataset.aim(task, &spec.overrides) {
                    Ok(aim) => {
                        let problem = dataset.aim_problem(&aim);
                        problem.map(|problem| errors.entry("tasks".into()).or_insert(problem));
                        let unfit = chosen.iter().find_map(|b| {
                            let problem = b.architecture.as_ref()?.input_problem(aim.inputs.len())?;
                            Some(format!("{} cannot be used for {task}: {problem}.", b.name))
                        });
                        unfit.map(|problem| errors.entry("backbones".into()).or_insert(problem));
                    }
                    Err(problem) => drop(errors.entry("tasks".into()).or_insert(problem)),
                }
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adaptation, metric::Split};
    use proptest::prelude::*;

    /// `form` with these settings as well.
    fn with(mut form: ExperimentForm, pairs: &[(&str, &str)]) -> ExperimentForm {
        for (key, value) in pairs {
            form.settings.remove(*key);
            form.put(key, (*value).into());
        }
        form
    }

    #[test]
    fn a_good_form_parses() {
        let mut form = with(ExperimentForm::initial("phantom"), &[("lr", "3e-4")]);
        form.seeds = "0-2, 7".into();
        form.epochs = "3".into();
        let spec = form.parse().unwrap();
        assert_eq!(spec.seeds, [0, 1, 2, 7]);
        assert_eq!(spec.overrides.lr, Some(3e-4));
        assert_eq!(spec.epochs, Some(3));
    }

    #[test]
    fn lesions_that_no_case_of_a_split_shows_are_refused_where_lesions_are_asked_for() {
        let case = |split: Split, lesion: &str| {
            format!(
                r#"{{"case_id":"{split}","patient_id":"{split}","split":"{split}","shape":[1,1,1],
                "spacing_mm":[1,1,1],"channels":["t2w","hbv","adc","gland","lesion"],"prepared":"p","hash":"h",
                "mask_labels":{{"gland":[1],"lesion":[{lesion}]}}}}"#
            )
        };
        for empty in Split::ALL {
            let cases = Split::ALL.map(|split| case(split, if split == empty { "" } else { "1" })).join(",");
            let dataset = format!(
                r#"{{"schema":1,"name":"d","source":"","synthetic":false,"hash":"","cases":[{cases}],"refused":[],
                "split_seed":0}}"#
            );
            let none: [Backbone; 0] = [];
            let mut datasets: [DatasetManifest; 1] = [serde_json::from_str(&dataset).unwrap()];
            datasets.iter_mut().for_each(DatasetManifest::settle);
            let mut spec = ExperimentSpec::quick("d");
            spec.tasks = vec![TaskKind::Segmentation.into()];
            assert!(!check_against(&spec, &none, &datasets).contains_key("tasks"));
            spec.overrides.target = Some(crate::recipe::Target::Lesion);
            let errors = check_against(&spec, &none, &datasets);
            let words = format!("all lesion masks of {empty} are empty");
            assert!(errors["tasks"].contains(&words), "{errors:?}");
        }
    }

    #[test]
    fn how_the_encoder_is_adapted_goes_through_form_and_link() {
        let form = with(
            ExperimentForm::initial("phantom"),
            &[
                ("adaptation", "lora"),
                ("lora_rank", "8"),
                ("layer_decay", "0.75"),
                ("drop_path", "0.1"),
                ("min_lr", "1e-6"),
            ],
        );
        let spec = ExperimentForm::from_pairs(form.to_pairs()).parse().unwrap();
        assert_eq!(spec.overrides.adaptation, Some(Adaptation::Lora));
        assert_eq!((spec.overrides.lora_rank, spec.overrides.drop_path), (Some(8), Some(0.1)));
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ExperimentSpec>(&json).unwrap(), spec);
        // Links from before there was a choice.
        let old = ExperimentForm::from_pairs([("lr", "1e-3"), ("seeds", "0"), ("adaptation", "")]);
        assert_eq!(old.settings, [("lr".to_owned(), vec!["1e-3".to_owned()])].into());
        let wrong = with(form, &[("adaptation", "half"), ("drop_path", "2")]);
        let errors = wrong.parse().unwrap_err();
        assert!(errors["adaptation"].contains("frozen") && errors.contains_key("drop_path"));
    }

    #[test]
    fn an_experiment_goes_through_the_form_unchanged() {
        let quick = ExperimentSpec::quick("phantom");
        assert_eq!(ExperimentForm::of(&quick).parse().unwrap(), quick);
        let mut paper = ExperimentSpec::paper("phantom", vec!["profound-conv".into()]);
        assert_eq!(ExperimentForm::of(&paper).parse().unwrap(), paper);
        paper.label_shares = vec![0.1, 1.0];
        paper.adaptations = vec![Adaptation::Full, Adaptation::Frozen];
        assert_eq!(ExperimentForm::of(&paper).parse().unwrap(), paper);
        paper.adaptations.clear();
        paper.overrides.adaptation = Some(Adaptation::Lora);
        assert_eq!(ExperimentForm::of(&paper).parse().unwrap(), paper);
    }

    #[test]
    fn several_shares_and_adaptations_are_axes_and_one_is_a_setting() {
        let mut form =
            with(ExperimentForm::initial("phantom"), &[("label_share", "10%, 0.5; 1"), ("target", "lesion")]);
        form.put("adaptation", "full".into());
        form.put("adaptation", "frozen".into());
        let spec = ExperimentForm::from_pairs(form.to_pairs()).parse().unwrap();
        assert_eq!(spec.label_shares, [0.1, 0.5, 1.0]);
        assert_eq!(spec.adaptations, [Adaptation::Full, Adaptation::Frozen]);
        assert_eq!((spec.overrides.label_share, spec.overrides.adaptation), (None, None));
        assert_eq!(spec.overrides.target, Some(crate::Target::Lesion));
        let one = with(form.clone(), &[("label_share", "25%"), ("adaptation", "")]);
        let spec = one.parse().unwrap();
        assert_eq!((spec.overrides.label_share, spec.label_shares.len()), (Some(0.25), 0));
        for wrong in ["half", "2", "nan", "0"] {
            let form = with(form.clone(), &[("label_share", wrong)]);
            assert!(form.parse().unwrap_err().contains_key("label_share"), "{wrong}");
        }
    }

    #[test]
    fn every_wrong_field_gets_its_own_message() {
        let form = ExperimentForm {
            seeds: "x".into(),
            epochs: "0".into(),
            arms: vec!["sideways".into()],
            ..with(ExperimentForm::default(), &[("lr", "fast")])
        };
        let errors = form.parse().unwrap_err();
        for field in ["seeds", "epochs", "lr", "arms", "tasks", "dataset", "backbones"] {
            assert!(errors.contains_key(field), "{field}: {errors:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(seeds in ".{0,40}", lr in ".{0,12}", epochs in ".{0,12}") {
            let form = ExperimentForm { seeds, epochs, ..with(ExperimentForm::initial("phantom"), &[("lr", &lr)]) };
            if let Ok(spec) = form.parse() {
                prop_assert!(!spec.seeds.is_empty() && spec.plan().len() <= crate::experiment::RUNS_MAX);
            }
        }

        #[test]
        fn pairs_go_round(name in "[a-z &=+%]{0,12}", seeds in "[0-9, -]{0,12}", share in ".{0,8}") {
            let settings = [("label_share", share.as_str()), ("head", "unetr")];
            let form = ExperimentForm { name, seeds, ..with(ExperimentForm::initial("phantom"), &settings) };
            prop_assert_eq!(ExperimentForm::from_pairs(form.to_pairs()), form);
        }
    }
}
