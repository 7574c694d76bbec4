//! The ways editors and tools change files: each is taken whole, at once, and without being told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use hookwright_tests::host::bundled_plugin;
use hookwright_tests::{Hookwright, cases};
use serde_json::{Value, json};

/// A webhook file that is told from others by its name. Nobody listens there.
fn webhook(name: &str) -> String {
    json!({ "name": name, "url": "http://127.0.0.1:9/", "events": ["*"] }).to_string()
}

/// The webhooks in force, as `id: name`.
fn in_force(status: &Value) -> Vec<String> {
    let webhooks = status["webhooks"].as_array().unwrap().iter();
    webhooks.map(|webhook| [&webhook["id"], &webhook["name"]].map(|text| text.as_str().unwrap()).join(": ")).collect()
}

fn faults(status: &Value) -> String {
    status["revision"]["faults"].to_string()
}

/// A host with webhook `a`, version `first`.
async fn host() -> (Hookwright, PathBuf) {
    let host = Hookwright::builder().file("config/webhooks/a.json", webhook("first")).start().await;
    let folder = host.home().join("config/webhooks");
    (host, folder)
}

/// Waits until exactly these are in force and nothing is at fault.
async fn until_in_force(host: &Hookwright, expected: &[&str]) -> Value {
    let status = host.status(&format!("{expected:?}"), |status| in_force(status) == expected).await;
    assert_eq!(faults(&status), "[]");
    status
}

#[tokio::test]
async fn unlinked_and_created_again_is_one_change() {
    let (host, folder) = host().await;
    let before = host.revision().await;
    fs::remove_file(folder.join("a.json")).unwrap();
    fs::write(folder.join("a.json"), webhook("second")).unwrap();
    let status = until_in_force(&host, &["a: second"]).await;
    assert_eq!(status["revision"]["number"], before + 1, "it was never gone in between");
}

#[tokio::test]
async fn renamed_over_and_written_in_place() {
    let (host, folder) = host().await;
    host.write("config/webhooks/a.json", webhook("renamed over"));
    until_in_force(&host, &["a: renamed over"]).await;
    fs::write(folder.join("a.json"), webhook("in place")).unwrap();
    until_in_force(&host, &["a: in place"]).await;
}

#[tokio::test]
async fn a_half_is_never_taken_for_the_whole() {
    let (host, folder) = host().await;
    let second = webhook("second");
    let (half, _) = second.split_at(second.len() / 2);
    fs::write(folder.join("a.json"), half).unwrap();
    let status = host.status("the half to be reported", |status| faults(status).contains("a.json")).await;
    assert_eq!(in_force(&status), ["a: first"]);
    fs::write(folder.join("a.json"), &second).unwrap();
    until_in_force(&host, &["a: second"]).await;
}

#[tokio::test]
async fn a_symlink_swapped() {
    let (host, folder) = host().await;
    fs::write(host.home().join("elsewhere.json"), webhook("second")).unwrap();
    symlink(host.home().join("elsewhere.json"), host.home().join("link")).unwrap();
    fs::rename(host.home().join("link"), folder.join("a.json")).unwrap();
    until_in_force(&host, &["a: second"]).await;
    // What it points to changes, in a folder that nobody watches.
    fs::write(host.home().join("elsewhere.json"), webhook("third")).unwrap();
    until_in_force(&host, &["a: third"]).await;
}

#[tokio::test]
async fn a_folder_swapped_behind_links_as_kubernetes_mounts_it() {
    let (host, folder) = host().await;
    for version in ["second", "third"] {
        let data = folder.join(format!("..{version}"));
        fs::create_dir(&data).unwrap();
        fs::write(data.join("a.json"), webhook(version)).unwrap();
    }
    let point = |link: &str, target: &str| {
        symlink(target, folder.join("..new")).unwrap();
        fs::rename(folder.join("..new"), folder.join(link)).unwrap();
    };
    point("..data", "..second");
    point("a.json", "..data/a.json");
    until_in_force(&host, &["a: second"]).await;
    point("..data", "..third");
    until_in_force(&host, &["a: third"]).await;
}

#[tokio::test]
async fn several_at_once_with_an_editors_leftovers_beside_them() {
    let (host, folder) = host().await;
    for name in ["a", "b", "c", "d"] {
        fs::write(folder.join(format!("{name}.json")), webhook("second")).unwrap();
        for leftover in [format!(".{name}.json.swp"), format!("{name}.json~"), format!("#{name}.json#"), "4913".into()]
        {
            fs::write(folder.join(leftover), "{").unwrap();
        }
    }
    until_in_force(&host, &["a: second", "b: second", "c: second", "d: second"]).await;
    fs::remove_file(folder.join("b.json")).unwrap();
    fs::rename(folder.join("c.json"), folder.join("e.json")).unwrap();
    until_in_force(&host, &["a: second", "d: second", "e: second"]).await;
}

#[tokio::test]
async fn a_folder_replaced_by_another_one() {
    let (host, folder) = host().await;
    let next = host.home().join("next");
    fs::create_dir(&next).unwrap();
    for name in ["a", "b"] {
        fs::write(next.join(format!("{name}.json")), webhook("second")).unwrap();
    }
    fs::rename(&folder, host.home().join("old")).unwrap();
    fs::rename(&next, &folder).unwrap();
    until_in_force(&host, &["a: second", "b: second"]).await;
    // The new folder is watched like the old one was.
    host.write("config/webhooks/b.json", webhook("third"));
    until_in_force(&host, &["a: second", "b: third"]).await;
}

#[tokio::test]
async fn a_vanished_folder_removes_nothing_until_somebody_says_so() {
    let (host, folder) = host().await;
    fs::rename(&folder, host.home().join("gone")).unwrap();
    let status = host.status("the vanished folder", |status| faults(status).contains("accept-removals")).await;
    assert_eq!(in_force(&status), ["a: first"]);
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    assert_eq!(posted.body["deliveries"][0]["webhook"], "a");
    let accepted = host.command(&["reload", "--accept-removals"]).await;
    assert!(accepted.status.success(), "{accepted:?}");
    until_in_force(&host, &[]).await;
}

#[tokio::test]
async fn plugins_and_schemas_change_in_the_same_ways() {
    let host = Hookwright::builder().plugin("redact").start().await;
    let path = host.home().join("plugins/redact.wasm");
    let description = async |expected: &str| {
        let what = format!("the plugin {expected}");
        host.status(&what, |status| {
            let found = status["plugins"][0]["description"].as_str().unwrap().to_lowercase();
            found.contains(expected) && faults(status) == "[]"
        })
        .await;
    };
    description("mask").await;
    host.write("plugins/redact.wasm", bundled_plugin("add-headers"));
    description("header").await;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bundled_plugin("redact")).unwrap();
    description("mask").await;
    fs::write(host.home().join("other.wasm"), bundled_plugin("add-headers")).unwrap();
    symlink(host.home().join("other.wasm"), host.home().join("link")).unwrap();
    fs::rename(host.home().join("link"), &path).unwrap();
    description("header").await;

    let schema = host.home().join("schemas/entry.create.json");
    let answers = async |text: &str, status: u16| {
        let before = host.revision().await;
        let _ = fs::remove_file(&schema);
        fs::create_dir_all(schema.parent().unwrap()).unwrap();
        fs::write(&schema, text).unwrap();
        host.reloaded(before, |status| faults(status) == "[]").await;
        assert_eq!(host.post(cases::body("strapi-v5/entry.create")).await.status, status, "{text}");
    };
    answers(r#"{ "required": ["absent"] }"#, 422).await;
    answers(r#"{ "required": ["entry"] }"#, 202).await;
}
