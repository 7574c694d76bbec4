//! `plugin add`: one of the plugins inside this binary, into the home.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::super::{Exit, Format, screen};
use super::install::{self, Place};
use crate::bundled::{self, Bundled};
use crate::config::nearest;
use crate::ids::{Digest, PluginName};

#[derive(Debug, Args)]
pub(in crate::cli) struct AddArgs {
    /// A bundled plugin; `hookwright plugin list --bundled` lists them
    name: PluginName,
    /// In the place of another plugin of that name
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(home: &Path, args: AddArgs) -> anyhow::Result<Exit> {
    let AddArgs { name, force } = args;
    let wasm = find(&name)?;
    let place = Place::new(home, &name)?;
    if place.exists() && place.current() != Some(Digest::of(wasm)) && !force {
        bail!("{} is there already, and is another version or another plugin; --force replaces it", place.file());
    }
    let host = place.install(wasm).await?;
    screen::line(&install::as_text(&place.file(), &host))?;
    let inspect = screen::command(&format!("hookwright plugin inspect {}", place.file()));
    let used = format!("\"plugins\": [{{ \"plugin\": \"{name}\", \"config\": {{ … }} }}]");
    screen::line(&format!("A webhook uses it by {used}; {inspect} shows what its config may say."))?;
    Ok(install::exit(&host))
}

fn find(name: &PluginName) -> anyhow::Result<&'static [u8]> {
    let Some(plugin) = bundled::find(name) else {
        let known = || bundled::ALL.iter().map(|plugin| plugin.name);
        match nearest(name.as_str(), known()) {
            Some(meant) => bail!("no plugin {name} is bundled: did you mean {meant}?"),
            None => bail!("no plugin {name} is bundled: expected one of {}", known().collect::<Vec<_>>().join(", ")),
        }
    };
    plugin.wasm.with_context(|| {
        format!(
            "plugin {name} was not built when this hookwright was: in its checkout, run `cargo xtask plugins` and \
             build hookwright again, or copy plugins/{name}.wasm from there"
        )
    })
}

/// What can be added.
pub(super) fn list(format: Format) -> anyhow::Result<Exit> {
    let text = if format.json {
        json!({"bundled": bundled::ALL.iter().map(as_json).collect::<Vec<_>>()}).to_string()
    } else {
        format!("{}\n\nInto this home: `hookwright plugin add NAME`.", table(bundled::ALL).render(0))
    };
    screen::line(&text)?;
    Ok(Exit::Ok)
}

fn as_json(plugin: &Bundled) -> Value {
    json!({"name": plugin.name, "description": plugin.description, "bytes": plugin.wasm.map(<[u8]>::len)})
}

fn table(plugins: &[Bundled]) -> screen::Table {
    let mut table = screen::Table::new(["NAME", "SIZE", "DESCRIPTION"]);
    for plugin in plugins {
        let size = plugin.wasm.map_or("not built".to_owned(), |wasm| screen::kilobytes(wasm.len()));
        table.row([screen::plain(plugin.name), screen::dim(size), screen::plain(plugin.description)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_says_what_it_does() {
        let names: Vec<_> = bundled::ALL.iter().map(|plugin| plugin.name).collect();
        assert!(names.is_sorted() && names.contains(&"redact"), "{names:?}");
        assert!(bundled::ALL.iter().all(|plugin| !plugin.description.is_empty()));
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_those_that_are() {
        let says = |name: &str| find(&name.parse().expect("a name")).expect_err("is not bundled").to_string();
        assert_eq!(says("redakt"), "no plugin redakt is bundled: did you mean redact?");
        assert!(says("something-else").contains("expected one of add-headers, "), "{}", says("something-else"));
    }

    #[test]
    fn one_that_was_not_built_is_listed_as_such() {
        let plugins = [Bundled { name: "a", description: "Does a", wasm: None }];
        insta::assert_snapshot!(screen::uncoloured(&table(&plugins).render(0)), @r"
        NAME  SIZE       DESCRIPTION
        a     not built  Does a
        ");
    }
}
