//! The frame of every page.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::base::to;

/// Header with navigation, the page, and the footer.
#[component]
pub fn Layout(children: Children) -> impl IntoView {
    view! {
        <a class="skip-link" href="#main">
            "Skip to the content"
        </a>
        <header class="site-header">
            <div class="site-header__inner">
                <A href=to("/") attr:class="site-header__brand" exact=true>
                    <svg class="site-header__mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
                        <rect width="32" height="32" rx="7" fill="#0f4c5c"></rect>
                        <path
                            d="M5 23c5 0 6-14 11-14s5 9 11 9"
                            fill="none"
                            stroke="#fff"
                            stroke-width="3"
                            stroke-linecap="round"
                        ></path>
                    </svg>
                    "Transferscope"
                </A>
                <nav class="site-nav" aria-label="Main">
                    <A href=to("/") exact=true>
                        "Leaderboard"
                    </A>
                    <A href=to("/new")>"New experiment"</A>
                    <A href=to("/runs")>"Runs"</A>
                    <A href=to("/experiments")>"Experiments"</A>
                    <A href=to("/backbones")>"Backbones"</A>
                    <A href=to("/datasets")>"Data sets"</A>
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
