//! What readers can do to a server with nothing but requests: ask for everything at once, or hold on and say nothing.
//! The server has 2 GiB of memory and the usual 1024 open files; it must never end, always say how it is, and go on
//! starting runs.
//!
//! The figures that the product promises are tested with `TRANSFERSCOPE_FULL=1`, smaller ones otherwise:
//!
//! ```text
//! TRANSFERSCOPE_FULL=1 cargo test -p transferscope-tests --test load -- --nocapture
//! ```
//! prints a line a crowd, and the leaderboard's times with 500 streams.

#[path = "load/crowd.rs"]
mod crowd;
#[path = "load/fill.rs"]
mod fill;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use transferscope_domain::{ExperimentId, RunId, RunState, api::RunList};
use transferscope_tests::{RUN_PATIENCE, TINY, TestServer, limited::MemoryLimit, make_tiny_data, tiny_spec};

use crowd::{Answer, Readers, Reading, Times, Watch, all_at_once, closed, silent, statuses};

/// Memory of server and workers together.
const MEMORY: u64 = 2 << 30;
/// Open files unless a process asks for more.
const FILES: u32 = 1024;

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
struct Size {
    steps: u32,
    finished: u32,
    seeds: u32,
    pictures: usize,
    exports: usize,
    boards: usize,
    sheets: usize,
    /// Within this time 95 % of the questions for health must be answered.
    health: Duration,
    /// Within this time a queued run must have a worker.
    start: Duration,
}

/// As promised, or fewer of all with more patience, for machines that do other things besides.
fn size() -> Size {
    if std::env::var_os("TRANSFERSCOPE_FULL").is_some() {
        Size {
            steps: 300_000,
            finished: 1000,
            seeds: 2000,
            pictures: 64,
            exports: 16,
            boards: 16,
            sheets: 32,
            health: Duration::from_millis(250),
            start: Duration::from_secs(5),
        }
    } else {
        Size {
            steps: 20_000,
            finished: 200,
            seeds: 100,
            pictures: 64,
            exports: 4,
            boards: 8,
            sheets: 8,
            health: Duration::from_secs(4),
            start: Duration::from_secs(30),
        }
    }
}

/// A server under siege.
struct Siege {
    server: TestServer,
    limit: MemoryLimit,
    size: Size,
    long: RunId,
}

