//! Points of curves: named here, arrays on the wire.

use serde::{Deserialize, Serialize};

/// A point of a metric's curve; on the wire `[step, epoch, t_ms, value]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u64, f64, i64, f64)", into = "(u64, f64, i64, f64)")]
pub struct Point {
    /// Optimiser steps since the start.
    pub step: u64,
    /// Epochs since the start, with fractions.
    pub epoch: f64,
    /// Milliseconds since 1970 (UTC).
    pub t_ms: i64,
    pub value: f64,
}

impl From<(u64, f64, i64, f64)> for Point {
    fn from((step, epoch, t_ms, value): (u64, f64, i64, f64)) -> Self {
        Self { step, epoch, t_ms, value }
    }
}

impl From<Point> for (u64, f64, i64, f64) {
    fn from(p: Point) -> Self {
        (p.step, p.epoch, p.t_ms, p.value)
    }
}

/// A point of a pre-training's curve; on the wire and on cards `[step, loss]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u64, f64)", into = "(u64, f64)")]
pub struct LossPoint {
    /// Optimiser steps since the start.
    pub step: u64,
    pub loss: f64,
}

impl From<(u64, f64)> for LossPoint {
    fn from((step, loss): (u64, f64)) -> Self {
        Self { step, loss }
    }
}

impl From<LossPoint> for (u64, f64) {
    fn from(p: LossPoint) -> Self {
        (p.step, p.loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_arrays_on_the_wire() {
        let point = Point { step: 3, epoch: 0.5, t_ms: 1000, value: 0.25 };
        let json = serde_json::to_string(&point).unwrap();
        assert_eq!(json, "[3,0.5,1000,0.25]");
        assert_eq!(serde_json::from_str::<Point>(&json).unwrap(), point);
        assert_eq!(serde_json::to_string(&LossPoint { step: 2, loss: 1.5 }).unwrap(), "[2,1.5]");
    }
}
