//! One image of a case: its slice in the patient's proportions, masks over it, and its grey window.

use leptos::{ev, prelude::*, wasm_bindgen::JsCast, web_sys};
use transferscope_domain::dataset::{
    Contents,
    sheet::Sheet,
    view::{Levels, Placement},
};

use super::slice_state::{Shown, Zoom, sheet_style, window_matrix};
use crate::format;

/// What all panes of a case share.
#[derive(Clone, Copy)]
pub struct Stack {
    /// Address of the case in the API.
    pub base: StoredValue<String>,
    pub hash: StoredValue<String>,
    pub case_id: StoredValue<String>,
    /// Voxels, `[D, H, W]`.
    pub shape: [usize; 3],
    /// Width over height of a slice in mm.
    pub aspect: f64,
    pub sheet: Option<Sheet>,
    pub placement: Placement,
    pub shown: RwSignal<Shown>,
    /// The slice alone: it changes far more often than the rest.
    pub slice: Memo<usize>,
    /// 0 to 100.
    pub opacity: RwSignal<u32>,
    pub zoom: RwSignal<Zoom>,
    /// What a touchpad has turned since the last slice, in pixels.
    pub way: StoredValue<f64>,
    /// Whether scripts run.
    pub live: RwSignal<bool>,
}

/// A channel on pages, with the unit of its numbers.
pub fn channel_label(contents: &Contents, channel: &str) -> String {
    let name = match channel {
        "t2w" => "T2-weighted",
        "adc" => "ADC",
        "hbv" => "High b-value",
        "gland" => "Gland",
        "zones" => "Zones",
        "lesion" => "Lesion",
        other => other,
    };
    match contents.image(channel).and_then(|image| image.unit.as_ref()) {
        Some(unit) => format!("{name} [{unit}]"),
        None => name.to_owned(),
    }
}

/// A picture that follows the slice: single slices until the sheet with all of them is there.
#[component]
fn Layer(
    stack: Stack,
    /// Channel and looks, as the API's query says them.
    query: Signal<String>,
) -> impl IntoView {
    let loaded = RwSignal::new(false);
    let source = move |file: String| {
        let hash = stack.hash.get_value();
        format!("{}/{file}.png?{}&hash={hash}", stack.base.get_value(), query.get())
    };
    let [_, height, width] = stack.shape;
    let sheet = move || {
        stack.sheet.filter(|_| stack.live.get()).map(|sheet| {
            view! {
                <img
                    class="slice-sheet"
                    src=move || source("sheet".into())
                    alt=""
                    prop:style=move || sheet_style(sheet, [height, width], stack.slice.get())
                    hidden=move || !loaded.get()
                    on:load=move |_| loaded.set(true)
                    draggable="false"
                />
            }
        })
    };
    view! {
        <img
            class="slice-single"
            src=move || {
                // Once the sheet is there, nothing more is asked for.
                let z = if loaded.get() { stack.slice.get_untracked() } else { stack.slice.get() };
                source(format!("slices/{z}"))
            }
            alt=""
            hidden=move || loaded.get()
            draggable="false"
        />
        {sheet}
    }
}

/// A mask over a slice, while it is chosen.
#[component]
fn Mask(stack: Stack, mask: String) -> impl IntoView {
    let wanted = mask.clone();
    let on = Memo::new(move |_| stack.shown.with(|s| s.masks.contains(&wanted)));
    let channel = format::path_part(&mask);
    // A memo: it must not speak up at every slice.
    let query = Memo::new(move |_| {
        let style = if stack.shown.with(|s| s.tint) { "tint" } else { "outline" };
        format!("channel={channel}&style={style}")
    });
    view! {
        {move || on.get().then(|| view! {
            <div class="slice-layer slice-layer--mask" prop:style=move || format!("opacity:{}%", stack.opacity.get())>
                <Layer stack=stack query=query.into() />
            </div>
        })}
    }
}

