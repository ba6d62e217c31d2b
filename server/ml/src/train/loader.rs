//! Batches made ahead of the steps that need them, on a thread beside the training.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
    time::{Duration, Instant},
};

use super::batch::HostBatch;

/// Batches that wait at most: enough that a slow one does not stop the training, few enough that memory
/// does not grow with the epoch.
const AHEAD: usize = 3;

/// Batches in the order of their numbers.
pub struct Loader {
    ready: Receiver<HostBatch>,
    waited: Duration,
}

impl Loader {
    /// Begins to make the batches of `steps` with `make`; the thread ends with the last one, or when the
    /// loader is dropped.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        steps: std::ops::Range<u64>,
        make: impl Fn(u64) -> HostBatch + Send + 'scope,
    ) -> Self {
        let (send, ready) = sync_channel(AHEAD);
        scope.spawn(move || {
            for step in steps {
                if send.send(make(step)).is_err() {
                    break;
                }
            }
        });
        Self { ready, waited: Duration::ZERO }
    }

    /// The next batch; none after the last one.
    pub fn take(&mut self) -> Option<HostBatch> {
        let asked = Instant::now();
        let batch = self.ready.recv().ok();
        self.waited += asked.elapsed();
        batch
    }

    /// Time that was spent waiting in [`Loader::take`].
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{
        batch::training_batch,
        dataset::Item,
        example::{Example, Target},
    };
    use transferscope_domain::Family;

    #[test]
    fn batches_come_in_order_and_a_loader_can_be_left() {
        let data = vec![0.5; 4 * 8 * 8];
        let examples = [Example::new(("a", "a"), [4, 8, 8], vec![data], Target::Label(1), Vec::new())];
        let make = |step: u64| {
            training_batch(&examples, &[Item { example: 0, draw: step as u32 }], Family::Unet, None, 1, 0)
        };
        std::thread::scope(|scope| {
            let mut loader = Loader::start(scope, 2..7, make);
            for step in 2..7 {
                assert_eq!(loader.take(), Some(make(step)));
            }
            assert_eq!(loader.take(), None);
            let mut left = Loader::start(scope, 0..1_000_000_000, make);
            assert!(left.take().is_some());
        });
    }
}
