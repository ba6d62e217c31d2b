//! A compiler that can build for the browser.
//!
//! Tried in this order: the active toolchain as it is; Debian's compiler as an earlier call left it;
//! the active toolchain after `rustup target add`; Debian's compiler after [`wasm_std`] has built a
//! standard library for it. What an earlier call has set up is found by what is on the disk.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::wasm_std;
use crate::workspace::Workspace;

/// The target triple of the browser bundle.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Where Debian puts its compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Long enough for 30 MB on a slow line, short enough to wait for where there is no line at all.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// A compiler, and the linker where it has none of its own for this target.
pub struct Compiler {
    /// The program, as a path or as a name on `PATH`.
    pub rustc: OsString,
    /// What `rustc -vV` prints.
    pub version: String,
    /// A linker to name to the compiler.
    pub linker: Option<PathBuf>,
}

impl Compiler {
    /// Asks a compiler for its version; `None` if there is none.
    pub fn at(rustc: impl Into<OsString>) -> Option<Self> {
        let rustc = rustc.into();
        let version = tools::output(Command::new(&rustc).arg("-vV")).ok()?;
        Some(Self { rustc, version, linker: None })
    }

    /// The value of a line of `rustc -vV`, such as `release` or `host`.
    fn field(&self, name: &str) -> &str {
        self.version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
    }

    /// The release, such as `1.96.0`.
    pub fn release(&self) -> &str {
        self.field("release")
    }

    /// The folder of the compiler's libraries for the browser, whether it exists or not.
    ///
    /// # Errors
    /// When the compiler does not answer.
    pub fn libraries(&self) -> Result<PathBuf> {
        let mut command = Command::new(&self.rustc);
        tools::output(command.args(["--print", "target-libdir", "--target", TARGET])).map(PathBuf::from)
    }

    /// The folder of the whole toolchain.
    ///
    /// # Errors
    /// When the compiler does not answer.
    pub fn sysroot(&self) -> Result<PathBuf> {
        tools::output(Command::new(&self.rustc).args(["--print", "sysroot"])).map(PathBuf::from)
    }

    /// Whether the compiler is as new as the workspace asks for.
    pub fn is_new_enough(&self) -> bool {
        at_least(self.release(), env!("CARGO_PKG_RUST_VERSION"))
    }

    /// A cargo command that builds for the browser with this compiler.
    pub fn cargo(&self, workspace: &Workspace) -> Command {
        let mut command = workspace.cargo();
        command.env("RUSTC", &self.rustc).env("CARGO_TARGET_DIR", workspace.wasm_target());
        // Flags meant for the native build, such as a processor's name, do not fit here; those of
        // .cargo/config.toml do.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }

    /// Whether a library for the browser compiles and links: the only proof that the standard library is
    /// there and fits this very compiler.
    pub fn works(&self) -> bool {
        let dir = env::temp_dir().join(format!("xtask-wasm-probe-{}", std::process::id()));
        let attempt = || -> Result<()> {
            fs::create_dir_all(&dir)?;
            let source = dir.join("probe.rs");
            fs::write(
                &source,
                "#[unsafe(no_mangle)] pub extern \"C\" fn probe() -> usize { std::env::args().count() }",
            )?;
            let mut command = Command::new(&self.rustc);
            command.args(["--edition=2024", "--crate-type=cdylib", "--target", TARGET]);
            command.arg(&source).arg("-o").arg(dir.join("probe.wasm"));
            if let Some(linker) = &self.linker {
                command
                    .arg("-C")
                    .arg(["linker=".as_ref(), linker.as_os_str()].join(OsString::new().as_os_str()));
            }
            tools::output(command.stdin(Stdio::null())).map(drop)
        };
        let works = attempt().is_ok();
        fs::remove_dir_all(&dir).ok();
        works
    }
}

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
                 `apt-get install rustc-web rust-web-src lld`, and call this again.",
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

/// Whether a release such as `1.96.0` or `1.97.0-nightly` is `minimum` or later.
fn at_least(release: &str, minimum: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u32> { text.split(['.', '-']).map_while(|part| part.parse().ok()).collect() };
    numbers(release) >= numbers(minimum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        assert!(at_least("1.96.0", "1.95"));
        assert!(at_least("1.95.0", "1.95"));
        assert!(at_least("1.100.0-nightly", "1.95"));
        assert!(!at_least("1.63.0", "1.95"));
        assert!(!at_least("", "1.95"));
    }

    #[test]
    fn a_program_that_is_no_compiler_is_none() {
        assert!(Compiler::at("/nowhere/rustc").is_none());
        let false_compiler = Compiler { rustc: "false".into(), version: String::new(), linker: None };
        assert!(!false_compiler.works());
        assert!(!false_compiler.is_new_enough());
    }
}
