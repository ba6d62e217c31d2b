//! Holds the order of the rooms: no file names a room that stands above its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The crate's modules from the bottom up; those of one line are one room. What is not here (the library's root, the
/// program with its commands, what tests have in common) may use everything.
const ROOMS: [&[&str]; 7] = [
    &["data_dir", "health", "off_thread", "telemetry"],
    &["inputs"],
    &["queue"],
    &["results"],
    &["storage"],
    &["web"],
    &["config", "server"],
];
const OUTSIDE: [&str; 6] = ["cli", "cli.rs", "layers.rs", "lib.rs", "main.rs", "testing.rs"];

/// The place of a module in the order.
fn level(module: &str) -> Option<usize> {
    ROOMS.iter().position(|room| room.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => sources(&path, found),
            Some(ending) if ending == "rs" => found.push(path),
            _ => {}
        }
    }
}

/// The first names of all paths that begin at the crate's root or at a parent, grouped or not. Comments do not count.
fn named(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut names = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let rest = code[at + start.len()..].trim_start();
            match rest.strip_prefix('{') {
                None => names.push(first_name(rest)),
                Some(group) => names.extend(members(group).iter().map(|member| first_name(member))),
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The members of a group of imports, of which the opening brace is gone.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[begin..at]);
                begin = at + 1;
            }
            '}' => {
                found.push(&group[begin..at]);
                break;
            }
            _ => {}
        }
    }
    found
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn no_room_knows_one_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut seen = [0; ROOMS.len()];
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let top = inside.iter().next().and_then(|part| part.to_str()).unwrap();
        if OUTSIDE.contains(&top) {
            continue;
        }
        let room = level(top.trim_end_matches(".rs"));
        let room = room.unwrap_or_else(|| panic!("{} stands in no room: add it to ROOMS", inside.display()));
        seen[room] += 1;
        for name in named(&fs::read_to_string(&file).unwrap()) {
            assert!(
                level(&name).is_none_or(|other| other <= room),
                "{} uses `{name}`, which stands above it",
                inside.display()
            );
        }
    }
    assert!(seen.iter().all(|files| *files > 0), "a room is empty: {seen:?}");
}

#[test]
fn paths_are_found_alone_and_in_groups() {
    let source = "use crate::{\n    data_dir::DataDir,\n    queue::{a::{B, C}, web},\n    web::state,\n};\n// crate::config\nfn x() { crate::results::y() }\nuse super::storage;";
    assert_eq!(named(source), ["data_dir", "queue", "web", "results", "storage"]);
}
