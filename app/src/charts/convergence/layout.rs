//! Where everything of the chart has its place.

use super::{
    super::{
        frame,
        options::{ChartOptions, XAxis},
        polyline::{Px, Rect, clip},
        scale::{Scale, Tick, domain_of, drawable},
        smooth::ema,
        text,
    },
    Convergence, Curve, Sample,
};
use crate::downsample;

/// Fewest values that are smoothed: an average over a handful only lags behind them.
const SMOOTHED_FROM: usize = 30;
/// Narrowest picture with names beside the lines, in CSS pixels.
const DIRECT_FROM: u32 = 560;
/// Most names beside the lines.
const DIRECT_MOST: usize = 7;

/// A curve as it is drawn: x in the axis' values.
pub(super) struct Line<'a> {
    pub curve: &'a Curve,
    /// Places in the curve's samples, in order of x.
    pub index: Vec<usize>,
    pub x: Vec<f64>,
    pub raw: Vec<f64>,
    pub smooth: Vec<f64>,
    /// Whether `smooth` differs from `raw`.
    pub smoothed: bool,
}

/// Everything that has a place.
pub(super) struct Layout<'a> {
    pub plot: Rect,
    pub x: Scale,
    pub y: Scale,
    pub x_ticks: Vec<Tick>,
    pub y_ticks: Vec<Tick>,
    pub lines: Vec<Line<'a>>,
    pub direct: bool,
    pub not_positive: usize,
}

impl Convergence {
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
                let past = if raw.len() >= SMOOTHED_FROM { options.smooth } else { 0.0 };
                let smooth = ema(&raw, past);
                Line { curve, index, x, raw, smooth, smoothed: past > 0.0 }
            })
            .collect()
    }

    /// Places everything, or says why there is nothing to place.
    pub(super) fn layout(&self, options: &ChartOptions) -> Result<Layout<'_>, (Rect, String)> {
        let lines = self.lines(options);
        let named = lines.iter().map(|l| &l.curve.label).chain(self.references.iter().map(|r| &r.label));
        let widest = named.map(|label| text::width(label, frame::SMALL)).fold(0.0, f64::max);
        let names = lines.len() + self.references.len();
        let several = self.curves.len() + self.references.len() > 1;
        let direct = names <= DIRECT_MOST && several && options.width >= DIRECT_FROM;
        let right = if direct { (widest + 24.0).min(f64::from(options.width) * 0.32) } else { 16.0 };
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
            let bands = l.index[seen.clone()].iter().filter_map(|i| l.curve.band.get(*i));
            let bands = bands.flat_map(|(low, high)| [*low, *high]);
            l.raw[seen.clone()].iter().chain(&l.smooth[seen]).copied().chain(bands)
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
            .ticks(frame::tick_count(probe.height(), 36.0));
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
}

impl Layout<'_> {
    /// Whether a line has more values than there is room to tell them apart.
    pub fn is_dense(&self, line: &Line<'_>) -> bool {
        line.x.len() as f64 * 4.0 > self.plot.width()
    }

    /// The visible parts of a line: cut at gaps and at the plot's edge.
    pub fn parts(&self, line: &Line<'_>, values: &[f64]) -> Vec<Vec<Px>> {
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

    /// Outline of the band around a line, within the plot: along its lower edge and back along the upper one.
    pub fn band(&self, line: &Line<'_>) -> Vec<Px> {
        let plot = self.plot;
        let within = |p: Px| (p.0.clamp(plot.left, plot.right), p.1.clamp(plot.top, plot.bottom));
        let edges: Vec<(Px, Px)> = line
            .x
            .iter()
            .zip(&line.index)
            .filter_map(|(x, i)| {
                let (low, high) = line.curve.band.get(*i)?;
                let x = self.x.px(*x)?;
                Some((within((x, self.y.px(*low)?)), within((x, self.y.px(*high)?))))
            })
            .collect();
        edges.iter().map(|e| e.0).chain(edges.iter().rev().map(|e| e.1)).collect()
    }

    /// Places of a line's markers: every point where they are few, else a few along the line.
    pub fn markers(&self, line: &Line<'_>, index: usize) -> Vec<Px> {
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
        let every = 130.0;
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
}
