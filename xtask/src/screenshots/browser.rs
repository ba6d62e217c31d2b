//! Headless Chromium through its WebDriver.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::extensions::cdp::ChromeDevTools;
use thirtyfour::{CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use super::{HEIGHT, WIDTH};

/// How long a browser may take to start, and a page to show what is awaited.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time for what is drawn after a page has everything: fonts, charts, the first values of a stream.
const SETTLE: Duration = Duration::from_millis(1500);
/// Quality of the pictures, of 100.
const QUALITY: u32 = 85;

/// A browser with a fresh profile.
pub struct Browser {
    /// Ended after the browser, when this is dropped.
    _driver: Driver,
    browser: WebDriver,
    tools: ChromeDevTools,
    /// Where the browser's log is asked for.
    log: String,
    _profile: TempDir,
}

struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // Nothing to do about a driver that has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Browser {
    /// Starts chromedriver on a free port, and a browser by it.
    ///
    /// # Errors
    /// When either cannot be started.
    pub async fn start() -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0").context("there is no free port")?;
        let port = free.local_addr().context("a port has no number")?.port();
        drop(free);
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = Driver(command.spawn().context("chromedriver cannot be started")?);
        let profile = tempfile::tempdir().context("there is no room for temporary files")?;

        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            &format!("--user-data-dir={}", profile.path().display()),
        ] {
            wanted.add_arg(argument).context("a browser takes arguments")?;
        }
        wanted.set_base_capability("goog:loggingPrefs", json!({ "browser": "ALL" }))?;
        let address = format!("http://127.0.0.1:{port}");
        let start = Instant::now();
        let browser = loop {
            match WebDriver::new(&address, wanted.clone()).await {
                Ok(browser) => break browser,
                Err(error) if start.elapsed() > PATIENCE => {
                    return Err(error).context("no browser can be started");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        let tools = ChromeDevTools::new(browser.handle.clone());
        let size = json!({ "width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false });
        tools.execute_cdp_with_params("Emulation.setDeviceMetricsOverride", size).await?;
        let log = format!("{address}/session/{}/se/log", browser.session_id());
        Ok(Self { _driver: driver, browser, tools, log, _profile: profile })
    }

    /// Opens a page and returns its picture as WebP, with what `top` selects at its upper edge.
    ///
    /// # Errors
    /// When the page does not answer with 200, shows nothing of what is awaited, or complains in the console.
    pub async fn picture(&self, url: &str, awaited: &str, top: Option<&str>, dark: bool) -> Result<Vec<u8>> {
        let theme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.tools.execute_cdp_with_params("Emulation.setEmulatedMedia", media).await?;
        self.browser.goto(url).await?;
        let status = "return performance.getEntriesByType('navigation')[0].responseStatus;";
        let status = self.ask(status, Vec::new()).await?;
        if status != 200 {
            bail!("it answers with {status}");
        }
        let start = Instant::now();
        let is_there =
            "return document.readyState === 'complete' && document.querySelector(arguments[0]) !== null;";
        while self.ask(is_there, vec![awaited.into()]).await? != true {
            if start.elapsed() > PATIENCE {
                bail!("nothing of it is `{awaited}` after {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if let Some(top) = top {
            let scroll = "document.querySelector(arguments[0])?.scrollIntoView(); return null;";
            self.ask(scroll, vec![top.into()]).await?;
        }
        tokio::time::sleep(SETTLE).await;
        let complaints = self.complaints().await?;
        if !complaints.is_empty() {
            bail!("the browser's console complains: {}", complaints.join("; "));
        }
        let how = json!({ "format": "webp", "quality": QUALITY });
        let answer = self.tools.execute_cdp_with_params("Page.captureScreenshot", how).await?;
        let picture = answer["data"].as_str().context("the browser gives no picture")?;
        base64::engine::general_purpose::STANDARD.decode(picture).context("the picture is no base64")
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn quit(self) -> Result<()> {
        self.browser.quit().await.context("the browser does not end")
    }

    async fn ask(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        Ok(self.browser.execute(script, arguments).await?.json().clone())
    }

    /// What the console has called an error since the last call.
    async fn complaints(&self) -> Result<Vec<String>> {
        let http = reqwest::Client::builder().no_proxy().build().context("there is no HTTP client")?;
        let answer = http.post(&self.log).json(&json!({ "type": "browser" })).send().await?;
        let answer: Value = answer.json().await.context("the browser's log is no JSON")?;
        let entries = answer["value"].as_array().context("the browser gives no log")?;
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        Ok(severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }
}
