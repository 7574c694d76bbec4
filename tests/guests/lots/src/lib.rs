//! A plugin whose dependencies want random numbers, each in its way: they repeat with the run all the same.

use std::collections::HashSet;

use hookwright_sdk::{Delivery, Result, Verdict, json, plugin};
use rand::RngExt;

#[plugin]
fn lots(delivery: Delivery) -> Result<Verdict> {
    let mut body = delivery.into_json()?;
    let (mut second, mut third) = ([0; 4], [0; 4]);
    getrandom_02::getrandom(&mut second)?;
    getrandom_03::fill(&mut third)?;
    // The standard library seeds these by addresses alone: the same in every run.
    let order: Vec<u8> = (0..8).collect::<HashSet<_>>().into_iter().collect();
    body["lots"] = json!({
        "uuid": uuid::Uuid::new_v4().to_string(), "rand": rand::rng().random_range(0..1_000_000),
        "second": second, "third": third, "order": order,
    });
    Ok(Verdict::deliver().json(&body))
}
