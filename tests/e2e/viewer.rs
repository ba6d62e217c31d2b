//! Data sets as a person looks at them: from the list to a slice, by keys, wheel and mouse.

use thirtyfour::prelude::*;
use transferscope_tests::TestServer;

use super::{Browser, Driver, site};

impl Browser {
    async fn click(&self, what: &str, css: &str) {
        let found = self.driver.find(By::Css(css)).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        found.click().await.unwrap_or_else(|e| panic!("{what} cannot be clicked: {e}"));
    }

    async fn press(&self, keys: impl IntoIterator<Item = Key>) {
        let panes = self.driver.find(By::Css(".slice-panes")).await.expect("the images");
        for key in keys {
            panes.send_keys(key).await.expect("a key can be pressed");
        }
    }
}

/// Which slice the slider says, and the address.
const SLICE: &str = "document.querySelector('[name=z]').value";

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_is_looked_through() {
    let Some(site) = site() else { return };
    let site = site.display().to_string();
    let server = TestServer::start_with(&["--site-dir", &site]).await;
    let driver = Driver::start();
    let browser = driver.browser(1280, false).await;

    // The list, its check without reloading, the data set, a case.
    browser.open(&format!("{}/datasets", server.url)).await;
    browser.js("window.unreloaded = true; return 0;").await;
    let checked = "document.querySelector('td > .tag--good, td > .tag--warn')";
    browser.until("the check has ended", 60, checked).await;
    browser.assert_quiet("the data sets").await;
    browser.click("the data set", "tbody th a").await;
    browser.until("the data set's page", 20, "location.pathname === '/datasets/tiny'").await;
    browser.until("its cases", 20, "document.querySelectorAll('#cases tbody tr').length === 6").await;
    assert!(browser.text().await.to_lowercase().contains("synthetic data"), "phantoms are called so");
    browser.click("the test cases", "#cases nav a[href*='split=test']").await;
    browser.until("one test case", 20, "document.querySelectorAll('#cases tbody tr').length === 1").await;
    browser.assert_quiet("the data set").await;
    browser.click("the case", "#cases tbody th a").await;
    let sheets = "document.querySelectorAll('.slice-sheet').length >= 3 && !document.querySelector('.slice-single:not([hidden])')";
    browser.until("all slices of all images and masks", 30, sheets).await;
    assert_eq!(browser.js("return window.unreloaded === true;").await, true, "a page was loaded anew");

    // Keys, with the place in the address; the middle slice first.
    browser.until("the middle slice", 5, &format!("{SLICE} === '8'")).await;
    browser.press([Key::Up, Key::Up]).await;
    browser.until("two slices up", 5, &format!("{SLICE} === '10'")).await;
    browser.until("the address follows", 5, "location.search.includes('z=10&')").await;
    browser.press([Key::End]).await;
    browser.until("the last slice", 5, &format!("{SLICE} === '15'")).await;
    browser.press([Key::PageDown, Key::Down]).await;
    browser.until("six slices down", 5, &format!("{SLICE} === '9'")).await;
    let wheel = "document.querySelector('.slice-panes').dispatchEvent(new WheelEvent('wheel', \
                 {deltaY: 100, bubbles: true, cancelable: true})); return 0;";
    browser.js(wheel).await;
    browser.until("the wheel moves as well", 5, &format!("{SLICE} === '8'")).await;
    let requests = "performance.getEntriesByType('resource').filter(e => e.name.includes('.png')).length";
    let before = browser.js(&format!("return {requests};")).await;
    browser.press([Key::Home, Key::End]).await;
    let after = browser.js(&format!("return {requests};")).await;
    assert_eq!(before, after, "moving through the slices asks the server for nothing");

    // Masks, grey window, zoom.
    let masks = "document.querySelectorAll('.slice-pane:first-child .slice-stack > .slice-layer').length";
    browser.until("image, zones and lesion", 5, &format!("{masks} === 3")).await;
    browser.click("the lesion", "input[type=checkbox][value=lesion]").await;
    browser.until("the zones alone", 5, &format!("{masks} === 2")).await;
    browser.click("the gland", "input[type=checkbox][value=gland]").await;
    browser.until("in the address", 5, "location.search.endsWith('masks=gland,zones')").await;
    let matrix = "document.querySelector('[data-channel=adc] feColorMatrix').getAttribute('values')";
    let first = browser.js(&format!("return {matrix};")).await;
    let level = "[data-channel=adc] .slice-window input";
    let slider = browser.driver.find(By::Css(level)).await.expect("the level");
    slider.send_keys(Key::Right).await.expect("a slider takes keys");
    assert_ne!(browser.js(&format!("return {matrix};")).await, first, "the grey window moves");
    browser.click("zoom in", "button[aria-label='Zoom in']").await;
    let zoom = "document.querySelector('.slice-stack').style.transform.includes('scale(1.25)')";
    browser.until("it is larger", 5, zoom).await;
    browser.assert_quiet("the viewer").await;

    // The link shows the same to another, on a narrow dark screen.
    browser.press([Key::Home, Key::Up]).await;
    browser.until("the address is at rest", 5, "location.search.includes('z=1&')").await;
    let link = browser.js("return location.href;").await.as_str().expect("a link").to_owned();
    browser.quit().await;
    let other = driver.browser(500, true).await;
    other.open(&link).await;
    other.until("the same slice", 10, &format!("{SLICE} === '1'")).await;
    other.until("without the lesion", 10, "!document.querySelector('[value=lesion]').checked").await;
    other.until("the images", 30, sheets).await;
    for page in [link.as_str(), "/datasets", "/datasets/tiny"] {
        let url = if page.starts_with('/') { format!("{}{page}", server.url) } else { page.to_owned() };
        other.open(&url).await;
        other.assert_fits(page).await;
    }
    other.assert_quiet("the pages on a narrow dark screen").await;
    other.quit().await;

    // Without scripts: a picture of the slice, and links to its neighbours.
    let path = link.strip_prefix(&server.url).expect("a link of this server");
    let (status, html) = server.get_raw(path).await;
    assert!(status == 200 && html.contains("/slices/1.png?channel=t2w"), "the slice without scripts: {html}");
    assert!(html.contains("?z=0&amp;masks=gland,zones") && html.contains("?z=2&amp;"), "links: {html}");
}
