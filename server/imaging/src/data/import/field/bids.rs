//! The layout of BIDS.

use transferscope_domain::{dataset::Modality, metric::Split};

use super::{Place, SHAPE, block, grid, nifti_file, picture, place};
use crate::data::fixtures::nifti::{self, Orientation};

fn note(notes: &[String], words: &str) {
    assert!(notes.iter().any(|note| note.contains(words)), "{words}: {notes:?}");
}

/// Subjects with two sessions, of which each has an image, a diffusion series and a mask.
fn subjects(n: usize) -> Place {
    let place = place();
    place.write("dataset_description.json", "{}");
    for i in 0..n {
        for session in 0..2 {
            let (sub, ses) = (format!("sub-{i:02}"), format!("ses-{session}"));
            let at = format!("{sub}/{ses}");
            let seed = 4 * i + 2 * session;
            place.write(&format!("{at}/anat/{sub}_{ses}_T1w.nii"), nifti_file(&picture(seed)));
            place.write(&format!("{at}/anat/{sub}_{ses}_FLAIR.nii"), nifti_file(&picture(seed + 1)));
            let series = nifti::file(&picture(seed + 100), &grid(), 1, Orientation::Both, 3);
            place.write(&format!("{at}/dwi/{sub}_{ses}_dwi.nii"), series);
            place.write(&format!("{at}/dwi/{sub}_{ses}_dwi.bval"), "0 500 1000");
            let mask = format!("derivatives/manual masks/{at}/anat/{sub}_{ses}_label-lesion_mask.nii");
            place.write(&mask, nifti_file(&block(1.0)));
        }
    }
    place
}

#[test]
fn subjects_sessions_masks_and_participants_are_read() {
    let place = subjects(6);
    let mut table = "participant_id\tage\tsex\tgroup\tsplit\n".to_owned();
    for i in 0..6 {
        let split = ["train", "train", "train", "train", "val", "test"][i];
        table.push_str(&format!(
            "sub-{i:02}\t{}\t{}\t{}\t{split}\n",
            20 + i,
            ["F", "M"][i % 2],
            ["control", "patient"][i / 3]
        ));
    }
    table.push_str("sub-77\tn/a\tF\tcontrol\ttrain\n");
    place.write("participants.tsv", &table);
    let space = "derivatives/fmriprep/sub-00/ses-0/anat/sub-00_ses-0_space-MNI152_desc-brain_mask.nii";
    place.write(space, nifti_file(&block(1.0)));
    place.write("derivatives/fmriprep/sub-00/ses-0/anat/sub-00_ses-0_desc-preproc_T1w.nii", "x");
    let made = place.add();
    assert_eq!(made.refused, []);
    assert_eq!((made.cases.len(), made.patients()), (12, 6));
    let case = &made.cases[1];
    assert_eq!((case.case_id.as_str(), case.patient_id.as_str()), ("sub-00_ses-1", "sub-00"));
    assert_eq!(case.channels, ["flair", "t1w", "lesion"]);
    assert!(made.contents.images.iter().all(|i| i.modality == Modality::Mr));
    assert_eq!(made.cases[11].split, Split::Test);
    let labels: Vec<_> = made.contents.labels.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(labels, ["sex", "group"]);
    assert_eq!(case.label("group"), Some("control"));
    for words in [
        "dwi: four dimensions (3 volumes)",
        "columns that are no labels: age",
        "lists 1 subject (sub-77) without images",
        "in another space than the subject's images",
        "derivatives: 1 images that are no masks",
    ] {
        note(&made.notes, words);
    }
    place.write("participants.tsv", table.replace("\tval", "\tholdout"));
    assert!(place.refusal().contains("line 6: split \"holdout\": train, val or test was expected"));
}

#[test]
fn odd_folders_of_bids_are_read_or_named() {
    // Several images of one suffix, no sessions, a segmentation with a table of its values, rare and odd files.
    let place = place();
    for i in 1..=4 {
        let sub = format!("sub-{i}");
        place.write(&format!("{sub}/anat/{sub}_T2w.nii"), nifti_file(&picture(3 * i)));
        place.write(&format!("{sub}/anat/{sub}_acq-fat_T2w.nii"), nifti_file(&picture(3 * i + 1)));
        place.write(
            &format!("derivatives/aseg/{sub}/anat/{sub}_dseg.nii"),
            nifti_file(&block(i as f32 % 2.0 + 1.0)),
        );
    }
    place.write(
        "derivatives/aseg/dseg.tsv",
        "index\tname\n0\tbackground\n1\tgrey matter\n2\twhite matter\n2000\tctx\n",
    );
    place.write("sub-1/anat/sub-1_PDw.nii", nifti_file(&picture(50)));
    place.write("sub-1/anat/sub-2_T1w.nii", "x");
    place.write("sub-1/fmap/sub-1_phasediff.nii", "x");
    place.write("sub-5/anat/sub-5_acq-fat_T2w.nii", nifti_file(&picture(60)));
    place.write("derivatives/aseg/sub-9/anat/sub-9_dseg.nii", "x");
    place.write("code/run.py", "x");
    let made = place.add();
    assert_eq!(made.cases.len(), 5);
    let images: Vec<_> = made.contents.images.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(images, ["t2w-fat", "t2w"]);
    assert_eq!(made.cases[0].channels, ["t2w-fat", "t2w", "dseg"]);
    let classes: Vec<_> =
        made.contents.masks[0].classes.iter().map(|c| (c.name.as_str(), c.values[0])).collect();
    assert_eq!(classes, [("grey matter", 1), ("white matter", 2)]);
    assert!(
        made.refused.iter().any(|r| r.reason.contains("a mask, of which there is no image")),
        "{:?}",
        made.refused
    );
    for words in
        ["pdw: 1 of 5 cases have it", "1 file (sub-1/anat/sub-2_T1w.nii) not named after", "field maps"]
    {
        note(&made.notes, words);
    }
    // Derivatives beside the raw data.
    let place = self::place();
    for i in 0..3 {
        place.write(&format!("rawdata/sub-{i}/anat/sub-{i}_T1w.nii"), nifti_file(&picture(i)));
        place.write(&format!("derivatives/x/sub-{i}/sub-{i}_mask.nii"), nifti_file(&block(1.0)));
    }
    let made = place.add();
    assert_eq!((made.cases.len(), &made.cases[2].channels[..]), (3, &["t1w", "mask"].map(String::from)[..]));
    // One subject with a PET image and a mask beside it.
    let place = self::place();
    place.write("sub-a/pet/sub-a_pet.nii", nifti_file(&picture(1)));
    place.write("sub-a/pet/sub-a_label-tumour_roi.nii", nifti_file(&block(1.0)));
    let made = place.add();
    assert_eq!(made.cases[0].channels, ["pet", "tumour"]);
    assert_eq!(made.contents.images[0].modality, Modality::Pet);
    assert_eq!(
        place.load(&made.cases[0]).volumes["tumour"].shape.iter().product::<usize>(),
        SHAPE.iter().product::<usize>()
    );
}
