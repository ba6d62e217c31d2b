//! The slices of a case: its images side by side, masks over them, one slider for all.
//!
//! Without scripts the form moves through the slices. With them every channel comes as one sheet of all
//! slices, so that a wheel's turn only moves a picture that is there already.

use std::time::Duration;

use leptos::{ev, prelude::*};
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_query_map},
};
use transferscope_domain::dataset::{
    ClassInfo, Contents, MaskInfo,
    view::{CaseDetail, MASK_COLOURS, first_colour},
};

use super::{
    case_table::{case_href, case_rel},
    slice_pane::{SlicePane, Stack, channel_label},
    slice_state::{Shown, Zoom},
};
use crate::{base::to, format};

/// How long the address waits for the slices to come to rest.
const REST: Duration = Duration::from_millis(200);

/// Slices that Page Up and Page Down move.
const PAGE: isize = 5;

/// The viewer of one case.
#[component]
pub fn SliceViewer(detail: CaseDetail) -> impl IntoView {
    let CaseDetail { dataset, case, contents, images, placement, sheet, previous, next, .. } = detail;
    let [slices, height, width] = case.shape;
    let keys = MaskKey::of(&contents, |mask| case.has(mask));
    let masks: Vec<String> = keys.iter().map(|key| key.mask.clone()).collect();
    let first = use_query_map().with_untracked(|q| Shown::of(q, slices, &masks));
    let shown = RwSignal::new(first);
    let stack = Stack {
        base: StoredValue::new(to(&format!(
            "/api/v1/datasets/{dataset}/cases/{}",
            format::path_part(&case.case_id)
        ))),
        hash: StoredValue::new(case.hash.clone()),
        case_id: StoredValue::new(case.case_id.clone()),
        shape: case.shape,
        aspect: width as f64 * case.spacing_mm[2] / (height as f64 * case.spacing_mm[1]),
        sheet,
        placement,
        shown,
        slice: Memo::new(move |_| shown.with(|s| s.slice)),
        opacity: RwSignal::new(80),
        zoom: RwSignal::new(Zoom::WHOLE),
        way: StoredValue::new(0.0),
        live: RwSignal::new(false),
    };
    Effect::new(move |_| stack.live.set(true));
    keep_address(shown);

    let panes = images
        .into_iter()
        .map(|levels| {
            let label = channel_label(&contents, &levels.channel);
            view! { <SlicePane stack=stack levels=levels label=label masks=masks.clone() /> }
        })
        .collect_view();
    let neighbour = move |id: Option<String>, word: &'static str, rel: &'static str| {
        let dataset = dataset.clone();
        id.map(|id| {
            let path = case_href(&dataset, &id);
            let rel = [rel, case_rel(&id).unwrap_or_default()].join(" ");
            view! { <a href=move || format!("{path}?{}", shown.with(Shown::looks)) rel=rel>{word}": "{id}</a> }
        })
    };
    view! {
        <section class="slice-viewer" aria-label="Slices">
            <Controls stack=stack keys=keys />
            <div
                class="slice-panes"
                role="group"
                tabindex="0"
                aria-label="Images. Arrow up and down, Page up and down, Home and End move through the slices; plus and minus zoom"
                on:wheel=move |e| turn(stack, &e)
                on:keydown=move |e| press(stack, &e)
            >
                {panes}
            </div>
            <ZoomBar stack=stack />
            <nav class="pagination" aria-label="Cases">
                {neighbour(previous, "Case before", "prev")}
                {neighbour(next, "Next case", "next")}
            </nav>
        </section>
    }
}

/// Writes what is shown into the address, once it has come to rest.
fn keep_address(shown: RwSignal<Shown>) {
    let (path, navigate) = (use_location().pathname, use_navigate());
    let here = path.get_untracked();
    let mut write = debounce(REST, move |query: String| {
        // Another page may be there by then.
        if path.get_untracked() != here {
            return;
        }
        let options =
            NavigateOptions { resolve: false, replace: true, scroll: false, ..NavigateOptions::default() };
        navigate(&format!("{here}{query}"), options);
    });
    Effect::new(move |before: Option<String>| {
        let query = shown.with(Shown::query);
        if before.is_some_and(|b| b != query) {
            write(query.clone());
        }
        query
    });
}

/// Moves by slices; says whether there was one to move to.
fn step(stack: Stack, by: isize) -> bool {
    let now = stack.slice.get_untracked();
    let to = now.saturating_add_signed(by).min(stack.shape[0].saturating_sub(1));
    if to != now {
        stack.shown.update(|s| s.slice = to);
    }
    to != now
}

