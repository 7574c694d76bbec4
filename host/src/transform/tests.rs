use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;
use crate::delivery::PluginRun;
use crate::plugin::{Catalog, Watch};
use crate::webhook::{OnError, PluginUse};

/// Shut until opened; counts who comes in.
#[derive(Default)]
struct Gate {
    count: Mutex<Count>,
    changed: Condvar,
}

#[derive(Default)]
struct Count {
    open: bool,
    runs: usize,
    inside: usize,
    most_inside: usize,
}

impl Gate {
    fn pass(&self) {
        let mut count = self.count.lock().expect("sound");
        count.runs += 1;
        count.inside += 1;
        count.most_inside = count.most_inside.max(count.inside);
        self.changed.notify_all();
        self.changed.wait_while(count, |count| !count.open).expect("sound").inside -= 1;
    }

    fn open(&self) {
        self.count.lock().expect("sound").open = true;
        self.changed.notify_all();
    }

    fn wait_for_runs(&self, runs: usize) {
        let count = self.count.lock().expect("sound");
        drop(self.changed.wait_while(count, |count| count.runs < runs).expect("sound"));
    }
}

fn job(webhook: &str) -> ChainJob {
    let step =
        PluginUse { plugin: "p".parse().expect("a name"), config: "{}".into(), on_error: OnError::Hold, shadow: None };
    crate::plugin::tests::job(webhook, vec![step], Catalog::default())
}

/// Jobs of `slow` wait at the gate, jobs of `broken` panic.
fn pool(threads: usize) -> (TransformPool, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let at = Arc::clone(&gate);
    let pool = TransformPool::start_with(threads, 1, None, move |job, _| {
        match job.webhook.id.as_str() {
            "slow" => at.pass(),
            "broken" => panic!("on purpose"),
            _ => {}
        }
        Some(ChainRecord::untouched())
    });
    (pool.expect("threads start"), gate)
}

#[tokio::test]
async fn a_slow_webhook_holds_half_of_the_threads_at_most() {
    let (pool, gate) = pool(4);
    let mut slow = Box::pin(join_all((0..10).map(|_| pool.run(job("slow")))));
    assert!(slow.as_mut().now_or_never().is_none());
    for _ in 0..3 {
        assert_eq!(pool.run(job("quick")).await, Ok(ChainRecord::untouched()));
    }
    gate.open();
    assert!(slow.await.iter().all(Result::is_ok));
    let count = gate.count.lock().expect("sound");
    assert_eq!((count.most_inside, count.runs), (2, 10));
}

#[tokio::test]
async fn a_large_plugin_leaves_threads_to_the_small_ones() {
    let (pool, gate) = pool(4);
    let plugin = Arc::new(crate::plugin::tests::large_plugin());
    let name = plugin.name.clone();
    let catalog = Catalog::new([(name.clone(), plugin)].into());
    let large = |webhook: &str| {
        let step = PluginUse { plugin: name.clone(), config: "{}".into(), on_error: OnError::Hold, shadow: None };
        crate::plugin::tests::job(webhook, vec![step], catalog.clone())
    };
    let mut slow = Box::pin(join_all((0..3).map(|_| pool.run(large("slow")))));
    assert!(slow.as_mut().now_or_never().is_none());
    gate.wait_for_runs(1);
    let mut waiting = Box::pin(pool.run(large("quick")));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!(pool.run(job("nimble")).await, Ok(ChainRecord::untouched()));
    assert!(waiting.as_mut().now_or_never().is_none(), "one large chain at once");
    gate.open();
    assert!(waiting.await.is_ok() && slow.await.iter().all(Result::is_ok));
    assert_eq!(gate.count.lock().expect("sound").most_inside, 1);
}

