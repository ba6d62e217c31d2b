use std::{collections::BTreeMap, path::Path};

use transferscope_domain::dataset::DatasetManifest;

use super::*;
use crate::data::{Geometry, Volume, split, store::Staging};
use transferscope_domain::{
    Task, TaskKind,
    dataset::{Contents, Wish},
};

const SHAPE: [usize; 3] = [4, 12, 10];

/// Images that are those of no other `seed`, and a gland and zones in the middle.
fn volumes(seed: usize) -> BTreeMap<String, Volume> {
    let image = |offset: usize| {
        let data = (0..480).map(|i| ((i * 7 + i * i * (seed + 3) + offset) % 900 + 1) as f32).collect();
        Volume { shape: SHAPE, data }
    };
    let mut zones = Volume::filled(SHAPE, 0.0);
    for d in 0..4 {
        for h in 3..9 {
            for w in 2..8 {
                let at = zones.index(d, h, w);
                zones.data[at] = if h >= 6 { 1.0 } else { 2.0 };
            }
        }
    }
    let gland = Volume { shape: SHAPE, data: zones.data.iter().map(|v| v.min(1.0)).collect() };
    let mut lesion = Volume::filled(SHAPE, 0.0);
    lesion.data[zones.index(1, 6, 4)] = 1.0;
    [
        ("t2w", image(0)),
        ("adc", image(31)),
        ("hbv", image(62)),
        ("zones", zones),
        ("gland", gland),
        ("lesion", lesion),
    ]
    .map(|(name, volume)| (name.to_owned(), volume))
    .into()
}

fn grid() -> Geometry {
    // 144 voxels of gland make 10.8 ml.
    Geometry::centred(SHAPE, [3.0, 5.0, 5.0])
}

/// Where a mask of the same size ends up whose header says another place: what leaves the image is gone.
trait Shift {
    fn shift(&mut self, by: [isize; 3]);
}

impl Shift for Volume {
    fn shift(&mut self, by: [isize; 3]) {
        let mut moved = Volume::filled(self.shape, 0.0);
        let [_, height, width] = self.shape;
        for (at, value) in self.data.iter().enumerate() {
            let from = [at / (height * width), at / width % height, at % width];
            let to: [Option<usize>; 3] = std::array::from_fn(|a| {
                from[a].checked_add_signed(by[a]).filter(|place| *place < self.shape[a])
            });
            if let [Some(d), Some(h), Some(w)] = to {
                let to = moved.index(d, h, w);
                moved.data[to] = *value;
            }
        }
        *self = moved;
    }
}

type Change = fn(&mut BTreeMap<String, Volume>, &mut Geometry, &mut CaseEntry);

/// A data set of four cases, of which the last is changed before it is stored or, for its entry, after.
fn checked(change: Change) -> String {
    let root = tempfile::tempdir().unwrap();
    let staging = Staging::begin(root.path(), "x").unwrap();
    let mut cases: Vec<CaseEntry> = (0..4)
        .map(|i| {
            let (mut volumes, mut grid) = (volumes(i), grid());
            let id = format!("case-{i}");
            let mut entry = staging.add_case(&id, &id, &grid, &volumes, &Contents::prostate()).unwrap();
            entry.cspca = Some(i != 3);
            if i == 3 {
                change(&mut volumes, &mut grid, &mut entry);
                let stored =
                    staging.add_case(&id, &entry.patient_id, &grid, &volumes, &Contents::prostate()).unwrap();
                entry = CaseEntry { cspca: entry.cspca, ..stored };
            }
            entry
        })
        .collect();
    let strata = cases.iter().map(|c| (c.patient_id.clone(), split::Stratum::default())).collect();
    split::assign(&mut cases, &strata, &BTreeMap::new(), split::SplitPlan::Single, 0).unwrap();
    publish(staging, cases);
    check(&root.path().join("x")).unwrap().to_string()
}

fn publish(staging: Staging, cases: Vec<CaseEntry>) -> DatasetManifest {
    let manifest = DatasetManifest {
        schema: manifest::SCHEMA,
        name: "x".into(),
        source: "test".into(),
        synthetic: false,
        hash: manifest::content_hash(&cases),
        split_hash: manifest::split_hash(&cases),
        cases,
        refused: Vec::new(),
        split_seed: 0,
        folds: None,
        patient_sources: BTreeMap::new(),
        notes: Vec::new(),
        contents: Contents::default(),
        plan: None,
    };
    staging.publish(manifest).unwrap()
}

