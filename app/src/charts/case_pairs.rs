//! The same test cases in two runs: where one is better, case by case.

use plotters_backend::DrawingBackend;
use transferscope_domain::{Direction, MetricKind};

use crate::palette::Style;

use super::{
    frame,
    hover::{Hover, HoverRow},
    options::ChartOptions,
    polyline::{Px, Rect, clip},
    scale::{Scale, Tick, domain_of, drawable},
    surface::{Anchor, Drawn, Letters, Stroke, Surface},
    text::{self, Table},
};

/// One case's scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub case_id: String,
    /// Score in the first run (x).
    pub a: f64,
    /// Score in the second run (y).
    pub b: f64,
}

/// The chart's data.
#[derive(Debug, Clone, PartialEq)]
pub struct CasePairs {
    pub title: String,
    pub kind: MetricKind,
    /// Name of the run along x.
    pub a_label: String,
    /// Name of the run along y, whose colour the points have.
    pub b_label: String,
    pub b_style: Style,
    pub pairs: Vec<Pair>,
}

struct Layout {
    plot: Rect,
    x: Scale,
    y: Scale,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    places: Vec<(usize, Px)>,
}

impl CasePairs {
    pub fn axes(&self) -> String {
        format!(
            "{} of each test case: {} along x, {} along y; points {} the diagonal are better in the second",
            self.kind.label(),
            self.a_label,
            self.b_label,
            if self.kind.direction() == Direction::Higher { "above" } else { "below" }
        )
    }

    fn usable(&self) -> impl Iterator<Item = (usize, &Pair)> {
        self.pairs.iter().enumerate().filter(|(_, p)| drawable(p.a) && drawable(p.b))
    }

    /// How often the second run is better, worse and equal, and the mean difference (second minus first).
    pub fn summary(&self) -> Option<(usize, usize, usize, f64)> {
        let direction = self.kind.direction();
        let (mut better, mut worse, mut equal, mut sum) = (0, 0, 0, 0.0);
        for (_, p) in self.usable() {
            if direction.better(p.b, p.a) {
                better += 1;
            } else if direction.better(p.a, p.b) {
                worse += 1;
            } else {
                equal += 1;
            }
            sum += p.b - p.a;
        }
        let n = better + worse + equal;
        (n > 0).then(|| (better, worse, equal, sum / n as f64))
    }

    /// Cases, the largest differences first.
    pub fn table(&self) -> Table {
        let mut pairs: Vec<&Pair> = self.usable().map(|(_, p)| p).collect();
        pairs.sort_by(|x, y| (y.b - y.a).abs().total_cmp(&(x.b - x.a).abs()));
        let show = |v: f64| text::value(v, Some(self.kind));
        let rows = pairs
            .into_iter()
            .map(|p| vec![p.case_id.clone(), show(p.a), show(p.b), text::significant(p.b - p.a)])
            .collect();
        Table {
            head: vec!["Case".into(), self.a_label.clone(), self.b_label.clone(), "Difference".into()],
            rows,
        }
    }

