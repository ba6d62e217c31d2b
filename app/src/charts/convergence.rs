//! Curves of one metric over epochs, steps or time; one curve a run, or a split.

mod draw;
mod layout;

use transferscope_domain::{Direction, MetricKind};

use crate::palette::Style;

use super::{
    hover::{Hover, HoverRow, nearest},
    legend::Entry,
    options::{ChartOptions, XAxis},
    polyline::Rect,
    scale::drawable,
    text::{self, Table},
};
use layout::Line;

/// One value of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub step: u64,
    pub epoch: f64,
    /// Seconds since the run's first value.
    pub seconds: f64,
    /// NaN makes a gap.
    pub value: f64,
}

/// One line of the chart; samples in order of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub key: String,
    pub label: String,
    pub style: Style,
    pub samples: Vec<Sample>,
    /// Lowest and highest of what a sample is the mean of; empty where it is one value.
    pub band: Vec<(f64, f64)>,
}

/// A level to compare with, e.g. a simple baseline's score.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub label: String,
    pub value: f64,
}

/// The chart's data.
#[derive(Debug, Clone, PartialEq)]
pub struct Convergence {
    pub title: String,
    /// The metric's full name, e.g. `val/dice`.
    pub metric: String,
    pub curves: Vec<Curve>,
    pub references: Vec<Reference>,
}

/// A unit of time that suits a duration: seconds in it, and its name.
fn time_unit(seconds: f64) -> (f64, &'static str) {
    if seconds < 180.0 {
        (1.0, "s")
    } else if seconds < 3.0 * 3600.0 {
        (60.0, "min")
    } else {
        (3600.0, "h")
    }
}

impl Convergence {
    fn kind(&self) -> Option<MetricKind> {
        MetricKind::of_name(&self.metric)
    }

    fn y_name(&self, options: &ChartOptions) -> String {
        let mut name = match self.kind() {
            None => self.metric.clone(),
            Some(kind) => {
                let unit = if kind.unit().is_empty() { String::new() } else { format!(" ({})", kind.unit()) };
                let way = match kind {
                    MetricKind::Lr | MetricKind::GradNorm | MetricKind::StepMs => String::new(),
                    _ => format!(", {}", kind.direction().label()),
                };
                format!("{}{unit}{way}", kind.label())
            }
        };
        if options.log {
            name.push_str(", log scale");
        }
        name
    }

    fn time_unit(&self) -> (f64, &'static str) {
        let longest = self.curves.iter().flat_map(|c| &c.samples).map(|s| s.seconds).fold(0.0, f64::max);
        time_unit(longest)
    }

    fn x_name(&self, axis: XAxis) -> String {
        match axis {
            XAxis::Epoch => "Epoch".into(),
            XAxis::Step => "Optimiser step".into(),
            XAxis::Time => format!("Time since the first value ({})", self.time_unit().1),
        }
    }

    /// Both axes in words.
    pub fn axes(&self, options: &ChartOptions) -> String {
        format!("{} over {}", self.y_name(options), self.x_name(options.x).to_lowercase())
    }

    pub fn legend(&self) -> Vec<Entry> {
        self.curves
            .iter()
            .map(|c| Entry { key: c.key.clone(), label: c.label.clone(), style: c.style })
            .collect()
    }

    /// Last and best value of each curve.
    pub fn table(&self, options: &ChartOptions) -> Table {
        let kind = self.kind();
        let direction = kind.map(MetricKind::direction).unwrap_or(Direction::Lower);
        let place = |s: &Sample| match options.x {
            XAxis::Epoch => format!("{:.2}", s.epoch),
            XAxis::Step => s.step.to_string(),
            XAxis::Time => {
                let (unit, name) = self.time_unit();
                format!("{:.1} {name}", s.seconds / unit)
            }
        };
        let at = match options.x {
            XAxis::Epoch => "Epoch",
            XAxis::Step => "Step",
            XAxis::Time => "Time",
        };
        let mut rows: Vec<Vec<String>> = Vec::new();
        for curve in &self.curves {
            let real = || curve.samples.iter().filter(|s| drawable(s.value));
            let best = real().reduce(|a, b| if direction.better(b.value, a.value) { b } else { a });
            let cell = |s: Option<&Sample>| match s {
                Some(s) => [place(s), text::value(s.value, kind)],
                None => ["–".to_owned(), "–".to_owned()],
            };
            let mut row = vec![curve.label.clone()];
            row.extend(cell(real().next_back()));
            row.extend(cell(best));
            rows.push(row);
        }
        for r in &self.references {
            let dash = || "–".to_owned();
            rows.push(vec![r.label.clone(), dash(), text::value(r.value, kind), dash(), dash()]);
        }
        let head = ["Curve", at, "Last", at, "Best"].map(str::to_owned).to_vec();
        Table { head, rows }
    }

