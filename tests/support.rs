//! Shared support of the tests: the real program, started on a free port with a data folder of
//! its own, and small words to talk to it.

pub mod reverse_proxy;

use std::{
    fs::{File, TryLockError},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use transferscope_domain::{
    RunId, RunState,
    api::{ExperimentCreated, MetricSeries, RunDetail},
    event::RunEvent,
};

#[path = "support/limited.rs"]
pub mod limited;

pub mod filled;

/// Name of the tiny data set that [`TestServer::start`] makes.
pub const TINY: &str = "tiny";

/// How long a run on the tiny data set may take in the worst case.
pub const RUN_PATIENCE: Duration = Duration::from_secs(120);

/// The folder in which this test's target files lie, e.g. `target/debug`.
fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own program");
    test.ancestors().nth(2).expect("tests lie in PROFILE/deps").to_owned()
}

/// The program under test, built now if it is missing or older than its sources.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            if let Some(path) = std::env::var_os("TRANSFERSCOPE_TEST_PROGRAM") {
                return path.into();
            }
            let root =
                Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace");
            let profile = profile_dir();
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.current_dir(root).args(["build", "--quiet", "--bin", "transferscope"]);
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            let target = profile.parent().expect("a profile folder lies in a target folder");
            let status = cargo.env("CARGO_TARGET_DIR", target).status().expect("cargo starts");
            assert!(status.success(), "the program does not build");
            profile.join("transferscope")
        })
        .clone()
}

/// A call of the program on a data folder, without settings from the environment.
pub fn command(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("TRANSFERSCOPE_")) {
        command.env_remove(name);
    }
    command.arg("--data-dir").arg(data).args(args).stdin(Stdio::null());
    command
}

/// Runs a command of the program to its end.
pub fn call(data: &Path, args: &[&str]) -> Output {
    command(data, args).output().expect("the program starts")
}

/// Runs a command that must succeed and returns its stdout.
pub fn call_ok(data: &Path, args: &[&str]) -> String {
    let output = call(data, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?} failed: {stderr}");
    String::from_utf8(output.stdout).expect("output is text")
}

/// Runs a command that must fail with one `error:` line, and returns that line.
pub fn call_err(data: &Path, args: &[&str]) -> String {
    let output = call(data, args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?} did not fail with 1: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let lines: Vec<_> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "not one error line: {stderr}");
    lines[0].to_owned()
}

/// Makes the tiny data set: 6 patients of 16x64x64 voxels.
pub fn make_tiny_data(data: &Path) {
    call_ok(data, &["dataset", "synth", "--name", TINY, "--patients", "6", "--size", "16x64x64"]);
}

/// A folder with a data folder that holds the tiny data set.
struct Home {
    /// Goes first.
    _mount: Option<Mount>,
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { _mount: None, folder: tempfile::tempdir().expect("a temporary folder") };
        make_tiny_data(&home.data());
        home
    }

    /// The data folder is a disk in memory, mounted with these options. Needs root.
    fn on_disk(options: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        let said = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "transferscope-test"])
            .arg(&data)
            .output()
            .expect("mount can be called");
        assert!(
            said.status.success(),
            "a disk of its own needs root (mount tmpfs): {}",
            String::from_utf8_lossy(&said.stderr)
        );
        let home = Self { _mount: Some(Mount(data)), folder };
        make_tiny_data(&home.data());
        home
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// A mounted disk.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: workers that were killed just now may not have left yet.
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.0.display());
        }
    }
}

/// A server process; ended with all its workers when dropped.
pub struct TestServer {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The data folder.
    pub data: PathBuf,
    /// None once the folder belongs to the next server.
    folder: Option<Home>,
    http: reqwest::Client,
    log: Arc<Mutex<String>>,
}

impl TestServer {
    /// Starts a server with the tiny data set in a folder of its own, one run at a time, training
    /// on the CPU.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments for `serve`.
    pub async fn start_with(args: &[&str]) -> Self {
        Self::start_at(Home::new(), args, |command| command).await
    }

    /// The same with variables in its environment, which its workers inherit.
    pub async fn start_in_environment(args: &[&str], variables: &[(&str, &Path)]) -> Self {
        let made = |mut command: Command| {
            command.envs(variables.iter().copied());
            command
        };
        Self::start_at(Home::new(), args, made).await
    }

    /// The same with the data folder on a disk of its own, which can be filled.
    pub async fn start_on_disk(options: &str, args: &[&str]) -> Self {
        Self::start_at(Home::on_disk(options), args, |command| command).await
    }

