//! The embed: what happened to what, with a colour.

use hookwright_sdk::{Delivery, Value, json};
use hookwright_words::{Ordered, Summary, Template, Tone, rfc3339, units};

use crate::markup::{cut, escaped};

const MAX_TITLE: usize = 256;
const MAX_LABEL: usize = 256;
const MAX_VALUE: usize = 1024;
const MAX_FOOTER: usize = 512;
/// Of all texts of all embeds of a message.
const MAX_TOTAL: usize = 6000;

pub(crate) fn of(
    delivery: &Delivery,
    event: &Value,
    fields: &Ordered<Template>,
    summary: &Summary,
    link: Option<String>,
) -> Value {
    let name = summary.name.as_deref().map(|name| format!(": {}", escaped(name))).unwrap_or_default();
    let title = cut(&format!("{}{name}", escaped(&summary.what)), MAX_TITLE);
    let known = [Some(&delivery.event_type), Some(&delivery.source), summary.locale.as_ref()];
    let known: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
    let footer = hookwright_words::cut(&known.join(" · "), MAX_FOOTER).into_owned();
    let fields = shown(delivery, event, fields, MAX_TOTAL - units(&title) - units(&footer));
    let mut embed = json!({"title": title});
    if let Some(link) = link {
        embed["url"] = link.into();
    }
    embed["color"] = colour(summary.tone).into();
    if !fields.is_empty() {
        embed["fields"] = fields.into();
    }
    embed["footer"] = json!({"text": footer});
    embed["timestamp"] = rfc3339(delivery.received_ms).into();
    embed
}

/// The fields that have values, as many as there is room for.
fn shown(delivery: &Delivery, event: &Value, fields: &Ordered<Template>, mut room: usize) -> Vec<Value> {
    let mut shown = Vec::new();
    for (label, template) in fields.iter() {
        let label = cut(label, MAX_LABEL);
        let value = cut(&template.fill(delivery, event, MAX_VALUE, escaped).text, MAX_VALUE);
        if label.trim().is_empty() || value.trim().is_empty() {
            continue;
        }
        let Some(left) = room.checked_sub(units(&label) + units(&value)) else { break };
        room = left;
        shown.push(json!({"name": label, "value": value, "inline": true}));
    }
    shown
}

fn colour(tone: Tone) -> u32 {
    match tone {
        Tone::Good => 0x002e_8b57,
        Tone::Plain => 0x0046_82b4,
        Tone::Careful => 0x00da_a520,
        Tone::Bad => 0x00b2_2222,
    }
}
