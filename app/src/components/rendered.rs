//! Rendered pages: the server's own views as HTML, see `server_views`.

use std::time::Duration;

use leptos::prelude::*;
use leptos_meta::Title;
use serde::{Deserialize, Serialize};

use super::loaded::{Within, loaded};
use crate::AppError;

/// How long a page that is not final waits before it asks again.
const AGAIN: Duration = Duration::from_secs(2);

/// A page's content, made by the server's own views.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    pub title: String,
    pub html: String,
    /// Whether it says that something is under way.
    pub unfinished: bool,
}

impl Rendered {
    /// A view as HTML.
    #[cfg(feature = "ssr")]
    pub fn new(title: &str, unfinished: bool, view: impl IntoView) -> Self {
        Self { title: title.to_owned(), html: view.into_view().to_html(), unfinished }
    }
}

/// The same as it travels beside the page that shows it already: without the HTML, which hydration leaves as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shown {
    title: String,
    #[serde(skip)]
    html: String,
    unfinished: bool,
}

/// Shows what the server makes of `wanted`, and asks again in a while where it is not final.
pub fn rendered<W, F>(
    wanted: impl Fn() -> W + Send + Sync + 'static,
    ask: impl Fn(W) -> F + Send + Sync + 'static,
    what: &'static str,
) -> impl IntoView
where
    W: PartialEq + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Rendered, AppError>> + Send + 'static,
{
    let data = Resource::new(wanted, move |wanted| {
        let answer = ask(wanted);
        async move { answer.await.map(|Rendered { title, html, unfinished }| Shown { title, html, unfinished }) }
    });
    loaded(data, what, Within::Nothing, move |page: Shown| {
        if page.unfinished {
            Effect::new(move |_| {
                if let Ok(handle) = set_timeout_with_handle(move || data.refetch(), AGAIN) {
                    on_cleanup(move || handle.clear());
                }
            });
        }
        view! {
            <Title text=page.title />
            <div inner_html=page.html></div>
        }
    })
}
