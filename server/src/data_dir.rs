//! The data folder: where things lie, and the lock that keeps a second server out.
//!
//! ```text
//! DATA/transferscope.db            SQLite (WAL), the index
//! DATA/experiments/ links/ snapshots/ queue.json   what no run directory says, to make the index anew
//! DATA/server.lock                 held by the one process that dispatches runs
//! DATA/server.json                 pid and address of that process
//! DATA/token                       write token, mode 0600
//! DATA/runs/<id>/                  the truth of a run
//! DATA/datasets/<name>/            dataset.json and prepared arrays
//! DATA/backbones/<name>/           added checkpoints
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use transferscope_domain::RunId;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error(
        "the data folder {} cannot be created or written ({source}); give a folder that you may write with --data-dir",
        path.display()
    )]
    NotWritable { path: PathBuf, source: io::Error },
    #[error(
        "another process{} uses the data folder {}; stop it first, or give this one a folder of its own with --data-dir",
        who(owner.as_ref()),
        path.display()
    )]
    Locked { path: PathBuf, owner: Option<ServerInfo> },
    #[error("{} cannot be read or written: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

fn who(owner: Option<&ServerInfo>) -> String {
    owner.map(|o| format!(" (pid {}, at {})", o.pid, o.url)).unwrap_or_default()
}

/// `DATA/server.json`: who holds the folder, and where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    pub pid: u32,
    /// The address it listens on, e.g. `127.0.0.1:3000`.
    pub addr: String,
    /// The same as a URL that a client on this machine can use.
    pub url: String,
}

/// A data folder that exists and can be written.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// Held as long as this process is the one that dispatches runs.
#[derive(Debug)]
pub struct ServerLock {
    data: DataDir,
    _file: File,
}

/// How long a lock is tried again: a look at it by a command takes it for an instant.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);
/// How long a server that is just starting may take to say where it listens.
const ANNOUNCE_PATIENCE: Duration = Duration::from_secs(5);
/// Largest `server.json` and token that are read.
const SMALL_FILE_MAX: u64 = 64 * 1024;

impl DataDir {
    /// Opens a data folder and creates what is missing.
    ///
    /// # Errors
    /// When the folder cannot be created or written.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let not_writable = |source| DataDirError::NotWritable { path: path.to_owned(), source };
        for folder in ["runs", "datasets", "backbones"] {
            // Other users of the machine have no business with patients' images.
            DirBuilder::new().recursive(true).mode(0o700).create(path.join(folder)).map_err(not_writable)?;
        }
        let root = path.canonicalize().map_err(not_writable)?;
        let probe = root.join(format!(".write-test-{}.part", std::process::id()));
        fs::write(&probe, b"x").map_err(not_writable)?;
        fs::remove_file(&probe).map_err(not_writable)?;
        Ok(Self { root })
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What to say where other users of the machine may look into the folder; none where only its owner may.
    pub fn open_to_others(&self) -> Option<String> {
        let mode = fs::metadata(&self.root).ok()?.permissions().mode() & 0o777;
        let root = self.root.display();
        (mode & 0o077 != 0).then(|| {
            format!(
                "other users of this machine can read the data folder {root} (mode {mode:o}), which may hold images \
                 and names of patients; restrict it with: chmod -R go= '{root}'"
            )
        })
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.root.join("transferscope.db")
    }

    /// The folder of all run directories.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// One run's directory.
    pub fn run(&self, id: &RunId) -> PathBuf {
        self.runs().join(id.as_str())
    }

    /// The folder of all data sets.
    pub fn datasets(&self) -> PathBuf {
        self.root.join("datasets")
    }

    /// The folder of added backbones.
    pub fn backbones(&self) -> PathBuf {
        self.root.join("backbones")
    }

    fn server_json(&self) -> PathBuf {
        self.root.join("server.json")
    }

    /// The file that holds the write token.
    pub fn token_file(&self) -> PathBuf {
        self.root.join("token")
    }

