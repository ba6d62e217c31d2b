//! The product in a real browser, as a stranger meets it: headless Chromium against the real server with
//! real workers. Fails on anything that the browser's console calls an error.

#[path = "e2e/below.rs"]
mod below;
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/pages.rs"]
mod pages;
#[path = "e2e/viewer.rs"]
mod viewer;

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use thirtyfour::{ChromiumLikeCapabilities, prelude::*};
use transferscope_domain::api::RunList;
use transferscope_tests::TestServer;

/// The bundle that the pages need; none where it was not built.
fn site() -> Option<PathBuf> {
    if std::env::var_os("TRANSFERSCOPE_SKIP_BROWSER").is_some() {
        println!("left to the browser's own turn of cargo xtask test");
        return None;
    }
    let given = std::env::var_os("TRANSFERSCOPE_SITE_DIR").map(PathBuf::from);
    let site = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/site"));
    if site.join("pkg/manifest.json").is_file() {
        return Some(site);
    }
    println!("no browser bundle at {}: nothing was tested (make it with cargo xtask build)", site.display());
    None
}

/// A chromedriver of this test's own.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("it has an address").port();
        drop(free);
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        Self { child, port }
    }

    /// A browser with a fresh profile; `dark` for people who prefer a dark theme.
    async fn browser(&self, width: u32, dark: bool) -> Browser {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut wanted = DesiredCapabilities::chrome();
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--disable-dev-shm-usage".into(),
            format!("--window-size={width},1000"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0".into());
        }
        for argument in arguments {
            wanted.add_arg(&argument).expect("an argument is a text");
        }
        let logs = serde_json::json!({ "browser": "ALL" });
        wanted.set_base_capability("goog:loggingPrefs", logs).expect("a capability is JSON");
        let start = Instant::now();
        let driver = loop {
            match WebDriver::new(format!("http://127.0.0.1:{}", self.port), wanted.clone()).await {
                Ok(driver) => break driver,
                Err(e) if start.elapsed() > Duration::from_secs(30) => panic!("no browser: {e}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        Browser { driver, port: self.port, _profile: profile }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nothing to do about a driver that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Browser {
    driver: WebDriver,
    port: u16,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn open(&self, url: &str) {
        self.driver.goto(url).await.expect("the page opens");
    }

    async fn js(&self, script: &str) -> serde_json::Value {
        self.driver.execute(script, Vec::new()).await.expect("the script runs").json().clone()
    }

    /// Waits until a script gives true.
    async fn until(&self, what: &str, patience: u64, script: &str) {
        let start = Instant::now();
        loop {
            if self.js(&format!("return Boolean({script});")).await == true {
                return;
            }
            if start.elapsed() > Duration::from_secs(patience) {
                let text = self.js("return location.href + '\\n' + document.body.innerText;").await;
                panic!("{what}: not so after {patience} s on {}", text.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn text(&self) -> String {
        self.js("return document.body.innerText;").await.as_str().unwrap_or_default().to_owned()
    }

    /// What the console called an error or a warning about hydration since the last call.
    async fn complaints(&self) -> Vec<String> {
        let session = self.driver.session_id().to_string();
        let url = format!("http://127.0.0.1:{}/session/{session}/se/log", self.port);
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let answer = http.post(url).json(&serde_json::json!({ "type": "browser" })).send().await;
        let answer: serde_json::Value = answer.expect("the driver answers").json().await.expect("JSON");
        let entries = answer["value"].as_array().expect("a log").clone();
        let text = |e: &serde_json::Value| e["message"].as_str().unwrap_or_default().to_owned();
        entries
            .iter()
            .filter(|e| e["level"] == "SEVERE" || text(e).to_lowercase().contains("hydrat"))
            .map(text)
            .collect()
    }

    async fn assert_quiet(&self, page: &str) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "the console complains on {page}: {complaints:#?}");
    }

    async fn assert_fits(&self, page: &str) {
        let over = self.js("return document.documentElement.scrollWidth - window.innerWidth;").await;
        assert!(over.as_i64().unwrap_or(1) <= 0, "{page} is {over} pixels wider than the screen");
    }

    async fn quit(self) {
        self.driver.quit().await.expect("the browser ends");
    }
}

/// From the empty board to a frozen link in another person's browser.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_starts_an_experiment_and_shares_the_comparison() {
    let Some(site) = site() else {
        // `cargo xtask test` names the bundle when the browser's turn has come.
        assert!(
            std::env::var_os("TRANSFERSCOPE_SITE_DIR").is_none(),
            "the bundle that was named is not there"
        );
        return;
    };
    let site = site.display().to_string();
    let server = TestServer::start_with(&["--site-dir", &site]).await;
    let driver = Driver::start();
    let browser = driver.browser(1280, false).await;

    browser.open(&server.url).await;
    assert!(browser.text().await.contains("New experiment"));
    browser.assert_quiet("the empty leaderboard").await;

    // A wrong field is named at the field; nothing starts.
    let wrong = "backbones=provicnet-mini&tasks=super-resolution&arms=pretrained&arms=scratch&dataset=tiny&seeds=nonsense&epochs=2";
    let no_script = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("an HTTP client");
    let form = |body: &str| {
        no_script
            .post(format!("{}/new", server.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
            .send()
    };
    let answer = form(wrong).await.expect("an answer");
    assert_eq!(answer.status(), 303);
    let back = answer.headers()["location"].to_str().expect("a text").to_owned();
    browser.open(&format!("{}{back}", server.url)).await;
    browser
        .until("the seeds' message is shown", 10, "document.body.innerText.includes('is not a seed')")
        .await;
    let described = "document.querySelector('[name=seeds]').getAttribute('aria-invalid') === 'true'";
    browser.until("the field is marked", 10, described).await;
    browser.assert_quiet("the form with an error").await;

    // Mended and submitted as a person would.
    let seeds = browser.driver.find(By::Name("seeds")).await.expect("the field");
    seeds.clear().await.expect("it can be emptied");
    seeds.send_keys("0").await.expect("it can be filled");
    let start =
        browser.driver.find(By::Css("form[action='/new'] button[type=submit]")).await.expect("the button");
    start.click().await.expect("it can be pressed");
    browser.until("the runs are listed", 20, "location.pathname === '/runs'").await;
    browser.assert_quiet("the queue").await;
    let list: RunList = server.get("/api/v1/runs").await;
    assert_eq!(list.runs.len(), 2, "one seed, one task, two arms");
    let id = list.runs.iter().min_by_key(|r| r.created_ms).expect("two runs").id.clone();

    // The run's page follows without reloading.
    browser.open(&format!("{}/runs/{id}", server.url)).await;
    browser.js("window.unreloaded = true; return 0;").await;
    browser.until("a chart is drawn", 90, "document.querySelector('canvas')").await;
    browser
        .until(
            "it succeeds before our eyes",
            300,
            "document.body.innerText.toLowerCase().includes('succeeded')",
        )
        .await;
    assert_eq!(browser.js("return window.unreloaded === true;").await, true, "the page was reloaded");
    browser.assert_quiet("the run").await;
    let patience = Duration::from_secs(300);
    for run in &list.runs {
        server.wait_state(&run.id, transferscope_domain::RunState::Succeeded, patience).await;
    }

    // Both arms on the board; compared; shared as they are.
    browser.open(&server.url).await;
    browser.until("two rows", 10, "document.querySelectorAll('input[name=runs]').length === 2").await;
    browser.js("document.querySelectorAll('input[name=runs]').forEach(b => b.click()); return 0;").await;
    browser
        .js("document.querySelector('#compare-form button, button[form=compare-form]').click(); return 0;")
        .await;
    browser.until("the comparison", 20, "location.pathname === '/compare'").await;
    browser.until("a chart", 20, "document.querySelector('canvas')").await;
    browser.assert_quiet("the comparison").await;
    browser.js("document.querySelector(\"form[action='/compare/share'] button[type=submit]\").click(); return 0;").await;
    browser.until("the shared page", 20, "location.pathname.startsWith('/s/')").await;
    let link = browser.js("return location.href;").await.as_str().expect("a link").to_owned();
    browser.assert_quiet("the shared page").await;

    // The experiment as a whole, and the queue: pages without scripts that a link inside the application reaches.
    browser.open(&format!("{}/runs", server.url)).await;
    browser.js("document.querySelector(\"a[href='/experiments']\").click(); return 0;").await;
    browser.until("the experiment", 20, "document.querySelector('tbody a[href^=\"/experiments/\"]')").await;
    browser.js("document.querySelector('tbody a[href^=\"/experiments/\"]').click(); return 0;").await;
    let told = "document.body.innerText.includes('2 of 2 runs have a result')";
    browser.until("what the runs say", 20, told).await;
    let text = browser.text().await;
    for part in ["What the numbers say", "Results and missing runs", "Gain of pre-training", "Convergence"] {
        assert!(text.contains(part), "{part} is not on the experiment's page:\n{text}");
    }
    browser.js("document.querySelector('select[name=against]').value = 'scratch'; document.querySelector('form.filters button').click(); return 0;").await;
    browser.until("the choice in the address", 20, "location.search.includes('against=scratch')").await;
    browser.assert_quiet("the experiment").await;
    // Kept as it is, by its button.
    browser
        .js("document.querySelector('form[action=\"/experiments/freeze\"] button').click(); return 0;")
        .await;
    browser.until("the frozen page", 20, "location.pathname.startsWith('/s/')").await;
    assert!(browser.text().await.contains("2 of 2 runs have a result"), "{}", browser.text().await);
    browser.assert_quiet("the frozen experiment").await;
    let frozen = browser.js("return location.pathname;").await.as_str().expect("a path").to_owned();
    browser.open(&format!("{}/queue", server.url)).await;
    browser.until("an empty queue", 10, "document.body.innerText.includes('Nothing is queued')").await;
    browser.assert_quiet("the order of the queue").await;
    let experiment = list.runs[0].experiment.clone().expect("the run belongs to an experiment");

    // Beside another one that has just been asked for.
    let next = server
        .submit(transferscope_tests::tiny_spec("provicnet-mini", "super-resolution", "scratch", 1))
        .await;
    browser.open(&format!("{}/experiments", server.url)).await;
    browser.until("both", 20, "document.querySelectorAll('input[name=id]').length === 2").await;
    browser.js("document.querySelectorAll('input[name=id]').forEach(i => i.click()); document.querySelector('#compare-experiments button').click(); return 0;").await;
    browser.until("both side by side", 20, "document.body.innerText.includes('Experiments compared')").await;
    browser.assert_quiet("experiments side by side").await;
    let compared = browser.js("return location.pathname + location.search;").await;
    let compared = compared.as_str().expect("an address").to_owned();
    server.wait_state(&next.runs[0].id, transferscope_domain::RunState::Succeeded, patience).await;

    // A backbone of one's own, from the form to its card.
    browser.open(&format!("{}/backbones", server.url)).await;
    browser.until("the shipped backbones", 10, "document.querySelectorAll('tbody tr').length >= 2").await;
    browser.assert_quiet("the backbones").await;
    let fill = "const f = document.querySelector(\"form[action='/backbones/pretrain']\"); \
                f.querySelector('details').open = true; f.elements.name.value = 'mine'; \
                f.elements.epochs.value = '1'; f.querySelector('button[type=submit]').click(); return 0;";
    browser.js(fill).await;
    browser.until("the pre-training's page", 20, "location.pathname.startsWith('/runs/')").await;
    let made = browser.js("return location.pathname.split('/').pop();").await;
    let made = made.as_str().and_then(|id| id.parse().ok()).expect("the id of a run");
    server.wait_state(&made, transferscope_domain::RunState::Succeeded, patience).await;
    browser.open(&format!("{}/runs/{made}", server.url)).await;
    browser.until("a chart", 20, "document.querySelector('canvas')").await;
    browser.assert_quiet("the pre-training").await;
    browser.open(&format!("{}/backbones/mine", server.url)).await;
    browser.until("its making", 10, "document.body.innerText.includes('How it was made')").await;
    browser.until("its curve", 20, "document.querySelector('canvas')").await;
    browser.assert_quiet("the new backbone").await;
    browser.quit().await;

    // Another person: a fresh profile, dark, a telephone's width.
    let other = driver.browser(500, true).await;
    other.open(&link).await;
    other.until("a chart", 20, "document.querySelector('canvas')").await;
    let text = other.text().await;
    for run in &list.runs {
        let value = server.run(&run.id).await.run.primary.expect("a result").value;
        assert!(text.contains(&format!("{value:.2}")), "{value:.2} is not on the shared page:\n{text}");
    }
    assert!(text.to_lowercase().contains("frozen"), "{text}");
    let experiment = format!("/experiments/{experiment}");
    let pages = [
        link.as_str(),
        "/",
        "/new",
        "/runs",
        "/queue",
        "/experiments",
        &experiment,
        &compared,
        &frozen,
        "/backbones",
        "/backbones/mine",
    ];
    for page in pages {
        let url = if page.starts_with('/') { format!("{}{page}", server.url) } else { page.to_owned() };
        other.open(&url).await;
        other.assert_fits(page).await;
    }
    other.assert_quiet("the pages on a narrow dark screen").await;
    other.quit().await;

    // Without scripts the pages read and the form is a form.
    let (status, html) = server.get_raw("/").await;
    assert!(status == 200 && html.contains("<table"), "the board without scripts");
    let (status, html) = server.get_raw("/new").await;
    assert!(status == 200 && html.contains("action=\"/new\""), "the form without scripts");
}
