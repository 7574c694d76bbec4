//! Uses all that the contract has in 1.0.0. `tests/fixtures/plugin-1.0.0.wasm` was built of it once, and stays as it is.

use std::time::Duration;

use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, info, json, now_ms, plugin, random_u64, warn};

/// Its schema is part of what was promised.
#[config]
#[serde(default)]
#[derive(Default)]
struct Config {
    /// Taken out of the payload.
    without: Vec<String>,
}

#[plugin]
fn pledge(delivery: Delivery, config: Config) -> Result<Verdict> {
    info!("{} from {} for {}, run {}", delivery.event_type, delivery.source, delivery.webhook.id, delivery.run);
    match delivery.event_type.as_str() {
        "entry.create" => {}
        "entry.update" => return Ok(Verdict::drop("no updates").code("unwanted").annotate("type", "update")),
        "entry.delete" => {
            return Err(Failure::permanent("no deletes").with_code("unwanted").annotate("type", "delete"));
        }
        "entry.publish" => return Err(Failure::retry_after("not yet", Duration::from_secs(5)).with_code("early")),
        "media.create" => panic!("no media"),
        _ => return Ok(Verdict::deliver()),
    }
    let seen = json!({
        "now": now_ms(),
        "random": [random_u64(), random_u64()],
        "receivedMs": delivery.received_ms,
        "contentType": delivery.content_type,
        "traceparent": delivery.attribute("traceparent"),
        "header": delivery.header("x-strapi-event"),
        "labels": delivery.webhook.labels,
    });
    let mut body = delivery.into_json()?;
    if let Value::Object(members) = &mut body {
        for name in &config.without {
            if members.remove(name).is_none() {
                warn!("no {name}");
            }
        }
        members.insert("seen".into(), seen);
    }
    let verdict = Verdict::deliver().json(&body).content_type("application/vnd.pledge+json");
    Ok(verdict.header("X-Pledge", "kept").remove_header("X-Strapi-Event").annotate("kept", "yes"))
}