    /// Asks the server to stop, waits for its end, and returns the folder of its data folder; workers go on.
    pub fn stop(mut self) -> TempDir {
        signal(i32::try_from(self.pid()).expect("a pid"), rustix::process::Signal::TERM);
        self.wait();
        self.folder.take().expect("only the end of a server takes it").folder
    }

    /// Starts a server on the folder `data` in this one, which may have been used before.
    pub async fn start_in(folder: TempDir, args: &[&str]) -> Self {
        Self::start_as(folder, args, |command| command).await
    }

    /// Starts a server on a folder whose `data` was made before, by a command made of the usual one.
    pub async fn start_as(folder: TempDir, args: &[&str], made: impl FnOnce(Command) -> Command) -> Self {
        Self::start_at(Home { _mount: None, folder }, args, made).await
    }

    async fn start_at(folder: Home, args: &[&str], made: impl FnOnce(Command) -> Command) -> Self {
        let data = folder.data();
        let mut usual =
            command(&data, &["serve", "--addr", "127.0.0.1:0", "--device", "cpu", "--no-builtin-data"]);
        usual.args(args);
        let mut child = made(usual)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Mutex::new(String::new()));
        let errors = child.stderr.take().expect("stderr is piped");
        let keep = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut log = keep.lock().expect("no holder panics");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut said = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        let url = loop {
            line.clear();
            let read = said.read_line(&mut line).expect("stdout is text");
            assert!(read > 0, "the server ended: {}", log.lock().expect("no holder panics"));
            if let Some(url) = line.trim().strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        // What else it prints must not block it.
        thread::spawn(move || drop(said.read_to_end(&mut Vec::new())));
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let server = Self { child, url, data, folder: Some(folder), http, log };
        let health: Value = server.get("/api/v1/health").await;
        assert_eq!(health["status"], "ok");
        server
    }

    /// Ends the server as a power cut would, workers untouched, and starts another on its folder.
    pub async fn kill_and_restart(mut self, args: &[&str]) -> Self {
        self.kill();
        // The workers belong to the next server now.
        let folder = self.folder.take().expect("only this function takes it");
        drop(self);
        Self::start_at(folder, args, |command| command).await
    }

    /// Ends the server as a power cut would, changes what lies on the disk meanwhile, and starts another one.
    pub async fn restart_after(mut self, change: impl FnOnce(&Path), args: &[&str]) -> Self {
        self.kill();
        change(&self.data);
        self.kill_and_restart(args).await
    }