    /// Becomes the one process that dispatches runs of this folder.
    ///
    /// # Errors
    /// [`DataDirError::Locked`] when another process is; it names that process.
    pub fn lock_server(&self) -> Result<ServerLock, DataDirError> {
        let (file, path) = self.lock_file()?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(DataDirError::Locked { path: self.root.clone(), owner: self.server_info() });
                }
                Err(TryLockError::Error(source)) => return Err(DataDirError::File { path, source }),
            }
        }
        // What a server that was killed has left must not be taken for this one.
        match fs::remove_file(self.server_json()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(DataDirError::File { path: self.server_json(), source })
            }
            _ => Ok(ServerLock { data: self.clone(), _file: file }),
        }
    }

    fn lock_file(&self) -> Result<(File, PathBuf), DataDirError> {
        let path = self.root.join("server.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        match file {
            Ok(file) => Ok((file, path)),
            Err(source) => Err(DataDirError::NotWritable { path, source }),
        }
    }

    /// What the server has written about itself; only to be believed while its lock is held.
    fn server_info(&self) -> Option<ServerInfo> {
        serde_json::from_str(&read_small(&self.server_json()).ok()?).ok()
    }

    /// The server that holds this folder now, if one does. One that is just starting is waited
    /// for until it has said where it listens.
    ///
    /// # Errors
    /// When the lock cannot be looked at, or its holder does not say where it listens.
    pub fn running_server(&self) -> Result<Option<ServerInfo>, DataDirError> {
        let (file, path) = self.lock_file()?;
        let start = Instant::now();
        loop {
            match file.try_lock_shared() {
                Ok(()) => return Ok(None),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(DataDirError::File { path, source }),
            }
            if let Some(info) = self.server_info() {
                return Ok(Some(info));
            }
            if start.elapsed() > ANNOUNCE_PATIENCE {
                return Err(DataDirError::Locked { path: self.root.clone(), owner: None });
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The write token, if one was made.
    pub fn token(&self) -> Option<String> {
        let text = read_small(&self.token_file()).ok()?;
        Some(text.trim().to_owned()).filter(|t| !t.is_empty())
    }

    /// The write token, made now if there is none, and whether it was made now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn token_or_create(&self) -> Result<(String, bool), DataDirError> {
        if let Some(token) = self.token() {
            return Ok((token, false));
        }
        let token = format!("{:032x}", rand::random::<u128>());
        let path = self.token_file();
        let write = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
            writeln!(file, "{token}")?;
            file.sync_all()
        };
        write().map_err(|source| DataDirError::File { path: path.clone(), source })?;
        Ok((token, true))
    }

    /// Bytes that this user may still write here.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl ServerLock {
    /// Says where this process listens, for the command line tools.
    ///
    /// # Errors
    /// When `server.json` cannot be written.
    pub fn announce(&self, info: &ServerInfo) -> Result<(), DataDirError> {
        let path = self.data.server_json();
        let temporary = path.with_extension("json.new");
        let write = || -> io::Result<()> {
            fs::write(&temporary, serde_json::to_vec(info)?)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|source| DataDirError::File { path: path.clone(), source })
    }
}

impl Drop for ServerLock {
    fn drop(&mut self) {
        // Only a courtesy: a reader believes the file only while the lock is held.
        let mine = self.data.server_info().is_some_and(|i| i.pid == std::process::id());
        if mine && let Err(error) = fs::remove_file(self.data.server_json()) {
            tracing::debug!(%error, "server.json could not be removed");
        }
    }
}

/// Reads a small text file, and no more of it than `SMALL_FILE_MAX` bytes.
fn read_small(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SMALL_FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_holder_and_is_free_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("new/data")).unwrap();
        assert_eq!(data.running_server().unwrap(), None);
        let lock = data.lock_server().unwrap();
        let info = ServerInfo {
            pid: std::process::id(),
            addr: "127.0.0.1:3000".into(),
            url: "http://127.0.0.1:3000".into(),
        };
        lock.announce(&info).unwrap();
        let message = data.lock_server().unwrap_err().to_string();
        assert!(
            message.contains(&format!("pid {}", info.pid)) && message.contains("--data-dir"),
            "{message}"
        );
        assert_eq!(data.running_server().unwrap(), Some(info));
        drop(lock);
        assert_eq!(data.running_server().unwrap(), None);
        assert!(!data.server_json().exists());
    }

    #[test]
    fn a_folder_that_is_a_file_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::write(&path, b"not a folder").unwrap();
        let message = DataDir::open(&path).unwrap_err().to_string();
        assert!(message.contains("cannot be created or written"), "{message}");
    }

    #[test]
    fn a_new_folder_is_its_owners_and_a_wider_one_names_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(data.root()), mode(&data.runs())), (0o700, 0o700));
        assert_eq!(data.open_to_others(), None);
        fs::set_permissions(data.root(), fs::Permissions::from_mode(0o755)).unwrap();
        let words = data.open_to_others().unwrap();
        assert!(words.contains("mode 755") && words.contains("chmod -R go= '/"), "{words}");
        // Another start does not change what its owner has set.
        DataDir::open(data.root()).unwrap();
        assert_eq!(mode(data.root()), 0o755);
    }

    #[test]
    fn the_token_is_made_once_and_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let (token, new) = data.token_or_create().unwrap();
        assert!(new && token.len() == 32);
        assert_eq!(data.token_or_create().unwrap(), (token, false));
        let mode = fs::metadata(data.token_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
