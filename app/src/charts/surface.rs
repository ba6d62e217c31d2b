//! Drawing in CSS pixels on a backend that counts in whole units of its own.

use std::convert::Infallible;

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontFamily,
    FontStyle,
    text_anchor::{HPos, Pos, VPos},
};

use crate::palette::{Marker, Style};

use super::{
    polyline::{Px, Rect},
    theme::{Colours, Rgb},
};

/// What drawing answers.
pub type Drawn<DB> = Result<(), DrawingErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Backend units in one CSS pixel: whole units would make curves jagged and lines at least a pixel wide.
pub const UNITS: f64 = 8.0;

/// The SVG backend divides font sizes by this.
pub const SVG_TEXT: f64 = 1.24;

/// Font of all pictures.
pub const FONT: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// A line's colour and width.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    pub colour: Rgb,
    /// CSS pixels.
    pub width: f64,
    /// 0 to 1.
    pub alpha: f64,
}

impl Stroke {
    pub fn new(colour: Rgb, width: f64) -> Self {
        Self { colour, width, alpha: 1.0 }
    }

    pub fn faint(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }
}

struct Pen(BackendColor, u32);

impl BackendStyle for Pen {
    fn color(&self) -> BackendColor {
        self.0
    }
    fn stroke_width(&self) -> u32 {
        self.1
    }
}

/// A text's looks in backend units. The backends that we draw on set text themselves (SVG, canvas), so this needs
/// no font; a bitmap backend would draw no text.
struct Type {
    colour: BackendColor,
    size: f64,
    bold: bool,
    anchor: HPos,
}

impl BackendTextStyle for Type {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.colour
    }
    fn size(&self) -> f64 {
        self.size
    }
    fn style(&self) -> FontStyle {
        if self.bold { FontStyle::Bold } else { FontStyle::Normal }
    }
    fn anchor(&self) -> Pos {
        Pos::new(self.anchor, VPos::Center)
    }
    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FONT)
    }
    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        Ok(((0, 0), (super::text::width(text, self.size).round() as i32, self.size.round() as i32)))
    }
    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        _text: &str,
        _at: BackendCoord,
        _pixel: F,
    ) -> Result<Result<(), E>, Infallible> {
        Ok(Ok(()))
    }
}

/// A text's looks in CSS pixels.
#[derive(Debug, Clone, Copy)]
pub struct Letters {
    pub colour: Rgb,
    /// CSS pixels.
    pub size: f64,
    pub bold: bool,
}

impl Letters {
    pub fn new(colour: Rgb, size: f64) -> Self {
        Self { colour, size, bold: false }
    }

    pub fn bold(mut self) -> Self {
        self.bold = true;
        self
    }
}

/// Where a text's given place is within the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Left,
    Right,
    Middle,
}

/// A backend with [`UNITS`] and a theme.
pub struct Surface<'a, DB: DrawingBackend> {
    backend: &'a mut DB,
    text_factor: f64,
    pub colours: &'static Colours,
}

impl<'a, DB: DrawingBackend> Surface<'a, DB> {
    /// `text_factor`: what the backend divides font sizes by, [`SVG_TEXT`] or 1.
    pub fn new(backend: &'a mut DB, text_factor: f64, colours: &'static Colours) -> Self {
        Self { backend, text_factor, colours }
    }

    fn place((x, y): Px) -> BackendCoord {
        // The cast saturates, so no place can overflow.
        ((x * UNITS).round() as i32, (y * UNITS).round() as i32)
    }

    fn paint(colour: Rgb, alpha: f64) -> BackendColor {
        BackendColor { alpha, rgb: (colour[0], colour[1], colour[2]) }
    }

    fn pen(stroke: Stroke) -> Pen {
        Pen(Self::paint(stroke.colour, stroke.alpha), (stroke.width * UNITS).round().max(1.0) as u32)
    }

    /// A line through points.
    pub fn line(&mut self, points: &[Px], stroke: Stroke) -> Drawn<DB> {
        if points.len() < 2 {
            return Ok(());
        }
        self.backend.draw_path(points.iter().map(|p| Self::place(*p)), &Self::pen(stroke))
    }

