//! Cases that do not hold together, and damaged tables.

use std::{fs, path::Path};

use super::{Bad, SHAPE, grid, nifti_bytes, volume, write};
use crate::data::{
    Volume,
    fixtures::{
        metaimage::{self, Storage},
        nifti::{self as nifti_file, Orientation},
    },
    write::{self as writer, Element},
};

fn mask(folder: &Path, name: &str, value: f32) {
    let mut mask = Volume::filled(SHAPE, 0.0);
    mask.data[30] = value;
    writer::nifti(&folder.join("case").join(name), &mask, &grid(), Element::F32).unwrap();
}

fn table(folder: &Path, text: &str) {
    write(folder, "cases.csv", text);
}

/// A study of the PI-CAI layout in place of the case.
fn study(folder: &Path, images: &str) {
    let _ = fs::remove_dir_all(folder.join("case"));
    let bytes = metaimage::file(&volume(), &grid(), Storage::Raw);
    write(folder, &format!("{images}/10000/10000_1000000_t2w.mha"), bytes);
}

pub const KINDS: &[Bad] = &[
    Bad {
        kind: "no t2w image",
        words: "no t2w image: t2w.nii.gz, t2w.nii, t2w.mha, t2w.mhd or a folder t2w of DICOM files was expected",
        make: |f| {
            fs::rename(f.join("case/t2w.nii"), f.join("case/t2.nii")).unwrap();
        },
    },
    Bad {
        kind: "no case at all",
        words: "it holds no case folder",
        make: |f| fs::remove_dir_all(f.join("case")).unwrap(),
    },
    Bad {
        kind: "an image in two formats",
        words: "t2w is there more than once: t2w.nii and t2w.mha",
        make: |f| write(f, "case/t2w.mha", "x"),
    },
    Bad {
        kind: "a damaged image beside a good t2w",
        words: "case/adc.nii: not a NIfTI file",
        make: |f| write(f, "case/adc.nii", [1; 500]),
    },
    Bad {
        kind: "an image of another place in the world",
        words: "adc.nii: covers 0 % of the t2w grid",
        make: |f| {
            let mut away = grid();
            away.world_from_voxel[0][3] += 500.0;
            write(f, "case/adc.nii", nifti_file::file(&volume(), &away, 1, Orientation::Sform, 1));
        },
    },
    Bad {
        kind: "an hbv image with the same value everywhere",
        words: "hbv.nii: the same value everywhere",
        make: |f| {
            let flat = Volume::filled(SHAPE, 0.0);
            write(f, "case/hbv.nii", nifti_file::file(&flat, &grid(), 1, Orientation::Sform, 1));
        },
    },
    Bad {
        kind: "a mask with fractions",
        words: "a mask with the value 0.5: whole numbers from 0 to 255 were expected",
        make: |f| mask(f, "gland.nii", 0.5),
    },
    Bad {
        kind: "a mask with negative values",
        words: "a mask with the value -1",
        make: |f| mask(f, "lesion.nii", -1.0),
    },
    Bad {
        kind: "zones with a third value",
        words: "a mask with the value 3: 0, 1 (peripheral) and 2 (transition zone) were expected",
        make: |f| mask(f, "zones.nii", 3.0),
    },
    Bad {
        kind: "cases.csv without a column",
        words: "cases.csv: no column patient_id, only case_id, name",
        make: |f| table(f, "case_id,name\ncase,x\n"),
    },
    Bad {
        kind: "cases.csv with a column twice",
        words: "two columns cspca: one was expected",
        make: |f| table(f, "case_id,patient_id,cspca,cspca\ncase,p,yes,no\n"),
    },
    Bad {
        kind: "cases.csv with a case twice",
        words: "line 3: case \"case\" stands there twice",
        make: |f| table(f, "case_id,patient_id\ncase,p\ncase,q\n"),
    },
    Bad {
        kind: "cases.csv without an id",
        words: "line 2: case_id or patient_id is empty",
        make: |f| table(f, "case_id,patient_id\ncase,\n"),
    },
    Bad {
        kind: "cases.csv with a label that is none",
        words: "line 2: \"maybe\": yes, no or unknown was expected",
        make: |f| table(f, "case_id,patient_id,cspca\ncase,p,maybe\n"),
    },
    Bad {
        kind: "cases.csv with a line too short",
        words: "not a readable table",
        make: |f| table(f, "case_id,patient_id\ncase\n"),
    },
    Bad {
        kind: "cases.csv that is no text",
        words: "not a readable table",
        make: |f| {
            write(f, "cases.csv", [b"case_id,patient_id\n".as_slice(), &[0xff, 0xfe, b',', 0xff]].concat())
        },
    },
    Bad { kind: "cases.csv that is empty", words: "no column case_id", make: |f| table(f, "") },
    Bad {
        kind: "a patient in two stored splits",
        words: "patient p is in split train and in split test",
        make: |f| {
            write(f, "other/t2w.nii", nifti_bytes(2));
            table(f, "case_id,patient_id,split\ncase,p,train\nother,p,test\n");
        },
    },
    Bad {
        kind: "a stored split for some cases only",
        words: "no split is stored for case other",
        make: |f| {
            write(f, "other/t2w.nii", nifti_bytes(2));
            table(f, "case_id,patient_id,split\ncase,p,train\nother,q,\n");
        },
    },
    Bad {
        kind: "a study of PI-CAI in two folds",
        words: "the t2w image of 10000_1000000 is there more than once",
        make: |f| {
            study(f, "fold0");
            study(f, "fold1");
        },
    },
    Bad {
        kind: "a study of PI-CAI without t2w",
        words: "no t2w image",
        make: |f| {
            study(f, "fold0");
            let at = f.join("fold0/10000");
            fs::rename(at.join("10000_1000000_t2w.mha"), at.join("10000_1000000_cor.mha")).unwrap();
        },
    },
    Bad {
        kind: "a marksheet without its columns",
        words: "marksheet.csv: no column study_id",
        make: |f| {
            study(f, "fold0");
            write(f, "marksheet.csv", "patient_id,case_csPCa\n10000,YES\n");
        },
    },
    Bad {
        kind: "a marksheet with a study twice",
        words: "line 3: case 10000_1000000 stands there twice",
        make: |f| {
            study(f, "fold0");
            let text = "patient_id,study_id,case_csPCa\n10000,1000000,YES\n10000,1000000,NO\n";
            write(f, "picai_labels/clinical_information/marksheet.csv", text);
        },
    },
    Bad {
        kind: "a marksheet with an ISUP grade that is none",
        words: "line 2: case_ISUP \"9\": 0 to 5 was expected",
        make: |f| {
            study(f, "fold0");
            write(f, "marksheet.csv", "patient_id,study_id,case_ISUP\n10000,1000000,9\n");
        },
    },
];
