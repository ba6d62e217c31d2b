//! The layout of the Medical Segmentation Decathlon.

use std::fs;

use transferscope_domain::{dataset::Modality, metric::Split};

use super::{Place, SHAPE, block, grid, nifti_file, picture, place};
use crate::data::{
    Volume,
    fixtures::{
        nifti::{self, Orientation},
        shared,
    },
    import::{AddOptions, add_with, dry_run},
};

/// A file of two volumes: a picture, and the same with every value one higher.
fn two(seed: usize) -> Vec<u8> {
    let mut bytes = nifti::file(&picture(seed), &grid(), 1, Orientation::Both, 2);
    let n: usize = SHAPE.iter().product();
    let start = bytes.len() - 2 * n;
    let (values, _) = bytes[start..].as_chunks_mut::<2>();
    values.iter_mut().for_each(|b| *b = (i16::from_le_bytes(*b) + 1).to_le_bytes());
    bytes
}

fn brain() -> Place {
    let place = place();
    for (i, case) in ["BRATS_001", "BRATS_002"].into_iter().enumerate() {
        place.write(&format!("imagesTr/{case}.nii"), two(i));
        place.write(&format!("labelsTr/{case}.nii"), nifti_file(&block(i as f32 + 1.0)));
    }
    place.write("imagesTr/._BRATS_001.nii", "what macOS leaves");
    place.write("imagesTs/BRATS_003.nii", two(3));
    place.write(
        "dataset.json",
        r#"{"modality":{"0":"FLAIR","1":"T1w"},"labels":{"0":"background","1":"edema","2":"Enhancing Tumour"},
            "numTraining":2,"training":[{"image":"./imagesTr/BRATS_001.nii.gz","label":"./labelsTr/BRATS_001.nii.gz"},
            {"image":"./imagesTr/BRATS_002.nii","label":"./labelsTr/BRATS_002.nii"}],"test":["./imagesTs/BRATS_003.nii"]}"#,
    );
    place
}

#[test]
fn volumes_of_a_file_are_the_images_of_a_case() {
    let place = brain();
    let made = place.add();
    assert_eq!(made.refused, []);
    assert_eq!(made.cases.iter().map(|c| c.case_id.as_str()).collect::<Vec<_>>(), ["BRATS_001", "BRATS_002"]);
    let images: Vec<_> = made.contents.images.iter().map(|i| (i.name.as_str(), i.modality)).collect();
    assert_eq!(images, [("flair", Modality::Mr), ("t1w", Modality::Mr)]);
    let mask = &made.contents.masks[0];
    let classes: Vec<_> = mask.classes.iter().map(|c| (c.name.as_str(), c.values[0])).collect();
    assert_eq!((mask.name.as_str(), &classes[..]), ("labels", &[("edema", 1), ("enhancing tumour", 2)][..]));
    let case = place.load(&made.cases[1]);
    let both = case.volumes["flair"].data.iter().zip(&case.volumes["t1w"].data);
    assert!(both.clone().count() > 0 && both.into_iter().all(|(a, b)| (b - a - 1.0).abs() < 1e-3));
    assert!(
        made.notes.iter().any(|note| note.contains("1 test image (BRATS_003) without a mask")),
        "{:?}",
        made.notes
    );
    // Test images with masks test, and somebody else validates.
    place.write("labelsTs/BRATS_003.nii", nifti_file(&block(1.0)));
    let made = place.add();
    let splits: Vec<Split> = made.cases.iter().map(|c| c.split).collect();
    assert_eq!((splits.len(), splits[2]), (3, Split::Test));
    assert!(splits[..2].contains(&Split::Val) && splits[..2].contains(&Split::Train), "{splits:?}");
    assert!(
        made.notes.iter().any(|note| note.contains("says who tests and not who validates")),
        "{:?}",
        made.notes
    );
}

#[test]
fn a_file_of_several_images_is_read_once() {
    use crate::data::read::{Kind, Reader, Source};
    let place = place();
    place.write("a.nii", two(0));
    let path = place.source.join("a.nii");
    let source = |index| Source::Volume { path: path.clone(), index };
    let mut reader = Reader::default();
    let first = reader.examine(&source(0), Kind::Intensities).unwrap();
    fs::write(&path, "something else").unwrap();
    let second = reader.examine(&source(1), Kind::Intensities).unwrap();
    assert_eq!(second.image.volume.data[0], first.image.volume.data[0] + 1.0);
    let error = reader.examine(&source(2), Kind::Intensities).unwrap_err().to_string();
    assert!(error.contains("it has 2 volumes, and the one numbered 2"), "{error}");
    assert!(Reader::default().examine(&source(0), Kind::Intensities).is_err());
}

