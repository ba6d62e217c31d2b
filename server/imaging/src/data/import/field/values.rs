//! Voxels that are no numbers, and labels that are stored as other numbers.

use super::{AddOptions, SHAPE, assert_near, assert_said, block, grid, nifti_file, picture, place};
use crate::data::{
    Volume,
    fixtures::metaimage::{self, Storage},
};

/// A MetaImage of real numbers, or of ones in double precision.
fn meta(volume: &Volume, double: bool) -> Vec<u8> {
    let kind = if double { "MET_DOUBLE" } else { "MET_FLOAT" };
    let mut bytes =
        metaimage::header(volume, &grid(), Storage::Raw, "LOCAL").replace("MET_SHORT", kind).into_bytes();
    let value =
        |v: &f32| if double { f64::from(*v).to_le_bytes().to_vec() } else { v.to_le_bytes().to_vec() };
    bytes.extend(volume.data.iter().flat_map(value));
    bytes
}

/// A NIfTI file in double precision.
fn doubles(volume: &Volume) -> Vec<u8> {
    let mut bytes = nifti_file(volume)[..352].to_vec();
    bytes[70..72].copy_from_slice(&64i16.to_le_bytes());
    bytes.extend(volume.data.iter().flat_map(|v| f64::from(*v).to_le_bytes()));
    bytes
}

#[test]
fn voxels_that_are_no_numbers_are_background_in_every_format() {
    let mut holes = picture(0);
    for (i, value) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
        holes.data[i * 100..i * 100 + 60].fill(value);
    }
    let place = place();
    place.case("c", 1);
    let mut expected = holes.clone();
    expected.data.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
    for (name, bytes) in
        [("adc.mha", meta(&holes, false)), ("adc.mha", meta(&holes, true)), ("adc.nii", doubles(&holes))]
    {
        let _ = std::fs::remove_file(place.source.join("c/adc.mha"));
        place.write(&format!("c/{name}"), bytes);
        let made = place.add();
        assert_near(&place.load(&made.cases[0]).volumes["adc"], &expected, name);
        assert_said(
            &place,
            &made.cases[0],
            "180 of 1536 voxels (11.7 %) are not finite numbers and were taken as background (0)",
        );
    }
    std::fs::remove_file(place.source.join("c/adc.nii")).unwrap();
    place.floats("c/adc.nii.gz", &holes);
    let made = place.add();
    assert_near(&place.load(&made.cases[0]).volumes["adc"], &expected, "adc.nii.gz");
    // Background is the lowest value of an image that goes below 0.
    holes.data[1000] = -1024.0;
    place.floats("c/adc.nii.gz", &holes);
    let made = place.add();
    assert!((place.load(&made.cases[0]).volumes["adc"].data[0] + 1024.0).abs() < 0.1);
}

#[test]
fn an_image_that_is_mostly_no_numbers_and_a_mask_with_any_are_refused() {
    let place = place();
    place.case("c", 1);
    let mut holes = picture(0);
    holes.data[..900].fill(f32::NAN);
    place.floats("c/adc.nii", &holes);
    let text = place.refusal();
    assert!(text.contains("900 of 1536 voxels") && text.contains("59 % of it"), "{text}");
    std::fs::remove_file(place.source.join("c/adc.nii")).unwrap();
    for (name, bad) in [("gland", f32::NAN), ("zones", f32::INFINITY), ("lesion", f32::NAN)] {
        let mut mask = block(1.0);
        mask.data[3] = bad;
        place.floats(&format!("c/{name}.nii"), &mask);
        let text = place.refusal();
        assert!(text.contains(&format!("{name}.nii: 1 of 1536 voxels are not finite")), "{text}");
        assert!(text.contains("a mask must hold a whole number"), "{text}");
        std::fs::remove_file(place.source.join(format!("c/{name}.nii"))).unwrap();
    }
}

#[test]
fn masks_that_were_scaled_or_stored_as_real_numbers_are_whole_again() {
    let mut scaled = nifti_file(&block(255.0));
    scaled[112..116].copy_from_slice(&(1.0f32 / 255.0).to_le_bytes());
    let mut noisy = block(1.000_000_1);
    noisy.data.iter_mut().filter(|v| **v == 0.0).for_each(|v| *v = 1e-9);
    let place = place();
    place.case("c", 0);
    let expect = |name: &str, bytes: Option<Vec<u8>>, floats: Option<&Volume>| {
        if let Some(bytes) = bytes {
            place.write(&format!("c/{name}"), bytes);
        }
        if let Some(volume) = floats {
            place.floats(&format!("c/{name}"), volume);
        }
        let made = place.add();
        assert_eq!(place.load(&made.cases[0]).volumes["gland"], block(1.0), "{name}");
        std::fs::remove_file(place.source.join(format!("c/{name}"))).unwrap();
    };
    expect("gland.nii", None, Some(&block(0.999_99)));
    expect("gland.nii.gz", None, Some(&noisy));
    expect("gland.nii", Some(scaled), None);
    expect("gland.nii", Some(nifti_file(&block(255.0))), None);
    expect("gland.nii", Some(doubles(&block(0.999_99))), None);
    expect("gland.mha", Some(meta(&block(0.999_99), false)), None);
    expect("gland.mha", Some(meta(&block(255.0), true)), None);
}

#[test]
fn borders_marked_with_255_are_refused_with_a_way_out_or_filled() {
    let place = place();
    place.case("c", 0);
    let mut zones = block(2.0);
    for d in 0..SHAPE[0] {
        for h in 0..SHAPE[1] {
            let row = zones.index(d, h, 0);
            for v in &mut zones.data[row..row + 16] {
                *v = match (*v > 0.0, h) {
                    (true, 8..) => 1.0,
                    (true, 7) => 255.0,
                    _ => *v,
                };
            }
        }
    }
    place.write("c/zones.nii", nifti_file(&zones));
    let text = place.refusal();
    assert!(text.contains("a mask with the value 255: 0, 1 (peripheral) and 2 (transition)"), "{text}");
    assert!(text.contains("often marks borders") && text.contains("--fill-label 255"), "{text}");
    for (how, at_border) in [("255", 0.0), ("255=nearest", 1.0)] {
        let options = AddOptions { fill_label: Some(how.parse().unwrap()), ..AddOptions::default() };
        let made = place.try_with(options).unwrap();
        let loaded = place.load(&made.cases[0]);
        let zones = &loaded.volumes["zones"];
        assert_eq!((zones.at(2, 7, 7), zones.at(2, 6, 7), zones.at(2, 8, 7)), (at_border, 2.0, 1.0), "{how}");
        assert_said(&place, &made.cases[0], "zones.nii: 12 voxels of the value 255 were replaced by");
    }
    let mut gland = block(1.0);
    gland.data[700] = 255.0;
    std::fs::remove_file(place.source.join("c/zones.nii")).unwrap();
    place.write("c/gland.nii", nifti_file(&gland));
    assert!(place.refusal().contains("a mask with the value 255: beside other labels"));
}