impl Siege {
    async fn start() -> Self {
        // This process opens as many connections as all of its clients together.
        let most = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("files can be opened");
        let size = size();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        make_tiny_data(&data);
        let long = fill::fill(&data, size.steps, size.finished).await;
        let limit = MemoryLimit::new(MEMORY);
        let server =
            TestServer::start_as(folder, &["--jobs", "2"], |usual| limit.around(&usual, FILES)).await;
        Self { server, limit, size, long }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    fn urls(&self, path: &str, count: usize) -> Vec<String> {
        vec![self.url(path); count]
    }

    fn address(&self) -> SocketAddr {
        self.server.url.trim_start_matches("http://").parse().expect("an address")
    }

    /// Lets a crowd loose, and meanwhile asks how the server is, and queues a run.
    async fn crowd<T>(&self, name: &str, crowd: impl Future<Output = T>) -> T {
        self.crowd_and_queue(name, crowd, None).await
    }

    /// The same where all workers are busy with runs of an experiment, one of which is stopped first.
    async fn crowd_and_queue<T>(
        &self,
        name: &str,
        crowd: impl Future<Output = T>,
        instead_of: Option<&ExperimentId>,
    ) -> T {
        let watch = Watch::start(self.url("/api/v1/health"), Duration::from_millis(20));
        let began = Instant::now();
        let (answer, started) = tokio::join!(crowd, self.started(instead_of));
        let health = watch.stop().await;
        let took = began.elapsed();
        println!(
            "{name}: {:.1} s; health: {health}; a run was started after {} ms; memory at most {} MB",
            took.as_secs_f64(),
            started.as_millis(),
            self.limit.peak().map_or(0, |bytes| bytes >> 20),
        );
        let Size { health: promised, start, .. } = self.size;
        assert!(health.within(0.95) <= promised, "{name}: {health}\n{}", self.server.log());
        assert!(started <= start, "{name}: a run waited {started:?} for its worker");
        answer
    }

    /// Queues a run and says how long it took to get its worker; then it is stopped.
    async fn started(&self, instead_of: Option<&ExperimentId>) -> Duration {
        // Where the crowd is at work already.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let id = self.server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 500)).await;
        self.server.post(&format!("/api/v1/runs/{id}/move"), &json!({"to": "first"})).await;
        if let Some(experiment) = instead_of {
            self.stop_one_of(experiment).await;
        }
        let asked = Instant::now();
        self.server.wait_for(&id, RUN_PATIENCE, "given to a worker", |r| r.run.attempts > 0).await;
        let waited = asked.elapsed();
        self.server.post(&format!("/api/v1/runs/{id}/cancel"), &json!({})).await;
        self.server.wait_for(&id, RUN_PATIENCE, "stopped", |r| r.run.state.is_final()).await;
        waited
    }

    /// Stops one run of an experiment that has a worker.
    async fn stop_one_of(&self, experiment: &ExperimentId) {
        loop {
            for state in ["running", "preparing"] {
                let list: RunList =
                    self.server.get(&format!("/api/v1/runs?experiment={experiment}&state={state}")).await;
                if let Some(run) = list.runs.first() {
                    self.server.post(&format!("/api/v1/runs/{}/cancel", run.id), &json!({})).await;
                    self.server.wait_for(&run.id, RUN_PATIENCE, "stopped", |r| r.run.state.is_final()).await;
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every one of a crowd must be served, or turned away with the time to come back.
    fn served(name: &str, answers: &[Answer], at_least: usize) {
        let counts = statuses(answers);
        assert!(counts.keys().all(|status| [200, 503].contains(status)), "{name}: {counts:?}");
        assert!(counts.get(&200).copied().unwrap_or(0) >= at_least, "{name}: {counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowds_of_readers_neither_end_nor_stop_the_server() {
    let siege = Siege::start().await;
    let (size, long) = (siege.size, siege.long.clone());

    let largest = format!("/runs/{long}/charts/loss.png?width=4000&height=4000");
    let answers = siege.crowd("largest pictures", all_at_once(siege.urls(&largest, size.pictures))).await;
    Siege::served("pictures", &answers, size.pictures);

    // Who leaves before it is their turn leaves no work behind.
    let left = async {
        for _ in 0..4 {
            let asking = all_at_once(siege.urls(&largest, size.pictures));
            drop(tokio::time::timeout(Duration::from_millis(100), asking).await);
        }
        let start = Instant::now();
        Siege::served("one picture", &all_at_once(siege.urls(&largest, 1)).await, 1);
        start.elapsed()
    };
    let waited = siege.crowd("pictures that nobody waits for", left).await;
    assert!(waited < Duration::from_secs(20), "a picture waited {waited:?} for some that nobody wants");

    let page = format!("/runs/{long}");
    let mut urls = siege.urls(&format!("/api/v1/runs/{long}/metrics.csv"), size.exports);
    urls.extend(siege.urls(&page, size.exports));
    let answers = siege.crowd("exports and pages of a long run", all_at_once(urls)).await;
    Siege::served("exports", &answers, 2 * size.exports);
    let longest = answers.iter().map(|a| a.1).max().unwrap_or(0);
    let points = size.steps as usize * fill::CURVES.len();
    assert!(longest > points * 30, "{longest} bytes of {points} points");

    let idle = async {
        let open = silent(siege.address(), 1100, "").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(open);
    };
    siege.crowd("1100 connections that send nothing", idle).await;

    let half = async {
        let open = silent(siege.address(), 600, "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: ").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        if std::env::var_os("TRANSFERSCOPE_FULL").is_some() {
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(closed(&open).await, 600, "half a header is not waited for forever");
        }
    };
    siege.crowd("600 halves of a header", half).await;

    let path = format!("/api/v1/runs/{}/events", siege.running().await);
    let streams = async {
        let readers = Readers::open(siege.address(), &path, 600, 600, Reading::Nothing).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        readers.taken
    };
    let taken = siege.crowd("600 streams from one address", streams).await;
    assert_eq!(taken, 64, "one address leaves room for others");

    let mut urls = siege.urls("/api/v1/leaderboard", size.boards);
    urls.extend(siege.urls("/", size.boards / 2));
    urls.extend(siege.urls("/api/v1/leaderboard.csv", size.boards / 2));
    let answers = siege.crowd("leaderboards", all_at_once(urls)).await;
    Siege::served("leaderboards", &answers, 2 * size.boards);

    let case: Value = siege.server.get(&format!("/api/v1/datasets/{TINY}")).await;
    let case = case["cases"][0]["case_id"].as_str().expect("a data set has cases").to_owned();
    let mut urls = siege.urls(&format!("/api/v1/datasets/{TINY}/cases/{case}/sheet.png"), size.sheets);
    urls.extend(siege.urls(&format!("/api/v1/datasets/{TINY}/cases/{case}/slices/3.png"), size.sheets));
    let answers = siege.crowd("sheets and slices", all_at_once(urls)).await;
    Siege::served("sheets", &answers, 2 * size.sheets);

    siege.long_queue().await;
    println!("the server's memory: at most {:?} MB", siege.limit.peak().map(|bytes| bytes >> 20));
}

impl Siege {
    /// A run that is training.
    async fn running(&self) -> RunId {
        let spec = tiny_spec("profound-conv-mini", "super-resolution", "scratch", 2000);
        let id = self.server.submit_one(spec).await;
        self.server
            .wait_for(&id, RUN_PATIENCE, "training", |r| r.run.metrics.contains_key("train/loss"))
            .await;
        id
    }

    /// One experiment with as many runs as it may have.
    async fn long_queue(&self) {
        let mut spec = tiny_spec("provicnet-mini", "segmentation", "scratch", 500);
        spec["seeds"] = (0..self.size.seeds).collect();
        let created = self.server.submit(spec).await;
        let id = created.id;
        let n = self.size.boards / 2;
        let mut urls = self.urls("/api/v1/runs?limit=500", n);
        urls.extend(self.urls("/api/v1/queue", n));
        urls.extend(self.urls("/queue", n));
        urls.extend(self.urls(&format!("/experiments/{id}"), n));
        urls.extend(self.urls(&format!("/api/v1/experiments/{id}/analysis"), n));
        let streams = Readers::open(self.address(), "/api/v1/queue/events", 100, 50, Reading::Everything);
        let ask = async { tokio::join!(all_at_once(urls), streams) };
        let (answers, streams) = self.crowd_and_queue("a long queue", ask, Some(&id)).await;
        Self::served("queue", &answers, 5 * n);
        assert_eq!(streams.taken, 100);
        let last = created.runs.last().expect("an experiment has runs").id.clone();
        let place = self.server.run(&last).await.run.queue_position.expect("the last one waits");
        assert!(place as usize >= created.runs.len() - 4, "{place}");
        let (status, _) = self.server.post(&format!("/api/v1/experiments/{id}/cancel"), &json!({})).await;
        assert_eq!(status, 200);
    }
}

/// The leaderboard's times beside readers of streams; the figures are for people, and the server must stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_streams_leave_the_board_usable() {
    if std::env::var_os("TRANSFERSCOPE_FULL").is_none() {
        eprintln!("without TRANSFERSCOPE_FULL=1: the board beside 500 streams is not measured");
        return;
    }
    let siege = Siege::start().await;
    let id = siege.running().await;
    let of_run = format!("/api/v1/runs/{id}/events");
    for (name, path, how) in [
        ("no readers", None, Reading::Nothing),
        ("500 readers of the queue", Some("/api/v1/queue/events"), Reading::Everything),
        ("500 readers of the run", Some(of_run.as_str()), Reading::Everything),
        ("500 readers that never read", Some(of_run.as_str()), Reading::Nothing),
    ] {
        let readers = match path {
            Some(path) => Some(Readers::open(siege.address(), path, 500, 50, how).await),
            None => None,
        };
        tokio::time::sleep(Duration::from_secs(2)).await;
        let board = Watch::start(siege.url("/api/v1/leaderboard"), Duration::from_millis(20));
        let health = Watch::start(siege.url("/api/v1/health"), Duration::from_millis(20));
        tokio::time::sleep(Duration::from_secs(15)).await;
        let (board, health): (Times, Times) = (board.stop().await, health.stop().await);
        println!("{name}: leaderboard: {board}; health: {health}");
        assert!(readers.is_none_or(|readers| readers.taken == 500));
        assert!(board.len() > 10 && health.len() > 10);
    }
    assert_eq!(siege.server.run(&id).await.run.state, RunState::Running);
}
