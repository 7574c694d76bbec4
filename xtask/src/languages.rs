//! The example plugins in other languages: built into `target/languages/`, and tested by their own test runners. Their
//! tools are installed where they may be; without them a plugin is not run, which is said aloud.

mod javascript;
mod python;
mod sources;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use self::sources::Sources;
use crate::cargo::{ci, root, target_dir};
use crate::debian;
use crate::step::step;

/// A language, and the plugin in it.
struct Language {
    name: &'static str,
    /// The plugin's name: of its sources, and of what becomes of them.
    plugin: &'static str,
    /// Below the root.
    sources: &'static str,
    /// What has to be there already, for people.
    needs: &'static str,
    /// The same as Debian calls it.
    packages: &'static [&'static str],
    has_tools: fn() -> bool,
    /// Installs what the build needs beside its sources, and builds.
    build: fn(&Place) -> Result<()>,
    /// Needs no wasm.
    test: fn(&Place) -> Result<()>,
}

/// Where a plugin lives.
struct Place {
    sources: PathBuf,
    wasm: PathBuf,
    /// What a build leaves behind for itself, and for the tests.
    tools: PathBuf,
}

/// Plugins that were neither built nor tested, each with what it needs.
#[must_use]
pub(crate) struct NotRun(Vec<String>);

/// Builds those that have changed, and tests all.
pub(crate) fn build_and_test() -> Result<NotRun> {
    let mut not_run = NotRun(Vec::new());
    for language in [&javascript::LANGUAGE, &python::LANGUAGE] {
        let Language { name, needs, packages, has_tools, .. } = language;
        if !has_tools()
            && debian::may_install()
            && let Err(error) = debian::install(packages)
        {
            eprintln!("xtask: {error:#}");
        }
        if has_tools() {
            step(&format!("plugin in {name}"), || language.build_and_test())?;
        } else {
            not_run.0.push(format!("the plugin in {name}: install {needs}"));
        }
    }
    not_run.tell()?;
    Ok(not_run)
}

/// Where the built ones are.
pub(crate) fn folder() -> PathBuf {
    target_dir().join("languages")
}

impl NotRun {
    /// Says what was not run: a failure where everything has to be.
    pub(crate) fn tell(&self) -> Result<()> {
        for what in &self.0 {
            eprintln!("NOT RUN: {what}");
        }
        if ci() && !self.0.is_empty() {
            bail!("with CI=true everything has to run");
        }
        Ok(())
    }
}

impl Language {
    fn build_and_test(&self) -> Result<()> {
        let place = self.place();
        let stamp = place.wasm.with_extension("sources");
        let sources = Sources::read(&[&place.sources, &root().join("sdk/wit")])?;
        let unchanged = place.wasm.is_file() && sources.are_in(&stamp);
        if !unchanged {
            fs::create_dir_all(folder()).with_context(|| format!("cannot make {}", folder().display()))?;
            let _ = fs::remove_file(&stamp);
            (self.build)(&place)?;
            sources.write(&stamp)?;
        }
        let megabytes = fs::metadata(&place.wasm).map_or(0, |file| file.len().div_ceil(1_000_000));
        eprintln!("  {}.wasm: {megabytes} MB, {}", self.plugin, if unchanged { "unchanged" } else { "new" });
        (self.test)(&place)
    }

    fn place(&self) -> Place {
        Place {
            sources: root().join(self.sources),
            wasm: folder().join(format!("{}.wasm", self.plugin)),
            tools: folder().join(self.plugin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_where_they_are_looked_for() {
        for (language, file) in [(&javascript::LANGUAGE, "js"), (&python::LANGUAGE, "py")] {
            let Place { sources, wasm, .. } = language.place();
            let stem = wasm.file_stem().unwrap().to_str().unwrap();
            assert_eq!(stem, language.plugin);
            let found = [stem.to_owned(), stem.replace('-', "_")].map(|stem| sources.join(format!("{stem}.{file}")));
            assert!(found.iter().any(|file| file.is_file()), "{found:?}");
        }
    }

    #[test]
    fn what_was_not_run_is_a_failure_only_where_everything_has_to_be() {
        let not_run = NotRun(vec!["the plugin in BASIC: install basic".to_owned()]);
        assert_eq!(not_run.tell().is_err(), ci());
        assert!(NotRun(Vec::new()).tell().is_ok());
    }
}
