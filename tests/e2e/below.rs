//! The product behind a proxy, below a path: the bundle loads, pages come to life, links inside the application and the
//! streams stay below.

use thirtyfour::prelude::*;
use transferscope_domain::{RunState, api::RunList};
use transferscope_tests::{
    RUN_PATIENCE, TestServer,
    reverse_proxy::{ReverseProxy, Way},
    tiny_spec,
};

use super::{Driver, site};

#[tokio::test(flavor = "multi_thread")]
async fn below_a_path_everything_works_as_at_the_root() {
    let Some(site) = site() else { return };
    let site = site.display().to_string();
    let proxy = ReverseProxy::start("/lab/ts", Way { strips: true, keeps_host: false }).await;
    let server = TestServer::start_with(&["--site-dir", &site, "--public-url", &proxy.url]).await;
    proxy.leads_to(&server.url);
    let run = server.submit_one(tiny_spec("provicnet-mini", "segmentation", "scratch", 2)).await;
    let driver = Driver::start();
    let browser = driver.browser(1280, false).await;

    // Client-side navigation: the page is not loaded anew.
    browser.open(&format!("{}/runs", proxy.url)).await;
    browser.until("scripts run", 20, "document.querySelector('a[href=\"/lab/ts/\"]')").await;
    browser.js("window.unreloaded = true; return 0;").await;
    let link = format!("tbody a[href='/lab/ts/runs/{run}']");
    browser.until("the run", 20, &format!("document.querySelector(\"{link}\")")).await;
    browser.driver.find(By::Css(&link)).await.expect("the run").click().await.expect("it can be clicked");
    browser.until("its page", 20, &format!("location.pathname === '/lab/ts/runs/{run}'")).await;
    browser.until("a chart is drawn", 60, "document.querySelector('canvas')").await;
    assert_eq!(browser.js("return window.unreloaded === true;").await, true, "a page was loaded anew");
    browser
        .until(
            "it succeeds before our eyes",
            200,
            "document.body.innerText.toLowerCase().includes('succeeded')",
        )
        .await;
    server.wait_state(&run, RunState::Succeeded, RUN_PATIENCE).await;
    browser.assert_quiet("the run").await;
    browser.js("document.querySelector(\"a[href='/lab/ts/datasets']\").click(); return 0;").await;
    browser
        .until("the data sets", 20, "document.querySelector('tbody th a[href=\"/lab/ts/datasets/tiny\"]')")
        .await;
    browser.js("document.querySelector('tbody th a').click(); return 0;").await;
    browser.until("the data set", 20, "document.querySelector('#cases tbody th a')").await;
    browser.js("document.querySelector('#cases tbody th a').click(); return 0;").await;
    browser.until("the slices", 30, "document.querySelectorAll('.slice-sheet').length >= 3").await;
    browser
        .driver
        .find(By::Css(".slice-panes"))
        .await
        .expect("images")
        .send_keys(Key::Up)
        .await
        .expect("a key");
    browser.until("the address follows below the path", 5, "location.search.includes('z=9&')").await;
    browser.until("the path stays", 5, "location.pathname.startsWith('/lab/ts/datasets/tiny/')").await;
    assert_eq!(browser.js("return window.unreloaded === true;").await, true, "a page was loaded anew");
    browser.assert_quiet("the viewer").await;

    // A form of a page, and what it leads to.
    let list: RunList = server.get("/api/v1/runs").await;
    browser.open(&format!("{}/compare?runs={}", proxy.url, list.runs[0].id)).await;
    browser.until("a chart", 20, "document.querySelector('canvas')").await;
    browser.js("document.querySelector(\"form[action='/lab/ts/compare/share'] button[type=submit]\").click(); return 0;").await;
    browser.until("the shared page", 20, "location.pathname.startsWith('/lab/ts/s/')").await;
    browser.until("its chart", 20, "document.querySelector('canvas')").await;
    browser.assert_quiet("the shared page").await;
    browser.quit().await;
}
