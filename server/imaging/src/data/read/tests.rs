use std::{io::Write, path::Path};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::data::{
    Geometry, Volume,
    fixtures::{shared, tensors},
    write::{self, Element},
};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn close(got: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() < 1e-5 * expected.abs().max(1.0), "{what}: {got}, expected {expected}");
}

/// Geometry against nibabel's affine (RAS).
fn same_as_nibabel(image: &Image, affine: &Value, what: &str) {
    for row in 0..3 {
        for column in 0..4 {
            let sign = if row < 2 { -1.0 } else { 1.0 };
            close(sign * image.geometry.world_from_voxel[row][column], &affine[row][column], what);
        }
    }
}

/// Geometry against what ITK says (LPS).
fn same_as_itk(image: &Image, spacing: &Value, origin: &Value, direction: &Value, what: &str) {
    let [sz, sy, sx] = image.geometry.spacing_mm();
    for (axis, step) in [sx, sy, sz].into_iter().enumerate() {
        close(step, &spacing[axis], what);
        close(image.geometry.origin()[axis], &origin[axis], what);
        for row in 0..3 {
            close(image.geometry.world_from_voxel[row][axis] / step, &direction[3 * row + axis], what);
        }
    }
}

#[test]
fn reference_files_read_as_nibabel_and_itk_read_them() {
    let Some(folder) = shared("reference images") else { return };
    let io = folder.join("reference/io");
    let arrays = tensors(&io.join("expected_arrays.safetensors"));
    let expected = json(&io.join("expected.json"));
    let mut read = 0;
    for (name, about) in expected.as_object().unwrap() {
        let got = image(&io.join(name));
        if name == "int16_4d.nii.gz" {
            assert!(got.unwrap_err().to_string().contains("4 dimensions (7x6x3x2)"));
            continue;
        }
        if name == "float32_nan_inf.nii.gz" {
            assert!(got.unwrap_err().to_string().contains("2 voxels are not finite"));
            continue;
        }
        let got = got.unwrap_or_else(|e| panic!("{e}"));
        let (shape, values) = &arrays[&format!("{name}.array")];
        assert_eq!(got.volume.shape.as_slice(), shape.as_slice(), "{name}");
        assert_eq!(&got.volume.data, values, "{name}");
        if let Some(affine) = about.get("nibabel_affine_ras") {
            same_as_nibabel(&got, affine, name);
        } else {
            same_as_itk(&got, &about["spacing"], &about["origin_lps"], &about["direction_lps"], name);
        }
        read += 1;
    }
    assert_eq!(read, expected.as_object().unwrap().len() - 2);
}

#[test]
fn sample_cases_read_as_independent_readers_read_them() {
    let Some(folder) = shared("sample cases") else { return };
    for case in ["pi-cai-sample", "prostatex-0000", "prostatex-0001"] {
        let expected = json(&folder.join("data").join(case).join("expected.json"));
        for (channel, about) in expected.as_object().unwrap() {
            let what = format!("{case}/{channel}");
            let file = about["file"].as_str().or(about["folder"].as_str()).unwrap();
            let got = image(&folder.join("data").join(case).join(file)).unwrap_or_else(|e| panic!("{e}"));
            let (low, high) = got.volume.range().unwrap();
            close(low.into(), &about["min"], &what);
            close(high.into(), &about["max"], &what);
            let sum: f64 = got.volume.data.iter().map(|v| f64::from(*v)).sum();
            assert_eq!(sum, about["sum"].as_f64().unwrap(), "{what}");
            if let Some(affine) = about.get("affine_ras") {
                same_as_nibabel(&got, affine, &what);
                same_as_itk(
                    &got,
                    &about["sitk_spacing"],
                    &about["sitk_origin"],
                    &about["sitk_direction"],
                    &what,
                );
            } else {
                let (origin, direction) = (&about["itk_origin_xyz"], &about["itk_direction"]);
                same_as_itk(&got, &about["itk_spacing_xyz"], origin, direction, &what);
                for (axis, n) in got.volume.shape.iter().enumerate() {
                    assert_eq!(*n as u64, about["shape_zyx"][axis].as_u64().unwrap(), "{what}");
                }
            }
        }
    }
}

