//! The plugins of one webhook over one delivery, in order: each sees the payload as the one before left it, and
//! any of them can end the chain.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::contract::{Delivery, Failure, FailureKind, FieldParam, Verdict, WebhookParam};
use super::run::Ran;
use super::sandbox::Seed;
use super::words::shown;
use super::{ChainJob, Plugin, changes};
use crate::delivery::{ChainRecord, ChainVerdict, Changes, PluginRun};
use crate::ids::{Digest, PluginName};
use crate::webhook::{OnError, PluginUse};

/// A reason or message from a plugin is cut after this much.
const MAX_REASON_BYTES: usize = 1 << 10;
/// A retryable failure that names no delay.
const DEFAULT_AGAIN_MS: u64 = 10_000;
/// The shortest and the longest delay a plugin gets, whatever it asks for.
const AGAIN_MS: std::ops::RangeInclusive<u64> = 1_000..=3_600_000;
/// Incoming headers that plugins see as attributes.
const ATTRIBUTES: [&str; 2] = ["traceparent", "tracestate"];

/// Runs the chain of `job.webhook` from the first plugin to the last. Blocking; ends within the limits.
pub fn run_chain(job: &ChainJob) -> ChainRecord {
    let mut chain = Chain { job, changes: Changes::default(), runs: Vec::with_capacity(job.webhook.plugins.len()) };
    let ended = job.webhook.plugins.iter().find_map(|step| chain.step(step));
    let verdict = ended.unwrap_or(ChainVerdict::Deliver { changes: chain.changes });
    ChainRecord { verdict, runs: chain.runs }
}

struct Chain<'a> {
    job: &'a ChainJob,
    /// What the plugins so far want.
    changes: Changes,
    runs: Vec<PluginRun>,
}

impl Chain<'_> {
    /// Runs one plugin; `Some` ends the chain.
    fn step(&mut self, step: &PluginUse) -> Option<ChainVerdict> {
        let name = &step.plugin;
        let Some(plugin) = self.job.plugins.get(name) else {
            let reason = format!("plugin {name} is not loaded; put {name}.wasm into plugins/");
            return Some(self.hold(name, None, reason));
        };
        // A fault of ours or of wasmtime's in here must cost this delivery a hold, not the host a thread.
        let ran = catch_unwind(AssertUnwindSafe(|| self.call(plugin, step)));
        let Ok(Ran { outcome, logs, logs_cut, fuel, memory_bytes, micros }) = ran else {
            let reason = format!("the host panicked while running plugin {name}");
            return Some(self.hold(name, Some(plugin.digest), reason));
        };
        let (summary, ended) = match outcome {
            Ok(Ok(Verdict::Deliver(wanted))) => self.deliver(name, wanted),
            Ok(Ok(Verdict::Drop(reason))) => dropped(name, &reason),
            Ok(Err(failure)) => failed(step, &failure),
            Err(broken) => broke(name, &broken),
        };
        let (plugin, digest) = (name.clone(), Some(plugin.digest));
        self.runs.push(PluginRun { plugin, digest, summary, logs, logs_cut, fuel, memory_bytes, micros });
        ended
    }

    fn call(&self, plugin: &Plugin, step: &PluginUse) -> Ran<Result<Verdict, Failure>> {
        let ChainJob { event, webhook, delivery, run, now, .. } = self.job;
        let headers: Vec<_> = event.headers.iter().map(|(name, value)| FieldParam { name, value }).collect();
        let attributes: Vec<_> = headers.iter().filter(|header| ATTRIBUTES.contains(&header.name)).cloned().collect();
        let labels: Vec<_> = webhook.labels.iter().map(|(name, value)| FieldParam { name, value }).collect();
        let input = Delivery {
            event_id: &event.id.to_string(),
            delivery_id: &delivery.to_string(),
            event_type: event.event_type.as_str(),
            source: event.source.as_str(),
            received_ms: u64::try_from(event.received.as_ms()).unwrap_or(0),
            run: *run,
            webhook: WebhookParam { id: webhook.id.as_str(), name: &webhook.name, labels: &labels },
            attributes: &attributes,
            headers: &headers,
            content_type: self.changes.content_type.as_deref().unwrap_or(&event.content_type),
            data: self.data(),
            config: &step.config,
        };
        plugin.transform(Seed::of_run(*now, *delivery, *run, &step.plugin), input)
    }

    /// The payload as the last plugin left it.
    fn data(&self) -> &[u8] {
        self.changes.data.as_ref().unwrap_or(&self.job.event.data)
    }

    fn deliver(&mut self, name: &PluginName, wanted: super::contract::Changes) -> Ended {
        let input = self.changes.data.clone().unwrap_or_else(|| self.job.event.data.clone());
        match changes::merge(&mut self.changes, wanted, &input) {
            Ok(summary) => (summary, None),
            Err(objection) => broke(name, &objection.into()),
        }
    }

    /// Ends the chain at a plugin that could not run.
    fn hold(&mut self, name: &PluginName, digest: Option<Digest>, reason: String) -> ChainVerdict {
        self.runs.push(PluginRun {
            plugin: name.clone(),
            digest,
            summary: reason.clone(),
            logs: Vec::new(),
            logs_cut: false,
            fuel: 0,
            memory_bytes: 0,
            micros: 0,
        });
        ChainVerdict::Hold { plugin: name.clone(), reason }
    }
}

/// A summary for the evidence, and the verdict if the chain ends here.
type Ended = (String, Option<ChainVerdict>);

fn dropped(name: &PluginName, reason: &str) -> Ended {
    let reason = shown(reason, MAX_REASON_BYTES);
    (format!("dropped: {reason}"), Some(ChainVerdict::Drop { plugin: name.clone(), reason }))
}

/// A failure the plugin returned: the only thing `onError` is about.
fn failed(step: &PluginUse, failure: &Failure) -> Ended {
    let (plugin, message) = (step.plugin.clone(), shown(&failure.message, MAX_REASON_BYTES));
    let reason = format!("plugin {plugin} failed: {message}");
    let summary = format!("failed: {message}");
    let verdict = match (step.on_error, failure.kind) {
        (OnError::Skip, _) => return (format!("{summary} (skipped)"), None),
        (_, FailureKind::Retryable(after_ms)) => {
            let after_ms = after_ms.unwrap_or(DEFAULT_AGAIN_MS).clamp(*AGAIN_MS.start(), *AGAIN_MS.end());
            ChainVerdict::Again { plugin, reason, after_ms }
        }
        (OnError::Hold, FailureKind::Permanent) => ChainVerdict::Hold { plugin, reason },
        (OnError::Fail, FailureKind::Permanent) => ChainVerdict::Fail { plugin, reason },
        (OnError::Drop, FailureKind::Permanent) => ChainVerdict::Drop { plugin, reason },
    };
    (summary, Some(verdict))
}

/// A run that broke off holds, whatever `onError` says: nothing passes untransformed.
fn broke(name: &PluginName, broken: &super::broken::Broken) -> Ended {
    let reason = format!("plugin {name} {broken}");
    (broken.to_string(), Some(ChainVerdict::Hold { plugin: name.clone(), reason }))
}