/// A wheel over the images: towards the head when turned up, as the slices are counted. At the first and
/// the last slice it scrolls the page again.
fn turn(stack: Stack, e: &ev::WheelEvent) {
    /// Pixels from which on a turn is a wheel's notch, and the way of a touchpad that makes one slice.
    const NOTCH: f64 = 50.0;
    const WAY: f64 = 30.0;
    let delta = e.delta_y();
    if e.ctrl_key() {
        e.prevent_default();
        stack.zoom.update(|z| *z = z.by(if delta < 0.0 { 1.25 } else { 0.8 }));
        return;
    }
    let direction = if delta < 0.0 { 1 } else { -1 };
    if e.delta_mode() != 0 || delta.abs() >= NOTCH {
        stack.way.set_value(0.0);
        if step(stack, direction) {
            e.prevent_default();
        }
        return;
    }
    let way = stack.way.get_value() + delta;
    let at_end = if direction > 0 {
        stack.slice.get_untracked() + 1 >= stack.shape[0]
    } else {
        stack.slice.get_untracked() == 0
    };
    if at_end {
        stack.way.set_value(0.0);
        return;
    }
    e.prevent_default();
    let whole = (way / WAY).trunc();
    stack.way.set_value(way - whole * WAY);
    step(stack, -whole as isize);
}

/// A key over the images; the same directions as those of the slider.
fn press(stack: Stack, e: &ev::KeyboardEvent) {
    // A control inside has its own keys.
    if e.target() != e.current_target() || e.ctrl_key() || e.alt_key() || e.meta_key() {
        return;
    }
    let all = isize::MAX;
    match e.key().as_str() {
        "ArrowUp" => drop(step(stack, 1)),
        "ArrowDown" => drop(step(stack, -1)),
        "PageUp" => drop(step(stack, PAGE)),
        "PageDown" => drop(step(stack, -PAGE)),
        "Home" => drop(step(stack, -all)),
        "End" => drop(step(stack, all)),
        "+" | "=" => stack.zoom.update(|z| *z = z.by(1.25)),
        "-" => stack.zoom.update(|z| *z = z.by(0.8)),
        "0" => stack.zoom.set(Zoom::WHOLE),
        _ => return,
    }
    e.prevent_default();
}

/// A slice in words, with its place along the slice axis.
fn place(stack: Stack) -> String {
    let z = stack.slice.get();
    let at = format::signed(stack.placement.position_mm(z), 1);
    format!("{} of {} · {at} mm", z + 1, stack.shape[0])
}

/// Slice slider and masks: a form that works without scripts.
#[component]
fn Controls(stack: Stack, keys: Vec<MaskKey>) -> impl IntoView {
    view! {
        <form class="slice-controls" method="get">
            <SliceSlider stack=stack />
            <MaskChoices stack=stack keys=keys />
            <button type="submit" class="button button--small" hidden=move || stack.live.get()>
                "Show"
            </button>
        </form>
    }
}

/// The slice in view, and links to its neighbours.
#[component]
fn SliceSlider(stack: Stack) -> impl IntoView {
    let shown = stack.shown;
    let last = stack.shape[0].saturating_sub(1);
    let link = move |by: isize, word: &'static str, rel: &'static str| {
        let href = move || {
            let mut to = shown.get();
            to.slice = to.slice.saturating_add_signed(by).min(last);
            to.query()
        };
        view! {
            <a
                class="button button--small"
                href=href
                rel=rel
                on:click=move |e| {
                    e.prevent_default();
                    step(stack, by);
                }
            >
                {word}
            </a>
        }
    };
    view! {
        <div class="slice-controls__slices">
            {link(-1, "Previous", "prev")}
            <label class="slice-controls__slider">
                <span>"Slice"</span>
                <input
                    type="range"
                    name="z"
                    aria-label="Slice"
                    min="0"
                    max=last.to_string()
                    step="1"
                    value=stack.slice.get_untracked().to_string()
                    prop:value=move || stack.slice.get().to_string()
                    aria-valuetext=move || place(stack)
                    on:input=move |e| {
                        if let Ok(z) = event_target_value(&e).parse::<usize>() {
                            shown.update(|s| s.slice = z.min(last));
                        }
                    }
                />
                <output>{move || place(stack)}</output>
            </label>
            {link(1, "Next", "next")}
        </div>
    }
}

