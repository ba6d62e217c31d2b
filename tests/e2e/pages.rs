//! Every page for everybody: axe-core finds nothing on any of them, in either theme, wide and narrow, with data and
//! without; tables that are wider than their place can be moved by keyboard and show that there is more.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};
use thirtyfour::extensions::cdp::ChromeDevTools;
use transferscope_domain::RunState;
use transferscope_server::{AppState, build_router, web::page_paths};
use transferscope_tests::{
    TINY,
    filled::{Filled, listen},
};

use super::{Browser, Driver, site};

/// axe-core's script; none where it was not fetched.
fn axe() -> Option<String> {
    let given = std::env::var_os("TRANSFERSCOPE_AXE").map(PathBuf::from);
    let newest = || {
        let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
        let folders = std::fs::read_dir(target).ok()?.flatten().map(|e| e.path());
        let mut folders: Vec<PathBuf> = folders
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("axe-core-")))
            .collect();
        folders.sort();
        Some(folders.pop()?.join("package/axe.min.js"))
    };
    match given {
        Some(path) => Some(std::fs::read_to_string(&path).expect("the axe-core that was named can be read")),
        None => std::fs::read_to_string(newest()?).ok(),
    }
}

/// Addresses of every page of the application, by its route.
fn pages(filled: &Filled) -> BTreeMap<&'static str, Vec<String>> {
    let Filled { whole, single, open, case, live, frozen, revoked, snapshots, finished, .. } = filled;
    let runs = || filled.runs.values();
    let some: Vec<String> = finished.iter().take(6).map(ToString::to_string).collect();
    let some = some.join(",");
    BTreeMap::from([
        (
            "/",
            vec![
                "/".into(),
                "/?group=run&mix=1".into(),
                "/?task=segmentation&sort=-mean".into(),
                "/?asof=2001-01-01".into(),
            ],
        ),
        (
            "/new",
            vec![
                "/new".into(),
                "/new?checked=1&seeds=nonsense&tasks=segmentation&epochs=0".into(),
                "/new?preset=paper".into(),
            ],
        ),
        (
            "/runs",
            vec![
                "/runs".into(),
                format!("/runs?experiment={open}"),
                "/runs?state=stopped&task=classification".into(),
            ],
        ),
        (
            "/runs/{id}",
            runs().map(|run| format!("/runs/{run}")).chain(["/runs/nothing-of-this".into()]).collect(),
        ),
        ("/queue", vec!["/queue".into()]),
        ("/backbones", vec!["/backbones".into(), "/backbones?checked=1&name=&epochs=0".into()]),
        (
            "/backbones/{name}",
            vec!["/backbones/provicnet-mini".into(), "/backbones/unet".into(), "/backbones/nothing".into()],
        ),
        ("/datasets", vec!["/datasets".into()]),
        ("/datasets/{name}", vec![format!("/datasets/{TINY}"), "/datasets/nothing".into()]),
        (
            "/datasets/{name}/{case}",
            vec![format!("/datasets/{TINY}/{case}"), format!("/datasets/{TINY}/nothing")],
        ),
        ("/experiments", vec!["/experiments".into()]),
        ("/experiments/compare", vec![format!("/experiments/compare?id={whole}&id={single}")]),
        (
            "/experiments/{id}",
            vec![
                format!("/experiments/{whole}"),
                format!("/experiments/{whole}?against=scratch&alignment=cka&layer=first"),
                format!("/experiments/{single}?against=scratch"),
                format!("/experiments/{open}"),
                "/experiments/nothing".into(),
            ],
        ),
        (
            "/compare",
            vec![
                "/compare".into(),
                format!("/compare?runs={some}"),
                format!("/compare?runs={some}&seeds=1&metric=val/dice"),
                format!("/compare?runs={}", filled.runs[&RunState::Running]),
            ],
        ),
        (
            "/s/{slug}",
            [live, frozen, revoked, &snapshots[0], &snapshots[1]]
                .iter()
                .map(|slug| format!("/s/{slug}"))
                .chain(["/s/nothing-of-this".into()])
                .collect(),
        ),
    ])
}

