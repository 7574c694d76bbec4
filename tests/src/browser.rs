//! A real Chromium, driven over `WebDriver`, signed in to the pages of a host.
//!
//! Whatever is waited for is waited for by its condition; what a page says in its console is kept and looked at by
//! [`Browser::check`].

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use url::{ParseError, Url};

use crate::Hookwright;
use crate::host::workspace;
use crate::optional::not_run;
use crate::wait::{in_time, until};

const DRIVER: &str = "chromedriver";

/// Sizes that every page is looked at in.
pub const DESK: (u32, u32) = (1280, 900);
pub const PHONE: (u32, u32) = (390, 844);

/// A window. Its driver, and with it the browser, ends when it is dropped.
pub struct Browser {
    client: Client,
    base: String,
    axe: String,
    _driver: Child,
}

impl Browser {
    /// Signs in with a link of `hookwright login`. `None`, said aloud, where there is no Chromium; with `CI=true` a failure.
    pub async fn sign_in(host: &Hookwright) -> Option<Self> {
        let browser = Self::open(host).await?;
        browser.enter(host).await;
        Some(browser)
    }

    /// Signs in.
    pub async fn enter(&self, host: &Hookwright) {
        let output = host.command(&["login"]).await;
        let link = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{:?}", String::from_utf8_lossy(&output.stderr));
        self.client.goto(link.trim()).await.expect("the link opens");
        self.click("button.main").await;
        self.find("header.top").await;
    }

