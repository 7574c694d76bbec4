mod addresses;

use std::fs;

use super::*;
use crate::clock;
use crate::ids::Digest;
use crate::reload::testing::{TestHome, plugin, plugin_taking, webhook};

/// A host that can be restarted, and whose time runs as the test says.
struct Bench {
    home: TestHome,
    loader: Loader,
    now: Timestamp,
}

impl Bench {
    fn start(home: TestHome) -> Self {
        let now = clock::now();
        let mut loader = Loader::open(home.home(), Compiler::in_process(), Strictness::Lenient, now).expect("starts");
        loader.keep_last_good();
        Self { home, loader, now }
    }

    fn restart(self) -> Self {
        Self::start(self.home)
    }

    /// Looks until everything is settled.
    fn settle(&mut self) -> &Revision {
        for _ in 0..1000 {
            let Some(at) = self.loader.load(Wish::Changes, self.now).look_again else {
                self.loader.keep_last_good();
                return &self.loader.revision;
            };
            self.now = at.max(self.now.after(Duration::from_millis(1)));
        }
        panic!("never settles");
    }

    fn write(&mut self, path: &str, text: impl AsRef<[u8]>) -> &Revision {
        self.home.write(path, text);
        self.settle()
    }

    fn revision(&self) -> &Revision {
        &self.loader.revision
    }
}

fn url<'a>(revision: &'a Revision, id: &str) -> Option<&'a str> {
    revision.webhooks.get(&id.parse().expect("an id")).map(|webhook| webhook.url.path())
}

fn digest(revision: &Revision, name: &str) -> Option<Digest> {
    revision.plugins.get(&name.parse().expect("a name")).map(|plugin| plugin.digest)
}

/// Files at fault, with pointer; `!` marks those whose last good version is in force.
fn faults(revision: &Revision) -> Vec<String> {
    let mark = |fault: &Fault| if fault.last_good_in_force { "!" } else { "" };
    revision.faults.iter().map(|fault| format!("{}{}{}", fault.file, fault.pointer, mark(fault))).collect()
}

#[test]
fn an_empty_home_has_every_default() {
    let bench = Bench::start(TestHome::new());
    assert_eq!((bench.revision().number, faults(bench.revision()).len()), (1, 0));
    assert_eq!(bench.loader.environment(), "development");
}

#[test]
fn a_change_makes_the_next_revision_of_which_only_that_is_new() {
    let mut bench = Bench::start(TestHome::filled());
    let old = Arc::clone(&bench.loader.revision);
    bench.settle();
    assert_eq!(bench.revision().number, 1, "nothing changed");
    let new = bench.write("config/webhooks/a.json", webhook("other"));
    assert_eq!((new.number, url(new, "a"), url(new, "b")), (2, Some("/other"), Some("/b")));
    let b = "b".parse().expect("an id");
    assert!(Arc::ptr_eq(&old.webhooks[&b], &new.webhooks[&b]));
    assert!(Arc::ptr_eq(&old.server, &new.server) && Arc::ptr_eq(&old.egress, &new.egress));
    assert!(Arc::ptr_eq(&old.schemas, &new.schemas) && Arc::ptr_eq(&old.plugins, &new.plugins));
}

