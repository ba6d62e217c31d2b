use proptest::prelude::*;

use super::*;
use crate::data::fixtures::dicom::{self, Storage};

const SHAPE: [usize; 3] = [7, 5, 6];

fn grid() -> Geometry {
    let (s, c) = 0.2f64.sin_cos();
    Geometry::new([0.5, 0.75, 3.0], [12.0, -30.0, 45.0], [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
}

/// A block of a value in these slices.
fn block(slices: std::ops::Range<usize>, rows: std::ops::Range<usize>, value: f32) -> Volume {
    let mut volume = Volume::filled(SHAPE, 0.0);
    for (d, h) in slices.flat_map(|d| rows.clone().map(move |h| (d, h))) {
        for w in 1..4 {
            let at = volume.index(d, h, w);
            volume.data[at] = value;
        }
    }
    volume
}

fn write(file: &dicom::File) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seg.dcm");
    std::fs::write(&path, file.bytes()).unwrap();
    (folder, path)
}

fn of(file: &dicom::File, values: &[(u16, u8)]) -> Result<Examined, String> {
    let (_folder, path) = write(file);
    let file = SegmentFile { path, values: values.iter().copied().collect() };
    read(&file, &[]).map_err(|e| e.to_string())
}

/// Over the whole grid, as a case's mask is.
fn whole(mut read: Examined) -> Volume {
    widen(&mut read.image, &Extent { shape: SHAPE, geometry: grid() });
    let apart = read.image.geometry.world([0.0; 3]).into_iter().zip(grid().world([0.0; 3]));
    apart.for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} {b}"));
    read.image.volume
}

fn or(a: &Volume, b: &Volume) -> Volume {
    Volume {
        shape: a.shape,
        data: a.data.iter().zip(&b.data).map(|(a, b)| if *a > 0.0 { *a } else { *b }).collect(),
    }
}

#[test]
fn bits_become_voxels_and_slices_without_any_are_background() {
    // 30 pixels a frame: frames do not begin at whole bytes.
    let (first, second) = (block(1..3, 0..2, 1.0), block(4..6, 2..4, 1.0));
    let segments = [(2, "b", second.clone()), (5, "a", first.clone())];
    let file = dicom::segmentation(&segments, &grid(), Storage::Binary);
    let read = of(&file, &[(5, 1), (2, 9)]).unwrap();
    assert_eq!(read.image.volume.shape, [5, 5, 6], "from the first slice with a voxel to the last");
    assert!(read.notes.is_empty());
    assert_eq!(whole(read), or(&first, &block(4..6, 2..4, 9.0)));
    // Segments that nothing is known of are passed over.
    assert_eq!(whole(of(&file, &[(5, 1)]).unwrap()), first);
}

#[test]
fn fractions_count_from_half_of_the_most() {
    for (most, low, high) in [(255, 127.0, 128.0), (100, 49.0, 50.0), (1, 0.0, 1.0), (3, 1.0, 2.0)] {
        let (least, enough) = (block(0..2, 0..2, low), block(2..7, 2..4, high));
        let volume = or(&enough, &least);
        let file = dicom::segmentation(&[(1, "a", volume)], &grid(), Storage::Fractional(most));
        assert_eq!(whole(of(&file, &[(1, 3)]).unwrap()), block(2..7, 2..4, 3.0), "{most}");
    }
}

#[test]
fn label_maps_hold_the_numbers_of_their_segments() {
    let volume = or(&block(1..3, 0..2, 4.0), &block(4..6, 2..4, 7.0));
    let file = dicom::segmentation(&[(4, "a", volume)], &grid(), Storage::Labels);
    let expected = or(&block(1..3, 0..2, 1.0), &block(4..6, 2..4, 2.0));
    assert_eq!(whole(of(&file, &[(4, 1), (7, 2)]).unwrap()), expected);
}

