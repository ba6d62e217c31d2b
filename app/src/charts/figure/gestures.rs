//! What a reader does on a figure with pointer, wheel and keys: reading values, and zooming.

use leptos::{ev, prelude::*};

use crate::charts::{Chart, ChartOptions, Hover};

/// A figure that answers to its reader, and what the reader has made of it. Places are in CSS pixels of its canvas.
#[derive(Clone, Copy)]
pub(super) struct Gestures {
    pub chart: Signal<Chart>,
    /// Options with everything that was chosen on the figure itself; size included.
    pub shown: Memo<ChartOptions>,
    pub size: RwSignal<(u32, u32)>,
    /// The range of x that is shown, when it is not all.
    pub zoom: RwSignal<Option<(f64, f64)>>,
    /// What is read at the pointer.
    pub hover: RwSignal<Option<Hover>>,
    /// Where a drag began and where it is.
    pub brush: RwSignal<Option<(f64, f64)>>,
    /// Whether the chart can be zoomed.
    pub zoomable: Memo<bool>,
}

impl Gestures {
    pub fn new(
        chart: Signal<Chart>,
        shown: Memo<ChartOptions>,
        size: RwSignal<(u32, u32)>,
        zoom: RwSignal<Option<(f64, f64)>>,
    ) -> Self {
        let zoomable = Memo::new(move |_| chart.with(Chart::zoomable));
        Self { chart, shown, size, zoom, hover: RwSignal::new(None), brush: RwSignal::new(None), zoomable }
    }

    /// The pointer moves: on with the drag, or values are read under it.
    pub fn moved(self, e: &ev::PointerEvent) {
        let (x, y) = place(e);
        match self.brush.get_untracked() {
            Some((start, _)) => self.brush.set(Some((start, x))),
            None => self.hover.set(self.chart.with(|c| self.shown.with(|o| c.hover(o, x, y)))),
        }
    }

    /// The pointer goes down: a drag begins.
    pub fn pressed(self, e: &ev::PointerEvent) {
        // Touch scrolls the page; a tap reads the values.
        if e.button() == 0 && e.pointer_type() != "touch" && self.zoomable.get_untracked() {
            let x = place(e).0;
            self.brush.set(Some((x, x)));
            self.hover.set(None);
        }
    }

    /// The pointer goes up: zooms to what was dragged over.
    pub fn released(self) {
        if let Some((a, b)) = self.brush.get_untracked() {
            self.brush.set(None);
            let range = self.untracked(|c, o| c.range_between(o, a, b));
            if range.is_some() {
                self.zoom.set(range);
            }
        }
    }

    /// The pointer leaves the canvas.
    pub fn left(self) {
        self.hover.set(None);
        self.brush.set(None);
    }

    /// The wheel zooms round the pointer.
    pub fn wheeled(self, e: &ev::WheelEvent) {
        // With Ctrl (and so by pinching) only: a plain wheel scrolls the page.
        if e.ctrl_key() && self.zoomable.get_untracked() {
            e.prevent_default();
            let factor = if e.delta_y() < 0.0 { 0.8 } else { 1.25 };
            let at = f64::from(e.offset_x());
            self.zoom.set(self.untracked(|c, o| c.range_zoomed(o, at, factor)));
            self.hover.set(None);
        }
    }

    /// Arrow keys move the reading, Escape ends it and the zoom.
    pub fn key(self, e: &ev::KeyboardEvent) {
        let step = match e.key().as_str() {
            "ArrowLeft" => -1.0,
            "ArrowRight" => 1.0,
            "Escape" => {
                self.hover.set(None);
                self.zoom.set(None);
                return;
            }
            _ => return,
        };
        e.prevent_default();
        self.read_on(step);
    }

    /// On to the next place that reads differently, to the left or right by the sign of `step`.
    fn read_on(self, step: f64) {
        let (width, height) = self.size.get_untracked();
        let from = self.hover.with_untracked(|h| h.as_ref().map_or(f64::from(width) / 2.0, |h| h.x));
        let mut x = from;
        while (0.0..=f64::from(width)).contains(&x) {
            x += step * 3.0;
            let found = self.untracked(|c, o| c.hover(o, x, f64::from(height) / 2.0));
            if let Some(found) = found.filter(|f| (f.x - from) * step > 0.5) {
                self.hover.set(Some(found));
                break;
            }
        }
    }

    fn untracked<T>(self, of: impl FnOnce(&Chart, &ChartOptions) -> T) -> T {
        self.chart.with_untracked(|c| self.shown.with_untracked(|o| of(c, o)))
    }
}

fn place(e: &ev::PointerEvent) -> (f64, f64) {
    (f64::from(e.offset_x()), f64::from(e.offset_y()))
}
