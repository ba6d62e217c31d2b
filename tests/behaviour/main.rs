//! What the program does, from outside: one module a behaviour, linked once.
//!
//! Three kinds of tests are programs of their own: `load` measures delays, so that nothing may run beside it; `trouble`
//! adopts the workers of servers that it kills; `e2e` needs the browser bundle.

// Below a path, behind another server.
mod below_a_path;
// Waits while the clock is set.
mod clock;
// The API keeps what its own document says.
mod contract;
// Full, shared and littered disks.
mod disk;
// Servers and workers that are killed.
mod kill;
// From a pre-training to a backbone.
mod pretrain;
// From a request to a result, and what is refused.
mod queue;
// The database made anew from the run directories.
mod reindex;
// From an experiment to its page.
mod study;