#[test]
fn each_fault_is_named_with_its_case() {
    let faults: [(&str, Change); 19] = [
        ("case-3: adc holds 1 values that are not finite", |v, _, _| {
            v.get_mut("adc").unwrap().data[5] = f32::NAN
        }),
        ("case-3: hbv has the same value everywhere", |v, _, _| v.get_mut("hbv").unwrap().data.fill(3.0)),
        ("case-3: the same adc image as case case-1", |v, _, _| {
            v.insert("adc".into(), volumes(1).remove("adc").unwrap());
        }),
        ("case-3: its hbv image is the t2w image of case case-0", |v, _, _| {
            v.insert("hbv".into(), volumes(0).remove("t2w").unwrap());
        }),
        ("case-3: t2w and adc are the same image", |v, _, _| {
            let t2w = v["t2w"].clone();
            v.insert("adc".into(), t2w);
        }),
        ("case-3: the gland mask is empty", |v, _, _| v.get_mut("gland").unwrap().data.fill(0.0)),
        ("case-3: zones holds the value 7: 0 and 1, 2 were expected", |v, _, _| {
            v.get_mut("zones").unwrap().data[0] = 7.0
        }),
        ("case-3: zone 1 lies in front of zone 2", |v, _, _| {
            let zones = &mut v.get_mut("zones").unwrap().data;
            zones.iter_mut().filter(|z| **z > 0.0).for_each(|z| *z = 3.0 - *z);
        }),
        ("case-3: the gland mask reaches the edge", |v, _, _| {
            v.get_mut("gland").unwrap().data[..3].fill(1.0)
        }),
        ("of the gland mask lie where the t2w image is empty", |v, _, _| {
            v.get_mut("t2w").unwrap().data[..240].fill(0.0)
        }),
        ("25 % of the gland mask lie where the adc image is empty", |v, _, _| {
            v.get_mut("adc").unwrap().data[..120].fill(0.0)
        }),
        ("case-3: gland: its middle lies at 20 % of the columns, outside the middle half", |v, _, _| {
            v.get_mut("gland").unwrap().shift([0, 0, -4]);
        }),
        ("case-3: zones: its middle lies at 79 % of the rows", |v, _, _| {
            v.get_mut("zones").unwrap().shift([0, 4, 0]);
        }),
        ("case-3: gland and zones differ in 36 voxels", |v, _, _| {
            let gland = v.get_mut("gland").unwrap();
            gland.data[..120].fill(0.0);
        }),
        ("case-3: most of the lesion mask lies outside the gland", |v, _, _| {
            let lesion = &mut v.get_mut("lesion").unwrap().data;
            lesion.fill(0.0);
            lesion[0] = 1.0;
        }),
        ("case-3: a gland of 0.6 ml where 10.8 ml are usual", |v, _, _| {
            for name in ["gland", "zones"] {
                let mask = v.get_mut(name).unwrap();
                mask.data
                    .iter_mut()
                    .enumerate()
                    .filter(|(i, _)| ![34, 35, 36, 64, 65, 66, 74, 75].contains(i))
                    .for_each(|(_, m)| *m = 0.0);
            }
        }),
        ("case-3: voxels of 9.000 x 5.000 x 5.000 mm, unlike the usual 3.000", |_, g, _| {
            *g = Geometry::centred(SHAPE, [9.0, 5.0, 5.0]);
        }),
        ("case-3: the slices do not run along the body", |_, g, _| {
            *g =
                Geometry::new([5.0, 5.0, 3.0], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
        }),
        ("note: 1 of 4 cases have no hbv, such as case-3", |v, _, _| {
            v.remove("hbv");
        }),
    ];
    for (words, change) in faults {
        let text = checked(change);
        assert!(text.contains(words), "{words}:\n{text}");
    }
}

#[test]
fn labels_that_contradict_the_masks_and_patients_in_two_splits_are_named() {
    let text = checked(|_, _, _| {});
    assert!(
        text.contains(
            "case-3: the table says no clinically significant cancer, but the lesion mask is not empty"
        ),
        "{text}"
    );
    assert!(
        text.contains("has no case with clinically significant cancer")
            || text.contains("has no case without")
    );
    let text = checked(|v, _, entry| {
        v.get_mut("lesion").unwrap().data.fill(0.0);
        entry.cspca = Some(true);
    });
    assert!(text.contains("case-3: the table says cancer, but the lesion mask is empty"), "{text}");
}

/// A data set of four cases, without anything that was noted when it was added.
fn older(root: &Path, change: impl Fn(usize, &mut BTreeMap<String, Volume>)) -> DatasetManifest {
    let staging = Staging::begin(root, "x").unwrap();
    let entry = |i: usize| {
        let mut volumes = volumes(i);
        change(i, &mut volumes);
        let id = format!("case-{i}");
        let mut entry = staging.add_case(&id, &id, &grid(), &volumes, &Contents::prostate()).unwrap();
        entry.mask_labels.clear();
        entry
    };
    let mut cases: Vec<CaseEntry> = (0..6).map(entry).collect();
    let strata = cases.iter().map(|c| (c.patient_id.clone(), split::Stratum::default())).collect();
    split::assign(&mut cases, &strata, &BTreeMap::new(), split::SplitPlan::Single, 0).unwrap();
    publish(staging, cases)
}

#[test]
fn a_displaced_mask_is_found_in_a_set_that_was_added_before_and_said_once() {
    let root = tempfile::tempdir().unwrap();
    let mut manifest = older(root.path(), |i, volumes| {
        if i == 2 {
            ["gland", "zones"].iter().for_each(|m| volumes.get_mut(*m).unwrap().shift([0, -4, 0]));
        }
    });
    let folder = root.path().join("x");
    let found = |report: &CheckReport| {
        let of = report.findings.iter().filter(|f| f.message.contains("outside the middle half"));
        of.map(|f| (f.case_id.clone().unwrap(), f.message.clone())).collect::<Vec<_>>()
    };
    let said = found(&check(&folder).unwrap());
    assert_eq!(said.iter().map(|(case, _)| case.as_str()).collect::<Vec<_>>(), ["case-2"; 2]);

    // The import of today notes it in the same words.
    let entry = manifest.cases.iter_mut().find(|c| c.case_id == "case-2").unwrap();
    entry.notes = said.iter().map(|(_, message)| message.clone()).collect();
    std::fs::write(folder.join("dataset.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    assert_eq!(found(&check(&folder).unwrap()).len(), 2);
}

#[test]
fn a_check_tells_which_splits_of_an_older_set_have_nothing_to_segment() {
    let root = tempfile::tempdir().unwrap();
    let manifest = older(root.path(), |_, _| ());
    for split in Split::ALL {
        let root = tempfile::tempdir().unwrap();
        let of = |i: usize| manifest.cases.iter().find(|c| c.case_id == format!("case-{i}")).unwrap().split;
        let set = older(root.path(), |i, volumes| {
            if of(i) == split {
                ["zones", "gland", "lesion"]
                    .iter()
                    .for_each(|mask| volumes.get_mut(*mask).unwrap().data.fill(0.0));
            }
        });
        let set = DatasetManifest { contents: Contents::prostate(), ..set };
        assert_eq!(set.task_problem(Task::from(TaskKind::Segmentation), Wish::default()), None);
        let report = check(&root.path().join("x")).unwrap();
        let use_ = report.tasks.iter().find(|t| t.task == TaskKind::Segmentation && t.default).unwrap();
        let problem = use_.problem.as_ref().unwrap();
        assert!(problem.contains(&format!("all zones masks of {split} are empty")), "{problem}");
        let lesions = format!("lesion masks of {split} contains a lesion");
        assert!(report.findings.iter().any(|f| f.message.contains(&lesions)), "{report}");
    }
}

#[test]
fn patients_who_look_alike_in_different_splits_are_named() {
    let root = tempfile::tempdir().unwrap();
    let mut manifest = older(root.path(), |_, _| ());
    let folder = root.path().join("x");
    let names = |split: Split| {
        Split::ALL.into_iter().position(|s| s == split).map(|i| ["P 007", "p_7", "P7"][i]).unwrap()
    };
    manifest.cases.iter_mut().for_each(|case| case.patient_id = names(case.split).into());
    std::fs::write(folder.join("dataset.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let text = check(&folder).unwrap().to_string();
    assert!(
        text.contains("look alike are in different splits: \"P 007\" in train, \"p_7\" in val; if"),
        "{text}"
    );
}

#[test]
fn a_report_in_json_comes_back() {
    let root = tempfile::tempdir().unwrap();
    let staging = Staging::begin(root.path(), "x").unwrap();
    let case = staging.add_case("a", "a", &grid(), &volumes(0), &Contents::prostate()).unwrap();
    publish(staging, vec![case]);
    let report = check(Path::new(&root.path().join("x"))).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<CheckReport>(&text).unwrap(), report);
    assert_eq!(report.labels["zones"], [0, 1, 2]);
}
