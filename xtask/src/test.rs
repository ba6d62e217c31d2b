//! `cargo xtask test`: everything that CI runs, one step after the other, each with its time.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::axe;
use crate::bundle::{self, WASM_BROTLI_LIMIT};
use crate::steps::Steps;
use crate::tools;
use crate::workspace::Workspace;

/// Runs all steps, also after a failed one as far as they make sense, and prints the summary.
///
/// # Errors
/// Never for a failing step: that is the exit code.
pub fn test(workspace: &Workspace, full: bool) -> Result<ExitCode> {
    let mut steps = Steps::default();
    let reference = workspace.reference();
    let cargo = || {
        let mut command = workspace.cargo();
        // Set for the browser tests only, which print a line and return without it.
        command
            .env_remove("TRANSFERSCOPE_SITE_DIR")
            .env_remove("TRANSFERSCOPE_AXE")
            .env_remove("TRANSFERSCOPE_FULL")
            .env_remove("TRANSFERSCOPE_SKIP_BROWSER")
            // The one that the build step made: built by itself, without the features that tests ask of
            // dependencies, it would build these once more.
            .env("TRANSFERSCOPE_TEST_PROGRAM", workspace.target.join("debug/transferscope"));
        // Tests whose reference files are not there fail unless the run says that it goes without.
        match &reference {
            Some(reference) => command
                .env("TRANSFERSCOPE_REFERENCE", reference)
                .env_remove("TRANSFERSCOPE_WITHOUT_REFERENCE"),
            None => command.env("TRANSFERSCOPE_WITHOUT_REFERENCE", "1"),
        };
        if full {
            command.env("TRANSFERSCOPE_FULL", "1");
        }
        command
    };

    let axe = steps.run("tools", || {
        tools::browser()?;
        axe::script(workspace)
    });
    steps.run("clock", clock);
    steps.run("format", || tools::run(cargo().args(["fmt", "--all", "--check"])));
    let built = steps.run("build", || tools::run(cargo().args(["build", "--all-targets"]))).is_some();
    steps.run("clippy", || tools::run(cargo().args(["clippy", "--all-targets", "--", "-D", "warnings"])));
    let bundle = steps.run("browser bundle", || bundle::bundle(workspace, false));
    match &bundle {
        Some(program) => {
            steps.run("bundle size", || within_limit(program.brotli));
        }
        None => steps.skip("bundle size", "there is no bundle"),
    }
    // The browser's tests come by themselves below, with the bundle that was just built.
    if built {
        steps.run("tests", || {
            tools::run(cargo().args(["test", "--no-fail-fast"]).env("TRANSFERSCOPE_SKIP_BROWSER", "1"))
        });
    } else {
        steps.skip("tests", "the build failed");
    }
    match (built, &bundle, &axe) {
        (true, Some(_), Some(axe)) => {
            steps.run("browser tests", || {
                let mut command = cargo();
                command.env("TRANSFERSCOPE_SITE_DIR", workspace.site()).env("TRANSFERSCOPE_AXE", axe);
                tools::run(command.args(["test", "--test", "e2e"]))
            });
        }
        (false, _, _) => steps.skip("browser tests", "the build failed"),
        (_, None, _) => steps.skip("browser tests", "there is no bundle"),
        (_, _, None) => steps.skip("browser tests", "there is no browser, or no axe-core"),
    }

    steps.note(match &reference {
        Some(path) => format!("Reference data: {}.", path.display()),
        None => "Reference data: tests/reference alone. The tests of the large files have compared nothing; \
                 set TRANSFERSCOPE_REFERENCE to their folder."
            .to_owned(),
    });
    if !full {
        steps.note("Without --full: the slow checks were left out.".to_owned());
    }
    println!("\n{}", steps.summary());
    Ok(if steps.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The library that sets the clock of a test's server, installed if it is missing and may be.
fn clock() -> Result<()> {
    let is_there = || {
        std::fs::read_dir("/usr/lib").is_ok_and(|folders| {
            folders.flatten().any(|folder| folder.path().join("faketime/libfaketimeMT.so.1").is_file())
        })
    };
    if is_there() {
        return Ok(());
    }
    if !tools::can_install() {
        bail!("a test sets its server's clock and needs libfaketime; on Debian: apt-get install libfaketime");
    }
    tools::install(&["libfaketime"])
}

fn within_limit(brotli: usize) -> Result<()> {
    if brotli > WASM_BROTLI_LIMIT {
        bail!("the program weighs {brotli} bytes with brotli, more than the {WASM_BROTLI_LIMIT} it may");
    }
    println!("{brotli} of {WASM_BROTLI_LIMIT} bytes with brotli");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed() {
        assert!(within_limit(WASM_BROTLI_LIMIT).is_ok());
        assert!(within_limit(WASM_BROTLI_LIMIT + 1).is_err());
    }
}
