//! Debian's packages, where they may be installed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::cargo::ci;
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
