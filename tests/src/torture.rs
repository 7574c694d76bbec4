//! SIGKILL at random moments under paced load, again and again on one home, and the count of what became of every event.
//!
//! What is promised and judged here: an event answered 202 reaches every webhook that asked for it (*lost*); nothing else
//! arrives, and nothing arrives other than it should (*unexpected*); a delivery is taken twice only if it was under way at
//! a kill, once more for each such kill (*duplicates*). An event whose answer never came may arrive or not.

mod ledger;
mod load;
mod remains;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use self::ledger::Ledger;
use self::load::Load;
use self::target::{Target, WEBHOOKS};
use crate::host::{Builder, Hookwright};
use crate::wait::until_within;

pub use self::remains::integrity;

/// Of so many kills, one hits a start …
const MOMENTS: u32 = 8;
/// … and one the host as it copies its log into the database. It is waited for no longer than this.
const COPYING: Duration = Duration::from_secs(5);
/// How long a start may go on before it is killed. It takes about half of this.
const STARTING_MS: std::ops::Range<u64> = 0..250;
/// How long a host that is ready lives.
const LIVING_MS: std::ops::Range<u64> = 20..900;
/// For what is left to be delivered at the end, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is to be done. The moments of the kills and the moods of the receivers follow from `seed`; what they hit does not.
#[derive(Clone, Copy, Debug)]
pub struct Torture {
    pub cycles: usize,
    pub seed: u64,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Report {
    pub cycles: usize,
    /// Events answered 202.
    pub accepted: usize,
    /// Requests that receivers answered 2xx.
    pub received: usize,
    /// What an accepted event did not reach.
    pub lost: Vec<String>,
    pub unexpected: Vec<String>,
    pub duplicates: usize,
    /// Duplicates of what was not under way at a kill.
    pub unexplained: Vec<String>,
    /// Deliveries under way at the kills.
    pub in_flight: usize,
    /// What `PRAGMA integrity_check` says.
    pub integrity: String,
}

impl Report {
    /// # Panics
    /// When a promise was broken.
    pub fn judge(&self) {
        let Self { lost, unexpected, unexplained, integrity, .. } = self;
        assert!(lost.is_empty(), "{self}\nlost: {lost:#?}");
        assert!(unexpected.is_empty(), "{self}\nunexpected: {unexpected:#?}");
        assert!(unexplained.is_empty(), "{self}\nsent twice, though not under way at a kill: {unexplained:#?}");
        assert!(self.duplicates <= self.in_flight, "{self}");
        assert_eq!(integrity, "ok", "{self}");
        assert!(self.accepted >= self.cycles, "there was hardly any load: {self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycles, accepted, received, duplicates, in_flight, .. } = self;
        let (lost, unexpected) = (self.lost.len(), self.unexpected.len());
        write!(
            f,
            "{cycles} cycles, {accepted} accepted, {received} received, lost {lost}, unexpected {unexpected}, duplicates \
             {duplicates} (at most {in_flight} in flight)"
        )
    }
}

impl Torture {
    /// Does it, and counts.
    pub async fn run(self) -> Report {
        let mut dice = StdRng::seed_from_u64(self.seed);
        let ledger = Arc::<Ledger>::default();
        let mut targets = Vec::new();
        for webhook in 0..WEBHOOKS.len() {
            targets.push(Target::start(webhook, dice.random(), Arc::clone(&ledger)).await);
        }
        let mut host = home(&targets).start().await;
        let load = Load::start(Arc::clone(&ledger));
        host.kill().await;
        for _ in 0..self.cycles {
            let moment = dice.random_range(0..MOMENTS);
            if moment == 0 {
                host.kill_starting(Duration::from_millis(dice.random_range(STARTING_MS))).await;
            } else {
                host.restart().await;
                load.turn_to(Some(host.listen()));
                if moment == 1 {
                    remains::changed(host.home(), COPYING).await;
                } else {
                    tokio::time::sleep(Duration::from_millis(dice.random_range(LIVING_MS))).await;
                }
                host.kill().await;
                load.turn_to(None);
            }
            ledger.killed(remains::leased(host.home()));
        }
        load.end().await;
        host.restart().await;
        finished(&host).await;
        let stopped = host.terminate().await;
        assert!(stopped.success(), "{stopped:?}");
        let mut report = ledger.report();
        report.cycles = self.cycles;
        report.integrity = integrity(host.home());
        report
    }
}

fn home(targets: &[Target]) -> Builder {
    // So often that none gives up: one attempt in four fails.
    let retry = json!({ "schedule": (0..30).map(|n| if n < 10 { "50ms" } else { "300ms" }).collect::<Vec<_>>() });
    let mut builder = Hookwright::builder().plugin("redact");
    for (target, webhook) in targets.iter().zip(&WEBHOOKS) {
        let plugins = if webhook.redacts {
            json!([ { "plugin": "redact", "config": { "mask": ["/entry/city"] } } ])
        } else {
            json!([])
        };
        let file = json!({ "url": target.url(), "events": webhook.events, "retry": retry, "plugins": plugins });
        builder = builder.webhook(webhook.id, file);
    }
    builder
}

async fn finished(host: &Hookwright) {
    until_within(PATIENCE, "every delivery finished", || async {
        let counts = host.api("/v1/status").await["counts"].clone();
        assert_eq!([&counts["held"], &counts["failed"], &counts["dropped"]], [0, 0, 0], "{counts}");
        (counts["pending"] == 0 && counts["retrying"] == 0).then_some(())
    })
    .await;
}
