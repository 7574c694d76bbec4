use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::waiting::{MAX_WAITING, MAX_WAITING_OF_ONE};
use super::*;
use crate::plugin::guests::{DROP_REASON, Guest, TEXT, VERDICT};
use crate::plugin::tests::{job, named};
use crate::plugin::{ChainJob, run_chain};
use crate::webhook::{OnError, PluginUse, Shadow};

/// As long as no test should need.
const PATIENCE: Duration = Duration::from_secs(20);

fn dropping() -> Guest {
    Guest::new().text("a draft").transform(&format!(
        "(i32.store (i32.const {VERDICT}) (i32.const 1))
         (call $pair (i32.const {DROP_REASON}) (i32.const {TEXT}) (i32.const 7))"
    ))
}

/// A webhook whose plugin `live` has the shadow `next`, made of this guest.
fn shadowed(webhook: &str, next: Option<&Guest>) -> ChainJob {
    let plugins = [("live", Some(&Guest::new())), ("next", next)];
    let loaded = plugins.into_iter().filter_map(|(name, guest)| Some(Arc::new(named(name, guest?))));
    let catalog = Catalog::new(loaded.map(|plugin| (plugin.name.clone(), plugin)).collect());
    let shadow = Some(Shadow { plugin: "next".parse().expect("a name"), config: "{}".into() });
    let live = "live".parse().expect("a name");
    job(webhook, vec![PluginUse { plugin: live, config: "{}".into(), on_error: OnError::Hold, shadow }], catalog)
}

fn followed(shadows: &Shadows, jobs: &[&ChainJob]) {
    let webhooks = jobs.iter().map(|job| (job.webhook.id.clone(), Arc::clone(&job.webhook))).collect();
    let plugins = jobs.first().map(|job| Arc::clone(&job.plugins)).unwrap_or_default();
    shadows.follow(&webhooks, &plugins, Timestamp::from_ms(1));
}

/// Runs the chain as a delivery does, and checks that its record is as without a shadow.
fn deliver(shadows: &Shadows, job: &ChainJob) {
    let seen = run_chain(&ChainJob { observer: Some(shadows.observer()), ..job.clone() });
    let mut alone = run_chain(job);
    for (run, alone) in seen.runs.iter().zip(&mut alone.runs) {
        alone.micros = run.micros;
    }
    assert_eq!(seen, alone);
}

fn first(shadows: &Shadows) -> Value {
    json!(shadows.views(None).first())
}

/// The first shadow, once it was run so often.
fn after(shadows: &Shadows, runs: u64) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let view = first(shadows);
        if view["runs"] == runs {
            return view;
        }
        assert!(begun.elapsed() < PATIENCE, "{view}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_the_same_what_differs_and_what_breaks_is_told_apart() {
    let shadows = Shadows::start().expect("a thread");
    let same = shadowed("site", Some(&Guest::new().with("(global i32 (i32.const 1))")));
    followed(&shadows, &[&same]);
    deliver(&shadows, &same);
    let view = after(&shadows, 1);
    assert_eq!((&view["same"], &view["different"], &view["fuelRatio"]), (&json!(1), &json!(0), &json!(1.0)), "{view}");

    let other = shadowed("site", Some(&dropping()));
    followed(&shadows, &[&other]);
    assert_eq!(first(&shadows)["runs"], 0, "another version starts at zero");
    deliver(&shadows, &same);
    deliver(&shadows, &other);
    let view = after(&shadows, 1);
    assert_eq!((&view["different"], &view["verdict"], &view["payload"]), (&json!(1), &json!(1), &json!(0)), "{view}");
    let difference = &view["differences"][0];
    assert_eq!(difference["verdict"], json!({"before": "deliver", "after": "dropped: a draft"}));
    assert_eq!(difference["delivery"], json!(other.delivery));

    let broken = shadowed("site", Some(&Guest::new().transform("unreachable")));
    followed(&shadows, &[&broken]);
    deliver(&shadows, &broken);
    let view = after(&shadows, 1);
    assert_eq!((&view["failed"], &view["different"]), (&json!(1), &json!(0)), "{view}");
    assert!(view["lastFailure"].as_str().is_some_and(|reason| reason.contains("aborted")), "{view}");
    let candidate = broken.plugins.get(&"next".parse().expect("a name")).expect("loaded");
    assert_eq!((candidate.counts.runs(), candidate.counts.breaks()), (0, 0), "runs as a shadow are no runs");
}

#[test]
fn the_newest_differences_are_kept() {
    let shadows = Shadows::start().expect("a thread");
    let job = shadowed("site", Some(&dropping()));
    followed(&shadows, &[&job]);
    for number in 1..=25_u8 {
        let delivery = crate::ids::DeliveryId::from_bytes([number; 16]);
        deliver(&shadows, &ChainJob { delivery, ..job.clone() });
        after(&shadows, u64::from(number));
    }
    let view = first(&shadows);
    let differences = view["differences"].as_array().expect("a list");
    assert_eq!((differences.len(), &view["different"]), (20, &json!(25)));
    assert_eq!(differences[0]["delivery"], json!(crate::ids::DeliveryId::from_bytes([25; 16])));
}

#[test]
fn a_candidate_that_is_missing_or_refuses_its_config_is_reported_and_not_run() {
    let shadows = Shadows::start().expect("a thread");
    let strict = Guest::new().schema(r#"{"required": ["key"]}"#);
    for (next, words) in [(None, "no plugin next is loaded"), (Some(&strict), "does not take its config")] {
        let job = shadowed("site", next);
        followed(&shadows, &[&job]);
        deliver(&shadows, &job);
        let view = first(&shadows);
        assert!(view["trouble"].as_str().is_some_and(|trouble| trouble.contains(words)), "{view}");
        assert_eq!((&view["runs"], &view["skipped"]), (&json!(0), &json!(0)));
    }
    shadows.follow(&BTreeMap::new(), &Catalog::default(), Timestamp::from_ms(2));
    assert!(shadows.views(None).is_empty() && shadows.summaries().is_empty());
}

#[test]
fn a_slow_candidate_delays_nobody_and_what_finds_no_room_is_counted() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (entered, entering) = mpsc::channel();
    let shadows = Shadows::start_with(move |step| {
        let _ = entered.send(());
        // Ends when the test lets go of the other side.
        let _ = gate.lock().expect("sound").recv();
        step.run_shadow()
    })
    .expect("a thread");
    let jobs: Vec<_> = ["a", "b", "c", "d", "e"].iter().map(|id| shadowed(id, Some(&Guest::new()))).collect();
    let plugins = Arc::clone(&jobs[0].plugins);
    let jobs: Vec<_> = jobs.into_iter().map(|job| ChainJob { plugins: Arc::clone(&plugins), ..job }).collect();
    followed(&shadows, &jobs.iter().collect::<Vec<_>>());
    deliver(&shadows, &jobs[0]);
    entering.recv_timeout(PATIENCE).expect("the first is run");
    for job in &jobs {
        (0..=MAX_WAITING_OF_ONE).for_each(|_| deliver(&shadows, job));
    }
    let skipped: Vec<_> = shadows.views(None).iter().map(|view| json!(view)["skipped"].clone()).collect();
    assert_eq!(skipped, [1, 1, 1, 1, 17], "each has its share, and all together {MAX_WAITING}");
    drop(open);
    assert_eq!(after(&shadows, 17)["same"], 17);
}
