//! MMD² by layer and epoch: where and when features drift.

use plotters_backend::DrawingBackend;

use super::{
    frame,
    hover::{Hover, HoverRow},
    options::ChartOptions,
    polyline::Rect,
    scale::drawable,
    surface::{Anchor, Drawn, Letters, Surface},
    text::{self, Table},
};

/// The chart's data.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerHeatmap {
    pub title: String,
    /// First to last; drawn from the bottom up.
    pub layers: Vec<String>,
    /// Ascending.
    pub epochs: Vec<f64>,
    /// `values[layer][epoch]`; none where nothing was measured.
    pub values: Vec<Vec<Option<f64>>>,
}

struct Layout {
    plot: Rect,
    cell: (f64, f64),
    largest: f64,
}

impl LayerHeatmap {
    pub fn axes(&self) -> String {
        "MMD² to the features before fine-tuning, layers over epochs; darker means a larger change".into()
    }

    fn value(&self, layer: usize, epoch: usize) -> Option<f64> {
        self.values.get(layer)?.get(epoch).copied().flatten().filter(|v| drawable(*v))
    }

    pub fn table(&self) -> Table {
        let mut head = vec!["Layer".to_owned()];
        head.extend(self.epochs.iter().map(|e| format!("epoch {}", text::significant(*e))));
        let rows = self
            .layers
            .iter()
            .enumerate()
            .map(|(l, layer)| {
                let cells =
                    (0..self.epochs.len()).map(|e| self.value(l, e).map_or("–".into(), text::significant));
                std::iter::once(layer.clone()).chain(cells).collect()
            })
            .collect();
        Table { head, rows }
    }

    fn layout(&self, options: &ChartOptions) -> Result<Layout, (Rect, &'static str)> {
        let left = self.layers.iter().map(|l| text::width(l, frame::SMALL)).fold(20.0, f64::max) + 16.0;
        let plot = frame::plot_rect(options, &[], frame::Margins { left, right: 70.0, bottom: 42.0 });
        let (rows, columns) = (self.layers.len(), self.epochs.len());
        let all = (0..rows).flat_map(|l| (0..columns).filter_map(move |e| self.value(l, e)));
        let largest = all.fold(f64::NEG_INFINITY, f64::max);
        if !largest.is_finite() {
            return Err((plot, "No alignment yet: it is computed at the end of an epoch"));
        }
        Ok(Layout {
            plot,
            cell: (plot.width() / columns as f64, plot.height() / rows as f64),
            largest: largest.max(f64::MIN_POSITIVE),
        })
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
        let colours = surface.colours;
        let small = Letters::new(colours.muted, frame::SMALL);
        let (plot, (width, height)) = (layout.plot, layout.cell);
        let gap = if width > 6.0 && height > 6.0 { 0.5 } else { 0.0 };
        for (l, layer) in self.layers.iter().enumerate() {
            let bottom = plot.bottom - height * l as f64;
            for e in 0..self.epochs.len() {
                let Some(value) = self.value(l, e) else { continue };
                let left = plot.left + width * e as f64;
                let cell = Rect {
                    left: left + gap,
                    right: left + width - gap,
                    top: bottom - height + gap,
                    bottom: bottom - gap,
                };
                surface.fill(cell, colours.heat, shade(value, layout.largest))?;
            }
            let every = (14.0 / height).ceil().clamp(1.0, 1e6) as usize;
            if l % every == 0 {
                surface.text(layer, (plot.left - 8.0, bottom - height / 2.0), Anchor::Right, small)?;
            }
        }
        let mut free_from = f64::NEG_INFINITY;
        for (e, epoch) in self.epochs.iter().enumerate() {
            let label = format!("{}", (epoch * 100.0).round() / 100.0);
            let half = text::width(&label, frame::SMALL) / 2.0;
            let x = plot.left + width * (e as f64 + 0.5);
            if x - half > free_from {
                surface.text(&label, (x, plot.bottom + 14.0), Anchor::Middle, small)?;
                free_from = x + half + 8.0;
            }
        }
        let middle = (plot.left + plot.right) / 2.0;
        surface.text("Epoch", (middle, plot.bottom + 32.0), Anchor::Middle, small)?;
        self.draw_scale(surface, &layout)
    }

