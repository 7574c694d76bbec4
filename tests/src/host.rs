//! The real binary, in a home folder of its own, on ports of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::SECRET;
use crate::launch::{Launch, Running};
use crate::wait::{PATIENCE, in_time, until};

/// The source token of the tests.
pub const TOKEN: &str = "hws_test-token-for-the-scenarios";

/// A home folder in the making.
pub struct Builder {
    home: TempDir,
    server: Value,
    launch: Launch,
}

/// A running host. Killed when dropped.
pub struct Hookwright {
    home: TempDir,
    launch: Launch,
    running: Running,
    client: reqwest::Client,
}

/// An answer of the intake.
#[derive(Clone, Debug)]
pub struct Posted {
    pub status: StatusCode,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub etag: Option<String>,
    pub body: Value,
}

impl Posted {
    pub fn event(&self) -> &str {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no event id in {self:?}"))
    }
}

impl Hookwright {
    /// A home whose host listens on free ports, knows one source and may reach loopback.
    pub fn builder() -> Builder {
        let home = tempfile::tempdir().expect("a temporary folder");
        let server = json!({
            "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0" },
            "sources": [ { "name": "strapi", "token": TOKEN } ],
            "egress": { "allow": [ "127.0.0.0/8" ] },
        });
        Builder { home, server, launch: Launch::default() }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn pid(&self) -> u32 {
        self.running.child.id().expect("it is running")
    }

    pub fn listen(&self) -> SocketAddr {
        self.running.listen
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.running.admin
    }

    /// Posts a body as Strapi does.
    pub async fn post(&self, body: impl Into<Bytes>) -> Posted {
        let request = self.request().header("content-type", "application/json").body(body.into());
        self.send(request).await.expect("the host answers")
    }

    /// A post to the intake with the right token, to be completed.
    pub fn request(&self) -> RequestBuilder {
        self.anonymous(Method::POST).bearer_auth(TOKEN)
    }

    /// The same from somebody without a token.
    pub fn anonymous(&self, method: Method) -> RequestBuilder {
        self.client.request(method, format!("http://{}/v1/events", self.running.listen))
    }

    /// # Errors
    /// When no answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Posted, reqwest::Error> {
        let response = request.send().await?;
        let status = response.status();
        let header = |name| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        let (content_type, retry_after, etag) = (header("content-type"), header("retry-after"), header("etag"));
        let text = response.bytes().await?;
        let body = serde_json::from_slice(&text).unwrap_or(Value::Null);
        Ok(Posted { status, content_type: content_type.unwrap_or_default(), retry_after, etag, body })
    }

    /// Reads from the admin listener.
    pub async fn api(&self, path: &str) -> Value {
        let answer = self.admin_request(Method::GET, path).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    pub async fn admin_request(&self, method: Method, path: &str) -> Posted {
        self.admin_send(method, path, "").await
    }

    /// The same with a body.
    pub async fn admin_send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Posted {
        self.send(self.admin(method, path).body(body.into())).await.expect("the admin listener answers")
    }

    /// A request to the admin listener, to be added to.
    pub fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        let token = fs::read_to_string(self.home().join("data/admin.token")).expect("the admin token");
        self.client.request(method, format!("http://{}{path}", self.running.admin)).bearer_auth(token.trim())
    }

    /// The deliveries of an event, once all of them satisfy `done`.
    pub async fn deliveries(&self, event: &str, done: impl Fn(&Value) -> bool) -> Vec<Value> {
        until("deliveries", || async {
            let event = self.api(&format!("/v1/events/{event}")).await;
            let deliveries = event["deliveries"].as_array().expect("a list").clone();
            deliveries.iter().all(&done).then_some(deliveries)
        })
        .await
    }

    /// Waits until the status satisfies `done`.
    pub async fn status(&self, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        until(what, || async {
            let status = self.api("/v1/status").await;
            done(&status).then_some(status)
        })
        .await
    }

    /// Waits until the revision in force is later than `number` and satisfies `done`.
    pub async fn reloaded(&self, number: u64, done: impl Fn(&Value) -> bool) -> Value {
        self.status("a new revision", |status| {
            status["revision"]["number"].as_u64().is_some_and(|now| now > number) && done(status)
        })
        .await
    }

    pub async fn revision(&self) -> u64 {
        self.api("/v1/status").await["revision"]["number"].as_u64().expect("a number")
    }

    /// Writes a file of the home as an editor does: beside it, then renamed over it.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        write(self.home(), path, contents.as_ref());
    }

    /// Runs a command of the binary on this home, with the host's environment.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        output(command(self.home(), arguments).envs(self.launch.environment.iter().cloned())).await
    }

    /// The most memory the host ever had resident, as Linux counts it.
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    }

    /// SIGKILL: no goodbye.
    pub async fn kill(&mut self) {
        self.running.child.kill().await.expect("it was running");
    }

    /// Starts it again, after it ended, and kills it after so long, ready or not.
    pub async fn kill_starting(&mut self, after: Duration) {
        let mut child = self.launch.spawn(self.home.path());
        tokio::time::sleep(after).await;
        // Fails if it has ended by itself, which is what is looked at next.
        let _ = child.start_kill();
        let ended = in_time("a killed host to end", child.wait()).await.expect("a status");
        assert!(ended.code().is_none(), "the host ended by itself: {ended}");
    }

    /// SIGTERM, then the exit status.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.ended().await
    }

    pub async fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().await.expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        in_time("the host to end", self.running.child.wait()).await.expect("a status")
    }

    /// Starts it again on the same home, after it ended.
    pub async fn restart(&mut self) {
        self.running = self.launch.launch(self.home.path()).await;
    }

    /// The same; false if it ended by itself before it was ready.
    pub async fn try_restart(&mut self) -> bool {
        let launched = self.launch.try_launch(self.home.path()).await;
        launched.map(|running| self.running = running).is_ok()
    }

    /// What the next start goes by, instead of these words before: `strace` and its options.
    pub fn with_argument(&mut self, argument: &str) {
        self.launch.arguments.push(argument.to_owned());
    }

    /// From the next start on, the host is started by these words.
    pub fn under(&mut self, words: Vec<String>) {
        self.launch.under = words;
    }
}

