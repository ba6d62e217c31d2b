//! Cases that do not hold together, and damaged tables.

use std::{fs, path::Path};

use super::{Bad, SHAPE, grid, nifti_bytes, volume, write};
use crate::data::{
    Volume,
    fixtures::{
        metaimage::{self, Storage},
        nifti::{self as nifti_file, Orientation},
        picture::{Png, png},
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

/// An nnU-Net data set of one case with this `dataset.json`.
fn nnunet(folder: &Path, about: &str) {
    write(folder, "imagesTr/a_0000.nii", nifti_bytes(1));
    write(folder, "dataset.json", about);
}

/// A data set of the Decathlon of one image with this list of training images.
fn decathlon(folder: &Path, training: &str) {
    write(folder, "imagesTr/a.nii", nifti_bytes(1));
    let about = format!("{{\"modality\": {{\"0\": \"CT\"}}, \"training\": {training}}}");
    write(folder, "dataset.json", about);
}

pub const KINDS: &[Bad] = &[
    Bad {
        kind: "no t2w image",
        words: "no t2w image: t2w.nii.gz, t2w.nii, t2w.mha, t2w.mhd, t2w.hdr or a folder t2w of DICOM files was expected",
        make: |f| {
            fs::rename(f.join("case/t2w.nii"), f.join("case/adc.nii")).unwrap();
        },
    },
    Bad {
        kind: "no case at all",
        words: "it holds no case folder",
        make: |f| fs::remove_dir_all(f.join("case")).unwrap(),
    },
    Bad {
        kind: "an image in two formats",
        words: "t2w is there more than once: t2w.mha and t2w.nii",
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
        words: "a mask with the value 3: 0, 1 (peripheral) and 2 (transition) were expected",
        make: |f| mask(f, "zones.nii", 3.0),
    },
    Bad {
        kind: "zones with 255 at their borders",
        words: "255 often marks borders or voxels that nobody labelled: `--fill-label 255`",
        make: |f| mask(f, "zones.nii", 255.0),
    },
    Bad {
        kind: "a mask with NaN",
        words: "gland.nii: 1 of 60 voxels are not finite numbers, the first at slice 1, row 2, column 0: a mask must hold",
        make: |f| mask(f, "gland.nii", f32::NAN),
    },
    Bad {
        kind: "a mask that lost its origin",
        words: "gland.nii: it has the size of t2w and lies elsewhere: its corners are up to 2.0 voxels",
        make: |f| {
            let mut moved = grid();
            moved.world_from_voxel.iter_mut().for_each(|row| row[3] = 0.0);
            let mut mask = Volume::filled(SHAPE, 0.0);
            mask.data[30] = 1.0;
            writer::nifti(&f.join("case/gland.nii"), &mask, &moved, Element::U8).unwrap();
        },
    },
    Bad {
        kind: "an image one folder too deep",
        words: "2020/t2w.nii lies a folder too deep: move what is in 2020 up",
        make: |f| {
            fs::create_dir(f.join("case/2020")).unwrap();
            fs::rename(f.join("case/t2w.nii"), f.join("case/2020/t2w.nii")).unwrap();
        },
    },
    Bad {
        kind: "images that lie in no case folder",
        words: "t2w.nii lies in the folder itself: every case has a folder of its own in it",
        make: |f| fs::rename(f.join("case/t2w.nii"), f.join("t2w.nii")).unwrap(),
    },
    Bad {
        kind: "dataset.json of nnU-Net that is damaged",
        words: "dataset.json: it is no JSON: EOF while parsing",
        make: |f| nnunet(f, "{\"labels\": {"),
    },
    Bad {
        kind: "dataset.json with a label that masks cannot hold",
        words: "dataset.json: labels: \"liver\": 300: values from 0 to 255 were expected",
        make: |f| nnunet(f, r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 300}}"#),
    },
    Bad {
        kind: "dataset.json that leaves an image without a name",
        words: "dataset.json: channel_names: image 0 is missing, 1 is there",
        make: |f| nnunet(f, r#"{"channel_names": {"1": "CT"}}"#),
    },
    Bad {
        kind: "nnU-Net images without numbers",
        words: "imagesTr has no image CASE_0000.nii.gz; imagesTr: 1 file (a.nii) without a number such as _0000: left out",
        make: |f| write(f, "imagesTr/a.nii", nifti_bytes(1)),
    },
    Bad {
        kind: "an nnU-Net case whose first image is missing",
        words: "a_0000 (t2) is missing",
        make: |f| {
            write(f, "imagesTr/a_0001.nii", nifti_bytes(1));
            write(f, "dataset.json", r#"{"channel_names": {"0": "T2", "1": "ADC"}}"#);
        },
    },
    Bad {
        kind: "a folder of nnU-Net data sets",
        words: "it is a folder of 1 such data set (Dataset001_A): add one of them",
        make: |f| write(f, "Dataset001_A/imagesTr/a_0000.nii.gz", "x"),
    },
    Bad {
        kind: "a Decathlon mask that is listed and not there",
        words: "labelsTr/a.nii: dataset.json lists this mask, and it is not there",
        make: |f| decathlon(f, r#"[{"image": "./imagesTr/a.nii", "label": "./labelsTr/a.nii"}]"#),
    },
    Bad {
        kind: "a Decathlon image that is outside the folder",
        words: "dataset.json: training: \"../a.nii\": a path within the folder was expected",
        make: |f| decathlon(f, r#"[{"image": "./imagesTr/a.nii"}, {"image": "../a.nii"}]"#),
    },
    Bad {
        kind: "a Decathlon case that is listed twice",
        words: "training: case a is listed twice",
        make: |f| decathlon(f, r#"[{"image": "./imagesTr/a.nii"}, {"image": "imagesTr/a.nii"}]"#),
    },
    Bad {
        kind: "a Decathlon image of fewer dimensions than dataset.json says",
        words: "a.nii: it has 1 image, and dataset.json names 2",
        make: |f| {
            write(f, "imagesTr/a.nii", nifti_bytes(1));
            let text = r#"{"modality": {"0": "T2", "1": "ADC"}, "training": [{"image": "imagesTr/a.nii"}]}"#;
            write(f, "dataset.json", text);
        },
    },
    Bad {
        kind: "a BIDS session without the image that the others have",
        words: "no t1w image, which most cases have",
        make: |f| {
            for (subject, suffix) in [("1", "T1w"), ("2", "T1w"), ("3", "T2w")] {
                write(f, &format!("sub-{subject}/anat/sub-{subject}_{suffix}.nii"), "x");
            }
        },
    },
    Bad {
        kind: "participants.tsv without its column",
        words: "participants.tsv: no column participant_id, only id, sex",
        make: |f| {
            write(f, "sub-1/anat/sub-1_T1w.nii", nifti_bytes(1));
            write(f, "participants.tsv", "id\tsex\n1\tf\n");
        },
    },
    Bad {
        kind: "pictures whose masks have another size",
        words: "masks/a.png: a mask of 2x2 pixels on a picture of 3x2 pixels: it must have its size",
        make: |f| {
            fs::remove_dir_all(f.join("case")).unwrap();
            write(f, "images/a.png", png(3, 2, Png::Grey8, &[1, 2, 3, 4, 5, 6]));
            write(f, "masks/a.png", png(2, 2, Png::Grey8, &[0, 0, 1, 1]));
        },
    },
    Bad {
        kind: "a picture that is cut off",
        words: "a.png: a PNG picture: ",
        make: |f| {
            fs::remove_dir_all(f.join("case")).unwrap();
            let bytes = png(3, 2, Png::Grey8, &[1, 2, 3, 4, 5, 6]);
            write(f, "a.png", &bytes[..bytes.len() - 20]);
        },
    },
    Bad {
        kind: "a text under the name of a picture",
        words: "a.jpg: not a picture: neither PNG nor JPEG nor TIFF",
        make: |f| {
            fs::remove_dir_all(f.join("case")).unwrap();
            write(f, "a.jpg", "<html>");
        },
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
        words: "line 3: case \"case\" is listed twice",
        make: |f| table(f, "case_id,patient_id\ncase,p\ncase,q\n"),
    },
    Bad {
        kind: "cases.csv without an id",
        words: "line 2: case_id or patient_id is empty",
        make: |f| table(f, "case_id,patient_id\ncase,\n"),
    },
    Bad {
        kind: "cases.csv with a label that is none",
        words: "line 2: cspca \"maybe\": yes, no or unknown was expected",
        make: |f| table(f, "case_id,patient_id,cspca\ncase,p,maybe\n"),
    },
    Bad {
        kind: "cases.csv with a line too short",
        words: "line 2: case_id or patient_id is empty",
        make: |f| table(f, "case_id,patient_id\ncase\n"),
    },
    Bad {
        kind: "cases.csv with a cell too many",
        words: "cases.csv: line 2: 3 cells where the header has 2",
        make: |f| table(f, "case_id;patient_id\ncase;p;q\n"),
    },
    Bad {
        kind: "cases.csv that is about other cases",
        words: "cases.csv: it matches none of the case folders: it has case_id \"a\", the first folder is \"case\"",
        make: |f| table(f, "case_id,patient_id\na,p\nb,q\n"),
    },
    Bad {
        kind: "cases.csv that is a workbook",
        words: "cases.csv: not a readable table: a workbook of Excel",
        make: |f| write(f, "cases.csv", b"PK\x03\x04 and more"),
    },
    Bad {
        kind: "a workbook in place of cases.csv",
        words: "cases.xlsx: a workbook is not read: save its table as CSV",
        make: |f| write(f, "cases.xlsx", b"PK\x03\x04 and more"),
    },
    Bad {
        kind: "two tables",
        words: "cases.csv and cases.tsv: one table of the cases was expected",
        make: |f| {
            table(f, "case_id,patient_id\ncase,p\n");
            write(f, "cases.tsv", "case_id\tpatient_id\ncase\tp\n");
        },
    },
    Bad {
        kind: "a line that can be about two cases",
        words: "it says \"1\", which can be \"001\" or \"01\": write case_id as the folders are named",
        make: |f| {
            write(f, "01/t2w.nii", nifti_bytes(2));
            write(f, "001/t2w.nii", nifti_bytes(2));
            table(f, "case_id,patient_id\n1,p\n");
        },
    },
    Bad {
        kind: "cases.csv that is no text",
        words: "not a readable table",
        make: |f| {
            write(f, "cases.csv", [b"case_id,patient_id\n".as_slice(), &[0xff, 0xfe, b',', 0x07]].concat())
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
        words: "line 3: case 10000_1000000 is listed twice",
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
