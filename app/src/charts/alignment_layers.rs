//! MMD² by layer: how far fine-tuning moved each layer's features; one series a run.

use plotters_backend::DrawingBackend;

use crate::palette::Style;

use super::{
    frame,
    hover::{Hover, HoverRow},
    legend::Entry,
    options::ChartOptions,
    polyline::{Px, Rect, dash},
    scale::{Scale, Tick, domain_of, drawable},
    surface::{Anchor, Drawn, Letters, Stroke, Surface},
    text::{self, Table},
};

/// p-values below this are drawn as filled markers.
pub const SIGNIFICANT: f64 = 0.05;

/// The alignment of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct AlignmentSeries {
    pub key: String,
    pub label: String,
    pub style: Style,
    /// By layer, in the chart's order; none where the run has no such layer.
    pub values: Vec<Option<AlignmentPoint>>,
}

/// One value with its p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlignmentPoint {
    pub value: f64,
    pub p: Option<f64>,
}

/// The chart's data.
#[derive(Debug, Clone, PartialEq)]
pub struct AlignmentLayers {
    pub title: String,
    /// First to last.
    pub layers: Vec<String>,
    pub series: Vec<AlignmentSeries>,
    /// Kernel, estimator and sample count in words.
    pub note: String,
}

struct Layout<'a> {
    plot: Rect,
    y: Scale,
    y_ticks: Vec<Tick>,
    /// Middle of each layer.
    columns: Vec<f64>,
    series: Vec<&'a AlignmentSeries>,
}

impl AlignmentLayers {
    pub fn axes(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!(" ({})", self.note) };
        let apart =
            if self.has_families() { "; layers are listed separately for each architecture" } else { "" };
        format!(
            "MMD² between features before and after fine-tuning, by layer{note}; 0 means unchanged{apart}"
        )
    }

    /// Whether there are two series each of which has layers that the other has not: layers of two architectures,
    /// which have no common order.
    fn has_families(&self) -> bool {
        let has = |a: &AlignmentSeries, b: &AlignmentSeries| {
            a.values.iter().zip(&b.values).any(|(a, b)| a.is_some() && b.is_none())
        };
        let Some(first) = self.series.first() else { return false };
        self.series.iter().any(|s| has(first, s) && has(s, first))
    }

    pub fn legend(&self) -> Vec<Entry> {
        self.series
            .iter()
            .map(|s| Entry { key: s.key.clone(), label: s.label.clone(), style: s.style })
            .collect()
    }

    pub fn table(&self) -> Table {
        let mut head = vec!["Layer".to_owned()];
        for s in &self.series {
            head.push(if self.series.len() == 1 { "MMD²".into() } else { format!("MMD², {}", s.label) });
            head.push("p".into());
        }
        let rows = self
            .layers
            .iter()
            .enumerate()
            .map(|(i, layer)| {
                let mut row = vec![layer.clone()];
                for s in &self.series {
                    let point = s.values.get(i).copied().flatten();
                    row.push(point.map_or("–".into(), |p| text::significant(p.value)));
                    row.push(point.and_then(|p| p.p).map_or("–".into(), |p| format!("{p:.3}")));
                }
                row
            })
            .collect();
        Table { head, rows }
    }

    fn layout(&self, options: &ChartOptions) -> Result<Layout<'_>, (Rect, &'static str)> {
        let legend = self.frame_legend(options);
        let margins = |left| frame::Margins { left, right: 16.0, bottom: 42.0 };
        let probe = frame::plot_rect(options, &legend, margins(44.0));
        if self.series.iter().all(|s| s.values.iter().flatten().next().is_none()) {
            return Err((probe, "No alignment yet: it is computed at the end of a run"));
        }
        let series: Vec<&AlignmentSeries> = self.series.iter().filter(|s| options.shows(&s.key)).collect();
        if series.is_empty() {
            return Err((probe, "All series are switched off"));
        }
        let values =
            series.iter().flat_map(|s| s.values.iter().flatten()).map(|p| p.value).filter(|v| drawable(*v));
        // The zero line belongs to the picture: it is what "unmoved" looks like.
        let Some(domain) = domain_of(values.chain([0.0]), false, 0.08) else {
            return Err((probe, "No finite values"));
        };
        let ticks_of = |plot: Rect| {
            Scale::new(false, domain, (plot.bottom, plot.top)).ticks(frame::tick_count(plot.height(), 36.0))
        };
        let plot = frame::plot_rect(options, &legend, margins(frame::left_margin(&ticks_of(probe))));
        let each = plot.width() / self.layers.len().max(1) as f64;
        Ok(Layout {
            plot,
            y: Scale::new(false, domain, (plot.bottom, plot.top)),
            y_ticks: ticks_of(plot),
            columns: (0..self.layers.len()).map(|i| plot.left + each * (i as f64 + 0.5)).collect(),
            series,
        })
    }

    fn frame_legend(&self, options: &ChartOptions) -> Vec<Entry> {
        if options.standalone && self.series.len() > 1 { self.legend() } else { Vec::new() }
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
        frame::draw_head(surface, options, &self.title, &self.frame_legend(options))?;
        let layout = match self.layout(options) {
            Ok(layout) => layout,
            Err((plot, message)) => return frame::draw_empty(surface, options, plot, message),
        };
        let x_name = if self.has_families() {
            "Layer, first to last in each architecture"
        } else {
            "Layer, first to last"
        };
        let names = frame::AxisNames { x: x_name, y: "MMD², 0 = unmoved" };
        let nothing = Scale::new(false, (0.0, 1.0), (layout.plot.left, layout.plot.right));
        frame::draw_axes(surface, layout.plot, (&nothing, &[]), (&layout.y, &layout.y_ticks), names)?;
        let colours = surface.colours;
        let each = layout.plot.width() / self.layers.len().max(1) as f64;
        let longest = self.layers.iter().map(|l| text::width(l, frame::SMALL) + 8.0).fold(1.0, f64::max);
        let every = (longest / each).ceil().clamp(1.0, 1e6) as usize;
        for (i, (layer, x)) in self.layers.iter().zip(&layout.columns).enumerate() {
            if i % every == 0 {
                let short = text::shorten(layer, frame::SMALL, (each * every as f64).max(40.0));
                let at = (*x, layout.plot.bottom + 14.0);
                surface.text(&short, at, Anchor::Middle, Letters::new(colours.muted, frame::SMALL))?;
            }
        }
        if let Some(zero) = layout.y.px(0.0) {
            let zero = frame::crisp(zero);
            let line = [(layout.plot.left, zero), (layout.plot.right, zero)];
            surface.line(&line, Stroke::new(colours.muted, 1.0))?;
        }
        for s in &layout.series {
            let colour = colours.series[s.style.index % 8];
            let placed = layout.places(s);
            for run in placed.split(Option::is_none) {
                let line: Vec<Px> = run.iter().flatten().map(|(at, _)| *at).collect();
                for part in dash(&line, s.style.dash.pattern()) {
                    surface.line(&part, Stroke::new(colour, 1.7))?;
                }
            }
            for (at, point) in placed.into_iter().flatten() {
                surface.marker(at, s.style, 4.0, point.p.is_some_and(|p| p >= SIGNIFICANT))?;
            }
        }
        let any_p = layout.series.iter().flat_map(|s| s.values.iter().flatten()).any(|v| v.p.is_some());
        if any_p && options.width >= 420 {
            let at = (layout.plot.right, layout.plot.top - 13.0);
            let letters = Letters::new(colours.muted, frame::SMALL);
            surface.text("filled: p < 0.05, hollow: not", at, Anchor::Right, letters)?;
        }
        Ok(())
    }

    /// The values of the layer under the pointer.
    pub fn hover(&self, options: &ChartOptions, x: f64, y: f64) -> Option<Hover> {
        let layout = self.layout(options).ok()?;
        if !layout.plot.contains((x, y)) {
            return None;
        }
        let i = super::hover::nearest(&layout.columns, x)?;
        let rows = layout
            .series
            .iter()
            .filter_map(|s| {
                let point = s.values.get(i).copied().flatten()?;
                let p = point.p.map(|p| format!(", {}", text::p_value(p))).unwrap_or_default();
                Some(HoverRow {
                    style: Some(s.style),
                    label: s.label.clone(),
                    value: format!("{}{p}", text::significant(point.value)),
                    y: layout.y.px(point.value),
                })
            })
            .collect();
        let span = (layout.plot.top, layout.plot.bottom);
        Some(Hover { x: layout.columns[i], span, title: self.layers[i].clone(), rows })
    }
}

