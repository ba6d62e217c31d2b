//! Tables as spreadsheets of many languages write them.

use transferscope_domain::metric::Split;

use super::{Place, place};

fn cases(names: &[&str]) -> Place {
    let place = place();
    for (seed, name) in names.iter().enumerate() {
        place.case(name, seed);
    }
    place
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn tables_are_read_however_they_are_written() {
    let place = cases(&["c1", "c2", "c3"]);
    let comma = "case_id,patient_id,cspca\r\nc1,P1,yes\r\nc2,\"P, \u{e9}\",no\r\nc3,P3,\r\n";
    let tab = comma.replace("\"P, \u{e9}\"", "P; \u{e9}").replace(',', "\t").replace("P;", "P,");
    let semicolon = tab.replace('\t', ";");
    let loose = "  Case ID ;PATIENT-ID;csPCa;;\n\nc1;P1;1,0;;\n;;;;\nc2;P, \u{e9};Falsch;;\nc3;P3;;;\n";
    let tables: [(&str, Vec<u8>); 12] = [
        ("commas", comma.as_bytes().to_vec()),
        ("mark and commas", [b"\xef\xbb\xbf", comma.as_bytes()].concat()),
        ("mark and semicolons", [b"\xef\xbb\xbf", semicolon.as_bytes()].concat()),
        ("tabs", tab.as_bytes().to_vec()),
        ("UTF-16 of little end with mark", utf16(&format!("\u{feff}{tab}"), u16::to_le_bytes)),
        ("UTF-16 of big end with mark", utf16(&format!("\u{feff}{semicolon}"), u16::to_be_bytes)),
        ("UTF-16 without mark", utf16(comma, u16::to_le_bytes)),
        ("Latin-1", semicolon.chars().map(|c| c as u8).collect()),
        ("lines of an old Mac", comma.replace("\r\n", "\r").into_bytes()),
        ("a line that names the separator", format!("sep=;\r\n{semicolon}").into_bytes()),
        ("other case, blanks, empty columns and lines", loose.as_bytes().to_vec()),
        ("last cells missing", comma.replace("c3,P3,", "c3,P3").into_bytes()),
    ];
    for (kind, bytes) in tables {
        place.write("cases.csv", bytes);
        let made = place.add();
        let found: Vec<_> = made.cases.iter().map(|c| (c.patient_id.as_str(), c.cspca)).collect();
        assert_eq!(found, [("P1", Some(true)), ("P, \u{e9}", Some(false)), ("P3", None)], "{kind}");
        assert_eq!(made.refused, [], "{kind}");
    }
    place.write("cases.csv", semicolon.chars().map(|c| c as u8).collect::<Vec<_>>());
    assert!(place.add().notes[0].contains("it was read as Windows-1252"));
}

#[test]
fn numbers_keep_their_meaning_in_every_spelling() {
    let place = cases(&["c1", "c2", "c3"]);
    let table = "case_id;patient_id;split;fold\nc1;P1;Train;1,0\nc2;P2;VAL;2.0\nc3;P3;test;0\n";
    place.write("cases.csv", table);
    let made = place.add();
    let found: Vec<_> = made.cases.iter().map(|c| (c.split, c.fold)).collect();
    assert_eq!(found, [(Split::Train, Some(1)), (Split::Val, Some(2)), (Split::Test, Some(0))]);
    place.write("cases.csv", table.replace("1,0", "1,5"));
    assert!(place.refusal().contains("line 2: fold \"1,5\": a whole number from 0 was expected"));
}

#[test]
fn leading_zeros_that_a_spreadsheet_took_away_are_found_again() {
    let place = cases(&["001", "002", "003", "004"]);
    place.write(
        "cases.csv",
        "case_id,patient_id,split\r\n1,P1,train\r\n2,P1,train\r\n3,P3,val\r\n4,P4,test\r\n",
    );
    let made = place.add();
    assert_eq!((made.patients(), made.refused.len()), (3, 0));
    assert_eq!(made.cases[3].split, Split::Test);
    assert!(
        made.notes[0].contains(
            "cases.csv names 4 cases otherwise than their folders are named, such as \"1\" for \"001\""
        ),
        "{:?}",
        made.notes
    );
    place.write("cases.csv", "case_id,patient_id\nJan 1,P1\n");
    assert!(place.refusal().contains(
        "it matches none of the case folders: it has case_id \"Jan 1\", the first folder is \"001\""
    ));
    place.write("cases.csv", "case_id,patient_id\n1,P1\n01,P2\n");
    assert!(place.refusal().contains("it says \"01\" or \"1\", which can be \"001\""));
}

#[test]
fn a_table_under_another_name_is_not_lost_in_silence() {
    let place = cases(&["c1", "c2", "c3"]);
    let table = "case_id\tpatient_id\nc1\tp\nc2\tp\nc3\tq\n";
    for name in ["Cases.CSV", "cases.tsv", "CASES.TXT"] {
        place.write(name, table);
        assert_eq!(place.add().patients(), 2, "{name}");
        std::fs::remove_file(place.source.join(name)).unwrap();
    }
    place.write("cases_new.csv", table);
    let made = place.add();
    assert_eq!(made.patients(), 3);
    assert!(made.notes[0].contains("cases_new.csv was not read"), "{:?}", made.notes);
    place.write("cases.xlsx", "PK");
    assert!(place.refusal().contains("cases.xlsx: a workbook is not read: save its table as CSV"));
    place.write("cases.csv", b"PK\x03\x04");
    assert!(place.refusal().contains("a workbook of Excel or another spreadsheet"));
    place.write("cases.tsv", table);
    assert!(place.refusal().contains("cases.csv and cases.tsv: one table of the cases was expected"));
}

#[test]
fn damaged_lines_are_named() {
    let place = cases(&["c1"]);
    for (table, words) in [
        ("case_id,patient_id\nc1,p,extra\n", "line 2: 3 cells where the header has 2"),
        ("case_id;patient_id\nc1;p\nC1;q\nc1;r\n", "line 4: case \"c1\" is listed twice"),
        ("case_id;patient_id\nc1\n", "line 2: case_id or patient_id is empty"),
        ("case;patient\nc1;p\n", "no column case_id, only case, patient"),
        ("case_id;patient_id;Case ID\nc1;p;c1\n", "two columns case_id"),
    ] {
        place.write("cases.csv", table);
        let text = place.refusal();
        assert!(text.contains(words), "{text}");
    }
}
