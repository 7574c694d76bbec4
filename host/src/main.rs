//! `hookwright`, the binary: parse, build, run, drain.

use std::process::ExitCode;

use clap::Parser as _;
use hookwright::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await
}
