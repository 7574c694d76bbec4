//! The chain of plugins in the form of a webhook: each with the fields of its config.

use maud::{Markup, html};
use serde_json::Value;

use super::draft::{Draft, Known, PluginRow, field_name, is_same_text};
use super::fields::{Errors, step, text_area};
use super::one::is_secret;
use super::schema::{Field, Kind, gone, plain};
use crate::revision::Revision;

const ON_ERROR: [(&str, &str); 4] = [
    ("hold", "hold the delivery"),
    ("fail", "fail the delivery"),
    ("drop", "drop the delivery"),
    ("skip", "go on without the plugin"),
];

/// Where the form is, and what it is about.
pub(super) struct Context<'a> {
    pub(super) action: &'a str,
    pub(super) shown: &'a Value,
    pub(super) known: &'a Known<'a>,
    pub(super) revision: &'a Revision,
    pub(super) errors: &'a Errors,
}

pub(super) fn chain(context: &Context<'_>, draft: &Draft) -> Markup {
    let Context { action, revision, errors, .. } = context;
    let count = draft.plugins.len();
    html! {
        fieldset {
            legend { "Plugins" }
            p.hint { "They change what is sent, one after the other, from the first to the last." }
            @if count > 0 {
                ol.chain.steps-of { @for (at, row) in draft.plugins.iter().enumerate() { li.card { (plugin(context, at, row, count)) } } }
            }
            @for violation in errors.at(&["/plugins"]) { p.error { (super::fields::sentence(&violation.message)) } }
            div.row {
                div.grow {
                    label for="newPlugin" { "Add a plugin" }
                    select #newPlugin name="newPlugin" {
                        option value="" { "Choose one" }
                        @for plugin in revision.plugins.iter() {
                            option value=(plugin.name) { (plugin.name) @if !plugin.manifest.description.is_empty() { " – " (plugin.manifest.description) } }
                        }
                    }
                }
                (step(action, "add-plugin", "Add", "Add the chosen plugin"))
            }
            @if revision.plugins.iter().next().is_none() {
                p.hint { "There is none yet: " code { "hookwright plugin add" } " puts bundled ones into plugins/." }
            }
        }
    }
}

fn plugin(context: &Context<'_>, at: usize, row: &PluginRow, count: usize) -> Markup {
    let Context { action, shown, known, revision, errors } = context;
    let (used, config) = row.earlier(shown.get("plugins"));
    let name = &row.plugin;
    let found = name.parse().ok().and_then(|name| revision.plugins.get(&name));
    let on_error = if row.on_error.is_empty() { "hold" } else { &row.on_error };
    let fields = (known.fields)(name);
    html! {
        input type="hidden" name={ "plugin." (at) } value=(name);
        @if let Some(was) = row.was { input type="hidden" name={ "plugin." (at) ".was" } value=(was); }
        div.head {
            h3 { (at + 1) ". " (name) }
            div.actions {
                @if at > 0 { (step(action, &format!("up:{at}"), "Up", &format!("Move {name} up"))) }
                @if at + 1 < count { (step(action, &format!("down:{at}"), "Down", &format!("Move {name} down"))) }
                (step(action, &format!("remove-plugin:{at}"), "Remove", &format!("Remove {name}")))
            }
        }
        @match found {
            Some(plugin) => { p.hint { (plugin.manifest.description) } }
            None => { p.error { "There is no plugin of this name: what it was to change would be held." } }
        }
        @match &fields {
            Some(fields) => {
                (config_fields(errors, at, row, fields, &config))
                @if let Some(rest) = super::draft::rest(fields, &config) {
                    @let place = format!("/plugins/{at}/config/rest");
                    @let id = format!("plugin-{at}-rest");
                    @let said = errors.say(&id, "JSON; the plugin's schema does not know these.", &[&place]);
                    div.field {
                        label for=(id) { "Further members" }
                        (text_area(&id, &field_name(at, super::draft::REST), row.typed.get(super::draft::REST).unwrap_or(&rest), "", &said))
                        (said.below)
                    }
                }
            }
            None => {
                @let place = format!("/plugins/{at}/config");
                @let id = format!("plugin-{at}-config");
                @let said = errors.say(&id, "JSON, as the plugin wants it.", &[&place]);
                div.field {
                    label for=(id) { "Config" }
                    (text_area(&id, &field_name(at, ""), row.typed.get("").map_or("", String::as_str), "{}", &said))
                    (said.below)
                }
            }
        }
        div.field {
            label for={ "plugin-" (at) "-onError" } { "If it fails" }
            select id={ "plugin-" (at) "-onError" } name={ "plugin." (at) ".onError" } {
                // Nothing written means to hold; what was written stays so.
                @for (choice, says) in ON_ERROR {
                    option value=(if choice == "hold" && row.on_error != "hold" { "" } else { choice }) selected[choice == on_error] { (says) }
                }
            }
        }
        @if let Some(shadow) = used.and_then(|used| used.get("shadow")) {
            details.more { summary { "Shadow, which stays as it is" } (crate::admin::pages::parts::payload(shadow.to_string().as_bytes())) }
        }
        @let place = format!("/plugins/{at}");
        @for violation in errors.at(&[&place]) {
            p.error { @if violation.pointer != place { code { (violation.pointer.strip_prefix(&place).unwrap_or_default()) } " " } (super::fields::sentence(&violation.message)) }
        }
    }
}