    /// What stands under a pointer.
    pub fn hover(&self, options: &ChartOptions, x: f64, y: f64) -> Option<Hover> {
        let layout = self.layout(options).ok()?;
        let plot = layout.plot;
        let near = Rect { left: plot.left - 12.0, right: plot.right + 12.0, ..plot };
        if !near.contains((x, y)) {
            return None;
        }
        let wanted = layout.x.value(x.clamp(plot.left, plot.right));
        let found = |l: &Line<'_>| {
            let i = nearest(&l.x, wanted)?;
            Some((l.x[i], (l.x[i] - wanted).abs()))
        };
        let (at, _) = layout.lines.iter().filter_map(found).min_by(|a, b| a.1.total_cmp(&b.1))?;
        let at_px = layout.x.px(at).filter(|px| (plot.left - 0.5..=plot.right + 0.5).contains(px))?;
        let kind = self.kind();
        let mut rows = Vec::new();
        let mut sample: Option<&Sample> = None;
        for line in &layout.lines {
            let Some(i) = nearest(&line.x, at) else { continue };
            if (layout.x.px(line.x[i])? - at_px).abs() > 10.0 {
                continue;
            }
            let mut value = text::value(line.raw[i], kind);
            if let Some((low, high)) = line.curve.band.get(line.index[i]) {
                value = format!("{value} ({} to {})", text::value(*low, kind), text::value(*high, kind));
            }
            if line.smoothed && line.smooth[i].is_finite() {
                value = format!("{value} (smoothed {})", text::value(line.smooth[i], kind));
            }
            let y = layout.y.px(line.smooth[i]).filter(|y| (plot.top..=plot.bottom).contains(y));
            rows.push(HoverRow { style: Some(line.curve.style), label: line.curve.label.clone(), value, y });
            sample = sample.or(Some(&line.curve.samples[line.index[i]]));
        }
        let sample = sample?;
        let (unit, name) = self.time_unit();
        let title = format!(
            "epoch {} · step {} · {:.1} {name}",
            text::significant(sample.epoch),
            sample.step,
            sample.seconds / unit
        );
        Some(Hover { x: at_px, span: (plot.top, plot.bottom), title, rows })
    }

    /// The values of x at two places.
    pub fn range_between(&self, options: &ChartOptions, a: f64, b: f64) -> Option<(f64, f64)> {
        let layout = self.layout(options).ok()?;
        let (a, b) = (a.min(b), a.max(b));
        let (left, right) = (a.max(layout.plot.left), b.min(layout.plot.right));
        let range = (layout.x.value(left), layout.x.value(right));
        (right - left >= 6.0 && usable(range)).then_some(range)
    }

    /// The range of x after zooming around a place; none for the whole.
    pub fn range_zoomed(&self, options: &ChartOptions, at: f64, factor: f64) -> Option<(f64, f64)> {
        let layout = self.layout(options).ok()?;
        let whole = self.layout(&ChartOptions { zoom: None, ..options.clone() }).ok()?.x.domain;
        let middle = layout.x.value(at.clamp(layout.plot.left, layout.plot.right));
        let (low, high) = layout.x.domain;
        let range = (
            (middle - (middle - low) * factor).max(whole.0),
            (middle + (high - middle) * factor).min(whole.1),
        );
        if !usable(range) {
            return options.zoom;
        }
        (range.0 > whole.0 || range.1 < whole.1).then_some(range)
    }
}

