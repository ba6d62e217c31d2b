//! What was compared and how it came out.

use std::fmt;

use serde::Serialize;

use super::Problem;

/// How far a tensor may be off; both bounds hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tolerance {
    /// Of `||ours - theirs|| / ||theirs||`.
    pub rel_l2: f64,
    /// Of the largest absolute difference.
    pub max_abs: f64,
}

impl Tolerance {
    /// Equality.
    pub const EXACT: Self = Self { rel_l2: 0.0, max_abs: 0.0 };

    /// A bound on the relative error alone.
    pub const fn relative(rel_l2: f64) -> Self {
        Self { rel_l2, max_abs: f64::INFINITY }
    }

    /// A bound on the absolute error alone.
    pub const fn absolute(max_abs: f64) -> Self {
        Self { rel_l2: f64::INFINITY, max_abs }
    }
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// `group/file/tensor`.
    pub case: String,
    /// `||ours - theirs|| / ||theirs||`; the absolute norm where theirs is zero.
    pub rel_l2: Option<f64>,
    /// Largest absolute difference.
    pub max_abs: Option<f64>,
    pub tolerance: Option<Tolerance>,
    pub pass: bool,
    /// Why there are no numbers, or what differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.case)?;
        if let (Some(rel), Some(abs), Some(tolerance)) = (self.rel_l2, self.max_abs, self.tolerance) {
            write!(
                f,
                "  rel_l2 {rel:.2e}  max_abs {abs:.2e}  tolerance {:.1e} / {:.1e}",
                tolerance.rel_l2, tolerance.max_abs
            )?;
        }
        f.write_str(if self.pass { "  pass" } else { "  MISS" })?;
        match &self.reason {
            Some(reason) => write!(f, "  ({reason})"),
            None => Ok(()),
        }
    }
}

/// The outcome of a whole folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub lines: Vec<Line>,
    /// Files that no check knows, and what no check knows within the others, as `group/file/name`.
    pub unknown: Vec<String>,
}

impl Report {
    /// Number of comparisons that missed their tolerance.
    pub fn misses(&self) -> usize {
        self.lines.iter().filter(|l| !l.pass).count()
    }
}

/// Collects comparisons.
#[derive(Debug, Default)]
pub struct Cases {
    lines: Vec<Line>,
    unknown: Vec<String>,
}

impl Cases {
    /// Compares values; NaN equals NaN and infinities equal themselves.
    pub fn compare(&mut self, file: &str, tensor: &str, ours: &[f64], theirs: &[f64], tolerance: Tolerance) {
        let case = format!("{file}/{tensor}");
        if ours.len() != theirs.len() {
            let reason = format!("{} values here, {} in the file", ours.len(), theirs.len());
            self.lines.push(Line {
                case,
                rel_l2: None,
                max_abs: None,
                tolerance: None,
                pass: false,
                reason: Some(reason),
            });
            return;
        }
        let difference = |a: f64, b: f64| {
            if a == b || (a.is_nan() && b.is_nan()) {
                0.0
            } else if a.is_finite() && b.is_finite() {
                (a - b).abs()
            } else {
                f64::INFINITY
            }
        };
        let (mut squares, mut size, mut max_abs) = (0.0f64, 0.0f64, 0.0f64);
        for (a, b) in ours.iter().zip(theirs) {
            let d = difference(*a, *b);
            squares += d * d;
            size += if b.is_finite() { b * b } else { 0.0 };
            max_abs = max_abs.max(d);
        }
        let rel_l2 = if size > 0.0 { (squares / size).sqrt() } else { squares.sqrt() };
        let pass = rel_l2 <= tolerance.rel_l2 && max_abs <= tolerance.max_abs;
        self.lines.push(Line {
            case,
            rel_l2: Some(rel_l2),
            max_abs: Some(max_abs),
            tolerance: Some(tolerance),
            pass,
            reason: None,
        });
    }

    /// Compares things that are no numbers; `differs` says how they differ.
    pub fn equal(&mut self, file: &str, what: &str, differs: Option<String>) {
        self.lines.push(Line {
            case: format!("{file}/{what}"),
            rel_l2: None,
            max_abs: None,
            tolerance: None,
            pass: differs.is_none(),
            reason: differs,
        });
    }

    /// Says why something could not be compared that is no fault of the folder or of ours.
    pub fn skipped(&mut self, file: &str, what: &str, reason: &str) {
        self.equal(file, what, None);
        if let Some(line) = self.lines.last_mut() {
            line.reason = Some(format!("not compared: {reason}"));
        }
    }

    /// A file that could not be compared.
    pub fn problem(&mut self, file: &str, problem: &Problem) {
        self.equal(file, "-", Some(problem.to_string()));
    }

    /// A number or a tensor of which nothing here computes the like: named and counted, and no miss.
    pub fn unknown(&mut self, file: &str, name: &str) {
        self.unknown.push(format!("{file}/{name}"));
    }

    /// Whether that was said of it.
    pub fn is_unknown(&self, file: &str, name: &str) -> bool {
        self.unknown
            .iter()
            .any(|known| known.strip_prefix(file).and_then(|n| n.strip_prefix('/')) == Some(name))
    }

    /// The comparisons in the order they were made, and what was unknown.
    pub fn into_parts(self) -> (Vec<Line>, Vec<String>) {
        (self.lines, self.unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_a_nan_and_a_length_are_misses_and_the_unknown_is_named() {
        let mut cases = Cases::default();
        let tight = Tolerance { rel_l2: 1e-6, max_abs: 1e-6 };
        cases.compare("g/f", "same", &[1.0, f64::NAN], &[1.0, f64::NAN], tight);
        cases.compare("g/f", "off", &[1.0, 2.1], &[1.0, 2.0], tight);
        cases.compare("g/f", "nan", &[f64::NAN], &[1.0], tight);
        cases.compare("g/f", "short", &[1.0], &[1.0, 1.0], tight);
        cases.compare("g/f", "zero", &[0.1], &[0.0], tight);
        cases.unknown("g/f", "new.score");
        assert!(cases.is_unknown("g/f", "new.score") && !cases.is_unknown("g", "score"));
        let (lines, unknown) = cases.into_parts();
        assert_eq!(unknown, ["g/f/new.score"]);
        assert_eq!(lines.iter().map(|l| l.pass).collect::<Vec<_>>(), [true, false, false, false, false]);
        assert!(lines[1].to_string().ends_with("MISS"));
        assert!((lines[1].rel_l2.unwrap() - 0.1 / 5.0f64.sqrt()).abs() < 1e-12);
        assert!(lines[0].to_string().starts_with("g/f/same  rel_l2 0.00e0"));
    }
}
