//! The API as its description says: judged by somebody else's fuzzer of such descriptions, with all its checks on.

use std::time::Duration;

use hookwright_tests::{Hookwright, Receiver, cases, verifiers};
use serde_json::json;
use tokio::process::Command;

/// It sends some two thousand requests.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn schemathesis_finds_no_answer_that_is_not_described() {
    let Some(program) = verifiers::python_program("schemathesis") else { return };
    let receiver = Receiver::start().await;
    let host = Hookwright::builder()
        .plugin("redact")
        .webhook("site", json!({ "url": receiver.url(), "events": ["*"], "plugins": ["redact"] }))
        .start()
        .await;
    host.post(cases::body("strapi-v5/entry.create")).await;
    host.post("{}").await;
    let token = std::fs::read_to_string(host.home().join("data/admin.token")).expect("the admin token");
    let config = verifiers::sources().join("python/schemathesis.toml");
    let mut fuzz = Command::new(program);
    fuzz.arg("--config-file").arg(config).arg("run").arg(format!("http://{}/openapi.json", host.admin_address()));
    fuzz.args(["-H", &format!("Authorization: Bearer {}", token.trim()), "--checks", "all"]);
    // It has no end.
    fuzz.args(["--exclude-path", "/v1/tail"]);
    fuzz.args(["--max-examples", "15", "--request-timeout", "20", "--suppress-health-check", "all", "--no-color"]);
    // Where it runs it leaves files.
    fuzz.current_dir(host.home()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, fuzz.output()).await.expect("ends in time").expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("passed") && !said.contains("Rate limited"), "{said}");
}
