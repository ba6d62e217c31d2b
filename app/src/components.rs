//! Parts that pages share; they receive plain data and do not fetch.

pub mod case_pairs;
pub mod case_table;
pub mod clock;
pub mod compare_tables;
pub mod empty_state;
pub mod error_panel;
pub mod layout;
pub mod loaded;
pub mod metrics_table;
pub mod previews;
pub mod progress_bar;
pub mod provenance;
pub mod rendered;
pub mod run_actions;
pub mod run_form;
pub mod run_mark;
pub mod run_table;
pub mod share_form;
pub mod slice_pane;
pub mod slice_state;
pub mod slice_viewer;
pub mod state_badge;
pub mod task_options;
pub mod used_by;
