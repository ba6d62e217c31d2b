//! Headers that contradict themselves or one another.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::{Orientation, assert_said, assert_same, block, clear, grid, nifti, nifti_file, picture, place};
use crate::data::{
    Geometry, Image, Volume,
    fixtures::{
        metaimage::{self, Storage},
        shared,
    },
};

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The sform's rows in a file of version 1.
fn with_rows(mut bytes: Vec<u8>, rows: [[f32; 4]; 3]) -> Vec<u8> {
    for (i, value) in rows.iter().flatten().enumerate() {
        bytes[280 + 4 * i..284 + 4 * i].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

#[test]
fn an_empty_sform_gives_way_to_the_qform_in_every_kind_of_file() {
    let empty = with_rows(nifti_file(&picture(0)), [[0.0; 4]; 3]);
    let nan = with_rows(nifti_file(&picture(0)), [[f32::NAN; 4]; 3]);
    let mut second = nifti::file(&picture(0), &grid(), 2, Orientation::Both, 1);
    second[400..496].fill(0);
    let (header, voxels) = nifti::pair(&empty);
    type Files = Vec<(&'static str, Vec<u8>)>;
    let kinds: [(Files, &str); 7] = [
        (vec![("t2w.nii", empty.clone())], "its sform is empty: it was placed by its qform"),
        (vec![("t2w.nii.gz", packed(&empty))], "its sform is empty"),
        (vec![("t2w.nii", nifti::big_endian(empty.clone()))], "its sform is empty"),
        (vec![("t2w.nii", second)], "its sform is empty"),
        (vec![("t2w.hdr", header.clone()), ("t2w.img", voxels.clone())], "its sform is empty"),
        (vec![("T2W.HDR", header), ("T2W.img.gz", packed(&voxels))], "its sform is empty"),
        (vec![("t2w.nii", nan)], "its sform cannot be used (the geometry holds a value"),
    ];
    for (files, words) in kinds {
        let place = place();
        files.iter().for_each(|(name, bytes)| place.write(&format!("c/{name}"), bytes));
        let made = place.add();
        let case = place.load(&made.cases[0]);
        assert_same(&case.geometry, &grid());
        assert_eq!(case.volumes["t2w"], picture(0), "{}", files[0].0);
        assert_said(&place, &made.cases[0], words);
    }
}

#[test]
fn without_any_usable_place_both_forms_are_named() {
    let place = place();
    let mut bytes = with_rows(nifti_file(&picture(0)), [[0.0; 4]; 3]);
    bytes[256..260].copy_from_slice(&9f32.to_le_bytes());
    place.write("c/t2w.nii", &bytes);
    let text = place.refusal();
    assert!(
        text.contains("neither its sform (a voxel size of 0 mm") && text.contains("longer than 1"),
        "{text}"
    );
    bytes[252..254].fill(0);
    place.write("c/t2w.nii", &bytes);
    assert!(place.refusal().contains("and it has no qform"));
    bytes[254..256].fill(0);
    place.write("c/t2w.nii", &bytes);
    let made = place.add();
    assert_said(&place, &made.cases[0], "it has neither sform nor qform");
}

#[test]
fn forms_and_voxel_sizes_that_contradict_each_other_are_said() {
    let place = place();
    // The qform 24 mm further left than the sform.
    let mut moved = nifti_file(&picture(0));
    let x = f32::from_le_bytes(moved[268..272].try_into().unwrap());
    moved[268..272].copy_from_slice(&(x + 24.0).to_le_bytes());
    place.write("moved/t2w.nii", &moved);
    let mut sizes = nifti_file(&picture(1));
    sizes[252..254].fill(0);
    for axis in 1..4 {
        sizes[76 + 4 * axis..80 + 4 * axis].copy_from_slice(&1f32.to_le_bytes());
    }
    place.write("sizes/t2w.nii", &sizes);
    place.case("usual", 2);
    let made = place.add();
    assert_said(
        &place,
        &made.cases[0],
        "its sform and qform contradict each other (corners up to 24.0 mm apart)",
    );
    assert_same(&place.load(&made.cases[0]).geometry, &grid());
    assert_said(&place, &made.cases[1], "its pixdim says voxels of 1 x 1 x 1 mm and its affine 1 x 1 x 3 mm");
    assert!(made.cases[2].notes.is_empty(), "{:?}", made.cases[2].notes);
}

#[test]
fn dimensions_without_a_size_are_unused_ones() {
    let place = place();
    let mut four = nifti_file(&picture(0));
    four[40..42].copy_from_slice(&4i16.to_le_bytes());
    four[48..50].fill(0);
    place.write("nifti/t2w.nii", &four);
    let text = metaimage::header(&picture(1), &grid(), Storage::Raw, "LOCAL");
    let m = &grid().world_from_voxel;
    let axes: Vec<String> = (0..3)
        .flat_map(|axis| {
            let step = [1.0, 1.0, 3.0][axis];
            (0..4).map(move |row| if row < 3 { m[row][axis] / step } else { 0.0 }.to_string())
        })
        .chain(["0", "0", "0", "1"].map(str::to_owned))
        .collect();
    let line = |key: &str| text.lines().find(|l| l.starts_with(key)).unwrap().to_owned();
    let text = text
        .replace("NDims = 3", "NDims = 4")
        .replace(&line("TransformMatrix"), &format!("TransformMatrix = {}", axes.join(" ")))
        .replace(&line("Offset"), &format!("{} 0", line("Offset")))
        .replace(&line("ElementSpacing"), &format!("{} 1", line("ElementSpacing")))
        .replace(&line("DimSize"), &format!("{} 1", line("DimSize")));
    let mut mha = text.into_bytes();
    mha.extend(metaimage::data(&picture(1), Storage::Raw));
    place.write("meta/t2w.mha", &mha);
    let made = place.add();
    assert_eq!(made.refused, []);
    for (entry, seed) in [(&made.cases[0], 1), (&made.cases[1], 0)] {
        let case = place.load(entry);
        assert_eq!(case.volumes["t2w"], picture(seed));
        assert_same(&case.geometry, &grid());
    }
    assert_said(&place, &made.cases[1], "4 dimensions (16x16x6x0), of which one has no size");
}

/// What SimpleITK's GetImageFromArray leaves: the right voxel size, at the world's origin, untilted.
fn lost() -> Geometry {
    Geometry::new([1.0, 1.0, 3.0], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
}

#[test]
fn a_mask_that_lost_its_place_is_refused() {
    for (name, at) in [("gland", lost()), ("lesion", lost())] {
        let place = place();
        // Near enough that a part of it meets the t2w image.
        let mut near = grid();
        near.world_from_voxel.iter_mut().zip([5.0, -6.0, 4.0]).for_each(|(row, v)| row[3] = v);
        place.write("c/t2w.nii", nifti::file(&picture(0), &near, 1, Orientation::Both, 1));
        place.write(&format!("c/{name}.nii"), nifti::file(&block(1.0), &at, 1, Orientation::Both, 1));
        let text = place.refusal();
        assert!(text.contains("it has the size of t2w and lies elsewhere"), "{text}");
        assert!(text.contains("CopyInformation"), "{text}");
    }
}

#[test]
fn a_mask_in_another_order_of_its_voxels_is_where_it_was() {
    let place = place();
    place.case("c", 0);
    let turned = Image { volume: block(1.0), geometry: grid() };
    // Stored from the other end along two axes.
    let mut data = turned.volume.data.clone();
    data.reverse();
    let flipped = grid().flipped(0, 16).flipped(1, 16).flipped(2, 6);
    let bytes = nifti::file(&Volume { data, ..turned.volume }, &flipped, 1, Orientation::Sform, 1);
    place.write("c/gland.nii", bytes);
    let made = place.add();
    assert!(made.cases[0].notes.is_empty(), "{:?}", made.cases[0].notes);
    assert_eq!(place.load(&made.cases[0]).volumes["gland"], block(1.0));
}

#[test]
fn images_and_masks_that_lie_oddly_are_said() {
    let place = place();
    place.case("adc", 0);
    let mut up = grid();
    up.world_from_voxel.iter_mut().for_each(|row| row[3] += row[2]);
    place.write("adc/adc.nii", nifti::file(&picture(1), &up, 1, Orientation::Both, 1));
    place.case("gland", 2);
    let mut corner = Volume::filled(super::SHAPE, 0.0);
    corner.data[..40].fill(1.0);
    place.write("gland/gland.nii", nifti_file(&corner));
    let made = place.add();
    assert_said(&place, &made.cases[0], "adc.nii: it and the t2w image share only 83 % of the smaller one");
    assert_said(&place, &made.cases[1], "gland: its middle lies at 8 % of the slices");
}

#[test]
fn the_one_case_whose_left_is_the_others_right_is_named() {
    let place = place();
    for seed in 0..4 {
        place.case(&format!("c{seed}"), seed);
    }
    let bytes = nifti::file(&picture(9), &grid().flipped(0, 16), 1, Orientation::Sform, 1);
    place.write("edited/t2w.nii", bytes);
    let made = place.add();
    assert_said(&place, &made.cases[4], "stored mirrored beside those of 4 of the 5 cases");
    assert!(made.cases[..4].iter().all(|case| case.notes.is_empty()));
}

#[test]
fn cases_of_several_sizes_are_said_to_be_padded() {
    let place = place();
    place.case("a", 0);
    let small = Volume { shape: [6, 10, 16], data: picture(1).data[..960].to_vec() };
    place.write("b/t2w.nii", nifti::file(&small, &grid(), 1, Orientation::Both, 1));
    place.add();
    let text = place.check();
    assert!(
        text.contains("2 different image sizes (18 x 10 to 16 x 16 mm): smaller ones are padded"),
        "{text}"
    );
}

#[test]
fn the_real_cases_raise_no_false_alarm() {
    let Some(folder) = shared("notes about the real cases") else { return };
    let out = tempfile::tempdir().unwrap();
    let made = crate::data::import::add(out.path(), &folder.join("data"), Some("real"), &|_, _| ()).unwrap();
    assert_eq!(made.refused, []);
    for case in &made.cases {
        assert!(case.notes.is_empty(), "{}: {:?}", case.case_id, case.notes);
    }
    assert!(made.notes.is_empty(), "{:?}", made.notes);
}

#[test]
fn phantoms_raise_no_false_alarm() {
    let place = place();
    let options = crate::data::synth::SynthOptions {
        name: "made".into(),
        patients: 8,
        test_only: 0,
        seed: 3,
        size: [24, 96, 96],
    };
    crate::data::synth::generate(place.root.path(), &options, &|_, _| ()).unwrap();
    clear(&place.source);
    std::fs::remove_dir(&place.source).unwrap();
    std::fs::rename(place.root.path().join("made/cases"), &place.source).unwrap();
    let made = place.add();
    assert!(made.cases.iter().all(|case| case.notes.is_empty()), "{:?}", made.cases);
    assert!(made.notes.is_empty() && made.refused.is_empty(), "{:?}", made.notes);
}