    pub fn polygon(&mut self, points: &[Px], colour: Rgb, alpha: f64) -> Drawn<DB> {
        self.backend.fill_polygon(points.iter().map(|p| Self::place(*p)), &Self::paint(colour, alpha))
    }

    pub fn fill(&mut self, rect: Rect, colour: Rgb, alpha: f64) -> Drawn<DB> {
        let style = Self::paint(colour, alpha);
        self.backend.draw_rect(
            Self::place((rect.left, rect.top)),
            Self::place((rect.right, rect.bottom)),
            &style,
            true,
        )
    }

    fn disc(&mut self, at: Px, radius: f64, colour: Rgb) -> Drawn<DB> {
        let radius = (radius * UNITS).round() as u32;
        self.backend.draw_circle(Self::place(at), radius, &Self::paint(colour, 1.0), true)
    }

    /// A run's marker, with a rim in the background colour so that crossing lines stay apart; a hollow one
    /// is filled with the background instead.
    pub fn marker(&mut self, at: Px, style: Style, radius: f64, hollow: bool) -> Drawn<DB> {
        let colour = self.colours.series[style.index % 8];
        let surface = self.colours.surface;
        // The bars of a cross are too thin for a hole: those of a hollow one are thicker.
        let bar = if hollow { radius * 0.55 } else { radius * 0.36 };
        self.shape(at, style.marker, (radius + 1.25, bar + 0.45), surface)?;
        self.shape(at, style.marker, (radius, bar), colour)?;
        if hollow {
            self.shape(at, style.marker, (radius - 1.4, bar - 1.2), surface)?;
        }
        Ok(())
    }

    /// `bar`: half the thickness of the bars of a cross and a plus.
    fn shape(&mut self, at: Px, marker: Marker, (radius, bar): (f64, f64), colour: Rgb) -> Drawn<DB> {
        match outline(marker, radius, bar) {
            None => self.disc(at, radius, colour),
            Some(parts) => {
                for part in parts {
                    let moved: Vec<Px> = part.into_iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect();
                    self.polygon(&moved, colour, 1.0)?;
                }
                Ok(())
            }
        }
    }

    /// A text whose vertical middle is at `at`.
    pub fn text(&mut self, text: &str, at: Px, anchor: Anchor, letters: Letters) -> Drawn<DB> {
        let anchor = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Right => HPos::Right,
            Anchor::Middle => HPos::Center,
        };
        let style = Type {
            colour: Self::paint(letters.colour, 1.0),
            size: letters.size * UNITS * self.text_factor,
            bold: letters.bold,
            anchor,
        };
        self.backend.draw_text(text, &style, Self::place(at))
    }
}

/// Corners of a marker around the origin; none for a circle.
fn outline(marker: Marker, r: f64, thick: f64) -> Option<Vec<Vec<Px>>> {
    let thick = thick.max(0.8);
    let bar = |angle: f64| {
        let (c, s) = (angle.cos(), angle.sin());
        [(-r, -thick), (r, -thick), (r, thick), (-r, thick)]
            .map(|(x, y)| (x * c - y * s, x * s + y * c))
            .to_vec()
    };
    let quarter = std::f64::consts::FRAC_PI_4;
    Some(match marker {
        Marker::Circle => return None,
        Marker::Square => {
            let a = r * 0.88;
            vec![vec![(-a, -a), (a, -a), (a, a), (-a, a)]]
        }
        Marker::Triangle => vec![vec![(0.0, -r * 1.15), (r * 1.05, r * 0.75), (-r * 1.05, r * 0.75)]],
        Marker::Diamond => vec![vec![(0.0, -r * 1.2), (r * 1.2, 0.0), (0.0, r * 1.2), (-r * 1.2, 0.0)]],
        Marker::Cross => vec![bar(quarter), bar(-quarter)],
        Marker::Plus => vec![bar(0.0), bar(2.0 * quarter)],
    })
}
