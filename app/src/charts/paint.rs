//! The canvas in the browser: its size, its theme, and when it is painted.

use leptos::prelude::*;
use leptos::web_sys::{self, CanvasRenderingContext2d, HtmlCanvasElement};
use plotters_backend::DrawingBackend;
use plotters_canvas::CanvasBackend;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

use super::{Chart, ChartOptions, Surface, Theme, figure::Canvas, surface::UNITS, theme::Colours};

/// Shortest time between two paintings in milliseconds: ten a second.
const PAUSE_MS: f64 = 100.0;
/// Widest and highest canvas in CSS pixels.
const LARGEST: u32 = 4000;

/// When the canvas was last painted, and whether it is about to be.
#[derive(Clone, Copy, Default)]
struct Timing {
    last_ms: f64,
    waiting: bool,
}

/// The browser's observers of one canvas; they end with the figure.
struct Observers {
    resize: web_sys::ResizeObserver,
    _on_resize: Closure<dyn FnMut()>,
    theme: Option<web_sys::MutationObserver>,
    scheme: Option<web_sys::MediaQueryList>,
    on_theme: Closure<dyn FnMut()>,
}

impl Drop for Observers {
    fn drop(&mut self) {
        self.resize.disconnect();
        if let Some(theme) = &self.theme {
            theme.disconnect();
        }
        if let Some(scheme) = &self.scheme {
            // Nothing to do about a listener that cannot be taken away: it is dropped with the page.
            let _ =
                scheme.remove_event_listener_with_callback("change", self.on_theme.as_ref().unchecked_ref());
        }
    }
}

/// Lets the canvas take over from the server's picture once the figure is in the document.
pub(super) fn attach(figure: Canvas) {
    let repaint = RwSignal::new(0u32);
    let observers = StoredValue::new_local(None::<Observers>);
    Effect::new(move |_| {
        let (Some(plot), Some(_)) = (figure.plot.get(), figure.canvas.get()) else { return };
        if observers.with_value(Option::is_some) {
            return;
        }
        let measure = move || {
            if let Some(plot) = figure.plot.get_untracked() {
                let width = (plot.client_width().max(0) as u32).min(LARGEST);
                if width > 0 {
                    let size = (width, height_for(width));
                    if figure.size.get_untracked() != size {
                        figure.size.set(size);
                    }
                }
            }
        };
        measure();
        observers.set_value(observe(&plot, measure, move || repaint.update(|n| *n = n.wrapping_add(1))));
        figure.live.set(true);
    });
    on_cleanup(move || drop(observers.try_update_value(Option::take)));

    let timing = StoredValue::new_local(Timing::default());
    Effect::new(move |_| {
        figure.chart.track();
        figure.options.track();
        repaint.track();
        if figure.live.get() {
            schedule(figure, timing);
        }
    });
}

/// Height of a canvas by its width, in CSS pixels.
fn height_for(width: u32) -> u32 {
    (f64::from(width) * 0.46).clamp(230.0, 340.0) as u32
}

fn observe(
    plot: &web_sys::HtmlDivElement,
    measure: impl Fn() + 'static,
    restyle: impl Fn() + 'static,
) -> Option<Observers> {
    let on_resize = Closure::<dyn FnMut()>::new(measure);
    let resize = web_sys::ResizeObserver::new(on_resize.as_ref().unchecked_ref()).ok()?;
    resize.observe(plot);
    let on_theme = Closure::<dyn FnMut()>::new(restyle);
    let window = web_sys::window()?;
    let scheme = window.match_media("(prefers-color-scheme: dark)").ok().flatten();
    if let Some(scheme) = &scheme {
        // Without it the canvas keeps its colours until it is painted again.
        let _ = scheme.add_event_listener_with_callback("change", on_theme.as_ref().unchecked_ref());
    }
    let theme = web_sys::MutationObserver::new(on_theme.as_ref().unchecked_ref()).ok();
    if let (Some(theme), Some(root)) = (&theme, window.document().and_then(|d| d.document_element())) {
        let what = web_sys::MutationObserverInit::new();
        what.set_attributes(true);
        let _ = theme.observe_with_options(&root, &what);
    }
    Some(Observers { resize, _on_resize: on_resize, theme, scheme, on_theme })
}

/// Paints now, or when the pause since the last painting is over.
fn schedule(figure: Canvas, timing: StoredValue<Timing, LocalStorage>) {
    let Some(Timing { last_ms, waiting }) = timing.try_get_value() else { return };
    if waiting {
        return;
    }
    timing.update_value(|t| t.waiting = true);
    let paint_now = move || {
        let known = timing.try_update_value(|t| *t = Timing { last_ms: js_sys::Date::now(), waiting: false });
        if known.is_some() {
            paint(figure);
        }
    };
    let rest = PAUSE_MS - (js_sys::Date::now() - last_ms);
    if rest <= 0.0 {
        request_animation_frame(paint_now);
    } else {
        set_timeout(paint_now, std::time::Duration::from_millis(rest.min(PAUSE_MS) as u64));
    }
}

fn paint(figure: Canvas) {
    // The figure may be gone by the time the pause is over.
    let (Some(Some(plot)), Some(Some(canvas))) =
        (figure.plot.try_get_untracked(), figure.canvas.try_get_untracked())
    else {
        return;
    };
    let (Some(chart), Some(options)) = (figure.chart.try_get_untracked(), figure.options.try_get_untracked())
    else {
        return;
    };
    let theme = if text_is_light(&plot) { Theme::Dark } else { Theme::Light };
    // A canvas that cannot be painted stays blank; the numbers below it are there all the same.
    if let Err(e) = draw(&canvas, &chart, &ChartOptions { theme, ..options }) {
        leptos::logging::error!("chart {:?} could not be painted: {e:?}", chart.title());
    }
}

fn draw(canvas: &HtmlCanvasElement, chart: &Chart, options: &ChartOptions) -> Result<(), JsValue> {
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio()).clamp(0.5, 4.0);
    let pixels = |side: u32| (f64::from(side) * ratio).round() as u32;
    let (width, height) = (pixels(options.width), pixels(options.height));
    if (canvas.width(), canvas.height()) != (width, height) {
        canvas.set_width(width);
        canvas.set_height(height);
    }
    web_sys::HtmlElement::style(canvas).set_property("height", &format!("{}px", options.height))?;
    let context: CanvasRenderingContext2d =
        canvas.get_context("2d")?.ok_or("no 2d context")?.dyn_into().map_err(JsValue::from)?;
    context.set_transform(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)?;
    context.clear_rect(0.0, 0.0, f64::from(width), f64::from(height));
    let scale = ratio / UNITS;
    context.set_transform(scale, 0.0, 0.0, scale, 0.0, 0.0)?;
    context.set_line_join("round");
    let mut backend = CanvasBackend::with_canvas_object(canvas.clone()).ok_or("no 2d context")?;
    let colours = Colours::of(options.theme);
    let drawn =
        chart.draw(&mut Surface::new(&mut backend, 1.0, colours), options).and_then(|()| backend.present());
    drawn.map_err(|e| JsValue::from_str(&e.to_string()))
}

/// Whether the page's text is light, and so its background dark.
fn text_is_light(element: &web_sys::Element) -> bool {
    web_sys::window()
        .and_then(|w| w.get_computed_style(element).ok().flatten())
        .and_then(|s| s.get_property_value("color").ok())
        .is_some_and(|colour| super::theme::is_light(&colour))
}
