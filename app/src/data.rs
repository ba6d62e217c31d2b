//! What pages are made of where `domain` has no type for it: data that travels with them, and their state in the URL.

pub mod choices;
mod leaderboard_state;

use serde::{Deserialize, Serialize};
use transferscope_domain::{
    Task,
    dataset::{DatasetManifest, Wish},
    metric::Split,
};

pub use leaderboard_state::LeaderboardState;

/// A data set as pages name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetName {
    pub name: String,
    pub synthetic: bool,
}

impl From<&DatasetManifest> for DatasetName {
    fn from(d: &DatasetManifest) -> Self {
        Self { name: d.name.clone(), synthetic: d.synthetic }
    }
}

/// How many cases of a data set a task uses, by split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    pub train: usize,
    pub val: usize,
    pub test: usize,
}

impl SplitCounts {
    /// Usable cases of each split; none where the data set does not have the task.
    pub fn of(dataset: &DatasetManifest, task: Task, wish: impl Into<Wish>) -> Option<Self> {
        let aim = dataset.aim(task, wish).ok()?;
        let n = |split| dataset.usable(&aim, split).len();
        Some(Self { train: n(Split::Train), val: n(Split::Val), test: n(Split::Test) })
    }
}
