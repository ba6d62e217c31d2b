//! Whether intervals and p-values keep what they promise: studies are drawn whose truth is known, analysed as a page
//! analyses them, and how often an interval holds the truth and how often a p calls what is not there is counted.
//!
//! The short form runs with the other tests, few studies with bounds that allow for their number. The long form has
//! 2,000 studies a line and the bounds but for one standard error, and prints the table of `docs/study.md`:
//!
//! ```text
//! TRANSFERSCOPE_FULL=1 cargo test -p transferscope-study --test calibration -- --nocapture --test-threads=1
//! ```

mod alignment;
mod bounded;
mod correlations;
mod draw;
mod encoders;
mod families;
mod gains;
mod predictors;
mod ranks;
mod report;
mod studies;
