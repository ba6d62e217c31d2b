//! Work beside the threads that speak with clients.
//!
//! What computes or reads files goes through [`blocking`]; answers that may do so themselves are made by [`answer`] and
//! [`beside`] on threads of their own. How much is taken on at once, and from whom, is decided in `web::load`.

use std::sync::{Arc, LazyLock};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::{AbortHandle, JoinError},
};

tokio::task_local! {
    /// Set where the present task may take its thread for as long as it likes.
    static MAY_BLOCK: ();
}

/// Threads for answers, with a runtime of their own: what a page starts while it is made stays among them.
static ANSWERING: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(threads())
        .thread_name("answering")
        .enable_all()
        .build()
        .expect("a few threads can be started")
});

/// Pieces of work at once that were begun by requests without a turn.
static BESIDE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(threads())));

/// Enough for those whose turn it is to be computed at the same time.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (4 * cores).clamp(4, 32)
}

/// Stops a task when the one who waits for it has left.
struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why work has no result: the runtime it was given to is stopping.
#[derive(Debug, thiserror::Error)]
#[error("a background task did not finish: {0}")]
pub struct BrokenOff(JoinError);

/// Does what makes an answer. Who drops this future stops the work where it next waits.
///
/// # Errors
/// When the work does not come back.
pub async fn answer<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, BrokenOff> {
    let task = ANSWERING.spawn(MAY_BLOCK.scope((), work));
    let _stop = Abort(task.abort_handle());
    task.await.map_err(came_not_back)
}

/// Starts what makes an answer while it is sent.
pub fn beside(work: impl Future<Output = ()> + Send + 'static) {
    drop(ANSWERING.spawn(MAY_BLOCK.scope((), work)));
}

/// Runs what computes or reads files beside the threads that speak with clients.
///
/// # Errors
/// When the work does not come back.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BrokenOff> {
    if MAY_BLOCK.try_with(|()| ()).is_ok() {
        return Ok(work());
    }
    // Who leaves before it is begun takes it along; once begun, it counts until it ends.
    let place = Arc::clone(&BESIDE).acquire_owned().await;
    let thread = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    thread.await.map_err(came_not_back)
}

/// A panic goes on where it would have been caught without a second thread.
fn came_not_back(error: JoinError) -> BrokenOff {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => BrokenOff(error),
    }
}
