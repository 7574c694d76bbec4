use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::delivery::{
    AttemptResult, ChainRecord, ChainVerdict, HeldCause, PluginRun, Response, SendErrorKind, Window,
};
use crate::destination::Destination;
use crate::ids::Digest;
use crate::store::RunStateKind;
use crate::webhook::{Filter, Headers, OnError, PluginUse};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(1_700_000_000_000 + seconds * 1_000)
}

/// One event, one webhook, at most one delivery; a case changes what it is about.
struct Case {
    event: Event,
    webhook: Webhook,
    delivery: Option<(DeliveryView, Vec<Attempt>)>,
    run_state: Option<RunState>,
    ahead: Option<Ahead>,
    condition: Condition,
    faults: Vec<Fault>,
    is_loaded: bool,
    is_gone: bool,
    address: Result<(), String>,
}

impl Case {
    fn new() -> Self {
        let event = Event {
            id: EventId::from_bytes([1; 16]),
            event_type: "entry.create".parse().expect("valid"),
            source: "strapi".parse().expect("valid"),
            received: at(0),
            content_type: "application/json".into(),
            headers: vec![],
            attributes: Vec::new(),
            data: Bytes::from_static(br#"{"event":"entry.create","model":"article"}"#),
        };
        let webhook = Webhook {
            id: "site".parse().expect("valid"),
            name: "Site".into(),
            url: "https://build.example/hook".parse::<Destination>().expect("valid").into(),
            shown_url: "https://build.example/hook".to_owned(),
            method: http::Method::POST,
            enabled: true,
            labels: BTreeMap::new(),
            events: vec!["entry.*".parse().expect("valid")],
            filter: None,
            headers: Headers::default(),
            plugins: vec![],
            timeout: Duration::from_secs(15),
            retry_schedule: vec![],
            disable_after: None,
            rate_limit: None,
            order: None,
            debounce: None,
            concurrency: NonZeroU32::MIN,
            signing_secrets: vec![],
            extra_signatures: vec![],
            origin: crate::webhook::Origin::default(),
        };
        let (delivery, run_state, ahead, faults) = (None, None, None, vec![]);
        let condition = Condition::default();
        Self {
            event,
            webhook,
            delivery,
            run_state,
            ahead,
            condition,
            faults,
            is_loaded: true,
            is_gone: false,
            address: Ok(()),
        }
    }

    fn delivery(mut self, state: State, change: impl FnOnce(&mut DeliveryView)) -> Self {
        let mut view = DeliveryView {
            id: DeliveryId::from_bytes([2; 16]),
            event: self.event.id,
            webhook: self.webhook.id.clone(),
            state,
            created: at(0),
            changed: at(9),
            due: None,
            attempts: 0,
            runs: 0,
            reason: None,
            held_for: None,
            chain: None,
            window: None,
            replay_of: None,
        };
        change(&mut view);
        self.delivery = Some((view, vec![]));
        self
    }

    fn attempt(mut self, result: AttemptResult) -> Self {
        let (view, attempts) = self.delivery.as_mut().expect("a delivery first");
        view.attempts += 1;
        let number = view.attempts;
        let url = self.webhook.shown_url.clone();
        attempts.push(Attempt {
            number,
            started: at(number.into()),
            micros: 1_500,
            url,
            request_headers: vec![],
            result,
        });
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn explain(self) -> WebhookWhy {
        let Self { event, webhook, delivery, run_state, ahead, condition, faults, is_loaded, is_gone, address } = self;
        let ahead = ahead.into_iter().map(|ahead| (DeliveryId::from_bytes([2; 16]), ahead)).collect();
        let body = serde_json::from_slice(&event.data).ok();
        let deliveries = Vec::from_iter(delivery);
        let run_states = Vec::from_iter(run_state);
        let webhooks =
            if is_gone { BTreeMap::new() } else { BTreeMap::from([(webhook.id.clone(), Arc::new(webhook))]) };
        let facts = Facts {
            event: &event,
            body: body.as_ref(),
            deliveries: &deliveries,
            run_states: &run_states,
            ahead: &ahead,
        };
        let rules = Rules {
            revision: 7,
            webhooks: &webhooks,
            faults: &faults,
            is_loaded: &|_| is_loaded,
            condition: &|_| condition,
            judge: &|_| address.clone(),
        };
        let why = explain(&facts, &rules);
        assert_eq!(why.webhooks.len(), 1);
        why.webhooks.into_iter().next().expect("one")
    }

    fn conclusion(self) -> String {
        let why = self.explain();
        format!("{} → {}", why.conclusion, why.next_command.as_deref().unwrap_or("nothing"))
    }
}

fn answered(status: u16) -> AttemptResult {
    AttemptResult::Answered(Response { status, headers: vec![], body: String::new(), body_cut: false })
}

fn uses(plugin: &str) -> PluginUse {
    PluginUse { plugin: plugin.parse().expect("valid"), config: "{}".into(), on_error: OnError::Hold, shadow: None }
}

fn run(plugin: &str, summary: &str) -> PluginRun {
    PluginRun { digest: Some(Digest::of(b"abc")), summary: summary.into(), ..PluginRun::example(plugin) }
}

fn for_model(model: &str) -> Filter {
    Filter::Values(vec![("/model".parse().expect("valid"), vec![json!(model)])])
}

#[test]
fn each_gate_is_shown_in_order() {
    let chain = ChainRecord {
        verdict: ChainVerdict::Deliver { changes: crate::delivery::Changes::default() },
        runs: vec![run("redact", "rewrote payload (312 → 298 bytes)")],
        conditions: None,
    };
    let why = Case::new()
        .with(|case| case.webhook.plugins = vec![uses("redact")])
        .with(|case| case.webhook.filter = Some(for_model("article")))
        .delivery(State::Delivered, |view| view.chain = Some(chain))
        .attempt(AttemptResult::Error { kind: SendErrorKind::Timeout, message: "no answer within 15 s".into() })
        .attempt(answered(204))
        .explain();
    insta::assert_json_snapshot!(why, @r#"
    {
      "webhook": "site",
      "delivery": "dlv_02081040G2081040G2081040G2",
      "state": "delivered",
      "gates": [
        {
          "name": "admitted",
          "verdict": "pass",
          "detail": "accepted from strapi at 2023-11-14T22:13:20.000Z"
        },
        {
          "name": "enabled",
          "verdict": "pass",
          "detail": "enabled"
        },
        {
          "name": "pattern",
          "verdict": "pass",
          "detail": "entry.* matches entry.create"
        },
        {
          "name": "filter",
          "verdict": "pass",
          "detail": "the body passes"
        },
        {
          "name": "plugin redact",
          "verdict": "pass",
          "detail": "rewrote payload (312 → 298 bytes), version ba7816bf8f01"
        },
        {
          "name": "address",
          "verdict": "pass",
          "detail": "build.example is not refused; what a name resolves to is judged each time"
        },
        {
          "name": "attempt 1",
          "verdict": "stop",
          "detail": "no answer within 15 s (1.5ms, started 2023-11-14T22:13:21.000Z)"
        },
        {
          "name": "attempt 2",
          "verdict": "pass",
          "detail": "answered 204 (1.5ms, started 2023-11-14T22:13:22.000Z)"
        }
      ],
      "conclusion": "Delivered after 2 attempts, at 2023-11-14T22:13:29.000Z.",
      "nextCommand": null
    }
    "#);
}

#[test]
fn conclusions_of_what_was_not_made() {
    let gone = RunState {
        webhook: "site".parse().expect("valid"),
        kind: RunStateKind::Gone,
        since: at(-60),
        by: "the receiver (410 Gone)".into(),
        url: RunState::url_digest(&"https://build.example/hook".parse().expect("a URL")),
    };
    let disabled = RunState { kind: RunStateKind::Disabled, by: "ana".into(), ..gone.clone() };
    let conclusions = vec![
        Case::new(),
        Case::new().with(|case| case.webhook.enabled = false),
        Case::new().with(|case| case.run_state = Some(gone)),
        Case::new().with(|case| case.webhook.events = vec!["media.*".parse().expect("valid")]),
        Case::new()
            .with(|case| case.event.event_type = "trigger-test".parse().expect("valid"))
            .with(|case| case.webhook.events = vec!["*".parse().expect("valid")]),
        Case::new()
            .with(|case| case.event.data = Bytes::from_static(b"{}"))
            .with(|case| case.webhook.filter = Some(for_model("page"))),
        Case::new()
            .with(|case| case.event.data = Bytes::from_static(b"\xff"))
            .with(|case| case.webhook.filter = Some(for_model("page"))),
        Case::new().with(|case| case.run_state = Some(disabled)),
    ];
    let conclusions: Vec<_> = conclusions.into_iter().map(Case::conclusion).collect();
    insta::assert_snapshot!(conclusions.join("\n"), @r#"
    It would match now, but no delivery was made: the webhook was added, changed or enabled after the event. → nothing
    No delivery was made, and by today's rules none would be: its file says "enabled": false. To change that, edit config/webhooks/site.json. → nothing
    No delivery was made, and by today's rules none would be: switched off by the receiver (410 Gone) since 2023-11-14T22:12:20.000Z; `hookwright webhook enable site` takes that back, and so does another `url`. → hookwright webhook enable site
    No delivery was made, and by today's rules none would be: entry.create matches none of media.*. To change that, edit config/webhooks/site.json. → nothing
    No delivery was made, and by today's rules none would be: trigger-test matches none of *; * leaves this type out, so name it. To change that, edit config/webhooks/site.json. → nothing
    No delivery was made, and by today's rules none would be: /model is absent (wanted "page"). To change that, edit config/webhooks/site.json. → nothing
    No delivery was made, and whether the filter would pass it today cannot be told. → nothing
    No delivery was made, and by today's rules none would be: switched off by ana since 2023-11-14T22:12:20.000Z; `hookwright webhook enable site` takes that back. → hookwright webhook enable site
    "#);
}

#[test]
fn conclusions_of_what_was_made() {
    let held_for = |cause: HeldCause, reason: &str| {
        let reason = Some(reason.to_owned());
        Case::new().delivery(State::Held, |view| (view.held_for, view.reason) = (Some(cause), reason))
    };
    let conclusions = vec![
        Case::new().delivery(State::Pending, |_| ()),
        Case::new()
            .delivery(State::Retrying, |view| (view.due, view.reason) = (Some(at(30)), Some("answered 503".into())))
            .attempt(answered(503)),
        Case::new().delivery(State::Delivered, |_| ()).attempt(answered(200)),
        Case::new().delivery(State::Dropped, |view| view.reason = Some("published-only: not published".into())),
        Case::new().delivery(State::Failed, |view| (view.attempts, view.reason) = (10, Some("answered 500".into()))),
        Case::new()
            .delivery(State::Failed, |view| view.reason = Some("answered 500; that was attempt 1, the last".into()))
            .attempt(answered(500)),
        held_for("plugin:redact@1f0c66a2b7d4".parse().expect("valid"), "redact trapped: out of fuel"),
        held_for(HeldCause::WebhookGone, "the receiver answered 410"),
        held_for(HeldCause::WebhookDisabled, "the webhook is disabled").with(|case| case.webhook.enabled = false),
        held_for(HeldCause::WebhookDisabled, "the webhook was switched off by ana"),
        held_for(HeldCause::WebhookRemoved, "its file is gone").with(|case| case.is_gone = true),
        held_for(HeldCause::Stuck, "answered 500; that was attempt 10, the last"),
    ];
    let conclusions: Vec<_> = conclusions.into_iter().map(Case::conclusion).collect();
    insta::assert_snapshot!(conclusions.join("\n"), @r"
    Waits for its first attempt. → hookwright tail
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. → hookwright delivery show dlv_02081040G2081040G2081040G2
    Delivered at the first attempt, at 2023-11-14T22:13:29.000Z. → nothing
    Dropped at 2023-11-14T22:13:29.000Z: published-only: not published. → hookwright delivery show dlv_02081040G2081040G2081040G2
    Given up at 2023-11-14T22:13:29.000Z after 10 attempts: answered 500. → hookwright delivery show dlv_02081040G2081040G2081040G2
    Given up at 2023-11-14T22:13:29.000Z after 1 attempt: answered 500. → hookwright delivery show dlv_02081040G2081040G2081040G2
    Held since 2023-11-14T22:13:29.000Z: redact trapped: out of fuel; another plugins/redact.wasm, or another config for it in the webhook, releases it. → hookwright delivery show dlv_02081040G2081040G2081040G2
    Held since 2023-11-14T22:13:29.000Z: the receiver answered 410 Gone; `hookwright webhook enable site` releases this, and so does another `url` in config/webhooks/site.json. → hookwright webhook enable site
    Held since 2023-11-14T22:13:29.000Z: the webhook is disabled; edit config/webhooks/site.json to enable it, which releases this. → nothing
    Held since 2023-11-14T22:13:29.000Z: the webhook was switched off by ana; `hookwright webhook enable site` releases this. → hookwright webhook enable site
    Held since 2023-11-14T22:13:29.000Z: its file is gone; bring config/webhooks/site.json back to release it, or give it up: `hookwright delivery discard dlv_02081040G2081040G2081040G2`. → nothing
    Held since 2023-11-14T22:13:29.000Z: answered 500; that was attempt 10, the last; `hookwright delivery retry dlv_02081040G2081040G2081040G2` tries it again, `hookwright delivery discard dlv_02081040G2081040G2081040G2` gives it up. → hookwright delivery show dlv_02081040G2081040G2081040G2
    ");
}

#[test]
fn what_keeps_a_delivery_from_going_out_is_told_with_what_ends_it() {
    let waits = || {
        Case::new()
            .delivery(State::Retrying, |view| (view.due, view.reason) = (Some(at(30)), Some("answered 503".into())))
            .attempt(answered(503))
    };
    let ahead = |state, due| Ahead {
        first: DeliveryId::from_bytes([3; 16]),
        state,
        due,
        reason: Some("answered 500".into()),
        under_way: false,
        count: 3,
    };
    let window = Window { count: 4, members: vec![], closes: Some(at(20)) };
    let paused = RunState {
        webhook: "site".parse().expect("valid"),
        kind: RunStateKind::Paused,
        since: at(-60),
        by: "ana".into(),
        url: RunState::url_digest(&"https://build.example/hook".parse().expect("a URL")),
    };
    let condition =
        |open_until, next_start, narrowed_to| Condition { under_way: 0, narrowed_to, open_until, next_start };
    let conclusions = vec![
        waits().with(|case| case.ahead = Some(ahead(State::Held, None))),
        waits().with(|case| case.ahead = Some(ahead(State::Retrying, Some(at(40))))),
        Case::new().delivery(State::Pending, |view| view.window = Some(window)),
        waits().with(|case| case.run_state = Some(paused)),
        waits().with(|case| case.condition = condition(Some(at(50)), None, None)),
        waits().with(|case| case.condition = condition(None, Some(at(50)), None)),
        waits().with(|case| {
            (case.condition, case.webhook.concurrency) = (condition(None, None, Some(1)), 8.try_into().expect("some"));
        }),
        waits().with(|case| case.condition.under_way = 1),
    ];
    let conclusions: Vec<_> = conclusions.into_iter().map(Case::conclusion).collect();
    insta::assert_snapshot!(conclusions.join("\n"), @r"
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. Not now: `order`: 3 are before it, the first of them dlv_030C1G60R30C1G60R30C1G60R3, which is held (answered 500) and has the others wait (`order.onStuck`); `hookwright why dlv_030C1G60R30C1G60R30C1G60R3` says what ends that. → hookwright why dlv_030C1G60R30C1G60R30C1G60R3
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. Not now: `order`: 3 are before it, the first of them dlv_030C1G60R30C1G60R30C1G60R3, which is retrying (answered 500), due at 2023-11-14T22:14:00.000Z. → hookwright why dlv_030C1G60R30C1G60R30C1G60R3
    Waits for its first attempt. Not now: `debounce`: 4 events so far; gathers more until 2023-11-14T22:13:40.000Z, or later if more come. → nothing
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. Not now: paused by ana since 2023-11-14T22:12:20.000Z; `hookwright webhook resume site` lets it go. → hookwright webhook resume site
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. Not now: the receiver is left alone until 2023-11-14T22:14:10.000Z, as it failed again and again or asked for it; then one delivery probes it; `hookwright webhook enable site` does not wait. → hookwright webhook enable site
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. Not now: `rateLimit` lets no attempt begin before 2023-11-14T22:14:10.000Z. → hookwright delivery show dlv_02081040G2081040G2081040G2
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. Not now: the receiver was overloaded: 1 at once, not 8; each one that it takes allows one more. → hookwright delivery show dlv_02081040G2081040G2081040G2
    Waits for its next attempt, due at 2023-11-14T22:13:50.000Z: answered 503. Not now: as many attempts are under way as may be at once (1, `concurrency`). → hookwright delivery show dlv_02081040G2081040G2081040G2
    ");
}

#[test]
fn a_delivery_that_todays_rules_would_not_make_is_pointed_out() {
    let conclusion = Case::new()
        .with(|case| case.webhook.events = vec!["media.*".parse().expect("valid")])
        .delivery(State::Delivered, |_| ())
        .attempt(answered(200))
        .conclusion();
    assert!(
        conclusion.contains("no delivery would be made (pattern: entry.create matches none of media.*)"),
        "{conclusion}"
    );
}

#[test]
fn a_faulty_file_is_pointed_out_first_of_all() {
    let fault = Fault {
        file: "config/webhooks/site.json".into(),
        pointer: "/url".into(),
        message: "expected a URL".into(),
        last_good_in_force: true,
    };
    let why = Case::new().with(|case| case.faults = vec![fault]).explain();
    assert!(why.conclusion.ends_with("Its file config/webhooks/site.json cannot be taken as it is: expected a URL."));
    assert_eq!(why.next_command.as_deref(), Some("hookwright check"));
}

#[test]
fn a_webhook_whose_file_was_never_good_is_told_of() {
    let fault = |file: &str| Fault::of_file(file, "expected JSON");
    let faults = [fault("config/webhooks/site.json"), fault("config/webhooks/other.json"), fault("config/server.json")];
    let case = Case::new();
    let facts = Facts { event: &case.event, body: None, deliveries: &[], run_states: &[], ahead: &BTreeMap::new() };
    let webhooks = BTreeMap::from([(case.webhook.id.clone(), Arc::new(case.webhook))]);
    let judge: &dyn Fn(&Url) -> Result<(), String> = &|_| Ok(());
    let rules = Rules {
        revision: 7,
        webhooks: &webhooks,
        faults: &faults,
        is_loaded: &|_| true,
        condition: &|_| Condition::default(),
        judge,
    };
    let why = explain(&facts, &rules);
    assert_eq!(why.left_out, [fault("config/webhooks/other.json")]);
}

#[test]
fn plugins_stop_wait_or_are_missing() {
    let verdicts = |case: Case| {
        let gates = case.explain().gates.into_iter();
        gates.filter(|gate| gate.name.starts_with("plugin")).map(|gate| gate.verdict).collect::<Vec<_>>()
    };
    let two = || Case::new().with(|case| case.webhook.plugins = vec![uses("a"), uses("b")]);
    let dropped = ChainRecord {
        verdict: ChainVerdict::Drop { plugin: "a".parse().expect("valid"), reason: "no".into() },
        runs: vec![run("a", "dropped: no")],
        conditions: None,
    };

    assert_eq!(verdicts(two()), [Verdict::Unknown; 2]);
    assert_eq!(verdicts(two().with(|case| case.is_loaded = false)), [Verdict::Stop; 2]);
    assert_eq!(verdicts(two().delivery(State::Pending, |_| ())), [Verdict::Wait; 2]);
    let after_drop = two().delivery(State::Dropped, |view| view.chain = Some(dropped));
    assert_eq!(verdicts(after_drop), [Verdict::Drop, Verdict::Unknown]);
}

#[test]
fn a_refused_address_is_a_gate_of_its_own() {
    let reason = "10.0.0.1 is private; open it with egress.allow";
    let why = Case::new().with(|case| case.address = Err(reason.into())).explain();
    let gate = why.gates.iter().find(|gate| gate.name == "address").expect("is there");
    assert_eq!((gate.verdict, gate.detail.as_str()), (Verdict::Stop, reason));
}

#[test]
fn what_a_plugin_dropped_is_no_error() {
    let why = Case::new().delivery(State::Dropped, |_| ()).explain();
    let gate = why.gates.iter().find(|gate| gate.name == "attempts").expect("is there");
    assert_eq!((gate.verdict, gate.detail.as_str()), (Verdict::Drop, "nothing was sent: dropped"));
}
