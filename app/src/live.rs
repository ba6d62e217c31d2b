//! Live updates: the server's event streams as signals.
//!
//! ```text
//! use_run_events(&run_view, last_seq) -> RunLive      what a run has said since its page was made
//! use_queue()                         -> Signal<Vec<RunView>>   runs that changed since the page was made, as they are now
//! ```
//! On the server both are inert. In the browser each opens one `EventSource`, hands on what it
//! hears at most ten times a second, and closes with the page or after a final event. The browser
//! reconnects by itself and resumes with `Last-Event-ID`; what it hears twice counts once.
//! [`digest`] holds what the events mean, without a browser.

pub mod digest;
#[cfg(feature = "hydrate")]
mod source;

use leptos::prelude::*;
use transferscope_domain::{
    Failure, RunState,
    alignment::{AlignmentValue, ESTIMATOR, KERNEL},
    api::{AlignmentView, PreviewView, RunView},
};

pub use digest::{LivePoints, LiveProgress, LogLine};

/// What a run has said since its page was made.
#[derive(Debug, Clone, Copy)]
pub struct RunLive {
    /// Values by metric name; lay them over what the page was made with by [`LivePoints::over`].
    pub points: RwSignal<LivePoints>,
    /// None until the run has said something.
    pub progress: RwSignal<Option<LiveProgress>>,
    /// None until it changed.
    pub state: RwSignal<Option<RunState>>,
    pub alignment: RwSignal<Vec<AlignmentValue>>,
    pub previews: RwSignal<Vec<PreviewView>>,
    /// The last lines of the run's log.
    pub log: RwSignal<Vec<LogLine>>,
    pub failure: RwSignal<Option<Failure>>,
    /// Whether the stream is open; false on the server and for finished runs.
    pub connected: RwSignal<bool>,
}

impl RunLive {
    fn new() -> Self {
        Self {
            points: RwSignal::new(LivePoints::default()),
            progress: RwSignal::new(None),
            state: RwSignal::new(None),
            alignment: RwSignal::new(Vec::new()),
            previews: RwSignal::new(Vec::new()),
            log: RwSignal::new(Vec::new()),
            failure: RwSignal::new(None),
            connected: RwSignal::new(false),
        }
    }
}

/// Follows a run from the event after `after_seq`. A run that has ended is not followed.
pub fn use_run_events(run: &RunView, after_seq: u64) -> RunLive {
    let live = RunLive::new();
    #[cfg(feature = "hydrate")]
    if !run.state.is_final() {
        source::follow_run(run.id.as_str().to_owned(), after_seq, live);
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = (run, after_seq);
    live
}

/// Follows all runs: those that changed since the page was made, each as it is now.
pub fn use_queue() -> Signal<Vec<RunView>> {
    let runs = RwSignal::new(Vec::new());
    #[cfg(feature = "hydrate")]
    source::follow_queue(runs);
    runs.into()
}

/// Alignment values heard since, laid over those that the page was made with; a value said again replaces the
/// one before.
pub fn alignment_over(base: Option<&AlignmentView>, heard: &[AlignmentValue]) -> Option<AlignmentView> {
    if heard.is_empty() {
        return base.cloned();
    }
    let mut view = base.cloned().unwrap_or_else(|| AlignmentView {
        layers: Vec::new(),
        kernel: KERNEL.into(),
        bandwidth: Vec::new(),
        estimator: ESTIMATOR.into(),
        n: 0,
        values: Vec::new(),
    });
    for value in heard {
        let same =
            |v: &AlignmentValue| v.layer == value.layer && v.metric == value.metric && v.epoch == value.epoch;
        view.values.retain(|v| !same(v));
        view.values.push(value.clone());
        view.n = value.n;
    }
    let mut layers: Vec<(u32, String, f64)> = Vec::new();
    for v in &view.values {
        if !layers.iter().any(|(_, l, _)| *l == v.layer) {
            layers.push((v.depth, v.layer.clone(), v.bandwidth));
        }
    }
    layers.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    view.bandwidth = layers.iter().map(|l| l.2).collect();
    view.layers = layers.into_iter().map(|l| l.1).collect();
    Some(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_said_again_counts_once() {
        let value = |layer: &str, depth, value| AlignmentValue {
            epoch: 2.0,
            layer: layer.into(),
            depth,
            metric: "d2p".into(),
            value,
            p: None,
            bandwidth: 1.5,
            n: 8,
        };
        assert_eq!(alignment_over(None, &[]), None);
        let first = alignment_over(None, &[value("b", 1, 0.1), value("a", 0, 0.2)]).unwrap();
        assert_eq!((first.layers.clone(), first.n), (vec!["a".to_owned(), "b".into()], 8));
        let again = alignment_over(Some(&first), &[value("b", 1, 0.3)]).unwrap();
        assert_eq!(again.values.len(), 2);
        assert!(again.values.iter().any(|v| v.layer == "b" && v.value == 0.3));
    }
}