#[test]
fn where_segments_overlap_the_lowest_value_stays_and_it_is_said() {
    let (gland, lesion) = (block(1..4, 0..4, 1.0), block(2..3, 1..2, 1.0));
    for (gland_value, lesion_value) in [(2, 1), (1, 2)] {
        let file = dicom::segmentation(
            &[(1, "g", gland.clone()), (2, "l", lesion.clone())],
            &grid(),
            Storage::Binary,
        );
        let read = of(&file, &[(1, gland_value), (2, lesion_value)]).unwrap();
        assert!(read.notes[0].starts_with("segments overlap in 3 voxels"), "{:?}", read.notes);
        let volume = whole(read);
        assert_eq!(volume.at(2, 1, 1), 1.0);
        assert_eq!(volume.at(1, 0, 1), f32::from(gland_value));
    }
}

#[test]
fn several_objects_make_one_mask() {
    let (first, second) = (block(1..2, 0..2, 1.0), block(5..6, 2..4, 2.0));
    let files = [&first, &second]
        .map(|volume| write(&dicom::segmentation(&[(1, "a", volume.clone())], &grid(), Storage::Binary)));
    let file = |at: usize, value: u8| SegmentFile { path: files[at].1.clone(), values: [(1, value)].into() };
    assert_eq!(whole(read(&file(0, 1), &[file(1, 2)]).unwrap()), or(&first, &second));
    let small = Volume { shape: [2, 4, 4], data: vec![1.0; 32] };
    let (_folder, path) = write(&dicom::segmentation(&[(1, "a", small)], &grid(), Storage::Binary));
    let refused =
        read(&file(0, 1), &[SegmentFile { path, values: [(1, 2)].into() }]).unwrap_err().to_string();
    assert!(refused.contains("another size, 4 rows of 4 columns"), "{refused}");
}

#[test]
fn one_slice_is_as_thick_as_it_says() {
    let file = dicom::segmentation(&[(1, "a", block(3..4, 0..2, 1.0))], &grid(), Storage::Binary);
    assert_eq!(whole(of(&file, &[(1, 1)]).unwrap()), block(3..4, 0..2, 1.0));
}

#[test]
fn a_mask_beyond_its_image_stays_where_it_is() {
    let file = dicom::segmentation(&[(1, "a", block(3..5, 0..2, 1.0))], &grid(), Storage::Binary);
    let mut read = of(&file, &[(1, 1)]).unwrap();
    let before = read.image.clone();
    let mut geometry = grid();
    geometry.world_from_voxel[2][3] += 500.0;
    widen(&mut read.image, &Extent { shape: SHAPE, geometry });
    assert_eq!(read.image, before);
}

/// Objects that highdicom made (`fixtures/highdicom`): a bit a pixel, label map, fractions, and those in run lengths.
#[test]
fn objects_of_another_library_hold_what_was_put_into_them() {
    const SHAPE: [usize; 3] = [9, 13, 11];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/fixtures/highdicom");
    let first = |d, h, w| (2..5).contains(&d) && (2..7).contains(&h) && (3..8).contains(&w);
    let second = |d, h, w| (4..7).contains(&d) && (5..9).contains(&h) && (2..6).contains(&w);
    let (s, c) = 0.2f64.sin_cos();
    let grid =
        Geometry::new([0.5, 0.75, 3.0], [-10.0, 5.0, 3.0], [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]]);
    for (name, overlap) in
        [("binary", true), ("labelmap", false), ("fractional", false), ("fractional_rle", false)]
    {
        let path = folder.join(format!("{name}.dcm"));
        let skim = crate::data::read::skim::skim(&path).unwrap().unwrap();
        let labels: Vec<&str> = skim.segments.iter().map(|segment| segment.label.as_str()).collect();
        let fractions = name.starts_with("fractional");
        assert_eq!(labels, if fractions { vec!["Lesion"] } else { vec!["Zone B", "Zone A"] });
        let mut read = read(&SegmentFile { path, values: [(1, 1), (2, 2)].into() }, &[]).unwrap();
        assert_eq!(!read.notes.is_empty(), overlap, "{name}: {:?}", read.notes);
        widen(&mut read.image, &Extent { shape: SHAPE, geometry: grid });
        let volume = read.image.volume;
        assert_eq!(volume.shape, SHAPE, "{name}");
        for (at, value) in volume.data.iter().enumerate() {
            let (d, h, w) = (at / 143, at / 11 % 13, at % 11);
            let expected = match name {
                // Of both the lower one here, the second one in the label map.
                "binary" if first(d, h, w) => 1,
                "labelmap" if second(d, h, w) => 2,
                "binary" => 2 * i32::from(second(d, h, w)),
                "labelmap" => i32::from(first(d, h, w)),
                _ => i32::from(d >= 2 && (at * 37 % 101) * 2 >= 100),
            };
            assert_eq!(*value, expected as f32, "{name}: {d} {h} {w}");
        }
    }
}

