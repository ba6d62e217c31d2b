//! The leaderboard's state in the URL.

use serde::{Deserialize, Serialize};

/// The page's state, as text from the URL; empty is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaderboardState {
    pub task: String,
    pub dataset: String,
    pub metric: String,
    pub group: String,
    /// A day such as `2026-11-25`: the board as it was at its end.
    pub asof: String,
    /// `1`: rows are ranked also against those that differ in what should agree.
    pub mix: String,
    pub sort: String,
}
