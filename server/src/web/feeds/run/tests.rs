use transferscope_domain::{event::LogLevel, run::DeviceChoice};
use transferscope_store::RecordBatch;

use super::*;
use crate::{data_dir::DataDir, queue::event_log::EventLog, testing::queued_run};

struct Run {
    feed: RunFeed,
    log: EventLog,
    path: PathBuf,
    store: Store,
    id: RunId,
    _folder: tempfile::TempDir,
}

async fn run() -> Run {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path()).unwrap();
    let store = Store::open_temp().await.unwrap();
    let new = queued_run(DeviceChoice::Cpu);
    let id = new.request.id.clone();
    store.enqueue_run(&new).await.unwrap();
    std::fs::create_dir_all(data.run(&id)).unwrap();
    let path = data.run(&id).join(event_log::FILE);
    let log = EventLog::open(&path).unwrap().0;
    let feed = RunFeed::open(id.clone(), path.clone(), store.clone()).await.unwrap();
    Run { feed, log, path, store, id, _folder: folder }
}

fn said(text: &str) -> EventBody {
    EventBody::Log { level: LogLevel::Info, message: text.into() }
}

/// The numbers of the events that a reader gets until it would have to wait, and whether it is the end.
async fn read(feed: &RunFeed, position: &mut Position) -> (Vec<u64>, bool) {
    let mut seqs = Vec::new();
    loop {
        match feed.next(*position).await.unwrap() {
            RunNext::Messages(text, next) => {
                let text = String::from_utf8(text.to_vec()).unwrap();
                seqs.extend(text.lines().filter_map(|l| l.strip_prefix("id: ")?.parse::<u64>().ok()));
                assert_eq!(next.after, *seqs.last().unwrap_or(&next.after));
                *position = next;
            }
            RunNext::Wait(_) => return (seqs, false),
            RunNext::End => return (seqs, true),
        }
    }
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    range.collect()
}

#[tokio::test]
async fn readers_get_everything_once_wherever_they_are() {
    let run = run().await;
    let (mut early, mut late) = (Position::after(0), Position::after(0));
    assert_eq!(read(&run.feed, &mut early).await, (vec![], false));
    // Far more than the feed keeps, so that the late reader has to read the log.
    let long = "x".repeat(1000);
    for _ in 0..20 {
        for _ in 0..50 {
            run.log.append(said(&long)).unwrap();
        }
        read(&run.feed, &mut early).await;
    }
    assert_eq!(early.after, 1000);
    assert_eq!(read(&run.feed, &mut late).await, (numbers(1..=1000), false));
    let mut middle = Position::after(990);
    assert_eq!(read(&run.feed, &mut middle).await, (numbers(991..=1000), false));
    assert!(
        run.feed.tail.lock().await.pieces.iter().map(|p| p.text.len()).sum::<usize>() <= KEPT + 2 * PIECE
    );
    run.log.append(EventBody::Cancelled { step: 1, epoch: 0.5 }).unwrap();
    for position in [&mut early, &mut late, &mut middle] {
        assert_eq!(read(&run.feed, position).await, (vec![1001], true));
    }
}

#[tokio::test]
async fn a_feed_that_is_opened_late_begins_at_what_is_recorded() {
    let run = run().await;
    let events: Vec<RunEvent> = (0..10).map(|_| run.log.append(said("hello")).unwrap()).collect();
    let new_offset = std::fs::metadata(&run.path).unwrap().len();
    run.store.record(&run.id, RecordBatch::of(&events, new_offset)).await.unwrap();
    run.log.append(said("later")).unwrap();
    let feed = RunFeed::open(run.id.clone(), run.path.clone(), run.store.clone()).await.unwrap();
    let mut page = Position::after(10);
    assert_eq!(read(&feed, &mut page).await, (vec![11], false));
    assert_eq!(feed.tail.lock().await.floor, 10);
    let mut whole = Position::after(0);
    assert_eq!(read(&feed, &mut whole).await, (numbers(1..=11), false));
}

#[tokio::test]
async fn a_run_that_ends_without_a_word_ends_its_readers() {
    let run = run().await;
    run.log.append(said("hello")).unwrap();
    let mut position = Position::after(0);
    assert_eq!(read(&run.feed, &mut position).await, (vec![1], false));
    run.store.request_stop(&run.id, 1).await.unwrap();
    tokio::time::sleep(ASK_EVERY).await;
    assert_eq!(read(&run.feed, &mut position).await, (vec![], true));
}

#[tokio::test]
async fn a_log_that_has_become_shorter_stops_nobody() {
    let run = run().await;
    for _ in 0..5 {
        run.log.append(said("hello")).unwrap();
    }
    let mut position = Position::after(0);
    assert_eq!(read(&run.feed, &mut position).await, (numbers(1..=5), false));
    let text = std::fs::read_to_string(&run.path).unwrap();
    let two: String = text.split_inclusive('\n').take(2).collect();
    std::fs::write(&run.path, two).unwrap();
    assert_eq!(read(&run.feed, &mut position).await, (vec![], false));
    // The worker goes on where the log now ends, and says some numbers again: known ones are not repeated.
    let log = EventLog::open(&run.path).unwrap().0;
    for _ in 0..5 {
        log.append(said("again")).unwrap();
    }
    assert_eq!(read(&run.feed, &mut position).await, (vec![6, 7], false));
}
