//! Who trains, who validates, who tests: by patient, balanced by label, drawn once, stored in the
//! manifest.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use transferscope_domain::{
    dataset::{CaseEntry, Folds, contents::CSPCA},
    metric::Split,
};

use super::DataError;

/// What splits are balanced by: as far as known, the classes of the patient, and whether a lesion is drawn in any of the
/// patient's examinations. Of several examinations the highest class counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stratum {
    pub cspca: Option<bool>,
    pub lesion: Option<bool>,
    /// Of the first other label, as its table writes it.
    pub class: Option<String>,
}

impl Stratum {
    /// That of a case; whether a lesion is drawn in it, where it has a mask for that.
    pub fn of(case: &CaseEntry, lesion: Option<bool>) -> Self {
        let class = case.labels.iter().find(|(name, _)| **name != CSPCA).map(|(_, class)| class.clone());
        Self { cspca: case.cspca, lesion, class }
    }

    /// With one more examination of the patient: once yes is yes.
    pub fn and(self, other: Stratum) -> Self {
        let either = |a: Option<bool>, b: Option<bool>| match (a, b) {
            (Some(a), Some(b)) => Some(a || b),
            (a, b) => a.or(b),
        };
        Self {
            cspca: either(self.cspca, other.cspca),
            lesion: either(self.lesion, other.lesion),
            class: self.class.max(other.class),
        }
    }
}

/// Patients, those of one stratum side by side, in an order within it that the seed decides.
fn shuffled(patients: &BTreeMap<String, Stratum>, rng: &mut ChaCha8Rng) -> Vec<String> {
    let mut ids: Vec<&String> = patients.keys().collect();
    ids.shuffle(rng);
    // Stable, so that the order within a stratum stays random.
    ids.sort_by(|a, b| patients[*a].cmp(&patients[*b]));
    ids.into_iter().cloned().collect()
}

/// Takes `count` of a list at even steps from a random start, so that every stretch of it gives its
/// share to within one: the taken and the rest, both in order.
fn spread(ids: Vec<String>, count: usize, rng: &mut ChaCha8Rng) -> (Vec<String>, Vec<String>) {
    let n = ids.len().max(1);
    let start = rng.random_range(0..n);
    let (mut taken, mut rest) = (Vec::with_capacity(count), Vec::new());
    for (i, id) in ids.into_iter().enumerate() {
        let chosen = ((i + 1) * count + start) / n > (i * count + start) / n;
        if chosen { taken.push(id) } else { rest.push(id) }
    }
    (taken, rest)
}

/// Assigns each patient to a split: about a sixth each to val and test (at least one where there are
/// enough patients), the rest to train, each stratum in the same proportions to within one patient.
/// Depends on the patients, their strata and the seed alone.
pub fn by_patient(patients: &BTreeMap<String, Stratum>, seed: u64) -> BTreeMap<String, Split> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ids = shuffled(patients, &mut rng);
    let n = ids.len();
    let sixth = ((n as f64 / 6.0).round() as usize).max(1);
    let (test, rest) = spread(ids, if n >= 2 { sixth } else { 0 }, &mut rng);
    let (val, train) = spread(rest, if n >= 3 { sixth } else { 0 }, &mut rng);
    [(Split::Test, test), (Split::Val, val), (Split::Train, train)]
        .into_iter()
        .flat_map(|(split, ids)| ids.into_iter().map(move |id| (id, split)))
        .collect()
}

/// Assigns each patient to one of `count` folds, whose sizes and shares of each stratum differ by at
/// most one patient.
pub fn folds(patients: &BTreeMap<String, Stratum>, count: u32, seed: u64) -> BTreeMap<String, u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ids = shuffled(patients, &mut rng);
    let start = rng.random_range(0..count.max(1)) as usize;
    let fold = |i: usize| ((i + start) % count.max(1) as usize) as u32;
    ids.into_iter().enumerate().map(|(i, id)| (id, fold(i))).collect()
}

/// Which splits a data set gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SplitPlan {
    /// As stored beside the images where that is so, else two thirds, a sixth and a sixth.
    #[default]
    Single,
    /// A round of a cross-validation over the folds stored beside the images.
    StoredFold(u32),
    /// A round of a cross-validation over folds that are drawn.
    DrawnFolds(Folds),
    /// The cases that nnU-Net validates in this one of its five folds are the test set; of the others every thirteenth,
    /// as drawn, validates. For comparisons on the same cases.
    Nnunet(u32),
}

