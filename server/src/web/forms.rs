//! Plain forms, so that pages work without scripts: each ends with a redirect to a page.

pub mod runs;
