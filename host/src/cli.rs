//! The command line: arguments in, text and an exit code out.
//!
//! One file per command. Commands that ask a running host go through `client`, which `discovery` points at it;
//! everything shown is built by `screen`, where text from outside is made inert. Does none of the host's work.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};

use crate::host::BuildError;

mod audit;
mod check;
mod client;
mod completions;
mod confirm;
mod delivery;
mod demo;
mod diff;
mod differences;
mod discovery;
mod event;
mod import;
mod init;
mod json;
mod listen;
mod logging;
mod login;
mod pages;
mod plugin;
mod progress;
mod receiver;
mod reload;
mod remote;
mod screen;
mod secret;
mod send;
mod serve;
mod status;
mod tail;
mod tls;
mod token;
mod webhook;
mod who;
mod why;

const HOME_VARIABLE: &str = "HOOKWRIGHT_HOME";

/// A webhook dispatcher you can program: a CMS posts an event; Hookwright validates it, stores it, runs each
/// webhook's WebAssembly plugins, and delivers it, signed, retried and logged.
#[derive(Debug, Parser)]
#[command(
    name = "hookwright",
    version,
    about = "A webhook dispatcher you can program",
    after_help = "Start with `hookwright init`, or, in a clone, with `cargo xtask demo`.\n\
                  Exit codes: 0 ok, 1 failure, 2 usage, 78 configuration."
)]
pub struct Cli {
    /// The folder that holds config/ schemas/ plugins/ data/ and .env [default: .]
    #[arg(long, global = true, env = HOME_VARIABLE, value_name = "DIR", value_parser = OsStringValueParser::new().try_map(home))]
    home: Option<PathBuf>,

    #[command(flatten)]
    remote: remote::RemoteArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a home folder that works: configuration, secrets, a webhook to `listen`
    Init,
    /// Run the dispatcher
    Serve(serve::ServeArgs),
    /// Read everything as `serve` would and report what is wrong
    Check(check::CheckArgs),
    /// What the running host is doing
    Status(Format),
    /// Post files as events
    Send(send::SendArgs),
    /// Receive webhooks here: verify each signature and print what came
    Listen(listen::ListenArgs),
    /// Follow deliveries as they happen
    Tail(Format),
    /// Why an event was, or was not, delivered
    Why(why::WhyArgs),
    /// See the whole way of an event, from a clone: `cargo xtask demo`
    Demo(demo::DemoArgs),
    /// Print a link that signs in to the admin pages
    Login(login::LoginArgs),
    /// Make the running host read its folders again
    Reload(reload::ReloadArgs),
    /// Look at events; admit quarantined ones
    #[command(subcommand)]
    Event(event::EventCommand),
    /// Look at deliveries; replay, retry, discard, purge them
    #[command(subcommand)]
    Delivery(delivery::DeliveryCommand),
    /// Look at webhooks; make, test, change, delete, pause them
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Write, build and add plugins; look at them, go back to an earlier version, repeat a run
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Take over webhooks from Strapi or Svix
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Make signing secrets; change the master key
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Make tokens for others, with a role each; look at them, revoke them
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Who changed what
    Audit(audit::AuditArgs),
    /// Print the description of the API, OpenAPI 3.1
    Openapi,
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, Args)]
struct Format {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// How a command ended, when nothing went wrong on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Ok,
    Failure,
    /// `EX_CONFIG` of sysexits.h.
    Configuration,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Configuration => 78,
        }
    }
}

/// Runs one command to its end. Errors go to stderr.
pub async fn run(cli: Cli) -> ExitCode {
    match dispatch(cli).await {
        Ok(exit) => exit.code().into(),
        Err(error) => explain(&error).into(),
    }
}

/// A home that was named. An empty variable counts as not set, as in a shell's `${NAME:-default}`; an empty option is a
/// mistake, such as a variable of a script that was never set.
fn home(named: OsString) -> Result<PathBuf, &'static str> {
    let is_variable = || std::env::var_os(HOME_VARIABLE).is_some_and(|value| value.is_empty());
    if named.is_empty() && !is_variable() { Err("expected a folder") } else { Ok(named.into()) }
}

async fn dispatch(Cli { home, remote, command }: Cli) -> anyhow::Result<Exit> {
    remote.hold();
    let asked_for = home.filter(|home| !home.as_os_str().is_empty());
    let home = asked_for.clone().unwrap_or_else(|| PathBuf::from("."));
    match command {
        Command::Init => init::run(&home),
        Command::Serve(args) => serve::run(&home, args).await,
        Command::Check(args) => check::run(&home, args).await,
        Command::Status(format) => status::run(&home, format).await,
        Command::Send(args) => send::run(&home, args).await,
        Command::Listen(args) => listen::run(&home, args).await,
        Command::Tail(format) => tail::run(&home, format).await,
        Command::Why(args) => why::run(&home, args).await,
        Command::Demo(args) => demo::run(&home, args).await,
        Command::Login(args) => login::run(&home, args).await,
        Command::Reload(args) => reload::run(&home, args).await,
        Command::Event(command) => event::run(&home, command).await,
        Command::Delivery(command) => delivery::run(&home, command).await,
        Command::Webhook(command) => webhook::run(&home, command).await,
        Command::Plugin(command) => plugin::run(asked_for.as_deref(), command).await,
        Command::Import(command) => import::run(&home, &command),
        Command::Secret(command) => secret::run(&home, &command).await,
        Command::Token(command) => token::run(&home, command).await,
        Command::Audit(args) => audit::run(&home, args).await,
        Command::Openapi => {
            screen::line(&format!("{:#}", crate::admin::openapi::document()))?;
            Ok(Exit::Ok)
        }
        Command::Completions(args) => completions::run(&args),
    }
}

/// Says what went wrong, and how the process should end.
fn explain(error: &anyhow::Error) -> u8 {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
    };
    // Whoever read our output has seen enough: `hookwright tail | head`.
    if error.chain().any(broken_pipe) && error.is::<screen::Closed>() {
        return Exit::Ok.code();
    }
    screen::complain(&format!("{error:#}"));
    error.downcast_ref::<BuildError>().map_or(Exit::Failure.code(), BuildError::exit_code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn home_may_stand_before_or_after_the_command() {
        for line in [["hookwright", "--home", "x", "status"], ["hookwright", "status", "--home", "x"]] {
            let cli = Cli::try_parse_from(line).expect("valid");
            assert_eq!(cli.home, Some(PathBuf::from("x")));
        }
    }

    #[test]
    fn ids_are_checked_before_anything_is_asked() {
        let error = Cli::try_parse_from(["hookwright", "event", "show", "evt_nonsense"]).expect_err("not an id");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("expected an event id such as evt_"), "{error}");
    }
}
