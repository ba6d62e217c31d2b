//! Folders of pictures.

use std::fs;

use transferscope_domain::metric::Split;

use super::place;
use crate::data::fixtures::picture::{Png, jpeg, png};

/// A grey picture that is that of no other seed.
fn grey(seed: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..48).map(|i| ((i * 7 + i * i * (seed + 3)) % 251) as u8).collect();
    png(8, 6, Png::Grey8, &pixels)
}

fn colour(seed: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..144).map(|i| ((i * 7 + i * i * (seed + 3)) % 251) as u8).collect();
    png(8, 6, Png::Rgb8, &pixels)
}

fn mask(value: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..48).map(|i| if (18..22).contains(&i) { value } else { 0 }).collect();
    png(8, 6, Png::Grey8, &pixels)
}

fn note(notes: &[String], words: &str) {
    assert!(notes.iter().any(|note| note.contains(words)), "{words}: {notes:?}");
}

#[test]
fn pictures_with_masks_beside_them_are_read() {
    let place = place();
    for i in 0..4 {
        place.write(&format!("Images/scan {i}.PNG"), grey(i));
    }
    place.write("masks/scan 0.png", mask(255));
    place.write("masks/scan 1_mask.png", mask(255));
    place.write("masks/scan 2.png", mask(255));
    place.write("masks/other.png", mask(255));
    place.write("Thumbs.db", "x");
    place.write("readme.txt", "some words, of no table");
    let made = place.add();
    let ids: Vec<_> = made.cases.iter().map(|c| c.case_id.as_str()).collect();
    assert_eq!(ids, ["scan 0", "scan 1", "scan 2", "scan 3"]);
    assert_eq!(made.cases[1].channels, ["grey", "mask"]);
    assert_eq!((made.cases[0].shape, made.cases[0].spacing_mm), ([1, 6, 8], [1.0; 3]));
    assert_eq!(made.contents.masks[0].classes[0].values, [255]);
    assert_eq!(made.refused[0].case_id, "masks/other.png");
    note(&made.cases[3].notes, "it has no mask");
    note(&made.notes, "no pixel size is stored: 1 mm is assumed");
    assert!(place.check().contains("no pixel size is stored"));
    // Folders of splits, and folders of several masks.
    let place = self::place();
    for (split, i) in [("train", 0), ("train", 1), ("train", 2), ("test", 3)] {
        place.write(&format!("{split}/images/a{i}.png"), colour(i));
        place.write(&format!("{split}/labels/optic disc/a{i}.png"), mask(1));
        place.write(&format!("{split}/labels/cup/a{i}.png"), mask(1));
    }
    let made = place.add();
    assert_eq!(made.refused, []);
    assert_eq!(made.cases[0].channels, ["red", "green", "blue", "cup", "optic-disc"]);
    let splits: Vec<Split> = made.cases.iter().map(|c| c.split).collect();
    assert_eq!(splits[3], Split::Test);
    assert_eq!(splits[..3].iter().filter(|s| **s == Split::Val).count(), 1);
}

#[test]
fn masks_in_colours_in_palettes_and_with_loss_are_classes() {
    let place = place();
    let dots = |colours: [[u8; 3]; 2]| {
        let pixel = |i: usize| match i {
            18..22 => colours[0],
            30..33 => colours[1],
            _ => [0; 3],
        };
        (0..48).flat_map(pixel).collect::<Vec<u8>>()
    };
    for i in 0..3 {
        place.write(&format!("images/{i}.png"), grey(i));
        place.write(&format!("masks/{i}.png"), png(8, 6, Png::Rgb8, &dots([[255, 0, 0], [0, 0, 255]])));
    }
    let made = place.add();
    note(&made.notes, "mask: every colour is a class and black is background: #0000ff is 1, #ff0000 is 2");
    assert_eq!(made.cases[0].mask_labels["mask"], [1, 2]);
    assert_eq!(place.load(&made.cases[0]).volumes["mask"].data[18], 2.0);
    for i in 0..3 {
        let pixels: Vec<u8> = (0..48).map(|v| if v == 20 { 2 } else { 0 }).collect();
        let palette = vec![[0, 0, 0], [9, 9, 9], [200, 10, 10]];
        place.write(&format!("masks/{i}.png"), png(8, 6, Png::Palette(palette), &pixels));
    }
    assert_eq!(place.add().cases[0].mask_labels["mask"], [2]);
    let place = self::place();
    place.write("images/a.jpg", jpeg());
    place.write("masks/a.jpg", jpeg());
    let made = place.add();
    assert_eq!(made.cases[0].mask_labels["mask"], [255]);
    note(&made.cases[0].notes, "JPEG changes the values of a mask");
}

