//! One run's way: [`submit`] makes its directory and its row, the [`dispatcher`] takes it from the queue and hands it to
//! an [`executor`], which starts a [`worker`] process; that one writes an [`event_log`], which the [`recorder`] brings
//! into the database. [`autopsy`] says why a worker is gone, [`resume`] lets a run go on.
//!
//! What is logged about a run's work stands in a span with its id; the span is of the level `error`, so that no filter
//! takes it from a message that it lets through.
//!
//! What the queue's order is stands in the store, what training does in `ml`; nobody here knows who asked, or how: answers
//! and streams are `web`'s. Start reading at [`dispatcher`].

pub mod autopsy;
pub mod dispatcher;
pub mod event_log;
pub mod executor;
pub mod plan;
pub mod recorder;
pub mod request_file;
pub mod resume;
pub mod submit;
pub mod timing;
pub mod worker;
