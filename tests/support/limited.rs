//! Programs with less memory and fewer open files than the machine has.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Set where nobody may make control groups: tests then say that they ran without a limit of memory.
pub const NO_CGROUP: &str = "TRANSFERSCOPE_NO_CGROUP";

/// A control group with a limit of memory; it goes with this value, once its processes have.
#[derive(Debug)]
pub struct MemoryLimit {
    folder: Option<PathBuf>,
}

impl MemoryLimit {
    /// A new group whose processes may have `bytes` together.
    ///
    /// # Panics
    /// When there can be none and the environment does not say that this is known.
    pub fn new(bytes: u64) -> Self {
        if std::env::var_os(NO_CGROUP).is_some() {
            eprintln!(
                "{NO_CGROUP} is set: NO LIMIT OF MEMORY, whether the server keeps within one is not tested"
            );
            return Self { folder: None };
        }
        match make(bytes) {
            Ok(folder) => Self { folder: Some(folder) },
            Err(why) => panic!(
                "no control group with a limit of memory: {why}. Run as root with the memory controller, or set \
                 {NO_CGROUP}=1 to go without"
            ),
        }
    }

    /// The same command, in the group and with at most `files` open files unless it asks for more.
    pub fn around(&self, command: &Command, files: u32) -> Command {
        let join = match &self.folder {
            Some(_) => "echo $$ > \"$0/cgroup.procs\" && ",
            None => "",
        };
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{join}ulimit -Sn {files} && exec \"$@\""));
        shell.arg(self.folder.as_deref().unwrap_or(Path::new("none")));
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    /// The most that the group's processes had together so far, in bytes.
    pub fn peak(&self) -> Option<u64> {
        let folder = self.folder.as_ref()?;
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
        read("memory.max_usage_in_bytes").or_else(|| read("memory.peak"))
    }
}

fn make(bytes: u64) -> Result<PathBuf, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name =
        format!("transferscope-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let words = |what: &Path, e: std::io::Error| format!("{}: {e}", what.display());
    // Version 1 has a folder for its controller; version 2 has it where the parent hands it on.
    let (root, limit) = if Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists() {
        (PathBuf::from("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")
    } else {
        let root = PathBuf::from("/sys/fs/cgroup");
        let control = root.join("cgroup.subtree_control");
        std::fs::write(&control, "+memory").map_err(|e| words(&control, e))?;
        (root, "memory.max")
    };
    let folder = root.join(name);
    std::fs::create_dir(&folder).map_err(|e| words(&folder, e))?;
    let file = folder.join(limit);
    std::fs::write(&file, bytes.to_string()).map_err(|e| words(&file, e))?;
    Ok(folder)
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let Some(folder) = &self.folder else { return };
        // A group can be removed when its last process has left, which may take a moment.
        for _ in 0..50 {
            if std::fs::remove_dir(folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("{} cannot be removed", folder.display());
    }
}
