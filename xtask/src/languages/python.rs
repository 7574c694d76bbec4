//! Python: componentize-py, by pip, in a virtual environment below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Language, Place, bench_sources};
use crate::cargo::root;
use crate::step::{output, run};

pub(crate) const LANGUAGE: Language = Language {
    name: "Python",
    plugin: "csv-row",
    sources: "examples/python",
    needs: "Python 3.11 or later with venv and pip",
    packages: &["python3", "python3-venv"],
    has_tools,
    install,
    build,
    build_bench,
    test,
};

/// 3.11 has what the bindings import, `typing.Self`; and without `ensurepip` a virtual environment has no pip.
const TRIAL: &str = "from typing import Self; import ensurepip, venv";

pub(crate) fn has_tools() -> bool {
    output(Command::new("python3").args(["-c", TRIAL])).is_some()
}

fn install(place: &Place) -> Result<()> {
    venv(&place.tools, &place.sources.join("requirements.txt"))?;
    run(componentize(place).arg("bindings").arg(bindings(place)))
}

/// A virtual environment with what is required, and nothing else.
pub(crate) fn venv(folder: &Path, requirements: &Path) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let pip = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"];
    run(Command::new(folder.join("bin/pip")).args(pip).arg(requirements))
}

fn build(place: &Place, wasm: &Path) -> Result<()> {
    component(place, "csv_row", &place.sources, wasm)
}

fn build_bench(place: &Place, wasm: &Path) -> Result<()> {
    component(place, "edit", &bench_sources(), wasm)
}

fn component(place: &Place, module: &str, sources: &Path, wasm: &Path) -> Result<()> {
    let mut componentize = componentize(place);
    run(componentize.args(["componentize", module, "--python-path"]).arg(sources).arg("--output").arg(wasm))
}

fn test(place: &Place) -> Result<()> {
    let mut python = Command::new("python3");
    python.args(["-m", "unittest", "--quiet", "--buffer"]).current_dir(&place.sources);
    run(python.env("PYTHONPATH", bindings(place)).env("PYTHONDONTWRITEBYTECODE", "1"))
}

fn componentize(place: &Place) -> Command {
    let mut componentize = Command::new(place.tools.join("bin/componentize-py"));
    componentize.args(["--quiet", "--world", "plugin", "--wit-path"]).arg(root().join("sdk/wit"));
    componentize
}

/// The contract as Python modules.
fn bindings(place: &Place) -> PathBuf {
    place.tools.join("bindings")
}
