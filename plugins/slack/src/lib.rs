//! Messages for Slack: the webhook's URL is an incoming webhook.
//!
//! Without a config every event of Strapi becomes a line such as *Article published:* Paris. With one:
//! ```json
//! {"text": "<!here> *{/entry/title}* is out, by {/entry/author/name|somebody}",
//!  "link": "https://cms.example/admin/content-manager/collection-types/{/uid}/{/entry/documentId}",
//!  "fields": {"City": "{/entry/city}", "Locale": "{/entry/locale|-}"}}
//! ```
//! `text` is Slack's mrkdwn, and so are labels; what an event says is escaped, so that it can neither link nor mention. The
//! title leads to `link`, unless the event lacks one of its values or says that the entry is gone. What is too long for Slack is cut.
//!
//! Mattermost, Rocket.Chat and others take the same messages: those that know no blocks with `"blocks": false`. A message
//! that says nothing fails with `empty-message`, a payload that is not JSON with `not-json`.

mod markup;

use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, json, plugin};
use hookwright_words::{Link, Ordered, Summary, Template, body, deliver, rfc3339};

use crate::markup::{cut, escaped};

/// Of the text of a section; the text of a message may be longer, and would be cut there.
const MAX_TEXT: usize = 3000;
const MAX_FIELD: usize = 2000;
/// Of the grey line below.
const MAX_CONTEXT: usize = 1000;
const MAX_FIELDS: usize = 10;

#[config]
struct Config {
    /// What the message says, as Slack's mrkdwn; by default what happened to what
    #[serde(default)]
    text: Option<Template>,
    /// Where somebody can look at the entry; by default the message leads nowhere
    #[serde(default)]
    link: Option<Link>,
    /// Values shown below the text, by their labels; those that are not there are left out
    #[serde(default)]
    #[schemars(extend("maxProperties" = 10))]
    fields: Ordered<Template>,
    /// Whether the receiver knows Slack's blocks; if not, all is text
    #[serde(default = "yes")]
    blocks: bool,
}

fn yes() -> bool {
    true
}

#[plugin]
fn slack(delivery: Delivery, config: Config) -> Result<Verdict> {
    if config.fields.len() > MAX_FIELDS {
        let message = format!("{} fields, and Slack shows at most {MAX_FIELDS}", config.fields.len());
        return Err(Failure::permanent(message).with_code("bad-config"));
    }
    let event = body(&delivery)?;
    let summary = Summary::of(&delivery, event);
    let link = config.link.as_ref().and_then(|link| link.to(&delivery, event));
    let (plain, rich) = texts(&delivery, event, &config, &summary, link.as_deref());
    if rich.trim().is_empty() {
        return Err(Failure::permanent("the message would be empty: nothing stands where text looks")
            .with_code("empty-message"));
    }
    let fields = fields(&delivery, event, &config.fields);
    let message = if config.blocks {
        json!({"text": plain, "blocks": blocks(&rich, &fields, &context(&delivery, &summary))})
    } else {
        let lines: Vec<String> =
            std::iter::once(rich).chain(fields.into_iter().map(|field| field.replace('\n', " "))).collect();
        json!({"text": cut(&lines.join("\n"), MAX_TEXT)})
    };
    Ok(deliver(&delivery, &message))
}

/// What notifications say, and what the message does.
fn texts(
    delivery: &Delivery,
    event: &Value,
    config: &Config,
    summary: &Summary,
    link: Option<&str>,
) -> (String, String) {
    if let Some(template) = &config.text {
        let text = cut(&template.fill(delivery, event, MAX_TEXT, escaped).text, MAX_TEXT);
        let more = link.map(|link| format!("\n<{}|Open>", escaped(link))).unwrap_or_default();
        let rich = format!("{}{more}", cut(&text, MAX_TEXT - hookwright_words::units(&more)));
        return if text.trim().is_empty() { (String::new(), String::new()) } else { (text, rich) };
    }
    let what = escaped(&summary.what);
    let name = summary.name.as_deref().map(escaped);
    match (name, link) {
        (None, None) => (what.clone(), format!("*{what}*")),
        (None, Some(link)) => (what.clone(), format!("*<{}|{what}>*", escaped(link))),
        (Some(name), None) => (format!("{what}: {name}"), format!("*{what}:* {name}")),
        (Some(name), Some(link)) => (format!("{what}: {name}"), format!("*{what}:* <{}|{name}>", escaped(link))),
    }
}

fn fields(delivery: &Delivery, event: &Value, fields: &Ordered<Template>) -> Vec<String> {
    let shown = fields.iter().filter_map(|(label, template)| {
        let text = template.fill(delivery, event, MAX_FIELD, escaped).text;
        (!text.trim().is_empty()).then(|| cut(&format!("*{label}*\n{text}"), MAX_FIELD))
    });
    shown.collect()
}

