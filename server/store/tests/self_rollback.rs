//! SQLite ends a transaction by itself when a write fails or memory runs out. Both are limits of a whole process, so each
//! test starts itself again as one: what must hold is that the next write works once the limit is gone.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use transferscope_domain::{
    Arm, Family, RunRequest, TaskKind, TrainingSpec,
    run::{DeviceChoice, REQUEST_SCHEMA},
};
use transferscope_store::{NewRun, Store, StoreError, ids};

/// Set in the process that is limited.
const INSIDE: &str = "TRANSFERSCOPE_TEST_INSIDE";

fn run(note: &str) -> NewRun {
    let request = RunRequest {
        schema: REQUEST_SCHEMA,
        id: ids::new_run_id(),
        experiment: None,
        backbone: note.into(),
        family: Family::Provicnet,
        architecture: None,
        task: TaskKind::Segmentation.into(),
        arm: Arm::Scratch,
        seed: 0,
        dataset: "phantom".into(),
        dataset_dir: "../../datasets/phantom".into(),
        dataset_hash: "hash".into(),
        split_hash: "split".into(),
        checkpoint: None,
        checkpoint_hash: None,
        training: TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation),
        plan: None,
        pretraining: None,
        device: DeviceChoice::Cpu,
        code_version: "test".into(),
    };
    NewRun { request, synthetic: true, arrival: None }
}

/// Runs a test of this file again in a process of its own, in which a write beyond a limit is an error and no signal.
fn again(test: &str) {
    let me = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(me)
        .arg(test)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn count(store: &Store) -> u32 {
    store.counts().await.unwrap().values().sum()
}

/// The write-ahead log cannot grow: SQLITE_IOERR_WRITE.
#[tokio::test]
async fn a_write_that_fails_is_refused_and_the_next_goes_on() {
    if std::env::var_os(INSIDE).is_none() {
        return again("a_write_that_fails_is_refused_and_the_next_goes_on");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transferscope.db");
    let store = Store::open(&path).await.unwrap();
    let usual = getrlimit(Resource::Fsize);
    for _ in 0..3 {
        store.enqueue_run(&run("first")).await.unwrap();
        let before = count(&store).await;
        let log = std::fs::metadata(folder.path().join("transferscope.db-wal")).unwrap().len();
        setrlimit(Resource::Fsize, Rlimit { current: Some(log + 100), ..usual }).unwrap();
        let error = store.enqueue_run(&run(&"long".repeat(5000))).await.unwrap_err();
        assert!(error.to_string().contains("disk I/O error"), "{error}");
        let second = store.enqueue_run(&run(&"long".repeat(5000))).await.unwrap_err();
        assert!(second.to_string().contains("disk I/O error"), "not the first error again: {second}");
        setrlimit(Resource::Fsize, usual).unwrap();
        assert_eq!(count(&store).await, before);
        store.enqueue_run(&run("next")).await.unwrap();
        assert_eq!(count(&store).await, before + 1);
    }
}

/// There is no memory for a large row: SQLITE_NOMEM.
#[tokio::test]
async fn a_write_without_memory_is_refused_and_the_next_goes_on() {
    if std::env::var_os(INSIDE).is_none() {
        return again("a_write_without_memory_is_refused_and_the_next_goes_on");
    }
    let store = Store::open_temp().await.unwrap();
    store.enqueue_run(&run("first")).await.unwrap();
    // One limit for all connections of a process; it can only be lowered.
    let mut conn = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    sqlx::query("pragma hard_heap_limit = 8000000").execute(&mut conn).await.unwrap();
    for _ in 0..3 {
        let before = count(&store).await;
        let error = store.enqueue_run(&run(&"long".repeat(5_000_000))).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Database(e) if e.to_string().contains("out of memory")),
            "{error}"
        );
        assert_eq!(count(&store).await, before);
        store.enqueue_run(&run("next")).await.unwrap();
        assert_eq!(count(&store).await, before + 1);
    }
    conn.close().await.unwrap();
}
