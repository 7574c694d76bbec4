//! `plugin fixture`: a delivery that the host has had, as a fixture of one of its plugins.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::delivery::Which;
use super::super::{Exit, discovery, json, screen};
use super::newest;
use crate::author::replay::{self, Recorded};
use crate::author::trial::Trial;
use crate::author::workbench::Workbench;
use crate::author::{expected, fixture};
use crate::config::Home;
use crate::delivery::ChainVerdict;
use crate::event::Event;
use crate::files;
use crate::ids::PluginName;
use crate::tasks;

#[derive(Debug, Args)]
pub(in crate::cli) struct FixtureArgs {
    /// The delivery
    #[arg(long, value_name = "ID|last")]
    delivery: Which,
    /// The plugin, if the webhook's chain has several
    #[arg(long, value_name = "NAME")]
    plugin: Option<PluginName>,
    /// Write it here instead of printing it; an existing file is left alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(home: &Path, args: FixtureArgs) -> anyhow::Result<Exit> {
    let FixtureArgs { delivery, plugin, out } = args;
    let client = discovery::admin(home)?;
    let delivery = delivery.find(&client).await?;
    let recorded = newest::of_delivery(&client, delivery).await?;
    let home = Home::new(home);
    let (text, secret) = tasks::blocking(move || document(&home, &recorded, plugin.as_ref())).await?;
    match out {
        None => screen::line(screen::inert_lines(text.trim_end()).as_ref())?,
        Some(path) => {
            if path.exists() {
                bail!("{} is there already; name another file", path.display());
            }
            // The folder of a plugin's first fixture.
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            folder
                .and_then(|()| files::replace_public(&path, text.as_bytes()))
                .with_context(|| format!("cannot write {}", path.display()))?;
            screen::line(&format!("{}  what the plugin makes of it today is what it expects", path.display()))?;
        }
    }
    if secret {
        screen::remark("the config refers to variables by ${…}: write values for tests in their place");
    }
    Ok(Exit::Ok)
}

/// The fixture's text, and whether its config refers to what may be secret. Blocking.
fn document(home: &Home, recorded: &Recorded, plugin: Option<&PluginName>) -> anyhow::Result<(String, bool)> {
    let chain = replay::chain(home, &recorded.webhook)?;
    let place = match (plugin, chain.as_slice()) {
        (Some(name), chain) => chain.iter().position(|used| &used.plugin == name).with_context(|| {
            format!("webhook {} does not use plugin {name}; it uses {}", recorded.webhook, names(chain))
        })?,
        (None, [_]) => 0,
        (None, []) => bail!("webhook {} uses no plugin", recorded.webhook),
        (None, chain) => bail!("webhook {} uses {}; say which by --plugin NAME", recorded.webhook, names(chain)),
    };
    let name = chain[place].plugin.clone();
    let workbench = Workbench::open(Some(home))?;
    let loaded = replay::load(&workbench, home, &name).with_context(|| format!("plugin {name} cannot be loaded"))?;
    let replayed = replay::replay(&workbench, home, &loaded, recorded)?;
    if place > 0 && replay::is_filled_in(home, &recorded.webhook, place)? {
        bail!(
            "what plugin {name} gets may hold values from .env, because the configs before it refer to some; a fixture must not: \
             make one of the first plugin ({}), or try the chain with other values",
            chain[0].plugin
        );
    }
    let ChainVerdict::Deliver { changes: left } = &replayed.before.verdict else {
        bail!("plugin {name} does not get to see it: {}", replayed.before.runs.last().map_or("", |run| &run.summary));
    };
    let data = left.data.as_ref().unwrap_or(&recorded.event.data);
    let event: &RawValue = serde_json::from_slice(data).context("the payload is not JSON: a fixture cannot hold it")?;
    // As the file has it: a value that was filled in is never written.
    let config = replay::written_config(home, &recorded.webhook, place)?;
    let config = config.unwrap_or_else(|| json!({}));
    let text = config.to_string();
    let secret = text.contains("${");
    let trial = Trial {
        event: Event { id: Trial::EVENT, data: data.clone(), ..recorded.event.clone() },
        labels: replay::labels(home, &recorded.webhook)?,
        config: text.into(),
        run: recorded.run,
        now: recorded.now,
    };
    let object = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
    };
    let content_type = left.content_type.as_deref().unwrap_or(&recorded.event.content_type);
    let mut document = json!({
        "type": recorded.event.event_type,
        "source": recorded.event.source,
        "contentType": content_type,
        "headers": object(&recorded.event.headers),
        "attributes": object(&recorded.event.attributes),
        "labels": trial.labels,
        "config": config,
        "run": recorded.run,
        "now": recorded.now,
        "expect": expected::outcome(&trial.run(&loaded)),
    });
    leave_out_what_goes_without_saying(&mut document, fixture::type_of(data).as_deref());
    // Word for word, because a parser would change digits.
    let rest = document.to_string();
    let text = format!("{{\"event\":{},{}", event.get(), rest.get(1..).unwrap_or_default());
    Ok((json::reindented(&text) + "\n", secret))
}

/// What a fixture means anyway when it says nothing.
fn leave_out_what_goes_without_saying(document: &mut Value, body_type: Option<&str>) {
    let is_in_body = document.get("type").and_then(Value::as_str) == body_type;
    let Value::Object(members) = document else { return };
    members.retain(|name, value| match name.as_str() {
        "type" => !is_in_body,
        "contentType" => value != "application/json",
        "source" => value != "strapi",
        "run" => value != 1,
        "headers" | "attributes" | "labels" | "config" => value.as_object().is_none_or(|members| !members.is_empty()),
        _ => true,
    });
}

fn names(chain: &[crate::webhook::PluginUse]) -> String {
    chain.iter().map(|used| used.plugin.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_no_more_than_it_must() {
        let mut document = json!({"type": "entry.create", "source": "strapi", "contentType": "application/json", "headers": {},
            "labels": {"a": "b"}, "config": {}, "run": 1, "expect": {"drop": "x"}});
        leave_out_what_goes_without_saying(&mut document, Some("entry.create"));
        assert_eq!(document, json!({"labels": {"a": "b"}, "expect": {"drop": "x"}}));
        let mut document = json!({"type": "entry.create", "source": "sanity", "run": 2});
        leave_out_what_goes_without_saying(&mut document, None);
        assert_eq!(document, json!({"type": "entry.create", "source": "sanity", "run": 2}));
    }
}