/// Rounds of nnU-Net's cross-validation.
pub const NNUNET_FOLDS: u32 = 5;

/// One of this many cases that do not test validates, where the folds are nnU-Net's, which has no third set.
const VALIDATES: usize = 13;

/// The fold of nnU-Net that validates each case, by its place among the sorted names.
///
/// # Source
/// nnU-Net v2: scikit-learn's `KFold(5, shuffle=True, random_state=12345)` over the sorted names; NumPy's legacy shuffle
/// on the Mersenne Twister.
pub fn nnunet_folds(cases: usize) -> Vec<u32> {
    let mut twister = rand_mt::Mt::new(12345);
    let mut order: Vec<usize> = (0..cases).collect();
    for i in (1..cases).rev() {
        let mask = u32::MAX >> (i as u32).leading_zeros();
        let j = loop {
            let drawn = (twister.next_u32() & mask) as usize;
            if drawn <= i {
                break drawn;
            }
        };
        order.swap(i, j);
    }
    let (size, larger) = (cases / NNUNET_FOLDS as usize, cases % NNUNET_FOLDS as usize);
    let mut folds = vec![0; cases];
    let mut at = 0;
    for fold in 0..NNUNET_FOLDS {
        let n = size + usize::from((fold as usize) < larger);
        order[at..at + n].iter().for_each(|case| folds[*case] = fold);
        at += n;
    }
    folds
}

/// Sets split and fold of every case as planned. A case's `fold` is the stored one, if any; `stored`
/// has the stored splits of all cases, or is empty.
///
/// # Errors
/// When a patient is in two stored splits or folds, some cases have a stored split or fold and others
/// none, or there is no such fold.
pub fn assign(
    cases: &mut [CaseEntry],
    strata: &BTreeMap<String, Stratum>,
    stored: &BTreeMap<String, Split>,
    plan: SplitPlan,
    seed: u64,
) -> Result<Option<Folds>, DataError> {
    match plan {
        SplitPlan::Single if !stored.is_empty() => {
            let by_patient = same_for_a_patient(cases, "split", |case| stored.get(&case.case_id).copied())?;
            cases.iter_mut().for_each(|case| case.split = by_patient[&case.patient_id]);
            Ok(None)
        }
        SplitPlan::Single => {
            let splits = by_patient(strata, seed);
            cases.iter_mut().for_each(|case| case.split = splits[&case.patient_id]);
            Ok(None)
        }
        SplitPlan::StoredFold(test) => {
            let by_patient = same_for_a_patient(cases, "fold", |case| case.fold)?;
            let count = by_patient.values().max().map_or(0, |highest| highest.saturating_add(1));
            let folds = Folds { count, test };
            check(folds)?;
            cases.iter_mut().for_each(|case| case.split = folds.split(by_patient[&case.patient_id]));
            Ok(Some(folds))
        }
        SplitPlan::Nnunet(test) => {
            as_nnunet(cases, test, seed)?;
            Ok(None)
        }
        SplitPlan::DrawnFolds(plan) => {
            check(plan)?;
            let drawn = folds(strata, plan.count, seed);
            for case in cases {
                let fold = drawn[&case.patient_id];
                case.fold = Some(fold);
                case.split = plan.split(fold);
            }
            Ok(Some(plan))
        }
    }
}

fn as_nnunet(cases: &mut [CaseEntry], test: u32, seed: u64) -> Result<(), DataError> {
    if test >= NNUNET_FOLDS || cases.len() < NNUNET_FOLDS as usize {
        return Err(DataError::Options(format!(
            "fold {test} of {} cases: nnU-Net has the folds 0 to {} of at least {NNUNET_FOLDS} cases",
            cases.len(),
            NNUNET_FOLDS - 1
        )));
    }
    let mut patients = std::collections::BTreeSet::new();
    if let Some(case) = cases.iter().find(|case| !patients.insert(&case.patient_id)) {
        return Err(DataError::Options(format!(
            "nnU-Net's folds are drawn by case, and patient {} has several: they would be torn apart",
            case.patient_id
        )));
    }
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by(|a, b| cases[*a].case_id.cmp(&cases[*b].case_id));
    let folds = nnunet_folds(cases.len());
    let mut others = Vec::new();
    for (at, fold) in order.into_iter().zip(folds) {
        cases[at].fold = Some(fold);
        cases[at].split = if fold == test { Split::Test } else { Split::Train };
        if fold != test {
            others.push(at);
        }
    }
    others.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let validating = (others.len() / VALIDATES).max(1);
    others[..validating].iter().for_each(|at| cases[*at].split = Split::Val);
    Ok(())
}

