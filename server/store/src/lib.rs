//! SQLite storage of experiments, runs and their values; the only crate that speaks SQL.
//!
//! One [`Store`] handle, cheap to clone, with one function per question. Domain types go in and
//! come out; rows stay inside. There is one writing connection and several reading ones, so a
//! reader never waits for the recorder and never holds it up (WAL); the reading ones are in lanes, so that pages
//! never keep the dispatcher waiting.
//!
//! The schema in ten lines: `experiments` have `runs`; a run has a `request` (what was asked),
//! its state, and how much of its event log is recorded; `metric_points` holds every value by
//! (run, name, step), `metric_stretches` their extremes, `metric_latest` the last of each curve; `alignment_values`,
//! `previews` and `case_scores` belong to a run; `shares` are links to comparisons. Data sets and backbones are
//! folders, not tables. The run directory is the truth and this database its index: what no run
//! directory says is kept in small files beside it ([`records`]), so that all of it can be made anew
//! ([`rebuild`]).
//!
//! Start reading at [`record`] (how an event log becomes rows) and [`queue`] (how a run finds a
//! worker). Absent on purpose: the clock of other machines, HTTP.

pub mod error;
pub mod ids;
pub mod inspect;
pub mod leaderboard;
pub mod queue;
pub mod rebuild;
pub mod reconcile;
pub mod record;
pub mod records;
mod restore;
pub mod runs;
pub mod salvage;

mod alignment;
pub mod attempts;
mod cases;
mod compare;
mod downsample;
mod experiments;
mod metric_points;
mod pool;
mod previews;
mod queue_order;
mod rows;
mod shares;
mod snapshots;
mod state;
mod study;
#[cfg(test)]
mod testing;

pub use cases::TestCases;
pub use error::StoreError;
pub use leaderboard::LeaderboardQuery;
pub use metric_points::{NamedPoint, PointsCursor};
pub use pool::{Lane, MIGRATOR, Store};
pub use queue::ActiveRun;
pub use reconcile::Reconciled;
pub use record::{RecordBatch, RecordPosition, Recorded};
pub use runs::{NewRun, RunFilter};
pub use shares::SHARE_SCHEMA;
pub use snapshots::{NewSnapshot, SNAPSHOT_SCHEMA, Snapshot};

/// What every function of [`Store`] returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Milliseconds since 1970 (UTC), as stored everywhere.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
