//! The chart component: a figure that reads without scripts and becomes a live canvas with them.

mod gestures;

use leptos::{html, prelude::*};

use self::gestures::Gestures;
use super::{Chart, ChartOptions, Entry, Hover, Table};
use crate::palette::{LIGHT, Marker, Style};

/// Size of the picture that the server puts into the page, in CSS pixels.
pub const STILL: (u32, u32) = (680, 300);

/// What the canvas needs to know, and tells.
#[derive(Clone, Copy)]
pub(super) struct Canvas {
    #[cfg(feature = "hydrate")]
    pub chart: Signal<Chart>,
    /// Options with everything that was chosen on the figure itself; size included.
    #[cfg(feature = "hydrate")]
    pub options: Memo<ChartOptions>,
    #[cfg(feature = "hydrate")]
    pub size: RwSignal<(u32, u32)>,
    /// Whether the canvas has taken over from the server's picture.
    pub live: RwSignal<bool>,
    pub plot: NodeRef<html::Div>,
    pub canvas: NodeRef<html::Canvas>,
}

/// A chart with title, picture, legend and its numbers as a table.
///
/// The server sends the picture as SVG. In the browser a canvas takes its place after
/// hydration: pointing reads all curves at one x, dragging zooms, double click or the button
/// zooms out, arrow keys move the reading.
#[component]
pub fn ChartFigure(
    /// What to draw; redrawn at most ten times a second.
    #[prop(into)]
    chart: Signal<Chart>,
    /// What the reader chose.
    #[prop(into)]
    options: Signal<ChartOptions>,
    /// Short name for tests and styles.
    name: &'static str,
    /// Where a legend entry's switch is kept; in the figure itself when it is not given.
    #[prop(optional, into)]
    toggle: Option<Callback<String>>,
    /// Address of the same picture as a file.
    #[prop(optional, into)]
    file: MaybeProp<String>,
) -> impl IntoView {
    let own_hidden = RwSignal::new(Vec::<String>::new());
    let zoom = RwSignal::new(None::<(f64, f64)>);
    let size = RwSignal::new(STILL);
    let shown = Memo::new(move |_| {
        let (width, height) = size.get();
        let mut options = options.get().inline(width, height);
        options.zoom = zoom.get();
        options.hidden.extend(own_hidden.get());
        options
    });
    // Values of another axis are no range of this one.
    Effect::watch(move || options.with(|o| o.x), move |_, _, _| zoom.set(None), false);

    let canvas = Canvas {
        #[cfg(feature = "hydrate")]
        chart,
        #[cfg(feature = "hydrate")]
        options: shown,
        #[cfg(feature = "hydrate")]
        size,
        live: RwSignal::new(false),
        plot: NodeRef::new(),
        canvas: NodeRef::new(),
    };
    #[cfg(feature = "hydrate")]
    super::paint::attach(canvas);
    let gestures = Gestures::new(chart, shown, size, zoom);

    let still = still(&chart.get_untracked(), &shown.get_untracked());
    let title = Memo::new(move |_| chart.with(|c| c.title().to_owned()));
    let axes = Memo::new(move |_| chart.with(|c| shown.with(|o| c.axes(o))));
    let spoken = Signal::derive(move || format!("{}: {}", title.get(), axes.get()));
    let legend = Memo::new(move |_| chart.with(Chart::legend));
    let hidden = Signal::derive(move || shown.with(|o| o.hidden.clone()));
    let table = Memo::new(move |_| chart.with(|c| shown.with(|o| c.table(o))));
    let flip = move |key: String| match toggle {
        Some(toggle) => toggle.run(key),
        None => own_hidden.update(|hidden| match hidden.iter().position(|h| *h == key) {
            Some(at) => drop(hidden.remove(at)),
            None => hidden.push(key),
        }),
    };

    view! {
        <figure class="chart" data-chart=name>
            <figcaption class="chart__caption">
                <span class="chart__title">{title}</span>
                <span class="chart__axes">{axes}</span>
                {move || {
                    file.get().map(|href| view! { <a class="chart__file" href=href rel="external" download>"SVG"</a> })
                }}
            </figcaption>
            <Plot still=still canvas=canvas gestures=gestures spoken=spoken />
            <div class="chart__foot">
                <Legend entries=legend hidden=hidden live=canvas.live flip=flip />
                <ResetZoom zoom=zoom />
            </div>
            <Numbers table=table spoken=spoken />
        </figure>
    }
}

