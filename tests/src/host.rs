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
use tokio::process::{Child, Command};

use crate::SECRET;
use crate::wait::{PATIENCE, in_time, until, until_within};

/// The source token of the tests.
pub const TOKEN: &str = "hws_test-token-for-the-scenarios";

/// A home folder in the making.
pub struct Builder {
    home: TempDir,
    server: Value,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    patience: Duration,
}

/// A running host. Killed when dropped.
pub struct Hookwright {
    home: TempDir,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    patience: Duration,
    child: Child,
    listen: SocketAddr,
    admin: SocketAddr,
    client: reqwest::Client,
}

/// An answer of the intake.
#[derive(Clone, Debug)]
pub struct Posted {
    pub status: StatusCode,
    pub content_type: String,
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
        Builder { home, server, environment: Vec::new(), arguments: Vec::new(), patience: PATIENCE }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it is running")
    }

    pub fn listen(&self) -> SocketAddr {
        self.listen
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
        self.client.request(method, format!("http://{}/v1/events", self.listen))
    }

    /// # Errors
    /// When no answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Posted, reqwest::Error> {
        let response = request.send().await?;
        let status = response.status();
        let content_type = response.headers().get("content-type").map(|value| value.to_str().expect("text").to_owned());
        let text = response.bytes().await?;
        let body = serde_json::from_slice(&text).unwrap_or(Value::Null);
        Ok(Posted { status, content_type: content_type.unwrap_or_default(), body })
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
        let token = fs::read_to_string(self.home().join("data/admin.token")).expect("the admin token");
        let request = self.client.request(method, format!("http://{}{path}", self.admin)).bearer_auth(token.trim());
        self.send(request.body(body.into())).await.expect("the admin listener answers")
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
        output(command(self.home(), arguments).envs(self.environment.iter().cloned())).await
    }

    /// The most memory the host ever had resident, as Linux counts it.
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    }

    /// SIGKILL: no goodbye.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it was running");
    }

    /// SIGTERM, then the exit status.
    pub async fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().expect("it is running").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs");
        assert!(sent.success());
        in_time("the host to end", self.child.wait()).await.expect("a status")
    }

    /// Starts it again on the same home, after it ended.
    pub async fn restart(&mut self) {
        let launched = launch(self.home.path(), &self.environment, &self.arguments, self.patience).await;
        (self.child, self.listen, self.admin) = launched;
    }
}

impl Builder {
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Waits for so long until the host is ready.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
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
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts the host and waits until it is ready.
    pub async fn start(self) -> Hookwright {
        let Self { home, server, environment, arguments, patience } = self;
        write(home.path(), "config/server.json", server.to_string().as_bytes());
        let (child, listen, admin) = launch(home.path(), &environment, &arguments, patience).await;
        // The provider is the same every time; only the first call installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        Hookwright { home, environment, arguments, patience, child, listen, admin, client }
    }

    /// Starts a host that is expected to refuse: its exit code and what it said.
    pub async fn fails(self) -> (Option<i32>, String) {
        let Self { home, server, environment, arguments, .. } = self;
        write(home.path(), "config/server.json", server.to_string().as_bytes());
        let mut serve = serve_command(home.path(), &environment, &arguments);
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

fn serve_command(home: &Path, environment: &[(String, String)], arguments: &[String]) -> Command {
    let mut serve = command(home, &["serve"]);
    serve.args(arguments).envs(environment.iter().cloned()).env("HOOKWRIGHT_LOG", "warn");
    serve
}

async fn launch(
    home: &Path,
    environment: &[(String, String)],
    arguments: &[String],
    patience: Duration,
) -> (Child, SocketAddr, SocketAddr) {
    let run_file = home.join("data/run.json");
    let _ = fs::remove_file(&run_file);
    let mut child = serve_command(home, environment, arguments).stdout(Stdio::null()).spawn().expect("the binary");
    let run = until_within(patience, "the host to be ready", || {
        let ended = child.try_wait().expect("a child");
        let run = fs::read(&run_file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        async move {
            assert!(ended.is_none(), "the host ended: {ended:?}");
            run
        }
    })
    .await;
    let address = |name: &str| run[name].as_str().expect("an address").parse().expect("an address");
    (child, address("listen"), address("admin"))
}

fn write(home: &Path, path: &str, contents: &[u8]) {
    let path = home.join(path);
    fs::create_dir_all(path.parent().expect("below the home")).expect("a folder");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
    let beside = path.with_file_name(format!(".{name}.writing"));
    fs::write(&beside, contents).expect("a file");
    fs::rename(&beside, &path).expect("renamed");
}
