//! Log lines on stderr: `TRANSFERSCOPE_LOG` sets what is shown, in the syntax of
//! `tracing_subscriber::EnvFilter`. Per-step numbers are data and never logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variable that sets the filter.
pub const FILTER_VARIABLE: &str = "TRANSFERSCOPE_LOG";

/// Starts logging; `default` is the filter where the variable says nothing.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .finish();
    // A second call (a test beside another) keeps the first subscriber.
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("logging is already started");
    }
}
