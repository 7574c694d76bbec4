//! Which webhooks have costly chains, judged by their last ones. Pure.

use std::collections::HashMap;

use crate::delivery::ChainRecord;
use crate::ids::WebhookId;

/// A webhook whose last chain burnt this much, or would have, has costly chains: about a millisecond, or 40 KB of JSON
/// rewritten.
pub(super) const COSTLY_FUEL: u64 = 5_000_000;
/// So has one whose last two chains took a processor for this long: what the host copies for a plugin burns no fuel. Two,
/// because the first run of a plugin finds nothing in any cache.
const COSTLY_MICROS: u64 = 1_000;
/// Until one took no longer than this: where there is only idle time, caches are cold.
const STILL_COSTLY_MICROS: u64 = 2 * COSTLY_MICROS;
const STRIKES: u8 = 2;
/// So many webhooks are remembered; beyond, all are forgotten and found again.
const MAX_KNOWN: usize = 10_000;

/// What was learnt.
#[derive(Default)]
pub(super) struct Costs {
    /// The webhooks that may be costly; with all strikes, they are.
    strikes: HashMap<WebhookId, u8>,
}

impl Costs {
    pub(super) fn is_costly(&self, webhook: &WebhookId) -> bool {
        self.strikes.get(webhook).is_some_and(|strikes| *strikes >= STRIKES)
    }

    /// A chain was not run to its end, because it is costly.
    pub(super) fn found_costly(&mut self, webhook: &WebhookId) {
        self.strike(webhook, STRIKES);
    }

    /// `micros`: what the chain took of a processor.
    pub(super) fn learn(&mut self, webhook: &WebhookId, record: &ChainRecord, micros: u64) {
        let strikes = if record.runs.iter().map(|run| run.fuel).fold(0, u64::saturating_add) >= COSTLY_FUEL {
            STRIKES
        } else if micros >= if self.is_costly(webhook) { STILL_COSTLY_MICROS } else { COSTLY_MICROS } {
            1
        } else {
            self.strikes.remove(webhook);
            return;
        };
        self.strike(webhook, strikes);
    }

    fn strike(&mut self, webhook: &WebhookId, strikes: u8) {
        if self.strikes.len() >= MAX_KNOWN {
            self.strikes.clear();
        }
        let known = self.strikes.entry(webhook.clone()).or_default();
        *known = known.saturating_add(strikes).min(STRIKES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::PluginRun;

    #[test]
    fn fuel_tells_at_once_and_time_only_twice() {
        let webhook: WebhookId = "w".parse().expect("valid");
        let chain = |fuel| {
            let run = PluginRun { fuel, ..PluginRun::example("p") };
            ChainRecord { runs: vec![run], ..ChainRecord::untouched() }
        };
        let mut costs = Costs::default();
        for (fuel, micros, costly) in [
            (COSTLY_FUEL - 1, COSTLY_MICROS - 1, false),
            (COSTLY_FUEL, 0, true),
            (0, 0, false),
            (0, COSTLY_MICROS, false),
            (0, COSTLY_MICROS, true),
            (0, STILL_COSTLY_MICROS, true),
            (0, STILL_COSTLY_MICROS - 1, false),
        ] {
            costs.learn(&webhook, &chain(fuel), micros);
            assert_eq!(costs.is_costly(&webhook), costly, "{fuel} units, {micros} µs");
        }
    }
}
