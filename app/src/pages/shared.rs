//! A shared comparison: the short link that anyone can open.

use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use leptos_router::hooks::use_params_map;
use transferscope_domain::api::ShareView;

use super::compare::Comparison;
use crate::{
    api::compare::shared,
    base::to,
    components::loaded::{Within, loaded},
    format,
    labels::run_title,
};

/// The page.
#[component]
pub fn SharedPage() -> impl IntoView {
    let params = use_params_map();
    let slug = Memo::new(move |_| params.with(|p| p.get("slug").unwrap_or_default()));
    let share = Resource::new(move || slug.get(), shared);
    let host = host();
    loaded(
        share,
        "the shared comparison",
        Within::Nothing,
        move |share| view! { <SharedView share=share host=host.clone() /> },
    )
}

/// Scheme, host and base path by which the page was asked for, as previews of links need them; empty in the browser, where
/// nothing is unfurled.
fn host() -> String {
    #[cfg(feature = "ssr")]
    if let Some(parts) = use_context::<axum::http::request::Parts>() {
        return parts
            .extensions
            .get::<crate::context::SiteUrl>()
            .map(|url| url.0.clone())
            .unwrap_or_default();
    }
    String::new()
}

/// What an unfurled link says about the comparison.
fn description(share: &ShareView) -> String {
    let runs: &[_] = share.data.as_ref().map_or(&[], |d| &d.runs);
    let mut names: Vec<String> = runs
        .iter()
        .take(4)
        .map(|run| {
            let result = run.primary.as_ref().map(|p| {
                let unit = transferscope_domain::MetricKind::of_name(&p.name).map_or("", |k| k.unit());
                format!(
                    ": {} {} {unit}",
                    format::metric_label(&p.name),
                    format::metric_value(&p.name, p.value)
                )
            });
            format!("{}{}", run_title(run), result.unwrap_or_default().trim_end())
        })
        .collect();
    if runs.len() > 4 {
        names.push(format!("and {} more", runs.len() - 4));
    }
    let kind = if share.frozen { "Frozen" } else { "Live" };
    format!("{kind} comparison of {}. {}", format::plural(runs.len() as u64, "run"), names.join("; "))
}

#[component]
fn SharedView(share: ShareView, host: String) -> impl IntoView {
    let n = share.runs.len();
    let slug = share.slug.clone();
    let title = format!("Comparison of {}", format::plural(n as u64, "run"));
    let description = description(&share);
    let created = view! {
        <time datetime=format::date_time_iso(share.created_ms)>{format::date_time(share.created_ms)}</time>
    };
    let kind = if share.frozen {
        view! {
            <p class="share-banner share-banner--frozen">
                <span class="tag tag--frozen">"Frozen"</span>
                " The numbers on this page are those of "
                {created}
                " and do not change. "
                {share.content_hash.clone().map(|h| view! { "Content hash "<code class="hash" title=h.clone()>{format::short_hash(&h).to_owned()}</code>"." })}
            </p>
        }
        .into_any()
    } else {
        view! {
            <p class="share-banner share-banner--live">
                <span class="tag tag--live">"Live"</span>
                " This link was made on "
                {created}
                " and shows the runs as they are now."
            </p>
        }
        .into_any()
    };
    let patients = if share.include_patients {
        "It shows patient data: ids, labels, predictions and images of each case."
    } else {
        "Patient data are left out: cases are numbered, and labels, predictions and images are not shown."
    };
    let again = {
        let ids = share.runs.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(",");
        let mut pairs = vec![("runs".to_owned(), ids)];
        pairs.extend(share.view.clone());
        to(&format!(
            "/compare?{}",
            serde_urlencoded::to_string(pairs).unwrap_or_default().replace("%2C", ",")
        ))
    };
    let data = share.data.clone().unwrap_or_default();
    view! {
        <Title text=title.clone() />
        <Meta property="og:title" content=format!("{title} · Transferscope") />
        <Meta property="og:description" content=description.clone() />
        <Meta property="og:type" content="article" />
        <Meta property="og:image" content=format!("{host}/s/{slug}/preview.png") />
        <Meta name="description" content=description />
        <Meta name="twitter:card" content="summary_large_image" />
        <div class="page__head">
            <div>
                <h1>{title}</h1>
                {kind}
                <p class="quiet">{patients}</p>
            </div>
            <a class="button button--small" href=again>"Open as a comparison"</a>
        </div>
        <Comparison data=data base_view=share.view />
        <form class="section" method="post" action=to(&format!("/s/{slug}/revoke"))>
            {share.frozen.then(|| view! {
                <a class="button" href=to(&format!("/s/{slug}/export.html")) rel="external" download="">"Download as one file"</a>
                " "
            })}
            <button type="submit" class="button">"Revoke this link"</button>
        </form>
    }
}
