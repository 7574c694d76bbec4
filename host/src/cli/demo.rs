//! `demo`: the whole way of an event, without a home. A host in a temporary folder, a receiver beside it,
//! the five events of Strapi's documentation, and what became of each at each webhook.
//!
//! Everything is real: the host is built as `serve` builds it, and events are posted over HTTP. Owns no part
//! of the host's work.

use std::path::{Path, PathBuf};

use clap::Args;
use http::StatusCode;
use tokio::sync::oneshot;

use super::logging::{self, LogFormat};
use super::receiver::{Behaviour, Receiver};
use super::{Exit, discovery, listen, login, screen, serve, tail};
use crate::host::{self, Compilers, Listening, Options};
use crate::secret::Secret;

mod expect;
mod gather;
mod program;
mod show;
mod stage;

use stage::Stage;

#[derive(Debug, Args)]
#[command(after_help = "It needs the bundled plugins. From a clone: `cargo xtask demo` builds them first.")]
pub(super) struct DemoArgs {
    /// End after the five events: exit 0 if all went as expected
    #[arg(long)]
    once: bool,
    /// Where the bundled plugins are: redact.wasm, add-headers.wasm, published-only.wasm (from a clone: cargo xtask demo) [default: plugins/ of the home]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Use this folder, which must be new or empty, and leave it there
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(super) async fn run(home: &Path, args: DemoArgs) -> anyhow::Result<Exit> {
    logging::start(LogFormat::Text, "error")?;
    let interrupted = serve::stop_signal()?;
    let stage = Stage::new(args.keep.as_deref())?;
    let receiver = Receiver::bind(0, Behaviour { status: StatusCode::NO_CONTENT, keys: stage.keys() }).await?;
    let plugins = args.plugins.unwrap_or_else(|| home.join("plugins"));
    stage.furnish(receiver.address(), &plugins)?;
    screen::line(&show::opening(&stage))?;

    let host = host::build(Options {
        home: stage.home().to_owned(),
        strict: true,
        drop_unreadable: false,
        listening: Listening::AsConfigured,
        compilers: Compilers::Children,
    })
    .await?;
    let act = Act::new(&stage, host.addresses(), receiver)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut running = Box::pin(host.run_until(async move { drop(stopped.await) }));
    let outcome = tokio::select! {
        () = &mut running => anyhow::bail!("the host ended before the demo did"),
        () = interrupted => Ok(Exit::Ok),
        outcome = act.perform(&stage, args.once) => outcome,
    };
    // The host is still there: it only waits to be told.
    let _ = stop.send(());
    running.await;
    outcome
}

/// What is needed on stage.
struct Act {
    public: super::client::Client,
    admin: super::client::Client,
    listen: std::net::SocketAddr,
    receiver: Receiver,
}

impl Act {
    fn new(
        stage: &Stage,
        (listen, admin): (std::net::SocketAddr, std::net::SocketAddr),
        receiver: Receiver,
    ) -> anyhow::Result<Self> {
        let token = Secret::new(stage.token());
        let public = super::client::Client::new(listen, Some(token), "the demo's host is gone".into());
        Ok(Self { public, admin: discovery::admin_at(stage.home(), admin)?, listen, receiver })
    }

    async fn perform(mut self, stage: &Stage, once: bool) -> anyhow::Result<Exit> {
        let outcomes = gather::all(&self.public, &self.admin, &mut self.receiver).await?;
        let surprises = expect::surprises(&outcomes);
        for posted in &outcomes.posted {
            screen::line(&show::event(posted))?;
        }
        screen::line(&show::closing(&outcomes, &surprises))?;
        if !once {
            let (pages, _) = login::link(&self.admin).await?;
            screen::line(&show::invitation(stage, self.listen, &pages))?;
            self.go_on().await?;
        }
        self.receiver.finish().await;
        Ok(if surprises.is_empty() { Exit::Ok } else { Exit::Failure })
    }

    /// Shows whatever happens next, until interrupted.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        let mut notices = self.admin.lines("/v1/tail").await?;
        loop {
            tokio::select! {
                notice = notices.next() => match notice? {
                    Some(line) => screen::line(&tail::as_text(&line))?,
                    None => return Ok(()),
                },
                received = self.receiver.next() => match received {
                    Some(received) => screen::line(&listen::as_text(&received))?,
                    None => return Ok(()),
                },
            }
        }
    }
}
