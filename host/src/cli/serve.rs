//! `serve`: build, run, drain.

use std::path::Path;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::logging::{self, LogFormat};
use super::{Exit, discovery};
use crate::host::{self, Compilers, Listening, Options};
use crate::reload::ReloadHandle;
use crate::tasks::{self, OnPanic};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Refuse to start when any file is at fault, instead of using its last good version
    #[arg(long)]
    strict: bool,
    /// Delete webhooks managed here whose secrets do not open, because the master key is lost
    #[arg(long)]
    drop_unreadable: bool,
    /// The form of log lines; what is logged is set by HOOKWRIGHT_LOG (default: info)
    #[arg(long = "log", value_enum, default_value = "text", value_name = "FORMAT")]
    log: LogFormat,
}

pub(super) async fn run(home: &Path, args: ServeArgs) -> anyhow::Result<Exit> {
    logging::start(args.log, "info")?;
    // Before anything is opened: until they are listened for, these signals end the process.
    let shutdown = stop_signal()?;
    let hangup = signal(SignalKind::hangup())?;
    let host = host::build(Options {
        home: home.to_owned(),
        strict: args.strict,
        drop_unreadable: args.drop_unreadable,
        listening: Listening::AsConfigured,
        compilers: Compilers::Children,
    })
    .await?;
    let (listen, admin) = host.addresses();
    tracing::info!(%listen, %admin, home = %home.display(), "hookwright is ready");
    tracing::info!("`{}` prints a link to the admin pages", discovery::command("login", home));
    reload_on_hangup(hangup, host.reload_handle());
    host.run_until(shutdown).await;
    tracing::info!("hookwright has stopped");
    Ok(Exit::Ok)
}

/// SIGHUP means "read everything again", as with other servers.
fn reload_on_hangup(mut hangup: Signal, reload: ReloadHandle) {
    tasks::spawn("hangup", OnPanic::Log, async move {
        // Refused when the host shuts down: nothing to reload any more.
        while hangup.recv().await.is_some() && reload.reload(false).await.is_ok() {}
    });
}

/// Completes at the first SIGINT or SIGTERM. A second one ends the process without draining; nothing
/// acknowledged is lost by that.
///
/// # Errors
/// When signals cannot be listened for.
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let mut next = async move || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        tasks::spawn("second signal", OnPanic::Log, async move {
            next().await;
            std::process::exit(130);
        });
    })
}
