use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::data::{
    Geometry, Volume,
    fixtures::{
        dicom,
        metaimage::{self, Storage},
        nifti, shared, tensors,
    },
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
    for (name, about) in expected.as_object().unwrap() {
        let got = volumes(&io.join(name)).unwrap_or_else(|e| panic!("{e}"));
        let (shape, values) = &arrays[&format!("{name}.array")];
        assert_eq!(got[0].volume.shape.as_slice(), &shape[shape.len() - 3..], "{name}");
        assert_eq!(got.len(), if shape.len() == 4 { shape[0] } else { 1 }, "{name}");
        let all: Vec<f32> = got.iter().flat_map(|image| image.volume.data.clone()).collect();
        let same = all.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && all.len() == values.len(), "{name}");
        let refusal = image(&io.join(name)).err().map(|e| e.to_string()).unwrap_or_default();
        match name.as_str() {
            "int16_4d.nii.gz" => assert!(refusal.contains("4 dimensions (7x6x3x2): 2 volumes"), "{refusal}"),
            "float32_nan_inf.nii.gz" => {
                assert_eq!(refusal, "");
                let found = examine(&Source::Path(io.join(name)), Kind::Intensities).unwrap();
                assert!(
                    found.notes[0].starts_with("2 of ") && found.notes[0].contains("taken as background")
                );
                let refusal = examine(&Source::Path(io.join(name)), Kind::Labels).unwrap_err().to_string();
                assert!(refusal.contains("2 of ") && refusal.contains("a mask must hold"), "{refusal}");
            }
            _ => assert_eq!(refusal, "", "{name}"),
        }
        let got = got.into_iter().next().unwrap();
        if let Some(affine) = about.get("nibabel_affine_ras") {
            same_as_nibabel(&got, affine, name);
        } else {
            same_as_itk(&got, &about["spacing"], &about["origin_lps"], &about["direction_lps"], name);
        }
    }
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

fn mha_bytes(storage: Storage) -> Vec<u8> {
    let (volume, geometry) = small();
    metaimage::file(&volume, &geometry, storage)
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
        ("a.mha", mha_bytes(Storage::Raw)),
        ("a.mha", mha_bytes(Storage::Zlib)),
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
        (&[b'x'; 400], "not a NIfTI file"),
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
        let text = mha_bytes(Storage::Raw);
        let at = text.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        [&text[..at], to.as_bytes(), &text[at + from.len()..]].concat()
    };
    for (from, to, reason) in [
        ("NDims = 3", "NDims = 4", "4 dimensions"),
        ("DimSize = 5 4 3", "DimSize = 9999999 9999999 9999999", "at most"),
        ("DimSize = 5 4 3", "DimSize = 50 4 3", "truncated"),
        ("ElementSpacing = 0.5 0.7 3\n", "ElementSpacing = 0.5 0 3\n", "voxel size of 0 mm"),
        ("ElementSpacing = 0.5 0.7 3\n", "ElementSpacing = 0.5 nan 3\n", "finite"),
        ("MET_SHORT", "MET_STRING", "ElementType = MET_STRING"),
        ("LOCAL", "other.raw", "its data file other.raw is not there"),
        ("1 0 0 0 1 0 0 0 1", "1 0 0 1 0 0 0 0 1", "singular"),
        ("NDims = 3", "NDims = 3\nElementNumberOfChannels = 3", "3 values a voxel"),
    ] {
        let text = refusal("a.mha", &mha(from, to));
        assert!(text.contains(reason), "{to}: {text}");
    }
    assert!(refusal("a.png", b"\x89PNG").contains("not an image this program reads"));
}

#[test]
fn nan_in_a_mask_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (mut volume, geometry) = small();
    let at = volume.index(2, 1, 3);
    volume.data[at] = f32::NAN;
    let path = folder.path().join("a.nii");
    write::nifti(&path, &volume, &geometry, Element::F32).unwrap();
    let refusal = examine(&Source::Path(path.clone()), Kind::Labels).unwrap_err().to_string();
    assert!(refusal.contains("slice 2, row 1, column 3"), "{refusal}");
    assert_eq!(image(&path).unwrap().volume.data[at], 0.0);
}

fn dicom_bytes(instance: u8, z: f64, series: &str) -> Vec<u8> {
    dicom::File::slice(instance, z, series).bytes()
}

