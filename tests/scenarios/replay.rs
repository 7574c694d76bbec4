//! Deliveries once more, hurried, given up and forgotten.

use std::process::Output;

use hookwright_tests::{Hookwright, Receiver, cases, until};
use http::{Method, StatusCode};
use serde_json::{Value, json};

fn state_is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |delivery| delivery["state"] == state
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Runs a command that must go well, and reads its JSON.
async fn json_of(host: &Hookwright, arguments: &[&str]) -> Value {
    let output = host.command(&[arguments, &["--json"]].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Runs a command that must fail, and returns what it says.
async fn refusal(host: &Hookwright, arguments: &[&str]) -> String {
    let output = host.command(arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn redacting(url: &str) -> Value {
    let redact = json!({ "plugin": "redact", "config": { "remove": ["/entry/documentId"] } });
    json!({ "url": url, "events": ["*"], "plugins": [redact], "retry": { "schedule": [] } })
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

#[tokio::test]
async fn a_failed_one_is_sent_again_as_recorded_as_today_or_edited() {
    let receiver = Receiver::answering(|index, _| if index == 0 { 500 } else { 204 }).await;
    let host = Hookwright::builder().plugin("redact").webhook("w", redacting(&receiver.url())).start().await;
    let original = cases::body("strapi-v5/entry.create");
    let posted = host.post(original.clone()).await;
    let failed = host.deliveries(posted.event(), state_is("failed")).await.remove(0);

    // From here on no plugin would run.
    let revision = host.revision().await;
    let signing = json!({ "secrets": [hookwright_tests::SECRET] });
    let plain = json!({ "url": receiver.url(), "events": ["*"], "signing": signing, "retry": { "schedule": [] } });
    host.write("config/webhooks/w.json", plain.to_string());
    host.reloaded(revision, |_| true).await;

    let replayed = host.command(&["delivery", "replay", id(&failed)]).await;
    assert!(text(&replayed).contains("watch it: hookwright delivery show dlv_"), "{}", text(&replayed));
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].header("webhook-id"), Some(posted.event()), "the same message");
    assert_eq!(received[1].body, received[0].body, "the same bytes, although no plugin runs any more");
    assert!(received[1].verified() && received[0].body != original);
    let both = host.deliveries(posted.event(), |one| one["state"] != "pending").await;
    assert_eq!(both.len(), 2);
    assert_eq!((&both[1]["state"], &both[1]["replayOf"]), (&json!("delivered"), &failed["id"]));
    let why = text(&host.command(&["why", id(&both[1])]).await);
    assert!(why.contains(&format!("replay of {}", id(&failed))), "{why}");
    let rerun = refusal(&host, &["plugin", "run", "--delivery", id(&both[1])]).await;
    assert!(rerun.contains(&format!("repeat the run of {}", id(&failed))), "{rerun}");

    let today = json_of(&host, &["delivery", "replay", id(&failed), "--today"]).await;
    let received = receiver.wait_for(3).await;
    assert_eq!(received[2].header("webhook-id"), today["event"].as_str(), "a message of its own");
    assert_ne!(today["event"], posted.event());
    assert_eq!(received[2].body, original, "through the plugins of today: none");

    host.write("edited.json", r#"{"event": "entry.create"}"#);
    let edited = host.home().join("edited.json").display().to_string();
    let edit = ["delivery", "replay", id(&failed), "--edit", &edited];
    let refused = refusal(&host, &edit).await;
    assert!(refused.contains("422"), "{refused}");
    assert_eq!(host.api("/v1/quarantine").await["quarantined"], json!([]));
    let bytes = String::from_utf8(original.to_vec()).expect("text").replacen('{', "{ ", 1);
    host.write("edited.json", &bytes);
    let made = json_of(&host, &edit).await;
    let received = receiver.wait_for(4).await;
    assert_eq!((received[3].header("webhook-id"), &received[3].body[..]), (made["event"].as_str(), bytes.as_bytes()));
    let event = text(&host.command(&["event", "show", made["event"].as_str().expect("an id")]).await);
    assert!(event.contains(id(&made)), "{event}");
}

#[tokio::test]
async fn what_cannot_be_replayed_says_what_to_do_instead() {
    let receiver = Receiver::answering(|_, _| 400).await;
    let waits = json!({ "url": receiver.url(), "events": ["entry.create"], "retry": { "schedule": ["1h"] } });
    let holds = json!({ "url": receiver.url(), "events": ["entry.update"], "plugins": [{ "plugin": "absent" }] });
    let host = Hookwright::builder().webhook("waits", waits).webhook("holds", holds).start().await;
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let retrying = host.deliveries(posted.event(), state_is("retrying")).await.remove(0);
    let posted = host.post(cases::body("strapi-v5/entry.update")).await;
    let held = host.deliveries(posted.event(), state_is("held")).await.remove(0);
    for (id, remedy) in [(id(&retrying), "delivery retry"), (id(&held), "--today")] {
        let said = refusal(&host, &["delivery", "replay", id]).await;
        assert!(said.contains("409") && said.contains(remedy), "{said}");
    }
    host.command(&["delivery", "replay", id(&held), "--today"]).await;
    let path = format!("/v1/deliveries/{}/replay", id(&held));
    for (body, status) in [("{\"mode\":\"edited\"}", 422), ("{", 400), ("{\"mode\":\"today\"}", 202), ("", 409)] {
        assert_eq!(host.admin_send(Method::POST, &path, body).await.status.as_u16(), status, "{body}");
    }
    std::fs::remove_file(host.home().join("config/webhooks/holds.json")).expect("was there");
    host.status("the webhook to go", |status| status["webhooks"].as_array().is_some_and(|all| all.len() == 1)).await;
    let said = refusal(&host, &["delivery", "replay", id(&held), "--today"]).await;
    assert!(said.contains("Bring config/webhooks/holds.json back"), "{said}");
}

#[tokio::test]
async fn many_are_counted_replayed_and_watched() {
    let receiver = Receiver::answering(|index, _| if index < 40 { 400 } else { 204 }).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": [] } });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    for case in ["strapi-v5/entry.create", "strapi-v5/media.create"].repeat(20) {
        host.post(cases::body(case)).await;
    }
    host.status("40 failures", |status| status["counts"]["failed"] == 40).await;
    let many = ["delivery", "replay", "--webhook", "w", "--type", "media.*"];
    assert_eq!(json_of(&host, &[&many[..], &["--dry-run"]].concat()).await["count"], 20);
    let old = [&many[..], &["--until", "1h", "--dry-run"]].concat();
    assert_eq!(json_of(&host, &old).await["count"], 0);
    let asked = refusal(&host, &many).await;
    assert!(asked.contains("Replay 20 failed deliveries of w?") && asked.contains("--yes"), "{asked}");
    let deliveries = host.api("/v1/deliveries?limit=200").await;
    assert_eq!(receiver.received().len(), 40, "nothing is replayed without a yes: {deliveries}");

    let run = json_of(&host, &[&many[..], &["--since", "1h", "--yes"]].concat()).await;
    assert_eq!((&run["state"], &run["counted"], &run["done"]), (&json!("done"), &json!(20), &json!(20)), "{run}");
    host.status("20 delivered", |status| status["counts"]["delivered"] == 20).await;
    assert_eq!(host.api("/v1/replays").await["replays"][0]["id"], run["id"]);
    let rest = json_of(&host, &[&many[..], &["--dry-run"]].concat()).await;
    assert_eq!((&rest["count"], &rest["leftOut"]["replayed"]), (&json!(0), &json!(20)), "not twice unasked: {rest}");
    assert_eq!(json_of(&host, &[&many[..], &["--dry-run", "--again"]].concat()).await["count"], 20);

    let list = ["delivery", "list", "--type", "media.*", "--state", "failed", "--limit", "15"];
    let listed = json_of(&host, &list).await;
    assert_eq!(listed["deliveries"].as_array().map(Vec::len), Some(15));
    let rest = [&list[..], &["--before", listed["next"].as_str().expect("there is more")]].concat();
    assert_eq!(json_of(&host, &rest).await["deliveries"].as_array().map(Vec::len), Some(5));
    let events = async |arguments: &[&str]| {
        let events = json_of(&host, &[&["event", "list"], arguments].concat()).await;
        events["events"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(events(&["--type", "entry.*", "--since", "1h"]).await, 20);
    assert_eq!(events(&["--source", "nobody"]).await + events(&["--until", "1h"]).await, 0);
    let said = refusal(&host, &["delivery", "replay", "--webhook", "w", "--state", "dropped", "--yes"]).await;
    assert!(said.contains("--today"), "{said}");
}

#[tokio::test]
async fn a_run_of_many_can_be_cancelled() {
    let receiver = Receiver::answering(|_, _| 400).await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"], "retry": { "schedule": [] } });
    let host = Hookwright::builder().webhook("w", webhook).start().await;
    for _ in 0..600 {
        host.post(cases::body("strapi-v5/entry.create")).await;
    }
    host.status("600 failures", |status| status["counts"]["failed"] == 600).await;
    let begun = host.admin_send(Method::POST, "/v1/replays", r#"{"webhook":"w"}"#).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    let path = format!("/v1/replays/{}", id(&begun.body));
    host.admin_request(Method::POST, &format!("{path}/cancel")).await;
    let ended = until("the run to end", || async {
        let run = host.api(&path).await;
        (run["state"] != "running").then_some(run)
    })
    .await;
    assert_eq!(ended["state"], "cancelled", "{ended}");
    assert!(ended["done"].as_u64().is_some_and(|done| done < 600), "{ended}");
    let unknown = host.admin_request(Method::GET, "/v1/replays/rpl_01JD5Z8Q0V4N1S3T9X7K2M6B8C").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unfinished_ones_are_hurried_given_up_and_forgotten() {
    let receiver = Receiver::answering(|index, _| if index == 0 { 500 } else { 204 }).await;
    let waits = json!({ "url": receiver.url(), "events": ["entry.create"], "retry": { "schedule": ["1h"] } });
    let holds = json!({ "url": receiver.url(), "events": ["entry.update"], "plugins": [{ "plugin": "absent" }] });
    let host = Hookwright::builder().webhook("waits", waits).webhook("holds", holds).start().await;

    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let retrying = host.deliveries(posted.event(), state_is("retrying")).await.remove(0);
    host.command(&["delivery", "retry", id(&retrying)]).await;
    assert_eq!(receiver.wait_for(2).await[1].header("x-hookwright-attempt"), Some("2"), "an hour early");
    host.deliveries(posted.event(), state_is("delivered")).await;

    let mut held = Vec::new();
    for _ in 0..4 {
        let posted = host.post(cases::body("strapi-v5/entry.update")).await;
        held.push(host.deliveries(posted.event(), state_is("held")).await.remove(0));
    }
    let show = async |one: &Value| host.api(&format!("/v1/deliveries/{}", id(one))).await;
    host.command(&["delivery", "retry", id(&held[0])]).await;
    until("it to be held anew", || async {
        let again = show(&held[0]).await;
        (again["state"] == "held" && again["changed"] != held[0]["changed"]).then_some(())
    })
    .await;
    assert_eq!(show(&held[1]).await["changed"], held[1]["changed"], "only the one that was named");

    host.command(&["webhook", "pause", "holds"]).await;
    let hurried = text(&host.command(&["delivery", "retry", "last"]).await);
    assert!(hurried.contains("waits all the same") && hurried.contains("webhook resume holds"), "{hurried}");
    host.command(&["webhook", "resume", "holds"]).await;
    host.status("all are held again", |status| status["counts"]["held"] == 4).await;
    let given_up = json_of(&host, &["delivery", "discard", id(&held[0]), "--reason", "sent by mistake"]).await;
    let reason = given_up["reason"].as_str().expect("a text");
    assert!(reason.starts_with("discarded by ") && reason.ends_with(": sent by mistake"), "{given_up}");
    assert_eq!(show(&held[0]).await["state"], "failed");
    let rest = json_of(&host, &["delivery", "discard", "--webhook", "holds", "--held", "--yes"]).await;
    assert_eq!(rest["count"], 3);
    let said = refusal(&host, &["delivery", "discard", id(&held[0])]).await;
    assert!(said.contains("is finished: failed"), "{said}");

    let purge = ["delivery", "purge", "--state", "failed", "--webhook", "holds"];
    let asked = refusal(&host, &purge).await;
    assert!(asked.contains("Forget 4 failed deliveries of webhook holds?") && asked.contains("--yes"), "{asked}");
    let counted = json_of(&host, &[&purge[..], &["--dry-run"]].concat()).await;
    assert_eq!(counted["count"], 4);
    let purge = [&purge[..], &["--yes"]].concat();
    assert_eq!(json_of(&host, &[&purge[..], &["--before", "1h"]].concat()).await["count"], 0);
    assert_eq!(json_of(&host, &purge).await["count"], 4);
    let counts = &host.api("/v1/status").await["counts"];
    assert_eq!((&counts["failed"], &counts["delivered"], &counts["held"]), (&json!(0), &json!(1), &json!(0)));
    let refused = host.admin_request(Method::DELETE, "/v1/deliveries?state=held").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}