impl Layout<'_> {
    fn places(&self, series: &AlignmentSeries) -> Vec<Option<(Px, AlignmentPoint)>> {
        self.columns
            .iter()
            .enumerate()
            .map(|(i, x)| {
                let point = series.values.get(i).copied().flatten()?;
                Some(((*x, self.y.px(point.value)?), point))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::tests::plain as style_of;

    fn chart() -> AlignmentLayers {
        let point = |value, p| Some(AlignmentPoint { value, p: Some(p) });
        AlignmentLayers {
            title: "Alignment".into(),
            layers: vec!["stem".into(), "stage1".into(), "stage2".into()],
            series: vec![AlignmentSeries {
                key: "a".into(),
                label: "a".into(),
                style: style_of("a"),
                values: vec![point(-0.01, 0.7), None, point(0.4, 0.0002)],
            }],
            note: String::new(),
        }
    }

    #[test]
    fn negative_estimates_and_zero_are_in_view() {
        let layout_of = chart();
        let options = ChartOptions::default();
        let layout = layout_of.layout(&options).unwrap();
        for value in [-0.01, 0.0, 0.4] {
            let y = layout.y.px(value).unwrap();
            assert!((layout.plot.top..=layout.plot.bottom).contains(&y));
        }
    }

    #[test]
    fn layers_of_two_architectures_have_no_common_order() {
        let mut chart = chart();
        let point = Some(AlignmentPoint { value: 0.1, p: None });
        let mut other = AlignmentSeries { values: vec![point, None, None], ..chart.series[0].clone() };
        chart.series.push(other.clone());
        assert!(!chart.has_families() && !chart.axes().contains("architecture"));
        other.values = vec![None, point, None];
        chart.series.push(other);
        assert!(chart.has_families() && chart.axes().contains("for each architecture"));
    }

    #[test]
    fn the_tooltip_names_layer_and_p() {
        let chart = chart();
        let options = ChartOptions::default();
        let layout = chart.layout(&options).unwrap();
        let hover = chart.hover(&options, layout.columns[2] + 5.0, layout.plot.top + 1.0).unwrap();
        assert_eq!(hover.title, "stage2");
        assert_eq!(hover.rows[0].value, "0.4000, p < 0.001");
        assert!(chart.hover(&options, layout.columns[1], layout.plot.top + 1.0).unwrap().rows.is_empty());
    }

    #[test]
    fn the_table_marks_what_is_missing() {
        let table = chart().table();
        assert_eq!(table.rows[1], ["stage1", "–", "–"]);
        assert_eq!(table.rows[0], ["stem", "−0.01000", "0.700"]);
    }
}
