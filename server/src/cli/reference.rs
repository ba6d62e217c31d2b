//! Pages of `docs/reference` that are made from the program: its commands and the addresses of its API.
//! `TRANSFERSCOPE_WRITE_DOCS=1 cargo test -p transferscope-server reference` writes them anew.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use clap::{CommandFactory, error::ErrorKind};
use transferscope_server::web::openapi;

use super::Cli;

const COMMANDS: &str = "\
# Commands

*Generated from the program's own help by a test (`server/src/cli/reference.rs`); edit it there.*

A flag with `[env: NAME]` can also be given by that environment variable. `--data-dir` and `--json` work on every command. A
command that fails prints one line that begins with `error:` and ends with exit code 1; unknown flags end it with \
exit code 2.
The keys and values of `--set`: [settings](settings.md).

`cargo xtask serve | build | test | screenshots` build and test the program; each has `--help`.
";

const API: &str = "\
# API

*Generated from the OpenAPI document by a test (`server/src/cli/reference.rs`); edit the handlers' comments.*

A running server describes every address, field and error in its OpenAPI 3.1 document at `/api/v1/openapi.json`; client generators
and viewers read it. This page lists the addresses. Answers are JSON unless they say otherwise, errors are problem documents (RFC
9457) with a stable `kind`. Fields may be added to answers, never renamed or removed. Who may write: [network.md](../network.md).
";

/// Holds a page against its file, or writes the file where that is asked for.
fn hold(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    if std::env::var_os("TRANSFERSCOPE_WRITE_DOCS").is_some() {
        fs::write(&file, page).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        there, page,
        "docs/reference/{name} is not what the program says: run with TRANSFERSCOPE_WRITE_DOCS=1"
    );
}

/// The same command, without what this machine's environment says.
fn without_values(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(without_values)
}

/// Adds the help of a command and of those below it, as `--help` prints it.
fn describe(page: &mut String, command: &clap::Command, path: &[&str]) {
    let asked = command.clone().try_get_matches_from(path.iter().chain(&["--help"]));
    let help = asked.expect_err("help is no match");
    assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{path:?}: {help}");
    writeln!(page, "\n## {}\n\n```text", path.join(" ")).unwrap();
    help.to_string().trim_end().lines().for_each(|line| writeln!(page, "{}", line.trim_end()).unwrap());
    page.push_str("```\n");
    let here = path.iter().skip(1).fold(command, |c, name| c.find_subcommand(name).expect("it was listed"));
    for below in here.get_subcommands().filter(|c| c.get_name() != "help") {
        describe(page, command, &[path, &[below.get_name()]].concat());
    }
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut page = COMMANDS.to_owned();
    describe(&mut page, &without_values(Cli::command()), &["transferscope"]);
    hold("commands.md", &page);
}

#[test]
fn the_page_of_the_api_is_what_the_document_says() {
    let document = openapi::document();
    let mut by_tag: BTreeMap<&str, Vec<[&str; 3]>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let tag = operation["tags"][0].as_str().unwrap();
            let summary = operation["summary"].as_str().unwrap();
            by_tag.entry(tag).or_default().push([path, method, summary]);
        }
    }
    let mut page = API.to_owned();
    for tag in document["tags"].as_array().unwrap() {
        let (name, description) = (tag["name"].as_str().unwrap(), tag["description"].as_str().unwrap());
        writeln!(page, "\n## {name}\n\n{description}.\n\n| address | what it does |\n|---|---|").unwrap();
        let mut operations = by_tag.remove(name).unwrap_or_default();
        operations.sort_unstable();
        for [path, method, summary] in operations {
            let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
            writeln!(page, "| `{} {path}` | {summary} |", method.to_uppercase()).unwrap();
        }
    }
    assert!(by_tag.is_empty(), "tags that the document does not list: {by_tag:?}");
    hold("api.md", &page);
}