    fn layout(&self, options: &ChartOptions) -> Result<Layout, (Rect, &'static str)> {
        let margins = |left| frame::Margins { left, right: 18.0, bottom: 42.0 };
        let probe = frame::plot_rect(options, &[], margins(44.0));
        let values = self.usable().flat_map(|(_, p)| [p.a, p.b]);
        let Some(domain) = domain_of(values, false, 0.06) else {
            return Err((probe, "No test cases scored by both runs"));
        };
        let scale = |from, to| Scale::new(false, domain, (from, to));
        let y_ticks = scale(probe.bottom, probe.top).ticks(frame::tick_count(probe.height(), 36.0));
        let plot = frame::plot_rect(options, &[], margins(frame::left_margin(&y_ticks)));
        let (x, y) = (scale(plot.left, plot.right), scale(plot.bottom, plot.top));
        let places = self.usable().filter_map(|(i, p)| Some((i, (x.px(p.a)?, y.px(p.b)?)))).collect();
        let x_ticks = x.ticks(frame::tick_count(plot.width(), 80.0));
        Ok(Layout { plot, x, y, x_ticks, y_ticks, places })
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
        frame::draw_head(surface, options, &self.title, &[])?;
        let layout = match self.layout(options) {
            Ok(layout) => layout,
            Err((plot, message)) => return frame::draw_empty(surface, options, plot, message),
        };
        let unit =
            if self.kind.unit().is_empty() { String::new() } else { format!(" ({})", self.kind.unit()) };
        let room = f64::from(options.width) - 40.0;
        let x_name =
            text::shorten(&format!("{}{unit}, {}", self.kind.label(), self.a_label), frame::SMALL, room);
        let y_name = text::shorten(
            &format!("{}{unit}, {}", self.kind.label(), self.b_label),
            frame::SMALL,
            room * 0.45,
        );
        let plot = layout.plot;
        let names = frame::AxisNames { x: &x_name, y: &y_name };
        frame::draw_axes(surface, plot, (&layout.x, &layout.x_ticks), (&layout.y, &layout.y_ticks), names)?;
        let colours = surface.colours;
        let (low, high) = layout.x.domain;
        if let (Some(x0), Some(y0), Some(x1), Some(y1)) =
            (layout.x.px(low), layout.y.px(low), layout.x.px(high), layout.y.px(high))
        {
            for part in clip(&[(x0, y0), (x1, y1)], plot) {
                surface.line(&part, Stroke::new(colours.axis, 1.0))?;
            }
        }
        for (_, at) in &layout.places {
            surface.marker(*at, self.b_style, 3.6, false)?;
        }
        if let Some((better, worse, equal, _)) = self.summary() {
            let n = better + worse + equal;
            let mut note = format!("better in {better} of {n} cases");
            // The name of y stands to the left of it.
            let used = text::width(&y_name, frame::SMALL) + text::width(&note, frame::SMALL);
            let free = plot.right - used - 32.0;
            if free > 24.0 {
                note = format!("{} {note}", text::shorten(&self.b_label, frame::SMALL, free));
            }
            let letters = Letters::new(colours.muted, frame::SMALL);
            surface.text(&note, (plot.right, plot.top - 13.0), Anchor::Right, letters)?;
        }
        Ok(())
    }

    /// The case nearest to the pointer.
    pub fn hover(&self, options: &ChartOptions, x: f64, y: f64) -> Option<Hover> {
        let layout = self.layout(options).ok()?;
        let far = |at: &Px| (at.0 - x).hypot(at.1 - y);
        let (i, at) = layout.places.iter().min_by(|a, b| far(&a.1).total_cmp(&far(&b.1)))?;
        if far(at) > 28.0 {
            return None;
        }
        let pair = &self.pairs[*i];
        let row = |style, label: &str, value| HoverRow {
            style,
            label: label.to_owned(),
            value: text::value(value, Some(self.kind)),
            y: None,
        };
        Some(Hover {
            x: at.0,
            span: (layout.plot.top, layout.plot.bottom),
            title: pair.case_id.clone(),
            rows: vec![
                row(None, &self.a_label, pair.a),
                HoverRow { y: Some(at.1), ..row(Some(self.b_style), &self.b_label, pair.b) },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::tests::plain as style_of;

    fn chart(pairs: &[(f64, f64)]) -> CasePairs {
        CasePairs {
            title: "Cases".into(),
            kind: MetricKind::Dice,
            a_label: "scratch".into(),
            b_label: "pre-trained".into(),
            b_style: style_of("b"),
            pairs: pairs
                .iter()
                .enumerate()
                .map(|(i, (a, b))| Pair { case_id: format!("case{i}"), a: *a, b: *b })
                .collect(),
        }
    }

    #[test]
    fn better_follows_the_metric_s_direction() {
        let mut chart = chart(&[(0.5, 0.7), (0.6, 0.6), (0.9, 0.8), (f64::NAN, 1.0)]);
        let (better, worse, equal, mean) = chart.summary().unwrap();
        assert_eq!((better, worse, equal), (1, 1, 1));
        assert!((mean - 0.1 / 3.0).abs() < 1e-12);
        assert_eq!(chart.table().rows[0][0], "case0");
        chart.kind = MetricKind::Nmse;
        assert!(chart.axes().contains("below"));
    }

    #[test]
    fn the_nearest_case_is_named() {
        let chart = chart(&[(0.5, 0.7), (0.9, 0.8)]);
        let options = ChartOptions::default();
        let layout = chart.layout(&options).unwrap();
        let (_, at) = layout.places[1];
        assert_eq!(chart.hover(&options, at.0 + 3.0, at.1).unwrap().title, "case1");
        assert_eq!(chart.hover(&options, at.0 + 100.0, at.1 + 100.0), None);
        assert!(self::chart(&[]).layout(&options).is_err());
    }
}