#[test]
fn a_table_names_files_patients_and_labels() {
    let place = place();
    let mut table = "Image;Patient;Age;diagnosis;set\r\n".to_owned();
    for i in 0..12 {
        place.write(&format!("IMG_{i}.png"), grey(i));
        let split = ["train", "train", "val", "test"][i / 3];
        let class = if i % 2 == 0 { "melanoma" } else { "benign" };
        table.push_str(&format!("img_{i}.jpg;P{};{};{class};{split}\r\n", i / 2 + (i / 3) * 100, 40 + i));
    }
    table.push_str("img_99.jpg;P9;1;benign;train\r\n");
    place.write("metadata.csv", table);
    let made = place.add();
    assert_eq!(made.cases.len(), 12);
    let label = &made.contents.labels[0];
    assert_eq!(
        (label.name.as_str(), &label.classes[..]),
        ("diagnosis", &["benign", "melanoma"].map(String::from)[..])
    );
    let by = |id: &str| made.cases.iter().find(|c| c.case_id == id).unwrap();
    assert_eq!(by("IMG_11").split, Split::Test);
    assert_eq!((by("IMG_0").patient_id.as_str(), by("IMG_1").patient_id.as_str()), ("P0", "P0"));
    assert_eq!(by("IMG_0").label("diagnosis"), Some("melanoma"));
    note(&made.notes, "metadata.csv: 12 of its 13 lines are about pictures");
    note(&made.notes, "columns of tables that are no labels: Age");
    assert!(made.refused[0].reason.contains("of its lines 1 name pictures that are not there"));
    // A table of cases is read as in every layout.
    fs::remove_file(place.source.join("metadata.csv")).unwrap();
    let lines: String = (0..12).map(|i| format!("IMG_{i},Q{}\n", i / 6)).collect();
    place.write("cases.csv", format!("case_id,patient_id\n{lines}"));
    assert_eq!(place.add().patients(), 2);
    // One under its name that names files is read as well.
    let lines: String = (0..12).map(|i| format!("x/IMG_{i}.png,{}\n", i % 2)).collect();
    place.write("cases.csv", format!("filename,tumour\n{lines}"));
    let made = place.add();
    assert_eq!(made.contents.labels[0].name, "tumour");
    assert_eq!(made.patients(), 12);
}

#[test]
fn folders_are_classes() {
    let place = place();
    for (i, split) in ["train", "train", "train", "valid", "test"].into_iter().enumerate() {
        place.write(&format!("{split}/PNEUMONIA/{i}.png"), grey(2 * i));
        place.write(&format!("{split}/NORMAL/{i}.png"), grey(2 * i + 1));
    }
    place.write("train/NORMAL/.DS_Store", "x");
    place.write("train/stray.png", grey(50));
    let made = place.add();
    assert_eq!(made.cases.len(), 10);
    let label = &made.contents.labels[0];
    assert_eq!(
        (label.name.as_str(), &label.classes[..]),
        ("class", &["NORMAL", "PNEUMONIA"].map(String::from)[..])
    );
    let case = made.cases.iter().find(|c| c.case_id == "valid_PNEUMONIA_3").unwrap();
    assert_eq!((case.split, case.label("class")), (Split::Val, Some("PNEUMONIA")));
    note(&made.notes, "1 picture (train/stray.png) in no folder of a class");
}

#[test]
fn odd_folders_of_pictures_are_read_or_named() {
    // One mask beside each picture, and one picture in two formats.
    let place = place();
    for i in 0..3 {
        place.write(&format!("a{i}.png"), grey(i));
        place.write(&format!("a{i}_segmentation.png"), mask(1));
    }
    place.write("a0.jpg", jpeg());
    let made = place.add();
    assert_eq!(made.cases.len(), 4, "{made:?}");
    assert_eq!(made.cases.iter().filter(|c| c.has("mask")).count(), 3);
    // The folders of Pascal VOC, and masks with soft edges.
    let place = self::place();
    for i in 0..3 {
        place.write(&format!("train_images/{i}.png"), grey(i));
        let soft: Vec<u8> = (0..400)
            .map(|v| {
                if v < 60 {
                    (v * 4) as u8
                } else if v < 200 {
                    255
                } else {
                    0
                }
            })
            .collect();
        place.write(
            &format!("train_images/big{i}.png"),
            png(20, 20, Png::Grey8, &[&soft[50..], &[3; 50]].concat()),
        );
        place.write(&format!("train_masks/big{i}.png"), png(20, 20, Png::Grey8, &soft));
        place.write(&format!("train_masks/{i}.png"), mask(255));
    }
    let made = place.add();
    assert!(made.cases.iter().all(|c| c.mask_labels["mask"] == [255]), "{made:?}");
    note(&made.cases.iter().find(|c| c.case_id == "big0").unwrap().notes, "a mask with soft edges");
    note(&made.notes, "the folder says who trains and nobody who validates or tests");
    // Folders of cases are no classes.
    let place = self::place();
    for i in 0..3 {
        place.write(&format!("case{i}/image.png"), grey(i));
        place.write(&format!("case{i}/mask.png"), mask(1));
    }
    assert!(!place.refusal().is_empty());
    // Medical images in folders with previews are as they were.
    let place = self::place();
    place.case("c1", 0);
    place.write("c1/preview.png", grey(0));
    assert_eq!(place.add().cases[0].channels, ["t2w"]);
    // A picture of one value is none, one colour of it may be.
    let place = self::place();
    place.write("a.png", png(2, 1, Png::Rgb8, &[0, 5, 9, 0, 5, 10]));
    place.write("b.png", png(2, 1, Png::Rgb8, &[1, 2, 3, 1, 2, 3]));
    let made = place.add();
    assert_eq!(made.cases[0].channels, ["red", "green", "blue"]);
    assert!(made.refused[0].reason.contains("b.png: the same value everywhere"), "{:?}", made.refused);
}
