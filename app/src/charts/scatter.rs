//! Points in a plane, each with a name, a range along x and an interval along y.

mod labels;

use plotters_backend::DrawingBackend;

use crate::palette::{Dash, Marker, Style};

use labels::Area;

use super::{
    frame,
    legend::Entry,
    options::ChartOptions,
    polyline::Px,
    scale::{Scale, domain_of},
    surface::{Anchor, Drawn, Letters, Stroke, Surface},
    svg::Drawing,
    text,
};

/// A point of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    pub name: String,
    pub style: Style,
    pub x: f64,
    pub x_range: [f64; 2],
    pub y: f64,
    pub y_range: Option<[f64; 2]>,
}

/// The picture's data.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    pub title: String,
    pub x_name: String,
    pub y_name: String,
    pub spots: Vec<Spot>,
    /// What colours and markers mean.
    pub legend: Vec<(String, Style)>,
    /// Where y is nothing, such as no gain.
    pub zero_line: bool,
}

/// Hues by the place of a name among others, markers by that of another: no point depends on hue alone.
pub fn style(hue: usize, marker: usize) -> Style {
    const MARKERS: [Marker; 6] =
        [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Cross, Marker::Plus];
    Style { index: hue % 8, marker: MARKERS[marker % MARKERS.len()], dash: Dash::Solid }
}

impl Scatter {
    /// The points in words.
    pub fn description(&self) -> String {
        let point = |s: &Spot| {
            format!(
                "{}: {} {}, {} {}",
                s.name,
                self.x_name,
                text::significant(s.x),
                self.y_name,
                text::significant(s.y)
            )
        };
        self.spots.iter().map(point).collect::<Vec<_>>().join("; ")
    }

    fn entries(&self) -> Vec<Entry> {
        self.legend
            .iter()
            .map(|(label, style)| Entry { key: label.clone(), label: label.clone(), style: *style })
            .collect()
    }
}

/// Half a marker's size.
const MARKER: f64 = 4.5;

impl Drawing for Scatter {
    fn draw<DB: DrawingBackend>(&self, surface: &mut Surface<'_, DB>, options: &ChartOptions) -> Drawn<DB> {
        let entries = self.entries();
        frame::draw_head(surface, options, &self.title, &entries)?;
        let margins = |left| frame::Margins { left, right: 18.0, bottom: 42.0 };
        let probe = frame::plot_rect(options, &entries, margins(44.0));
        let ends = |s: &Spot| s.y_range.unwrap_or([s.y, s.y]);
        let along_x =
            domain_of(self.spots.iter().flat_map(|s| [s.x_range[0], s.x_range[1], s.x]), false, 0.1);
        let nothing = self.zero_line.then_some(0.0);
        let along_y = domain_of(self.spots.iter().flat_map(ends).chain(nothing), false, 0.08);
        let (Some(along_x), Some(along_y)) = (along_x, along_y) else {
            return frame::draw_empty(surface, options, probe, "No cell has both values yet");
        };
        let y_ticks = Scale::new(false, along_y, (probe.bottom, probe.top))
            .ticks(frame::tick_count(probe.height(), 36.0));
        let plot = frame::plot_rect(options, &entries, margins(frame::left_margin(&y_ticks)));
        let x = Scale::new(false, along_x, (plot.left, plot.right));
        let y = Scale::new(false, along_y, (plot.bottom, plot.top));
        let x_ticks = x.ticks(frame::tick_count(plot.width(), 80.0));
        let names = frame::AxisNames { x: &self.x_name, y: &self.y_name };
        frame::draw_axes(surface, plot, (&x, &x_ticks), (&y, &y_ticks), names)?;
        if let Some(at) = nothing.and_then(|v| y.px(v)) {
            surface.line(&[(plot.left, at), (plot.right, at)], Stroke::new(surface.colours.axis, 1.0))?;
        }
        let place = |s: &Spot| -> Option<Px> { Some((x.px(s.x)?, y.px(s.y)?)) };
        let mut drawn: Vec<Area> = nothing
            .and_then(|v| y.px(v))
            .map(|at| Area::around((plot.left, at), (plot.right, at)))
            .into_iter()
            .collect();
        let mut named: Vec<(&str, Px)> = Vec::new();
        for spot in &self.spots {
            let Some((px, py)) = place(spot) else { continue };
            let stroke = Stroke::new(surface.colours.series[spot.style.index % 8], 1.2).faint(0.55);
            let mut bar = |from: Px, to: Px, surface: &mut Surface<'_, DB>| -> Drawn<DB> {
                drawn.push(Area::around(from, to).grown(0.6));
                surface.line(&[from, to], stroke)
            };
            if let (Some(a), Some(b)) = (x.px(spot.x_range[0]), x.px(spot.x_range[1])) {
                bar((a, py), (b, py), surface)?;
            }
            if let Some([low, high]) = spot.y_range
                && let (Some(a), Some(b)) = (y.px(low), y.px(high))
            {
                bar((px, a), (px, b), surface)?;
            }
            drawn.push(Area::around((px, py), (px, py)).grown(MARKER));
            named.push((&spot.name, (px, py)));
        }
        for spot in &self.spots {
            let Some(at) = place(spot) else { continue };
            surface.marker(at, spot.style, MARKER, false)?;
        }
        let muted = surface.colours.muted;
        let inside = Area::around((plot.left, plot.top), (plot.right, plot.bottom));
        let places = labels::place(&named, &drawn, inside);
        for ((name, point), label) in named.iter().zip(&places) {
            let Some(label) = label else { continue };
            if let Some(end) = label.leader {
                surface.line(&[*point, end], Stroke::new(muted, 0.8).faint(0.6))?;
            }
            surface.text(name, label.from, label.anchor, Letters::new(muted, frame::SMALL))?;
        }
        let left_out = places.iter().filter(|p| p.is_none()).count();
        if left_out > 0 {
            let words = format!("{left_out} not labelled: no room");
            let at = (plot.right, f64::from(options.height) - frame::SMALL);
            surface.text(&words, at, Anchor::Right, Letters::new(muted, frame::SMALL))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::svg::document;

    fn scatter(spots: Vec<Spot>) -> Scatter {
        Scatter {
            title: "Alignment and gain".into(),
            x_name: "MMD²".into(),
            y_name: "Gain (%)".into(),
            spots,
            legend: vec![("a".into(), style(0, 0))],
            zero_line: true,
        }
    }

    #[test]
    fn every_point_has_its_name_and_ranges_widen_the_axes() {
        let spot = |name: &str, x: f64, y: f64| Spot {
            name: name.into(),
            style: style(1, 2),
            x,
            x_range: [x - 0.1, x + 0.1],
            y,
            y_range: Some([y - 50.0, y + 50.0]),
        };
        let data =
            scatter(vec![spot("one & two", 0.1, 3.0), spot("other", 0.1, 3.0), spot("odd", f64::NAN, 1.0)]);
        let options = ChartOptions::default();
        let svg = document(&data.title, &data.description(), &options, &data);
        assert!(svg.contains("one &amp; two") && svg.contains("other") && svg.contains("Gain (%)"));
        assert!(svg.contains("<desc>one &amp; two: MMD² 0.1"));
        let empty = document("t", "", &options, &scatter(Vec::new()));
        assert!(empty.contains("No cell has both values yet"));
    }
}
