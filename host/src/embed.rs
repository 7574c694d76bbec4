//! Hookwright inside of another program: events emitted by a call, webhooks managed by calls, outcomes watched.
//!
//! The same host as `hookwright serve`, on a home folder of the program's own: stored before [`Hookwright::emit`] returns,
//! delivered, retried, and there again after a restart. Listens nowhere unless it is asked to.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use hookwright::embed::{Emit, Hookwright};
//! use serde_json::json;
//!
//! let hookwright = Hookwright::builder("/var/lib/shop/hookwright").start().await?;
//! hookwright.register_event_type(&"order.paid".parse()?, &json!({ "required": ["total"] })).await?;
//! hookwright
//!     .webhooks()
//!     .create(json!({ "id": "books", "url": "https://books.example/hook", "events": ["order.*"] }))
//!     .await?;
//! let accepted = hookwright.emit(Emit::new("order.paid".parse()?, &json!({ "total": 12 }))).await?;
//! println!("{} is on disk", accepted.id);
//! hookwright.shut_down().await;
//! # Ok(())
//! # }
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::{Principal, Role};
use crate::clock;
use crate::dispatch::{Dispatcher, Notice};
use crate::files;
use crate::host::{self, BuildError, Listening, Options};
use crate::ids::{EventType, SourceName, WebhookId};
use crate::intake::{Accepted, Emitted, Intake, Refusal};
use crate::managed::{Asked, EditError, Edited, ManagedWebhooks, NewWebhook};
use crate::reload::{ReloadClosed, ReloadHandle};
use crate::revision::{Fault, Live};
use crate::schemas::Compiled;
use crate::tasks::{self, OnPanic};
use crate::webhook::Webhook;

/// How a dispatcher is to be started.
#[derive(Clone, Debug)]
pub struct Builder {
    home: PathBuf,
    strict: bool,
    listening: Listening,
    compiler: host::Compilers,
    source: SourceName,
}

/// A running dispatcher. Dropped, it goes on in the background until the runtime ends; [`Hookwright::shut_down`] ends it in
/// order.
pub struct Hookwright {
    home: PathBuf,
    source: SourceName,
    live: Live,
    intake: Arc<Intake>,
    managed: Arc<ManagedWebhooks>,
    dispatcher: Dispatcher,
    reload: ReloadHandle,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// An event to emit.
#[derive(Clone, Debug)]
pub struct Emit {
    event_type: EventType,
    data: Bytes,
    idempotency_key: Option<Arc<str>>,
}

/// Why an event was not accepted. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
#[error("the event was not accepted: {0}")]
pub struct EmitError(#[from] Refusal);

/// Why an event type was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the schema of {event_type} cannot be used: {reason}")]
    Schema { event_type: EventType, reason: String },
    #[error("failed to write {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Fault(Fault),
    #[error(transparent)]
    Closed(#[from] ReloadClosed),
}

/// What became of a delivery, or how many of these were missed by a reader that was too slow.
#[derive(Clone, Debug)]
pub enum Outcome {
    Changed(Box<Notice>),
    Missed(u64),
}

/// Changes of deliveries from now on.
pub struct Outcomes(Receiver<Notice>);

/// The webhooks of a dispatcher. Definitions are those of files, with `{"$secret": …}` for what is not to be shown.
#[derive(Clone, Copy)]
pub struct Webhooks<'h>(&'h Hookwright);

impl Builder {
    /// Refuse to start where `hookwright serve --strict` would.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Also serve the public and the admin listener, as configured.
    #[must_use]
    pub fn listening(mut self) -> Self {
        self.listening = Listening::AsConfigured;
        self
    }

    /// Compile plugins in processes of this program, under limits of time and memory. The program must call
    /// [`crate::plugin::compile_if_asked`] first of all in its `main`: else each plugin would start the program anew.
    #[must_use]
    pub fn compiling_in_children(mut self) -> Self {
        self.compiler = host::Compilers::Children;
        self
    }

    /// Which source events come from; `program` if it is not said.
    #[must_use]
    pub fn source(mut self, source: SourceName) -> Self {
        self.source = source;
        self
    }

