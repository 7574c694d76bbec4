//! A plugin that never ends.

use hookwright_sdk::{Delivery, Result, Verdict, plugin};

#[plugin]
fn spin(delivery: Delivery) -> Result<Verdict> {
    let mut turns: u64 = 0;
    while !delivery.event_id.is_empty() {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
    Ok(Verdict::drop(turns.to_string()))
}
