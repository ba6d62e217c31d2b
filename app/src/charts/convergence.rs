//! Curves of one metric over epochs, steps or time; one curve a run, or a split.

use plotters_backend::DrawingBackend;
use transferscope_domain::{Direction, MetricKind};

use crate::palette::Style;

use super::{
    downsample, frame,
    hover::{Hover, HoverRow, nearest},
    legend::{self, Entry},
    options::{ChartOptions, XAxis},
    polyline::{Px, Rect, clip, dash},
    scale::{Scale, Tick, domain_of, drawable},
    smooth::ema,
    surface::{Anchor, Drawn, Letters, Stroke, Surface},
    text::{self, Table},
};

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
}

/// A level to compare with, e.g. a trivial method's score.
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

/// A curve as it is drawn: x in the axis' values.
struct Line<'a> {
    curve: &'a Curve,
    /// Places in the curve's samples, in order of x.
    index: Vec<usize>,
    x: Vec<f64>,
    raw: Vec<f64>,
    smooth: Vec<f64>,
}

/// Everything that has a place.
struct Layout<'a> {
    plot: Rect,
    x: Scale,
    y: Scale,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    lines: Vec<Line<'a>>,
    direct: bool,
    not_positive: usize,
}

const STROKE: f64 = 1.7;
const LABEL_STEP: f64 = 15.0;

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

    fn lines(&self, options: &ChartOptions) -> Vec<Line<'_>> {
        let unit = self.time_unit().0;
        let place = |s: &Sample| match options.x {
            XAxis::Epoch => s.epoch,
            XAxis::Step => s.step as f64,
            XAxis::Time => s.seconds / unit,
        };
        self.curves
            .iter()
            .filter(|c| options.shows(&c.key))
            .map(|curve| {
                let mut places: Vec<(f64, usize)> = curve
                    .samples
                    .iter()
                    .enumerate()
                    .map(|(i, s)| (place(s), i))
                    .filter(|(x, _)| drawable(*x))
                    .collect();
                places.sort_by(|a, b| a.0.total_cmp(&b.0));
                let (x, index): (Vec<f64>, Vec<usize>) = places.into_iter().unzip();
                let real = |v: f64| if drawable(v) { v } else { f64::NAN };
                let raw: Vec<f64> = index.iter().map(|i| real(curve.samples[*i].value)).collect();
                let smooth = ema(&raw, options.smooth);
                Line { curve, index, x, raw, smooth }
            })
            .collect()
    }

    /// Places everything, or says why there is nothing to place.
    fn layout(&self, options: &ChartOptions) -> Result<Layout<'_>, (Rect, String)> {
        let lines = self.lines(options);
        let widest = lines.iter().map(|l| text::width(&l.curve.label, frame::SMALL)).fold(0.0, f64::max);
        let direct = (1..=6).contains(&lines.len()) && options.width >= 560 && self.curves.len() > 1;
        let right = if direct { (widest + 26.0).min(f64::from(options.width) * 0.28) } else { 16.0 };
        let legend = if direct { Vec::new() } else { self.legend() };
        let margins = |left| frame::Margins { left, right, bottom: 42.0 };
        let empty = |message: &str| {
            let legend = if options.standalone { self.legend() } else { Vec::new() };
            Err((
                frame::plot_rect(options, &legend, frame::Margins { left: 30.0, right: 16.0, bottom: 30.0 }),
                message.to_owned(),
            ))
        };
        if self.curves.iter().all(|c| c.samples.is_empty()) {
            return empty("No values yet");
        }
        if lines.is_empty() {
            return empty("All curves are switched off");
        }
        let Some(all) = domain_of(lines.iter().flat_map(|l| l.x.iter().copied()), false, 0.0) else {
            return empty("No values yet");
        };
        let x_domain = options.zoom.filter(|z| z.0 < z.1).unwrap_or(all);
        let within = |l: &Line<'_>| {
            // A neighbour on either side belongs to what is seen.
            let from = l.x.partition_point(|x| *x < x_domain.0).saturating_sub(1);
            let to = (l.x.partition_point(|x| *x <= x_domain.1) + 1).min(l.x.len());
            from..to
        };
        let values = lines.iter().flat_map(|l| {
            let seen = within(l);
            l.raw[seen.clone()].iter().chain(&l.smooth[seen]).copied()
        });
        let values = values.chain(self.references.iter().map(|r| r.value));
        let Some(y_domain) = domain_of(values, options.log, 0.06) else {
            let any = lines.iter().any(|l| l.raw.iter().any(|v| v.is_finite()));
            return empty(if any {
                "No positive values: a logarithmic axis cannot show them"
            } else {
                "No finite values"
            });
        };
        let probe = frame::plot_rect(options, if options.standalone { &legend } else { &[] }, margins(40.0));
        let y_ticks = Scale::new(options.log, y_domain, (probe.bottom, probe.top))
            .ticks(frame::tick_count(probe.height(), 44.0));
        let plot = frame::plot_rect(
            options,
            if options.standalone { &legend } else { &[] },
            margins(frame::left_margin(&y_ticks)),
        );
        let x = Scale::new(false, x_domain, (plot.left, plot.right));
        let y = Scale::new(options.log, y_domain, (plot.bottom, plot.top));
        let mut x_ticks = x.ticks(frame::tick_count(plot.width(), 80.0));
        if matches!(options.x, XAxis::Step) {
            x_ticks.retain(|t| t.value.fract() == 0.0 || x_domain.1 - x_domain.0 < 1.0);
        }
        let not_positive = if options.log {
            lines.iter().map(|l| l.raw.iter().filter(|v| **v <= 0.0).count()).sum()
        } else {
            0
        };
        Ok(Layout { plot, x, y, x_ticks, y_ticks, lines, direct, not_positive })
    }

    /// Draws the chart.
    ///
    /// # Errors
    /// Only when the backend fails.
    pub fn draw<DB: DrawingBackend>(
        &self,
        surface: &mut Surface<'_, DB>,
        options: &ChartOptions,
    ) -> Drawn<DB> {
        let layout = match self.layout(options) {
            Ok(layout) => layout,
            Err((plot, message)) => {
                frame::draw_head(surface, options, &self.title, &self.legend())?;
                return frame::draw_empty(surface, options, plot, &message);
            }
        };
        let legend = if layout.direct { Vec::new() } else { self.legend() };
        frame::draw_head(surface, options, &self.title, &legend)?;
        let names = frame::AxisNames { x: &self.x_name(options.x), y: &self.y_name(options) };
        frame::draw_axes(
            surface,
            layout.plot,
            (&layout.x, &layout.x_ticks),
            (&layout.y, &layout.y_ticks),
            names,
        )?;
        self.draw_references(surface, &layout)?;
        if options.smooth > 0.0 {
            for line in &layout.lines {
                let colour = surface.colours.series[line.curve.style.index % 8];
                for part in layout.parts(line, &line.raw) {
                    surface.line(&part, Stroke::new(colour, 1.0).faint(0.28))?;
                }
            }
        }
        for line in &layout.lines {
            let colour = surface.colours.series[line.curve.style.index % 8];
            for part in layout.parts(line, &line.smooth) {
                for stroke in dash(&part, line.curve.style.dash.pattern()) {
                    surface.line(&stroke, Stroke::new(colour, STROKE))?;
                }
            }
        }
        for (i, line) in layout.lines.iter().enumerate() {
            for at in layout.markers(line, i) {
                surface.marker(at, line.curve.style, 2.9, false)?;
            }
        }
        if layout.direct {
            layout.draw_labels(surface, options)?;
        }
        if layout.not_positive > 0 {
            let note = match layout.not_positive {
                1 => "1 value is not positive and cannot be shown".to_owned(),
                n => format!("{n} values are not positive and cannot be shown"),
            };
            let letters = Letters::new(surface.colours.muted, frame::SMALL);
            surface.text(&note, (layout.plot.right, layout.plot.top - 13.0), Anchor::Right, letters)?;
        }
        Ok(())
    }

    fn draw_references<DB: DrawingBackend>(
        &self,
        surface: &mut Surface<'_, DB>,
        layout: &Layout<'_>,
    ) -> Drawn<DB> {
        let colours = surface.colours;
        let wishes: Vec<(f64, &Reference)> =
            self.references.iter().filter_map(|r| Some((layout.y.px(r.value)?, r))).collect();
        let heights: Vec<f64> = wishes.iter().map(|(y, _)| y - 8.0).collect();
        let places = legend::spread(&heights, 13.0, layout.plot.top + 6.0, layout.plot.bottom - 6.0)
            .unwrap_or(heights);
        for ((at, reference), label_at) in wishes.into_iter().zip(places) {
            let line = [(layout.plot.left, frame::crisp(at)), (layout.plot.right, frame::crisp(at))];
            for part in dash(&line, &[3, 4]) {
                surface.line(&part, Stroke::new(colours.muted, 1.0))?;
            }
            let letters = Letters::new(colours.muted, frame::SMALL);
            surface.text(&reference.label, (layout.plot.right - 4.0, label_at), Anchor::Right, letters)?;
        }
        Ok(())
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
            if options.smooth > 0.0 && line.smooth[i].is_finite() {
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

impl Layout<'_> {
    /// The visible parts of a line: cut at gaps and at the plot's edge.
    fn parts(&self, line: &Line<'_>, values: &[f64]) -> Vec<Vec<Px>> {
        let points: Vec<Px> = line.x.iter().copied().zip(values.iter().copied()).collect();
        let (low, high) = self.x.domain;
        let from = line.x.partition_point(|x| *x < low).saturating_sub(1);
        let to = (line.x.partition_point(|x| *x <= high) + 1).min(points.len());
        let kept = downsample::min_max(&points[from..to], self.plot.width() as usize);
        let placed: Vec<Option<Px>> =
            kept.into_iter().map(|(x, y)| Some((self.x.px(x)?, self.y.px(y)?))).collect();
        placed
            .split(Option::is_none)
            .map(|run| run.iter().flatten().copied().collect::<Vec<Px>>())
            .flat_map(|run| clip(&run, self.plot))
            .collect()
    }

    /// Places of a line's markers: every point where they are few, else a few along the line.
    fn markers(&self, line: &Line<'_>, index: usize) -> Vec<Px> {
        let placed: Vec<Px> = line
            .x
            .iter()
            .zip(&line.smooth)
            .filter_map(|(x, y)| Some((self.x.px(*x)?, self.y.px(*y)?)))
            .filter(|p| self.plot.contains(*p))
            .collect();
        if placed.len() as f64 * 14.0 <= self.plot.width() {
            return placed;
        }
        let every = 110.0;
        let mut next = self.plot.left + 20.0 + (index % 5) as f64 * every / 5.0;
        let mut kept = Vec::new();
        for p in placed {
            if p.0 >= next {
                kept.push(p);
                next = p.0 + every;
            }
        }
        kept
    }

    /// Names beside the ends of the lines.
    fn draw_labels<DB: DrawingBackend>(
        &self,
        surface: &mut Surface<'_, DB>,
        options: &ChartOptions,
    ) -> Drawn<DB> {
        let ends: Vec<(&Line<'_>, Px)> = self
            .lines
            .iter()
            .filter_map(|l| {
                self.parts(l, &l.smooth)
                    .last()
                    .and_then(|p| p.last().copied())
                    .or_else(|| self.markers(l, 0).last().copied())
                    .map(|end| (l, end))
            })
            .collect();
        let wishes: Vec<f64> = ends.iter().map(|(_, p)| p.1).collect();
        let Some(places) = legend::spread(&wishes, LABEL_STEP, self.plot.top, self.plot.bottom - 4.0) else {
            return Ok(());
        };
        let colours = surface.colours;
        let room = f64::from(options.width) - self.plot.right - 18.0;
        for ((line, end), y) in ends.into_iter().zip(places) {
            let colour = colours.series[line.curve.style.index % 8];
            let tie = [(end.0 + 4.0, end.1), (self.plot.right + 5.0, y), (self.plot.right + 11.0, y)];
            surface.line(&tie, Stroke::new(colour, 1.0).faint(0.7))?;
            let label = text::shorten(&line.curve.label, frame::SMALL, room);
            let at = (self.plot.right + 14.0, y);
            surface.text(&label, at, Anchor::Left, Letters::new(colours.ink, frame::SMALL))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::style_of;

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
