//! Counting, and the table.

use std::io::Write;

use rayon::prelude::*;

use crate::draw::Draw;

/// Studies a line of the long form and of the short one.
const LONG: usize = 2000;
const SHORT: usize = 240;

/// Studies a line: another number where `TRANSFERSCOPE_STUDIES` gives one, to see whether a miss was chance.
fn studies() -> usize {
    let asked = std::env::var("TRANSFERSCOPE_STUDIES").ok().and_then(|v| v.parse().ok());
    asked.unwrap_or(if full() { LONG } else { SHORT })
}

/// Whether the long form was asked for.
pub fn full() -> bool {
    std::env::var_os("TRANSFERSCOPE_FULL").is_some_and(|v| v == "1")
}

/// What one study gave; what it could not give does not count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Whether the interval held the truth.
    pub covered: Option<bool>,
    /// Whether p was at most 0.05.
    pub called: Option<bool>,
}

/// What a line must keep.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub coverage: Option<(f64, f64)>,
    pub called: Option<(f64, f64)>,
}

impl Wanted {
    /// Of intervals of means and differences.
    pub const INTERVAL: (f64, f64) = (0.92, 0.98);

    pub fn coverage() -> Self {
        Self { coverage: Some(Self::INTERVAL), called: None }
    }

    /// Coverage, and of studies without an effect at most so many called.
    pub fn null(most: f64) -> Self {
        Self { coverage: Some(Self::INTERVAL), called: Some((0.0, most)) }
    }

    /// Calls alone.
    pub fn calls(most: f64) -> Self {
        Self { coverage: None, called: Some((0.0, most)) }
    }

    /// At least so much coverage: where steps or a cautious rule make intervals longer than they need be.
    pub fn at_least(coverage: f64) -> Self {
        Self { coverage: Some((coverage, 1.0)), called: None }
    }

    /// Printed only.
    pub fn shown() -> Self {
        Self { coverage: None, called: None }
    }
}

/// A share with its number.
#[derive(Debug, Clone, Copy)]
struct Share {
    of: usize,
    share: f64,
}

impl Share {
    fn of(list: impl Iterator<Item = bool>) -> Option<Self> {
        let list: Vec<bool> = list.collect();
        let yes = list.iter().filter(|v| **v).count();
        (!list.is_empty()).then(|| Self { of: list.len(), share: yes as f64 / list.len() as f64 })
    }

    /// Whether it lies within bounds but for Monte Carlo error: one standard error of the long form, four of the short one.
    fn fits(self, (low, high): (f64, f64)) -> bool {
        let errors = if full() { 1.0 } else { 4.0 };
        let error = |p: f64| errors * (p * (1.0 - p) / self.of as f64).sqrt();
        (low - error(low)..=high + error(high)).contains(&self.share)
    }
}

/// Draws studies of one kind, prints the line and says whether it keeps what it must.
pub fn line(
    what: &str,
    setting: &str,
    wanted: Wanted,
    study: impl Fn(&mut Draw) -> Vec<Seen> + Sync,
) -> bool {
    line_of(studies(), what, setting, wanted, study)
}

/// The same, of five times as many studies in the long form: for what is quick to draw.
pub fn long_line(
    what: &str,
    setting: &str,
    wanted: Wanted,
    study: impl Fn(&mut Draw) -> Vec<Seen> + Sync,
) -> bool {
    line_of(studies() * if full() { 5 } else { 1 }, what, setting, wanted, study)
}

fn line_of(
    studies: usize,
    what: &str,
    setting: &str,
    wanted: Wanted,
    study: impl Fn(&mut Draw) -> Vec<Seen> + Sync,
) -> bool {
    let seen: Vec<Vec<Seen>> =
        (0..studies as u64).into_par_iter().map(|i| study(&mut Draw::new(what, setting, i))).collect();
    let coverage = Share::of(seen.iter().flatten().filter_map(|s| s.covered));
    let called = Share::of(seen.iter().flatten().filter_map(|s| s.called));
    let fits = |share: Option<Share>, bounds: Option<(f64, f64)>| {
        bounds.is_none_or(|bounds| share.is_some_and(|s| s.fits(bounds)))
    };
    let kept = fits(coverage, wanted.coverage) && fits(called, wanted.called);
    let shown = |share: Option<Share>| share.map_or("–".to_owned(), |s| format!("{:.3}", s.share));
    let mark = if kept { "" } else { " (missed)" };
    let line = format!("| {what} | {setting} | {} | {} |{mark}\n", shown(coverage), shown(called));
    // Written past the capture of tests, so that the table is whole.
    if full() {
        let _ = std::io::stdout().write_all(line.as_bytes());
    } else if !kept {
        eprint!("{line}");
    }
    kept
}

/// Fails where a line was missed.
pub fn all_kept(lines: &[bool]) {
    let missed = lines.iter().filter(|kept| !**kept).count();
    assert_eq!(missed, 0, "lines of the calibration above miss their bounds");
}
