//! The plugins of one webhook over one delivery, in order: each sees the payload as the one before left it, and
//! any of them can end the chain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::changes::Objection;
use super::contract::{Delivery, Dropped, Failure, FailureKind, FieldParam, Verdict, WebhookParam};
use super::run::Ran;
use super::sandbox::Seed;
use super::step::StepSeen;
use super::words::shown;
use super::{ChainJob, Plugin, binding, changes};
use crate::bundled;
use crate::delivery::{ChainRecord, ChainVerdict, Changes, Conditions, PluginRun, RunVerdict};
use crate::event::Event;
use crate::ids::PluginName;
use crate::webhook::{OnError, PluginUse};

/// A reason or message from a plugin is cut after this much.
const MAX_REASON_BYTES: usize = 1 << 10;
/// Of a failure's code: they stand in tables and are compared.
const MAX_CODE_BYTES: usize = 64;
/// A retryable failure that names no delay.
const DEFAULT_AGAIN_MS: u64 = 10_000;
/// The shortest and the longest delay a plugin gets, whatever it asks for.
const AGAIN_MS: std::ops::RangeInclusive<u64> = 1_000..=3_600_000;
/// Incoming headers that plugins see as attributes.
const ATTRIBUTES: [&str; 2] = ["traceparent", "tracestate"];

/// Runs the chain of `job.webhook` from the first plugin to the last. Blocking; ends within the limits.
pub fn run_chain(job: &ChainJob) -> ChainRecord {
    run(job, None).0
}

/// The same, but with `fuel` for all its plugins together. None: that was used up, and nothing is known of it; it is to be
/// run as a whole. A run reads nothing that the one before left, so nobody can tell that there was a first one.
pub fn try_chain(job: &ChainJob, fuel: u64) -> Option<ChainRecord> {
    let (record, cut_short) = run(job, Some(fuel));
    if cut_short {
        if let Some(handing) = &job.handing {
            handing.forget();
        }
        return None;
    }
    Some(record)
}

/// What came of it, and whether that is only for want of fuel.
fn run(job: &ChainJob, fuel: Option<u64>) -> (ChainRecord, bool) {
    let mut chain = Chain {
        job,
        changes: Changes::default(),
        runs: Vec::with_capacity(job.webhook.plugins.len()),
        fuel,
        cut_short: false,
        seen: Vec::new(),
    };
    let mut ended = None;
    for (index, step) in job.webhook.plugins.iter().enumerate() {
        ended = chain.observed_step(index, step);
        if let Some(handing) = &job.handing {
            handing.add(&step.plugin, ended.is_none().then_some(&chain.changes), job.event.data.len());
        }
        if ended.is_some() || chain.cut_short {
            break;
        }
    }
    let verdict = ended.unwrap_or_else(|| ChainVerdict::Deliver { changes: std::mem::take(&mut chain.changes) });
    let Chain { runs, seen, cut_short, .. } = chain;
    if let Some(observer) = job.observer.as_ref().filter(|_| !seen.is_empty() && !cut_short) {
        observer(seen);
    }
    let conditions = Conditions { run: job.run, now: job.now, webhook: binding::of_webhook(&job.webhook) };
    (ChainRecord { verdict, conditions: (!runs.is_empty()).then_some(conditions), runs }, cut_short)
}

/// Runs one plugin that continues from `changes`, outside of any delivery: it is not counted. Blocking.
pub(super) fn run_step(job: &ChainJob, step: &PluginUse, changes: Changes) -> ChainRecord {
    let mut chain = Chain { job, changes, runs: Vec::with_capacity(1), fuel: None, cut_short: false, seen: Vec::new() };
    let ended = chain.step(step);
    let verdict = ended.unwrap_or_else(|| ChainVerdict::Deliver { changes: std::mem::take(&mut chain.changes) });
    ChainRecord { verdict, runs: chain.runs, conditions: None }
}

struct Chain<'a> {
    job: &'a ChainJob,
    /// What the plugins so far want.
    changes: Changes,
    runs: Vec<PluginRun>,
    /// What is left for this plugin and those after it, if the chain is only tried.
    fuel: Option<u64>,
    /// It ended for want of that.
    cut_short: bool,
    /// The steps that have a shadow, if somebody asked.
    seen: Vec<StepSeen>,
}