fn small() -> (Volume, Geometry) {
    let shape = [3, 4, 5];
    let volume = Volume { shape, data: (0..60).map(|v| (v * 37 % 101) as f32).collect() };
    (volume, Geometry::centred(shape, [3.0, 0.7, 0.5]))
}

fn nifti_bytes(name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (volume, geometry) = small();
    let path = folder.path().join(name);
    write::nifti(&path, &volume, &geometry, Element::U16).unwrap();
    std::fs::read(path).unwrap()
}

fn mha_bytes(compressed: bool) -> Vec<u8> {
    let (volume, _) = small();
    let raw: Vec<u8> = volume.data.iter().flat_map(|v| (*v as i16).to_le_bytes()).collect();
    let mut bytes = format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {}\nOffset = -1 -1.05 -3\n\
         ElementSpacing = 0.5 0.7 3\nDimSize = 5 4 3\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
        if compressed { "True" } else { "False" }
    )
    .into_bytes();
    if compressed {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&raw).unwrap();
        bytes.extend(encoder.finish().unwrap());
    } else {
        bytes.extend(raw);
    }
    bytes
}

fn read_bytes(name: &str, bytes: &[u8]) -> Result<Image, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    image(&path)
}

#[test]
fn what_is_written_reads_back_in_every_format() {
    let (volume, geometry) = small();
    for (name, bytes) in [
        ("a.nii", nifti_bytes("a.nii")),
        ("a.nii.gz", nifti_bytes("a.nii.gz")),
        ("a.mha", mha_bytes(false)),
        ("a.mha", mha_bytes(true)),
    ] {
        let got = read_bytes(name, &bytes).unwrap();
        assert_eq!(got.volume, volume, "{name}");
        let pairs =
            got.geometry.world_from_voxel.iter().flatten().zip(geometry.world_from_voxel.iter().flatten());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
    }
}

#[test]
fn refusals_name_file_and_reason() {
    let refusal = |name: &str, bytes: &[u8]| read_bytes(name, bytes).unwrap_err().to_string();
    let plain = nifti_bytes("a.nii");
    for (bytes, reason) in [
        (&plain[..plain.len() - 1], "truncated"),
        (&plain[..100], "no whole header"),
        (b"".as_slice(), "empty"),
        (&[b'x'; 400], "not a NIfTI-1 file"),
    ] {
        let text = refusal("a.nii", bytes);
        assert!(text.contains("a.nii: ") && text.contains(reason), "{text}");
    }
    let packed = nifti_bytes("a.nii.gz");
    assert!(refusal("a.nii.gz", &packed[..packed.len() - 20]).contains("a.nii.gz: "));
    // 32767 cubed voxels are promised; nothing of the kind is allocated.
    let mut huge = plain.clone();
    huge[42..48].copy_from_slice(&[0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f]);
    assert!(refusal("a.nii", &huge).contains("at most"));
    let mut flat = plain.clone();
    flat[280..296].fill(0);
    assert!(refusal("a.nii", &flat).contains("voxel size of 0 mm"));

    let mha = |from: &str, to: &str| {
        let text = mha_bytes(false);
        let at = text.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        [&text[..at], to.as_bytes(), &text[at + from.len()..]].concat()
    };
    for (from, to, reason) in [
        ("NDims = 3", "NDims = 4", "4 dimensions"),
        ("DimSize = 5 4 3", "DimSize = 9999999 9999999 9999999", "at most"),
        ("DimSize = 5 4 3", "DimSize = 50 4 3", "truncated"),
        ("0.5 0.7 3\n", "0.5 0 3\n", "voxel size of 0 mm"),
        ("0.5 0.7 3\n", "0.5 nan 3\n", "finite"),
        ("MET_SHORT", "MET_STRING", "ElementType = MET_STRING"),
        ("LOCAL", "other.raw", "another file"),
        ("NDims = 3", "NDims = 3\nTransformMatrix = 1 0 0 1 0 0 0 0 1", "singular"),
        ("NDims = 3", "NDims = 3\nElementNumberOfChannels = 3", "3 values a voxel"),
    ] {
        let text = refusal("a.mha", &mha(from, to));
        assert!(text.contains(reason), "{to}: {text}");
    }
    assert!(refusal("a.png", b"\x89PNG").contains("not an image this program reads"));
}

