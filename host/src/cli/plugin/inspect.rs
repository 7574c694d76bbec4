//! `plugin inspect`: what a wasm file is, what it asks for, and whether a host would load it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use owo_colors::Style;
use serde_json::{Value, json};

use super::super::{Exit, Format, screen};
use super::{building, file};
use crate::ids::Digest;
use crate::plugin::{Anatomy, LoadError, Plugin, capability};
use crate::tasks;

#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    /// The wasm file
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// All there is to say of a file.
struct Findings {
    bytes: usize,
    digest: Digest,
    anatomy: Anatomy,
    loaded: Result<Arc<Plugin>, LoadError>,
}

pub(super) async fn run(asked_for: Option<&Path>, args: InspectArgs) -> anyhow::Result<Exit> {
    let asked_for = asked_for.map(Path::to_owned);
    let findings = tasks::blocking(move || {
        let wasm = file::read(&args.file)?;
        let workbench = building::workbench(asked_for.as_deref().unwrap_or(Path::new(".")))?;
        anyhow::Ok(Findings {
            bytes: wasm.len(),
            digest: Digest::of(&wasm),
            anatomy: Anatomy::of(&wasm),
            loaded: workbench.load(&file::name(&args.file), &wasm),
        })
    })
    .await?;
    screen::line(&if args.format.json { as_json(&findings) } else { as_text(&findings) })?;
    Ok(if findings.loaded.is_ok() { Exit::Ok } else { Exit::Failure })
}

fn as_json(findings: &Findings) -> String {
    let Findings { bytes, digest, anatomy, loaded } = findings;
    let mut answer = json!({"digest": digest, "bytes": bytes, "anatomy": anatomy});
    match loaded {
        Ok(plugin) => {
            let (fuel, memory_bytes) = plugin.limits();
            answer["plugin"] = json!({"manifest": plugin.manifest, "kind": plugin.kind().name(), "fuel": fuel, "memoryBytes": memory_bytes});
        }
        Err(error) => answer["refused"] = error.to_string().into(),
    }
    answer.to_string()
}

fn as_text(findings: &Findings) -> String {
    let Findings { bytes, digest, anatomy, loaded } = findings;
    let mut head = screen::Table::bare();
    let mut row = |name: &str, text: String| head.row([screen::dim(name), screen::plain(text)]);
    if let Ok(plugin) = loaded {
        let (fuel, memory) = plugin.limits();
        row("plugin", format!("{} {}", plugin.manifest.name, plugin.manifest.version));
        row("does", plugin.manifest.description.clone());
        row(
            "runs",
            format!("in the {} engine; at most fuel {fuel} and {memory} bytes of memory", plugin.kind().name()),
        );
    }
    row("file", format!("{}, {}", anatomy.shape.unwrap_or("not WebAssembly"), screen::kilobytes(*bytes)));
    row("digest", digest.to_string());
    if let Some(version) = &anatomy.contract {
        row("contract", format!("hookwright:plugin@{version}"));
    }
    let mut text = head.render(0);
    if !anatomy.imports.is_empty() {
        let mut imports = screen::Table::bare();
        for import in &anatomy.imports {
            imports.row([screen::plain(import.as_str()), screen::dim(capability(import))]);
        }
        let _ = write!(text, "\n\n{}\n{}", screen::heading("Reaches"), imports.render(2));
    }
    if !anatomy.parts.is_empty() {
        let mut parts: Vec<_> = anatomy.parts.iter().collect();
        parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
        let mut table = screen::Table::bare();
        for (name, bytes) in parts {
            table.row([screen::plain(name.as_str()), screen::dim(format!("{bytes} bytes"))]);
        }
        let _ = write!(text, "\n\n{}\n{}", screen::heading("Parts"), table.render(2));
    }
    if let Ok(plugin) = loaded
        && let Ok(schema) = serde_json::from_str::<Value>(&plugin.manifest.config_schema)
    {
        let _ = write!(text, "\n\n{}\n{}", screen::heading("Config"), screen::inert_lines(&format!("{schema:#}")));
    }
    let _ = write!(text, "\n\n{}", verdict(loaded.as_ref().err()));
    text
}

fn verdict(refused: Option<&LoadError>) -> String {
    match refused {
        None => format!("{} This host loads it.", screen::styled("✓", Style::new().green())),
        Some(error) => {
            format!(
                "{} This host refuses it: {}",
                screen::styled("✗", Style::new().red()),
                screen::inert(&error.to_string())
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_no_plugin_says_what_it_is_and_why_it_is_refused() {
        let wasm = b"#!/bin/sh";
        let findings = Findings {
            bytes: wasm.len(),
            digest: Digest::of(wasm),
            anatomy: Anatomy::of(wasm),
            loaded: Err(LoadError::NotWasm),
        };
        insta::assert_snapshot!(screen::uncoloured(&as_text(&findings)), @r#"
        file    not WebAssembly, 1 KB
        digest  3af71adb278ad4af33c144b78fa1ae708da03b773d98324ae991a7daedb53ca2

        ✗ This host refuses it: not a WebAssembly file: it does not begin with "\0asm"; build for the target wasm32-unknown-unknown
        "#);
    }
}
