//! The example plugins in other languages: built into `target/languages/`, and tested by their own test runners. Their
//! tools are installed where they may be; without them a plugin is not run, which is said aloud.

pub(crate) mod javascript;
pub(crate) mod python;
pub(crate) mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::sources::Sources;
use crate::cargo::{ci, root, target_dir};
use crate::debian;
use crate::plugins;
use crate::step::step;

/// A language, and the plugin in it.
pub(crate) struct Language {
    name: &'static str,
    /// The plugin's name: of its sources, and of what becomes of them.
    plugin: &'static str,
    /// Below the root.
    sources: &'static str,
    /// What has to be there already, for people.
    pub(crate) needs: &'static str,
    /// The same as Debian calls it.
    packages: &'static [&'static str],
    has_tools: fn() -> bool,
    /// Installs what a build needs beside its sources.
    install: fn(&Place) -> Result<()>,
    /// Builds the plugin into this file.
    build: fn(&Place, &Path) -> Result<()>,
    /// Builds the plugin of the bench.
    build_bench: fn(&Place, &Path) -> Result<()>,
    /// Needs no wasm.
    test: fn(&Place) -> Result<()>,
}

/// Where a language lives.
struct Place {
    sources: PathBuf,
    /// What is installed and made for builds and tests.
    tools: PathBuf,
}

/// Plugins that were neither built nor tested, each with what it needs.
#[must_use]
#[derive(Default)]
pub(crate) struct NotRun(Vec<String>);

/// Builds those that have changed, and tests all.
pub(crate) fn build_and_test() -> Result<NotRun> {
    each(|language, place| {
        let wasm = folder().join(format!("{}.wasm", language.plugin));
        language.build_if_changed(place, &[], &wasm, language.build)?;
        (language.test)(place)
    })
}

/// Builds the plugins of the bench.
pub(crate) fn build_bench() -> Result<NotRun> {
    each(|language, place| {
        let wasm = plugins::guest_folder().join(format!("edit-{}.wasm", language.name.to_lowercase()));
        language.build_if_changed(place, &[&bench_sources()], &wasm, language.build_bench)
    })
}

/// With the tools of each language, as far as they are here.
fn each(work: impl Fn(&Language, &Place) -> Result<()>) -> Result<NotRun> {
    let mut not_run = NotRun::default();
    for language in [&javascript::LANGUAGE, &python::LANGUAGE] {
        let Language { name, needs, packages, has_tools, .. } = language;
        if !has_tools()
            && debian::may_install()
            && let Err(error) = debian::install(packages)
        {
            eprintln!("xtask: {error:#}");
        }
        if has_tools() {
            step(&format!("plugin in {name}"), || work(language, &language.place()))?;
        } else {
            not_run.add(&format!("the plugin in {name}"), needs);
        }
    }
    not_run.tell()?;
    Ok(not_run)
}

/// Where the plugins of the bench are written, `edit` in each language.
fn bench_sources() -> PathBuf {
    root().join("bench/languages")
}

/// Where the built ones are.
pub(crate) fn folder() -> PathBuf {
    target_dir().join("languages")
}

impl NotRun {
    pub(crate) fn add(&mut self, what: &str, needs: &str) {
        self.0.push(format!("{what}: install {needs}"));
    }

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
    fn build_if_changed(
        &self,
        place: &Place,
        more_sources: &[&Path],
        wasm: &Path,
        build: fn(&Place, &Path) -> Result<()>,
    ) -> Result<()> {
        let contract = root().join("sdk/wit");
        let sources = Sources::read(&[&[&place.sources, contract.as_path()], more_sources].concat())?;
        let stamp = wasm.with_extension("sources");
        let unchanged = wasm.is_file() && sources.are_in(&stamp);
        if !unchanged {
            for folder in wasm.parent().into_iter().chain([folder().as_path()]) {
                fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            }
            let _ = fs::remove_file(&stamp);
            (self.install)(place)?;
            build(place, wasm)?;
            sources.write(&stamp)?;
        }
        let megabytes = fs::metadata(wasm).map_or(0, |file| file.len().div_ceil(1_000_000));
        let name = wasm.strip_prefix(root()).unwrap_or(wasm).display();
        eprintln!("  {name}: {megabytes} MB, {}", if unchanged { "unchanged" } else { "new" });
        Ok(())
    }

    fn place(&self) -> Place {
        Place { sources: root().join(self.sources), tools: folder().join(self.plugin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_where_they_are_looked_for() {
        for (language, file) in [(&javascript::LANGUAGE, "js"), (&python::LANGUAGE, "py")] {
            let stems = [language.plugin.to_owned(), language.plugin.replace('-', "_")];
            let found = stems.map(|stem| language.place().sources.join(format!("{stem}.{file}")));
            assert!(found.iter().any(|file| file.is_file()), "{found:?}");
            assert!(bench_sources().join(format!("edit.{file}")).is_file());
        }
    }

    #[test]
    fn the_pages_name_the_versions_that_are_tested() {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let between = |text: &str, start: &str, end: char| {
            let (_, rest) = text.split_once(start).unwrap();
            rest.split(end).next().unwrap().trim().to_owned()
        };
        let (javascript, python) = (read("docs/javascript.md"), read("docs/python.md"));
        let package = read("examples/javascript/package.json");
        for name in ["componentize-js", "jco"] {
            let version = between(&package, &format!("\"@bytecodealliance/{name}\": \""), '"');
            assert!(javascript.contains(&format!("@bytecodealliance/{name}@{version}")), "{name} {version}");
        }
        let version = between(&read("examples/python/requirements.txt"), "componentize-py==", '\\');
        assert!(python.contains(&format!("componentize-py=={version}\n")), "{version}");
        let contract = between(&read("sdk/wit/plugin.wit"), "\npackage hookwright:plugin@", ';');
        assert!(javascript.contains(&format!("\"hookwright:plugin/host@{contract}\"")), "{contract}");
    }

    #[test]
    fn what_was_not_run_is_a_failure_only_where_everything_has_to_be() {
        let not_run = NotRun(vec!["the plugin in BASIC: install basic".to_owned()]);
        assert_eq!(not_run.tell().is_err(), ci());
        assert!(NotRun(Vec::new()).tell().is_ok());
    }
}
