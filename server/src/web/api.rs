//! The JSON API, and the streams. Handlers extract, ask the rooms below, and answer. Start reading at [`runs`].

pub mod datasets;
pub mod events;
pub mod experiments;
pub mod leaderboard;
pub mod pretrainings;
pub mod queue;
pub mod runs;
pub mod shares;
pub mod snapshots;
pub mod system;