    fn draw_scale<DB: DrawingBackend>(&self, surface: &mut Surface<'_, DB>, layout: &Layout) -> Drawn<DB> {
        let plot = layout.plot;
        let colours = surface.colours;
        let steps = 24;
        let each = plot.height() / f64::from(steps);
        for i in 0..steps {
            let bottom = plot.bottom - each * f64::from(i);
            let cell = Rect { left: plot.right + 12.0, right: plot.right + 22.0, top: bottom - each, bottom };
            let value = layout.largest * (f64::from(i) + 0.5) / f64::from(steps);
            surface.fill(cell, colours.heat, shade(value, layout.largest))?;
        }
        let small = Letters::new(colours.muted, frame::SMALL);
        surface.text("0", (plot.right + 27.0, plot.bottom - 5.0), Anchor::Left, small)?;
        let most = text::shorten(&text::significant(layout.largest), frame::SMALL, 44.0);
        surface.text(&most, (plot.right + 27.0, plot.top + 6.0), Anchor::Left, small)?;
        surface.text("MMD²", (plot.right + 12.0, plot.top - 13.0), Anchor::Left, small)
    }

    /// The cell under the pointer.
    pub fn hover(&self, options: &ChartOptions, x: f64, y: f64) -> Option<Hover> {
        let layout = self.layout(options).ok()?;
        if !layout.plot.contains((x, y)) {
            return None;
        }
        let e = (((x - layout.plot.left) / layout.cell.0) as usize).min(self.epochs.len().checked_sub(1)?);
        let l = (((layout.plot.bottom - y) / layout.cell.1) as usize).min(self.layers.len().checked_sub(1)?);
        let row = HoverRow {
            style: None,
            label: "MMD²".into(),
            value: self.value(l, e).map_or("not measured".into(), text::significant),
            y: None,
        };
        Some(Hover {
            x: layout.plot.left + layout.cell.0 * (e as f64 + 0.5),
            span: (layout.plot.top, layout.plot.bottom),
            title: format!("{}, epoch {}", self.layers[l], text::significant(self.epochs[e])),
            rows: vec![row],
        })
    }
}

/// Opacity of a cell: faint at zero and below, full at the largest value; the square root keeps small drifts visible.
fn shade(value: f64, largest: f64) -> f64 {
    0.05 + 0.95 * (value / largest).clamp(0.0, 1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cell_under_the_pointer_is_read() {
        let chart = LayerHeatmap {
            title: "Drift".into(),
            layers: vec!["a".into(), "b".into()],
            epochs: vec![1.0, 2.0],
            values: vec![vec![Some(0.0), Some(0.1)], vec![None, Some(0.5)]],
        };
        let options = ChartOptions::default();
        let plot = chart.layout(&options).unwrap().plot;
        let read = |x, y| chart.hover(&options, x, y).unwrap();
        assert_eq!(read(plot.right - 1.0, plot.top + 1.0).rows[0].value, "0.5000");
        assert_eq!(read(plot.left + 1.0, plot.top + 1.0).rows[0].value, "not measured");
        assert_eq!(read(plot.left + 1.0, plot.bottom - 1.0).title, "a, epoch 1.000");
        assert_eq!(chart.table().rows[1], ["b", "–", "0.5000"]);
    }

    #[test]
    fn all_zero_and_nothing_are_survived() {
        assert!(shade(0.0, f64::MIN_POSITIVE) > 0.0);
        let chart = LayerHeatmap { title: String::new(), layers: vec![], epochs: vec![], values: vec![] };
        assert!(chart.layout(&ChartOptions::default()).is_err());
        assert_eq!(chart.hover(&ChartOptions::default(), 1.0, 1.0), None);
    }
}