impl Chain<'_> {
    /// Runs one plugin, and keeps what its shadow needs.
    fn observed_step(&mut self, index: usize, step: &PluginUse) -> Option<ChainVerdict> {
        if self.job.observer.is_none() || step.shadow.is_none() {
            return self.step(step);
        }
        let before = self.changes.clone();
        let ended = self.step(step);
        let verdict = ended.clone().unwrap_or_else(|| ChainVerdict::Deliver { changes: self.changes.clone() });
        let runs = self.runs.last().cloned().into_iter().collect();
        let live = ChainRecord { verdict, runs, conditions: None };
        let job = ChainJob { observer: None, handing: None, watch: None, ..self.job.clone() };
        self.seen.push(StepSeen { job, index, before, live });
        ended
    }

    /// Runs one plugin; `Some` ends the chain.
    fn step(&mut self, step: &PluginUse) -> Option<ChainVerdict> {
        let name = &step.plugin;
        let Some(plugin) = self.job.plugins.get(name) else {
            let remedy = bundled::remedy(name);
            let reason = format!(
                "plugin {name} is not loaded; put {name}.wasm into plugins/{remedy}; of a file that is there already, \
                 `hookwright check` says what is wrong with it"
            );
            return Some(self.hold(name, None, RunVerdict::Absent, reason));
        };
        // A fault of ours or of wasmtime's in here must cost this delivery a hold, not the host a thread.
        let ran = catch_unwind(AssertUnwindSafe(|| self.call(plugin, step)));
        let Ok(Ran { outcome, backtrace, logs, logs_cut, fuel, memory_bytes, micros, cut_short }) = ran else {
            let reason = format!("the host panicked while running plugin {name}");
            return Some(self.hold(name, Some(plugin), RunVerdict::Broke, reason));
        };
        self.fuel = self.fuel.map(|left| left.saturating_sub(fuel));
        self.cut_short |= cut_short;
        let ended = match outcome {
            Ok(Ok(Verdict::Deliver(wanted))) => self.deliver(wanted),
            Ok(Ok(Verdict::Drop(wanted))) => dropped(name, wanted),
            Ok(Err(failure)) => failed(step, failure),
            Err(broken) => Ok(broke(name, &broken)),
        };
        let ended = ended.unwrap_or_else(|objection| broke(name, &objection.into()));
        let Ended { verdict, summary, code, annotations, ends } = ended;
        self.runs.push(PluginRun {
            plugin: name.clone(),
            digest: Some(plugin.digest),
            version: Some(plugin.manifest.version.clone()),
            verdict,
            summary,
            code,
            annotations,
            backtrace,
            logs,
            logs_cut,
            fuel,
            memory_bytes,
            micros,
            binding: Some(binding::of_use(plugin, step)),
        });
        ends
    }

    fn call(&self, plugin: &Plugin, step: &PluginUse) -> Ran<Result<Verdict, Failure>> {
        let ChainJob { event, webhook, delivery, run, now, .. } = self.job;
        let headers: Vec<_> = event.headers.iter().map(|(name, value)| FieldParam { name, value }).collect();
        let attributes = attributes(event, &headers);
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
        plugin.transform(Seed::of_run(*now, *delivery, *run, &step.plugin), input, self.fuel)
    }

    /// The payload as the last plugin left it.
    fn data(&self) -> &[u8] {
        self.changes.data.as_ref().unwrap_or(&self.job.event.data)
    }

    fn deliver(&mut self, wanted: super::contract::Changes) -> Result<Ended, Objection> {
        let input = self.changes.data.clone().unwrap_or_else(|| self.job.event.data.clone());
        let summary = changes::merge(&mut self.changes, wanted, &input, self.job.event.data.len())?;
        Ok(Ended { verdict: RunVerdict::Delivered, summary, code: None, annotations: Vec::new(), ends: None })
    }

    /// Ends the chain at a plugin that could not run.
    fn hold(
        &mut self,
        name: &PluginName,
        plugin: Option<&Arc<Plugin>>,
        verdict: RunVerdict,
        reason: String,
    ) -> ChainVerdict {
        self.runs.push(not_run(name, plugin.map(AsRef::as_ref), verdict, reason.clone()));
        ChainVerdict::Hold { plugin: name.clone(), reason }
    }
}