impl Builder {
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Waits for so long until the host is ready.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.launch.patience = patience;
        self
    }

    /// Merges into `config/server.json`, key by key at the top level.
    #[must_use]
    pub fn server(mut self, settings: Value) -> Self {
        let Value::Object(settings) = settings else { panic!("settings are an object") };
        for (key, value) in settings {
            self.server[key] = value;
        }
        self
    }

    /// A webhook file, signed with [`SECRET`] and quick to retry unless it says otherwise.
    #[must_use]
    pub fn webhook(self, id: &str, mut webhook: Value) -> Self {
        if webhook.get("signing").is_none() {
            webhook["signing"] = json!({ "secrets": [SECRET] });
        }
        if webhook.get("retry").is_none() {
            webhook["retry"] = json!({ "schedule": ["50ms", "50ms", "100ms", "200ms", "1s", "1s", "5s", "5s"] });
        }
        self.file(&format!("config/webhooks/{id}.json"), webhook.to_string())
    }

    /// Installs a bundled plugin.
    #[must_use]
    pub fn plugin(self, name: &str) -> Self {
        let wasm = bundled_plugin(name);
        self.file(&format!("plugins/{name}.wasm"), wasm)
    }

    #[must_use]
    pub fn file(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        write(self.home.path(), path, contents.as_ref());
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.launch.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.launch.arguments.push(argument.to_owned());
        self
    }

    /// Nothing of what it says is shown: it is expected to fail, often.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.launch.quiet = true;
        self
    }

    /// What it says goes to `host.log` in its home, as much as this level says.
    #[must_use]
    pub fn logged(mut self, level: &'static str) -> Self {
        self.launch.logged = Some(level);
        self
    }

    /// The host is started by these words: `strace` and its options.
    #[must_use]
    pub fn under(mut self, words: Vec<String>) -> Self {
        self.launch.under = words;
        self
    }

    /// Starts the host and waits until it is ready.
    pub async fn start(self) -> Hookwright {
        let Self { home, server, launch } = self;
        write(home.path(), "config/server.json", server.to_string().as_bytes());
        let running = launch.launch(home.path()).await;
        // The provider is the same every time; only the first call installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        Hookwright { home, launch, running, client }
    }

    /// Starts a host that is expected to refuse: its exit code and what it said.
    pub async fn fails(self) -> (Option<i32>, String) {
        let Self { home, server, launch } = self;
        write(home.path(), "config/server.json", server.to_string().as_bytes());
        let mut serve = launch.command(home.path());
        let output = output(&mut serve).await;
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The bytes of a bundled plugin.
pub fn bundled_plugin(name: &str) -> Vec<u8> {
    wasm(&plugins(), name)
}

/// The bytes of a plugin made for the tests, from `tests/guests/`.
pub fn guest(name: &str) -> Vec<u8> {
    wasm(&folder("HOOKWRIGHT_GUESTS", "target/guests"), name)
}

/// The folder of built plugins.
pub fn plugins() -> PathBuf {
    folder("HOOKWRIGHT_PLUGINS", "plugins")
}

pub(crate) fn folder(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| workspace().join(default), PathBuf::from)
}

fn wasm(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask plugins` builds it", path.display()))
}

/// A command of the binary on a home folder.
pub fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--home").arg(home).env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What `init` wrote listens on the documented ports; tests run side by side.
pub fn use_free_ports(home: &Path) {
    let path = home.join("config/server.json");
    let mut server: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("as `init` wrote it")).expect("as `init` wrote it");
    server["server"] = json!({ "listen": "127.0.0.1:0", "admin": "127.0.0.1:0" });
    std::fs::write(path, server.to_string()).expect("as `init` wrote it");
}

/// Runs a command to its end.
pub async fn output(command: &mut Command) -> Output {
    in_time("a command to end", command.output()).await.expect("the binary runs")
}

pub fn binary() -> PathBuf {
    std::env::var_os("HOOKWRIGHT_BIN").map_or_else(|| workspace().join("target/debug/hookwright"), PathBuf::from)
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

fn write(home: &Path, path: &str, contents: &[u8]) {
    let path = home.join(path);
    fs::create_dir_all(path.parent().expect("below the home")).expect("a folder");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
    let beside = path.with_file_name(format!(".{name}.writing"));
    fs::write(&beside, contents).expect("a file");
    fs::rename(&beside, &path).expect("renamed");
}
