//! Folders of DICOM files as archives, exports and people leave them.

use super::{Place, SHAPE, assert_said, assert_same, grid, picture, place};
use crate::data::fixtures::dicom::{self, File};

const INSTANCE: (u16, u16) = (0x0008, 0x0018);
const SERIES: (u16, u16) = (0x0020, 0x000E);
const ORIENTATION: (u16, u16) = (0x0020, 0x0037);
const PIXELS: (u16, u16) = (0x7FE0, 0x0010);

/// The slices of an image, each with an identifier of its own.
fn slices(seed: usize) -> Vec<File> {
    let series = dicom::series(&picture(seed), &grid()).into_iter().enumerate();
    series.map(|(i, file)| file.with(INSTANCE, b"UI", format!("1.2.{seed}.{i}"))).collect()
}

fn write(place: &Place, folder: &str, files: &[File]) {
    for (i, file) in files.iter().enumerate() {
        place.write(&format!("{folder}/{i:03}.dcm"), file.bytes());
    }
}

/// That the case is read as if nothing but its slices lay there, and that its notes say so.
fn assert_read(place: &Place, words: &[&str]) {
    let made = place.add();
    let case = place.load(&made.cases[0]);
    assert_eq!(case.volumes["t2w"], picture(0));
    assert_same(&case.geometry, &grid());
    words.iter().for_each(|words| assert_said(place, &made.cases[0], words));
    assert_eq!(words.is_empty(), made.cases[0].notes.is_empty(), "{:?}", made.cases[0].notes);
}

fn localizer(series: &str) -> File {
    slices(7)[3]
        .clone()
        .with(ORIENTATION, b"DS", "0\\1\\0\\0\\0\\-1")
        .with(SERIES, b"UI", series)
        .with(INSTANCE, b"UI", "1.2.99")
}

#[test]
fn copies_of_slices_are_left_out_and_named() {
    let files = slices(0);
    let place = place();
    write(&place, "c/t2w", &files);
    place.write("c/t2w/004 (1).dcm", files[4].bytes());
    assert_read(&place, &["copies of slices were left out: 004 (1).dcm (of 004.dcm)"]);
    for (i, file) in files.iter().enumerate() {
        place.write(&format!("c/t2w/{i:03} (1).dcm"), file.bytes());
    }
    assert_read(&place, &["000 (1).dcm (of 000.dcm)", "and 1 more"]);
}

#[test]
fn slices_that_were_written_again_are_copies_as_well() {
    let files = slices(0);
    let place = place();
    write(&place, "c/t2w", &files);
    // Another header, or sent again under another identifier.
    place.write("c/t2w/again.dcm", files[2].clone().with((0x0008, 0x103E), b"LO", "edited").bytes());
    place.write("c/t2w/sent.dcm", files[3].clone().with(INSTANCE, b"UI", "1.2.77").bytes());
    assert_read(&place, &["again.dcm (of 002.dcm)", "sent.dcm (of 003.dcm)"]);
    let other = files[2].clone().with(PIXELS, b"OW", [9; 512]);
    place.write("c/t2w/other.dcm", other.bytes());
    let text = place.refusal();
    assert!(
        text.contains("it has the SOP instance UID and the place of 002.dcm, and other pixels"),
        "{text}"
    );
    // Anonymised with one identifier for all: different places are different slices.
    super::clear(&place.source);
    let same: Vec<File> = files.into_iter().map(|file| file.with(INSTANCE, b"UI", "1.2.3")).collect();
    write(&place, "c/t2w", &same);
    assert_read(&place, &[]);
}

#[test]
fn a_localizer_is_left_out_whichever_comes_first() {
    let files = slices(0);
    for (name, series) in [("zzz.dcm", "1.9"), ("!.dcm", "1.9"), ("zzz.dcm", "1.8"), ("!.dcm", "1.8")] {
        let place = place();
        write(&place, "c/t2w", &files);
        place.write(&format!("c/t2w/{name}"), localizer(series).bytes());
        let words = if series == "1.9" {
            format!("left out: {name} (another orientation than the others)")
        } else {
            "other series in the folder were ignored: series ? \"\", 1 images".to_owned()
        };
        assert_read(&place, &[&words]);
    }
    // Of another size, and three planes of several that say what they are.
    let place = place();
    write(&place, "c/t2w", &files);
    let small =
        localizer("1.9").with((0x0028, 0x0010), b"US", 8u16.to_le_bytes()).with(PIXELS, b"OW", [9; 256]);
    place.write("c/t2w/!.dcm", small.bytes());
    assert_read(&place, &["!.dcm (another size, 8 rows of 16 columns, than the others)"]);
    for i in 0..9 {
        let many = localizer("1.9").with((0x0008, 0x0008), b"CS", "ORIGINAL\\PRIMARY\\LOCALIZER");
        let many = many.with((0x0020, 0x0032), b"DS", format!("{i}\\0\\0")).with(
            INSTANCE,
            b"UI",
            format!("1.2.9{i}"),
        );
        place.write(&format!("c/t2w/loc{i}.dcm"), many.bytes());
    }
    assert_read(&place, &["loc0.dcm"]);
}