/// How a page is looked at.
struct Look {
    width: u32,
    dark: bool,
    /// Everything that axe-core can judge, or only the rules that a theme can break.
    everything: bool,
}

/// Both widths and both themes; each in full where the slow checks are asked for.
fn looks() -> Vec<Look> {
    let full = std::env::var_os("TRANSFERSCOPE_FULL").is_some();
    let look = |width, dark, everything| Look { width, dark, everything: everything || full };
    let mut looks = vec![look(1280, false, true), look(1280, true, false), look(500, true, true)];
    if full {
        looks.push(look(500, false, true));
    }
    looks
}

/// A browser that brings axe-core to every page, whatever the page's policy says of scripts.
struct Judge<'a> {
    browser: &'a Browser,
    tools: ChromeDevTools,
}

impl<'a> Judge<'a> {
    async fn new(browser: &'a Browser, axe: &str) -> Self {
        let tools = ChromeDevTools::new(browser.driver.handle.clone());
        let judge = Self { browser, tools };
        judge.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": axe })).await;
        judge
    }

    async fn cdp(&self, command: &str, parameters: Value) {
        let answer = self.tools.execute_cdp_with_params(command, parameters).await;
        answer.unwrap_or_else(|e| panic!("{command}: {e}"));
    }

    async fn look(&self, look: &Look) {
        let size = json!({ "width": look.width, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
        let value = if look.dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// What is wrong with the page that is open, a line a fault.
    async fn faults(&self, everything: bool) -> Vec<String> {
        let rules = if everything { "{}" } else { "{ runOnly: ['color-contrast'] }" };
        // Details that are closed hide what they hold from axe as from a reader: both states count.
        let script = format!(
            "const done = arguments[arguments.length - 1];
             document.querySelectorAll('details').forEach(d => d.open = true);
             requestAnimationFrame(() => requestAnimationFrame(() => axe.run(document, {rules}).then(
               r => done(r.violations.flatMap(v => v.nodes.map(n =>
                 v.id + ': ' + n.target.join(' ') + ' ' + n.html.slice(0, 200) + ' ' + n.any.concat(n.all, n.none).map(c => c.message).join('; ')))),
               e => done(['axe failed: ' + e]))));"
        );
        let found = self.browser.driver.execute_async(&script, Vec::new()).await.expect("axe runs");
        let found = found.json().as_array().cloned().unwrap_or_default();
        found.iter().map(|v| v.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What cannot be reached: a page wider than the screen, or a table that is cut off without a place to move it in.
    async fn unreachable(&self) -> Vec<String> {
        let script = "
            const faults = [];
            const wide = document.documentElement.scrollWidth - window.innerWidth;
            if (wide > 0) faults.push('the page is ' + wide + ' pixels wider than the screen');
            for (const table of document.querySelectorAll('table')) {
              if (!table.offsetParent) continue;
              const name = (table.caption || table.closest('section')?.querySelector('h2,h3') || table).innerText.slice(0, 60);
              let box = table.parentElement;
              while (box && !/auto|scroll|hidden|clip/.test(getComputedStyle(box).overflowX)) box = box.parentElement;
              if (!box || box.scrollWidth <= box.clientWidth + 1) continue;
              if (!/auto|scroll/.test(getComputedStyle(box).overflowX)) { faults.push(name + ': cut off'); continue; }
              if (box.tabIndex < 0) faults.push(name + ': its place cannot be reached by keyboard');
              if (box.getAttribute('role') !== 'region' || !(box.ariaLabel || box.getAttribute('aria-labelledby')))
                faults.push(name + ': its place has no name');
              box.scrollLeft = box.scrollWidth;
              const last = table.querySelector('tr:last-child > :last-child') || table;
              const over = last.getBoundingClientRect().right - box.getBoundingClientRect().right;
              if (over > 1) faults.push(name + ': its last column ends ' + over + ' pixels behind the edge');
              box.scrollLeft = 0;
            }
            return faults;";
        let found = self.browser.js(script).await.as_array().cloned().unwrap_or_default();
        found.iter().map(|v| v.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Opens a page and looks at it in every way.
    async fn judge(&self, url: &str, faults: &mut BTreeMap<String, Vec<String>>) {
        let looks = looks();
        self.look(&looks[0]).await;
        self.browser.open(url).await;
        for look in &looks {
            self.look(look).await;
            let theme = if look.dark { "dark" } else { "light" };
            let mut found = self.faults(look.everything).await;
            found.extend(self.unreachable().await);
            for fault in found {
                faults.entry(fault).or_default().push(format!("{url} ({}, {theme})", look.width));
            }
        }
    }
}

/// Says what is wrong, each fault once with the pages that have it.
fn assert_none(faults: &BTreeMap<String, Vec<String>>) {
    let line = |(fault, pages): (&String, &Vec<String>)| {
        format!("{fault}\n    on {} pages, such as {}", pages.len(), pages[0])
    };
    let lines: Vec<String> = faults.iter().map(line).collect();
    assert!(lines.is_empty(), "{} faults:\n{}", lines.len(), lines.join("\n"));
}

/// What the tests of this file need; none where it is not there and nobody asked for it.
fn prepared() -> Option<(PathBuf, String)> {
    let named = std::env::var_os("TRANSFERSCOPE_SITE_DIR").is_some();
    let prepared = site().and_then(|site| {
        let axe = axe();
        if axe.is_none() {
            println!("no axe-core in the target folder: nothing was tested (cargo xtask test fetches it)");
        }
        Some((site, axe?))
    });
    assert!(prepared.is_some() || !named, "the bundle that was named, or axe-core, is not there");
    prepared
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_keeps_anybody_from_using_a_page() {
    let Some((site, axe)) = prepared() else { return };
    let with_site = |state: AppState| state.with_site(&site);
    let filled = Filled::new(with_site).await;
    let pages = pages(&filled);
    let untried: Vec<String> = page_paths().filter(|path| !pages.contains_key(path.as_str())).collect();
    assert!(untried.is_empty(), "this test does not look at {untried:?}");

    let url = listen(filled.router.clone()).await;
    let driver = Driver::start();
    let browser = driver.browser(1280, false).await;
    let judge = Judge::new(&browser, &axe).await;
    let mut faults = BTreeMap::new();
    // The one-file exports and the answer to an address that leads nowhere are pages too.
    let others = [
        format!("/s/{}/export.html", filled.frozen),
        format!("/s/{}/export.html", filled.snapshots[0]),
        "/no/such/page".into(),
    ];
    for path in pages.values().flatten().chain(&others) {
        judge.judge(&format!("{url}{path}"), &mut faults).await;
    }

    // The page that asks for the token, as a form without one meets it.
    let mut state = filled.state.clone();
    state.token = Some("the-token-of-this-server".into());
    let guarded = listen(build_router(state)).await;
    browser.open(&format!("{guarded}/queue")).await;
    let post = format!(
        "const f = document.createElement('form'); f.method = 'post'; f.action = '/experiments/{}/cancel';
         document.body.append(f); f.submit(); return 0;",
        filled.open
    );
    browser.js(&post).await;
    browser.until("the token is asked for", 10, "document.querySelector('[name=token]')").await;
    for look in looks() {
        judge.look(&look).await;
        for fault in judge.faults(look.everything).await {
            faults.entry(fault).or_default().push("the page that asks for the token".into());
        }
    }
    browser.quit().await;
    assert_none(&faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_keeps_anybody_from_using_an_empty_page() {
    let Some((site, axe)) = prepared() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = transferscope_tests::filled::empty(folder.path()).await.with_site(&site);
    let url = listen(build_router(state)).await;
    let driver = Driver::start();
    let browser = driver.browser(1280, false).await;
    let judge = Judge::new(&browser, &axe).await;
    let mut faults = BTreeMap::new();
    // Pages of one thing have nothing to be about here.
    for path in page_paths().filter(|path| !path.contains('{')) {
        judge.judge(&format!("{url}{path}"), &mut faults).await;
    }
    browser.quit().await;
    assert_none(&faults);
}
