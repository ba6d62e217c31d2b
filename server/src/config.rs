//! What `serve` is told, and the times by which the dispatcher works.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use transferscope_domain::run::DeviceChoice;

use crate::web::reach::{Host, PublicUrl};

/// Everything that decides how a server runs.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The data folder.
    pub data_dir: PathBuf,
    /// `host:port`; port 0 takes a free one.
    pub addr: String,
    /// What new runs ask for.
    pub device: DeviceChoice,
    /// Workers at once.
    pub jobs: usize,
    /// The browser bundle.
    pub site_dir: PathBuf,
    /// Whether to make the built-in data set where there is no data set.
    pub builtin_data: bool,
    pub access: Access,
    pub timing: Timing,
}

/// By which names people reach the server, and what they may do without its token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// Names besides those of the address that it listens on.
    pub allow_hosts: Vec<Host>,
    /// The address behind a proxy.
    pub public_url: Option<PublicUrl>,
    /// What people may do without the token. None: everything where only this machine can reach the server, reading
    /// elsewhere.
    pub anonymous: Option<Anonymous>,
}

/// What people may do without the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    Read,
    Nothing,
}

/// Times and counts of the dispatcher and the recorder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Longest time between two looks at queue and workers.
    pub tick: Duration,
    /// Time between two looks at an event log.
    pub record_every: Duration,
    /// After a request to stop: when the worker gets SIGTERM.
    pub terminate_after: Duration,
    /// After a request to stop: when the worker gets SIGKILL.
    pub kill_after: Duration,
    /// How long a lost run stays lost before it is queued again.
    pub requeue_after: Duration,
    /// Attempts in a row that may end without progress before a run is given up. An attempt that left a new
    /// checkpoint or came to a new step made some; one that a signal ended from outside does not count.
    pub attempts_max: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(300),
            record_every: Duration::from_millis(150),
            terminate_after: Duration::from_secs(10),
            kill_after: Duration::from_secs(20),
            requeue_after: Duration::from_secs(15),
            attempts_max: 3,
        }
    }
}

/// Where the browser bundle lies if nobody says: beside the program, beside its target folder
/// (`target/debug/..`), or in the current folder's `target`.
pub fn default_site_dir() -> PathBuf {
    let beside = |levels: usize| -> Option<PathBuf> {
        let program = std::env::current_exe().ok()?;
        program.ancestors().nth(levels).map(|folder| folder.join("site"))
    };
    let fallback = Path::new("target").join("site");
    [beside(1), beside(2)].into_iter().flatten().find(|p| p.is_dir()).unwrap_or(fallback)
}
