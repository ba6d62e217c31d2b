//! Drawing the chart.

use plotters_backend::DrawingBackend;

use super::{
    super::{
        frame, legend,
        options::ChartOptions,
        polyline::{Px, Rect, dash},
        surface::{Anchor, Drawn, Letters, Stroke, Surface},
        text,
        theme::Rgb,
    },
    Convergence, Reference,
    layout::{Layout, Line},
};

/// Width of a line in CSS pixels.
const STROKE: f64 = 1.7;
/// How much of its colour a band has.
const BAND: f64 = 0.16;
/// Width of a line of many noisy values.
const NOISY: f64 = 1.1;
/// Height of a name beside a line.
const LABEL_STEP: f64 = 15.0;

impl Convergence {
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
        for line in &layout.lines {
            let outline = layout.band(line);
            if outline.len() > 2 {
                surface.polygon(&outline, surface.colours.series[line.curve.style.index % 8], BAND)?;
            }
        }
        for line in &layout.lines {
            if line.smoothed {
                let colour = surface.colours.series[line.curve.style.index % 8];
                for part in layout.parts(line, &line.raw) {
                    surface.line(&part, Stroke::new(colour, 1.0).faint(0.28))?;
                }
            }
        }
        for line in &layout.lines {
            let colour = surface.colours.series[line.curve.style.index % 8];
            let noisy = layout.is_dense(line) && !line.smoothed;
            let stroke = Stroke::new(colour, if noisy { NOISY } else { STROKE });
            for part in layout.parts(line, &line.smooth) {
                for piece in dash(&part, line.curve.style.dash.pattern()) {
                    surface.line(&piece, stroke)?;
                }
            }
        }
        for (i, line) in layout.lines.iter().enumerate() {
            for at in layout.markers(line, i) {
                surface.marker(at, line.curve.style, 2.9, false)?;
            }
        }
        if layout.direct {
            self.draw_labels(surface, &layout, options)?;
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
        let plot = layout.plot;
        for reference in &self.references {
            let Some(at) = layout.y.px(reference.value).filter(|y| (plot.top..=plot.bottom).contains(y))
            else {
                continue;
            };
            let at = frame::crisp(at);
            for part in dash(&[(plot.left, at), (plot.right, at)], &[3, 4]) {
                surface.line(&part, Stroke::new(colours.muted, 1.0))?;
            }
        }
        if layout.direct {
            return Ok(());
        }
        let placed: Vec<(f64, &Reference)> =
            self.references.iter().filter_map(|r| Some((layout.y.px(r.value)?, r))).collect();
        let wishes: Vec<f64> = placed.iter().map(|(y, _)| y - 8.0).collect();
        let places = legend::spread(&wishes, 13.0, plot.top + 6.0, plot.bottom - 6.0).unwrap_or(wishes);
        for ((_, reference), y) in placed.into_iter().zip(places) {
            let letters = Letters::new(colours.muted, frame::SMALL);
            let wide = text::width(&reference.label, frame::SMALL);
            let behind = Rect {
                left: plot.right - wide - 7.0,
                right: plot.right - 1.0,
                top: y - 6.5,
                bottom: y + 6.5,
            };
            surface.fill(behind, colours.surface, 0.85)?;
            surface.text(&reference.label, (plot.right - 4.0, y), Anchor::Right, letters)?;
        }
        Ok(())
    }

    /// Names beside the ends of the lines.
    fn draw_labels<DB: DrawingBackend>(
        &self,
        surface: &mut Surface<'_, DB>,
        layout: &Layout<'_>,
        options: &ChartOptions,
    ) -> Drawn<DB> {
        let colours = surface.colours;
        let plot = layout.plot;
        let end_of = |line: &Line<'_>| {
            let drawn = layout.parts(line, &line.smooth).last().and_then(|part| part.last().copied());
            // One value alone makes no line.
            drawn.or_else(|| layout.markers(line, 0).last().copied())
        };
        let lines = layout.lines.iter().filter_map(|l| {
            let colour = colours.series[l.curve.style.index % 8];
            Some((l.curve.label.as_str(), end_of(l)?, colour, colours.ink))
        });
        let levels = self.references.iter().filter_map(|r| {
            let y = layout.y.px(r.value).filter(|y| (plot.top..=plot.bottom).contains(y))?;
            Some((r.label.as_str(), (plot.right - 3.0, y), colours.muted, colours.muted))
        });
        let ends: Vec<(&str, Px, Rgb, Rgb)> = lines.chain(levels).collect();
        let wishes: Vec<f64> = ends.iter().map(|(_, end, ..)| end.1).collect();
        let Some(places) = legend::spread(&wishes, LABEL_STEP, plot.top, plot.bottom - 4.0) else {
            return Ok(());
        };
        let room = f64::from(options.width) - plot.right - 18.0;
        for ((name, end, colour, ink), y) in ends.into_iter().zip(places) {
            let tie = [(end.0 + 4.0, end.1), (plot.right + 5.0, y), (plot.right + 11.0, y)];
            surface.line(&tie, Stroke::new(colour, 1.0).faint(0.7))?;
            let label = text::shorten(name, frame::SMALL, room);
            surface.text(&label, (plot.right + 14.0, y), Anchor::Left, Letters::new(ink, frame::SMALL))?;
        }
        Ok(())
    }
}
