//! `hookwright`, the binary: parse, build, run, drain.

use std::process::ExitCode;

use clap::Parser as _;
use hookwright::cli::{self, Cli};

/// About a sixth of an event's processor time went into the system's allocator; this one is quicker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A process that compiles is under limits that the runtime's threads would not fit into.
    hookwright::plugin::compile_if_asked().unwrap_or_else(command_line)
}

#[tokio::main]
async fn command_line() -> ExitCode {
    cli::run(Cli::parse()).await
}
