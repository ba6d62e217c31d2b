//! Parts that pages share; they receive plain data and do not fetch.

pub mod layout;