/// The picture: the server's until the canvas is live, and over the canvas what is dragged and read.
#[component]
fn Plot(
    still: String,
    canvas: Canvas,
    gestures: Gestures,
    /// The figure's name in words.
    spoken: Signal<String>,
) -> impl IntoView {
    let Gestures { size, zoom, hover, brush, .. } = gestures;
    let live = canvas.live;
    view! {
        <div class="chart__plot" node_ref=canvas.plot>
            <div class="chart__still" hidden=move || live.get() inner_html=still></div>
            <canvas
                class="chart__canvas"
                node_ref=canvas.canvas
                tabindex="0"
                role="img"
                aria-label=move || spoken.get()
                hidden=move || !live.get()
                on:pointermove=move |e| gestures.moved(&e)
                on:pointerdown=move |e| gestures.pressed(&e)
                on:pointerup=move |_| gestures.released()
                on:pointerleave=move |_| gestures.left()
                on:wheel=move |e| gestures.wheeled(&e)
                on:dblclick=move |_| zoom.set(None)
                on:keydown=move |e| gestures.key(&e)
                on:blur=move |_| hover.set(None)
            ></canvas>
            {move || brush.get().map(|(a, b)| {
                let style = format!("left:{:.1}px;width:{:.1}px", a.min(b), (a - b).abs());
                view! { <div class="chart__brush" prop:style=style></div> }
            })}
            {move || hover.get().map(|h| view! { <Reading hover=h width=size.get_untracked().0 /> })}
        </div>
    }
}

/// The picture that the server sends. The browser keeps what it was sent, so that its bundle needs no SVG.
fn still(chart: &Chart, options: &ChartOptions) -> String {
    #[cfg(feature = "ssr")]
    let svg = super::svg::render(chart, options);
    #[cfg(not(feature = "ssr"))]
    let svg = {
        let _ = (chart, options);
        String::new()
    };
    svg
}

/// Zooms out to all there is; absent while that is what is shown.
#[component]
fn ResetZoom(zoom: RwSignal<Option<(f64, f64)>>) -> impl IntoView {
    view! {
        <button
            type="button"
            class="chart__reset"
            hidden=move || zoom.get().is_none()
            on:click=move |_| zoom.set(None)
        >
            "Reset zoom"
        </button>
    }
}

/// The figure's numbers, folded up.
#[component]
fn Numbers(
    table: Memo<Table>,
    /// The figure's name in words.
    spoken: Signal<String>,
) -> impl IntoView {
    view! {
        <details class="chart__numbers">
            <summary>"Numbers"</summary>
            <div
                class="chart__table"
                role="region"
                aria-label=move || format!("Numbers of {}", spoken.get())
                tabindex="0"
            >
                {move || numbers(table.get())}
            </div>
        </details>
    }
}

fn numbers(table: Table) -> impl IntoView {
    let head = table.head.into_iter().map(|h| view! { <th scope="col">{h}</th> }).collect_view();
    let rows = table
        .rows
        .into_iter()
        .map(|row| view! { <tr>{row.into_iter().map(|c| view! { <td>{c}</td> }).collect_view()}</tr> })
        .collect_view();
    view! { <table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table> }
}

