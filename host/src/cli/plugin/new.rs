//! `plugin new`: a crate that is a plugin already, bound to a webhook if asked for.

use std::fs;
use std::path::Path;

use clap::Args;
use owo_colors::Style;

use super::super::{Exit, screen};
use crate::author::chain::Addition;
use crate::author::scaffold::{self, SdkPlace};
use crate::config::Home;
use crate::ids::{PluginName, WebhookId};

#[derive(Debug, Args)]
pub(in crate::cli) struct NewArgs {
    /// The plugin's name, and the name of its crate and its folder
    name: PluginName,
    /// Put it at the end of this webhook's chain
    #[arg(long = "for", value_name = "WEBHOOK")]
    webhook: Option<WebhookId>,
}

pub(super) fn run(home: &Path, args: &NewArgs) -> anyhow::Result<Exit> {
    let NewArgs { name, webhook } = args;
    // What can be refused is refused before anything is made.
    let addition = webhook.as_ref().map(|webhook| Addition::prepare(&Home::new(home), webhook, name)).transpose()?;
    let file = addition.as_ref().map(|addition| addition.file.clone());
    let sdk = scaffold::make(name, Path::new(""), home)?;
    if let Some(Err(error)) = addition.map(Addition::make) {
        // Without its place in the chain it is not what was asked for.
        let _ = fs::remove_dir_all(name.as_str());
        return Err(error.into());
    }
    screen::line(&report(name, &sdk, webhook.as_ref().zip(file.as_deref())))?;
    Ok(Exit::Ok)
}

fn report(name: &PluginName, sdk: &SdkPlace, bound: Option<(&WebhookId, &str)>) -> String {
    let mut table = screen::Table::bare();
    let mut row = |file: &str, meaning: String| table.row([screen::plain(file), screen::dim(meaning)]);
    row("src/lib.rs", "what it does, and tests of it".into());
    row("fixtures/", "events, and what is expected of it".into());
    match sdk {
        SdkPlace::Checkout(root) => row("Cargo.toml", format!("uses the SDK in {}", root.join("sdk").display())),
        SdkPlace::Unpacked => row("hookwright-sdk/", "the SDK that belongs to this hookwright".into()),
    }
    let title = screen::heading(&format!("A plugin in {name}/"));
    let mut parts = vec![format!("{title}\n{}", table.render(2))];
    if let Some((webhook, file)) = bound {
        let text = format!(
            "It is at the end of the chain of webhook {webhook} ({file}), whose deliveries are held until \
             plugins/{name}.wasm is there."
        );
        parts.push(screen::inert(&text).into_owned());
    }
    let mut next = screen::Table::bare();
    for (command, meaning) in [
        (format!("hookwright plugin build {name} --install"), "build it, into the home's plugins/"),
        (format!("hookwright plugin dev {name}"), "the same on every save, with the newest event run again"),
        (format!("cargo test --manifest-path {name}/Cargo.toml"), "its own tests"),
    ] {
        next.row([(command, Style::new().cyan()), screen::dim(meaning)]);
    }
    parts.push(format!("Next:\n{}", next.render(2)));
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_there_is_and_what_comes_next() {
        let (name, webhook) = ("lower".parse().expect("a name"), "site".parse().expect("a name"));
        let bound = Some((&webhook, "config/webhooks/site.json"));
        insta::assert_snapshot!(screen::uncoloured(&report(&name, &SdkPlace::Unpacked, bound)), @r"
        A plugin in lower/
          src/lib.rs       what it does, and tests of it
          fixtures/        events, and what is expected of it
          hookwright-sdk/  the SDK that belongs to this hookwright

        It is at the end of the chain of webhook site (config/webhooks/site.json), whose deliveries are held until plugins/lower.wasm is there.

        Next:
          hookwright plugin build lower --install      build it, into the home's plugins/
          hookwright plugin dev lower                  the same on every save, with the newest event run again
          cargo test --manifest-path lower/Cargo.toml  its own tests
        ");
    }
}
