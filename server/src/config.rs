//! What `serve` is told.

use std::path::{Path, PathBuf};

use transferscope_domain::run::DeviceChoice;

use crate::{
    queue::timing::Timing,
    web::reach::{Host, PublicUrl},
};

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