#[test]
fn what_is_no_segmentation_is_refused() {
    let good = dicom::segmentation(&[(1, "a", block(1..4, 0..2, 1.0))], &grid(), Storage::Binary);
    let short = |value: u16| value.to_le_bytes();
    for (file, words) in [
        (good.clone().with((0x0062, 0x0001), b"CS", "OTHER"), "its type (0062,0001) is \"OTHER\""),
        (good.clone().with((0x0028, 0x0100), b"US", short(8)), "8 bits a pixel"),
        (good.clone().with((0x0028, 0x0008), b"IS", "2147483647"), "frames: 1 to 1000000"),
        (good.clone().with((0x0028, 0x0008), b"IS", "2"), "functional groups (5200,9230) of 3"),
        (good.clone().with((0x0028, 0x0010), b"US", short(60000)), "of pixel data belong"),
        (
            good.clone().with((0x7FE0, 0x0010), b"OB", [0; 4]),
            "truncated: 4 bytes of pixel data where 8 belong",
        ),
        (good.clone().without((0x7FE0, 0x0010)), "no pixel data in it"),
        (good.without((0x5200, 0x9230)), "functional groups"),
    ] {
        let error = of(&file, &[(1, 1)]).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn frames_far_apart_take_no_memory() {
    let mut far = grid();
    far.world_from_voxel.iter_mut().for_each(|row| row[2] *= 1e-4);
    let mut ends = Volume::filled([40_000, 2, 2], 0.0);
    ends.data[0] = 1.0;
    ends.data[79_997] = 1.0;
    let file = dicom::segmentation(&[(1, "a", ends)], &far, Storage::Binary);
    let error = of(&file, &[(1, 1)]).unwrap_err();
    assert!(error.contains("at most 4096 are read") || error.contains("slice"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is wrong with a file, it is read or refused.
    #[test]
    fn damaged_objects_never_panic(changes in prop::collection::vec((0usize..4000, any::<u8>()), 0..12), cut in prop::option::of(0usize..2000), kind in 0..3usize) {
        let storage = [Storage::Binary, Storage::Fractional(255), Storage::Labels][kind];
        let mut bytes = dicom::segmentation(&[(1, "a", block(1..4, 0..2, 1.0)), (2, "b", block(2..4, 1..3, 1.0))], &grid(), storage).bytes();
        let n = bytes.len();
        changes.iter().for_each(|(at, byte)| bytes[at % n] = *byte);
        bytes.truncate(cut.map_or(n, |cut| n.saturating_sub(cut)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, &bytes).unwrap();
        let _ = crate::data::read::skim::skim(&path);
        if let Ok(mut read) = read(&SegmentFile { path, values: [(1, 1), (2, 2)].into() }, &[]) {
            prop_assert!(read.image.volume.data.iter().all(|v| [0.0, 1.0, 2.0].contains(v)));
            widen(&mut read.image, &Extent { shape: SHAPE, geometry: grid() });
            prop_assert_eq!(read.image.volume.data.len(), read.image.volume.shape.iter().product::<usize>());
        }
    }
}
