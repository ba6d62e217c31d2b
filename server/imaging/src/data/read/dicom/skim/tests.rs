use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::data::{
    Geometry, Volume,
    fixtures::dicom::{self, File as Fixture, Storage},
};

fn skim_of(bytes: &[u8]) -> Result<Option<Skim>, String> {
    of(Cursor::new(bytes), bytes.len() as u64)
}

fn slice() -> Fixture {
    Fixture::slice(3, 1.0, "1.9")
        .with((0x0008, 0x0016), b"UI", "1.2.840.10008.5.1.4.1.1.4")
        .with((0x0008, 0x0020), b"DA", "20110707")
        .with((0x0008, 0x0060), b"CS", "MR")
        .with((0x0008, 0x103E), b"LO", "t2_tse_tra ")
        .with((0x0010, 0x0020), b"LO", "P-1")
        .with((0x0018, 0x1030), b"LO", "T2 axial")
        .with((0x0020, 0x000D), b"UI", "1.2")
        .with((0x0020, 0x0011), b"IS", "4")
}

#[test]
fn what_tells_a_series_is_found_in_every_encoding() {
    for syntax in [dicom::EXPLICIT, dicom::IMPLICIT, dicom::BIG_ENDIAN] {
        let file = slice().syntax(syntax);
        let whole = file.bytes();
        for bytes in [whole.as_slice(), &whole[128..], &whole[132..], &file.data_set()] {
            let seen = skim_of(bytes).unwrap().unwrap();
            let expected = Skim {
                content: Content::Image,
                modality: "MR".into(),
                patient: "P-1".into(),
                study: "1.2".into(),
                date: "20110707".into(),
                series: "1.9".into(),
                number: Some(4),
                description: "t2_tse_tra".into(),
                protocol: "T2 axial".into(),
                localizer: false,
                frames: 1,
                segments: Vec::new(),
                drawn_on: Vec::new(),
            };
            assert_eq!(seen, expected, "{syntax}");
        }
    }
}

#[test]
fn nothing_is_read_of_the_pixels() {
    let mut bytes = slice().bytes();
    let pixels = bytes.windows(4).position(|w| w == [0xE0, 0x7F, 0x10, 0x00]).unwrap();
    bytes.truncate(pixels);
    assert!(skim_of(&bytes).unwrap().is_some());
    // Nor of what comes before them, once the series is known.
    bytes.truncate(bytes.len() - 30);
    assert_eq!(skim_of(&bytes).unwrap().unwrap().series, "1.9");
}

#[test]
fn long_and_nested_elements_are_passed_over() {
    let item = |content: &[u8]| {
        [&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF], content, &[0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]]
            .concat()
    };
    // An undefined length within an undefined length, with a series of its own in it.
    let inner = [b"\x20\x00\x0E\x00UI\x04\x009.9\0".as_slice()].concat();
    let file =
        slice().with((0x0008, 0x1140), b"SQ", item(&inner)).with((0x0019, 0x1010), b"OB", vec![1; 70_000]);
    assert_eq!(skim_of(&file.bytes()).unwrap().unwrap().series, "1.9");
}

#[test]
fn what_is_no_image_is_told_by_its_class() {
    let of = |class: &str| slice().with((0x0008, 0x0016), b"UI", format!("1.2.840.10008.5.1.4.1.1.{class}"));
    for (file, content) in [
        (of("4"), Content::Image),
        (of("4.1"), Content::Image),
        (of("2"), Content::Image),
        (of("7"), Content::Image),
        (of("7").without((0x0020, 0x0032)), Content::Other("secondary captures")),
        (of("66.4"), Content::Segmentation),
        (of("481.3"), Content::Structures),
        (of("481.2"), Content::Other("plans and doses of radiotherapy")),
        (of("88.59"), Content::Other("structured reports")),
        (of("11.1"), Content::Other("presentation states")),
        (of("104.1"), Content::Other("documents")),
        (of("4").without((0x0028, 0x0010)), Content::Other("objects without an image")),
    ] {
        assert_eq!(skim_of(&file.bytes()).unwrap().unwrap().content, content);
    }
}

#[test]
fn segments_are_listed_with_what_they_were_drawn_on() {
    let grid = Geometry::centred([2, 4, 4], [3.0, 1.0, 1.0]);
    let volume = Volume::filled([2, 4, 4], 1.0);
    let file = dicom::segmentation(&[(3, "Gland ", volume.clone()), (7, "", volume)], &grid, Storage::Binary);
    let seen = skim_of(&dicom::drawn_on(file, "1.9").bytes()).unwrap().unwrap();
    assert_eq!(seen.segments[0], Segment { number: 3, label: "Gland".into() });
    assert_eq!(seen.segments[1], Segment { number: 7, label: String::new() });
    assert_eq!(seen.drawn_on, ["1.9"]);
    // Label maps list their background.
    let volume = Volume::filled([2, 4, 4], 1.0);
    let file = dicom::segmentation(&[(0, "Background", volume)], &grid, Storage::Labels);
    assert_eq!(skim_of(&file.bytes()).unwrap().unwrap().segments, []);
}

#[test]
fn other_files_are_none_and_deflated_ones_are_said_to_be() {
    for bytes in [b"".as_slice(), b"\x89PNG\r\n\x1a\nrest of it", b"CC BY 3.0\n", &[0; 5000], &[0xFF; 200]] {
        assert_eq!(skim_of(bytes), Ok(None));
    }
    let deflated = slice().syntax("1.2.840.10008.1.2.1.99").bytes();
    assert!(skim_of(&deflated).unwrap_err().contains("Deflated"));
    assert!(skim_of(&slice().bytes()[..150]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Whatever the bytes, a file is sorted or refused.
    #[test]
    fn no_file_makes_it_panic(changes in prop::collection::vec((0usize..4000, any::<u8>()), 0..10), cut in prop::option::of(0usize..900), noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = slice().bytes();
        let n = bytes.len();
        changes.iter().for_each(|(at, byte)| bytes[at % n] = *byte);
        bytes.truncate(cut.map_or(n, |cut| n.saturating_sub(cut)));
        let _ = skim_of(&bytes);
        let _ = skim_of(&noise);
        let _ = skim_of(&[&[0; 128], b"DICM".as_slice(), &noise].concat());
    }
}
