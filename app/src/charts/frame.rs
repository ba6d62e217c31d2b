//! The frame of a picture: title, legend, axes, grid, and the plot between them.

use plotters_backend::DrawingBackend;

use super::{
    legend::{self, Entry},
    options::ChartOptions,
    polyline::{Px, Rect, dash},
    scale::{Scale, Tick},
    surface::{Anchor, Drawn, Letters, Stroke, Surface},
    text,
};

/// Size of axis text in CSS pixels.
pub const SMALL: f64 = 11.5;
/// Size of titles in CSS pixels.
pub const LARGE: f64 = 14.0;
const LEGEND_ROW: f64 = 19.0;

/// Room around the plot, in CSS pixels.
#[derive(Debug, Clone, Copy)]
pub struct Margins {
    pub left: f64,
    pub right: f64,
    pub bottom: f64,
}

/// Height that title, legend and the name of y take above the plot.
pub fn head_height(options: &ChartOptions, entries: &[Entry]) -> f64 {
    let y_name = 24.0;
    if options.standalone {
        y_name + 30.0 + LEGEND_ROW * legend_rows(options, entries) as f64
    } else {
        y_name
    }
}

fn labels(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|e| e.label.clone()).collect()
}

fn legend_rows(options: &ChartOptions, entries: &[Entry]) -> usize {
    // A legend never takes more than about half of the picture.
    let most = ((f64::from(options.height) * 0.5 - 50.0) / LEGEND_ROW).max(0.0) as usize;
    legend::wrap(&labels(entries), SMALL, f64::from(options.width) - 24.0).1.min(most)
}

/// The plot's rectangle: at least a pixel wide and high, however small the picture.
pub fn plot_rect(options: &ChartOptions, entries: &[Entry], margins: Margins) -> Rect {
    let (width, height) = (f64::from(options.width), f64::from(options.height));
    let left = margins.left.min(width * 0.4);
    let top = head_height(options, entries).min(height * 0.6);
    Rect {
        left: left.round(),
        top: top.round(),
        right: (width - margins.right.min(width * 0.4)).round().max(left.round() + 1.0),
        bottom: (height - margins.bottom).round().max(top.round() + 1.0),
    }
}

/// Background, title and legend of a file; nothing inside a page, which has its own.
pub fn draw_head<DB: DrawingBackend>(
    surface: &mut Surface<'_, DB>,
    options: &ChartOptions,
    title: &str,
    entries: &[Entry],
) -> Drawn<DB> {
    if !options.standalone {
        return Ok(());
    }
    let (width, height) = (f64::from(options.width), f64::from(options.height));
    let colours = surface.colours;
    surface.fill(Rect { left: 0.0, top: 0.0, right: width, bottom: height }, colours.surface, 1.0)?;
    let short = text::shorten(title, LARGE * 1.06, width - 24.0);
    surface.text(&short, (12.0, 17.0), Anchor::Left, Letters::new(colours.ink, LARGE).bold())?;
    let (places, _) = legend::wrap(&labels(entries), SMALL, width - 24.0);
    let rows = legend_rows(options, entries);
    for (entry, (x, row)) in entries.iter().zip(places) {
        if row >= rows {
            break;
        }
        let at = (12.0 + x, 39.0 + LEGEND_ROW * row as f64);
        draw_key(surface, at, entry)?;
        let label = text::shorten(&entry.label, SMALL, width - 24.0 - legend::KEY - 7.0);
        let place = (at.0 + legend::KEY + 7.0, at.1);
        surface.text(&label, place, Anchor::Left, Letters::new(colours.ink, SMALL))?;
    }
    Ok(())
}

/// The line and marker of a legend entry.
fn draw_key<DB: DrawingBackend>(surface: &mut Surface<'_, DB>, at: Px, entry: &Entry) -> Drawn<DB> {
    let colour = surface.colours.series[entry.style.index % 8];
    for part in dash(&[at, (at.0 + legend::KEY, at.1)], entry.style.dash.pattern()) {
        surface.line(&part, Stroke::new(colour, 1.6))?;
    }
    surface.marker((at.0 + legend::KEY / 2.0, at.1), entry.style, 3.2, false)
}

