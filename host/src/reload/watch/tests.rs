use std::fs;

use tokio::time::timeout;

use super::*;
use crate::plugin::Compiler;
use crate::reload::Strictness;
use crate::reload::testing::{TestHome, plugin, webhook};

/// Long enough for a busy machine; how long it takes is measured end to end.
const SOON: Duration = Duration::from_secs(20);

struct Bench {
    home: TestHome,
    reloading: Reloading,
    stop: CancellationToken,
}

impl Bench {
    async fn start() -> Self {
        let home = TestHome::filled();
        home.write("plugins/p.wasm", plugin(1));
        let opened = home.home();
        let loader =
            tasks::blocking(move || Loader::open(opened, Compiler::in_process(), Strictness::Lenient, clock::now()))
                .await;
        let stop = CancellationToken::new();
        Self { home, reloading: spawn(loader.expect("starts"), stop.clone()), stop }
    }

    /// Waits for a revision that is as wished.
    async fn until(&mut self, wish: impl FnMut(&Arc<Revision>) -> bool) -> Arc<Revision> {
        let revision = timeout(SOON, self.reloading.revisions.wait_for(wish)).await;
        Arc::clone(&revision.expect("in time").expect("the task runs"))
    }
}

fn url<'a>(revision: &'a Revision, id: &str) -> Option<&'a str> {
    revision.webhooks.get(&id.parse().expect("an id")).map(|webhook| webhook.url.path())
}

fn has_plugin(revision: &Revision, name: &str) -> bool {
    revision.plugins.get(&name.parse().expect("a name")).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_swapped_before_it_is_told() {
    let mut bench = Bench::start().await;
    bench.home.write("plugins/q.wasm", plugin(2));
    let told = bench.until(|revision| has_plugin(revision, "q")).await;
    assert!(bench.reloading.live.load().number >= told.number && told.number > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_replaced_while_running_is_followed() {
    let mut bench = Bench::start().await;
    bench.home.write("fresh/a.json", webhook("replaced"));
    bench.home.write("fresh/b.json", webhook("b"));
    fs::rename(bench.home.path("config/webhooks"), bench.home.path("old")).expect("moved away");
    fs::rename(bench.home.path("fresh"), bench.home.path("config/webhooks")).expect("moved in");
    bench.until(|revision| url(revision, "a") == Some("/replaced")).await;
    bench.home.write("config/webhooks/a.json", webhook("edited"));
    let revision = bench.until(|revision| url(revision, "a") == Some("/edited")).await;
    assert_eq!(revision.faults, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_is_answered_with_what_the_folder_says() {
    let bench = Bench::start().await;
    bench.home.write("config/webhooks/a.json", webhook("now"));
    bench.home.remove("config/webhooks/b.json");
    let revision = bench.reloading.handle.reload(false).await.expect("runs");
    assert_eq!((url(&revision, "a"), url(&revision, "b")), (Some("/now"), None));

    fs::remove_dir_all(bench.home.path("config/webhooks")).expect("removed");
    let revision = bench.reloading.handle.reload(false).await.expect("runs");
    assert_eq!((revision.webhooks.len(), revision.faults.len()), (1, 1));
    let revision = bench.reloading.handle.reload(true).await.expect("runs");
    assert_eq!((revision.webhooks.len(), revision.faults.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_requests_are_refused() {
    let bench = Bench::start().await;
    bench.stop.cancel();
    timeout(SOON, bench.reloading.task).await.expect("in time").expect("no panic");
    assert!(bench.reloading.handle.reload(false).await.is_err());
}

#[test]
fn a_file_is_mended_once_and_only_without_any_fault() {
    let faults = |files: &[&str]| files.iter().map(|file| Fault::of_file(file, "no")).collect::<Vec<_>>();
    let old = [faults(&["a", "b"]), vec![Fault::of_file("a", "two"), Fault::of_file("b", "two")]].concat();
    assert_eq!(mended(&old, &faults(&["b", "c"])), BTreeSet::from(["a"]));
}
