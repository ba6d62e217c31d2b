//! What may not be in the browser: tensors, databases, the server. Checked against cargo's own answer.

use std::collections::BTreeSet;

use crate::tools;
use crate::wasm_compiler::TARGET;
use crate::workspace::Workspace;

/// The names of all packages that a package's normal dependencies bring for a target.
fn dependencies(package: &str, target: &str) -> BTreeSet<String> {
    let workspace = Workspace::locate().expect("the workspace");
    let mut command = workspace.cargo();
    command.args(["tree", "--package", package, "--target", target, "--edges", "normal"]);
    let tree = tools::output(command.args(["--prefix", "none", "--format", "{p}"])).expect("cargo tree");
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn forbidden(name: &str) -> bool {
    const EXACT: [&str; 10] = [
        "axum",
        "hyper",
        "libsqlite3-sys",
        "rustix",
        "tokio",
        "tower",
        "transferscope-ml",
        "transferscope-server",
        "transferscope-store",
        "transferscope-verify",
    ];
    const FAMILIES: [&str; 4] = ["burn", "cubecl", "cudarc", "sqlx"];
    EXACT.contains(&name)
        || FAMILIES.iter().any(|family| {
            name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
}

#[test]
fn the_browser_sees_neither_tensors_nor_database_nor_server() {
    let names = dependencies("transferscope-frontend", TARGET);
    assert!(names.contains("transferscope-app") && names.contains("leptos"), "an odd tree: {names:?}");
    let found: Vec<&String> = names.iter().filter(|name| forbidden(name)).collect();
    assert!(
        found.is_empty(),
        "in the browser bundle: {found:?}; see `cargo tree -p transferscope-frontend --target {TARGET} -i NAME`"
    );
}

#[test]
fn the_numerical_crate_sees_neither_web_nor_database() {
    let names = dependencies("transferscope-ml", "x86_64-unknown-linux-gnu");
    assert!(names.contains("burn") && names.contains("transferscope-domain"), "an odd tree: {names:?}");
    let web = [
        "axum",
        "leptos",
        "sqlx",
        "libsqlite3-sys",
        "transferscope-app",
        "transferscope-store",
        "transferscope-server",
        // What compares its numbers is built on it.
        "transferscope-verify",
    ];
    let found: Vec<&&str> = web.iter().filter(|name| names.contains(**name)).collect();
    assert!(found.is_empty(), "in the numerical crate: {found:?}");
}

#[test]
fn the_names_are_told_apart() {
    assert!(forbidden("burn") && forbidden("burn-core") && forbidden("sqlx-core") && forbidden("tokio"));
    assert!(!forbidden("burnt") && !forbidden("tokio-stream-like") && !forbidden("leptos"));
}