/// Names of the axes.
#[derive(Debug, Clone, Copy)]
pub struct AxisNames<'a> {
    pub x: &'a str,
    pub y: &'a str,
}

/// Left margin for the labels of y.
pub fn left_margin(ticks: &[Tick]) -> f64 {
    ticks.iter().map(|t| text::width(&t.label, SMALL)).fold(16.0, f64::max) + 16.0
}

/// How many ticks fit along a length.
pub fn tick_count(length: f64, each: f64) -> usize {
    ((length / each) as usize).clamp(2, 9)
}

/// Grid, axis line, tick labels and the names of both axes.
pub fn draw_axes<DB: DrawingBackend>(
    surface: &mut Surface<'_, DB>,
    plot: Rect,
    (x, x_ticks): (&Scale, &[Tick]),
    (y, y_ticks): (&Scale, &[Tick]),
    names: AxisNames<'_>,
) -> Drawn<DB> {
    let colours = surface.colours;
    let small = Letters::new(colours.muted, SMALL);
    for tick in y_ticks {
        let Some(at) = y.px(tick.value) else { continue };
        let at = crisp(at);
        surface.line(&[(plot.left, at), (plot.right, at)], Stroke::new(colours.grid, 1.0))?;
        surface.text(&tick.label, (plot.left - 8.0, at), Anchor::Right, small)?;
    }
    let base = crisp(plot.bottom);
    surface.line(&[(plot.left, base), (plot.right, base)], Stroke::new(colours.axis, 1.0))?;
    let mut free_from = f64::NEG_INFINITY;
    for tick in x_ticks {
        let Some(at) = x.px(tick.value) else { continue };
        let at = crisp(at);
        surface.line(&[(at, base), (at, base + 4.0)], Stroke::new(colours.axis, 1.0))?;
        let half = text::width(&tick.label, SMALL) / 2.0;
        if at - half >= free_from {
            surface.text(&tick.label, (at, base + 14.0), Anchor::Middle, small)?;
            free_from = at + half + 6.0;
        }
    }
    surface.text(names.x, ((plot.left + plot.right) / 2.0, base + 32.0), Anchor::Middle, small)?;
    // In line with the title of a file; inside a page the figure has its own edge.
    let start = if plot.top > 40.0 { 12.0 } else { 1.0 };
    surface.text(names.y, (start, plot.top - 13.0), Anchor::Left, small)
}

/// The middle of the nearest pixel, where a line of one pixel is sharp.
pub fn crisp(at: f64) -> f64 {
    at.floor() + 0.5
}

/// A picture that says why it is empty.
pub fn draw_empty<DB: DrawingBackend>(
    surface: &mut Surface<'_, DB>,
    options: &ChartOptions,
    plot: Rect,
    message: &str,
) -> Drawn<DB> {
    let colours = surface.colours;
    let base = crisp(plot.bottom);
    for i in 0..4 {
        let at = crisp(plot.top + plot.height() * f64::from(i) / 4.0);
        surface.line(&[(plot.left, at), (plot.right, at)], Stroke::new(colours.grid, 1.0))?;
    }
    surface.line(&[(plot.left, base), (plot.right, base)], Stroke::new(colours.axis, 1.0))?;
    let room = f64::from(options.width) - 16.0;
    let short = text::shorten(message, 13.0, room);
    let middle = (f64::from(options.width) / 2.0, (plot.top + plot.bottom) / 2.0);
    let half = text::width(&short, 13.0) / 2.0 + 8.0;
    let behind =
        Rect { left: middle.0 - half, right: middle.0 + half, top: middle.1 - 12.0, bottom: middle.1 + 12.0 };
    surface.fill(behind, colours.surface, 1.0)?;
    surface.text(&short, middle, Anchor::Middle, Letters::new(colours.muted, 13.0))
}
