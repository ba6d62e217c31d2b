//! Work beside the threads that speak with clients.

use std::sync::{Arc, LazyLock};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    task::JoinError,
};

use super::Turn;
use crate::error::ApiError;

tokio::task_local! {
    /// Set where the present thread belongs to one request.
    static OWN_THREAD: ();
}

/// Pieces of work at once that were begun by requests without a thread of their own.
static BESIDE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new((2 * cores).max(4)))
});

/// Answers a request on a thread of its own and gives its turn back with the answer. Who drops this future stops the
/// work where it next waits; the turn ends with the work and not before it.
///
/// # Errors
/// `Internal` when the thread does not come back.
pub async fn off_thread<T: Send + 'static>(
    turn: Turn,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<(T, Turn), ApiError> {
    // Dropped with this future, which is how the thread hears of it.
    let (_here, gone) = oneshot::channel::<()>();
    let runtime = Handle::current();
    let thread = tokio::task::spawn_blocking(move || {
        runtime.block_on(OWN_THREAD.scope((), async move {
            tokio::select! {
                biased;
                _ = gone => None,
                done = work => Some((done, turn)),
            }
        }))
    });
    thread
        .await
        .map_err(came_not_back)?
        .ok_or_else(|| ApiError::Internal("nobody waited for an answer".into()))
}

/// Runs what computes or reads files beside the threads that answer requests.
///
/// # Errors
/// `Internal` when the thread does not come back.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    if OWN_THREAD.try_with(|()| ()).is_ok() {
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
fn came_not_back(error: JoinError) -> ApiError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => ApiError::Internal(format!("a task did not come back: {error}")),
    }
}
