//! The server's clock in the browser.

use leptos::prelude::*;

use crate::format;

/// The server's time in milliseconds: at first the time of the answer, on both sides; after
/// hydration it goes on by itself once a second.
pub fn use_clock(server_now_ms: i64) -> Signal<i64> {
    let now = RwSignal::new(server_now_ms);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let started = js_sys::Date::now();
        let tick = move || now.set(server_now_ms + (js_sys::Date::now() - started) as i64);
        if let Ok(handle) = set_interval_with_handle(tick, std::time::Duration::from_secs(1)) {
            on_cleanup(move || handle.clear());
        }
    });
    now.into()
}

/// A point in time as an age that keeps growing; the exact time is in its title.
#[component]
pub fn Ago(then_ms: i64, now: Signal<i64>) -> impl IntoView {
    view! {
        <time datetime=format::date_time_iso(then_ms) title=format::date_time(then_ms)>
            {move || format::ago(then_ms, now.get())}
        </time>
    }
}
