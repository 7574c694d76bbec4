//! Paced load: so many events a second while there is a host, whatever it does with them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::ledger::{Answer, Ledger, Number};
use crate::cases;
use crate::host::TOKEN;

/// 200 events a second.
const PACE: Duration = Duration::from_millis(5);
/// Posts under way at once. A host that answers within a third of a second is not held up by it.
const UNDER_WAY: usize = 64;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Events that are posted, in turn.
pub(super) const KINDS: [&str; 4] = ["entry.create", "entry.update", "entry.publish", "entry.delete"];

pub(super) struct Load {
    address: watch::Sender<Option<SocketAddr>>,
    task: JoinHandle<()>,
}

impl Load {
    pub(super) fn start(ledger: Arc<Ledger>) -> Self {
        let (address, addresses) = watch::channel(None);
        Self { address, task: tokio::spawn(run(ledger, addresses)) }
    }

    /// Where the host is now, if it is.
    pub(super) fn turn_to(&self, address: Option<SocketAddr>) {
        self.address.send_replace(address);
    }

    /// Ends once the posts under way are answered or broken.
    pub(super) async fn end(self) {
        drop(self.address);
        self.task.await.expect("the load does not panic");
    }
}

async fn run(ledger: Arc<Ledger>, mut addresses: watch::Receiver<Option<SocketAddr>>) {
    let bodies = KINDS.map(|kind| cases::json(&format!("strapi-v5/{kind}")));
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().expect("a client");
    let permits = Arc::new(Semaphore::new(UNDER_WAY));
    let mut pace = tokio::time::interval(PACE);
    for number in 0.. {
        let down = addresses.borrow().is_none();
        let Ok(address) = addresses.wait_for(Option::is_some).await.map(|address| *address) else { break };
        if down {
            pace.reset();
        }
        pace.tick().await;
        let permit = Arc::clone(&permits).acquire_owned().await.expect("never closed");
        let kind = usize::try_from(number % 4).expect("below four");
        ledger.posting(number, kind);
        let url = format!("http://{}/v1/events", address.expect("waited for"));
        let request = client.post(url).bearer_auth(TOKEN).header("content-type", "application/json");
        let request = request.body(body(&bodies[kind], number));
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            if let Ok(answer) = answer(request).await {
                ledger.answered(number, answer);
            }
            drop(permit);
        });
    }
    let all = u32::try_from(UNDER_WAY).expect("few");
    drop(permits.acquire_many(all).await);
}

fn body(case: &Value, number: Number) -> Bytes {
    let mut body = case.clone();
    body["number"] = number.into();
    Bytes::from(body.to_string())
}

/// Without the whole answer the sender does not know the id: that is no answer.
async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.bytes().await?;
    if status != 202 {
        return Ok(Answer::Other { status });
    }
    let body: Value = serde_json::from_slice(&text).expect("a 202 is JSON");
    Ok(Answer::Accepted { id: body["id"].as_str().expect("a 202 names its event").to_owned() })
}
