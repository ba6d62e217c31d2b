//! Named steps with their times, and the table that closes a task.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How a step ended.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

struct Step {
    name: String,
    time: Duration,
    outcome: Outcome,
}

/// The steps so far.
#[derive(Default)]
pub struct Steps {
    steps: Vec<Step>,
    notes: Vec<String>,
}

impl Steps {
    /// Runs a step and records how it ended; its value if it passed.
    pub fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = step();
        let (value, outcome) = match result {
            Ok(value) => (Some(value), Outcome::Passed),
            Err(error) => {
                let message = format!("{error:#}");
                eprintln!("error: {message}");
                (None, Outcome::Failed(message))
            }
        };
        self.steps.push(Step { name: name.to_owned(), time: start.elapsed(), outcome });
        value
    }

    /// Records a step that cannot run, and why. A task with a skipped step has not succeeded.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.steps.push(Step {
            name: name.to_owned(),
            time: Duration::ZERO,
            outcome: Outcome::Skipped(why.to_owned()),
        });
    }

    /// Adds a line below the table.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Whether every step has run and passed.
    pub fn succeeded(&self) -> bool {
        self.steps.iter().all(|step| matches!(step.outcome, Outcome::Passed))
    }

    /// A line a step with its seconds, then the notes, then the verdict.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0).max("total".len());
        for step in &self.steps {
            let outcome = match &step.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Failed(message) => format!("FAILED: {message}"),
                Outcome::Skipped(why) => format!("not run: {why}"),
            };
            // Writing to a string does not fail.
            writeln!(text, "{:width$}  {:>7.1} s  {outcome}", step.name, step.time.as_secs_f64()).ok();
        }
        let total: Duration = self.steps.iter().map(|step| step.time).sum();
        writeln!(text, "{:width$}  {:>7.1} s", "total", total.as_secs_f64()).ok();
        for note in &self.notes {
            writeln!(text, "{note}").ok();
        }
        text.push_str(if self.succeeded() { "Everything passed." } else { "Not everything passed." });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn one_failure_is_the_verdict_and_later_steps_still_count() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("first", || Ok(7)), Some(7));
        assert!(steps.succeeded());
        assert_eq!(steps.run::<()>("second", || bail!("no such file")), None);
        steps.run("third", || Ok(()));
        steps.note("A note.".to_owned());
        assert!(!steps.succeeded());
        let summary = steps.summary();
        let lines: Vec<&str> = summary.lines().collect();
        assert_eq!(lines.len(), 6, "{summary}");
        assert!(lines[0].starts_with("first ") && lines[0].ends_with(" s  passed"), "{summary}");
        assert!(lines[1].ends_with("FAILED: no such file"), "{summary}");
        assert_eq!(lines[4..], ["A note.", "Not everything passed."]);
    }

    #[test]
    fn a_skipped_step_is_not_a_success() {
        let mut steps = Steps::default();
        steps.skip("browser tests", "there is no bundle");
        assert!(!steps.succeeded());
        assert!(steps.summary().contains("not run: there is no bundle"));
    }
}
