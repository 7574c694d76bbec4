//! The hostile corpus through the real binary: every file is answered with its reason, and nobody else notices.

use std::collections::HashMap;

use hookwright_hostile::{Case, Ending, corpus};
use hookwright_tests::host::bundled_plugin;
use hookwright_tests::{Hookwright, Receiver, cases};
use serde_json::{Value, json};

/// More than the host needs for all of the corpus at once: pool, compiler and the payloads under way.
const MOST_MEMORY_BYTES: u64 = 400 << 20;
/// Posted one after the other until all files are reported; far fewer are enough.
const MOST_EVENTS: usize = 5_000;
const BODY: &str = "strapi-v5/entry.create";

/// What is posted, and what `redact` makes of it.
fn bodies() -> (String, String) {
    let mut redacted = cases::json(BODY);
    redacted["entry"].as_object_mut().unwrap().shift_remove("city").expect("it was there");
    (String::from_utf8(cases::body(BODY).to_vec()).unwrap(), redacted.to_string())
}

/// A webhook that is left as it came, and one that `redact` rewrites.
struct Neighbours {
    plain: Receiver,
    redacted: Receiver,
}

impl Neighbours {
    async fn start() -> Self {
        Self { plain: Receiver::start().await, redacted: Receiver::start().await }
    }

    fn join(&self, host: hookwright_tests::Builder) -> hookwright_tests::Builder {
        let redact = json!({ "plugin": "redact", "config": { "remove": ["/entry/city"] } });
        host.plugin("redact")
            .webhook("neighbour-plain", json!({ "url": self.plain.url(), "events": ["*"] }))
            .webhook("neighbour-redacted", json!({ "url": self.redacted.url(), "events": ["*"], "plugins": [redact] }))
    }

    /// Each got every event, once and right.
    async fn got(&self, events: usize) {
        let (body, redacted) = bodies();
        for (receiver, wanted) in [(&self.plain, &body), (&self.redacted, &redacted)] {
            let received = receiver.wait_for(events).await;
            assert_eq!(received.len(), events);
            assert!(received.iter().all(|one| one.body == *wanted && one.verified()), "unchanged by their neighbours");
        }
    }
}

fn assert_little_memory(host: &Hookwright) {
    let peak = host.peak_memory_bytes();
    println!("peak memory {peak:?}");
    assert!(peak.is_none_or(|peak| peak < MOST_MEMORY_BYTES), "{peak:?}");
}

#[tokio::test]
async fn files_that_cannot_run_are_each_reported_with_their_reason_and_nothing_stops() {
    let neighbours = Neighbours::start().await;
    let host = neighbours.join(Hookwright::builder()).start().await;
    let (body, _) = bodies();
    let refused: Vec<Case> = corpus(body.len()).into_iter().filter(|case| !case.is_run()).collect();
    assert!(refused.len() >= 40, "only {}", refused.len());
    for case in &refused {
        host.write(&format!("plugins/{}.wasm", case.name), &case.wasm);
    }
    let mut events = 0;
    let status = loop {
        assert_eq!(host.post(body.clone()).await.status, 202);
        events += 1;
        assert!(events < MOST_EVENTS, "not all are reported: {}", host.api("/v1/status").await["revision"]);
        let status = host.api("/v1/status").await;
        if faults(&status).len() >= refused.len() {
            break status;
        }
    };
    neighbours.got(events).await;
    let faults = faults(&status);
    for case in &refused {
        let Ending::Refused(reason) = &case.ending else { unreachable!() };
        let file = format!("plugins/{}.wasm", case.name);
        assert!(faults[&file].starts_with(reason.as_str()), "{file}: {}\nwanted {reason}", faults[&file]);
    }
    assert_eq!(faults.len(), refused.len());
    assert_little_memory(&host);

    // And what is fine among them is taken.
    host.write("plugins/late.wasm", bundled_plugin("redact"));
    host.status("the good one", |status| status["plugins"].to_string().contains("\"late\"")).await;
}

/// By file.
fn faults(status: &Value) -> HashMap<String, String> {
    let faults = status["revision"]["faults"].as_array().unwrap();
    let text = |fault: &Value, key: &str| fault[key].as_str().unwrap().to_owned();
    faults.iter().map(|fault| (text(fault, "file"), text(fault, "message"))).collect()
}

#[tokio::test]
async fn plugins_that_mean_harm_end_each_delivery_with_a_reason_and_hurt_no_other() {
    const EVENTS: usize = 3;
    let neighbours = Neighbours::start().await;
    let receiver = Receiver::start().await;
    let (body, _) = bodies();
    let hostile: Vec<Case> = corpus(body.len()).into_iter().filter(Case::is_run).collect();
    assert!(hostile.len() >= 40, "only {}", hostile.len());
    let mut host = neighbours.join(Hookwright::builder());
    for case in &hostile {
        let step = json!({ "plugin": case.name, "onError": "fail" });
        host = host.file(&format!("plugins/{}.wasm", case.name), &case.wasm).webhook(
            case.name,
            json!({ "url": receiver.url(), "events": ["*"], "plugins": [step], "headers": { "X-Case": case.name } }),
        );
    }
    let host = host.start().await;
    let mut events = Vec::new();
    for _ in 0..EVENTS {
        events.push(host.post(body.clone()).await.event().to_owned());
    }
    neighbours.got(EVENTS).await;
    for event in &events {
        let ended = host.deliveries(event, |delivery| delivery["state"] != "pending").await;
        assert_eq!(ended.len(), hostile.len() + 2);
        for case in &hostile {
            let delivery = ended.iter().find(|delivery| delivery["webhook"] == case.name).unwrap();
            assert_as_told(delivery, case);
        }
    }
    // What got through is what the case says.
    let through = receiver.received();
    for case in &hostile {
        let Ending::Delivered(payload) = &case.ending else { continue };
        let of_case: Vec<_> = through.iter().filter(|one| one.header("x-case") == Some(case.name)).collect();
        assert_eq!(of_case.len(), EVENTS, "{}", case.name);
        let wanted = payload.as_deref().unwrap_or(body.as_bytes());
        assert!(of_case.iter().all(|one| one.body == wanted), "{}", case.name);
    }
    assert_little_memory(&host);
    host.post(body).await;
    neighbours.got(EVENTS + 1).await;
}

/// State and reason of a delivery, as its case says.
fn assert_as_told(delivery: &Value, case: &Case) {
    let name = case.name;
    let (state, reason) = match &case.ending {
        Ending::Held(reason) => ("held", Some(format!("{name}: plugin {name} {reason}"))),
        Ending::Failed(reason) => ("failed", Some(format!("{name}: plugin {name} failed: {reason}"))),
        // Ten runs are over in ten seconds, which this test may take on a busy machine.
        Ending::Again { reason, .. } if delivery["state"] == "held" => {
            ("held", Some(format!("{name}: plugin {name} failed: {reason}; that was run 10, the last")))
        }
        Ending::Again { reason, .. } => ("retrying", Some(format!("{name}: plugin {name} failed: {reason}"))),
        Ending::Dropped(reason) => ("dropped", Some(format!("{name}: {reason}"))),
        Ending::Delivered(_) => ("delivered", None),
        Ending::Refused(_) => unreachable!("never run"),
    };
    assert_eq!((delivery["state"].as_str(), delivery["reason"].as_str()), (Some(state), reason.as_deref()), "{name}");
}
