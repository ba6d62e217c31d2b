//! Running other programs, and installing the ones that are missing.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a command to its end, its output going where ours goes.
///
/// # Errors
/// When it cannot be started or ends with anything but success; the message names the command.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and returns what it wrote to its standard output, without the final line break.
///
/// # Errors
/// As [`run`]; the message holds what the command wrote to its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", shown(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs a command that may hang, such as a download, and ends it after `limit`.
///
/// # Errors
/// As [`run`], and when the time is up.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child =
        command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    let start = Instant::now();
    loop {
        match child.try_wait().with_context(|| format!("cannot wait for {}", shown(command)))? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("{} ended with {status}", shown(command)),
            None if start.elapsed() >= limit => {
                // It may have ended by itself in this moment: then there is nothing to end.
                child.kill().ok();
                child.wait().ok();
                bail!("{} had not finished after {} s", shown(command), limit.as_secs());
            }
            None => sleep(Duration::from_millis(100)),
        }
    }
}

/// The full path of a program on `PATH`, if it is there.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A command that runs with the rights to change the system: as it is for root, else through sudo.
pub fn privileged(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        Command::new(program)
    } else {
        let mut command = Command::new("sudo");
        // Never ask for a password: the question would be lost in the output of a build.
        command.arg("-n").arg(program);
        command
    }
}

/// Whether packages can be installed here without asking anybody: a Debian system, and root or sudo.
pub fn can_install() -> bool {
    let may = || {
        is_root()
            || (find("sudo").is_some()
                && Command::new("sudo")
                    .args(["-n", "true"])
                    .stderr(Stdio::null())
                    .status()
                    .is_ok_and(|s| s.success()))
    };
    Path::new("/etc/debian_version").exists() && find("apt-get").is_some() && may()
}

/// Installs Debian packages; refreshes the package lists when the first try fails.
///
/// # Errors
/// When apt-get cannot install them.
pub fn install(packages: &[&str]) -> Result<()> {
    println!("Installing {} with apt-get", packages.join(", "));
    if install_once(packages).is_ok() {
        return Ok(());
    }
    run(apt_get().arg("update")).context("the package lists cannot be refreshed")?;
    install_once(packages)
}

fn install_once(packages: &[&str]) -> Result<()> {
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Command {
    let mut command = privileged("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).stdin(Stdio::null());
    command
}

/// A browser and its driver, installed if they are missing and may be.
///
/// # Errors
/// When they are missing and cannot be installed.
pub fn browser() -> Result<()> {
    let browsers = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let is_there = || find("chromedriver").is_some() && browsers.iter().any(|name| find(name).is_some());
    if !is_there() {
        if !can_install() {
            bail!(
                "this needs Chromium or Chrome and the chromedriver of the same version on PATH; \
                 on Debian: apt-get install chromium chromium-driver"
            );
        }
        install(&["chromium", "chromium-driver"])?;
        if !is_there() {
            bail!("the packages chromium and chromium-driver are installed, but not on PATH");
        }
    }
    let driver = output(Command::new("chromedriver").arg("--version"))?;
    println!("{driver}");
    Ok(())
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|uid| uid == "0")
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_ended() {
        let start = Instant::now();
        let result = run_within(Command::new("sleep").arg("60"), Duration::from_millis(300));
        let message = format!("{:#}", result.expect_err("sleep does not end in 300 ms"));
        assert!(message.starts_with("`sleep 60` had not finished"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = output(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"]));
        let message = format!("{:#}", error.expect_err("exit 3 is a failure"));
        assert!(message.contains("exit status: 3") && message.ends_with("no such thing"), "{message}");
    }
}