    /// Opens a window, without signing in.
    pub async fn open(host: &Hookwright) -> Option<Self> {
        let axe_path = workspace().join("tests/verifiers/javascript/node_modules/axe-core/axe.min.js");
        let Ok(axe) = fs::read_to_string(&axe_path) else {
            not_run(&format!("there is no {}; `cargo xtask test` installs it", axe_path.display()));
            return None;
        };
        let spawned = Command::new(DRIVER)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut driver) = spawned else {
            not_run("there are no chromium and chromedriver; install them");
            return None;
        };
        let port = in_time("chromedriver to listen", port(&mut driver)).await;
        let client = in_time("chromium to start", connect(port)).await;
        let base = format!("http://{}", host.admin_address());
        let browser = Self { client, base, axe, _driver: driver };
        browser.size(DESK).await;
        Some(browser)
    }

    pub async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.expect("a page");
    }

    /// Path and query of where we are.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.expect("an address");
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    /// Waits until the path, without its query, is this one.
    pub async fn at(&self, path: &str) {
        let there = || async { (self.path().await.split('?').next() == Some(path)).then_some(()) };
        until(&format!("the page {path}"), there).await;
    }

    /// Waits for an element.
    pub async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(crate::wait::PATIENCE).for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    pub async fn has(&self, css: &str) -> bool {
        !self.client.find_all(Locator::Css(css)).await.expect("an answer").is_empty()
    }

    /// Clicks as a person would: it must be visible.
    pub async fn click(&self, css: &str) {
        // htmx may just be putting another in its place.
        until(&format!("a click on {css}"), || async { self.find(css).await.click().await.ok() }).await;
    }

    /// The button or link with this text.
    pub async fn press(&self, text: &str) {
        let path = format!("//*[self::button or self::a or self::summary][normalize-space(.)='{text}']");
        until(&format!("a click on “{text}”"), || async {
            for found in self.client.find_all(Locator::XPath(&path)).await.ok()? {
                // A form may have another of that name, for the Enter key.
                if found.attr("aria-hidden").await.ok()?.is_none() {
                    return found.click().await.ok();
                }
            }
            None
        })
        .await;
    }

    /// Types into a field, in place of what it held.
    pub async fn fill(&self, css: &str, text: &str) {
        until(&format!("typing into {css}"), || async {
            let field = self.find(css).await;
            field.clear().await.ok()?;
            field.send_keys(text).await.ok()
        })
        .await;
    }

    /// Chooses an option by its value.
    pub async fn choose(&self, css: &str, value: &str) {
        self.find(css).await.select_by_value(value).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses keys where the focus is.
    pub async fn key(&self, key: Key) {
        let focused = self.client.active_element().await.expect("a focus");
        focused.send_keys(&char::from(key).to_string()).await.expect("typed");
    }

    pub async fn text(&self, css: &str) -> String {
        until(&format!("the text of {css}"), || async { self.find(css).await.text().await.ok() }).await
    }

    /// Of all that are there, once one is.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        self.find(css).await;
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await.expect("an answer") {
            texts.push(element.text().await.expect("a text"));
        }
        texts
    }

    pub async fn value(&self, css: &str) -> String {
        self.find(css).await.prop("value").await.expect("an answer").unwrap_or_default()
    }

    /// Waits until the page says this somewhere.
    pub async fn sees(&self, text: &str) {
        let shown = || async { self.text("main").await.contains(text).then_some(()) };
        let seen = tokio::time::timeout(crate::wait::PATIENCE, until(text, shown)).await;
        let (path, there) = (self.path().await, self.text("main").await);
        assert!(seen.is_ok(), "“{text}” is not on {path}:\n{there}");
    }

    /// Runs a script of the test's own.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("the script runs")
    }

    pub async fn size(&self, (width, height): (u32, u32)) {
        let mobile = width < 500;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.chrome("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// As for somebody whose browser runs none.
    pub async fn without_scripts(&self) {
        self.chrome("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    pub async fn dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.chrome("Emulation.setEmulatedMedia", features).await;
    }

    /// Keeps a picture in `target/screenshots/`.
    pub async fn screenshot(&self, name: &str) {
        let folder = screenshots();
        fs::create_dir_all(&folder).expect("a folder");
        let png = self.client.screenshot().await.expect("a picture");
        fs::write(folder.join(format!("{name}.png")), png).expect("a file");
    }

    /// Everything that must hold of any page, in both sizes, light and dark: nothing to scroll to the side, nothing said in the
    /// console, and no serious finding of axe-core.
    pub async fn check(&self, path: &str, name: &str) {
        self.go(path).await;
        self.check_here(name).await;
    }

    /// The same of the page we are at.
    pub async fn check_here(&self, name: &str) {
        let path = self.path().await;
        for (size, suffix, is_dark) in [(DESK, "", false), (PHONE, "-phone", false), (DESK, "-dark", true)] {
            self.size(size).await;
            self.dark(is_dark).await;
            self.find("main").await;
            let wide = self.run("return document.documentElement.scrollWidth - window.innerWidth").await;
            assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{path} is {wide} px too wide at {size:?}");
            self.run(&self.axe).await;
            let found = self.client.execute_async(AXE, Vec::new()).await.expect("axe runs");
            assert_eq!(found, json!([]), "axe-core on {path} at {size:?}, dark: {is_dark}");
            let said = self.console().await;
            assert!(said.is_empty(), "the console of {path}: {said:?}");
            self.screenshot(&format!("{name}{suffix}")).await;
        }
        self.size(DESK).await;
        self.dark(false).await;
    }

    /// What pages warned of in the console since the last time.
    pub async fn console(&self) -> Vec<String> {
        let log = self.vendor("se/log", json!({ "type": "browser" })).await;
        // What it advises (`DEBUG`) is about other browsers' password managers and the like.
        let entries = log.as_array().into_iter().flatten().filter(|entry| entry["level"] != "DEBUG");
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Ends in order: what a page left unsaid is said.
    pub async fn close(self) {
        self.client.close().await.expect("the window closes");
    }

    async fn chrome(&self, command: &str, params: Value) -> Value {
        self.vendor("goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    async fn vendor(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Vendor { path, body }).await.expect("chromedriver answers")
    }
}

const AXE: &str = "const done = arguments[arguments.length - 1];
    axe.run().then(found => done(found.violations
        .filter(one => ['serious', 'critical'].includes(one.impact))
        .map(one => [one.id, ...one.nodes.map(node => node.html + ' ' + node.failureSummary)])));";

/// Where pictures of pages are kept.
pub fn screenshots() -> PathBuf {
    workspace().join("target/screenshots")
}

/// The driver says where it listens.
async fn port(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
    while let Some(line) = lines.next_line().await.expect("text") {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            // What else it says goes nowhere; its pipe stays open.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return port.trim_end_matches('.').parse().expect("a port");
        }
    }
    panic!("chromedriver ended before it listened")
}

async fn connect(port: u16) -> Client {
    let arguments = [
        "--headless=new",
        // The tests may run as root, where Chromium has no sandbox; it opens our own pages only.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        // By a pipe it ends with its driver, whatever happens to that.
        "--remote-debugging-pipe",
    ];
    let options = json!({ "args": arguments });
    let capabilities = Map::from_iter([
        ("goog:chromeOptions".to_owned(), options),
        ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
    ]);
    let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
    builder.capabilities(capabilities);
    builder.connect(&format!("http://127.0.0.1:{port}")).await.expect("chromium starts")
}

/// A command of chromedriver's own.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
