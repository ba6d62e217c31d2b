//! Pages that only the server renders, without scripts. A browser that comes to one by a link inside the application
//! loads it anew.

use leptos::prelude::*;

/// What the browser's program does where only the server has a page: it asks for it. The address bar may still show
/// the page that the link was on.
#[cfg(not(feature = "ssr"))]
pub fn reload() -> impl IntoView {
    let location = leptos_router::hooks::use_location();
    Effect::new(move |_| {
        let (path, search) = (location.pathname.get_untracked(), location.search.get_untracked());
        let mark = if search.is_empty() || search.starts_with('?') { "" } else { "?" };
        let _ = window().location().set_href(&format!("{path}{mark}{search}"));
    });
}

/// A page from content that is on its way.
#[cfg(feature = "ssr")]
pub fn server_page<F>(content: impl Fn() -> F + Send + Sync + 'static) -> impl IntoView
where
    F: Future<Output = Result<super::rendered::Rendered, crate::AppError>> + Send + 'static,
{
    use leptos_meta::Title;

    use super::error_panel::ErrorPanel;

    // No resource: those travel to the browser a second time, for a program that is not there.
    let content = AsyncDerived::new(content);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match content.await {
                    Ok(page) => {
                        view! {
                            <Title text=page.title />
                            <div inner_html=page.html></div>
                        }
                        .into_any()
                    }
                    Err(error) => view! { <ErrorPanel error=error page=true /> }.into_any(),
                }
            })}
        </Suspense>
    }
}