    /// Starts it. What was unfinished the last time goes on.
    ///
    /// # Errors
    /// When the home folder is not usable, or in use.
    pub async fn start(self) -> Result<Hookwright, BuildError> {
        let Self { home, strict, listening, compiler, source } = self;
        let options = Options { home: home.clone(), strict, drop_unreadable: false, listening, compilers: compiler };
        let host = host::build(options).await?;
        let stop = CancellationToken::new();
        let parts = host.handles();
        let running = tasks::spawn("hookwright", OnPanic::Log, host.run_until(stop.clone().cancelled_owned()));
        let host::Handles { live, intake, managed, dispatcher, reload } = parts;
        Ok(Hookwright { home, source, live, intake, managed, dispatcher, reload, stop, running })
    }
}

impl Hookwright {
    /// On this folder, which may be empty or absent.
    pub fn builder(home: impl Into<PathBuf>) -> Builder {
        Builder {
            home: home.into(),
            strict: false,
            listening: Listening::Nowhere,
            compiler: host::Compilers::Here,
            source: SourceName::program(),
        }
    }

    /// Stores an event and sets its deliveries off. Returned: it survives power loss.
    ///
    /// # Errors
    /// When it does not fit its schema, its key was used for other bytes, or the store does not take it.
    pub async fn emit(&self, emit: Emit) -> Result<Accepted, EmitError> {
        let Emit { event_type, data, idempotency_key } = emit;
        let emitted = Emitted { source: self.source.clone(), event_type, data, idempotency_key };
        Ok(self.intake.emit(emitted, clock::now()).await?)
    }

    /// Makes an event type known, with the JSON Schema that its events must fit: writes `schemas/<event type>.json`, which is
    /// in force when this returns, and after every restart.
    ///
    /// # Errors
    /// When the schema cannot be used, or the file not be written.
    pub async fn register_event_type(&self, event_type: &EventType, schema: &Value) -> Result<(), RegisterError> {
        let unusable = |reason| RegisterError::Schema { event_type: event_type.clone(), reason };
        Compiled::compile(schema).map_err(unusable)?;
        let name = format!("schemas/{event_type}.json");
        let path = self.home.join(&name);
        let text = format!("{schema:#}\n");
        let written = {
            let path = path.clone();
            tasks::blocking(move || write(&path, text.as_bytes())).await
        };
        written.map_err(|source| RegisterError::File { path, source })?;
        let revision = self.reload.reload(false).await?;
        match revision.faults.iter().find(|fault| fault.file == name) {
            Some(fault) => Err(RegisterError::Fault(fault.clone())),
            None => Ok(()),
        }
    }

    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks(self)
    }

    /// What becomes of deliveries from now on.
    pub fn outcomes(&self) -> Outcomes {
        Outcomes(self.dispatcher.subscribe())
    }

    /// Finishes what is under way, within twenty seconds; the rest goes on after the next start.
    pub async fn shut_down(self) {
        self.stop.cancel();
        // A panic of it was reported where it happened.
        let _ = self.running.await;
    }
}

impl Emit {
    pub fn new(event_type: EventType, data: &Value) -> Self {
        Self::of_bytes(event_type, data.to_string())
    }

    /// JSON that is delivered byte for byte.
    pub fn of_bytes(event_type: EventType, data: impl Into<Bytes>) -> Self {
        Self { event_type, data: data.into(), idempotency_key: None }
    }

    /// Within 24 hours the same key is the same event; it is stored and delivered once.
    #[must_use]
    pub fn once(mut self, key: impl Into<Arc<str>>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

impl Webhooks<'_> {
    /// All, those of files included.
    pub fn list(&self) -> Vec<Arc<Webhook>> {
        self.0.live.load().webhooks.values().cloned().collect()
    }

    pub fn get(&self, id: &WebhookId) -> Option<Arc<Webhook>> {
        self.0.live.load().webhooks.get(id).cloned()
    }

    /// Makes one of a definition, which may have an `id` beside its other members. Its signing secret is in the answer, and
    /// nowhere after.
    ///
    /// # Errors
    /// Why nothing was made.
    pub async fn create(&self, mut definition: Value) -> Result<Edited, EditError> {
        let id = definition.as_object_mut().and_then(|members| members.shift_remove("id"));
        let id = match id.as_ref().and_then(Value::as_str) {
            Some(id) => Some(id.parse().map_err(EditError::Name)?),
            None => None,
        };
        self.0.managed.create(NewWebhook { id, draft: definition, key: None, adopt_held: false }, program()).await
    }

    /// Changes what the patch names: RFC 7396.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn update(&self, id: &WebhookId, patch: Value) -> Result<Edited, EditError> {
        self.0.managed.patch(id.clone(), patch, asked()).await
    }

