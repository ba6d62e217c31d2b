use transferscope_domain::run::DeviceChoice;

use super::*;
use crate::{testing::queued_run, web::events_hub::EventsHub};

async fn message(feed: &QueueFeed, store: &Store, seen: &mut Option<u64>) -> Option<String> {
    match feed.next(store, *seen).await.unwrap() {
        QueueNext::Message(text, number) => {
            *seen = Some(number);
            Some(String::from_utf8(text.to_vec()).unwrap())
        }
        QueueNext::Wait(_) => None,
    }
}

#[tokio::test]
async fn readers_share_messages_and_who_is_behind_gets_everything() {
    let (store, hub) = (Store::open_temp().await.unwrap(), EventsHub::default());
    let feed = hub.queue();
    let runs: Vec<_> = (0..3).map(|_| queued_run(DeviceChoice::Cpu)).collect();
    for run in &runs {
        store.enqueue_run(run).await.unwrap();
    }
    let ids: Vec<&RunId> = runs.iter().map(|r| &r.request.id).collect();
    let (mut one, mut two, mut behind) = (None, None, None);
    for seen in [&mut one, &mut two, &mut behind] {
        let first = message(&feed, &store, seen).await.unwrap();
        assert!(ids.iter().all(|id| first.contains(id.as_str())), "{first}");
        assert_eq!(message(&feed, &store, seen).await, None);
    }
    hub.run_changed(ids[1]);
    let changed = message(&feed, &store, &mut one).await.unwrap();
    assert!(changed.contains(ids[1].as_str()) && !changed.contains(ids[0].as_str()), "{changed}");
    assert_eq!(message(&feed, &store, &mut two).await.as_deref(), Some(changed.as_str()));
    assert_eq!(message(&feed, &store, &mut two).await, None);

    // The next message waits for its turn, and holds what came meanwhile.
    hub.run_changed(ids[0]);
    let QueueNext::Wait(Some(turn)) = feed.next(&store, one).await.unwrap() else { panic!("no turn") };
    hub.run_changed(ids[2]);
    tokio::time::sleep_until(turn.into()).await;
    let both = message(&feed, &store, &mut one).await.unwrap();
    assert!(both.contains(ids[0].as_str()) && both.contains(ids[2].as_str()), "{both}");

    // More changes than the hub remembers: everybody gets everything, once.
    for _ in 0..3000 {
        hub.run_changed(ids[0]);
    }
    for seen in [&mut one, &mut behind] {
        let all = message(&feed, &store, seen).await.unwrap();
        assert!(ids.iter().all(|id| all.contains(id.as_str())), "{all}");
    }
}