/// The tooltip with its cursor line and dots. Places are properties: the page's policy lets no attribute hold a style.
#[component]
fn Reading(hover: Hover, width: u32) -> impl IntoView {
    let x = hover.x;
    let (top, bottom) = hover.span;
    let dots = hover
        .rows
        .iter()
        .filter_map(|r| Some((r.style?, r.y?)))
        .map(|(style, y)| {
            let place = format!("left:{x:.1}px;top:{y:.1}px;color:{}", colour(style));
            view! { <span class="chart__dot" prop:style=place></span> }
        })
        .collect_view();
    let rows = hover
        .rows
        .into_iter()
        .map(|r| {
            view! {
                <div class="chart__value">
                    {r.style.map(key)}
                    <span class="chart__label">{r.label}</span>
                    <span class="chart__number">{r.value}</span>
                </div>
            }
        })
        .collect_view();
    let right_half = x > f64::from(width) / 2.0;
    let side = if right_half {
        format!("right:{:.1}px;top:{top:.1}px", f64::from(width) - x + 12.0)
    } else {
        format!("left:{:.1}px;top:{top:.1}px", x + 12.0)
    };
    view! {
        <div class="chart__cursor" prop:style=format!("left:{x:.1}px;top:{top:.1}px;height:{:.1}px", bottom - top)></div>
        {dots}
        <div class="chart__tooltip" role="status" prop:style=side>
            <div class="chart__at">{hover.title}</div>
            {rows}
        </div>
    }
}

/// The legend: a switch for each curve.
#[component]
fn Legend(
    entries: Memo<Vec<Entry>>,
    #[prop(into)] hidden: Signal<Vec<String>>,
    live: RwSignal<bool>,
    flip: impl Fn(String) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let buttons = move || {
        entries
            .get()
            .into_iter()
            .map(|entry| {
                let name = entry.key.clone();
                let on = move || !hidden.with(|h| h.contains(&name));
                let name = entry.key;
                view! {
                    <li>
                        <button
                            type="button"
                            class="chart__switch"
                            aria-pressed=move || if on() { "true" } else { "false" }
                            disabled=move || !live.get()
                            on:click=move |_| flip(name.clone())
                        >
                            {key(entry.style)}
                            <span>{entry.label}</span>
                        </button>
                    </li>
                }
            })
            .collect_view()
    };
    view! { <ul class="chart__legend" hidden=move || entries.with(Vec::is_empty)>{buttons}</ul> }
}

/// A style's colour in CSS, light and dark.
fn colour(style: Style) -> String {
    format!("var(--series-{}, {})", style.index, crate::palette::css(LIGHT[style.index % LIGHT.len()]))
}

/// A style's line and marker, as beside names.
pub fn key(style: Style) -> impl IntoView {
    let colour = colour(style);
    let pattern: Vec<String> = style.dash.pattern().iter().map(u32::to_string).collect();
    let marker = match style.marker {
        Marker::Circle => "M15 5a4 4 0 1 1-8 0a4 4 0 1 1 8 0Z",
        Marker::Square => "M7.5 1.5h7v7h-7Z",
        Marker::Triangle => "M11 .8l4.2 7.6h-8.4Z",
        Marker::Diamond => "M11 .4l4.6 4.6-4.6 4.6-4.6-4.6Z",
        Marker::Cross => {
            "M8.6 1.2 11 3.6l2.4-2.4 1.4 1.4L12.4 5l2.4 2.4-1.4 1.4L11 6.4 8.6 8.8 7.2 7.4 9.6 5 7.2 2.6Z"
        }
        Marker::Plus => "M10 .8h2V4h3.2v2H12v3.2h-2V6H6.8V4H10Z",
    };
    view! {
        <svg class="chart__key" viewBox="0 0 22 10" width="22" height="10" aria-hidden="true">
            <path d="M0 5H22" fill="none" stroke=colour.clone() stroke-width="1.7" stroke-dasharray=pattern.join(" ")></path>
            <path d=marker fill=colour></path>
        </svg>
    }
}
