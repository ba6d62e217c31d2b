//! One compiler for the browser: what it is, whether it works, and how cargo is told to use it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::tools;
use crate::workspace::Workspace;

/// The target triple of the browser bundle.
pub const TARGET: &str = "wasm32-unknown-unknown";

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
    pub fn field(&self, name: &str) -> &str {
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
