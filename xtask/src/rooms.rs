//! Holds the structure: in the server no file names a room that stands above its own, in no crate do modules import each
//! other in a circle, and every page is made in one of two ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Every crate but the few lines of `frontend`.
const CRATES: [&str; 9] = [
    "app",
    "domain",
    "server",
    "server/imaging",
    "server/ml",
    "server/store",
    "server/study",
    "server/verify",
    "xtask",
];

/// The one module that may be asked from below: the list of families of networks. Each question that it answers is asked
/// by the mechanism (reading checkpoints, naming parameters, sampling cases) that the families' folders are built on.
const ASKED: (&str, &str) = ("server/ml", "family");

/// The server's modules from the bottom up; those of one line are one room. What is not here (the library's root, the
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
const OUTSIDE: [&str; 5] = ["cli", "cli.rs", "lib.rs", "main.rs", "testing.rs"];

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

fn sources_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")
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
    let root = sources_of("server");
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

/// Which modules of a crate each of them imports, tests aside. What the root shows under its own name belongs to the
/// module that it comes from.
fn imports(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(root, &mut files);
    let module = |file: &Path| {
        let top = file.strip_prefix(root).unwrap().iter().next().unwrap().to_str().unwrap();
        top.trim_end_matches(".rs").to_owned()
    };
    let modules: BTreeSet<String> = files.iter().map(|file| module(file)).collect();
    let library = fs::read_to_string(root.join("lib.rs")).unwrap_or_default();
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for line in library.split(';').filter_map(|statement| statement.trim().strip_prefix("pub use ")) {
        let Some((from, names)) = line.split_once("::") else { continue };
        let names = names.trim_matches(['{', '}']).split(',').map(|name| name.trim().to_owned());
        shown.extend(names.map(|name| (name, from.to_owned())));
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let own = module(file);
        let is_test = |part: &str| part.starts_with("tests") || part.starts_with("testing");
        let inside = file.strip_prefix(root).unwrap();
        let of_tests = inside.iter().any(|part| part.to_str().is_some_and(is_test));
        if ["lib", "main"].contains(&own.as_str()) || of_tests {
            continue;
        }
        let source = fs::read_to_string(file).unwrap();
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        // A parent's names are the root's only in the files beside it.
        let is_top = inside.iter().count() == 1;
        let source = if is_top { source.to_owned() } else { source.replace("super::", "") };
        let others = named(&source).into_iter().map(|name| shown.get(&name).cloned().unwrap_or(name));
        found.entry(own.clone()).or_default().extend(others.filter(|o| *o != own && modules.contains(o)));
    }
    found
}

/// What is left of a graph when everything is taken away that imports nothing of it, or that nothing of it imports, and
/// again, until there is no such module: the circles, and what lies between two of them.
fn circles(mut graph: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let count = graph.len();
        let imported: BTreeSet<String> = graph.values().flatten().cloned().collect();
        graph.retain(|name, _| imported.contains(name));
        let left: BTreeSet<String> = graph.keys().cloned().collect();
        graph.retain(|_, imports| {
            imports.retain(|name| left.contains(name));
            !imports.is_empty()
        });
        if graph.len() == count {
            return graph;
        }
    }
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    for name in CRATES {
        let mut graph = imports(&sources_of(name));
        if name == ASKED.0 {
            graph.values_mut().for_each(|imports| imports.retain(|name| name != ASKED.1));
        }
        assert!(!graph.is_empty(), "{name} has no modules");
        let circles = circles(graph);
        assert!(circles.is_empty(), "modules of {name} import each other in a circle: {circles:?}");
    }
}

#[test]
fn a_circle_is_found() {
    let graph = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "e")];
    let graph = graph.map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()]))).into();
    assert_eq!(circles(graph).into_keys().collect::<Vec<_>>(), ["b", "c"]);
}

/// The rule is in ARCHITECTURE.md. A page that only says that there is none is of neither kind.
#[test]
fn every_page_is_rendered_or_live() {
    let app = sources_of("app");
    let mut files = Vec::new();
    sources(&app, &mut files);
    let (mut rendered, mut live) = (0, 0);
    for file in files {
        let inside = file.strip_prefix(&app).unwrap().to_string_lossy().into_owned();
        let source = fs::read_to_string(&file).unwrap();
        let named = named(&source);
        if named.iter().any(|name| name == "server_views") {
            let may = ["api/", "server_views/", "lib.rs"].iter().any(|place| inside.starts_with(place));
            assert!(may, "{inside} uses a rendered page's view: only a function of `api` makes HTML of it");
        }
        if !inside.starts_with("pages/") || inside == "pages/not_found.rs" {
            continue;
        }
        match (source.contains("rendered("), source.contains("loaded(")) {
            (true, false) => {
                // What the head of the document says may stand here, since it is of the page and not of its data.
                let markup =
                    source.lines().filter(|l| l.trim_start().starts_with('<') && !l.contains("<Meta"));
                assert_eq!(
                    markup.count(),
                    0,
                    "{inside} is a rendered page: its markup belongs to `server_views`"
                );
                rendered += 1;
            }
            (false, true) => live += 1,
            (both, _) => panic!("{inside} is rendered and live ({both}), or neither: see ARCHITECTURE.md"),
        }
    }
    assert!(rendered > 5 && live > 5, "{rendered} rendered pages, {live} live ones");
}

#[test]
fn paths_are_found_alone_and_in_groups() {
    let source = "use crate::{\n    data_dir::DataDir,\n    queue::{a::{B, C}, web},\n    web::state,\n};\n// crate::config\nfn x() { crate::results::y() }\nuse super::storage;";
    assert_eq!(named(source), ["data_dir", "queue", "web", "results", "storage"]);
}
