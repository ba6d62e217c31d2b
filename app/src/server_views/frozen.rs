//! Pages of experiments that stay as they are: whole documents, made once and kept. They hold results over cases, and of
//! failures what happened: no patient, no case, no folder.

use leptos::prelude::*;
use serde_json::json;
use transferscope_domain::{ShareSlug, api::disclosure::in_short};
use transferscope_study::analysis::Outcome;

use super::{
    experiment::{Experiment, comparison::Comparison, name, scatter},
    markup::with_addresses,
    offline,
};
use crate::{
    base::{at_root, base, to},
    charts::ChartOptions,
    context::{Study, Versus},
    format,
};

/// A page that is to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    pub title: String,
    pub html: String,
    /// What previews of the link show, as SVG.
    pub picture: Option<String>,
    /// The numbers as JSON.
    pub data: String,
}

/// Places in a document for what belongs to its link and not to its content.
const MARKS: [&str; 2] = ["<!--link-head-->", "<!--link-foot-->"];

/// Size of the picture of an unfurled link.
const PICTURE: (u32, u32) = (600, 315);

/// The page of an experiment.
///
/// # Errors
/// When its numbers cannot be written as JSON.
pub fn experiment(slug: &ShareSlug, created_ms: i64, mut study: Study) -> Result<Frozen, serde_json::Error> {
    in_short(&mut study.view.runs);
    let data = json!({
        "experiment": study.view,
        "analysis": study.analysis,
        "backbones": study.backbones,
        "predictions": study.predictions,
    });
    let options = ChartOptions { width: PICTURE.0, height: PICTURE.1, ..ChartOptions::default() };
    let picture = scatter(&study.analysis, &study.backbones, Outcome::Gain, &options);
    let title = name(&study.view);
    frozen(slug, created_ms, title, picture, &data, move || view! { <Experiment study=study frozen=true /> })
}

/// The page of experiments side by side.
///
/// # Errors
/// As [`experiment`].
pub fn comparison(
    slug: &ShareSlug,
    created_ms: i64,
    mut versus: Versus,
) -> Result<Frozen, serde_json::Error> {
    versus.studies.iter_mut().for_each(|study| in_short(&mut study.view.runs));
    let views: Vec<_> = versus.studies.iter().map(|s| &s.view).collect();
    let findings: Vec<_> = versus.studies.iter().map(|s| &s.analysis.findings).collect();
    let data = json!({ "experiments": views, "findings": findings, "networks": versus.networks });
    let title = versus.studies.iter().map(|s| name(&s.view)).collect::<Vec<_>>().join(" and ");
    frozen(slug, created_ms, title, None, &data, move || view! { <Comparison versus=versus frozen=true /> })
}

fn frozen<V: IntoView>(
    slug: &ShareSlug,
    created_ms: i64,
    title: String,
    picture: Option<String>,
    data: &serde_json::Value,
    content: impl FnOnce() -> V,
) -> Result<Frozen, serde_json::Error> {
    let data = serde_json::to_string(data)?;
    let link = format!("/s/{slug}");
    let body = at_root(|| {
        Owner::new().with(|| {
            let page = view! {
                <main class="page">
                    <p class="notice">
                        <span class="tag tag--frozen">"Frozen"</span>
                        {format!(" on {}, as the link ", format::date_time(created_ms))}
                        <code>{link}</code>
                        ". The numbers do not change; they are also in this file, as JSON in the element "
                        <code>"snapshot"</code>
                        " at its end. Transferscope is a research tool, not a medical device."
                    </p>
                    {content()}
                </main>
            };
            page.to_html()
        })
    });
    let html = offline::file(&title, &body, ("snapshot", &data), MARKS);
    Ok(Frozen { title, html, picture, data })
}

/// A kept document as its link shows it: with what an unfurled link says, a way to take it along, and a way to end it.
/// `site` is scheme, host and base path by which it was asked for; its styles carry `nonce`.
pub fn served(html: &str, slug: &ShareSlug, title: &str, site: &str, nonce: &str) -> String {
    let title = format!("{title} · Transferscope, frozen");
    let meta = |property: &'static str, content: String| {
        leptos::html::meta().attr("property", property).content(content)
    };
    let [head, foot] = Owner::new().with(|| {
        let head = view! {
            {meta("og:title", title)}
            {meta("og:type", "article".into())}
            {meta("og:description", "A frozen study of the gain of pre-training: its numbers do not change.".into())}
            {meta("og:image", format!("{site}/s/{slug}/preview.png"))}
        };
        let foot = view! {
            <form class="page section button-row" aria-label="This link" method="post" action=to(&format!("/s/{slug}/revoke"))>
                <a class="button" href=to(&format!("/s/{slug}/export.html")) download="">"Download as one file"</a>
                <a class="button" href=to("/experiments")>"All experiments"</a>
                <button type="submit" class="button">"Revoke this link"</button>
            </form>
        };
        [head.to_html(), foot.to_html()]
    });
    // The document knows nothing of where the site is seen now. The first style is its own: its title is text.
    let html = if base().is_empty() { html.to_owned() } else { with_addresses(html, below_base) };
    html.replacen("<style>", &format!("<style nonce=\"{nonce}\">"), 1)
        .replacen(MARKS[0], &head, 1)
        .replacen(MARKS[1], &foot, 1)
}

/// A kept document as a file: links that lead to this server lead nowhere from a disk.
pub fn exported(html: &str) -> String {
    let html = html.replacen(MARKS[0], "", 1).replacen(MARKS[1], "", 1);
    with_addresses(&html, |_, value| Some(("data-was".to_owned(), value.to_owned())))
}

fn below_base(name: &str, value: &str) -> Option<(String, String)> {
    Some((name.to_owned(), to(value)))
}
