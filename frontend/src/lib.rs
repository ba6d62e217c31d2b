//! The browser bundle: takes over the page that the server sent.
//!
//! Everything on a page is in `transferscope-app`; this crate only gives the browser a way in.

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the page's script when the module has loaded.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    transferscope_app::base::lead_functions_below();
    leptos::mount::hydrate_body(transferscope_app::App);
}
