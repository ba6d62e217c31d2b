//! The HTML document around the application.

use leptos::prelude::*;
use leptos_meta::MetaTags;

use crate::{
    App, SiteAssets,
    base::{base, to},
};

/// Applies the stored theme before the first paint and switches it; works without the bundle.
/// Charts listen to `themechange` on the document.
const THEME: &str = "(()=>{const d=document,r=d.documentElement,k='theme';\
const set=t=>{if(t==='light'||t==='dark')r.dataset.theme=t};\
try{set(localStorage.getItem(k))}catch{}\
d.addEventListener('click',e=>{const b=e.target.closest&&e.target.closest('[data-theme-toggle]');if(!b)return;\
const now=r.dataset.theme||(matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light');\
const next=now==='dark'?'light':'dark';set(next);\
try{localStorage.setItem(k,next)}catch{}\
d.dispatchEvent(new CustomEvent('themechange',{detail:next}))})})()";

/// The document: head, styles, the browser bundle named by [`SiteAssets`] from context, and the
/// application. Without `SiteAssets` in context, and on pages that only the server renders, the page is plain HTML.
pub fn shell() -> impl IntoView {
    let assets = use_context::<SiteAssets>();
    let live = !server_only();
    let bundle = assets.as_ref().filter(|_| live).map(|a| {
        format!(
            "import init, {{ hydrate }} from '{}'; init({{ module_or_path: '{}' }}).then(() => hydrate());",
            to(&format!("/pkg/{}", a.js)),
            to(&format!("/pkg/{}", a.wasm)),
        )
    });
    view! {
        <!DOCTYPE html>
        <html lang="en" data-base=(!base().is_empty()).then(base)>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href=FAVICON />
                {assets
                    .map(|a| {
                        view! {
                            <link rel="stylesheet" href=to(&format!("/pkg/{}", a.css)) />
                            {live
                                .then(|| {
                                    view! {
                                        <link rel="modulepreload" nonce=use_nonce() href=to(&format!("/pkg/{}", a.js)) />
                                        <link
                                            rel="preload"
                                            href=to(&format!("/pkg/{}", a.wasm))
                                            r#as="fetch"
                                            r#type="application/wasm"
                                            crossorigin="anonymous"
                                        />
                                    }
                                })}
                        }
                    })}
                <script nonce=use_nonce() inner_html=THEME></script>
                {bundle.map(|code| view! { <script type="module" nonce=use_nonce() inner_html=code></script> })}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Whether the page that is asked for is one that only the server renders; the browser's program knows none of them.
fn server_only() -> bool {
    #[cfg(feature = "ssr")]
    let path = use_context::<axum::http::request::Parts>().map(|parts| parts.uri.path().to_owned());
    #[cfg(not(feature = "ssr"))]
    let path: Option<String> = None;
    path.is_some_and(|p| p == "/queue" || p == "/experiments" || p.starts_with("/experiments/"))
}

/// A small scope trace; a data URL, so that no request is needed.
const FAVICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E\
%3Crect width='32' height='32' rx='7' fill='%230f4c5c'/%3E\
%3Cpath d='M5 23c5 0 6-14 11-14s5 9 11 9' fill='none' stroke='%23fff' stroke-width='3' stroke-linecap='round'/%3E\
%3C/svg%3E";
