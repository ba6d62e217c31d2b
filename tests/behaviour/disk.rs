//! Disks as they are: full, wide open to others, littered by processes that were killed.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use transferscope_domain::api::RunList;
use transferscope_tests::{TINY, TestServer, call, call_ok, command, make_tiny_data, tiny_spec};

/// How long a server may take to see that something is wrong, or right again.
const NOTICED: Duration = Duration::from_secs(30);

/// A file system in memory, of this many MiB; needs root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mib: u32) -> Self {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={mib}m");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "transferscope-test"])
            .arg(at)
            .output();
        let done = done.expect("mount can be called");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "a small disk needs root (mount tmpfs): {said}");
        Self(at.to_owned())
    }

    /// Takes all room, and gives the file that holds it.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).unwrap();
        let block = vec![1_u8; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a worker may still be on its way out.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

async fn health(server: &TestServer) -> Value {
    server.get("/api/v1/health").await
}

/// Waits until health has a status.
async fn wait_health(server: &TestServer, status: &str) -> Value {
    let start = Instant::now();
    loop {
        let now = health(server).await;
        if now["status"] == status {
            return now;
        }
        assert!(start.elapsed() < NOTICED, "not {status}: {now}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A full disk is said, nothing is half stored, and when there is room everything works again without a restart.
#[tokio::test]
async fn a_full_disk_stops_writing_only_while_it_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&folder.path().join("data"), 64);
    make_tiny_data(&disk.0);
    let server = TestServer::start_in(folder, &[]).await;
    // Keeps the one place busy, so that what follows waits.
    let first = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 2000)).await;
    server.wait_for(&first, Duration::from_secs(60), "taken up", |r| r.run.attempts > 0).await;
    let waiting = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 2000)).await;

    for _ in 0..2 {
        let before = server.get::<RunList>("/api/v1/runs").await.runs.len();
        let filler = disk.fill();
        // The write-ahead log may have pages left that are used again: until they are, a row can be written.
        let spec = tiny_spec("provicnet-mini", "segmentation", "scratch", 1);
        let start = Instant::now();
        let mut stored = 0;
        let problem = loop {
            let (status, answer) = server.post("/api/v1/experiments", &spec).await;
            if status != 201 {
                break (status, answer);
            }
            stored += 1;
            assert!(start.elapsed() < NOTICED, "the disk is not full");
        };
        assert_eq!((problem.0, problem.1["kind"].as_str()), (507, Some("disk-full")), "{}", problem.1);
        // Whatever part meets it first says so; the disk itself is looked at now and then.
        let start = Instant::now();
        loop {
            let words = wait_health(&server, "degraded").await["problems"].to_string();
            if words.contains("\"disk\"") && words.contains("Make room") && words.contains("since_ms") {
                break;
            }
            assert!(start.elapsed() < NOTICED, "the disk is not named: {words}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        thread::sleep(Duration::from_secs(3));
        for path in ["/", "/runs", "/api/v1/leaderboard", "/api/v1/queue"] {
            assert_eq!(server.get_raw(path).await.0, 200, "{path} while the disk is full");
        }

        fs::remove_file(filler).unwrap();
        // The next request works at once; parts that wait between their tries say so until they have tried again.
        let (status, answer) = server.post("/api/v1/experiments", &spec).await;
        assert_eq!(status, 201, "{answer}\n{}", server.log());
        wait_health(&server, "ok").await;
        assert_eq!(server.get::<RunList>("/api/v1/runs").await.runs.len(), before + stored + 1);
        // Directories and rows agree: what was refused left neither.
        let directories = fs::read_dir(disk.0.join("runs")).unwrap().count();
        assert_eq!(directories, before + stored + 1);
    }
    let (status, answer) = server.post(&format!("/api/v1/runs/{waiting}/cancel"), &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["state"], "stopped");
    drop(server);
}

/// What a killed process has left goes at the next start; what a living one is writing stays.
#[tokio::test]
async fn litter_of_killed_processes_goes_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    make_tiny_data(&data);
    // A folder that was served before.
    let folder = TestServer::start_in(folder, &[]).await.stop();
    let partial = || -> Vec<PathBuf> {
        let entries = fs::read_dir(data.join("datasets")).unwrap().map(|e| e.unwrap().path());
        entries.filter(|p| p.extension().is_some_and(|e| e == "partial")).collect()
    };
    let synth = |name: &str| {
        let args = ["dataset", "synth", "--name", name, "--patients", "300", "--size", "32x128x128"];
        let mut child = command(&data, &args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let (start, before) = (Instant::now(), partial().len());
        while partial().len() == before {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing half-made appears");
            assert!(child.try_wait().unwrap().is_none(), "the data set was made too fast");
            thread::sleep(Duration::from_millis(5));
        }
        child
    };
    for name in ["one", "two"] {
        let mut child = synth(name);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(partial().len(), 2);
    let mut living = synth("three");
    // A directory of a run that was never queued, as a killed server leaves it.
    let run = data.join("runs/neverqueued");
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("request.json"), "{}").unwrap();
    fs::create_dir_all(data.join("runs/emptyempty")).unwrap();

    let server = TestServer::start_in(folder, &[]).await;
    let left = partial();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].ends_with(".three.partial"), "{left:?}");
    assert_eq!(fs::read_dir(data.join("runs")).unwrap().count(), 0);
    living.kill().unwrap();
    living.wait().unwrap();
    let folder = server.stop();
    let server = TestServer::start_in(folder, &[]).await;
    assert_eq!(partial(), Vec::<PathBuf>::new());
    let sets: Value = server.get("/api/v1/datasets").await;
    assert_eq!(sets["datasets"].as_array().unwrap().len(), 1, "{sets}");
    assert_eq!(sets["datasets"][0]["name"], TINY);
}

