//! The leaderboard: rows from the store, and how sure their ranks are. A board that was made stays in use until
//! something that it shows has changed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use transferscope_domain::api::LeaderboardView;
use transferscope_store::{LeaderboardQuery, Store, StoreError};
use transferscope_study::board::{Scored, judge};

use crate::off_thread::{BrokenOff, blocking};

/// Why there is no board.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
}

/// Most boards that are kept.
const BOARDS_MAX: usize = 16;
/// Most rows of all boards that are kept: a row takes about two kilobytes.
const ROWS_MAX: usize = 30_000;

/// Boards that were asked for last, of the results as they are now; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Boards {
    /// The latest last.
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

#[derive(Debug, Clone)]
struct Kept {
    /// What it was made from, as [`Store::results_version`] counts.
    version: i64,
    query: LeaderboardQuery,
    /// Made once, however many ask for it at once.
    board: Arc<OnceCell<Arc<LeaderboardView>>>,
}

impl Boards {
    /// Ranked rows with the intervals of their ranks.
    ///
    /// # Errors
    /// When the question makes no sense.
    pub async fn board(
        &self,
        store: &Store,
        query: &LeaderboardQuery,
    ) -> Result<Arc<LeaderboardView>, BoardError> {
        let version = store.results_version().await?;
        let board = self.cell(version, query).get_or_try_init(|| made(store, query)).await.cloned()?;
        self.tidy();
        Ok(board)
    }

    fn cell(&self, version: i64, query: &LeaderboardQuery) -> Arc<OnceCell<Arc<LeaderboardView>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|k| k.version == version && k.query == *query)
            && let Some(found) = kept.remove(at)
        {
            kept.push_back(found.clone());
            return found.board;
        }
        // Of other results nobody can ask any more.
        kept.retain(|k| k.version == version);
        let new = Kept { version, query: query.clone(), board: Arc::default() };
        kept.push_back(new.clone());
        new.board
    }

    /// Forgets what was not asked for for longest. One board stays, however large.
    fn tidy(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = |kept: &VecDeque<Kept>| -> usize {
            kept.iter().filter_map(|k| k.board.get()).map(|board| board.rows.len()).sum()
        };
        while kept.len() > BOARDS_MAX || (kept.len() > 1 && rows(&kept) > ROWS_MAX) {
            kept.pop_front();
        }
    }
}

async fn made(store: &Store, query: &LeaderboardQuery) -> Result<Arc<LeaderboardView>, BoardError> {
    let mut view = store.leaderboard(query).await?;
    let ids: Vec<&str> = view.rows.iter().flat_map(|r| &r.seeds).map(|s| s.run.as_str()).collect();
    let cases = store.test_cases(&ids).await?;
    let judged = blocking(move || {
        judge(&mut view, Scored { cases: &cases.scores, patients: &cases.patients });
        Arc::new(view)
    });
    Ok(judged.await?)
}
