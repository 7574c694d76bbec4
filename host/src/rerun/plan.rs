//! Whether a run can be repeated as it was: what of its terms changed since, in words. Pure.

use crate::delivery::{Binding, ChainRecord, ChainVerdict, Conditions, PluginRun, RunVerdict};
use crate::plugin::{Catalog, binding};
use crate::webhook::{PluginUse, Webhook};

/// Whether the record is of a plugin that was not run on purpose.
pub(super) fn was_stopped(record: &ChainRecord) -> bool {
    record.runs.iter().any(|run| run.verdict == RunVerdict::Stopped)
}

/// What differs between the terms of the record and those of `webhook` today, with the versions of the record.
pub(super) fn changes(
    record: &ChainRecord,
    conditions: &Conditions,
    webhook: &Webhook,
    plugins: &Catalog,
) -> Vec<String> {
    if !is_same_chain(record, &webhook.plugins) {
        let recorded: Vec<_> = record.runs.iter().map(|run| run.plugin.as_str()).collect();
        let today: Vec<_> = webhook.plugins.iter().map(|used| used.plugin.as_str()).collect();
        return vec![format!("the chain (ran {}, is {})", recorded.join(" → "), today.join(" → "))];
    }
    let names = (conditions.webhook != binding::of_webhook(webhook)).then(|| "the webhook's name or labels".to_owned());
    let bindings = record.runs.iter().zip(&webhook.plugins).flat_map(|(run, used)| change(run, used, plugins));
    names.into_iter().chain(bindings).collect()
}

/// Whether the webhook's plugins are those that ran, and no other would run after them.
fn is_same_chain(record: &ChainRecord, uses: &[PluginUse]) -> bool {
    let went_through = matches!(record.verdict, ChainVerdict::Deliver { .. });
    let fits = if went_through { uses.len() == record.runs.len() } else { uses.len() >= record.runs.len() };
    fits && record.runs.iter().zip(uses).all(|(run, used)| run.plugin == used.plugin)
}

fn change(run: &PluginRun, used: &PluginUse, plugins: &Catalog) -> Vec<String> {
    let (Some(recorded), Some(plugin)) = (&run.binding, plugins.get(&used.plugin)) else { return Vec::new() };
    let Binding { fuel, memory_bytes, on_error, config } = binding::of_use(plugin, used);
    let name = &used.plugin;
    let limit = |what, was, is| (was != is).then(|| format!("the {what} limit of plugin {name} (was {was}, is {is})"));
    let parts = [
        (config != recorded.config).then(|| format!("the config of plugin {name}")),
        (on_error != recorded.on_error).then(|| format!("`onError` of plugin {name}")),
        limit("fuel", recorded.fuel, fuel),
        limit("memory", recorded.memory_bytes, memory_bytes),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::run_chain;
    use crate::plugin::tests::{job, loaded};
    use crate::webhook::OnError;

    fn used(config: &str, on_error: OnError) -> PluginUse {
        PluginUse { plugin: "test".parse().expect("a name"), config: config.into(), on_error, shadow: None }
    }

    #[test]
    fn what_changed_is_named_and_nothing_else() {
        let chain = |uses: Vec<PluginUse>| job("site", uses, loaded());
        let ran = chain(vec![used("{}", OnError::Hold)]);
        let mut record = run_chain(&ran);
        let conditions = record.conditions.clone().expect("it ran");
        let changed = |record: &ChainRecord, uses| changes(record, &conditions, &chain(uses).webhook, &ran.plugins);
        assert_eq!(changed(&record, vec![used("{}", OnError::Hold)]), [""; 0]);
        let other = vec![used(r#"{"a":1}"#, OnError::Skip)];
        assert_eq!(changed(&record, other), ["the config of plugin test", "`onError` of plugin test"]);
        let twice = || vec![used("{}", OnError::Hold), used("{}", OnError::Hold)];
        assert_eq!(changed(&record, twice()), ["the chain (ran test, is test → test)"]);
        record.runs[0].binding.as_mut().expect("it ran").fuel = 7;
        record.verdict = ChainVerdict::Drop { plugin: "test".parse().expect("a name"), reason: String::new() };
        assert_eq!(changed(&record, twice()), ["the fuel limit of plugin test (was 7, is 5000000)"]);
    }
}
