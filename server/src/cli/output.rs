//! Bars on a terminal, plain lines elsewhere, tables and JSON on stdout.

use std::{
    io::{self, IsTerminal, Write},
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Progress of a long command on stderr.
pub struct Progress {
    what: String,
    bar: Option<ProgressBar>,
    /// The last percentage that was printed, where there is no bar.
    printed: Mutex<Option<u64>>,
}

impl Progress {
    /// A bar on a terminal, a line every ten percent elsewhere.
    pub fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style =
                ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg} ({elapsed}, {eta} left)")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { what, bar, printed: Mutex::new(None) }
    }

    /// Says that `done` of `total` are done.
    pub fn set(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            return;
        }
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let decile = percent / 10 * 10;
        let mut printed = self.printed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if printed.is_none_or(|p| decile > p) {
            *printed = Some(decile);
            eprintln!("{}: {done} of {total} ({percent} %)", self.what);
        }
    }

    /// Shows a word beside the bar; nothing where there is no bar.
    pub fn note(&self, text: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.into());
        }
    }

    /// Prints a line above the bar, or as it is.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Prints a value as JSON on stdout.
///
/// # Errors
/// When stdout is closed.
pub fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("the result cannot be written as JSON")?;
    print(&text)
}

/// Prints a text and a line end on stdout, now.
///
/// # Errors
/// When stdout is closed.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("stdout cannot be written")
}

/// A number of things: "1 case", "2 cases".
pub fn plural(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// A table with aligned columns; columns whose index is in `right` are aligned to the right.
pub fn table(head: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(i, h)| {
            let cells = rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count());
            cells.chain([h.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let text: Vec<String> = cells
            .zip(&widths)
            .enumerate()
            .map(
                |(i, (cell, &width))| {
                    if right.contains(&i) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        text.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|r| line(&mut r.iter().map(String::as_str))));
    lines.join("\n")
}

/// Voxels, D x H x W, given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub [usize; 3]);

/// Reads a size like `24x96x96`.
///
/// # Errors
/// In words, when it is none.
pub fn parse_size(text: &str) -> Result<Size, String> {
    let parts: Result<Vec<usize>, _> = text.split('x').map(str::parse).collect();
    match parts.as_deref() {
        Ok(&[d, h, w]) => Ok(Size([d, h, w])),
        _ => Err(format!("{text:?} is not a size: write three numbers like 24x96x96")),
    }
}

/// Seconds as `8.2 s`, `3 min 10 s` or `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..=59 => format!("{seconds:.1} s"),
        60..=3599 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes as `12.3 GB` (powers of ten).
pub fn bytes(count: u64) -> String {
    match count {
        0..=999_999 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_three_numbers() {
        assert_eq!(parse_size("24x96x80"), Ok(Size([24, 96, 80])));
        for bad in ["24x96", "24,96,96", "axbxc", "24x96x96x1", ""] {
            assert!(parse_size(bad).unwrap_err().contains("is not a size"));
        }
    }

    #[test]
    fn columns_line_up_and_durations_read_well() {
        let rows = vec![vec!["a".into(), "10.5".into()], vec!["long name".into(), "7".into()]];
        assert_eq!(
            table(&["name", "value"], &rows, &[1]),
            "name       value\na           10.5\nlong name      7"
        );
        assert_eq!(
            (duration(8.24), duration(190.0), duration(7500.0)),
            ("8.2 s".into(), "3 min 10 s".into(), "2 h 5 min".into())
        );
        assert_eq!(bytes(1_500_000), "1.5 MB");
    }
}
