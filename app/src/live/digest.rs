//! What a run's events mean for a page that is open: pure, so that it is the same without a browser.

use std::collections::BTreeMap;

use transferscope_domain::{
    Failure, MetricKind, RunState,
    alignment::AlignmentValue,
    api::{MetricSeries, Point, PreviewView},
    event::{EventBody, LogLevel, Phase, RunEvent},
    metric::Split,
};

use crate::downsample;

/// Points of one series at which it is thinned out, so that a page left open for days stays small.
const POINTS_MOST: usize = 20_000;
/// Log lines that are kept.
const LOG_MOST: usize = 200;

/// Values heard since the page was made, by metric name and step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LivePoints {
    by_name: BTreeMap<String, BTreeMap<u64, Point>>,
    /// Values of later steps that the page was made with are void.
    void_after: Option<u64>,
}

impl LivePoints {
    fn insert(&mut self, name: &str, point: Point) {
        let series = self.by_name.entry(name.to_owned()).or_default();
        series.insert(point.step, point);
        if series.len() > POINTS_MOST {
            let flat: Vec<(f64, f64)> = series.values().map(|p| (p.step as f64, p.value)).collect();
            let kept = downsample::min_max(&flat, POINTS_MOST / 8);
            let steps: std::collections::BTreeSet<u64> = kept.into_iter().map(|(s, _)| s as u64).collect();
            series.retain(|s, _| steps.contains(s));
        }
    }

    fn void_after(&mut self, step: u64) {
        self.void_after = Some(self.void_after.map_or(step, |old| old.min(step)));
        for series in self.by_name.values_mut() {
            series.retain(|s, _| *s <= step);
        }
    }

    /// Whether nothing was heard.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.void_after.is_none()
    }

    /// The last value of each metric, by name.
    pub fn latest(&self) -> BTreeMap<String, f64> {
        let last = |p: &BTreeMap<u64, Point>| p.last_key_value().map(|(_, v)| v.value);
        self.by_name.iter().filter_map(|(name, p)| Some((name.clone(), last(p)?))).collect()
    }

    /// These values laid over the series that the page was made with: what a resumed run took back is gone, a step
    /// said again counts once, and series that are new are added.
    pub fn over(&self, base: &[MetricSeries]) -> Vec<MetricSeries> {
        let mut series = base.to_vec();
        if let Some(step) = self.void_after {
            for s in &mut series {
                s.points.retain(|p| p.step <= step);
            }
        }
        for (name, heard) in &self.by_name {
            let at = match series.iter().position(|s| s.name == *name) {
                Some(at) => at,
                None => {
                    series.push(MetricSeries { name: name.clone(), points: Vec::new() });
                    series.len() - 1
                }
            };
            let points = &mut series[at].points;
            let Some((&first, _)) = heard.first_key_value() else { continue };
            // The server's points may reach into what was heard: those are said again here.
            if points.last().is_some_and(|p| p.step >= first) {
                points.retain(|p| !heard.contains_key(&p.step));
            }
            points.extend(heard.values());
            points.sort_by_key(|p| p.step);
        }
        series
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveProgress {
    pub step: u64,
    /// 0 to 1.
    pub progress: f64,
    pub phase: Phase,
    pub eta_s: Option<f64>,
    /// When the worker said so, in milliseconds since 1970.
    pub t_ms: i64,
}

/// A line of a run's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    pub t_ms: i64,
    pub level: LogLevel,
    pub message: String,
}

/// What changed since a digest was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    pub points: bool,
    pub progress: bool,
    pub state: bool,
    pub alignment: bool,
    pub previews: bool,
    pub log: bool,
}

/// Everything heard from one run.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    pub points: LivePoints,
    pub progress: Option<LiveProgress>,
    pub state: Option<RunState>,
    pub alignment: Vec<AlignmentValue>,
    pub previews: Vec<PreviewView>,
    pub log: Vec<LogLine>,
    pub failure: Option<Failure>,
    pub changed: Changed,
    last_seq: u64,
}

impl Digest {
    /// A digest of the events after `seq`.
    pub fn after(seq: u64) -> Self {
        Self { last_seq: seq, ..Self::default() }
    }

    /// The last event that was taken in.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Whether the run has ended for good.
    pub fn ended(&self) -> bool {
        self.state.is_some_and(RunState::is_final)
    }