fn dicom_file(instance: u8, z: f64, series: &str, implicit: bool) -> Vec<u8> {
    let syntax = if implicit { dicom::IMPLICIT } else { dicom::EXPLICIT };
    dicom::File::slice(instance, z, series).syntax(syntax).bytes()
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

#[test]
fn series_in_one_folder_are_told_apart() {
    let at = |i: u8, z: f64, series: &str, name: &str| {
        let number = series.rsplit('.').next().unwrap();
        dicom::File::slice(i, z, series)
            .with((0x0008, 0x103E), b"LO", name)
            .with((0x0020, 0x0011), b"IS", number)
            .bytes()
    };
    let t2w = [at(0, 0.0, "1.7", "t2w tra"), at(1, 3.0, "1.7", "t2w tra"), at(2, 6.0, "1.7", "t2w tra")];
    // A localiser is no volume, so the other series is the one that is meant.
    let mut with_localiser = t2w.to_vec();
    with_localiser.push(at(9, 0.0, "1.1", "localiser"));
    assert_eq!(read_series(&with_localiser).unwrap(), read_series(&t2w).unwrap());
    let mut with_another = t2w.to_vec();
    with_another.extend([at(4, 0.0, "1.12", "t2w sag"), at(5, 3.0, "1.12", "t2w sag")]);
    let text = read_series(&with_another).unwrap_err().to_string();
    assert!(text.contains("2 series, of which 2 can be the volume"), "{text}");
    assert!(text.contains("series 7 \"t2w tra\", 3 images of 4 rows and 5 columns"), "{text}");
    assert!(text.contains("put only the files of the one that is meant into this folder"), "{text}");
    let none = [at(0, 0.0, "1.7", "a"), at(1, 3.0, "1.8", "b")];
    let text = read_series(&none).unwrap_err().to_string();
    assert!(text.contains("none can be the volume") && text.contains("no volume: one slice"), "{text}");
}

#[test]
fn several_volumes_in_one_series_are_named_as_such() {
    let at = |i: u8, z: f64| dicom_bytes(i, z, "1.9");
    let two_weightings = [at(0, 0.0), at(1, 3.0), at(2, 0.0), at(3, 3.0)];
    let text = read_series(&two_weightings).unwrap_err().to_string();
    assert!(text.contains("2 images at every place: several volumes (b-values, echoes or times)"), "{text}");
}

#[test]
fn compressed_pixels_are_decoded() {
    let stored: Vec<u16> = (0..20).map(|i| i * 37 % 101 * 40).collect();
    for (name, uid, bytes) in dicom::compressed_frames() {
        let slices = [0u8, 1].map(|i| {
            dicom::File::slice(i, 3.0 * f64::from(i), "1.9").compressed(uid, vec![bytes.clone()]).bytes()
        });
        let got = read_series(&slices).unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected: Vec<f32> = stored.iter().map(|v| 0.5 * f32::from(*v) - 10.0).collect();
        assert_eq!(got.volume.slice(0), expected, "{name}");
        assert_eq!(got.volume.slice(1), expected, "{name}");
        // Another size than the header's, and bytes that end early.
        let wide = dicom::File::slice(1, 3.0, "1.9").with((0x0028, 0x0011), b"US", 900u16.to_le_bytes());
        let wide = wide.compressed(uid, vec![bytes.clone()]);
        let narrow = dicom::File::slice(0, 0.0, "1.9").with((0x0028, 0x0011), b"US", 900u16.to_le_bytes());
        let narrow = narrow.compressed(uid, vec![bytes.clone()]);
        let text = read_series(&[narrow.bytes(), wide.bytes()]).unwrap_err().to_string();
        assert!(text.contains("were expected") || text.contains("truncated"), "{name}: {text}");
        let cut = dicom::File::slice(1, 3.0, "1.9").compressed(uid, vec![bytes[..30].to_vec()]).bytes();
        assert!(read_series(&[slices[0].clone(), cut]).is_err(), "{name}");
    }
}

#[test]
fn big_endian_and_signed_pixels_are_read() {
    let plain = [0u8, 1].map(|i| dicom::File::slice(i, 3.0 * f64::from(i), "1.9"));
    let expected = read_series(&plain.clone().map(|f| f.bytes())).unwrap();
    let big = plain.clone().map(|f| f.syntax(dicom::BIG_ENDIAN).bytes());
    assert_eq!(read_series(&big).unwrap(), expected);
    let pixels: Vec<u8> = (0..20i16).flat_map(|v| ((v - 5) & 0xfff).to_le_bytes()).collect();
    let signed = plain.map(|f| {
        let f = f.with((0x0028, 0x0103), b"US", 1u16.to_le_bytes());
        f.with((0x7FE0, 0x0010), b"OW", &pixels).bytes()
    });
    let got = read_series(&signed).unwrap();
    assert_eq!(got.volume.at(0, 0, 0), 0.5 * -5.0 - 10.0);
    assert_eq!(got.volume.at(1, 3, 4), 0.5 * 14.0 - 10.0);
}

#[test]
fn metaimage_data_lie_beside_their_header_or_are_refused() {
    let (volume, geometry) = small();
    for storage in [Storage::Raw, Storage::Zlib] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mhd");
        let header = |name: &str| metaimage::header(&volume, &geometry, storage, name);
        std::fs::write(&path, header("a.zraw")).unwrap();
        std::fs::write(folder.path().join("a.zraw"), metaimage::data(&volume, storage)).unwrap();
        assert_eq!(image(&path).unwrap().volume, volume);
        std::fs::write(&path, header("a.zraw").trim_end()).unwrap();
        assert_eq!(image(&path).unwrap().volume, volume, "a header without a last line break");
        for name in ["../a.zraw", "/etc/hostname", "..", "LIST", "a%02d.raw", "sub\\a.raw", ""] {
            std::fs::write(&path, header(name)).unwrap();
            let text = image(&path).unwrap_err().to_string();
            assert!(text.contains("one file beside the header was expected"), "{name}: {text}");
        }
    }
}

