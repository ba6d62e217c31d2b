//! Trees of DICOM files as archives and scanners give them: which series is which image, whose they are, and masks.

use proptest::prelude::*;
use transferscope_domain::{
    Name,
    dataset::{Description, Modality},
};

use super::{Place, SHAPE, assert_same, block, grid, picture, place};
use crate::data::{
    Volume,
    fixtures::{
        dicom::{self, File, Storage},
        shared,
    },
    import::{AddOptions, add_with, dry_run},
};

/// A series of an examination.
#[derive(Clone, Copy)]
struct Of<'a> {
    patient: &'a str,
    date: &'a str,
    number: u8,
    description: &'a str,
}

/// Which of the pictures it shows.
fn seed(of: Of) -> usize {
    of.patient.bytes().chain(of.date.bytes()).map(usize::from).sum::<usize>() + usize::from(of.number)
}

fn uid(of: Of) -> String {
    format!("1.2.{}.{}", seed(Of { number: 0, ..of }), of.number)
}

fn headed(file: File, of: Of) -> File {
    let study = format!("1.2.{}", seed(Of { number: 0, ..of }));
    file.with((0x0008, 0x0020), b"DA", of.date)
        .with((0x0008, 0x103E), b"LO", of.description)
        .with((0x0010, 0x0020), b"LO", of.patient)
        .with((0x0020, 0x000D), b"UI", study)
        .with((0x0020, 0x000E), b"UI", uid(of))
        .with((0x0020, 0x0011), b"IS", of.number.to_string())
}

/// The slices of a series.
fn slices(of: Of) -> Vec<File> {
    let files = dicom::series(&picture(seed(of)), &grid()).into_iter().enumerate();
    let class = "1.2.840.10008.5.1.4.1.1.4";
    files
        .map(|(i, file)| {
            headed(file, of)
                .with((0x0008, 0x0016), b"UI", class)
                .with((0x0008, 0x0018), b"UI", format!("{}.{i}", uid(of)))
                .with((0x0008, 0x0060), b"CS", "MR")
        })
        .collect()
}

fn write(place: &Place, folder: &str, files: &[File]) {
    for (i, file) in files.iter().enumerate() {
        place.write(&format!("{folder}/1-{i:02}.dcm"), file.bytes());
    }
}

/// A series in the folder that an archive gives it.
fn series(place: &Place, of: Of) {
    let folder =
        format!("{}/{}-study/{}.000-{}", of.patient, of.date, of.number, of.description.replace('/', "_"));
    write(place, &folder, &slices(of));
}

fn of<'a>(patient: &'a str, number: u8, description: &'a str) -> Of<'a> {
    Of { patient, date: "20110707", number, description }
}

/// What is asked for, by name.
fn asked(patterns: &[(&str, &str)]) -> AddOptions {
    let series = patterns.iter().map(|(name, text)| (Name::new(name).unwrap(), (*text).to_owned()));
    AddOptions {
        name: Some("x".into()),
        description: Description { series: series.collect(), ..Description::default() },
        ..AddOptions::default()
    }
}

const T2: (&str, &str) = ("t2w", "t2*tra*");

