use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use axum::http::StatusCode;

use super::*;
use crate::off_thread::blocking;

fn here() -> Origin {
    Origin::from(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
}

fn line(at_once: usize) -> Line {
    Line::new("things", at_once, Places::new(10, 10), Duration::from_secs(5))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_who_has_left_is_not_begun_and_what_runs_keeps_its_turn() {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let line = line(1);
    let ask = |line: Line| async move {
        let turn = line.enter(here()).await.unwrap();
        in_turn(turn, async {
            BEGUN.fetch_add(1, Ordering::SeqCst);
            // The first part cannot be stopped, what follows can.
            blocking(|| std::thread::sleep(Duration::from_millis(300))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            ENDED.fetch_add(1, Ordering::SeqCst);
        })
        .await
        .unwrap();
    };
    let asking: Vec<_> = (0..5).map(|_| tokio::spawn(ask(line.clone()))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    asking.iter().for_each(tokio::task::JoinHandle::abort);
    let began = Instant::now();
    drop(line.enter(here()).await.unwrap());
    assert!(began.elapsed() > Duration::from_millis(100), "the turn ended before its work");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((BEGUN.load(Ordering::SeqCst), ENDED.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_panic_comes_through_and_ends_the_turn() {
    let line = line(1);
    let turn = line.enter(here()).await.unwrap();
    let panicked = tokio::spawn(in_turn(turn, async { panic!("on purpose") }));
    let words = panicked.await.unwrap_err().into_panic();
    assert_eq!(words.downcast_ref::<&str>(), Some(&"on purpose"));
    line.enter(here()).await.unwrap();
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_their_memory_until_they_are_given_up() {
    let outgoing = Outgoing::default();
    let large = || axum::http::Response::new(axum::body::Bytes::from(vec![7; 200 << 20]));
    let first = outgoing.send(here(), large()).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(100), outgoing.send(here(), large()));
    assert!(waiting.await.is_err(), "two of these are more than there is");
    let small = axum::http::Response::new(axum::body::Bytes::from_static(b"short"));
    assert_eq!(outgoing.send(here(), small).await.unwrap().status(), StatusCode::OK);
    let sent = to_bytes(first.into_body(), usize::MAX).await.unwrap();
    assert!(sent.len() == 200 << 20 && sent.iter().all(|b| *b == 7));
    outgoing.send(here(), large()).await.unwrap();
}
