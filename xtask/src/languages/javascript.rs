//! JavaScript: componentize-js, by npm. Everything npm installs is in the example's own `node_modules`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Language, Place, bench_sources};
use crate::cargo::root;
use crate::step::{output, run};

pub(crate) const LANGUAGE: Language = Language {
    name: "JavaScript",
    plugin: "search-record",
    sources: "examples/javascript",
    needs: "Node.js 18 or later with npm",
    packages: &["nodejs", "npm"],
    has_tools,
    install,
    build,
    build_bench,
    test,
};

const LEAST_NODE: u32 = 18;

pub(crate) fn has_tools() -> bool {
    let node = output(Command::new("node").arg("--version"));
    let npm = output(Command::new("npm").arg("--version"));
    node.is_some_and(|version| is_enough(&version)) && npm.is_some()
}

/// `v20.20.2`
fn is_enough(version: &str) -> bool {
    let major = version.strip_prefix('v').and_then(|version| version.split('.').next());
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= LEAST_NODE)
}

fn install(place: &Place) -> Result<()> {
    run(npm(place).args(["ci", "--no-audit", "--no-fund", "--silent"]))
}

fn build(place: &Place, wasm: &Path) -> Result<()> {
    run(npm(place).args(["run", "--silent", "build", "--", "--out"]).arg(wasm))
}

fn build_bench(place: &Place, wasm: &Path) -> Result<()> {
    let mut componentize = npm(place);
    componentize.args(["exec", "--silent", "--", "componentize-js"]).arg(bench_sources().join("edit.js"));
    componentize.arg("--wit").arg(root().join("sdk/wit")).args(["--world-name", "plugin", "--out"]).arg(wasm);
    run(&mut componentize)
}

fn test(place: &Place) -> Result<()> {
    run(npm(place).args(["test", "--silent"]))
}

fn npm(place: &Place) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(&place.sources);
    npm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_understood() {
        assert!(is_enough("v18.20.4") && is_enough("v20.20.2"));
        assert!(!is_enough("v16.1.0") && !is_enough("") && !is_enough("vv20"));
    }
}
