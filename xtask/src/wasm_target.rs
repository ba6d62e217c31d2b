//! A compiler that can build for the browser.
//!
//! Tried in this order: the active toolchain as it is; Debian's compiler as an earlier call left it;
//! the active toolchain after `rustup target add`; Debian's compiler after [`wasm_std`] has built a
//! standard library for it. What an earlier call has set up is found by what is on the disk.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::wasm_compiler::{Compiler, TARGET};
use crate::wasm_std;
use crate::workspace::Workspace;

/// Where Debian puts its compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Long enough for 30 MB on a slow line, short enough to wait for where there is no line at all.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Finds a compiler for the browser, setting one up if there is none.
///
/// # Errors
/// When nothing that may be tried here succeeds; the message says what to install.
pub fn compiler(workspace: &Workspace) -> Result<Compiler> {
    let active = Compiler::at(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .context("no Rust compiler answers: install Rust from https://rustup.rs")?;
    if has_library(&active.libraries()?) {
        return Ok(active);
    }
    if let Some(debian) = debian().filter(|debian| debian.is_new_enough() && debian.works()) {
        return Ok(debian);
    }

    let mut tried = Vec::new();
    println!("The browser bundle needs the Rust target {TARGET}, which is not installed yet.");
    if let Some(rustup) = tools::find("rustup") {
        match tools::run_within(Command::new(rustup).args(["target", "add", TARGET]), RUSTUP_LIMIT) {
            Ok(()) if has_library(&active.libraries()?) => return Ok(active),
            Ok(()) => tried.push(format!(
                "rustup has added the target, but not to the active compiler ({})",
                active.release()
            )),
            Err(error) => tried.push(format!("{error:#}")),
        }
    } else {
        tried.push("there is no rustup on PATH".to_owned());
    }
    match debian_with_library(workspace) {
        Ok(compiler) => Ok(compiler),
        Err(error) => {
            tried.push(format!("{error:#}"));
            bail!(
                "no compiler for the browser bundle could be set up. Tried:\n  - {}\n\
                 Install it with `rustup target add {TARGET}`, or on Debian as root with \
                 `apt-get install rustc-web rust-web-src lld`, and run this command again.",
                tried.join("\n  - ")
            )
        }
    }
}

/// Debian's compiler if it is installed, with a linker if one is found.
fn debian() -> Option<Compiler> {
    let mut compiler = Compiler::at(DEBIAN_RUSTC)?;
    compiler.linker = linker(&compiler);
    Some(compiler)
}

/// Debian's compiler with a standard library built from Debian's sources.
fn debian_with_library(workspace: &Workspace) -> Result<Compiler> {
    let has_sources =
        |compiler: &Compiler| compiler.sysroot().is_ok_and(|dir| wasm_std::sources(&dir).is_dir());
    let mut compiler = debian();
    if !compiler.as_ref().is_some_and(|found| found.is_new_enough() && has_sources(found)) {
        if !tools::can_install() {
            bail!("packages cannot be installed here (not a Debian system, or neither root nor sudo)");
        }
        tools::install(&["rustc-web", "rust-web-src"])?;
        compiler = debian();
    }
    let mut compiler = compiler.context("the package rustc-web has not brought a compiler")?;
    if !compiler.is_new_enough() {
        bail!(
            "Debian's compiler is {}, older than the {} this project needs",
            compiler.release(),
            env!("CARGO_PKG_RUST_VERSION")
        );
    }
    if compiler.linker.is_none() {
        if tools::can_install() {
            tools::install(&["lld"])?;
        }
        compiler.linker = linker(&compiler);
        if compiler.linker.is_none() {
            bail!("there is no linker for the browser (rust-lld or wasm-ld): install the package lld");
        }
    }
    wasm_std::build_and_install(workspace, &compiler)?;
    if !compiler.works() {
        bail!(
            "a standard library was built for {}, but a small program does not link with it",
            compiler.release()
        );
    }
    Ok(compiler)
}

/// LLVM's linker: from the active toolchain, from Debian's own, or from `PATH`.
fn linker(compiler: &Compiler) -> Option<PathBuf> {
    let host = compiler.field("host");
    let active = tools::output(Command::new("rustc").args(["--print", "sysroot"])).ok().map(PathBuf::from);
    let in_toolchain = |sysroot: PathBuf| sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    active
        .into_iter()
        .chain(compiler.sysroot().ok())
        .map(in_toolchain)
        .find(|file| file.is_file())
        .or_else(|| tools::find("rust-lld"))
        .or_else(|| tools::find("wasm-ld"))
}

/// Whether a folder of libraries holds a standard library.
fn has_library(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    })
}
