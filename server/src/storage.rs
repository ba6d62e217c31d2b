//! The database beside the run directories and records that it is the index of: opening it ([`database`]), making it anew
//! from them ([`reindex`]), and clearing away what killed processes have left ([`litter`]).
//!
//! Questions and SQL are in the store, the folder's layout in `data_dir`. Start reading at [`database::open`].

pub mod database;
pub mod litter;
pub mod reindex;