/// An image with its masks and controls.
#[component]
pub fn SlicePane(stack: Stack, levels: Levels, label: String, masks: Vec<String>) -> impl IntoView {
    let Levels { channel, range, window: first } = levels;
    let spoken = label.clone();
    let window = RwSignal::new(first);
    let filter = format!("window-{channel}");
    let [low, high] = range;
    let query = Signal::stored(format!("channel={}&low={low}&high={high}", format::path_part(&channel)));
    let over = masks.into_iter().map(|mask| view! { <Mask stack=stack mask=mask /> }).collect_view();
    let edge = |side: &str, letter: char| {
        view! { <span class=format!("slice-edge slice-edge--{side}")>{letter.to_string()}</span> }
    };
    let p = stack.placement;
    let edges = [("left", p.left), ("right", p.right), ("top", p.top), ("bottom", p.bottom)];
    let edges = edges.map(|(side, letter)| edge(side, letter)).collect_view();
    let drag = move |e: ev::PointerEvent| {
        if e.buttons() & 1 == 0 || !stack.zoom.get_untracked().is_enlarged() {
            return;
        }
        let Some(frame) = e.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()) else {
            return;
        };
        let part = |moved: i32, length: i32| f64::from(moved) / f64::from(length.max(1));
        let (dx, dy) =
            (part(e.movement_x(), frame.client_width()), part(e.movement_y(), frame.client_height()));
        stack.zoom.update(|z| *z = z.moved(dx, dy));
    };
    view! {
        <figure class="slice-pane" data-channel=channel.clone()>
            <figcaption class="slice-pane__title">{label.clone()}</figcaption>
            <div
                class="slice-frame"
                class:slice-frame--zoomed=move || stack.zoom.get().is_enlarged()
                role="img"
                aria-label=move || {
                    let id = stack.case_id.get_value();
                    format!("{spoken}, slice {} of {}, case {id}", stack.slice.get() + 1, stack.shape[0])
                }
                on:pointermove=drag
            >
                <svg class="slice-frame__size" viewBox=format!("0 0 {:.2} 100", stack.aspect * 100.0) aria-hidden="true"></svg>
                <div class="slice-stack" prop:style=move || stack.zoom.get().style()>
                    <div class="slice-layer slice-layer--grey" prop:style=format!("filter:url(#{filter})")>
                        <Layer stack=stack query=query />
                    </div>
                    {over}
                </div>
                {edges}
            </div>
            <div hidden inner_html=grey_style(&channel)></div>
            <svg class="slice-pane__filter" width="0" height="0" aria-hidden="true">
                <filter id=filter.clone() color-interpolation-filters="sRGB" x="0" y="0" width="1" height="1">
                    <feColorMatrix r#type="matrix" values=move || window_matrix(range, window.get())></feColorMatrix>
                </filter>
            </svg>
            <WindowSliders label=label range=range first=first window=window live=stack.live />
        </figure>
    }
}

/// The grey window of a page without scripts, which has to come with the page. With scripts it is a property of the
/// layer: the page's policy lets no attribute hold a style.
fn grey_style(channel: &str) -> String {
    let plain = channel.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
    match use_nonce().filter(|_| plain) {
        Some(nonce) => format!(
            "<style nonce=\"{nonce}\">[data-channel=\"{channel}\"] .slice-layer--grey{{filter:url(#window-{channel})}}</style>"
        ),
        None => String::new(),
    }
}

/// Level (the middle) and width of a grey window.
#[component]
fn WindowSliders(
    label: String,
    range: [f64; 2],
    first: [f64; 2],
    window: RwSignal<[f64; 2]>,
    live: RwSignal<bool>,
) -> impl IntoView {
    let [low, high] = range;
    let span = high - low;
    let level = move || window.with(|[a, b]| (a + b) / 2.0);
    let width = move || window.with(|[a, b]| b - a);
    let set = move |level: f64, width: f64| window.set([level - width / 2.0, level + width / 2.0]);
    let slider = move |name: &'static str, from: f64, to: f64, value: Signal<f64>, put: Callback<f64>| {
        let text = move || format::significant(value.get());
        view! {
            <label class="slice-window__slider">
                <span>{name}</span>
                <input
                    type="range"
                    min=from.to_string()
                    max=to.to_string()
                    step=(span / 250.0).to_string()
                    value=value.get_untracked().to_string()
                    prop:value=move || value.get().to_string()
                    aria-label=format!("{name} of the grey window, {label}")
                    aria-valuetext=text
                    on:input=move |e| {
                        if let Ok(value) = event_target_value(&e).parse() {
                            put.run(value);
                        }
                    }
                />
                <output>{text}</output>
            </label>
        }
    };
    view! {
        <div class="slice-window" hidden=move || !live.get()>
            {slider.clone()("Level", low, high, Signal::derive(level), Callback::new(move |v| set(v, width())))}
            {slider("Width", span / 100.0, span, Signal::derive(width), Callback::new(move |v| set(level(), v)))}
            <button
                type="button"
                class="slice-window__reset"
                hidden=move || window.get() == first
                on:click=move |_| window.set(first)
            >
                "Reset grey levels"
            </button>
        </div>
    }
}
