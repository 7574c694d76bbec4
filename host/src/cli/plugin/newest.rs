//! The newest delivery that a plugin took part in, or is waited for by, as the running host has it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize as _;
use serde_json::Value;

use super::super::client::Client;
use super::super::{discovery, json};
use crate::author::replay::Recorded;
use crate::clock::{self, Timestamp};
use crate::event::Event;
use crate::ids::{DeliveryId, PluginName};

/// Webhooks that are asked about: one request each.
const MOST_WEBHOOKS: usize = 20;

/// None: no host runs in this home, or it has had no such delivery yet.
///
/// # Errors
/// When the host answers otherwise than it should.
pub(super) async fn newest(home: &Path, plugin: &PluginName) -> anyhow::Result<Option<Recorded>> {
    let Ok(client) = discovery::admin(home) else { return Ok(None) };
    let Ok(status) = client.get("/v1/status").await else { return Ok(None) };
    let uses = |webhook: &&Value| json::list(webhook, "/plugins").iter().any(|used| used == plugin.as_str());
    let mut newest: Option<Value> = None;
    for webhook in json::list(&status, "/webhooks").iter().filter(uses).take(MOST_WEBHOOKS) {
        let list = client.get(&format!("/v1/deliveries?limit=1&webhook={}", json::text(webhook, "/id"))).await?;
        let delivery = list.pointer("/deliveries/0").cloned();
        // Ids sort by time.
        newest = newest.into_iter().chain(delivery).max_by_key(|delivery| json::text(delivery, "/id"));
    }
    match newest {
        Some(delivery) => recorded(&client, &delivery).await.map(Some),
        None => Ok(None),
    }
}

/// A delivery that the host has had.
///
/// # Errors
/// When it has not, or answers otherwise than it should.
pub(super) async fn of_delivery(client: &Client, id: DeliveryId) -> anyhow::Result<Recorded> {
    recorded(client, &client.get(&format!("/v1/deliveries/{id}")).await?).await
}

async fn recorded(client: &Client, delivery: &Value) -> anyhow::Result<Recorded> {
    let id = json::text(delivery, "/id");
    let full = client.get(&format!("/v1/deliveries/{id}")).await?;
    let event = client.get(&format!("/v1/events/{}", json::text(delivery, "/event"))).await?;
    Ok(Recorded {
        delivery: id.parse()?,
        webhook: json::text(delivery, "/webhook").parse()?,
        run: u32::try_from(json::number(&full, "/chain/conditions/run").max(1)).unwrap_or(1),
        // One that has not run yet has no clock of its own.
        now: time(&full, "/chain/conditions/now").unwrap_or_else(clock::now),
        event: self::event(&event)?,
    })
}

fn event(answer: &Value) -> anyhow::Result<Event> {
    let text = |pointer| json::text(answer, pointer);
    let data = match answer.pointer("/dataBase64") {
        Some(_) => STANDARD.decode(text("/dataBase64"))?,
        None => text("/data").into_bytes(),
    };
    let pair = |pair: &Value| (json::text(pair, "/0"), json::text(pair, "/1"));
    Ok(Event {
        id: text("/id").parse()?,
        event_type: text("/type").parse()?,
        source: text("/source").parse()?,
        received: time(answer, "/received").unwrap_or_else(clock::now),
        content_type: text("/contentType").into(),
        headers: json::list(answer, "/headers").iter().map(pair).collect(),
        attributes: json::list(answer, "/attributes").iter().map(pair).collect(),
        data: data.into(),
    })
}

fn time(answer: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::deserialize(answer.pointer(pointer)?).ok()
}
