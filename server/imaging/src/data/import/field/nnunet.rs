//! The layout of nnU-Net.

use std::fs;

use transferscope_domain::{dataset::Modality, metric::Split};

use super::{Place, block, nifti_file, picture, place};
use crate::data::fixtures::{
    metaimage::{self, Storage},
    picture::{Png, png},
};

fn place_with(cases: &[&str], about: &str) -> Place {
    let place = place();
    for (i, case) in cases.iter().enumerate() {
        place.write(&format!("imagesTr/{case}_0000.nii"), nifti_file(&picture(2 * i)));
        place.write(&format!("imagesTr/{case}_0001.nii"), nifti_file(&picture(2 * i + 1)));
        place.write(&format!("labelsTr/{case}.nii"), nifti_file(&block((i % 3) as f32 + 1.0)));
    }
    if !about.is_empty() {
        place.write("dataset.json", about);
    }
    place
}

const ABOUT: &str = r#"{"channel_names":{"0":"T2","1":"ADC"},"labels":{"background":0,"whole":[1,2,3],"core":[2,3],
    "ignore":4},"regions_class_order":[1,2],"numTraining":3,"file_ending":".nii"}"#;

#[test]
fn numbered_images_regions_and_an_ignored_value_are_read() {
    let place = place_with(&["a", "b", "c"], ABOUT);
    let made = place.add();
    assert_eq!((made.refused.len(), made.cases.len()), (0, 3));
    assert_eq!(made.notes, Vec::<String>::new());
    let images: Vec<_> = made.contents.images.iter().map(|i| (i.name.as_str(), i.modality, i.epi)).collect();
    assert_eq!(images, [("t2", Modality::Mr, false), ("adc", Modality::Mr, true)]);
    let mask = &made.contents.masks[0];
    let classes: Vec<_> = mask.classes.iter().map(|c| (c.name.as_str(), c.values.clone())).collect();
    assert_eq!(classes, [("whole", vec![1, 2, 3]), ("core", vec![2, 3])]);
    assert_eq!((mask.name.as_str(), mask.ignore), ("labels", Some(4)));
    assert_eq!(made.cases[0].channels, ["t2", "adc", "labels"]);
}

#[test]
fn test_cases_and_rounds_are_kept() {
    let place = place_with(&["a", "b", "c"], ABOUT);
    for case in ["t1", "t2"] {
        place.write(&format!("imagesTs/{case}_0000.nii"), nifti_file(&picture(case.len() * 31 + 7)));
    }
    place.write("imagesTs/t2_0000.nii", nifti_file(&picture(77)));
    place.write("labelsTs/t1.nii", nifti_file(&block(1.0)));
    let rounds = r#"[{"train":["b","c"],"val":["a"]},{"train":["a","c"],"val":["b"]},{"train":["a","b"],"val":["c"]}]"#;
    place.write("splits_final.json", rounds);
    let made = place.add();
    let found: Vec<_> = made.cases.iter().map(|c| (c.case_id.as_str(), c.fold)).collect();
    assert_eq!(found, [("a", Some(0)), ("b", Some(1)), ("c", Some(2)), ("t1", None)]);
    assert_eq!(made.cases[3].split, Split::Test);
    assert!(made.cases[..3].iter().all(|case| case.split != Split::Test));
    assert!(
        made.notes.iter().any(|n| n.contains("1 test case (t2) without a mask in labelsTs")),
        "{:?}",
        made.notes
    );
    place.write("splits_final.json", rounds.replace("\"val\":[\"c\"]", "\"val\":[\"b\"]"));
    let made = place.add();
    assert!(made.cases.iter().all(|case| case.fold.is_none()));
    assert!(
        made.notes.iter().any(|n| n.contains("splits_final.json was not used: round 2 trains on b")),
        "{:?}",
        made.notes
    );
}