/// The context of a CloudEvent, and what headers say where it says nothing.
fn attributes<'e>(event: &'e Event, headers: &[FieldParam<'e>]) -> Vec<FieldParam<'e>> {
    let mut attributes: Vec<_> = event.attributes.iter().map(|(name, value)| FieldParam { name, value }).collect();
    let unsaid = |header: &&FieldParam<'_>| event.attributes.iter().all(|(name, _)| name != header.name);
    attributes.extend(headers.iter().filter(|header| ATTRIBUTES.contains(&header.name)).filter(unsaid).cloned());
    attributes
}

/// Holds a delivery without running anything, because `plugin` kept breaking.
pub(crate) fn held_unrun(job: &ChainJob, plugin: &Plugin, reason: String) -> ChainRecord {
    let run = not_run(&plugin.name, Some(plugin), RunVerdict::Stopped, reason.clone());
    let conditions = Conditions { run: job.run, now: job.now, webhook: binding::of_webhook(&job.webhook) };
    let verdict = ChainVerdict::Hold { plugin: plugin.name.clone(), reason };
    ChainRecord { verdict, runs: vec![run], conditions: Some(conditions) }
}

fn not_run(name: &PluginName, plugin: Option<&Plugin>, verdict: RunVerdict, summary: String) -> PluginRun {
    PluginRun {
        plugin: name.clone(),
        digest: plugin.map(|plugin| plugin.digest),
        version: plugin.map(|plugin| plugin.manifest.version.clone()),
        verdict,
        summary,
        code: None,
        annotations: Vec::new(),
        backtrace: Vec::new(),
        logs: Vec::new(),
        logs_cut: false,
        fuel: 0,
        memory_bytes: 0,
        micros: 0,
        binding: None,
    }
}

/// How one plugin's run ended.
struct Ended {
    verdict: RunVerdict,
    summary: String,
    code: Option<String>,
    annotations: Vec<(String, String)>,
    /// The verdict if the chain ends here.
    ends: Option<ChainVerdict>,
}

/// The code of a drop or a failure, checked: it is for programs, so it is not cut to fit.
fn checked_code(code: Option<String>) -> Result<Option<String>, Objection> {
    let fits = |code: &str| {
        code.len() <= MAX_CODE_BYTES
            && code.starts_with(|first: char| first.is_ascii_lowercase())
            && code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
    };
    match code {
        Some(code) if !fits(&code) => Err(Objection::FailureCode { code: shown(&code, MAX_CODE_BYTES) }),
        code => Ok(code),
    }
}

fn dropped(name: &PluginName, wanted: Dropped) -> Result<Ended, Objection> {
    let code = checked_code(wanted.code)?;
    let reason = with_code(shown(&wanted.reason, MAX_REASON_BYTES), code.as_deref());
    Ok(Ended {
        verdict: RunVerdict::Dropped,
        summary: format!("dropped: {reason}"),
        code,
        annotations: changes::annotations(wanted.annotations)?,
        ends: Some(ChainVerdict::Drop { plugin: name.clone(), reason }),
    })
}

fn with_code(mut text: String, code: Option<&str>) -> String {
    if let Some(code) = code {
        text.extend([" [", code, "]"]);
    }
    text
}

/// A failure the plugin returned: the only thing `onError` is about.
fn failed(step: &PluginUse, failure: Failure) -> Result<Ended, Objection> {
    let plugin = step.plugin.clone();
    let code = checked_code(failure.code)?;
    let annotations = changes::annotations(failure.annotations)?;
    let message = with_code(shown(&failure.message, MAX_REASON_BYTES), code.as_deref());
    let reason = format!("plugin {plugin} failed: {message}");
    let summary = format!("failed: {message}");
    let ended = |summary, ends| Ok(Ended { verdict: RunVerdict::Failed, summary, code, annotations, ends });
    let verdict = match (step.on_error, failure.kind) {
        (OnError::Skip, _) => return ended(format!("{summary} (skipped)"), None),
        (_, FailureKind::Retryable(after_ms)) => {
            let after_ms = after_ms.unwrap_or(DEFAULT_AGAIN_MS).clamp(*AGAIN_MS.start(), *AGAIN_MS.end());
            ChainVerdict::Again { plugin, reason, after_ms }
        }
        (OnError::Hold, FailureKind::Permanent) => ChainVerdict::Hold { plugin, reason },
        (OnError::Fail, FailureKind::Permanent) => ChainVerdict::Fail { plugin, reason },
        (OnError::Drop, FailureKind::Permanent) => ChainVerdict::Drop { plugin, reason },
    };
    ended(summary, Some(verdict))
}

/// A run that broke off holds, whatever `onError` says: nothing passes untransformed.
fn broke(name: &PluginName, broken: &super::broken::Broken) -> Ended {
    let reason = format!("plugin {name} {broken}");
    Ended {
        verdict: RunVerdict::Broke,
        summary: broken.to_string(),
        code: None,
        annotations: Vec::new(),
        ends: Some(ChainVerdict::Hold { plugin: name.clone(), reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::super::tests::job;
    use super::*;

    #[test]
    fn the_context_of_a_cloudevent_goes_before_what_headers_say() {
        let named = |attributes: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let event = Event {
                headers: [("traceparent", "hop"), ("tracestate", "a=b"), ("x-strapi-event", "e")]
                    .iter()
                    .map(pair)
                    .collect(),
                attributes: attributes.iter().map(pair).collect(),
                ..(*job("site", vec![], Catalog::default()).event).clone()
            };
            let headers: Vec<_> = event.headers.iter().map(|(name, value)| FieldParam { name, value }).collect();
            let fields = super::attributes(&event, &headers);
            fields.iter().map(|field| format!("{}={}", field.name, field.value)).collect::<Vec<_>>()
        };
        assert_eq!(named(&[]), ["traceparent=hop", "tracestate=a=b"]);
        assert_eq!(named(&[("id", "7"), ("traceparent", "origin")]), ["id=7", "traceparent=origin", "tracestate=a=b"]);
    }
}
