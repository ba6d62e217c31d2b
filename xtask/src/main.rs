//! `cargo xtask serve | build | test | screenshots`: everything between a fresh clone and a page in the browser.
//!
//! The tasks install what they need where they may ([`wasm_target`], [`tools`]), build the browser
//! bundle ([`bundle`]) and the native crates with plain cargo, and skip what has not changed.
//! This crate depends on no other crate of the workspace. Run it from the workspace root.

mod assets;
mod axe;
#[cfg(test)]
mod boundary;
mod bundle;
mod css;
mod digest;
#[cfg(test)]
mod links;
#[cfg(test)]
mod rooms;
mod screenshots;
mod serve;
mod steps;
mod test;
mod tools;
mod wasm_compiler;
mod wasm_std;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workspace::Workspace;

/// Builds, serves and tests Transferscope.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build what has changed and start the server.
    Serve {
        /// Arguments for `transferscope serve`, such as `--addr 0.0.0.0:8080` or `--device cuda`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build the browser bundle and the native crates.
    Build {
        /// Build the bundle even if its sources have not changed.
        #[arg(long)]
        force: bool,
    },
    /// Run everything that CI runs, the browser tests included.
    Test {
        /// Add the slow checks.
        #[arg(long)]
        full: bool,
    },
    /// Renew the screenshots in README and docs from the program as it is.
    Screenshots(screenshots::Args),
}

fn main() -> ExitCode {
    let result = Workspace::locate().and_then(|workspace| match Cli::parse().task {
        Task::Serve { args } => serve::serve(&workspace, &args).map(|never| match never {}),
        Task::Build { force } => build(&workspace, force),
        Task::Test { full } => test::test(&workspace, full),
        Task::Screenshots(args) => screenshots::screenshots(&workspace, &args).map(|()| ExitCode::SUCCESS),
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build(workspace: &Workspace, force: bool) -> anyhow::Result<ExitCode> {
    bundle::bundle(workspace, force)?;
    tools::run(workspace.cargo().arg("build"))?;
    Ok(ExitCode::SUCCESS)
}