#[test]
fn patterns_say_which_series_is_which_image() {
    let place = place();
    for patient in ["P-1", "P-2"] {
        for (number, description) in
            [(3, "t2_tse_sag"), (4, "T2_TSE_TRA"), (7, "ep2d_ADC"), (8, "ep2d_CALC_BVAL")]
        {
            series(&place, of(patient, number, description));
        }
    }
    // A second examination of a patient, without ADC.
    series(&place, Of { patient: "P-1", date: "20120101", number: 4, description: "t2_tse_tra 2" });
    place.write("LICENSE", "CC BY 3.0");
    let made = place.try_with(asked(&[T2, ("adc", "*adc")])).unwrap();
    let cases: Vec<_> =
        made.cases.iter().map(|c| (c.case_id.as_str(), c.patient_id.as_str(), c.channels.len())).collect();
    assert_eq!(cases, [("P-1_20110707", "P-1", 2), ("P-1_20120101", "P-1", 1), ("P-2_20110707", "P-2", 2)]);
    assert_eq!(made.patient_sources["PatientID of the images"], 3);
    let first = place.load(&made.cases[0]);
    assert_eq!(first.volumes["t2w"], picture(seed(of("P-1", 4, ""))));
    assert_same(&first.geometry, &grid());
    assert_eq!(made.contents.images.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["t2w", "adc"]);
    assert!(made.contents.images.iter().all(|i| i.modality == Modality::Mr));
    let notes = made.notes.join("\n");
    for words in [
        "\"T2_TSE_TRA\" (MR, 2 studies, 12 files) is t2w",
        "\"ep2d_ADC\" (MR, 2 studies, 12 files) is adc",
        "\"t2_tse_sag\" (MR, 2 studies, 12 files) not used",
        "1 file that are no DICOM",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    let (report, cases) = dry_run(&place.source, &asked(&[T2, ("adc", "*adc")])).unwrap();
    assert_eq!((report.layout.as_str(), report.cases, report.patients, cases.len()), ("dicom", 3, 2, 3));
    assert!(report.bytes > 10_000, "{}", report.bytes);
    assert!(report.to_string().contains("is adc"), "{report}");
}

#[test]
fn without_patterns_the_series_are_listed_with_how_to_choose() {
    let place = place();
    for patient in ["P-1", "P-2"] {
        for (number, description) in
            [(3, "t2_tse_sag"), (4, "t2_tse_tra"), (7, "ep2d_ADC"), (8, "ep2d_b1400")]
        {
            series(&place, of(patient, number, description));
        }
    }
    let refusal = place.refusal();
    let tried = dry_run(&place.source, &AddOptions::default()).unwrap_err().to_string();
    for text in [refusal, tried] {
        for words in [
            "a tree of DICOM files (2 studies of 2 patients, 48 files)",
            "\"t2_tse_tra\" (MR, 2 studies, 12 files)",
            "nothing tells which series is which image",
            "--image adc=\"ep2d_ADC\" --image t2w=\"t2_tse_tra\" --image dwi=\"ep2d_b1400\"",
            "below [series]",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    let text = place.try_with(asked(&[T2, ("adc", "adc*")])).unwrap_err();
    assert!(text.contains("no series fits adc = \"adc*\"") && text.contains("ep2d_ADC"), "{text}");
    // The same from a file in the folder.
    place.write("dataset.toml", "[series]\nt2w = \"t2*tra*\"\n");
    assert_eq!(place.add().cases.len(), 2);
}

#[test]
fn what_all_examinations_have_needs_no_pattern() {
    let place = place();
    for patient in ["P-1", "P-2"] {
        series(&place, of(patient, 4, "t2_tse_tra"));
        series(&place, of(patient, 7, "ep2d_ADC"));
    }
    let made = place.add();
    assert_eq!(made.cases[0].channels, ["t2_tse_tra", "ep2d_adc"]);
    assert!(made.contents.images[1].epi, "{:?}", made.contents.images);
    assert!(made.notes.iter().any(|note| note.contains("t2_tse_tra decides the grid")), "{:?}", made.notes);
    // One series each, whatever it is called, and a localizer beside it.
    super::clear(&place.source);
    for (patient, description) in [("P-1", "thorax"), ("P-2", "Thorax 1.0")] {
        let slices: Vec<File> = slices(of(patient, 4, description))
            .into_iter()
            .map(|f| f.with((0x0008, 0x0060), b"CS", "CT"))
            .collect();
        write(&place, &format!("{patient}/b"), &slices);
        let scout = slices[2].clone().with((0x0008, 0x0008), b"CS", "ORIGINAL\\PRIMARY\\LOCALIZER");
        let scout = scout.with((0x0020, 0x000E), b"UI", format!("1.3.{patient}"));
        place.write(&format!("{patient}/a/scout"), scout.bytes());
    }
    let made = place.add();
    assert_eq!(made.cases[0].channels, ["ct"]);
    assert_eq!(
        (made.contents.images[0].modality, made.contents.images[0].unit.as_deref()),
        (Modality::Ct, Some("HU"))
    );
    assert!(made.notes.iter().any(|note| note.contains("2 series of localizers")), "{:?}", made.notes);
}

#[test]
fn files_lie_wherever_they_like() {
    // All in one folder without endings, and a series that is spread over several.
    let place = place();
    for (i, file) in slices(of("P-1", 4, "t2 tra")).iter().chain(&slices(of("P-2", 4, "t2 tra"))).enumerate()
    {
        place.write(&format!("IM{i:05}"), file.bytes());
    }
    place.write("DICOMDIR", "an index");
    place.write(".hidden/x.dcm", slices(of("P-3", 4, "t2 tra"))[0].bytes());
    let made = place.try_with(asked(&[T2])).unwrap();
    assert_eq!(made.cases.len(), 2);
    assert_eq!(place.load(&made.cases[1]).volumes["t2w"], picture(seed(of("P-2", 4, ""))));
    super::clear(&place.source);
    for (i, file) in slices(of("P-1", 4, "t2 tra")).iter().enumerate() {
        place.write(&format!("a/b/c/d/e/f/g/h/i/j/{}/{}/{i}", i % 3, i % 2), file.bytes());
    }
    let made = place.try_with(asked(&[T2])).unwrap();
    assert_eq!(place.load(&made.cases[0]).volumes["t2w"], picture(seed(of("P-1", 4, ""))));
    let deep = vec!["d"; 40].join("/");
    place.write(&format!("{deep}/x.dcm"), "x");
    assert!(place.try_with(asked(&[T2])).unwrap_err().contains("more than 32 deep"));
}

#[cfg(unix)]
#[test]
fn links_in_circles_have_an_end() {
    let place = place();
    series(&place, of("P-1", 4, "t2 tra"));
    std::os::unix::fs::symlink(&place.source, place.source.join("P-1/again")).unwrap();
    std::os::unix::fs::symlink("/nowhere", place.source.join("P-1/broken")).unwrap();
    assert_eq!(place.try_with(asked(&[T2])).unwrap().cases.len(), 1);
    // What lies elsewhere is followed once.
    let elsewhere = place.root.path().join("elsewhere");
    std::fs::rename(place.source.join("P-1"), &elsewhere).unwrap();
    for name in ["one", "two"] {
        std::os::unix::fs::symlink(&elsewhere, place.source.join(name)).unwrap();
    }
    std::fs::remove_file(elsewhere.join("again")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, elsewhere.join("again")).unwrap();
    let made = place.try_with(asked(&[T2])).unwrap();
    assert!(made.cases[0].notes.is_empty(), "{:?}", made.cases[0].notes);
}

#[test]
fn of_several_series_the_one_with_most_images_is_taken() {
    let place = place();
    series(&place, of("P-1", 4, "t2 tra"));
    write(&place, "P-1/short", &slices(of("P-1", 9, "t2 tra again"))[..3]);
    series(&place, of("P-2", 4, "t2 tra"));
    series(&place, of("P-2", 6, "t2 tra repeat"));
    series(&place, of("P-3", 7, "adc"));
    let made = place.try_with(asked(&[T2])).unwrap();
    assert_eq!(made.cases.len(), 1);
    let note = &made.cases[0].notes[0];
    assert!(
        note.contains("\"t2 tra\" (series 4, 6 images) was taken")
            && note.contains("not \"t2 tra again\" (series 9"),
        "{note}"
    );
    let reasons: Vec<&str> = made.refused.iter().map(|left| left.reason.as_str()).collect();
    assert!(
        reasons[0].contains("2 series of equally many images could be its t2w (\"t2*tra*\")"),
        "{reasons:?}"
    );
    assert!(
        reasons[0].contains("\"t2 tra\" (series 4, 6 images) and \"t2 tra repeat\" (series 6"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("no series is its t2w (\"t2*tra*\"); there are \"adc\" (series 7, 6 images)"),
        "{reasons:?}"
    );
    assert!(reasons.iter().all(|reason| !reason.contains("/tmp")), "{reasons:?}");
}

#[test]
fn the_protocol_counts_where_no_description_fits() {
    let place = place();
    let files: Vec<File> =
        slices(of("P-1", 4, "")).into_iter().map(|f| f.with((0x0018, 0x1030), b"LO", "T2 TRA")).collect();
    write(&place, "a/b", &files);
    series(&place, of("P-2", 4, "t2 tra"));
    assert_eq!(place.try_with(asked(&[T2])).unwrap().cases.len(), 2);
}

#[test]
fn what_is_no_image_is_counted() {
    let place = place();
    series(&place, of("P-1", 4, "t2 tra"));
    let object = |class: &str| {
        let file = File::empty().with((0x0008, 0x0016), b"UI", format!("1.2.840.10008.5.1.4.1.1.{class}"));
        headed(file, of("P-1", 50, "x")).bytes()
    };
    place.write("P-1/sr", object("88.11"));
    place.write("P-1/pr", object("11.1"));
    place.write("P-1/pr2", object("11.1"));
    place.write("P-1/rt", object("481.3"));
    place.write("P-1/cut.dcm", &slices(of("P-1", 4, "t2 tra"))[0].bytes()[..160]);
    let made = place.try_with(asked(&[T2])).unwrap();
    let notes = made.notes.join("\n");
    for words in [
        "2 presentation states, 1 structured reports",
        "1 RTSTRUCT, contours, which are not read yet",
        "cut.dcm",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    let note = made.cases[0].notes.join("\n");
    assert!(note.contains("1 RTSTRUCT") && note.contains("plastimatch"), "{note}");
    super::clear(&place.source);
    place.write("a/b/c/sr", object("88.11"));
    let options = AddOptions {
        description: Description { layout: Some("dicom".into()), ..Description::default() },
        ..AddOptions::default()
    };
    let error = place.try_with(options).unwrap_err();
    assert!(
        error.contains("no DICOM image is below it") && error.contains("1 structured reports"),
        "{error}"
    );
}

#[test]
fn enhanced_files_are_a_series_each() {
    let place = place();
    for patient in ["P-1", "P-2"] {
        let of = of(patient, 4, "t2 tra");
        place
            .write(&format!("{patient}/x"), headed(dicom::enhanced(&picture(seed(of)), &grid()), of).bytes());
    }
    let made = place.add();
    assert_eq!(place.load(&made.cases[0]).volumes["t2-tra"], picture(seed(of("P-1", 4, ""))));
    assert!(made.notes[0].contains("2 files of 12 images"), "{:?}", made.notes);
}

#[test]
fn names_that_are_no_good_and_lost_identifiers() {
    let place = place();
    for (i, (patient, date)) in
        [("A/../B", "2011"), ("A/../B", "2011"), ("", ""), ("", "")].into_iter().enumerate()
    {
        let of = Of { patient, date, number: i as u8 + 1, description: "t2 tra" };
        // The same patient and date, other examinations.
        let files: Vec<File> = slices(of)
            .into_iter()
            .map(|f| {
                if i < 2 {
                    f.with((0x0020, 0x000D), b"UI", format!("1.7.{i}"))
                } else {
                    f.without((0x0020, 0x000D))
                }
            })
            .collect();
        write(&place, &format!("{i}/s"), &files);
    }
    let made = place.try_with(asked(&[T2])).unwrap();
    let ids: Vec<&str> = made.cases.iter().map(|case| case.case_id.as_str()).collect();
    assert_eq!(ids, ["A_.._B_2011", "A_.._B_2011_2", "study", "study_2"]);
}

/// A segmentation of an examination's series.
fn drawn(of: Of, description: &str, on: u8, segments: &[(u16, &str, Volume)]) -> Vec<u8> {
    let file = dicom::segmentation(segments, &grid(), Storage::Binary);
    let own = Of { number: 90 + on, description, ..of };
    let file = headed(file, own);
    dicom::drawn_on(file, &uid(Of { number: on, ..of })).bytes()
}

#[test]
fn segmentations_are_masks_whose_classes_have_one_value_everywhere() {
    let place = place();
    let lesion = |d: usize| {
        let mut mask = Volume::filled(SHAPE, 0.0);
        let at = mask.index(d, 7, 7);
        mask.data[at..at + 3].fill(1.0);
        mask
    };
    let t2 = |patient: &'static str| of(patient, 4, "t2 tra");
    for patient in ["P-1", "P-2"] {
        series(&place, t2(patient));
    }
    place.write(
        "P-1/seg",
        drawn(t2("P-1"), "Segmentation", 4, &[(1, "Lesion", lesion(4)), (2, "Gland", block(1.0))]),
    );
    place.write("P-2/seg", drawn(t2("P-2"), "Segmentation", 4, &[(1, "gland ", block(1.0))]));
    let made = place.try_with(asked(&[T2])).unwrap();
    let mask = &made.contents.masks[0];
    assert_eq!(mask.name, "segmentation");
    let classes: Vec<_> = mask.classes.iter().map(|c| (c.name.as_str(), c.values[0])).collect();
    assert_eq!(classes, [("Gland", 1), ("Lesion", 2)]);
    let expected = |lesion: Option<Volume>| {
        let mut mask = block(1.0);
        if let Some(lesion) = lesion {
            mask.data
                .iter_mut()
                .zip(lesion.data)
                .filter(|(m, l)| **m == 0.0 && *l > 0.0)
                .for_each(|(m, _)| *m = 2.0);
        }
        mask
    };
    let load = |i: usize| place.load(&made.cases[i]).volumes["segmentation"].clone();
    assert_eq!(load(0), expected(Some(lesion(4))));
    assert_eq!(load(1), expected(None));
    let (report, _) = dry_run(&place.source, &asked(&[T2])).unwrap();
    assert_eq!((report.masks[0].cases, report.masks[0].values.as_slice()), (2, [1, 2].as_slice()));
    // Overlap is said.
    place.write(
        "P-2/seg",
        drawn(t2("P-2"), "Segmentation", 4, &[(1, "Gland", block(1.0)), (2, "Lesion", block(1.0))]),
    );
    let made = place.try_with(asked(&[T2])).unwrap();
    assert!(made.cases[1].notes[0].contains("segments overlap in 72 voxels"), "{:?}", made.cases[1].notes);
    assert_eq!(place.load(&made.cases[1]).volumes["segmentation"], block(1.0));
}

#[test]
fn segmentations_are_chosen_by_their_description_and_by_what_they_were_drawn_on() {
    let place = place();
    let t2 = of("P-1", 4, "t2 tra");
    series(&place, t2);
    series(&place, of("P-1", 7, "adc"));
    place.write("P-1/g", drawn(t2, "Gland by A", 4, &[(1, "gland", block(1.0))]));
    // In an examination of its own, as some programs write them.
    let other = Of { date: "20200101", ..t2 };
    let file = headed(
        dicom::segmentation(&[(1, "lesion", block(1.0))], &grid(), Storage::Fractional(1)),
        Of { number: 80, description: "Lesion", ..other },
    );
    place.write("elsewhere/l", dicom::drawn_on(file, &uid(t2)).bytes());
    let made = place.try_with(asked(&[T2])).unwrap();
    assert_eq!(made.cases.len(), 1);
    assert_eq!(made.cases[0].channels, ["t2w", "gland-by-a", "lesion"]);
    assert!(made.refused.is_empty(), "{:?}", made.refused);
    let made = place.try_with(asked(&[T2, ("gland", "gland*")])).unwrap();
    assert_eq!(made.cases[0].channels, ["t2w", "gland"]);
    assert!(made.notes.iter().any(|n| n.contains("1 segmentation objects fit none")), "{:?}", made.notes);
    // Two of one name: the one that was drawn on the image that is used.
    place.write("P-1/g2", drawn(t2, "Gland by A", 7, &[(1, "gland", Volume::filled(SHAPE, 1.0))]));
    let made = place.try_with(asked(&[T2, ("gland", "gland*")])).unwrap();
    assert_eq!(place.load(&made.cases[0]).volumes["gland"], block(1.0));
    assert!(made.cases[0].notes[0].contains("1 of 2 segmentation objects were drawn on another series"));
    // A damaged one costs the case, by its name.
    let mut bytes = drawn(t2, "Gland by A", 4, &[(1, "gland", block(1.0))]);
    bytes.truncate(bytes.len() - 20);
    place.write("P-1/g", bytes);
    assert!(place.try_with(asked(&[T2, ("gland", "gland*")])).unwrap_err().contains("P-1/g: truncated"));
}

#[test]
fn folders_of_cases_stay_folders_of_cases() {
    let place = place();
    for patient in ["P-1", "P-2"] {
        write(&place, &format!("{patient}/ct"), &slices(of(patient, 4, "thorax")));
        write(&place, &format!("{patient}/pet"), &slices(of(patient, 5, "pet")));
    }
    let made = place.add();
    assert_eq!(
        (made.cases[0].case_id.as_str(), made.cases[0].channels.as_slice()),
        ("P-1", ["ct".to_owned(), "pet".to_owned()].as_slice())
    );
    super::clear(&place.source);
    // A series without any folder of its own is a tree, and so are folders that only their scanner knows.
    for patient in ["P-1", "P-2"] {
        write(&place, patient, &slices(of(patient, 4, "thorax")));
    }
    assert_eq!(place.add().cases[0].case_id, "P-1_20110707");
    super::clear(&place.source);
    for (patient, number) in [("P-1", 4), ("P-2", 5)] {
        write(&place, &format!("{patient}/SER{number}"), &slices(of(patient, number, "thorax")));
    }
    place.write("P-2/readme.txt", "x");
    assert_eq!(place.add().contents.images[0].name, "thorax");
}

/// The case of a folder as TCIA gives it: PATIENT/STUDY/SERIES.
#[test]
fn prostatex_reads_from_its_tree_as_from_folders_of_cases() {
    let Some(folder) = shared("PROSTATEx as a tree") else { return };
    let root = tempfile::tempdir().unwrap();
    let (tree, flat) = (root.path().join("tree"), root.path().join("flat"));
    let link = |from: &std::path::Path, to: &std::path::Path| {
        std::fs::create_dir_all(to).unwrap();
        for file in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    };
    for case in ["prostatex-0000", "prostatex-0001"] {
        for (i, channel) in ["t2w", "adc", "hbv"].into_iter().enumerate() {
            let from = folder.join("data").join(case).join(channel);
            link(&from, &flat.join(case).join(channel));
            link(&from, &tree.join(case).join("07-07-2011-NA-MR prostate").join(format!("{i}.000000-x")));
        }
    }
    let out = root.path().join("out");
    let text = add_with(&out, &tree, &AddOptions::default(), &|_, _| ()).unwrap_err().to_string();
    assert!(text.contains("--image adc=") && text.contains("--image t2w="), "{text}");
    let options = asked(&[("t2w", "t2*tra*"), ("adc", "*ADC*"), ("hbv", "*BVAL*")]);
    let ours = add_with(&out, &tree, &options, &|_, _| ()).unwrap();
    let theirs = AddOptions { name: Some("flat".into()), ..AddOptions::default() };
    let theirs = add_with(&out, &flat, &theirs, &|_, _| ()).unwrap();
    let patients: Vec<&str> = ours.cases.iter().map(|case| case.patient_id.as_str()).collect();
    assert_eq!(patients, ["ProstateX-0000", "ProstateX-0001"]);
    assert_eq!(ours.contents.images, theirs.contents.images);
    // Hashes are of the arrays with their places.
    let hashes = |cases: &[transferscope_domain::dataset::CaseEntry]| -> Vec<String> {
        cases.iter().map(|case| case.hash.clone()).collect()
    };
    assert_eq!(hashes(&ours.cases), hashes(&theirs.cases));
    assert!(ours.cases[0].case_id.starts_with("ProstateX-0000_20110707"), "{}", ours.cases[0].case_id);
}

#[test]
fn a_tree_without_a_usable_case_says_why() {
    let place = place();
    let slices = slices(of("P-1", 4, "t2 tra"));
    write(&place, "a/b", &slices[..3]);
    write(&place, "a/c", &slices[4..]);
    for text in [place.try_with(asked(&[T2])).unwrap_err(), {
        let tried = dry_run(&place.source, &asked(&[T2]));
        tried.unwrap_err().to_string()
    }] {
        assert!(text.contains("P-1_20110707: a: slices 3 and 4 lie"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever is wrong with the files of a tree, it is added or refused.
    #[test]
    fn damaged_trees_never_panic(changes in prop::collection::vec((0usize..6, 0usize..2000, any::<u8>()), 0..20), cuts in prop::collection::vec((0usize..6, 0usize..900), 0..3), patterns: bool) {
        let place = place();
        let t2 = of("P-1", 4, "t2 tra");
        let mut files: Vec<Vec<u8>> = slices(t2).iter().map(File::bytes).collect();
        files[5] = drawn(t2, "Gland", 4, &[(1, "gland", block(1.0)), (2, "lesion", block(1.0))]);
        for (file, at, byte) in changes {
            // Headers, not pixels.
            let n = files[file].len().min(1200);
            files[file][at % n] = byte;
        }
        for (file, cut) in cuts {
            let n = files[file].len();
            files[file].truncate(n.saturating_sub(cut));
        }
        for (i, bytes) in files.iter().enumerate() {
            place.write(&format!("a/{i}"), bytes);
        }
        let options = if patterns { asked(&[T2]) } else { AddOptions::default() };
        let _ = dry_run(&place.source, &options);
        let _ = place.try_with(options);
    }
}
