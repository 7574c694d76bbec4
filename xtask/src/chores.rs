//! The commands that need the host.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cargo::{cargo, target_dir};
use crate::debian;
use crate::languages::{self, NotRun};
use crate::plugins;
use crate::step::{become_command, run, step};
use crate::torture::{Torture, provide_strace};
use crate::verifiers;

/// Shows five events on their way. Comes back only when that fails.
pub(crate) fn demo(arguments: &[String]) -> Result<()> {
    plugins::build_bundled()?;
    build(&[])?;
    let mut demo = Command::new(host("debug"));
    demo.arg("demo").arg("--plugins").arg(plugins::folder()).args(arguments);
    Err(become_command(&mut demo))
}

/// The binary for use, with the bundled plugins inside.
pub(crate) fn release() -> Result<()> {
    plugins::build_bundled()?;
    step("build", || run(&mut cargo(["build", "--release", "--package", "hookwright"])))?;
    eprintln!("{}", host("release").display());
    Ok(())
}

/// Runs every test; ends at the first broken stage.
pub(crate) fn test() -> Result<()> {
    plugins::build_all()?;
    let browser =
        debian::provide(&["chromium", "chromedriver"], &["chromium", "chromium-driver"], "the pages in a browser");
    let not_run = [languages::build_and_test()?, verifiers::install()?, provide_strace()?, browser?];
    build(&["--all-targets"])?;
    step("fixtures of the bundled plugins", fixtures)?;
    step("test", || run(with_host(&mut cargo(["test", "--workspace"]), "debug")))?;
    // Again, where it is seen.
    not_run.iter().try_for_each(NotRun::tell)
}

/// Has the promise kept under duress, for some minutes.
pub(crate) fn torture(arguments: &[String]) -> Result<()> {
    let torture = Torture::parse(arguments)?;
    plugins::build_all()?;
    let not_run = provide_strace()?;
    build(&["--bin", "hookwright", "--test", "scenarios"])?;
    // One after the other, so that each has the machine for itself.
    let mut scenarios = cargo(["test", "--workspace", "--test", "scenarios"]);
    scenarios.args(["torture", "--", "--nocapture", "--test-threads=1"]);
    step("torture", || run(with_host(torture.ask(&mut scenarios), "debug")))?;
    not_run.tell()
}

/// What each bundled plugin makes of its fixtures, in the engine of the host.
fn fixtures() -> Result<()> {
    for name in plugins::bundled_names()? {
        let plugin = plugins::folder().join(&name);
        eprintln!("  {name}");
        let mut test = Command::new(host("debug"));
        test.args(["plugin", "test"]).arg(plugin.with_extension("wasm"));
        run(test.arg("--fixtures").arg(plugin.join("fixtures")))?;
    }
    Ok(())
}

/// Everything at once, whatever is needed of it: asked for one by one, crates may get other features of what they share,
/// and wasmtime is built twice.
fn build(more: &[&str]) -> Result<()> {
    step("build", || run(cargo(["build", "--workspace"]).args(more)))
}

/// Measures.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    plugins::build_bench()?;
    // Those that are not there, the bench itself names.
    let _ = languages::build_bench()?;
    let build = ["build", "--release", "--package", "hookwright", "--package", "hookwright-bench"];
    step("build", || run(&mut cargo(build)))?;
    let mut bench = Command::new(target_dir().join("release/hookwright-bench"));
    run(with_host(bench.args(arguments), "release"))
}

/// Tells `command` where the binary and the plugins are.
fn with_host<'c>(command: &'c mut Command, profile: &str) -> &'c mut Command {
    command
        .env("HOOKWRIGHT_BIN", host(profile))
        .env("HOOKWRIGHT_PLUGINS", plugins::folder())
        .env("HOOKWRIGHT_GUESTS", plugins::guest_folder())
        .env("HOOKWRIGHT_LANGUAGES", languages::folder())
        .env("HOOKWRIGHT_VERIFIERS", verifiers::folder())
}

fn host(profile: &str) -> PathBuf {
    target_dir().join(profile).join("hookwright")
}