#[test]
fn every_volume_of_a_four_dimensional_file_is_read() {
    let (volume, geometry) = small();
    for version in [1, 2] {
        let bytes = nifti::file(&volume, &geometry, version, nifti::Orientation::Sform, 3);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii");
        std::fs::write(&path, &bytes).unwrap();
        let all = volumes(&path).unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|image| image.volume == volume));
        let text = image(&path).unwrap_err().to_string();
        assert!(text.contains("4 dimensions (5x4x3x3): 3 volumes where one was expected"), "{text}");
        let one = nifti::file(&volume, &geometry, version, nifti::Orientation::Qform, 1);
        assert_eq!(read_bytes("a.nii", &one).unwrap().volume, volume);
    }
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
    fn damaged_nifti_2_never_panics((flips, keep) in damage()) {
        let (volume, geometry) = small();
        let bytes = nifti::file(&volume, &geometry, 2, nifti::Orientation::Qform, 1);
        stays_bounded(read_bytes("a.nii", &damaged(bytes, &flips, &keep)));
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for name in ["a.nii", "a.nii.gz", "a.mha", "a.mhd"] {
            stays_bounded(read_bytes(name, &bytes));
        }
        stays_bounded(read_series(&[bytes.clone(), bytes]));
    }

    #[test]
    fn damaged_compressed_frames_never_panic((flips, keep) in damage(), which in 0..3usize) {
        let (_, uid, frame) = dicom::compressed_frames().swap_remove(which);
        let frame = damaged(frame, &flips, &keep);
        let slices = [0u8, 1].map(|i| {
            dicom::File::slice(i, 3.0 * f64::from(i), "1.9").compressed(uid, vec![frame.clone()]).bytes()
        });
        stays_bounded(read_series(&slices));
    }

    #[test]
    fn damaged_enhanced_dicom_never_panics((flips, keep) in damage()) {
        let (volume, geometry) = small();
        stays_bounded(read_series(&[damaged(dicom::enhanced(&volume, &geometry).bytes(), &flips, &keep)]));
    }

    /// Without preamble, under any name, deeper, beside other files.
    #[test]
    fn damaged_data_sets_never_panic((flips, keep) in damage(), syntax in 0..3usize) {
        let syntax = [dicom::IMPLICIT, dicom::EXPLICIT, dicom::BIG_ENDIAN][syntax];
        let file = |i: u8| dicom::File::slice(i, 3.0 * f64::from(i), "1.9").syntax(syntax).data_set();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deeper")).unwrap();
        std::fs::write(folder.path().join("deeper/0"), file(0)).unwrap();
        std::fs::write(folder.path().join("1"), damaged(file(1), &flips, &keep)).unwrap();
        std::fs::write(folder.path().join("2"), damaged(file(2), &flips, &keep)).unwrap();
        stays_bounded(image(folder.path()));
    }

    #[test]
    fn damaged_pairs_never_panic((flips, keep) in damage(), big in any::<bool>()) {
        let (volume, geometry) = small();
        let whole = nifti::file(&volume, &geometry, 1, nifti::Orientation::Both, 1);
        let (header, voxels) = nifti::pair(&if big { nifti::big_endian(whole) } else { whole });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.hdr"), damaged(header, &flips, &keep)).unwrap();
        std::fs::write(folder.path().join("a.img"), voxels).unwrap();
        stays_bounded(image(&folder.path().join("a.hdr")));
    }

    #[test]
    fn damaged_metaimage_never_panics((flips, keep) in damage(), packed in any::<bool>()) {
        stays_bounded(read_bytes("a.mha", &damaged(mha_bytes(if packed { Storage::Zlib } else { Storage::Raw }), &flips, &keep)));
    }

    #[test]
    fn damaged_dicom_never_panics((flips, keep) in damage(), implicit in any::<bool>()) {
        let slice = damaged(dicom_file(1, 3.0, "1.9", implicit), &flips, &keep);
        let slices = [dicom_bytes(0, 0.0, "1.9"), slice];
        stays_bounded(read_series(&slices));
    }
}
