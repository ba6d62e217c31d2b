//! Names of files and folders as people give them, and layouts that are named.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use super::{assert_said, nifti_file, picture, place};

#[test]
fn the_case_of_a_name_says_nothing() {
    let place = place();
    place.write("c1/T2W.NII", nifti_file(&picture(0)));
    place.write("c2/t2w.nii", nifti_file(&picture(1)));
    for (i, name) in ["ADC.nii", "hbv.NII", "Gland.nii"].into_iter().enumerate() {
        let volume = if i < 2 { picture(i + 2) } else { super::block(1.0) };
        place.write(&format!("c2/{name}"), nifti_file(&volume));
    }
    let made = place.add();
    assert_eq!(made.refused, []);
    assert_eq!(made.cases[0].channels, ["t2w"]);
    assert_eq!(made.cases[1].channels, ["t2w", "hbv", "adc", "gland"]);
    assert!(made.cases.iter().all(|case| case.notes.is_empty()));
    place.write("c2/T2w.mha", "x");
    assert!(place.add().refused[0].reason.contains("t2w is there more than once: T2w.mha and t2w.nii"));
}

#[test]
fn no_image_is_lost_in_silence() {
    let place = place();
    place.case("c", 0);
    for name in ["adc_.nii", "t2w_sag.nii.gz", "prostate.mha", "other.nii.gz", "hbv.nrrd", "lesion.dcm"] {
        place.write(&format!("c/{name}"), "x");
    }
    place.write("c/t2w.json", "{}");
    place.write("c/notes.txt", "x");
    let made = place.add();
    let case = &made.cases[0];
    assert_eq!(case.notes.len(), 6, "{:?}", case.notes);
    for words in [
        "adc_.nii was left out: name it adc.nii if it is the adc",
        "t2w_sag.nii.gz was left out: t2w.nii is the t2w of this case",
        "prostate.mha was left out: name it gland.mha",
        "other.nii.gz was left out: an image or mask must be named",
        "hbv.nrrd was left out, since such files are not read: convert it to hbv.nii.gz",
        "lesion.dcm was left out, since such files are not read",
    ] {
        assert_said(&place, case, words);
    }
    place.write("d/t2.nii.gz", "x");
    place.write("e/2020/t2w.nii.gz", "x");
    let made = place.add();
    assert!(
        made.refused[0].reason.contains("t2.nii.gz was left out: name it t2w.nii.gz"),
        "{:?}",
        made.refused
    );
    assert!(made.refused[1].reason.contains("2020/t2w.nii.gz lies a folder too deep"), "{:?}", made.refused);
}

#[test]
fn odd_names_of_cases_are_kept() {
    let long = "x".repeat(200);
    let names = [
        "Patient 01 (second visit)",
        "prostate \u{1F600} case",
        "\u{62d}\u{627}\u{644}\u{629} \u{661}",
        "100%25 & <b>x<",
        &long,
        "O'Brien; rm -rf",
        "a#b?c",
        "quote \"q\"",
        "line\nbreak",
    ];
    let place = place();
    for (seed, name) in names.iter().enumerate() {
        place.case(name, seed);
    }
    let made = place.add();
    assert_eq!(made.refused, []);
    let mut expected: Vec<&str> = names.to_vec();
    expected.sort_unstable();
    assert_eq!(made.cases.iter().map(|case| case.case_id.as_str()).collect::<Vec<_>>(), expected);
    made.cases.iter().for_each(|case| {
        place.load(case);
    });
}

#[test]
fn a_name_that_is_no_unicode_costs_nobody_else_their_case() {
    let place = place();
    place.case("c1", 0);
    place.case("c2", 1);
    fs::create_dir(place.source.join(OsStr::from_bytes(b"M\xfcller"))).unwrap();
    fs::write(place.source.join(OsStr::from_bytes(b"R\xfcck.txt")), "a file").unwrap();
    fs::write(place.source.join("c1").join(OsStr::from_bytes(b"adc\xfc.nii")), "x").unwrap();
    let made = place.add();
    assert_eq!(made.cases.len(), 2);
    assert_eq!(made.refused.len(), 1);
    assert_eq!(made.refused[0].case_id, "M\u{fffd}ller");
    assert!(made.refused[0].reason.contains("not valid Unicode: give it another one"));
    assert_said(&place, &made.cases[0], "its name is not valid Unicode");
}

#[test]
fn folders_that_lack_what_their_layout_needs_are_named_with_what_to_do() {
    let files = |names: &[&str], json: &str| {
        let place = place();
        names.iter().for_each(|name| place.write(name, "x"));
        if !json.is_empty() {
            place.write("dataset.json", json);
        }
        place.refusal()
    };
    let text = files(&["Dataset001_P/imagesTr/a_0000.nii.gz"], "");
    assert!(text.contains("a folder of 1 such data set (Dataset001_P): add one of them"), "{text}");
    let text = files(&["imagesTr/a_0000.nrrd"], r#"{"file_ending":".nrrd"}"#);
    assert!(
        text.contains("its files end in .nrrd") && text.contains("1 file (a_0000.nrrd) of no format"),
        "{text}"
    );
    assert!(files(&["dataset_description.json"], "").contains("no image sub-X/anat/sub-X_T1w.nii.gz"));
    for name in ["T2W.nii.gz", "t2w/1.nii.gz"] {
        assert!(files(&[name], "").contains("lies in the folder itself: every case has a folder of its own"));
    }
}
