//! A standard library for the browser, built from Debian's sources for Debian's compiler.
//!
//! For systems where rustup's server cannot be reached. Compiler and sources have to be of one release,
//! so both come from Debian (packages `rustc-web`, `rust-web-src`).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::wasm_compiler::{Compiler, TARGET};
use crate::workspace::Workspace;

/// Names the folder's libraries as ours, and the compiler they were built with.
const MARKER: &str = "transferscope-std.txt";
/// The empty crate that the library is built for.
const CRATE: &str = "std_builder";

/// Where a toolchain keeps the sources of its standard library.
pub fn sources(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust/library/std")
}

/// Builds the standard library (under a minute) and puts it among the compiler's libraries.
///
/// # Errors
/// When the build fails, or the folder holds libraries that this function has not put there.
pub fn build_and_install(workspace: &Workspace, compiler: &Compiler) -> Result<()> {
    println!("Building the standard library of Rust {} for {TARGET}", compiler.release());
    let rlibs = build(workspace, compiler)?;
    let dir = compiler.libraries()?;
    let old = rlibs_in(&dir).unwrap_or_default();
    if !old.is_empty() && !dir.join(MARKER).exists() {
        bail!(
            "{} holds a standard library that does not work: remove that folder and run this command again",
            dir.display()
        );
    }
    if !old.is_empty() {
        tools::run(tools::privileged("rm").arg("-f").args(&old))?;
    }
    let marker = folder(workspace).join(MARKER);
    fs::write(&marker, &compiler.version).with_context(|| format!("cannot write {}", marker.display()))?;
    tools::run(tools::privileged("mkdir").arg("-p").arg(&dir))?;
    // The marker first: a copy that is cut off leaves libraries that the next call knows for its own.
    tools::run(tools::privileged("cp").arg(&marker).arg(&dir))?;
    tools::run(tools::privileged("cp").args(&rlibs).arg(&dir))
}

/// The folder that the library is built in.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("wasm-std")
}

/// Builds in a folder of its own and returns the libraries made.
fn build(workspace: &Workspace, compiler: &Compiler) -> Result<Vec<PathBuf>> {
    let dir = folder(workspace);
    // Objects of an earlier release would be found beside the new ones.
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir.join("src")).with_context(|| format!("cannot create {}", dir.display()))?;
    let manifest =
        format!("[package]\nname = \"{CRATE}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n");
    fs::write(dir.join("Cargo.toml"), manifest).context("cannot write the manifest")?;
    fs::write(dir.join("src/lib.rs"), "").context("cannot write the empty crate")?;

    let mut command: Command = compiler.cargo(workspace);
    command
        .current_dir(&dir)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        // The sources need features that only a nightly compiler offers by itself.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without it a later build with link-time optimisation finds no ".llvmbc" section.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .args(["build", "--release", "-Zbuild-std=std,panic_abort,proc_macro", "--target", TARGET]);
    tools::run(&mut command)?;

    let deps = dir.join("target").join(TARGET).join("release/deps");
    let mut rlibs = rlibs_in(&deps).with_context(|| format!("cannot list {}", deps.display()))?;
    rlibs.retain(|path| !file_name(path).starts_with(&format!("lib{CRATE}")));
    if !rlibs.iter().any(|path| file_name(path).starts_with("libstd-")) {
        bail!("the build has left no standard library in {}", deps.display());
    }
    Ok(rlibs)
}

fn rlibs_in(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("rlib")) {
            found.push(path);
        }
    }
    Ok(found)
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
