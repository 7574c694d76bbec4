//! A shop that tells others of its orders, with Hookwright inside: no listener, no second process.
//!
//! `cargo run -p hookwright --example embed -- https://receiver.example/hook`

use std::error::Error;

use hookwright::delivery::State;
use hookwright::embed::{Emit, Hookwright, Outcome};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("name the URL of a receiver")?;

    // A folder of the program's own: configuration (there may be none), plugins, the store.
    let hookwright = Hookwright::builder("hookwright-home").source("shop".parse()?).start().await?;

    // What an order looks like: a body that does not fit is refused when it is emitted.
    let schema = json!({
        "type": "object",
        "required": ["id", "total"],
        "properties": { "id": { "type": "integer" }, "total": { "type": "number" } },
    });
    hookwright.register_event_type(&"order.paid".parse()?, &schema).await?;

    // Made once; the next start finds it in the store.
    let books = "books".parse()?;
    if hookwright.webhooks().get(&books).is_none() {
        let definition = json!({ "id": "books", "url": url, "events": ["order.*"], "retry": { "schedule": ["5s"] } });
        let made = hookwright.webhooks().create(definition).await?;
        if let Some(secret) = made.secret {
            println!("the receiver verifies with {}", secret.expose());
        }
    }

    // On disk before this returns. The key makes it safe to call again after a crash of ours.
    let mut outcomes = hookwright.outcomes();
    let order = Emit::new("order.paid".parse()?, &json!({ "id": 7, "total": 12.5 })).once("order-7-paid");
    let accepted = hookwright.emit(order).await?;
    println!("{} is accepted", accepted.id);

    while let Some(outcome) = outcomes.next().await {
        let Outcome::Changed(notice) = outcome else { continue };
        if notice.event == accepted.id {
            println!(
                "{} at {}: {:?} {}",
                notice.delivery,
                notice.webhook,
                notice.state,
                notice.reason.unwrap_or_default()
            );
            if notice.state != State::Retrying {
                break;
            }
        }
    }

    hookwright.shut_down().await;
    Ok(())
}
