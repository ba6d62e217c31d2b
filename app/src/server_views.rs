//! Views that only the server renders. A page that changes nothing by itself comes to the browser as HTML
//! ([`crate::components::rendered`]), so that the bundle carries neither its markup nor its types.

pub mod backbones;
pub mod check_report;
pub mod dataset;
pub mod datasets;
pub mod experiment;
pub mod experiments;
pub mod frozen;
pub mod leaderboard;
mod leaderboard_table;
mod markup;
pub mod offline;
pub mod pretrain_form;
pub mod queue;
pub mod summary;
pub mod table;
