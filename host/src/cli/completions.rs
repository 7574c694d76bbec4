//! `completions`: for the shells clap knows.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit, screen};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hookwright", &mut script);
    screen::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
