//! `transferscope verify`: our numbers against those of trusted libraries.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use transferscope_verify::{Report, verify};

use super::{Context, output};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of reference files, in the groups models, layers, metrics, ...
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Json<'a> {
    compared: usize,
    passed: usize,
    missed: usize,
    #[serde(flatten)]
    report: &'a Report,
}

/// Exit code where there was nothing to compare, so that it is not taken for a miss.
const NOTHING_COMPARED: u8 = 2;

/// Compares every known file of the folder; the exit code is 1 when a comparison missed its
/// tolerance, 2 when there was nothing to compare.
///
/// # Errors
/// When stdout is closed.
pub fn run(context: &Context, args: &Args) -> Result<ExitCode> {
    let report = match compare(args) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {}", super::one_line(&error));
            return Ok(ExitCode::from(NOTHING_COMPARED));
        }
    };
    let missed = report.misses();
    let compared = report.lines.len();
    if context.json {
        output::json(&Json { compared, passed: compared - missed, missed, report: &report })?;
    } else {
        output::print(&text(&report))?;
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn compare(args: &Args) -> Result<Report> {
    let shown = args.folder.display();
    if !args.folder.is_dir() {
        bail!("there is no folder {shown}");
    }
    let report = verify(&args.folder).with_context(|| format!("the folder {shown} cannot be listed"))?;
    if report.lines.is_empty() {
        let unknown = report.unknown.len();
        bail!(
            "nothing to compare: the folder {shown} holds no known reference file ({unknown} unknown files)"
        );
    }
    Ok(report)
}

/// A line a comparison, a line an unknown file or number, and the counts.
fn text(report: &Report) -> String {
    let (compared, missed, unknown) = (report.lines.len(), report.misses(), report.unknown.len());
    let lines = report.lines.iter().map(ToString::to_string);
    let names = report.unknown.iter().map(|name| format!("unknown: {name}"));
    let counts = format!("{compared} compared: {} pass, {missed} MISS, {unknown} unknown", compared - missed);
    lines.chain(names).chain([counts]).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use transferscope_verify::Line;

    #[test]
    fn the_last_line_counts() {
        let line = |case: &str, pass| Line {
            case: case.into(),
            rel_l2: None,
            max_abs: None,
            tolerance: None,
            pass,
            reason: (!pass).then(|| "too short".into()),
        };
        let report =
            Report { lines: vec![line("g/f/a", true), line("g/f/b", false)], unknown: vec!["x.bin".into()] };
        assert_eq!(
            text(&report),
            "g/f/a  pass\ng/f/b  MISS  (too short)\nunknown: x.bin\n2 compared: 1 pass, 1 MISS, 1 unknown"
        );
    }

    #[test]
    fn a_folder_that_is_missing_or_strange_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = |folder: PathBuf| compare(&Args { folder }).unwrap_err().to_string();
        assert!(error(dir.path().join("none")).contains("there is no folder"));
        std::fs::write(dir.path().join("x.bin"), "x").unwrap();
        assert!(error(dir.path().to_owned()).contains("no known reference file (1 unknown files)"));
    }
}