#[test]
fn odd_folders_of_the_decathlon_are_read_or_named() {
    // Without dataset.json, by the names of images and masks.
    let place = brain();
    fs::remove_file(place.source.join("dataset.json")).unwrap();
    let made = place.add();
    assert_eq!(made.cases.len(), 2);
    assert_eq!(
        made.contents.images.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(),
        ["image-0", "image-1"]
    );
    assert!(made.notes.iter().any(|n| n.contains("the first file has 2 images a case")), "{:?}", made.notes);

    // One image a case, four digits, capital endings, blanks, files that nobody lists, and no mask for one.
    let place = self::place();
    for (i, case) in ["liver 0010", "liver_0011", "liver_0012"].into_iter().enumerate() {
        place.write(&format!("imagesTr/{case}.NII"), nifti_file(&picture(i)));
    }
    place.write("labelsTr/liver 0010.NII", nifti_file(&block(1.0)));
    place.write(
        "dataset.json",
        r#"{"modality":{"0":"CT"},"labels":{"0":"background","1":"Liver"},"numTraining":9,
            "training":[{"image":"./imagesTr/liver 0010.NII","label":"./labelsTr/liver 0010.NII"},"./imagesTr/liver_0011.NII",
            {"image":"./imagesTr/liver_0099.nii.gz","label":"./labelsTr/liver_0099.nii.gz"}]}"#,
    );
    let made = place.add();
    assert_eq!(made.cases.len(), 2);
    assert_eq!(
        (made.contents.images[0].name.as_str(), made.contents.images[0].modality),
        ("ct", Modality::Ct)
    );
    assert_eq!(made.contents.masks[0].name, "liver");
    assert!(made.cases[1].notes.iter().any(|n| n.contains("it has no mask")), "{:?}", made.cases[1].notes);
    assert!(made.refused[0].reason.contains("lists this image, and it is not there"), "{:?}", made.refused);
    for words in ["says 9 training images and lists 3", "does not list 1 image (liver_0012)"] {
        assert!(made.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", made.notes);
    }

    // A mask of another place costs its case, and a mask with a value that is not listed.
    place.write("labelsTr/liver 0010.NII", nifti_file(&block(3.0)));
    let reason = &place.add().refused;
    assert!(
        reason.iter().any(|r| r.reason.contains("a mask with the value 3: 0 and 1 (liver)")),
        "{reason:?}"
    );
    let small = Volume::filled([2, 3, 4], 1.0);
    place.write("labelsTr/liver 0010.NII", nifti_file(&small));
    let made = place.add();
    assert!(
        made.refused.iter().any(|r| r.case_id == "liver 0010") || !made.cases[0].notes.is_empty(),
        "{made:?}"
    );
}

#[test]
fn the_hippocampus_comes_out_right() {
    let Some(shared) = shared("import of the hippocampus") else { return };
    let folder = shared.join("data-any/Task04_Hippocampus");
    if !folder.is_dir() {
        println!("skipped: {} is absent", folder.display());
        return;
    }
    let (report, cases) = dry_run(&folder, &AddOptions::default()).unwrap();
    assert_eq!((report.layout.as_str(), report.cases, report.patients), ("msd", 260, 260));
    assert_eq!((cases.len(), report.left_out.len()), (3, 0));
    let root = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    let made = add_with(root.path(), &folder, &AddOptions::default(), &|_, _| ()).unwrap();
    println!("260 cases in {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!((made.cases.len(), made.refused.len()), (260, 0));
    let image = &made.contents.images[0];
    assert_eq!((image.name.as_str(), image.modality), ("mri", Modality::Mr));
    let mask = &made.contents.masks[0];
    let classes: Vec<_> = mask.classes.iter().map(|c| (c.name.as_str(), c.values[0])).collect();
    assert_eq!((mask.name.as_str(), &classes[..]), ("labels", &[("anterior", 1), ("posterior", 2)][..]));
    assert!(made.cases.iter().all(|case| case.mask_labels["labels"] == [1, 2]));
}