#[tokio::test]
async fn costly_webhooks_together_leave_threads_to_the_cheap_ones() {
    let gate = Arc::new(Gate::default());
    let (at, tried) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
    let trials = Arc::clone(&tried);
    let pool = TransformPool::start_with(2, 2, None, move |job, fuel| {
        let costly = job.webhook.id.as_str().starts_with("costly");
        if costly && fuel.is_some() {
            trials.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if costly {
            at.pass();
        }
        Some(burning(if costly { COSTLY_FUEL } else { COSTLY_FUEL - 1 }))
    })
    .expect("threads start");
    let first = |number| pool.run(job(&format!("costly{number}")));
    let mut costly = Box::pin(join_all((0..5).map(first)));
    assert!(costly.as_mut().now_or_never().is_none());
    gate.wait_for_runs(1);
    for _ in 0..3 {
        assert!(pool.run(job("cheap")).await.is_ok());
    }
    gate.open();
    assert!(costly.await.iter().all(Result::is_ok));
    assert_eq!(gate.count.lock().expect("sound").most_inside, 1);
    assert!(pool.run(job("costly0")).await.is_ok());
    assert_eq!(tried.load(Ordering::Relaxed), 5, "each is found out once");
}

#[tokio::test]
async fn a_large_payload_is_not_tried() {
    let pool = TransformPool::start_with(2, 2, None, |job, fuel| {
        assert_eq!(fuel.is_none(), job.event.data.len() > MAX_TRIED_BYTES);
        Some(ChainRecord::untouched())
    });
    let pool = pool.expect("threads start");
    for bytes in [MAX_TRIED_BYTES, MAX_TRIED_BYTES + 1] {
        let mut job = job("any");
        Arc::get_mut(&mut job.event).expect("nobody else has it").data = vec![b' '; bytes].into();
        assert_eq!(pool.run(job).await, Ok(ChainRecord::untouched()), "{bytes}");
    }
}

fn burning(fuel: u64) -> ChainRecord {
    let run = PluginRun { fuel, ..PluginRun::example("p") };
    ChainRecord { runs: vec![run], ..ChainRecord::untouched() }
}

#[tokio::test]
async fn what_waits_behind_a_break_is_judged_when_its_turn_comes() {
    struct NoneAfter(Mutex<usize>);

    impl Watch for NoneAfter {
        fn instead(&self, job: &ChainJob) -> Option<ChainRecord> {
            (*self.0.lock().expect("sound") == 0).then(|| panicked(&job.webhook))
        }

        fn learn(&self, _: &ChainJob, _: &ChainRecord) {
            *self.0.lock().expect("sound") -= 1;
        }
    }

    let (pool, gate) = pool(2);
    let watch: Arc<dyn Watch> = Arc::new(NoneAfter(Mutex::new(2)));
    // All wait before the first has ended.
    let waiting = join_all((0..5).map(|_| pool.run(ChainJob { watch: Some(Arc::clone(&watch)), ..job("slow") })));
    let (records, ()) = tokio::join!(waiting, async {
        tokio::task::yield_now().await;
        gate.open();
    });
    let ran = records.iter().filter(|record| **record == Ok(ChainRecord::untouched())).count();
    assert_eq!((ran, gate.count.lock().expect("sound").runs), (2, 2));
}

#[tokio::test]
async fn a_delivery_counts_one_run_also_if_it_was_tried_before_and_a_repetition_none() {
    struct Unmoved;

    impl Watch for Unmoved {
        fn instead(&self, _: &ChainJob) -> Option<ChainRecord> {
            None
        }

        fn learn(&self, _: &ChainJob, _: &ChainRecord) {}
    }

    let costly = |_: &ChainJob, fuel: Option<u64>| {
        let record = ChainRecord { runs: vec![PluginRun::example("test")], ..ChainRecord::untouched() };
        fuel.is_none().then_some(record)
    };
    let pool = TransformPool::start_with(2, 1, None, costly).expect("threads start");
    let plugins = crate::plugin::tests::loaded();
    let repetition = crate::plugin::tests::job("site", Vec::new(), plugins.clone());
    let delivery = ChainJob { watch: Some(Arc::new(Unmoved)), ..repetition.clone() };
    for (job, expected) in [(delivery, 1), (repetition, 1)] {
        assert!(pool.run(job).await.is_ok());
        assert!(plugins.iter().all(|plugin| plugin.counts.runs() == expected));
    }
}

#[tokio::test]
async fn a_panic_costs_one_delivery_a_hold_and_no_thread() {
    let (pool, _gate) = pool(2);
    for _ in 0..4 {
        let verdict = pool.run(job("broken")).await.expect("answered").verdict;
        let ChainVerdict::Hold { plugin, reason } = verdict else { panic!("held was expected, got {verdict:?}") };
        assert_eq!(plugin.as_str(), "p");
        assert!(reason.starts_with("the host panicked while running plugin p"), "{reason}");
    }
    assert!(pool.run(job("quick")).await.is_ok());
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_job_along() {
    let (pool, gate) = pool(2);
    let mut first = Box::pin(pool.run(job("slow")));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(pool.run(job("slow")).now_or_never().is_none());
    gate.open();
    assert!(first.await.is_ok());
    // Comes after the one that was given up.
    assert!(pool.run(job("slow")).await.is_ok());
    assert_eq!(gate.count.lock().expect("sound").runs, 2);
}

#[tokio::test]
async fn closing_ends_what_runs_and_turns_away_what_waits() {
    let (pool, gate) = pool(2);
    let mut both = Box::pin(join_all([pool.run(job("slow")), pool.run(job("slow"))]));
    assert!(both.as_mut().now_or_never().is_none());
    gate.wait_for_runs(1);
    pool.owner.shared.close();
    gate.open();
    assert_eq!(both.await, [Ok(ChainRecord::untouched()), Err(Closed)]);
    assert_eq!(pool.run(job("quick")).await, Err(Closed));
}
