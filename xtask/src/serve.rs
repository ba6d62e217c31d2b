//! `cargo xtask serve`: everything up to date, then the server in this process's place.

use std::convert::Infallible;
use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Error, Result};

use crate::bundle;
use crate::tools;
use crate::workspace::Workspace;

/// Where `transferscope serve` listens if nobody says otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:3000";

/// Builds what has changed and becomes the server, so that signals reach it; returns only on failure.
///
/// # Errors
/// When a build fails or the server cannot be started.
pub fn serve(workspace: &Workspace, args: &[String]) -> Result<Infallible> {
    println!("Transferscope will be at http://{} as soon as everything is up to date", address(args));
    bundle::bundle(workspace, false)?;
    // The same selection of packages as in the tests, for only then dependencies are built with the same
    // features and once.
    tools::run(workspace.cargo().args(["build", "--bin", "transferscope"]))?;
    let mut server = Command::new(workspace.server_binary());
    server.current_dir(&workspace.root).arg("serve");
    if value_of(args, "--site-dir").is_none() {
        server.arg("--site-dir").arg(workspace.site());
    }
    let error = server.args(args).exec();
    Err(Error::new(error).context(format!("cannot start {}", workspace.shown(&workspace.server_binary()))))
}

/// The address that the server will listen on, as far as flags and environment say it.
fn address(args: &[String]) -> String {
    value_of(args, "--addr")
        .or_else(|| env::var("TRANSFERSCOPE_ADDR").ok())
        .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned())
}

/// The value of a flag given as `--flag value` or `--flag=value`.
fn value_of(args: &[String], flag: &str) -> Option<String> {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == flag {
            return rest.next().cloned();
        }
        if let Some(value) = arg.strip_prefix(flag).and_then(|tail| tail.strip_prefix('=')) {
            return Some(value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_both_spellings() {
        let args = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            value_of(&args("--device cpu --addr 0.0.0.0:80"), "--addr").as_deref(),
            Some("0.0.0.0:80")
        );
        assert_eq!(value_of(&args("--addr=[::1]:3000"), "--addr").as_deref(), Some("[::1]:3000"));
        assert_eq!(value_of(&args("--address x --addr"), "--addr"), None);
    }
}