    /// Signs with a fresh secret, and with the earlier ones too for this long.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn rotate_secret(&self, id: &WebhookId, keep_old: Duration) -> Result<Edited, EditError> {
        self.0.managed.rotate(id.clone(), keep_old, asked()).await
    }

    /// # Errors
    /// Why it was not deleted.
    pub async fn delete(&self, id: &WebhookId) -> Result<(), EditError> {
        let webhook = self.get(id);
        self.0.managed.remove(id.clone(), asked()).await?;
        if let Some(webhook) = webhook {
            self.0.dispatcher.forget(&webhook);
        }
        Ok(())
    }
}

impl Outcomes {
    /// The next one; none once the dispatcher is gone.
    pub async fn next(&mut self) -> Option<Outcome> {
        match self.0.recv().await {
            Ok(notice) => Some(Outcome::Changed(Box::new(notice))),
            Err(RecvError::Lagged(missed)) => Some(Outcome::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

fn program() -> Principal {
    Principal { name: "the program".to_owned(), role: Role::Admin, is_local: false, token: None }
}

fn asked() -> Asked {
    Asked { who: program(), known: None }
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    files::replace_public(path, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::delivery::State;

    /// Answers one request with 204, and returns it.
    async fn received(listener: &TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).ends_with('}') {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.expect("reads");
            request.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("writes");
        String::from_utf8(request).expect("text")
    }

    fn event_type() -> EventType {
        "order.paid".parse().expect("a type")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_program_emits_manages_and_watches_also_after_a_restart() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join("config")).expect("makes");
        let server = json!({ "egress": { "allow": ["127.0.0.0/8"] } });
        std::fs::write(home.path().join("config/server.json"), server.to_string()).expect("writes");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));

        let hookwright = Hookwright::builder(home.path()).start().await.expect("starts");
        let unknown = hookwright.emit(Emit::new(event_type(), &json!({}))).await.expect_err("no schema");
        assert!(matches!(unknown, EmitError(Refusal::UnknownEvent { .. })), "{unknown}");
        let schema = json!({ "type": "object", "required": ["total"] });
        hookwright.register_event_type(&event_type(), &schema).await.expect("registers");
        let wrong = hookwright.register_event_type(&event_type(), &json!({ "type": 5 })).await;
        assert!(matches!(wrong, Err(RegisterError::Schema { .. })), "{wrong:?}");
        let broken = hookwright.emit(Emit::new(event_type(), &json!({}))).await.expect_err("breaks its schema");
        assert!(matches!(broken, EmitError(Refusal::SchemaViolation { .. })), "{broken}");

        let definition = json!({ "id": "books", "url": url, "events": ["order.*"] });
        let made = hookwright.webhooks().create(definition).await.expect("makes");
        assert!(made.secret.is_some());
        let mut outcomes = hookwright.outcomes();
        let emit = || Emit::of_bytes(event_type(), r#"{"total": 1.50}"#).once("k1");
        let accepted = hookwright.emit(emit()).await.expect("is accepted");
        assert!(received(&listener).await.ends_with(r#"{"total": 1.50}"#), "byte for byte");
        let Some(Outcome::Changed(notice)) = outcomes.next().await else { panic!("nothing is told") };
        assert_eq!((notice.event, notice.state), (accepted.id, State::Delivered));
        assert_eq!(hookwright.emit(emit()).await.expect("is accepted").id, accepted.id, "once");
        hookwright.shut_down().await;
        assert!(outcomes.next().await.is_none());

        let hookwright = Hookwright::builder(home.path()).start().await.expect("starts again");
        let books = "books".parse().expect("an id");
        hookwright.webhooks().update(&books, json!({ "name": "Books" })).await.expect("is there");
        assert_eq!(hookwright.webhooks().get(&books).expect("is there").name, "Books");
        hookwright.emit(Emit::new(event_type(), &json!({ "total": 2 }))).await.expect("is accepted");
        assert!(received(&listener).await.contains("webhook-signature: v1,"));
        hookwright.webhooks().delete(&books).await.expect("is there");
        assert!(hookwright.webhooks().list().is_empty());
        hookwright.shut_down().await;
    }
}