/// Every file and folder below a path, with what its owner, group and others may do.
fn modes(root: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        found.push((path.clone(), meta.permissions().mode() & 0o777));
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
    }
    found
}

/// Images of patients, the database, what workers write: all of it is its owner's alone.
#[tokio::test]
async fn a_new_data_folder_is_its_owners_alone() {
    let server = TestServer::start().await;
    let run = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 2000)).await;
    let training = |r: &transferscope_domain::api::RunDetail| r.run.metrics.contains_key("train/loss");
    server.wait_for(&run, Duration::from_secs(60), "training", training).await;
    let (status, answer) = server.post("/api/v1/shares", &json!({"runs": [run], "frozen": true})).await;
    assert_eq!(status, 201, "{answer}");
    let all = modes(&server.data);
    let wide: Vec<_> = all.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(wide.is_empty(), "{wide:?}");
    for name in ["transferscope.db", "worker.log", "events.jsonl", "dataset.json", "arrival.json"] {
        assert!(all.iter().any(|(path, mode)| path.ends_with(name) && *mode == 0o600), "{name}: {all:?}");
    }
}

/// The write token is shown on terminals only: elsewhere it would lie in a log.
#[test]
fn the_token_goes_into_its_file_alone() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut server =
        command(&data, &["serve", "--addr", "0.0.0.0:0", "--device", "cpu", "--no-builtin-data"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
    let mut said = String::new();
    for line in BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok) {
        said += &line;
        said.push('\n');
        if line.starts_with("listening on") {
            break;
        }
    }
    server.kill().unwrap();
    let rest = server.wait_with_output().unwrap().stderr;
    let token = fs::read_to_string(data.join("token")).unwrap();
    let token = token.trim();
    assert_eq!(token.len(), 32);
    assert!(said.contains("listening on") && said.contains(data.join("token").to_str().unwrap()), "{said}");
    assert!(!said.contains(token) && !String::from_utf8_lossy(&rest).contains(token), "{said}");
}

/// A folder that is wider is used as it is, with a warning that names the remedy.
#[tokio::test]
async fn a_wide_data_folder_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    call_ok(&data, &["dataset", "list"]);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let report: Value = serde_json::from_slice(&call(&data, &["doctor", "--json"]).stdout).unwrap();
    let check = report
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "permissions")
        .expect("a check of permissions");
    assert_eq!(check["status"], "warn");
    assert!(check["action"].as_str().unwrap().contains("chmod -R go="), "{check}");
    let server = TestServer::start_in(folder, &[]).await;
    // What it says reaches the file a moment after it answers.
    let start = Instant::now();
    while !server.log().contains("chmod -R go=") {
        assert!(start.elapsed() < Duration::from_secs(10), "{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
    drop(server);
    let closed = TempDir::new().unwrap();
    let report = call(&closed.path().join("data"), &["doctor", "--json"]).stdout;
    assert!(!String::from_utf8_lossy(&report).contains("chmod"));
}
