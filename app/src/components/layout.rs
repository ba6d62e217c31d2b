//! The frame of every page.

use leptos::prelude::*;
use leptos_router::components::A;

/// Header with navigation, the page, and the footer.
#[component]
pub fn Layout(children: Children) -> impl IntoView {
    view! {
        <a class="skip-link" href="#main">
            "Skip to the content"
        </a>
        <header class="site-header">
            <div class="site-header__inner">
                <A href="/" attr:class="site-header__brand" exact=true>
                    "Transferscope"
                </A>
                <nav class="site-nav" aria-label="Main">
                    <A href="/" exact=true>
                        "Leaderboard"
                    </A>
                    <A href="/new">"New experiment"</A>
                    <A href="/runs">"Runs"</A>
                </nav>
                <button type="button" class="theme-toggle" data-theme-toggle="" title="Switch between light and dark">
                    <span class="visually-hidden">"Switch between light and dark"</span>
                </button>
            </div>
        </header>
        <main id="main" class="page" tabindex="-1">
            {children()}
        </main>
        <footer class="site-footer">
            <p>"Transferscope is a research tool, not a medical device."</p>
        </footer>
    }
}
