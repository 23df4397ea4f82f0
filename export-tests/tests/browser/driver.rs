//! A headless Chromium that ChromeDriver drives.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use fillgauge_export_tests::{Process, free_port, is_listening, wait_until};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// One browser at a time: several would make each other slow, and the times that are measured long.
static ONE: Mutex<()> = Mutex::const_new(());

/// Directories that end with the browser have a number each.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A browser with one window, until it is dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    client: Client,
    session: String,
    port: u16,
    profile: PathBuf,
    _driver: Process,
    _one: MutexGuard<'static, ()>,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let one = ONE.lock().await;
        let port = free_port();
        let mut driver = Process::start(Command::new("chromedriver").arg(format!("--port={port}")));
        wait_until(Duration::from_secs(30), || is_listening(port)).expect("ChromeDriver listens");
        assert!(driver.is_running(), "something else listens on {port}");

        let profile = profile_directory();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1280,800",
        ];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("an object").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a session of Chromium");
        let session = client.session_id().await.expect("an answer");
        Self {
            client,
            session: session.expect("a session"),
            port,
            profile,
            _driver: driver,
            _one: one,
        }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        match self.client.execute(script, Vec::new()).await {
            Ok(value) => value,
            Err(error) => panic!("{script}: {error}"),
        }
    }

    /// The value of an expression.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}")).await
    }

    /// The value of an expression of a text.
    pub(crate) async fn text(&self, expression: &str) -> String {
        match self.value(expression).await {
            Value::String(text) => text,
            other => panic!("{expression} is {other}"),
        }
    }

    /// Waits until an expression is true, and returns how long that took.
    pub(crate) async fn until(&self, within: Duration, expression: &str) -> Duration {
        let start = Instant::now();
        while self.value(&format!("!!({expression})")).await != true {
            if start.elapsed() > within {
                let body = self.text("document.body.innerText").await;
                panic!("not within {within:?}: {expression}\n{body}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        start.elapsed()
    }

    /// Presses keys, as a user does: what has the focus gets them.
    pub(crate) async fn press(&self, keys: &str) {
        let element = self.client.active_element().await.expect("the focus");
        element.send_keys(keys).await.expect("keys go there");
    }

    pub(crate) async fn click(&self, selector: &str) {
        let locator = fantoccini::Locator::Css(selector);
        let element = self.client.find(locator).await.expect(selector);
        element.click().await.expect(selector);
    }

    /// Whether the page shows a dialogue.
    pub(crate) async fn has_dialogue(&self) -> bool {
        self.client.get_alert_text().await.is_ok()
    }

    /// A window in front of the page, which is hidden while there is one.
    pub(crate) async fn hide(&self) -> Hidden {
        let page = self.client.window().await.expect("a window");
        let front = self.client.new_window(true).await.expect("a new window");
        let front = front.handle;
        self.client
            .switch_to_window(front)
            .await
            .expect("it is there");
        Hidden { page }
    }

    pub(crate) async fn show(&self, hidden: Hidden) {
        self.client.close_window().await.expect("it closes");
        self.client
            .switch_to_window(hidden.page)
            .await
            .expect("the page is there");
    }

    /// A command of the Chrome DevTools Protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", body).await
    }

    /// What went to the console since the last call, errors of the browser among it.
    pub(crate) async fn console(&self) -> Vec<String> {
        let lines = self.post("se/log", json!({ "type": "browser" })).await;
        let text = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        lines.as_array().expect("a list").iter().map(text).collect()
    }

    async fn post(&self, path: &'static str, body: Value) -> Value {
        let command = Post { path, body };
        self.client.issue_cmd(command).await.expect(path)
    }

    /// The size of the window, and how many pixels of a screenshot make one of the page.
    pub(crate) async fn resize(&self, width: u32, height: u32, scale: u32) {
        let metrics = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": scale,
            "mobile": width < 500,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Light or dark, as a user sets for the whole system.
    pub(crate) async fn set_colors(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        )
        .await;
    }

    /// Writes what the window shows to `target/NAME.png`.
    pub(crate) async fn screenshot(&self, name: &str) {
        let picture = self.devtools("Page.captureScreenshot", json!({})).await;
        let picture = picture["data"].as_str().expect("a picture");
        let picture = BASE64_STANDARD.decode(picture).expect("base64");
        let path = target().join(format!("{name}.png"));
        std::fs::write(path, picture).expect("target/ can be written");
    }
}

/// What is behind another window.
#[derive(Debug)]
pub(crate) struct Hidden {
    page: fantoccini::wd::WindowHandle,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // ChromeDriver ends the browser with its session. If ChromeDriver were killed first, the
        // browser would stay.
        if let Ok(mut driver) = TcpStream::connect(("127.0.0.1", self.port)) {
            _ = driver.set_read_timeout(Some(Duration::from_secs(10)));
            _ = write!(
                driver,
                "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.port,
            );
            _ = driver.read(&mut [0; 1024]);
        }
        _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// `target/`, wherever that is.
fn target() -> &'static Path {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    own.parent().expect("it lies below target/")
}

/// An empty directory of its own for a browser.
fn profile_directory() -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("chromium-{}-{number}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).expect("target/ can be written");
    path
}

/// A command that is none of the standard.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
