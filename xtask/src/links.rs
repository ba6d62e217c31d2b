//! Links of the documents lead somewhere: every file that README, CONTRIBUTING, ARCHITECTURE, CHANGELOG and docs name
//! relative to themselves is there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::Workspace;

/// The documents that people read.
fn documents(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of documents") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// What a document links to: targets of `[text](target)`, and of `src` and `srcset` in its HTML. Code is no link.
fn targets(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second piece stands between backticks.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        for (open, close) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')] {
            let ends = prose.split(open).skip(1).filter_map(|rest| rest.split_once(close));
            found.extend(ends.map(|(target, _)| target.to_owned()));
        }
    }
    found
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(document: &str) -> Vec<String> {
    let heading = |line: &str| -> Option<String> {
        let text = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
    };
    document.lines().filter_map(heading).collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_to_a_heading_of_it() {
    let root = Workspace::locate().expect("the workspace").root;
    let mut lost = Vec::new();
    for document in documents(&root) {
        let text = fs::read_to_string(&document).unwrap_or_else(|e| panic!("{}: {e}", document.display()));
        for target in targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => document.clone(),
                file => document.parent().expect("documents lie in folders").join(file),
            };
            let whole = path.exists()
                && (anchor.is_empty()
                    || fs::read_to_string(&path).is_ok_and(|t| anchors(&t).iter().any(|a| a == anchor)));
            if !whole {
                lost.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(lost.is_empty(), "links that lead nowhere:\n{}", lost.join("\n"));
}

#[test]
fn links_are_found_in_prose_and_not_in_code() {
    let document = "See [one](a.md) and [two](b/c.md#part), not `[this](no.md)`.\n```\n[nor](this.md)\n```\n\
                    <source srcset=\"dark.webp\"><img src=\"light.webp\" alt=\"\">\n# A title, of two: parts\n";
    assert_eq!(targets(document), ["a.md", "b/c.md#part", "light.webp", "dark.webp"]);
    assert_eq!(anchors(document), ["a-title-of-two-parts"]);
}
