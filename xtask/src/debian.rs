//! Debian's packages, where they may be installed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::cargo::ci;
use crate::languages::NotRun;
use crate::step::{output, run, step};

/// On Debian, as root or where `CI=true`.
pub(crate) fn may_install() -> bool {
    let root = || output(Command::new("id").arg("-u")).as_deref() == Some("0");
    Path::new("/etc/debian_version").exists() && (ci() || root())
}

pub(crate) fn install(packages: &[&str]) -> Result<()> {
    step(&format!("install {}", packages.join(" and ")), || {
        run(Command::new("apt-get").args(["update", "--quiet"]))?;
        run(Command::new("apt-get").args(["install", "--yes", "--quiet"]).args(packages))
    })
}

/// Programs, each of which says its `--version`, by their packages where these may be installed; what needs them is not run without.
pub(crate) fn provide(programs: &[&str], packages: &[&str], what: &str) -> Result<NotRun> {
    let are_there = || programs.iter().all(|program| output(Command::new(program).arg("--version")).is_some());
    let mut not_run = NotRun::default();
    if !are_there()
        && may_install()
        && let Err(error) = install(packages)
    {
        eprintln!("xtask: {error:#}");
    }
    if !are_there() {
        not_run.add(what, &packages.join(" and "));
    }
    not_run.tell()?;
    Ok(not_run)
}
