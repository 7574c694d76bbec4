//! What the host says about itself while it runs, on stderr.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line, for programs
    Json,
}

/// Starts logging at what `HOOKWRIGHT_LOG` says, else at `default`.
///
/// # Errors
/// When `HOOKWRIGHT_LOG` is not a filter.
pub(super) fn start(format: LogFormat, default: &str) -> anyhow::Result<()> {
    let written = std::env::var("HOOKWRIGHT_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = EnvFilter::try_new(written.as_deref().unwrap_or(default)).map_err(|error| {
        anyhow::anyhow!("HOOKWRIGHT_LOG is not a filter such as info or hookwright=debug,warn: {error}")
    })?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // Ignored when somebody else already set one up: then theirs is used.
    let _ = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
