//! What counts, and what is forgiven.

use transferscope_domain::{
    FailureKind, Objective,
    event::{CheckpointKind, EventBody},
};

use super::*;
use crate::testing::{new_run, say, started, step, store_with_runs};

fn died() -> Failure {
    Failure::new(FailureKind::WorkerDied, "killed").with_hint("wait")
}

fn checkpoint(step: u64) -> EventBody {
    EventBody::Checkpoint { step, epoch: 0.0, which: CheckpointKind::Last, file: "last".into() }
}

async fn misses(store: &Store, id: &RunId) -> u32 {
    store.reached(id).await.unwrap().misses
}

#[tokio::test]
async fn only_attempts_without_progress_count() {
    let (store, ids) = store_with_runs(1).await;
    let id = &ids[0];
    let mut attempt = 0;
    let mut try_it = async |bodies: Vec<EventBody>, counted: bool| {
        attempt += 1;
        store.claim_next(1).await.unwrap().unwrap();
        say(&store, id, std::iter::once(started(attempt, 0)).chain(bodies)).await;
        store.lose(id, &died(), counted, 2).await.unwrap();
        store.requeue_lost(id, 3).await.unwrap();
        store.reached(id).await.unwrap()
    };
    assert_eq!(try_it(vec![], true).await.misses, 1);
    assert_eq!(try_it(vec![], true).await.misses, 2);
    // A first checkpoint is progress; the same one again is none, nor is a step that was made before.
    let reached = try_it(vec![checkpoint(0), step(1, 1.0), step(2, 1.0)], true).await;
    assert_eq!((reached.misses, reached.checkpoint_step), (0, Some(0)));
    assert_eq!(try_it(vec![checkpoint(0), step(1, 1.0), step(2, 1.0)], true).await.misses, 1);
    assert_eq!(try_it(vec![step(1, 1.0)], true).await.misses, 2);
    // Interrupted from outside: not counted, and nothing is forgiven either.
    assert_eq!(try_it(vec![], false).await.misses, 2);
    assert_eq!(try_it(vec![step(1, 1.0), step(2, 1.0), step(3, 1.0)], true).await.misses, 0);
    assert_eq!(try_it(vec![checkpoint(3)], false).await.misses, 0);
    assert_eq!(store.reached(id).await.unwrap().checkpoint_step, Some(3));
    assert_eq!(store.run(id).await.unwrap().run.attempts, 8);
}

#[tokio::test]
async fn a_run_that_could_not_be_started_is_as_before() {
    let (store, ids) = store_with_runs(3).await;
    let before = store.run(&ids[0]).await.unwrap();
    assert_eq!(store.claim_next(1).await.unwrap().unwrap().id, ids[0]);
    assert!(store.unclaim(&ids[0], 2).await.unwrap());
    assert_eq!(store.run(&ids[0]).await.unwrap(), before);
    assert_eq!(misses(&store, &ids[0]).await, 0);
    assert!(!store.unclaim(&ids[0], 3).await.unwrap());
    // Another is tried meanwhile, and the first keeps its place.
    assert_eq!(store.claim_other(&ids[..2], 4).await.unwrap().unwrap().id, ids[2]);
    assert_eq!(store.claim_other(&ids[..2], 4).await.unwrap(), None);
    assert_eq!(store.claim_next(5).await.unwrap().unwrap().id, ids[0]);
    // Asked to stop in between: it stays so.
    store.request_stop(&ids[0], 6).await.unwrap();
    assert!(!store.unclaim(&ids[0], 7).await.unwrap());
    assert_eq!(store.run(&ids[0]).await.unwrap().run.state, RunState::Stopping);
}

#[tokio::test]
async fn a_living_worker_is_taken_up_again() {
    let (store, ids) = store_with_runs(1).await;
    let id = &ids[0];
    store.claim_next(1).await.unwrap();
    store.lose(id, &died(), true, 2).await.unwrap();
    store.reattach(id, false, 3).await.unwrap();
    let run = store.run(id).await.unwrap().run;
    assert_eq!((run.state, run.attempts, run.failure), (RunState::Preparing, 1, None));
    say(&store, id, [started(1, 0)]).await;
    store.lose(id, &died(), true, 4).await.unwrap();
    store.requeue_lost(id, 5).await.unwrap();
    store.claim_next(6).await.unwrap();
    store.reattach(id, true, 7).await.unwrap();
    let run = store.run(id).await.unwrap().run;
    assert_eq!((run.state, run.attempts), (RunState::Running, 1));
    assert_eq!(misses(&store, id).await, 1);
}

#[tokio::test]
async fn a_run_that_ended_badly_goes_on_and_no_other_does() {
    let (store, ids) = store_with_runs(2).await;
    let id = &ids[0];
    store.claim_next(1).await.unwrap();
    assert!(matches!(store.resume(id, 2).await, Err(StoreError::Conflict(_))));
    say(&store, id, [started(1, 0), checkpoint(0)]).await;
    say(&store, id, [EventBody::Failed { failure: died() }]).await;
    assert_eq!(store.failed_runs().await.unwrap(), [(id.clone(), 300)]);
    store.resume(id, 3).await.unwrap();
    let run = store.run(id).await.unwrap();
    assert_eq!((run.run.state, run.run.failure, run.run.finished_ms), (RunState::Queued, None, None));
    assert_eq!(run.checkpoint_step, Some(0));
    assert_eq!(misses(&store, id).await, 0);
    store.request_stop(&ids[1], 4).await.unwrap();
    store.resume(&ids[1], 5).await.unwrap();
    assert_eq!(store.run(&ids[1]).await.unwrap().run.queue_position, Some(2));
    assert!(matches!(
        store.resume(&"no-such-run".parse().unwrap(), 6).await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_pretraining_keeps_its_name_until_it_has_ended() {
    let store = Store::open_temp().await.unwrap();
    let named = |name: &str| {
        let mut run = new_run();
        run.request.pretraining = Some(Pretraining {
            objective: Objective::Mae,
            name: name.into(),
            accumulate: 1,
            publish: Some("../../backbones".into()),
        });
        run
    };
    let first = named("mine");
    store.enqueue_run(&first).await.unwrap();
    store.enqueue_run(&named("other")).await.unwrap();
    let refused = store.enqueue_run(&named("mine")).await.unwrap_err().to_string();
    assert!(refused.contains(first.request.id.as_str()) && refused.contains("mine"), "{refused}");
    store.request_stop(&first.request.id, 1).await.unwrap();
    store.enqueue_run(&named("mine")).await.unwrap();
    assert!(matches!(store.resume(&first.request.id, 2).await, Err(StoreError::Conflict(_))));
}