#[test]
fn nan_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (mut volume, geometry) = small();
    let at = volume.index(2, 1, 3);
    volume.data[at] = f32::NAN;
    let path = folder.path().join("a.nii");
    write::nifti(&path, &volume, &geometry, Element::F32).unwrap();
    assert!(image(&path).unwrap_err().to_string().contains("slice 2, row 1, column 3"));
}

/// One slice of the smallest DICOM series that is accepted, explicit little endian.
fn dicom_bytes(instance: u8, z: f64, series: &str) -> Vec<u8> {
    dicom_file(instance, z, series, false)
}

fn dicom_file(instance: u8, z: f64, series: &str, implicit: bool) -> Vec<u8> {
    let mut body = Vec::new();
    let mut add = |group: u16, element: u16, vr: &[u8; 2], value: &[u8]| {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == b"UI" { 0 } else { b' ' });
        }
        body.extend(group.to_le_bytes());
        body.extend(element.to_le_bytes());
        if implicit {
            body.extend((value.len() as u32).to_le_bytes());
        } else if vr == b"OW" || vr == b"OB" {
            body.extend(vr);
            body.extend([0, 0]);
            body.extend((value.len() as u32).to_le_bytes());
        } else {
            body.extend(vr);
            body.extend((value.len() as u16).to_le_bytes());
        }
        body.extend(value);
    };
    add(0x0008, 0x0018, b"UI", format!("1.2.3.{instance}").as_bytes());
    add(0x0019, 0x100C, b"OB", b"800 ");
    add(0x0020, 0x000E, b"UI", series.as_bytes());
    add(0x0020, 0x0032, b"DS", format!("-1\\-1.05\\{z}").as_bytes());
    add(0x0020, 0x0037, b"DS", b"1\\0\\0\\0\\1\\0");
    add(0x0028, 0x0002, b"US", &1u16.to_le_bytes());
    add(0x0028, 0x0004, b"CS", b"MONOCHROME2");
    add(0x0028, 0x0010, b"US", &4u16.to_le_bytes());
    add(0x0028, 0x0011, b"US", &5u16.to_le_bytes());
    add(0x0028, 0x0030, b"DS", b"0.7\\0.5");
    add(0x0028, 0x0100, b"US", &16u16.to_le_bytes());
    add(0x0028, 0x0101, b"US", &12u16.to_le_bytes());
    add(0x0028, 0x0102, b"US", &11u16.to_le_bytes());
    add(0x0028, 0x0103, b"US", &0u16.to_le_bytes());
    add(0x0028, 0x1052, b"DS", b"-10");
    add(0x0028, 0x1053, b"DS", b"0.5");
    let pixels: Vec<u8> = (0..20u16).flat_map(|v| (v + 100 * u16::from(instance)).to_le_bytes()).collect();
    add(0x7FE0, 0x0010, b"OW", &pixels);
    let mut meta = Vec::new();
    let syntax = if implicit { "1.2.840.10008.1.2\0" } else { "1.2.840.10008.1.2.1\0" };
    for (element, value) in
        [(0x0002u16, "1.2.840.10008.5.1.4.1.1.4\0"), (0x0003, "1.2.3.4\0"), (0x0010, syntax)]
    {
        meta.extend(2u16.to_le_bytes());
        meta.extend(element.to_le_bytes());
        meta.extend(b"UI");
        meta.extend((value.len() as u16).to_le_bytes());
        meta.extend(value.as_bytes());
    }
    let mut file = vec![0u8; 128];
    file.extend(b"DICM");
    file.extend([2, 0, 0, 0, b'U', b'L', 4, 0]);
    file.extend((meta.len() as u32).to_le_bytes());
    file.extend(meta);
    file.extend(body);
    file
}

fn read_series(slices: &[Vec<u8>]) -> Result<Image, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for (i, bytes) in slices.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{i}.dcm")), bytes).unwrap();
    }
    image(folder.path())
}

#[test]
fn a_series_is_sorted_by_position_and_rescaled() {
    let got =
        read_series(&[dicom_bytes(2, 6.0, "1.9"), dicom_bytes(0, 0.0, "1.9"), dicom_bytes(1, 3.0, "1.9")])
            .unwrap();
    assert_eq!(got.volume.shape, [3, 4, 5]);
    assert_eq!(got.volume.at(0, 0, 0), -10.0);
    assert_eq!(got.volume.at(2, 3, 4), 0.5 * 219.0 - 10.0);
    assert_eq!(got.geometry.spacing_mm(), [3.0, 0.7, 0.5]);
    assert_eq!(got.geometry.origin(), [-1.0, -1.05, 0.0]);
    let implicit = [0u8, 1, 2].map(|i| dicom_file(i, 3.0 * f64::from(i), "1.9", true));
    assert_eq!(read_series(&implicit).unwrap(), got);
}

