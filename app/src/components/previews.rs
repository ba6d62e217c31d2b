//! Preview pictures: input, target and prediction of a few cases, epoch by epoch.

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_query_map},
};
use transferscope_domain::{RunId, api::PreviewView};

use crate::{base::to, format};

/// Epochs that have pictures, rising and without doubles.
pub fn epochs(previews: &[PreviewView]) -> Vec<f64> {
    let mut all: Vec<f64> = previews.iter().map(|p| p.epoch).filter(|e| e.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

/// An epoch in words: whole epochs without decimals.
pub fn epoch_label(epoch: f64) -> String {
    if epoch == 0.0 { "before training".to_owned() } else { format!("epoch {}", format::significant(epoch)) }
}

/// Address of a preview picture.
pub fn preview_href(id: &RunId, file: &str) -> String {
    // Files are recorded relative to the run directory or to its previews.
    to(&format!("/runs/{id}/previews/{}", file.strip_prefix("previews/").unwrap_or(file)))
}

/// One picture with its caption.
#[component]
pub fn PreviewFigure(id: RunId, preview: PreviewView) -> impl IntoView {
    // What is drawn names its case too, for files that are looked at alone.
    let own = format!("{}, ", preview.case_id);
    let caption = preview.caption.strip_prefix(&own).unwrap_or(&preview.caption).to_owned();
    let alt = format!("{}, {}: {}", preview.case_id, epoch_label(preview.epoch), caption);
    let href = preview_href(&id, &preview.file);
    let source = href.clone();
    view! {
        <figure class="preview">
            <a href=href rel="external" class="preview__link">
                <img class="preview__image" src=source alt=alt loading="lazy" decoding="async" />
            </a>
            <figcaption class="preview__caption">
                <strong>{preview.case_id}</strong>
                " · "
                {epoch_label(preview.epoch)}
                " · "
                {caption}
            </figcaption>
        </figure>
    }
}

/// All cases at one epoch, with a slider over the epochs; the latest unless chosen.
#[component]
pub fn PreviewStrip(id: RunId, #[prop(into)] previews: Signal<Vec<PreviewView>>) -> impl IntoView {
    let query = use_query_map();
    let location = use_location();
    let (path, hash) = (location.pathname, location.hash);
    let navigate = use_navigate();
    let all = Memo::new(move |_| previews.with(|p| epochs(p)));
    let last = move || all.with(|e| e.len().saturating_sub(1));
    let chosen = Memo::new(move |_| {
        let wanted = query.with(|q| q.get("preview").and_then(|text| text.parse::<usize>().ok()));
        wanted.map_or_else(last, |i| i.min(last()))
    });
    let choose = move |text: String| {
        let target = format!("{}?preview={text}{}", path.get_untracked(), hash.get_untracked());
        let options =
            NavigateOptions { resolve: false, replace: true, scroll: false, ..NavigateOptions::default() };
        navigate(&target, options);
    };
    let scripted = RwSignal::new(false);
    Effect::new(move |_| scripted.set(true));
    let label = move || all.with(|e| e.get(chosen.get()).map_or_else(String::new, |e| epoch_label(*e)));
    view! {
        <form class="preview-scrubber" method="get" hidden=move || all.with(|e| e.len() < 2)>
            <label class="preview-scrubber__label">
                "Epoch "
                <input
                    type="range"
                    name="preview"
                    min="0"
                    max=move || last().to_string()
                    step="1"
                    value=chosen.get_untracked().to_string()
                    prop:value=move || chosen.get().to_string()
                    aria-valuetext=label
                    on:input=move |e| choose(event_target_value(&e))
                />
                <output>{label}</output>
            </label>
            <button type="submit" class="button button--small" hidden=move || scripted.get()>
                "Show"
            </button>
        </form>
        <div class="preview-grid">
            {move || {
                let epoch = all.with(|e| e.get(chosen.get()).copied());
                let mut shown: Vec<PreviewView> =
                    previews.with(|p| p.iter().filter(|p| Some(p.epoch) == epoch).cloned().collect());
                shown.sort_by(|a, b| a.case_id.cmp(&b.case_id));
                let id = id.clone();
                shown
                    .into_iter()
                    .map(move |preview| view! { <PreviewFigure id=id.clone() preview=preview /> })
                    .collect_view()
            }}
        </div>
    }
}