#[test]
fn a_bad_file_keeps_its_last_good_version_also_over_a_restart() {
    let mut bench = Bench::start(TestHome::filled());
    let bad = bench.write("config/webhooks/a.json", r#"{"url": "ftp://receiver.example", "events": ["*"]}"#);
    assert_eq!((url(bad, "a"), url(bad, "b")), (Some("/a"), Some("/b")));
    assert_eq!(faults(bad)[0], "config/webhooks/a.json/url!");
    let running = faults(bad);
    let mut bench = bench.restart();
    assert_eq!((url(bench.revision(), "a"), faults(bench.revision())), (Some("/a"), running));
    let mended = bench.write("config/webhooks/a.json", webhook("mended"));
    assert_eq!((url(mended, "a"), faults(mended).len()), (Some("/mended"), 0));
}

#[test]
fn without_a_last_good_version_a_webhook_is_left_out_and_the_server_does_not_start() {
    let home = TestHome::filled();
    home.write("config/webhooks/a.json", "{");
    let bench = Bench::start(home);
    assert_eq!((url(bench.revision(), "a"), url(bench.revision(), "b")), (None, Some("/b")));
    assert_eq!(faults(bench.revision()), ["config/webhooks/a.json"]);

    let strict = Loader::open(bench.home.home(), Compiler::in_process(), Strictness::Strict, bench.now).err();
    assert!(matches!(strict, Some(StartError::Strict(faults)) if faults.len() == 1));

    let home = TestHome::new();
    home.write("config/server.json", r#"{"server": {"listen": "nowhere"}}"#);
    let error = Loader::open(home.home(), Compiler::in_process(), Strictness::Lenient, bench.now)
        .err()
        .expect("does not start");
    assert!(error.to_string().contains("config/server.json /server/listen: "), "{error}");
}

#[test]
fn a_dry_run_touches_nothing() {
    let home = TestHome::filled();
    let revision = Loader::dry_run(home.home(), clock::now()).expect("would start");
    assert_eq!(revision.webhooks.len(), 2);
    assert!(!home.path("data").exists());
}

#[test]
fn variables_reach_every_file_and_their_loss_is_survived() {
    let mut bench = Bench::start(TestHome::filled());
    bench.home.write(".env", "RELOAD_TEST_PATH=one\n");
    let revision = bench.write("config/webhooks/a.json", webhook("${RELOAD_TEST_PATH}"));
    assert_eq!(url(revision, "a"), Some("/one"));
    assert_eq!(url(bench.write(".env", "RELOAD_TEST_PATH=two\n"), "a"), Some("/two"));
    bench.home.remove(".env");
    assert_eq!(url(bench.settle(), "a"), Some("/two"));
    assert_eq!(faults(bench.revision()), ["config/webhooks/a.json/url!"]);
    let bench = bench.restart();
    assert_eq!((url(bench.revision(), "a"), faults(bench.revision()).len()), (Some("/two"), 1));
}

#[test]
fn a_broken_env_file_keeps_the_variables_there_were() {
    let home = TestHome::filled();
    home.write(".env", "RELOAD_TEST_PATH=one\n");
    home.write("config/webhooks/a.json", webhook("${RELOAD_TEST_PATH}"));
    let mut bench = Bench::start(home);
    assert_eq!(faults(bench.write(".env", "what is this")), [".env!"]);
    let bench = bench.restart();
    assert_eq!((url(bench.revision(), "a"), faults(bench.revision())), (Some("/one"), vec![".env!".into()]));
}

#[test]
fn an_overlay_and_its_base_are_good_or_bad_together() {
    let mut bench = Bench::start(TestHome::filled());
    let overlay = "config/environments/development/webhooks/a.json";
    assert_eq!(url(bench.write(overlay, r#"{"url": "https://receiver.example/over"}"#), "a"), Some("/over"));
    bench.home.write("config/webhooks/a.json", webhook("base"));
    assert_eq!(url(bench.write(overlay, r#"{"url": "https://receiver.example/new", "x": 1}"#), "a"), Some("/over"));
    let mut bench = bench.restart();
    assert_eq!(url(bench.revision(), "a"), Some("/over"));
    bench.home.remove(overlay);
    assert_eq!(url(bench.settle(), "a"), Some("/base"));
    let only = "config/environments/development/webhooks/only.json";
    assert_eq!(url(bench.write(only, webhook("only")), "only"), Some("/only"));
}

#[test]
fn a_truncated_plugin_changes_nothing_also_over_a_restart() {
    let home = TestHome::filled();
    home.write("plugins/p.wasm", plugin(1));
    let mut bench = Bench::start(home);
    let good = Digest::of(&plugin(1));
    let truncated = &plugin(2)[..plugin(2).len() / 2];
    assert_eq!(digest(bench.write("plugins/p.wasm", truncated), "p"), Some(good));
    assert_eq!(faults(bench.revision()), ["plugins/p.wasm!"]);
    let mut bench = bench.restart();
    assert_eq!((digest(bench.revision(), "p"), faults(bench.revision())), (Some(good), vec!["plugins/p.wasm!".into()]));
    assert_eq!(digest(bench.write("plugins/p.wasm", plugin(2)), "p"), Some(Digest::of(&plugin(2))));
    assert!(faults(bench.revision()).is_empty());
}

#[test]
fn a_webhook_may_wait_for_its_plugin() {
    let mut bench = Bench::start(TestHome::filled());
    let text = r#"{"url": "https://receiver.example/p", "events": ["*"], "plugins": [{"plugin": "p"}]}"#;
    let revision = bench.write("config/webhooks/a.json", text);
    assert_eq!(
        (url(revision, "a"), faults(revision)),
        (Some("/p"), vec!["config/webhooks/a.json/plugins/0/plugin".into()])
    );
    assert_eq!(faults(bench.write("plugins/p.wasm", plugin(1))).len(), 0);
}

#[test]
fn a_shadow_at_fault_is_reported_and_holds_nothing() {
    let mut bench = Bench::start(TestHome::filled());
    bench.write("plugins/p.wasm", plugin(1));
    let text = r#"{"url": "https://receiver.example/p", "events": ["*"],
        "plugins": [{"plugin": "p", "config": {"limit": 1}, "shadow": "next"}]}"#;
    let at_fault = vec!["config/webhooks/a.json/plugins/0/shadow".to_owned()];
    let revision = bench.write("config/webhooks/a.json", text);
    assert_eq!((url(revision, "a"), faults(revision)), (Some("/p"), at_fault.clone()));
    let revision = bench.write("plugins/next.wasm", plugin_taking(2));
    assert!(digest(revision, "next").is_some(), "whatever the live plugin's config is");
    assert_eq!((url(revision, "a"), faults(revision)), (Some("/p"), at_fault));
    assert!(revision.faults[0].message.contains("/limit"), "{}", revision.faults[0]);
    assert_eq!(faults(bench.write("plugins/next.wasm", plugin_taking(1))).len(), 0);
    let bench = bench.restart();
    assert_eq!((url(bench.revision(), "a"), faults(bench.revision()).len()), (Some("/p"), 0));
}

#[test]
fn some_settings_wait_for_a_restart() {
    let mut bench = Bench::start(TestHome::filled());
    let text = r#"{"server": {"listen": "127.0.0.1:4499", "maxConnections": 9, "headTimeout": "3s", "bodyTimeout": "4s"},
                   "plugins": {"fuel": 50000000}}"#;
    let revision = bench.write("config/server.json", text);
    let names = ["headTimeout", "listen", "maxConnections"].map(|name| format!("config/server.json/server/{name}"));
    assert_eq!(faults(revision), names);
    assert_eq!(revision.faults[0].message, "3s takes effect after a restart; until then it is 10s");
    assert_eq!(faults(bench.restart().revision()).len(), 0);
}

#[test]
fn losing_the_last_source_is_pointed_out() {
    let home = TestHome::filled();
    let text = r#"{"sources": [{"name": "strapi", "token": "0123456789abcdef"}]}"#;
    home.write("config/server.json", text);
    let mut bench = Bench::start(home);
    assert_eq!(faults(bench.write("config/server.json", "{}")), ["config/server.json/sources"]);
    assert_eq!(faults(bench.write("config/server.json", text)).len(), 0);
    bench.write("config/server.json", "{}");
    let mut bench = bench.restart();
    assert_eq!(faults(bench.revision()).len(), 0, "local was made");
    assert_eq!(faults(bench.write("config/server.json", text)).len(), 0);
    assert_eq!(faults(bench.write("config/server.json", "{}")).len(), 0, "local is still there");
}

#[test]
fn other_limits_mean_other_plugins_where_they_apply() {
    let home = TestHome::filled();
    home.write("plugins/p.wasm", plugin(1));
    home.write("plugins/q.wasm", plugin(2));
    let mut bench = Bench::start(home);
    let mut loaded = |plugins: &str| {
        let revision = bench.write("config/server.json", format!(r#"{{"plugins": {plugins}}}"#));
        assert_eq!(faults(revision).len(), 0);
        ["p", "q"].map(|name| Arc::clone(revision.plugins.get(&name.parse().expect("a name")).expect("loaded")))
    };
    let [p, q] = loaded("{}");
    let [same_p, same_q] = loaded(r#"{"large": {"fuel": 50000000}, "limits": {"absent": {"fuel": 50000000}}}"#);
    assert!(Arc::ptr_eq(&p, &same_p) && Arc::ptr_eq(&q, &same_q), "no large plugin is there");
    let [less_p, same_q] = loaded(r#"{"limits": {"p": {"fuel": 50000000}}}"#);
    assert!(Arc::ptr_eq(&q, &same_q));
    assert_eq!((less_p.digest, less_p.limits().0), (p.digest, 50_000_000));
    let [less_p, less_q] = loaded(r#"{"fuel": 60000000, "limits": {"p": {"memoryBytes": 1048576}}}"#);
    assert_eq!((less_p.limits(), less_q.limits()), ((60_000_000, 1 << 20), (60_000_000, 16 << 20)));
}

#[test]
fn a_last_good_version_has_the_limits_of_today() {
    let home = TestHome::filled();
    home.write("plugins/p.wasm", plugin(1));
    let mut bench = Bench::start(home);
    let fuel = |revision: &Revision| revision.plugins.get(&"p".parse().expect("a name")).expect("in force").limits().0;
    let mut limited = |text: &str| fuel(bench.write("config/server.json", text));
    assert_eq!(limited("{}"), 100_000_000);
    bench.write("plugins/p.wasm", "broken");
    assert_eq!(fuel(bench.write("config/server.json", r#"{"plugins": {"fuel": 50000000}}"#)), 50_000_000);
    assert_eq!(faults(bench.revision()), ["plugins/p.wasm!"]);
    bench.write("config/server.json", "{}");
    assert_eq!(fuel(bench.write("plugins/p.wasm", plugin(1))), 100_000_000);
    assert_eq!(faults(bench.revision()).len(), 0);
}

#[test]
fn a_vanished_folder_removes_nothing_over_a_restart_until_accepted() {
    let mut bench = Bench::start(TestHome::filled());
    fs::remove_dir_all(bench.home.path("config/webhooks")).expect("removed");
    assert_eq!((bench.settle().webhooks.len(), faults(bench.revision())), (2, vec!["config/webhooks!".into()]));
    let mut bench = bench.restart();
    assert_eq!((bench.revision().webhooks.len(), faults(bench.revision())), (2, vec!["config/webhooks!".into()]));
    bench.loader.load(Wish::Everything { accept_removals: true }, bench.now);
    assert_eq!((bench.settle().webhooks.len(), faults(bench.revision()).len()), (0, 0));
    assert_eq!(bench.restart().revision().webhooks.len(), 0);
}

#[test]
fn a_secret_in_a_file_elsewhere_is_read_again_when_asked() {
    let mut bench = Bench::start(TestHome::filled());
    bench.home.write("secret", "one");
    let path = bench.home.path("secret");
    let text = webhook(&format!("${{file:{}}}", path.display()));
    assert_eq!(url(bench.write("config/webhooks/a.json", text), "a"), Some("/one"));
    bench.home.write("secret", "two");
    assert_eq!(url(bench.settle(), "a"), Some("/one"));
    let outcome = bench.loader.load(Wish::Everything { accept_removals: false }, bench.now);
    assert_eq!(url(&outcome.revision.expect("changed"), "a"), Some("/two"));
    let outcome = bench.loader.load(Wish::Everything { accept_removals: false }, bench.now);
    assert!(outcome.revision.is_none(), "the same again is no new revision");
}

#[test]
fn copies_that_cannot_be_kept_are_a_fault() {
    let home = TestHome::filled();
    home.write("data", "in the way");
    let mut bench = Bench::start(home);
    assert_eq!(bench.settle().faults.len(), 3);
    bench.home.remove("data");
    bench.settle();
    assert_eq!(bench.settle().faults.len(), 0);
}

#[test]
fn a_misnamed_file_is_pointed_out() {
    let mut bench = Bench::start(TestHome::filled());
    assert_eq!(faults(bench.write("config/webhooks/my hook.json", webhook("x"))), ["config/webhooks/my hook.json"]);
}

/// Webhook `a` with plugin `p` and this limit in its config.
fn limited(limit: u32) -> String {
    let plugins = format!(r#"[{{"plugin": "p", "config": {{"limit": {limit}}}}}]"#);
    format!(r#"{{"url": "https://receiver.example/a", "events": ["*"], "plugins": {plugins}}}"#)
}

#[test]
fn a_plugin_that_does_not_take_the_configs_of_its_webhooks_stays_out_until_it_does() {
    let home = TestHome::filled();
    home.write("plugins/p.wasm", plugin_taking(1));
    home.write("config/webhooks/a.json", limited(1));
    let mut bench = Bench::start(home);
    let (old, new) = (Digest::of(&plugin_taking(1)), Digest::of(&plugin_taking(2)));
    assert_eq!(digest(bench.write("plugins/p.wasm", plugin_taking(2)), "p"), Some(old));
    let words = bench.revision().faults[0].to_string();
    assert!(
        words.starts_with(
            "plugins/p.wasm: does not take what webhook a configures (config/webhooks/a.json at \
             /plugins/0/config/limit: "
        ) && words.ends_with("(its last good version stays in force)"),
        "{words}"
    );
    let mut bench = bench.restart();
    assert_eq!((digest(bench.revision(), "p"), url(bench.revision(), "a")), (Some(old), Some("/a")), "after a restart");
    let mended = bench.write("config/webhooks/a.json", limited(2));
    assert_eq!((digest(mended, "p"), faults(mended)), (Some(new), Vec::new()), "both change together");
    let refused = bench.write("config/webhooks/a.json", limited(1));
    assert_eq!(
        (digest(refused, "p"), faults(refused)),
        (Some(new), vec!["config/webhooks/a.json/plugins/0/config/limit!".into()])
    );
}

#[test]
fn no_version_comes_into_force_before_its_bytes_are_kept() {
    let home = TestHome::filled();
    home.write("plugins/p.wasm", plugin(1));
    let mut bench = Bench::start(home);
    let kept = |number: u32| bench_file(&Digest::of(&plugin(number)));
    assert_eq!(fs::read(bench.home.path(&kept(1))).expect("kept at the start"), plugin(1));
    // As a full disk, but for every user.
    bench.home.rename("data/plugins", "data/moved");
    bench.home.write("data/plugins", "in the way");
    bench.home.write("plugins/p.wasm", plugin(2));
    let mut looks = 0;
    while bench.revision().faults.is_empty() {
        let outcome = bench.loader.load(Wish::Changes, bench.now);
        bench.now = outcome.look_again.unwrap_or(bench.now).max(bench.now.after(Duration::from_millis(1)));
        looks += 1;
        assert!(looks < 1000, "the fault is told");
    }
    let words = bench.revision().faults[0].to_string();
    assert!(
        words.starts_with("plugins/p.wasm: version ") && words.contains("cannot be kept in data/plugins"),
        "{words}"
    );
    assert_eq!(digest(bench.revision(), "p"), Some(Digest::of(&plugin(1))));
    bench.home.remove("data/plugins");
    let mended = bench.settle();
    assert_eq!((digest(mended, "p"), faults(mended)), (Some(Digest::of(&plugin(2))), Vec::new()));
    assert_eq!(fs::read(bench.home.path(&kept(2))).expect("kept"), plugin(2));
}

fn bench_file(digest: &Digest) -> String {
    format!("data/plugins/{digest}.wasm")
}