/// Completes splits that a layout stores, of which many have no validation: where nobody validates, a sixth of the
/// patients is drawn for it from those who do not test; where all train, the splits are drawn as if none were stored.
/// Says so; none where nothing was to be done.
pub fn completed(
    cases: &[CaseEntry],
    strata: &BTreeMap<String, Stratum>,
    stored: &mut BTreeMap<String, Split>,
    seed: u64,
) -> Option<String> {
    let has = |split: Split| stored.values().any(|other| *other == split);
    if has(Split::Val) || stored.is_empty() {
        return None;
    }
    if !has(Split::Test) {
        stored.clear();
        return Some(
            "the folder says who trains and nobody who validates or tests: the splits were drawn".into(),
        );
    }
    let split = |case: &CaseEntry| stored.get(&case.case_id).copied();
    let tests: Vec<&str> =
        cases.iter().filter(|c| split(c) == Some(Split::Test)).map(|c| c.patient_id.as_str()).collect();
    let tests: std::collections::BTreeSet<&str> = tests.into_iter().collect();
    let others: BTreeMap<String, Stratum> = strata
        .iter()
        .filter(|(id, _)| !tests.contains(id.as_str()))
        .map(|(id, s)| (id.clone(), s.clone()))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ids = shuffled(&others, &mut rng);
    let count = if ids.len() < 2 { 0 } else { ((ids.len() as f64 / 6.0).round() as usize).max(1) };
    let (val, _) = spread(ids, count, &mut rng);
    let val: std::collections::BTreeSet<String> = val.into_iter().collect();
    for case in cases.iter().filter(|case| !tests.contains(case.patient_id.as_str())) {
        let split = if val.contains(&case.patient_id) { Split::Val } else { Split::Train };
        stored.insert(case.case_id.clone(), split);
    }
    let (n, all) = (val.len(), others.len());
    Some(format!(
        "the folder says who tests and not who validates: {n} of the {all} other patients were drawn to validate"
    ))
}

fn check(folds: Folds) -> Result<(), DataError> {
    const MOST: u32 = 1000;
    if !(3..=MOST).contains(&folds.count) {
        return Err(DataError::Options(format!(
            "{} folds: 3 to {MOST} are possible, one to test, one to validate and the others to train",
            folds.count
        )));
    }
    if folds.test >= folds.count {
        let last = folds.count - 1;
        return Err(DataError::Options(format!(
            "there is no fold {}: they count from 0 to {last}",
            folds.test
        )));
    }
    Ok(())
}

