//! A plugin that uses all that could differ from run to run: clock, random numbers, floats, logs. Panics when told to.

use hookwright_sdk::{Delivery, Result, Verdict, info, json, now_ms, plugin, random_u64, serde};

/// Takes what it does not know: the tests change its config without changing what it does.
#[derive(Default, serde::Deserialize)]
#[serde(default, crate = "hookwright_sdk::serde")]
struct Config {
    panic: bool,
}

#[plugin]
fn dice(delivery: Delivery, config: Config) -> Result<Verdict> {
    assert!(!config.panic, "told to panic over {}", delivery.event_type);
    let throws: Vec<u8> = (0..10).filter_map(|_| u8::try_from(random_u64() % 6 + 1).ok()).collect();
    let mean = throws.iter().map(|throw| f64::from(*throw)).sum::<f64>() / 10.0;
    info!("run {} at {}: {throws:?}", delivery.run, now_ms());
    let mut body = delivery.into_json()?;
    body["dice"] = json!({ "throws": throws, "root": mean.sqrt().sin(), "at": now_ms() });
    Ok(Verdict::deliver().json(&body).annotate("mean", mean.to_string()))
}