/// The parser would lose its place here and take a length from the middle of a value.
#[test]
fn a_length_that_is_no_whole_number_of_values_is_refused() {
    let mut bytes = dicom_bytes(1, 3.0, "1.9");
    let private = bytes.windows(4).position(|w| w == [0x19, 0x00, 0x0C, 0x10]).unwrap();
    bytes[private + 5] = b'V';
    let error = read_series(&[dicom_bytes(0, 0.0, "1.9"), bytes]).unwrap_err().to_string();
    assert!(error.contains("damaged: 4 bytes of values of 8 bytes"), "{error}");
}

#[test]
fn series_that_do_not_hold_together_are_refused() {
    let at = |i: u8, z: f64| dicom_bytes(i, z, "1.9");
    let refusal = |slices: &[Vec<u8>]| read_series(slices).unwrap_err().to_string();
    let (a, b, c) = (at(0, 0.0), at(1, 3.0), at(2, 6.0));
    let missing = refusal(&[a.clone(), b.clone(), c.clone(), at(4, 12.0)]);
    assert!(missing.contains("slices 3 and 4 lie 6.000 mm apart"), "{missing}");
    assert!(refusal(&[a.clone(), b.clone(), at(2, 3.0)]).contains("same place"));
    assert!(refusal(&[a.clone(), dicom_bytes(1, 3.0, "1.8")]).contains("1.dcm: another series"));
    assert!(refusal(std::slice::from_ref(&a)).contains("one slice"));
    assert!(refusal(&[]).contains("no file"));
    assert!(refusal(&[a.clone(), b"no".to_vec()]).contains("not a DICOM file"));
    let cut = b[..b.len() - 6].to_vec();
    assert!(refusal(&[a.clone(), cut]).contains("truncated"));
    let mut jpeg = b.clone();
    let syntax = b"1.2.840.10008.1.2.1\0";
    let place = jpeg.windows(syntax.len()).position(|w| w == syntax).unwrap();
    jpeg[place + 18] = b'4';
    assert!(refusal(&[a, jpeg]).contains("transfer syntax 1.2.840.10008.1.2.4"));
}

/// Whatever comes out is bounded by what went in: an image has as many voxels as its header promised and
/// the file had bytes for.
fn stays_bounded(outcome: Result<Image, DataError>) {
    if let Ok(image) = outcome {
        assert!(image.volume.len() <= 20_000 && image.volume.data.iter().all(|v| v.is_finite()));
        assert_eq!(image.volume.len(), image.volume.shape.iter().product::<usize>());
    }
}

fn damaged(mut bytes: Vec<u8>, flips: &[(prop::sample::Index, u8)], keep: &prop::sample::Index) -> Vec<u8> {
    for (at, value) in flips {
        let i = at.index(bytes.len());
        bytes[i] ^= value;
    }
    let n = keep.index(bytes.len() * 3);
    bytes.truncate(if n >= bytes.len() { bytes.len() } else { n });
    bytes
}

fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, prop::sample::Index)> {
    (prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), any::<prop::sample::Index>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_nifti_never_panics((flips, keep) in damage(), packed in any::<bool>()) {
        let name = if packed { "a.nii.gz" } else { "a.nii" };
        stays_bounded(read_bytes(name, &damaged(nifti_bytes(name), &flips, &keep)));
    }

    #[test]
    fn damaged_metaimage_never_panics((flips, keep) in damage(), packed in any::<bool>()) {
        stays_bounded(read_bytes("a.mha", &damaged(mha_bytes(packed), &flips, &keep)));
    }

    #[test]
    fn damaged_dicom_never_panics((flips, keep) in damage(), implicit in any::<bool>()) {
        let slice = damaged(dicom_file(1, 3.0, "1.9", implicit), &flips, &keep);
        let slices = [dicom_bytes(0, 0.0, "1.9"), slice];
        stays_bounded(read_series(&slices));
    }
}
