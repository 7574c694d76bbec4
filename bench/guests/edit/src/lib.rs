//! The work that `bench plugins` measures, as a plugin: parse, edit one value, write again.

mod edit;

use hookwright_sdk::{Delivery, Result, Verdict, plugin};

#[plugin]
fn edit(delivery: Delivery) -> Result<Verdict> {
    let mut body = delivery.into_json()?;
    edit::edit(&mut body);
    Ok(Verdict::deliver().json(&body))
}