/// The grey line: what exactly, from where, and when in the reader's own time.
fn context(delivery: &Delivery, summary: &Summary) -> String {
    let seconds = delivery.received_ms / 1000;
    let time = rfc3339(delivery.received_ms);
    let when = format!("<!date^{seconds}^{{date_short_pretty}} {{time}}|{time}>");
    let known = [Some(&delivery.event_type), Some(&delivery.source), summary.locale.as_ref()];
    let known: Vec<String> = known.into_iter().flatten().map(|text| escaped(text)).collect();
    format!("{} · {when}", cut(&known.join(" · "), MAX_CONTEXT))
}

fn blocks(text: &str, fields: &[String], context: &str) -> Value {
    let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text});
    let mut blocks = vec![json!({"type": "section", "text": mrkdwn(text)})];
    if !fields.is_empty() {
        let fields: Vec<Value> = fields.iter().map(|field| mrkdwn(field)).collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    blocks.push(json!({"type": "context", "elements": [mrkdwn(context)]}));
    Value::Array(blocks)
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{answer, on_any_json, on_its_fixtures, on_real_bodies, rewritten};
    use hookwright_words::units;

    use super::*;

    const LINK: &str = "https://cms.example/admin/content-manager/collection-types/{/uid}/{/entry/documentId}";

    #[test]
    fn real_bodies() {
        insta::assert_snapshot!(on_real_bodies(slack, &json!({"link": LINK, "fields": {"City": "{/entry/city}"}})));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(slack, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        on_any_json(
            slack,
            &[json!({}), json!({"text": "{/entry/title}{/entry}", "link": LINK, "fields": {"All": "{/entry|/media}"}})],
        );
    }

    #[test]
    fn an_event_can_neither_link_nor_mention() {
        let body = json!({"model": "page", "entry": {"title": "<!channel> & <https://evil.example|x>\n*b*", "documentId": "a"}});
        let message = rewritten(slack, "entry.publish", &body, &json!({}));
        let name = "&lt;!channel&gt; &amp; &lt;https://evil.example|x&gt; *b*";
        assert_eq!(message["text"], json!(format!("Page published: {name}")));
        assert_eq!(message["blocks"][0]["text"]["text"], json!(format!("*Page published:* {name}")));
        let message =
            rewritten(slack, "entry.publish", &body, &json!({"text": "<!here> {/entry/title}", "blocks": false}));
        assert!(message["text"].as_str().unwrap().starts_with("<!here> &lt;!channel&gt; &amp;"), "{message}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_no_markup_with_it() {
        let body = json!({"entry": {"title": "&".repeat(4000), "note": "é".repeat(4000)}});
        for config in [
            json!({}),
            json!({"text": "{/entry/title}", "link": "https://a.example/", "fields": {"N": "{/entry/note}"}}),
            json!({"text": "{/entry/note}", "fields": {"N": "{/entry/title}"}, "blocks": false}),
        ] {
            let message = rewritten(slack, "entry.create", &body, &config);
            assert!(units(message["text"].as_str().unwrap()) <= MAX_TEXT);
            for block in message["blocks"].as_array().into_iter().flatten() {
                if let Some(text) = block["text"]["text"].as_str() {
                    assert!(units(text) <= MAX_TEXT && text.replace("&amp;", "").find('&').is_none(), "{text}");
                }
                for field in block["fields"].as_array().into_iter().flatten() {
                    assert!(units(field["text"].as_str().unwrap()) <= MAX_FIELD, "{field}");
                }
            }
        }
    }

    #[test]
    fn a_link_lacking_a_value_is_no_link() {
        let body = json!({"uid": "api::page.page", "entry": {"title": "Paris"}});
        let message = rewritten(slack, "entry.create", &body, &json!({"link": LINK}));
        assert_eq!(message["blocks"][0]["text"]["text"], "*Entry created:* Paris");
    }

    #[test]
    fn what_slack_would_refuse_fails_here() {
        let failed = |config: Value| {
            answer(slack, Delivery::example("entry.create", json!({"entry": {}})), &config).unwrap_err().code
        };
        assert_eq!(failed(json!({"text": "{/entry/title} "})).as_deref(), Some("empty-message"));
        let fields: Value =
            (0..11).map(|n| (n.to_string(), json!("x"))).collect::<hookwright_sdk::serde_json::Map<_, _>>().into();
        assert_eq!(failed(json!({"fields": fields})).as_deref(), Some("bad-config"));
    }
}
