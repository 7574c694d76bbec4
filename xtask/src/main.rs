//! Every chore of the project. Each command does its own set-up, shows what it is doing and how long it took.

mod cargo;
mod chores;
mod debian;
mod languages;
mod plugins;
mod step;
mod torture;
mod verifiers;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  demo [args]    build everything and show five events on their way; args go to `hookwright demo`
  test           build everything and run every test
  torture [--cycles N] [--seed S]
                 kill the host under load, N times (200), fill its disk and have it fail; nothing accepted may be lost
  plugins        build the bundled plugins into plugins/*.wasm, and those that only tests and benches use
  languages      build and test the example plugins in JavaScript and Python, into target/languages/*.wasm
  release        build the binary for use, with the bundled plugins inside
  bench [args]   build for speed and run the benchmarks; args go to `hookwright-bench`: none for the whole way of an
                 event, `plugins`, `hostile` or `reloads` for what is about plugins, `pages` for the admin pages
  help           this text

HOOKWRIGHT_WASM=rustup|debian   where the target wasm32-unknown-unknown comes from (default: whatever is there)
CI=true                         may install Debian packages; refuses a Cargo.lock that is not current
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let result = match (command.as_deref(), rest.is_empty()) {
        (Some("demo"), _) => chores::demo(&rest),
        (Some("bench"), _) => chores::bench(&rest),
        (Some("torture"), _) => chores::torture(&rest),
        (Some("test"), true) => chores::test(),
        (Some("languages"), true) => languages::build_and_test().map(drop),
        (Some("release"), true) => chores::release(),
        (Some("plugins"), true) => plugins::build_all().and_then(|()| plugins::build_bench()),
        (None | Some("help" | "--help" | "-h"), _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
