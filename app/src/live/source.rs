//! The browser's side of the streams.

use std::{collections::BTreeMap, time::Duration};

use leptos::prelude::*;
use leptos::web_sys::{self, EventSource, MessageEvent};
use serde::Deserialize;
use transferscope_domain::{api::RunView, event::RunEvent};
use wasm_bindgen::{JsCast, closure::Closure};

use super::{RunLive, digest::Digest};

use crate::base::to;

/// Longest wait between hearing something and showing it: ten updates a second.
const BATCH: Duration = Duration::from_millis(100);
/// Wait before a stream that the browser has given up is opened again.
const RETRY: Duration = Duration::from_secs(3);

/// The kinds of events of a run, and `run`: the whole run as the server sees it.
const RUN_EVENTS: [&str; 13] = [
    "started",
    "step",
    "epoch",
    "metric",
    "alignment",
    "preview",
    "checkpoint",
    "log",
    "heartbeat",
    "finished",
    "failed",
    "cancelled",
    "run",
];

/// An open stream with its listeners; closes when dropped.
struct Stream {
    source: EventSource,
    _listeners: Vec<Closure<dyn FnMut(MessageEvent)>>,
    _notices: Vec<Closure<dyn FnMut(web_sys::Event)>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}

impl Stream {
    /// Opens a stream; `heard` gets the kind and the data of each message, `noticed` whether it is open
    /// (`Some(false)`: the browser tries again, `None`: it has given up).
    fn open(
        url: &str,
        kinds: &[&'static str],
        heard: impl Fn(&'static str, String) + Copy + 'static,
        noticed: impl Fn(Option<bool>) + Copy + 'static,
    ) -> Option<Self> {
        let source = EventSource::new(url).ok()?;
        let listeners = kinds
            .iter()
            .map(|kind| {
                let kind = *kind;
                let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |e: MessageEvent| {
                    if let Some(data) = e.data().as_string() {
                        heard(kind, data);
                    }
                });
                // A kind that cannot be listened to is a browser without events: nothing would be live.
                let _ = source.add_event_listener_with_callback(kind, listener.as_ref().unchecked_ref());
                listener
            })
            .collect();
        let opened = Closure::<dyn FnMut(web_sys::Event)>::new(move |_| noticed(Some(true)));
        source.set_onopen(Some(opened.as_ref().unchecked_ref()));
        let asked = source.clone();
        let failed = Closure::<dyn FnMut(web_sys::Event)>::new(move |_| {
            noticed((asked.ready_state() != EventSource::CLOSED).then_some(false));
        });
        source.set_onerror(Some(failed.as_ref().unchecked_ref()));
        Some(Self { source, _listeners: listeners, _notices: vec![opened, failed] })
    }
}

/// A run being followed.
struct Following {
    id: String,
    digest: Digest,
    stream: Option<Stream>,
    /// Whether what was heard is about to be shown.
    waiting: bool,
    live: RunLive,
}

type Held<T> = StoredValue<Option<T>, LocalStorage>;

/// Follows a run until it ends or the page is left.
pub(super) fn follow_run(id: String, after_seq: u64, live: RunLive) {
    let held: Held<Following> = StoredValue::new_local(None);
    on_cleanup(move || drop(held.try_update_value(Option::take)));
    // After hydration, so that the first view is the server's.
    Effect::new(move |_| {
        let following = Following {
            id: id.clone(),
            digest: Digest::after(after_seq),
            stream: None,
            waiting: false,
            live,
        };
        held.set_value(Some(following));
        connect_run(held);
    });
}

fn connect_run(held: Held<Following>) {
    let address = held
        .try_with_value(|f| {
            let f = f.as_ref()?;
            Some(to(&format!("/api/v1/runs/{}/events?after={}", f.id, f.digest.last_seq())))
        })
        .flatten();
    let Some(address) = address else { return };
    let heard = move |kind: &'static str, data: String| hear_run(held, kind, &data);
    let noticed = move |open: Option<bool>| {
        let live = held.try_with_value(|f| f.as_ref().map(|f| f.live)).flatten();
        if let Some(live) = live {
            live.connected.set(open == Some(true));
            if open.is_none() {
                set_timeout(move || connect_run(held), RETRY);
            }
        }
    };
    let stream = Stream::open(&address, &RUN_EVENTS, heard, noticed);
    held.try_update_value(|f| {
        if let Some(f) = f {
            f.stream = stream;
        }
    });
}

fn hear_run(held: Held<Following>, kind: &'static str, data: &str) {
    let first = held.try_update_value(|f| {
        let f = f.as_mut()?;
        if kind == "run" {
            let run: RunView = serde_json::from_str(data).ok()?;
            f.digest.become_state(run.state);
            f.digest.failure = run.failure;
        } else {
            f.digest.apply(serde_json::from_str::<RunEvent>(data).ok()?);
        }
        let first = !f.waiting;
        f.waiting = true;
        Some(first)
    });
    if first.flatten() == Some(true) {
        set_timeout(move || show_run(held), BATCH);
    }
}

/// Hands what was heard to the page.
fn show_run(held: Held<Following>) {
    let heard = held.try_update_value(|f| {
        let f = f.as_mut()?;
        f.waiting = false;
        let changed = std::mem::take(&mut f.digest.changed);
        let closing = if f.digest.ended() { f.stream.take() } else { None };
        Some((f.digest.clone(), changed, f.live, closing))
    });
    let Some(Some((digest, changed, live, closing))) = heard else { return };
    if closing.is_some() {
        live.connected.set(false);
    }
    drop(closing);
    if changed.points {
        live.points.set(digest.points);
    }
    if changed.progress {
        live.progress.set(digest.progress);
    }
    if changed.alignment {
        live.alignment.set(digest.alignment);
    }
    if changed.previews {
        live.previews.set(digest.previews);
    }
    if changed.log {
        live.log.set(digest.log);
    }
    if changed.state {
        live.failure.set(digest.failure);
        live.state.set(digest.state);
    }
}

/// The changed runs of one message of the queue.
#[derive(Deserialize)]
struct Changes {
    runs: Vec<RunView>,
}

/// Follows the queue until the page is left.
pub(super) fn follow_queue(runs: RwSignal<Vec<RunView>>) {
    let held: Held<Stream> = StoredValue::new_local(None);
    on_cleanup(move || drop(held.try_update_value(Option::take)));
    Effect::new(move |_| connect_queue(held, runs));
}

fn connect_queue(held: Held<Stream>, runs: RwSignal<Vec<RunView>>) {
    let heard = move |_: &'static str, data: String| {
        if let Ok(changes) = serde_json::from_str::<Changes>(&data) {
            // The server sends at most two messages a second.
            let _ = runs.try_update(|known| merge(known, changes.runs));
        }
    };
    let noticed = move |open: Option<bool>| {
        if open.is_none() {
            set_timeout(
                move || {
                    if held.try_with_value(Option::is_some) == Some(true) {
                        connect_queue(held, runs);
                    }
                },
                RETRY,
            );
        }
    };
    let stream = Stream::open(&to("/api/v1/queue/events"), &["runs"], heard, noticed);
    held.try_update_value(|h| *h = stream);
}

fn merge(known: &mut Vec<RunView>, changed: Vec<RunView>) {
    let mut by_id: BTreeMap<_, _> = changed.into_iter().map(|r| (r.id.clone(), r)).collect();
    for run in known.iter_mut() {
        if let Some(new) = by_id.remove(&run.id) {
            *run = new;
        }
    }
    known.extend(by_id.into_values());
}
