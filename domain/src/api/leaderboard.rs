//! The leaderboard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{leaderboard::Resolution, leaderboard::Row};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaderboardView {
    pub rows: Vec<Row>,
    /// Whether rows are ranked against others that differ in settings that should agree.
    #[serde(default)]
    pub mixed: bool,
    /// The smallest difference that the test cases can resolve, by task, data set and comparable group.
    #[serde(default)]
    pub resolution: Vec<Resolution>,
    /// Runs that are not on the board, by state: stated beside every claim.
    pub not_shown: BTreeMap<String, u32>,
}
