//! No patient is in two splits, whoever says who they are.

use std::collections::BTreeMap;

use transferscope_domain::metric::Split;

use super::{DatasetManifest, Place, assert_said, grid, nifti_file, picture, place};
use crate::data::fixtures::{
    dicom,
    metaimage::{self, Storage},
};

/// Two examinations of each of six patients, as DICOM files with these identifiers.
fn examinations(place: &Place, identifier: impl Fn(usize) -> String) {
    for patient in 0..6 {
        for (visit, letter) in ["a", "b"].into_iter().enumerate() {
            for (i, file) in dicom::series(&picture(2 * patient + visit), &grid()).into_iter().enumerate() {
                let file = file.with((0x0010, 0x0020), b"LO", identifier(patient));
                place.write(&format!("exam_{patient}{letter}/t2w/{i}.dcm"), file.bytes());
            }
        }
    }
}

fn splits_of(made: &DatasetManifest) -> BTreeMap<String, Vec<Split>> {
    let mut splits: BTreeMap<String, Vec<Split>> = BTreeMap::new();
    for case in &made.cases {
        splits.entry(case.case_id[..6].to_owned()).or_default().push(case.split);
    }
    splits
}

fn assert_together(made: &DatasetManifest) {
    let apart = splits_of(made).into_iter().find(|(_, splits)| splits[0] != splits[1]);
    assert_eq!(apart, None);
    assert_eq!(made.patients(), 6);
}

#[test]
fn examinations_with_one_patient_id_stay_together() {
    let place = place();
    examinations(&place, |patient| format!("PID-{patient:03}"));
    let made = place.add();
    assert_together(&made);
    assert_eq!(made.cases[0].patient_id, "PID-000");
    assert_eq!(made.patient_sources, BTreeMap::from([("PatientID of the images".to_owned(), 12)]));
    assert!(place.check().contains("patients from: PatientID of the images (12)"));
}

#[test]
fn a_patient_id_of_everybody_is_not_believed() {
    for id in ["ANONYMOUS", "P-0815"] {
        let place = place();
        examinations(&place, |_| id.to_owned());
        let made = place.add();
        assert_eq!(made.patients(), 12);
        let words = format!("every case has the PatientID {id:?}, which is ignored");
        assert!(made.notes.iter().any(|note| note.contains(&words)), "{:?}", made.notes);
        let check = place.check();
        assert!(check.contains(&words), "{check}");
        // Their names say the same as the identifiers should have.
        assert!(check.contains("look like several visits of one patient by their names"), "{check}");
    }
}

#[test]
fn the_table_wins_over_the_images_and_contradictions_are_named() {
    let place = place();
    examinations(&place, |patient| format!("PID-{patient:03}"));
    let mut table = "case_id,patient_id\n".to_owned();
    for patient in 0..6 {
        for letter in ["a", "b"] {
            table.push_str(&format!("exam_{patient}{letter},P{}\n", if patient == 5 { letter } else { "0" }));
        }
    }
    place.write("cases.csv", table);
    let made = place.add();
    assert_eq!(made.patients(), 3);
    assert_eq!(made.patient_sources, BTreeMap::from([("cases.csv".to_owned(), 12)]));
    assert_said(&place, &made.cases[10], "probably the same patient as \"exam_5b\" under another name");
    assert!(
        made.notes.iter().any(|note| note.contains("have several PatientIDs, such as \"P0\"")),
        "{:?}",
        made.notes
    );
    // A table that is about some cases only: the others go with them by their identifiers.
    place.write("cases.csv", "case_id,patient_id\nexam_0a,first\n");
    let made = place.add();
    assert_together(&made);
    assert_eq!(made.cases[1].patient_id, "first");
}

#[test]
fn other_formats_name_patients_as_well() {
    let place = place();
    for patient in 0..6 {
        for (visit, letter) in ["a", "b"].into_iter().enumerate() {
            let (folder, image) = (format!("exam_{patient}{letter}"), picture(2 * patient + visit));
            if visit == 0 {
                place.write(&format!("{folder}/t2w.nii"), nifti_file(&image));
                place.write(&format!("{folder}/t2w.json"), format!("{{\"PatientID\": \"PID-{patient}\"}}"));
            } else {
                let text = metaimage::header(&image, &grid(), Storage::Raw, "LOCAL");
                let mut bytes =
                    text.replace("NDims", &format!("0010|0020 = PID-{patient}\nNDims")).into_bytes();
                bytes.extend(metaimage::data(&image, Storage::Raw));
                place.write(&format!("{folder}/t2w.mha"), bytes);
            }
        }
    }
    assert_together(&place.add());
}

#[test]
fn a_copy_of_a_case_is_the_same_patient_s() {
    let place = place();
    (0..6).for_each(|seed| place.case(&format!("exam_{seed}"), seed));
    place.case("copy", 3);
    let made = place.add();
    assert_eq!(made.patients(), 6);
    let of = |id: &str| made.cases.iter().find(|case| case.case_id == id).unwrap();
    assert_eq!(of("copy").patient_id, of("exam_3").patient_id);
    assert_said(
        &place,
        of("copy"),
        "\"copy\" and \"exam_3\" are taken for one patient: t2w image of theirs is the same",
    );
    // Where a table says otherwise it is said, and the check calls it an error.
    place.write(
        "cases.csv",
        "case_id,patient_id,split\ncopy,p,train\nexam_3,q,test\n\
        exam_0,a,train\nexam_1,b,val\nexam_2,c,train\nexam_4,d,train\nexam_5,e,train\n",
    );
    place.add();
    let check = place.check();
    let words = "ERROR: exam_3: the same t2w image as case copy: probably one patient under two names, p and q; one is in train and the other in test";
    assert!(check.contains(words), "{check}");
}

#[test]
fn images_of_two_patients_in_one_case_are_named() {
    let place = place();
    examinations(&place, |patient| format!("PID-{patient:03}"));
    for (i, file) in dicom::series(&picture(50), &grid()).into_iter().enumerate() {
        place.write(&format!("exam_0a/adc/{i}.dcm"), file.with((0x0010, 0x0020), b"LO", "PID-004").bytes());
    }
    let made = place.add();
    assert_said(
        &place,
        &made.cases[0],
        "its images name different patients (PatientID \"PID-000\" and \"PID-004\")",
    );
}
