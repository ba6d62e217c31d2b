//! The JSON that leaves the server, and how it is made of what the rules of this crate know; no rule knows it. The
//! OpenAPI document (`server/src/web/openapi.rs`) is made from these types. Fields may be added, not renamed.

pub mod disclosure;
mod experiments;
mod health;
mod inputs;
mod leaderboard;
mod point;
mod queue;
mod runs;
mod shares;

pub use experiments::{CreatedRun, ExperimentCreated, ExperimentList, ExperimentSummary, ExperimentView};
pub use health::{Health, HealthProblem, Problem};
pub use inputs::{BackboneDetail, BackboneList, BackboneView, DatasetList, Made, TaskList, TaskView};
pub use leaderboard::LeaderboardView;
pub use point::{LossPoint, Point};
pub use queue::{MoveRequest, QueuePause, QueueView};
pub use runs::{AlignmentView, CaseScores, MetricSeries, PreviewView, Primary, RunDetail, RunList, RunView};
pub use shares::{
    CompareData, FrozenLink, ShareCreated, ShareRequest, ShareView, SnapshotRequest, SnapshotView,
};