#[test]
fn odd_folders_of_nnunet_are_read_or_named() {
    // Without dataset.json, in other formats, with capital endings and blanks in names.
    let place = self::place();
    let meta = |seed| metaimage::file(&picture(seed), &super::grid(), Storage::Zlib);
    place.write("imagesTr/case 1_0000.MHA", meta(0));
    place.write("imagesTr/case 2_0000.nii", nifti_file(&picture(1)));
    place.write("imagesTr/case 2_0003.nii", nifti_file(&picture(4)));
    place.write("imagesTr/case 3_0000.nii", nifti_file(&picture(2)));
    place.write("imagesTr/case 3_0000.mha", meta(3));
    place.write("imagesTr/notes.txt", "x");
    place.write("imagesTr/case 4.nii", "x");
    place.write("labelsTr/case 1.nii", nifti_file(&block(2.0)));
    place.write("labelsTr/case 9.nii", nifti_file(&block(1.0)));
    let made = place.add();
    assert_eq!(made.cases.iter().map(|c| c.case_id.as_str()).collect::<Vec<_>>(), ["case 1", "case 2"]);
    assert_eq!(made.cases[0].channels, ["image-0", "labels"]);
    assert_eq!(made.cases[1].channels, ["image-0", "image-3"]);
    let refused: Vec<_> = made.refused.iter().map(|r| (r.case_id.as_str(), r.reason.as_str())).collect();
    assert!(
        refused.iter().any(|(id, why)| *id == "case 3" && why.contains("_0000 is there more than once")),
        "{refused:?}"
    );
    assert!(
        refused.iter().any(|(id, why)| *id == "case 9" && why.contains("but imagesTr no image")),
        "{refused:?}"
    );
    for words in [
        "dataset.json is not there: by their numbers, _0000 to _0003 are taken for images",
        "the classes of the masks are told from their values",
        "1 file (notes.txt) of no format that is read",
        "1 file (case 4.nii) without a number",
    ] {
        assert!(made.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", made.notes);
    }
    assert!(
        made.cases[1].notes.iter().any(|n| n.contains("labelsTr has no mask of it")),
        "{:?}",
        made.cases[1].notes
    );

    // Of version 1, with one label, and more images than it names.
    let place = place_with(&["x"], r#"{"modality":{"0":"noNorm"},"labels":{"0":"background","1":"Spleen"}}"#);
    let made = place.add();
    assert_eq!(made.cases[0].channels, ["image", "spleen"]);
    assert!(
        made.notes.iter().any(|n| n.contains("names 1 images: 1 number (_0001) left out")),
        "{:?}",
        made.notes
    );

    // No masks at all.
    let place = place_with(&["x", "y"], ABOUT);
    fs::remove_dir_all(place.source.join("labelsTr")).unwrap();
    let made = place.add();
    assert!(made.contents.masks.is_empty());
    assert!(
        made.cases[0].notes.iter().any(|n| n.contains("there is no labelsTr")),
        "{:?}",
        made.cases[0].notes
    );
}

#[test]
fn pictures_of_nnunet_are_images_by_colour() {
    let place = place();
    for i in 0..3u8 {
        let pixels: Vec<u8> = (0..36).map(|v| v * (i + 1)).collect();
        place.write(&format!("imagesTr/img-{i}_0000.png"), png(4, 3, Png::Rgb8, &pixels));
        let mask = [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
        place.write(&format!("labelsTr/img-{i}.png"), png(4, 3, Png::Grey8, &mask));
    }
    place.write(
        "dataset.json",
        r#"{"channel_names":{"0":"R","1":"G","2":"B"},"labels":{"background":0,"road":1},"file_ending":".png"}"#,
    );
    let made = place.add();
    assert_eq!(made.refused, []);
    assert_eq!(made.cases[0].channels, ["r", "g", "b", "road"]);
    let case = place.load(&made.cases[0]);
    assert_eq!((case.volumes["r"].data[1], case.volumes["b"].data[1]), (3.0, 5.0));
}