#[test]
fn two_directions_of_many_slices_are_refused_by_name() {
    let place = place();
    write(&place, "c/t2w", &slices(0));
    for i in 0..4 {
        let file = localizer("1.9").with((0x0020, 0x0032), b"DS", format!("{i}\\0\\0"));
        place.write(&format!("c/t2w/sag{i}.dcm"), file.with(INSTANCE, b"UI", format!("1.2.9{i}")).bytes());
    }
    let text = place.refusal();
    assert!(
        text.contains(
            "sag0.dcm: another orientation than in 000.dcm; 6 images agree with that one and 4 do not"
        ),
        "{text}"
    );
}

#[test]
fn files_without_preamble_are_read_in_every_encoding() {
    for syntax in [dicom::IMPLICIT, dicom::EXPLICIT, dicom::BIG_ENDIAN] {
        let place = place();
        for (i, file) in slices(0).into_iter().enumerate() {
            place.write(&format!("c/t2w/IM{i:04}"), file.syntax(syntax).data_set());
        }
        assert_read(&place, &[]);
    }
    // Meta information, with and without the four letters before it.
    for from in [128, 132] {
        let place = place();
        for (i, file) in slices(0).iter().enumerate() {
            place.write(&format!("c/t2w/IM{i:04}"), &file.bytes()[from..]);
        }
        assert_read(&place, &[]);
    }
}

#[test]
fn files_that_are_no_images_are_passed_over_and_named() {
    let report = File::empty().with((0x0008, 0x0016), b"UI", "1.2.840.10008.5.1.4.1.1.88.11").bytes();
    let index = File::empty().with((0x0004, 0x1220), b"SQ", []).bytes();
    for (name, bytes, words) in [
        ("Thumbs.db", b"\xd0\xcf\x11\xe0rest".to_vec(), "Thumbs.db (no DICOM)"),
        ("series.json", b"{\"a\":1}".to_vec(), "series.json (no DICOM)"),
        ("LICENSE", b"CC BY 3.0\n".to_vec(), "LICENSE (no DICOM)"),
        ("empty", Vec::new(), "empty (no DICOM)"),
        ("report", report, "report (DICOM without an image)"),
        ("INDEX", index, "INDEX (the index of a DICOM medium)"),
    ] {
        let place = place();
        write(&place, "c/t2w", &slices(0));
        place.write(&format!("c/t2w/{name}"), bytes);
        place.write("c/t2w/dicomdir", "an index in small letters");
        place.write("c/t2w/.DS_Store", "hidden");
        assert_read(&place, &[words]);
    }
}

#[test]
fn a_picture_of_the_screen_is_passed_over_and_a_broken_slice_is_not() {
    let place = place();
    write(&place, "c/t2w", &slices(0));
    let colours =
        slices(5)[0].clone().with(SERIES, b"UI", "1.5").with((0x0028, 0x0002), b"US", 3u16.to_le_bytes());
    place.write("c/t2w/screen.dcm", colours.bytes());
    assert_read(
        &place,
        &["images of other series that are not slices were ignored: screen.dcm (3 values a pixel"],
    );
    place.write("c/t2w/screen.dcm", colours.with(SERIES, b"UI", "1.9").bytes());
    assert!(place.refusal().contains("screen.dcm: 3 values a pixel"));
    place.write("c/t2w/screen.dcm", &slices(5)[0].bytes()[..400]);
    assert!(place.refusal().contains("screen.dcm: truncated"));
    place.write("c/t2w/screen.dcm", "no DICOM, by a name that only DICOM has");
    assert!(place.refusal().contains("screen.dcm: not a DICOM file"));
}

#[test]
fn a_series_may_lie_deeper() {
    for deeper in ["SER00001", "patient/study/SER00001"] {
        let place = place();
        write(&place, &format!("c/T2W/{deeper}"), &slices(0));
        assert_read(&place, &[]);
    }
    // Two that can be the volume are listed; one that cannot is named.
    let place = place();
    write(&place, "c/t2w/SER1", &slices(0));
    let named =
        |file: File, uid: &str, name: &str| file.with(SERIES, b"UI", uid).with((0x0008, 0x103E), b"LO", name);
    write(
        &place,
        "c/t2w/SER2",
        &slices(1).into_iter().map(|f| named(f, "1.7", "t2 cor")).collect::<Vec<_>>(),
    );
    let text = place.refusal();
    assert!(text.contains("2 series, of which 2 can be the volume"), "{text}");
    assert!(text.contains(&format!("\"t2 cor\", {} images of 16 rows and 16 columns", SHAPE[0])), "{text}");
    std::fs::remove_dir_all(place.source.join("c/t2w/SER2")).unwrap();
    write(&place, "c/t2w/SER2", &[named(localizer("1.7"), "1.7", "loc")]);
    assert_read(&place, &["series ? \"loc\", 1 images"]);
}

#[test]
fn a_folder_of_other_files_says_which() {
    let place = place();
    place.write("c/t2w/t2w.nii.gz", "x");
    assert!(place.refusal().contains("no DICOM image in it, only t2w.nii.gz (no DICOM)"));
}
