//! Where things are, and how cargo is called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// What `app` is built with on both sides, as in .cargo/config.toml.
const VIEW_CFG: &str = "erase_components";

/// The folders that the tasks read and write.
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder for native builds.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the workspace that this program was built in.
    ///
    /// # Errors
    /// When the folder has gone since, or the current folder cannot be read.
    pub fn locate() -> Result<Self> {
        // Cargo sets the variable for `cargo run`; the built-in path serves a direct call of the binary.
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir
            .join("..")
            .canonicalize()
            .with_context(|| format!("the workspace around {} is gone", manifest_dir.display()))?;
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
            Some(dir) => env::current_dir().context("the current folder cannot be read")?.join(dir),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The target folder of the browser build, apart from the native one because another compiler may write it.
    pub fn wasm_target(&self) -> PathBuf {
        self.target.join("wasm")
    }

    /// The folder that the server serves files from.
    pub fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// The `transferscope` program of the native build.
    pub fn server_binary(&self) -> PathBuf {
        self.target.join("debug").join("transferscope")
    }

    /// The whole folder of numbers made by independent implementations, of which `tests/reference` holds the
    /// small files: `TRANSFERSCOPE_REFERENCE` or `../shared/reference` beside the workspace, if either is there.
    pub fn reference(&self) -> Option<PathBuf> {
        env::var_os("TRANSFERSCOPE_REFERENCE")
            .map_or_else(|| self.root.join("../shared/reference"), PathBuf::from)
            .canonicalize()
            .ok()
            .filter(|path| path.is_dir())
    }

    /// A cargo command in the workspace root, free of what `cargo run` has set for this program, so that
    /// it finds everything as fresh as cargo called by hand does.
    pub fn cargo(&self) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        for (name, _) in env::vars_os() {
            let Some(text) = name.to_str() else { continue };
            let of_this_package = text.starts_with("CARGO_PKG_")
                || text.starts_with("CARGO_MANIFEST_")
                || matches!(
                    text,
                    "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR"
                );
            if of_this_package {
                command.env_remove(name);
            }
        }
        // Flags from the environment replace those of .cargo/config.toml, one of which the pages need.
        let flags = [("RUSTFLAGS", " "), ("CARGO_ENCODED_RUSTFLAGS", "\x1f"), ("RUSTDOCFLAGS", " ")];
        for (name, separator) in flags {
            if let Ok(flags) = env::var(name) {
                command.env(name, format!("{flags}{separator}--cfg{separator}{VIEW_CFG}"));
            }
        }
        command
    }

    /// `path` relative to the workspace root where it lies inside, for messages.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