    /// Takes one event in; one that was heard before changes nothing.
    pub fn apply(&mut self, event: RunEvent) {
        if event.seq <= self.last_seq {
            return;
        }
        self.last_seq = event.seq;
        let t = event.t;
        match event.body {
            EventBody::Started { resumed_from_step, .. } => {
                self.points.void_after(resumed_from_step);
                self.changed.points = true;
                self.become_state(RunState::Running);
            }
            EventBody::Step { step, epoch, loss, lr, grad_norm, ms } => {
                let values = [
                    (MetricKind::Loss, loss),
                    (MetricKind::Lr, lr),
                    (MetricKind::GradNorm, grad_norm),
                    (MetricKind::StepMs, ms),
                ];
                for (kind, value) in values {
                    let point = Point { step, epoch, t_ms: t, value };
                    self.points.insert(&kind.name(Split::Train), point);
                }
                self.changed.points = true;
            }
            EventBody::Metric { name, step, epoch, value } => {
                self.points.insert(&name, Point { step, epoch, t_ms: t, value });
                self.changed.points = true;
            }
            EventBody::Alignment(value) => {
                let same = |v: &AlignmentValue| {
                    v.layer == value.layer && v.metric == value.metric && v.epoch == value.epoch
                };
                self.alignment.retain(|v| !same(v));
                self.alignment.push(value);
                self.changed.alignment = true;
            }
            EventBody::Preview { epoch, case_id, file, caption, .. } => {
                self.previews.retain(|p| p.file != file);
                self.previews.push(PreviewView { epoch, case_id, file, caption });
                self.changed.previews = true;
            }
            EventBody::Log { level, message } => {
                self.log.push(LogLine { t_ms: t, level, message });
                let over = self.log.len().saturating_sub(LOG_MOST);
                self.log.drain(..over);
                self.changed.log = true;
            }
            EventBody::Heartbeat { step, progress, phase, eta_s } => {
                self.progress = Some(LiveProgress { step, progress, phase, eta_s, t_ms: t });
                self.changed.progress = true;
            }
            EventBody::Finished { step, .. } => {
                let phase = Phase::Aligning;
                self.progress = Some(LiveProgress { step, progress: 1.0, phase, eta_s: Some(0.0), t_ms: t });
                self.changed.progress = true;
                self.become_state(RunState::Succeeded);
            }
            EventBody::Failed { failure } => {
                self.failure = Some(failure);
                self.become_state(RunState::Failed);
            }
            EventBody::Cancelled { .. } => self.become_state(RunState::Stopped),
            EventBody::Epoch { .. } | EventBody::Checkpoint { .. } => {}
        }
    }

    /// Takes in what the server says about the run's state, which no event of the run can say (lost, stopping).
    pub fn become_state(&mut self, state: RunState) {
        self.state = Some(state);
        self.changed.state = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(seq: u64, step: u64, loss: f64) -> RunEvent {
        let body =
            EventBody::Step { step, epoch: step as f64 / 10.0, loss, lr: 0.1, grad_norm: 1.0, ms: 5.0 };
        RunEvent { seq, t: seq as i64, body }
    }

    fn started(seq: u64, resumed_from_step: u64) -> RunEvent {
        let body = EventBody::Started {
            attempt: 2,
            resumed_from_step,
            total_epochs: 2,
            total_steps: 20,
            device: "cpu".into(),
            pid: 1,
            train_cases: 1,
            val_cases: 1,
            test_cases: 1,
            left_out: Vec::new(),
            load_report: None,
            parameters: 1,
        };
        RunEvent { seq, t: 0, body }
    }

    fn losses(series: &[MetricSeries]) -> Vec<(u64, f64)> {
        let s = series.iter().find(|s| s.name == "train/loss").unwrap();
        s.points.iter().map(|p| (p.step, p.value)).collect()
    }

    #[test]
    fn a_resumed_run_takes_back_and_says_again() {
        let base = [MetricSeries {
            name: "train/loss".into(),
            points: [(1, 0.1, 0, 9.0), (2, 0.2, 0, 8.0), (3, 0.3, 0, 7.0)].map(Point::from).to_vec(),
        }];
        let mut digest = Digest::after(3);
        digest.apply(step(4, 4, 6.0));
        assert_eq!(losses(&digest.points.over(&base)), [(1, 9.0), (2, 8.0), (3, 7.0), (4, 6.0)]);
        digest.apply(started(5, 2));
        assert_eq!(losses(&digest.points.over(&base)), [(1, 9.0), (2, 8.0)]);
        digest.apply(step(6, 3, 7.5));
        assert_eq!(losses(&digest.points.over(&base)), [(1, 9.0), (2, 8.0), (3, 7.5)]);
        assert_eq!(digest.state, Some(RunState::Running));
    }

    #[test]
    fn an_event_heard_twice_counts_once() {
        let mut digest = Digest::after(0);
        digest.apply(step(1, 1, 5.0));
        digest.apply(step(1, 1, 99.0));
        assert_eq!(losses(&digest.points.over(&[])), [(1, 5.0)]);
        assert_eq!(digest.points.latest()["train/loss"], 5.0);
    }

    #[test]
    fn the_end_is_final() {
        let mut digest = Digest::after(0);
        assert!(!digest.ended());
        digest.apply(RunEvent {
            seq: 1,
            t: 0,
            body: EventBody::Finished { step: 9, seconds: 1.0, peak_memory_bytes: 1 },
        });
        assert!(digest.ended() && digest.progress.unwrap().progress == 1.0);
    }

    #[test]
    fn a_page_left_open_stays_small() {
        let mut digest = Digest::after(0);
        for i in 1..=(3 * POINTS_MOST as u64) {
            digest.apply(step(i, i, (i % 97) as f64));
        }
        let points = losses(&digest.points.over(&[]));
        assert!(points.len() <= POINTS_MOST, "{}", points.len());
        assert_eq!((points[0].0, points[points.len() - 1].0), (1, 3 * POINTS_MOST as u64));
    }
}