    /// `kill -9` of the server process alone.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server ends");
    }

    /// The server process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the server's end after it was asked to stop.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("the server ends")
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no holder panics").clone()
    }

    /// GET that must answer 200 with this JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, text) = self.get_raw(path).await;
        assert_eq!(status, 200, "GET {path}: {text}\n{}", self.log());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("GET {path}: {e}: {text}"))
    }

    /// GET: status and body.
    pub async fn get_raw(&self, path: &str) -> (u16, String) {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.expect("the server answers");
        let status = response.status().as_u16();
        (status, response.text().await.unwrap_or_default())
    }

    /// GET of something that is no text: status and bytes.
    pub async fn get_bytes(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.expect("the server answers");
        let status = response.status().as_u16();
        (status, response.bytes().await.map(Into::into).unwrap_or_default())
    }

    /// POST of JSON: status and JSON answer (null where there is none).
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Sends a request made with [`TestServer::request`].
    pub async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A POST request to be changed before it is sent.
    pub fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.url))
    }

    /// Starts an experiment on the tiny data set.
    pub async fn submit(&self, spec: Value) -> ExperimentCreated {
        let (status, answer) = self.post("/api/v1/experiments", &spec).await;
        assert_eq!(status, 201, "{answer}\n{}", self.log());
        serde_json::from_value(answer).expect("an experiment was created")
    }

    /// Starts one run and returns its id.
    pub async fn submit_one(&self, spec: Value) -> RunId {
        let created = self.submit(spec).await;
        assert_eq!(created.runs.len(), 1, "{created:?}");
        created.runs[0].id.clone()
    }

    /// A run as it is now.
    pub async fn run(&self, id: &RunId) -> RunDetail {
        self.get(&format!("/api/v1/runs/{id}")).await
    }

    /// Waits until a run fulfils a condition.
    pub async fn wait_for(
        &self,
        id: &RunId,
        patience: Duration,
        what: &str,
        condition: impl Fn(&RunDetail) -> bool,
    ) -> RunDetail {
        let start = Instant::now();
        loop {
            let run = self.run(id).await;
            if condition(&run) {
                return run;
            }
            assert!(
                start.elapsed() < patience,
                "run {id} is not {what} after {patience:?}: {run:#?}\n{}\n{}",
                self.log(),
                self.worker_log(id)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for a state; a run that ends otherwise fails the test at once.
    pub async fn wait_state(&self, id: &RunId, state: RunState, patience: Duration) -> RunDetail {
        let run = self
            .wait_for(id, patience, state.as_str(), |r| r.run.state == state || r.run.state.is_final())
            .await;
        assert_eq!(run.run.state, state, "{:?}\n{}", run.run.failure, self.worker_log(id));
        run
    }

    /// A curve of a run, every point of it.
    pub async fn series(&self, id: &RunId, name: &str) -> MetricSeries {
        self.get(&format!("/api/v1/runs/{id}/metrics?name={}&max_points=20000", name.replace('@', "%40")))
            .await
    }

    /// Reads the stream of a run from after event `after` to its end.
    pub async fn events(&self, id: &RunId, after: u64) -> Vec<RunEvent> {
        let mut request = self.http.get(format!("{}/api/v1/runs/{id}/events", self.url));
        if after > 0 {
            request = request.header("Last-Event-ID", after.to_string());
        }
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200);
        let mut text = String::new();
        let mut stream = response.bytes_stream();
        let read = async {
            while let Some(piece) = stream.next().await {
                text.push_str(&String::from_utf8_lossy(&piece.expect("the stream holds")));
            }
        };
        tokio::time::timeout(RUN_PATIENCE, read).await.expect("the stream ends with the run");
        parse_sse(&text)
    }

    /// The directory of a run.
    pub fn run_dir(&self, id: &RunId) -> PathBuf {
        self.data.join("runs").join(id.as_str())
    }

    /// What the workers of a run have printed.
    pub fn worker_log(&self, id: &RunId) -> String {
        std::fs::read_to_string(self.run_dir(id).join("worker.log")).unwrap_or_default()
    }

    /// The pid of a run's worker, if one is alive.
    pub fn worker_pid(&self, id: &RunId) -> Option<i32> {
        worker_pid(&self.run_dir(id))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Either may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if self.folder.is_none() {
            return;
        }
        let Ok(runs) = std::fs::read_dir(self.data.join("runs")) else { return };
        let worker = |run: &Path| worker_pid(run).or_else(|| worker_process(run));
        for pid in runs.flatten().filter_map(|run| worker(&run.path())) {
            signal(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The pid in a run directory's `worker.lock`, while that lock is held.
fn worker_pid(run_dir: &Path) -> Option<i32> {
    let path = run_dir.join("worker.lock");
    let lock = File::open(&path).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => std::fs::read_to_string(&path).ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// The pid of the process that was started as the worker of a run directory, with its lock or before it has one.
pub fn worker_process(run_dir: &Path) -> Option<i32> {
    let wanted = run_dir.canonicalize().ok()?;
    let wanted = wanted.to_str()?;
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let arguments: Vec<&str> = line.split('\0').collect();
        arguments.windows(2).any(|two| two == ["worker", wanted]).then_some(pid)
    })
}

/// Sends a signal to a process that may be gone already.
pub fn signal(pid: i32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid is positive");
    // Only "no such process" is expected, and means that there is nothing to do.
    let _gone = rustix::process::kill_process(pid, signal).is_err();
}

/// The events of a stream's text, checked for agreement of id, event and data.
fn parse_sse(text: &str) -> Vec<RunEvent> {
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let field = |name: &str| {
            block.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim_start)
        };
        let Some(data) = field("data") else { continue };
        let event: RunEvent = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"));
        let kind = serde_json::from_str::<Value>(data).expect("parsed above")["kind"].clone();
        assert_eq!(field("id"), Some(event.seq.to_string().as_str()));
        assert_eq!(field("event"), kind.as_str());
        events.push(event);
    }
    events
}

/// A small experiment on the tiny data set: one backbone, one task, one arm.
pub fn tiny_spec(backbone: &str, task: &str, arm: &str, epochs: u32) -> Value {
    json!({
        "name": "test", "backbones": [backbone], "tasks": [task], "arms": [arm],
        "dataset": TINY, "seeds": [0], "epochs": epochs,
        "overrides": {"batch_size": 2, "samples_per_case": 1},
    })
}
