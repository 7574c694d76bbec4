//! What is well-formed and yet cannot work: hints, because only people know what is meant.

use crate::config::{Environment, Hint, Home, Layer, PluginLimits, UnknownEvents, Variables, nearest};
use crate::ids::{EventType, PluginName};
use crate::plugin::Catalog;
use crate::reload::file_with;
use crate::revision::Revision;
use crate::webhook::Webhook;

/// Folders that are asked for and absent.
pub(super) fn on_folders(home: &Home, variables: &Variables, environment: &Environment) -> Vec<Hint> {
    let config = home.config();
    let overlay = home.overlay(environment);
    let (absent, message) = if !config.is_dir() {
        (config, "is absent: is this a home? `hookwright init` makes one".to_owned())
    } else if variables.names_environment() && !overlay.is_dir() {
        (overlay, format!("is absent, so HOOKWRIGHT_ENV={environment} changes nothing"))
    } else {
        return Vec::new();
    };
    vec![Hint { file: home.display(&absent), pointer: String::new(), message }]
}

/// Limits of plugins that are not there. They may come later.
pub(super) fn on_limits(limits: &PluginLimits, layers: &[Layer], plugins: &Catalog) -> Vec<Hint> {
    let absent = limits.named.keys().filter(|name| plugins.get(name).is_none());
    let hint = |name: &PluginName| {
        let pointer = format!("/plugins/limits/{name}");
        let known = plugins.iter().map(|plugin| plugin.name.as_str());
        let message = match nearest(name.as_str(), known) {
            Some(meant) => format!("no plugin {name} is loaded: did you mean {meant}?"),
            None => format!("no plugin {name} is loaded, so this limits nothing"),
        };
        Hint { file: file_with(layers, &pointer).to_owned(), pointer, message }
    };
    absent.map(hint).collect()
}

/// Events a webhook asks for that never come. One that is switched off need not work.
pub(super) fn on_webhook(webhook: &Webhook, layers: &[Layer], revision: &Revision) -> Vec<Hint> {
    if !webhook.enabled {
        return Vec::new();
    }
    let file = file_with(layers, "/events");
    let accepts_unknown = revision.server.schemas.unknown_events == UnknownEvents::Accept;
    let named = webhook.events.iter().enumerate().filter_map(|(index, pattern)| Some((index, pattern.exact()?)));
    let unheard = named.filter_map(|(index, event_type)| {
        let message = never_comes(event_type, || revision.schemas.event_types(), accepts_unknown)?;
        Some(Hint { file: file.to_owned(), pointer: format!("/events/{index}"), message })
    });
    unheard.collect()
}

/// Why an event of this type will hardly come.
fn never_comes<'s, I: Iterator<Item = &'s str>>(
    event_type: &EventType,
    known: impl Fn() -> I,
    accepts_unknown: bool,
) -> Option<String> {
    let name = event_type.as_str();
    let is_own = name == "trigger-test" || name.starts_with("hookwright.");
    if is_own || known().any(|known| known == name) {
        return None;
    }
    match nearest(name, known()) {
        Some(meant) => Some(format!("there is no schema for {name}: did you mean {meant}?")),
        // Then events of a type without schema do come.
        None if accepts_unknown => None,
        None => Some(format!("there is no schema for {name}, so such events are refused: add schemas/{name}.json")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NamedLimits;

    #[test]
    fn a_type_without_schema_never_comes() {
        let known = || ["entry.publish", "entry.update"].into_iter();
        let says = |name: &str, accepts_unknown| never_comes(&name.parse().expect("a type"), known, accepts_unknown);
        for fine in ["entry.publish", "trigger-test", "hookwright.delivery.failed"] {
            assert_eq!(says(fine, false), None, "{fine}");
        }
        let near = Some("there is no schema for entry.publihs: did you mean entry.publish?".to_owned());
        assert_eq!((says("entry.publihs", false), says("entry.publihs", true)), (near.clone(), near));
        assert!(says("order.paid", false).is_some_and(|message| message.ends_with("add schemas/order.paid.json")));
        assert_eq!(says("order.paid", true), None);
    }

    #[test]
    fn limits_of_absent_plugins_are_pointed_out() {
        let entry = NamedLimits { fuel: None, memory_bytes: None };
        let named = [("redakt".parse().expect("a name"), entry)].into();
        let limits = PluginLimits { named, ..PluginLimits::default() };
        let layer = Layer { file: "server".into(), text: r#"{"plugins": {"limits": {"redakt": {}}}}"#.into() };
        let hints = on_limits(&limits, &[layer], &Catalog::default());
        let shown: Vec<_> = hints.iter().map(ToString::to_string).collect();
        let expected = "server at /plugins/limits/redakt: no plugin redakt is loaded, so this limits nothing";
        assert_eq!(shown, [expected]);
    }

    #[test]
    fn absent_folders_are_pointed_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = Home::new(folder.path());
        let says = |pairs: &[(&str, &str)]| {
            let variables = Variables::from_pairs(pairs.iter().copied());
            let hints = on_folders(&home, &variables, &variables.environment().expect("plain"));
            hints.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let named = [("HOOKWRIGHT_ENV", "production")];
        assert_eq!(says(&named), ["config: is absent: is this a home? `hookwright init` makes one"]);
        std::fs::create_dir(home.config()).expect("creates");
        assert_eq!(says(&[]), [""; 0]);
        let absent = "config/environments/production: is absent, so HOOKWRIGHT_ENV=production changes nothing";
        assert_eq!(says(&named), [absent]);
    }
}