/// Which masks lie over the images, and how they are drawn.
#[component]
fn MaskChoices(stack: Stack, keys: Vec<MaskKey>) -> impl IntoView {
    let shown = stack.shown;
    let none = keys.is_empty();
    let order = StoredValue::new(keys.iter().map(|key| key.mask.clone()).collect::<Vec<_>>());
    let boxes = keys.into_iter().map(|key| mask_box(shown, key, order)).collect_view();
    view! {
        <fieldset class="slice-controls__masks" hidden=none>
            <legend class="visually-hidden">"Masks"</legend>
            // Tells a form with no mask ticked from an address that says nothing of masks.
            <input type="hidden" name="masks" value="" />
            {boxes}
            <label class="slice-controls__choice">
                "as "
                <select
                    name="style"
                    aria-label="Display of masks"
                    prop:value=move || if shown.with(|s| s.tint) { "tint" } else { "outline" }
                    on:change=move |e| shown.update(|s| s.tint = event_target_value(&e) == "tint")
                >
                    <option value="outline" selected=shown.with_untracked(|s| !s.tint)>"outline"</option>
                    <option value="tint" selected=shown.with_untracked(|s| s.tint)>"tint"</option>
                </select>
            </label>
            <Opacity stack=stack />
        </fieldset>
    }
}

/// How far masks cover the images; nothing without scripts.
#[component]
fn Opacity(stack: Stack) -> impl IntoView {
    view! {
        <label class="slice-controls__choice" hidden=move || !stack.live.get()>
            "Opacity "
            <input
                type="range"
                min="10"
                max="100"
                step="5"
                value=stack.opacity.get_untracked().to_string()
                on:input=move |e| {
                    if let Ok(percent) = event_target_value(&e).parse() {
                        stack.opacity.set(percent);
                    }
                }
            />
        </label>
    }
}

/// Zoom, and what else the images answer to; nothing without scripts.
#[component]
fn ZoomBar(stack: Stack) -> impl IntoView {
    let zoom = move |word: &'static str, label: &'static str, factor: f64| {
        view! {
            <button
                type="button"
                class="button button--small"
                aria-label=label
                title=label
                on:click=move |_| stack.zoom.update(|z| *z = z.by(factor))
            >
                {word}
            </button>
        }
    };
    view! {
        <div class="slice-zoom" hidden=move || !stack.live.get()>
            {zoom("−", "Zoom out", 0.8)}
            <output>{move || format!("{:.0} %", stack.zoom.get().factor * 100.0)}</output>
            {zoom("+", "Zoom in", 1.25)}
            <span class="quiet">
                "Over the images: wheel or arrow keys for slices, Ctrl and wheel or + and − to zoom, drag to move."
            </span>
        </div>
    }
}

/// A mask with the colours of its classes.
struct MaskKey {
    mask: String,
    label: String,
    /// Names and colours; no name where it would be that of the mask.
    classes: Vec<(String, Vec<u8>)>,
}

impl MaskKey {
    /// Of the masks that are there, in the order in which they lie over one another.
    fn of(contents: &Contents, there: impl Fn(&str) -> bool) -> Vec<Self> {
        let key = |mask: &MaskInfo| {
            let first = usize::from(first_colour(contents, &mask.name));
            let colour =
                |value: &u8| ((first + usize::from(*value) - 2) % usize::from(MASK_COLOURS)) as u8 + 1;
            let class = |class: &ClassInfo| {
                let alone = mask.classes.len() == 1 && mask.name == class.name.as_str();
                let name = if alone { String::new() } else { class.name.clone() };
                (name, class.values.iter().map(colour).collect())
            };
            Self {
                mask: mask.name.to_string(),
                label: channel_label(contents, &mask.name),
                classes: mask.classes.iter().map(class).collect(),
            }
        };
        let mut keys: Vec<Self> = contents.masks.iter().filter(|m| there(&m.name)).map(key).collect();
        // Below the zones that it consists of.
        keys.sort_by_key(|key| key.mask != "gland");
        keys
    }
}

fn mask_box(shown: RwSignal<Shown>, key: MaskKey, order: StoredValue<Vec<String>>) -> impl IntoView {
    let MaskKey { mask, label, classes } = key;
    let keys = classes
        .into_iter()
        .map(|(name, colours)| {
            let colours = colours.into_iter().map(|colour| {
                view! { <span class=format!("mask-key mask-key--{colour}") aria-hidden="true"></span> }
            });
            view! { {colours.collect_view()}{name} }
        })
        .collect_view();
    let (is, value, toggled) = (mask.clone(), mask.clone(), mask.clone());
    let on = move || shown.with(|s| s.masks.contains(&is));
    view! {
        <label class="slice-controls__choice">
            <input
                type="checkbox"
                name="masks"
                value=value
                checked=shown.with_untracked(|s| s.masks.contains(&mask))
                prop:checked=on
                on:change=move |e| {
                    let checked = event_target_checked(&e);
                    shown.update(|s| {
                        s.masks.retain(|m| *m != toggled);
                        if checked {
                            s.masks.push(toggled.clone());
                        }
                        order.with_value(|order| s.masks.sort_by_key(|m| order.iter().position(|known| known == m)));
                    });
                }
            />
            <span class="slice-controls__mask">{label}</span>
            {keys}
        </label>
    }
}
