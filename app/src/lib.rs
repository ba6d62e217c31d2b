//! The pages of Transferscope, rendered on the server and brought to life in the browser.
//!
//! Features: `ssr` (the server renders pages and runs server functions over the store) and
//! `hydrate` (the browser takes the pages over). A page reads its whole state from the URL,
//! fetches through [`api`], and hands plain data to [`components`]; it reads and its forms
//! submit without scripts too. Nothing in markup depends on a clock or on chance: relative
//! times are computed from a time that travels with the data.
//! Start reading at [`App`] (the routes), then at one of [`pages`].

// Views are deep nested types.
#![recursion_limit = "512"]

#[cfg(not(erase_components))]
compile_error!(
    "build with `--cfg erase_components`: .cargo/config.toml sets it, RUSTFLAGS from the environment must repeat it"
);

pub mod address;
pub mod api;
pub mod base;
pub mod charts;
pub mod components;
pub mod context;
pub mod data;
pub mod downsample;
pub mod error;
pub mod format;
pub mod labels;
pub mod live;
pub mod pages;
pub mod palette;
#[cfg(feature = "ssr")]
pub mod server_views;
mod shell;

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

pub use context::{Catalogue, SiteAssets};
pub use error::AppError;
pub use shell::shell;

use components::layout::Layout;
use pages::{
    backbone::BackbonePage,
    backbones::BackbonesPage,
    case::CasePage,
    compare::ComparePage,
    dataset::DatasetPage,
    datasets::DatasetsPage,
    experiments::{ComparedExperimentsPage, ExperimentPage, ExperimentsPage},
    leaderboard::LeaderboardPage,
    new_experiment::NewExperimentPage,
    not_found::NotFound,
    queue::QueuePage,
    run::RunPage,
    runs::RunsPage,
    shared::SharedPage,
};

/// What stands in the title bar for a page of a title. The server writes it into the document as it is, so there it has
/// to be HTML; every page's title comes through here.
fn whole_title(title: String) -> String {
    let whole =
        if title.is_empty() { "Transferscope".to_owned() } else { format!("{title} · Transferscope") };
    #[cfg(feature = "ssr")]
    let whole = format::html(&whole);
    whole
}

/// The application: frame and route table. Every route waits for its data on the server, so
/// that the page is whole for readers without scripts.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Title formatter=whole_title />
        <Router base=base::base()>
            <Layout>
                <Routes fallback=NotFound>
                    <Route path=path!("/") view=LeaderboardPage ssr=SsrMode::Async />
                    <Route path=path!("/new") view=NewExperimentPage ssr=SsrMode::Async />
                    <Route path=path!("/runs") view=RunsPage ssr=SsrMode::Async />
                    <Route path=path!("/runs/:id") view=RunPage ssr=SsrMode::Async />
                    <Route path=path!("/queue") view=QueuePage ssr=SsrMode::Async />
                    <Route path=path!("/backbones") view=BackbonesPage ssr=SsrMode::Async />
                    <Route path=path!("/backbones/:name") view=BackbonePage ssr=SsrMode::Async />
                    <Route path=path!("/datasets") view=DatasetsPage ssr=SsrMode::Async />
                    <Route path=path!("/datasets/:name") view=DatasetPage ssr=SsrMode::Async />
                    <Route path=path!("/datasets/:name/:case") view=CasePage ssr=SsrMode::Async />
                    <Route path=path!("/experiments") view=ExperimentsPage ssr=SsrMode::Async />
                    <Route path=path!("/experiments/compare") view=ComparedExperimentsPage ssr=SsrMode::Async />
                    <Route path=path!("/experiments/:id") view=ExperimentPage ssr=SsrMode::Async />
                    <Route path=path!("/compare") view=ComparePage ssr=SsrMode::Async />
                    <Route path=path!("/s/:slug") view=SharedPage ssr=SsrMode::Async />
                </Routes>
            </Layout>
        </Router>
    }
}
