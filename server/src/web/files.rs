//! What is sent as a file: charts, tables, reports, logs, and what a paper needs. Start reading at [`export`].

pub mod charts;
pub mod export;
pub mod frozen;
pub mod gone;
pub mod of_runs;
pub mod papers;