/// A stored value by patient, which all cases must have and all of a patient's the same.
fn same_for_a_patient<T: Copy + PartialEq + std::fmt::Display>(
    cases: &[CaseEntry],
    what: &str,
    stored: impl Fn(&CaseEntry) -> Option<T>,
) -> Result<BTreeMap<String, T>, DataError> {
    let mut by_patient: BTreeMap<String, T> = BTreeMap::new();
    for case in cases {
        let value = stored(case).ok_or_else(|| {
            DataError::Options(format!(
                "no {what} is stored for case {}: fill the column {what} for every case, or leave it out",
                case.case_id
            ))
        })?;
        if let Some(other) = by_patient.insert(case.patient_id.clone(), value)
            && other != value
        {
            return Err(DataError::Options(format!(
                "patient {} is in {what} {other} and in {what} {value}: all examinations of a patient belong in one",
                case.patient_id
            )));
        }
    }
    Ok(by_patient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` patients, of whom every `every`-th has cancer.
    fn patients(n: usize, every: usize) -> BTreeMap<String, Stratum> {
        (0..n)
            .map(|i| {
                let cspca = Some(i % every == 0);
                (format!("p{i:03}"), Stratum { cspca, ..Stratum::default() })
            })
            .collect()
    }

    fn counts(n: usize, seed: u64) -> [usize; 3] {
        let split = by_patient(&patients(n, 2), seed);
        Split::ALL.map(|s| split.values().filter(|v| **v == s).count())
    }

    fn case(id: &str, patient: &str, fold: Option<u32>) -> CaseEntry {
        CaseEntry {
            case_id: id.into(),
            patient_id: patient.into(),
            split: Split::Train,
            shape: [1; 3],
            spacing_mm: [1.0; 3],
            channels: Vec::new(),
            prepared: String::new(),
            hash: String::new(),
            cspca: None,
            labels: BTreeMap::new(),
            fold,
            mask_sources: BTreeMap::new(),
            notes: Vec::new(),
            mask_labels: Default::default(),
        }
    }

    #[test]
    fn splits_of_a_layout_are_completed() {
        let cases: Vec<CaseEntry> =
            (0..24).map(|i| case(&format!("c{i}"), &format!("p{}", i / 2), None)).collect();
        let strata = patients(12, 3).into_values().enumerate().map(|(i, s)| (format!("p{i}"), s)).collect();
        let tests: BTreeMap<String, Split> = (20..24).map(|i| (format!("c{i}"), Split::Test)).collect();
        let mut stored = tests.clone();
        assert!(completed(&cases, &strata, &mut stored, 0).unwrap().starts_with("the folder says who tests"));
        let count = |split| stored.values().filter(|s| **s == split).count();
        assert_eq!(Split::ALL.map(count), [16, 4, 4]);
        assert!((0..12).all(|p| stored[&format!("c{}", 2 * p)] == stored[&format!("c{}", 2 * p + 1)]));
        let mut all: BTreeMap<String, Split> = (0..24).map(|i| (format!("c{i}"), Split::Train)).collect();
        assert!(completed(&cases, &strata, &mut all, 0).is_some() && all.is_empty());
        assert_eq!(completed(&cases, &strata, &mut all, 0), None);
        let mut whole = tests;
        whole.insert("c0".into(), Split::Val);
        assert_eq!((completed(&cases, &strata, &mut whole.clone(), 0), whole.len()), (None, 5));
    }

    #[test]
    fn proportions() {
        assert_eq!(counts(48, 0), [32, 8, 8]);
        assert_eq!(counts(3, 0), [1, 1, 1]);
        assert_eq!(counts(4, 9), [2, 1, 1]);
        assert_eq!(counts(2, 0), [1, 0, 1]);
        assert_eq!(counts(1, 0), [1, 0, 0]);
        assert_eq!(counts(0, 0), [0, 0, 0]);
    }

    #[test]
    fn every_split_and_fold_has_its_share_of_each_stratum() {
        for seed in 0..20 {
            let all = patients(60, 5);
            let split = by_patient(&all, seed);
            for part in Split::ALL {
                let ill = split.iter().filter(|(id, s)| **s == part && all[*id].cspca == Some(true)).count();
                let size = split.values().filter(|s| **s == part).count();
                assert!(ill.abs_diff(size / 5) <= 1, "{part}: {ill} of {size}");
            }
            let fold = folds(&all, 5, seed);
            for part in 0..5 {
                let ill = fold.iter().filter(|(id, f)| **f == part && all[*id].cspca == Some(true)).count();
                let size = fold.values().filter(|f| **f == part).count();
                assert_eq!(size, 12);
                assert!((2..=3).contains(&ill), "{ill}");
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let all = patients(30, 3);
        assert_eq!(by_patient(&all, 1), by_patient(&all, 1));
        assert_ne!(by_patient(&all, 1), by_patient(&all, 2));
        assert_ne!(folds(&all, 5, 1), folds(&all, 5, 2));
    }

    /// `KFold(5, shuffle=True, random_state=12345)` over 10 and 260 cases, from a second implementation of NumPy's shuffle
    /// that was checked by NumPy's first random number of this seed, 0.92961609.
    #[test]
    fn folds_of_nnunet_are_scikit_learn_s() {
        assert!(nnunet_folds(0).is_empty());
        assert_eq!(nnunet_folds(10), [0, 3, 4, 1, 2, 4, 2, 0, 3, 1]);
        let folds = nnunet_folds(260);
        let first: Vec<usize> = (0..260).filter(|i| folds[*i] == 0).take(8).collect();
        assert_eq!(first, [9, 10, 16, 18, 20, 30, 33, 40]);
        for fold in 0..5 {
            assert_eq!(folds.iter().filter(|f| **f == fold).count(), 52);
        }
        let mut cases: Vec<_> = (0..260).map(|i| case(&format!("c{i:03}"), &format!("p{i}"), None)).collect();
        let none = BTreeMap::new();
        let plan = |test| SplitPlan::Nnunet(test);
        assign(&mut cases, &patients(260, 2), &none, plan(0), 0).unwrap();
        let in_split = |split| cases.iter().filter(|c| c.split == split).count();
        assert_eq!(Split::ALL.map(in_split), [192, 16, 52]);
        assert!(cases.iter().all(|c| (c.split == Split::Test) == (c.fold == Some(0))));
        assert!(assign(&mut cases, &patients(260, 2), &none, plan(5), 0).is_err());
        cases[1].patient_id = cases[0].patient_id.clone();
        let why = assign(&mut cases, &patients(260, 2), &none, plan(0), 0).unwrap_err().to_string();
        assert!(why.contains("patient p0 has several"), "{why}");
    }

    #[test]
    fn once_ill_is_ill() {
        let (yes, no) = (Some(true), Some(false));
        let a = Stratum { cspca: no, ..Stratum::default() };
        let b = Stratum { cspca: yes, lesion: no, class: Some("2".into()) };
        assert_eq!(a.and(b.clone()), b);
    }

    #[test]
    fn drawn_folds_keep_patients_together_and_are_stored() {
        let strata = patients(9, 3);
        let mut cases: Vec<_> =
            (0..18).map(|i| case(&format!("c{i}"), &format!("p{:03}", i / 2), None)).collect();
        let plan = SplitPlan::DrawnFolds(Folds { count: 3, test: 1 });
        let folds = assign(&mut cases, &strata, &BTreeMap::new(), plan, 0).unwrap().unwrap();
        for pair in cases.chunks(2) {
            assert_eq!((pair[0].split, pair[0].fold), (pair[1].split, pair[1].fold));
            assert_eq!(pair[0].split, folds.split(pair[0].fold.unwrap()));
        }
        assert_eq!(cases.iter().filter(|c| c.split == Split::Test).count(), 6);
    }

    #[test]
    fn stored_splits_and_folds_are_used_or_refused_with_the_reason() {
        let strata = patients(3, 2);
        let all = || [case("a", "p0", Some(0)), case("b", "p1", Some(1)), case("c", "p2", Some(2))];
        let none = BTreeMap::new();
        let mut cases = all();
        let folds = assign(&mut cases, &strata, &none, SplitPlan::StoredFold(2), 0).unwrap();
        assert_eq!(folds, Some(Folds { count: 3, test: 2 }));
        assert_eq!(cases.each_ref().map(|c| c.split), [Split::Val, Split::Train, Split::Test]);

        let stored = BTreeMap::from([("a", Split::Test), ("b", Split::Train), ("c", Split::Val)]);
        let stored: BTreeMap<String, Split> = stored.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        assign(&mut cases, &strata, &stored, SplitPlan::Single, 0).unwrap();
        assert_eq!(cases.each_ref().map(|c| c.split), [Split::Test, Split::Train, Split::Val]);

        let refusal = |mut cases: [CaseEntry; 3], stored: &BTreeMap<String, Split>, plan| {
            assign(&mut cases, &strata, stored, plan, 0).unwrap_err().to_string()
        };
        let mut torn = all();
        torn[1].patient_id = "p0".into();
        let text = refusal(torn, &stored, SplitPlan::Single);
        assert!(text.contains("patient p0 is in split test and in split train"), "{text}");
        let mut hole = all();
        hole[2].fold = None;
        let text = refusal(hole, &none, SplitPlan::StoredFold(0));
        assert!(text.contains("no fold is stored for case c"), "{text}");
        assert!(
            refusal(all(), &none, SplitPlan::StoredFold(3)).contains("no fold 3: they count from 0 to 2")
        );
        let two = SplitPlan::DrawnFolds(Folds { count: 2, test: 0 });
        assert!(refusal(all(), &none, two).contains("2 folds: 3 to 1000"));
    }
}
