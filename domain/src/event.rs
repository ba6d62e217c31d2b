//! Everything that a run can say: the lines of `events.jsonl`, and the messages of its stream.

use serde::{Deserialize, Serialize};

use crate::{Failure, alignment::AlignmentValue, dataset::LeftOut, report::LoadReport};

/// One line of a run's event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunEvent {
    /// 1 for the first event of a run, then without gaps.
    pub seq: u64,
    /// Milliseconds since 1970 (UTC).
    pub t: i64,
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum EventBody {
    /// A worker began (`attempt` 1) or went on from a checkpoint (`attempt` 2 and more). Values
    /// of steps after `resumed_from_step` are void: they will be said again.
    Started {
        attempt: u32,
        resumed_from_step: u64,
        total_epochs: u32,
        total_steps: u64,
        /// `cpu`, `cuda`, in words with the card's name.
        device: String,
        pid: u32,
        train_cases: u32,
        val_cases: u32,
        test_cases: u32,
        /// Cases of the data set that the task cannot use, with the reason.
        left_out: Vec<LeftOut>,
        /// What the checkpoint filled; none unless pre-trained.
        load_report: Option<LoadReport>,
        parameters: u64,
    },
    /// One optimiser step.
    Step {
        step: u64,
        epoch: f64,
        loss: f64,
        lr: f64,
        grad_norm: f64,
        ms: f64,
    },
    /// The end of an epoch.
    Epoch {
        step: u64,
        epoch: f64,
        seconds: f64,
    },
    /// A value of `split/metric`.
    Metric {
        name: String,
        step: u64,
        epoch: f64,
        value: f64,
    },
    Alignment(AlignmentValue),
    /// A picture under `previews/`: input, target and prediction (and error) of one case.
    Preview {
        step: u64,
        epoch: f64,
        case_id: String,
        file: String,
        caption: String,
    },
    Checkpoint {
        step: u64,
        epoch: f64,
        which: CheckpointKind,
        file: String,
    },
    Log {
        level: LogLevel,
        message: String,
    },
    /// Sent at least every two seconds.
    Heartbeat {
        step: u64,
        progress: f64,
        phase: Phase,
        eta_s: Option<f64>,
    },
    /// The run is complete; `report.json` is in place.
    Finished {
        step: u64,
        seconds: f64,
        peak_memory_bytes: u64,
    },
    /// The run ended with an error that would come again.
    Failed {
        failure: Failure,
    },
    Cancelled {
        step: u64,
        epoch: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CheckpointKind {
    Last,
    Best,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Info,
    Warn,
    Error,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Preparing,
    Training,
    Validating,
    Testing,
    Aligning,
}

impl Phase {
    pub fn label(self) -> &'static str {
        match self {
            Phase::Preparing => "preparing data",
            Phase::Training => "training",
            Phase::Validating => "validating",
            Phase::Testing => "testing",
            Phase::Aligning => "computing alignment",
        }
    }
}

/// Parses the complete lines of an event log and says how many bytes they took.
///
/// A last line without a line end is torn (the writer was interrupted or is still writing) and
/// is left for the next call. A complete line that does not parse is skipped and counted.
pub fn parse_lines(bytes: &[u8]) -> ParsedLines {
    let mut parsed = ParsedLines::default();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else { break };
        parsed.consumed += line.len();
        match serde_json::from_slice::<RunEvent>(text) {
            Ok(event) => parsed.events.push(event),
            Err(_) if text.iter().all(u8::is_ascii_whitespace) => {}
            Err(_) => parsed.damaged += 1,
        }
    }
    parsed
}

/// What [`parse_lines`] found.
#[derive(Debug, Default)]
pub struct ParsedLines {
    pub events: Vec<RunEvent>,
    /// Bytes of the complete lines.
    pub consumed: usize,
    /// Complete lines that are no events.
    pub damaged: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FailureKind;

    fn step(seq: u64) -> RunEvent {
        RunEvent {
            seq,
            t: 1,
            body: EventBody::Step { step: seq, epoch: 0.5, loss: 1.0, lr: 1e-3, grad_norm: 2.0, ms: 3.0 },
        }
    }

    #[test]
    fn an_event_is_one_flat_object() {
        let json = serde_json::to_value(step(3)).unwrap();
        assert_eq!(json["seq"], 3);
        assert_eq!(json["kind"], "step");
        assert_eq!(json["loss"], 1.0);
        let failed = RunEvent {
            seq: 1,
            t: 2,
            body: EventBody::Failed { failure: Failure::new(FailureKind::Device, "m") },
        };
        let text = serde_json::to_string(&failed).unwrap();
        assert_eq!(serde_json::from_str::<RunEvent>(&text).unwrap(), failed);
    }

    proptest! {
        #[test]
        fn a_torn_tail_is_left_for_later(cut in 0usize..400) {
            let mut log = Vec::new();
            for seq in 1..=4 {
                log.extend(serde_json::to_vec(&step(seq)).unwrap());
                log.push(b'\n');
            }
            let cut = cut.min(log.len());
            let first = parse_lines(&log[..cut]);
            let second = parse_lines(&log[first.consumed..]);
            let seqs: Vec<_> = first.events.iter().chain(&second.events).map(|e| e.seq).collect();
            prop_assert_eq!(seqs, vec![1, 2, 3, 4]);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let parsed = parse_lines(&bytes);
            prop_assert!(parsed.consumed <= bytes.len());
        }
    }
}
