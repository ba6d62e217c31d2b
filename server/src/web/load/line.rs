//! A line of requests of one kind.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Origin, Place, Places};
use crate::web::error::ApiError;

/// Requests that wait for their turn, first come, first served; clones are the same line.
#[derive(Debug, Clone)]
pub struct Line {
    /// What is waited for, in the plural.
    name: &'static str,
    /// Places in the line, those whose turn it is among them.
    places: Places,
    at_once: Arc<Semaphore>,
    /// Longest wait.
    patience: Duration,
}

/// A request whose turn it is; ends when dropped.
#[derive(Debug)]
pub struct Turn {
    _place: Place,
    _turn: OwnedSemaphorePermit,
}

impl Line {
    /// So many at once, and so many places.
    pub fn new(name: &'static str, at_once: usize, places: Places, patience: Duration) -> Self {
        Self { name, places, at_once: Arc::new(Semaphore::new(at_once)), patience }
    }

    /// Comes back when it is the request's turn. Who stops waiting leaves the line.
    ///
    /// # Errors
    /// `Busy` when the line is full, or the wait too long.
    pub async fn enter(&self, origin: Origin) -> Result<Turn, ApiError> {
        let place = self.places.take(origin).map_err(|full| full.busy(self.name))?;
        match tokio::time::timeout(self.patience, Arc::clone(&self.at_once).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(Turn { _place: place, _turn: turn }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(ApiError::Busy(format!(
                "The server is busy with other {}; try again in a few seconds.",
                self.name
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[tokio::test]
    async fn a_full_line_refuses_and_who_leaves_makes_room() {
        let here = Origin::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let line = Line::new("pictures", 1, Places::new(2, 2), Duration::from_millis(50));
        let turn = line.enter(here).await.unwrap();
        let waiting = tokio::spawn({
            let line = line.clone();
            async move { line.enter(here).await }
        });
        tokio::task::yield_now().await;
        let refused = line.enter(here).await.unwrap_err();
        assert!(matches!(&refused, ApiError::Busy(words) if words.contains("pictures")), "{refused:?}");
        // It waits in vain.
        assert!(matches!(waiting.await.unwrap(), Err(ApiError::Busy(_))));
        drop(turn);
        line.enter(here).await.unwrap();
    }
}