/// Whether a range is wide enough for its own numbers.
fn usable((low, high): (f64, f64)) -> bool {
    high - low > 1e-9 * low.abs().max(high.abs()).max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::tests::plain as style_of;

    fn chart(values: &[&[f64]]) -> Convergence {
        let curve = |(i, v): (usize, &&[f64])| Curve {
            key: format!("run-{i}"),
            label: format!("run {i}"),
            style: style_of(&format!("run-{i}")),
            samples: v
                .iter()
                .enumerate()
                .map(|(k, value)| Sample {
                    step: 10 * k as u64,
                    epoch: k as f64,
                    seconds: 2.0 * k as f64,
                    value: *value,
                })
                .collect(),
            band: Vec::new(),
        };
        Convergence {
            title: "Validation Dice".into(),
            metric: "val/dice".into(),
            curves: values.iter().enumerate().map(curve).collect(),
            references: Vec::new(),
        }
    }

    #[test]
    fn hovering_reads_all_curves_at_one_x() {
        let chart = chart(&[&[0.1, 0.5, 0.7], &[0.2, 0.4, 0.6]]);
        let options = ChartOptions::default();
        let layout = chart.layout(&options).unwrap();
        let at = layout.x.px(1.0).unwrap() + 9.0;
        let middle = (layout.plot.top + layout.plot.bottom) / 2.0;
        let hover = chart.hover(&options, at, middle).unwrap();
        assert_eq!(hover.rows.iter().map(|r| r.value.as_str()).collect::<Vec<_>>(), ["0.5000", "0.4000"]);
        assert!(hover.title.contains("step 10"), "{}", hover.title);
        assert_eq!(chart.hover(&options, -500.0, middle), None);
    }

    #[test]
    fn zoom_narrows_and_comes_back() {
        let chart = chart(&[&[0.1, 0.5, 0.7, 0.8, 0.85]]);
        let mut options = ChartOptions::default();
        let layout = chart.layout(&options).unwrap();
        let (a, b) = (layout.x.px(1.0).unwrap(), layout.x.px(3.0).unwrap());
        let range = chart.range_between(&options, b, a).unwrap();
        assert!((range.0 - 1.0).abs() < 0.02 && (range.1 - 3.0).abs() < 0.02, "{range:?}");
        assert_eq!(chart.range_between(&options, a, a + 1.0), None);
        options.zoom = Some(range);
        // The highest value outside the range no longer decides the axis.
        assert!(chart.layout(&options).unwrap().y.domain.1 < 0.9);
        assert_eq!(chart.range_zoomed(&options, a, 100.0), None);
    }

    #[test]
    fn the_table_has_last_and_best() {
        let mut chart = chart(&[&[0.1, 0.9, 0.7, f64::NAN]]);
        chart.references.push(Reference { label: "zero-filled".into(), value: 0.3 });
        let table = chart.table(&ChartOptions::default());
        assert_eq!(table.rows[0], ["run 0", "2.00", "0.7000", "1.00", "0.9000"]);
        assert_eq!(table.rows[1][2], "0.3000");
        assert!(table.rows.iter().all(|r| r.len() == table.head.len()));
    }

    #[test]
    fn a_band_makes_room_for_itself_and_is_told() {
        let mut chart = chart(&[&[0.4, 0.5, 0.6]]);
        let options = ChartOptions::default();
        let narrow = chart.layout(&options).unwrap().y.domain;
        chart.curves[0].band = vec![(0.1, 0.7), (0.2, 0.8), (0.3, 0.9)];
        let layout = chart.layout(&options).unwrap();
        assert!(layout.y.domain.0 < narrow.0 && layout.y.domain.1 > narrow.1);
        let outline = layout.band(&layout.lines[0]);
        assert_eq!(outline.len(), 6);
        assert!(outline.iter().all(|p| layout.plot.contains(*p)), "{outline:?}");
        let hover = chart.hover(&options, layout.x.px(1.0).unwrap(), layout.plot.top + 9.0).unwrap();
        assert_eq!(hover.rows[0].value, "0.5000 (0.2000 to 0.8000)");
    }

    #[test]
    fn reasons_for_emptiness_are_said() {
        let mut options = ChartOptions { log: true, ..ChartOptions::default() };
        let reason =
            |c: &Convergence, o: &ChartOptions| c.layout(o).err().map(|(_, m)| m).unwrap_or_default();
        assert_eq!(reason(&chart(&[]), &options), "No values yet");
        assert_eq!(reason(&chart(&[&[f64::NAN]]), &options), "No finite values");
        assert!(reason(&chart(&[&[-1.0, 0.0]]), &options).contains("logarithmic"));
        options.hidden = vec!["run-0".into()];
        assert!(reason(&chart(&[&[1.0]]), &options).contains("switched off"));
    }
}