fn config_fields(errors: &Errors, at: usize, row: &PluginRow, fields: &[Field], config: &Value) -> Markup {
    html! {
        @for field in fields {
            @let value = config.pointer(&field.pointer);
            @match field.shown_as(value) {
                Kind::Group(inner) => {
                    fieldset {
                        legend { (field.name) }
                        @if !field.hint.is_empty() { p.hint { (field.hint) } }
                        (config_fields(errors, at, row, inner, config))
                    }
                }
                kind => (config_field(errors, at, row, field, kind, value))
            }
        }
    }
}

fn config_field(
    errors: &Errors,
    at: usize,
    row: &PluginRow,
    field: &Field,
    kind: &Kind,
    value: Option<&Value>,
) -> Markup {
    let name = field_name(at, &field.pointer);
    let id = format!("plugin-{at}-{}", field.pointer.trim_start_matches('/').replace(['/', ' '], "-"));
    let place = format!("/plugins/{at}/config{}", field.pointer);
    let shown = field.text(value);
    let text = row.typed.get(&field.pointer).filter(|typed| !is_same_text(typed, &shown)).unwrap_or(&shown);
    let hint = match kind {
        Kind::Lines => format!("{}{}One a line.", field.hint, if field.hint.is_empty() { "" } else { ". " }),
        Kind::Json => format!("{}{}JSON.", field.hint, if field.hint.is_empty() { "" } else { ". " }),
        _ => field.hint.clone(),
    };
    let said = errors.say(&id, &hint, &[&place]);
    let default = field.default.as_ref().map(plain).unwrap_or_default();
    html! {
        div.field {
            @match kind {
                Kind::Flag => {
                    input type="hidden" name=(name) value="false";
                    label.plain for=(id) {
                        input type="checkbox" id=(id) name=(name) value="true" checked[text == "true"] aria-invalid=[said.invalid] aria-describedby=[said.described.as_deref()];
                        (field.name)
                    }
                }
                Kind::Choice(choices) => {
                    label for=(id) { (field.name) @if field.required { span.hint { " required" } } }
                    select id=(id) name=(name) aria-invalid=[said.invalid] aria-describedby=[said.described.as_deref()] {
                        @if !field.required || value.is_none() {
                            option value="" selected[text.is_empty()] { @if default.is_empty() { "Not set" } @else { "By default: " (default) } }
                        }
                        @for choice in choices { @let choice = plain(choice); option value=(choice) selected[*text == choice] { (choice) } }
                    }
                }
                Kind::Lines | Kind::Json => {
                    label for=(id) { (field.name) @if field.required { span.hint { " required" } } }
                    (text_area(&id, &name, text, "", &said))
                }
                _ if text.contains('\n') => {
                    label for=(id) { (field.name) @if field.required { span.hint { " required" } } }
                    (text_area(&id, &name, text, "", &said))
                }
                _ => {
                    @let is_kept = value.is_some_and(is_secret);
                    label for=(id) { (field.name) @if field.required { span.hint { " required" } } }
                    input type="text" id=(id) name=(name) value=(text) placeholder=(if is_kept { "A secret, kept; type another to replace it" } else { default.as_str() })
                        inputmode=[(*kind == Kind::Number).then_some("decimal")] autocomplete="off" spellcheck="false"
                        aria-invalid=[said.invalid] aria-describedby=[said.described.as_deref()];
                    @if is_kept {
                        label.plain { input type="checkbox" name=(field_name(at, &gone(&field.pointer))) value="1" checked[row.typed.contains_key(&gone(&field.pointer))]; "Take the secret out" }
                    }
                }
            }
            (said.below)
        }
    }
}
