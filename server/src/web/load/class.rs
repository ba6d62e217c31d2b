//! What kind of work an address asks for.

/// Kinds of work; each but the first has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nearly nothing, or sent while it is made: health, streams, files as they lie on the disk.
    Brief,
    /// What changes something: few readers do, and none of those that only read may keep them waiting.
    Writing,
    /// Pages, lists, tables: what an address is unless it is known to be something else.
    Answer,
    /// Charts, slices, sheets.
    Picture,
    /// What is computed from all runs of an experiment.
    Analysis,
}

impl Class {
    /// Of the path of an address that is read.
    pub fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        match segments.as_slice() {
            ["pkg", ..] | ["api", "v1", "health" | "tasks" | "openapi.json"] => Class::Brief,
            ["api", "v1", .., "events"] | ["api", "v1", "runs", _, "metrics.csv"] => Class::Brief,
            ["runs", _, "tensorboard" | "report.json" | "log"] | ["runs", _, "previews", _] => Class::Brief,
            [.., file] if file.ends_with(".png") || file.ends_with(".svg") => Class::Picture,
            ["experiments" | "snapshots", _, ..] | ["fn", "experiment" | "versus", ..] => Class::Analysis,
            ["api", "v1", "experiments", _, "analysis"] | ["api", "v1", "comparisons" | "snapshots", ..] => {
                Class::Analysis
            }
            _ => Class::Answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_kind_and_unknown_ones_wait_like_pages() {
        for (path, class) in [
            ("/api/v1/health", Class::Brief),
            ("/api/v1/runs/a/events", Class::Brief),
            ("/api/v1/queue/events", Class::Brief),
            ("/api/v1/runs/a/metrics.csv", Class::Brief),
            ("/pkg/transferscope.wasm", Class::Brief),
            ("/runs/a/previews/x.png", Class::Brief),
            ("/runs/a/charts/loss.png", Class::Picture),
            ("/compare/charts/x.svg", Class::Picture),
            ("/s/abcd/preview.png", Class::Picture),
            ("/api/v1/datasets/d/cases/c/slices/3.png", Class::Picture),
            ("/api/v1/datasets/d/cases/c/sheet.png", Class::Picture),
            ("/experiments/e/export/gain.png", Class::Picture),
            ("/experiments/e", Class::Analysis),
            ("/experiments/e/export/table.csv", Class::Analysis),
            ("/api/v1/experiments/e/analysis", Class::Analysis),
            ("/api/v1/comparisons", Class::Analysis),
            ("/", Class::Answer),
            ("/runs/a", Class::Answer),
            ("/api/v1/leaderboard", Class::Answer),
            ("/api/v1/experiments/e", Class::Answer),
            ("/no/such/thing", Class::Answer),
        ] {
            assert_eq!(Class::of(path), class, "{path}");
        }
    }
}
