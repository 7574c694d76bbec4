//! Messages for Discord: the webhook's URL is one of a channel's.
//!
//! Without a config every event of Strapi becomes an embed such as "Article published: Paris". With one:
//! ```json
//! {"text": "**{/entry/title}** is out <@&123456>", "mentions": ["roles"],
//!  "link": "https://cms.example/admin/content-manager/collection-types/{/uid}/{/entry/documentId}",
//!  "fields": {"City": "{/entry/city}"}, "username": "CMS"}
//! ```
//! `text` stands above the embed, in Discord's Markdown; what an event says is escaped. Nobody is mentioned unless
//! `mentions` says so, and then by the text of the config alone. The title leads to `link`, unless the event lacks one of
//! its values or says that the entry is gone. What is too long for Discord is cut.
//!
//! A post into a thread has `?thread_id=…` in the webhook's URL. A message that says nothing fails with `empty-message`, a
//! payload that is not JSON with `not-json`.

mod embed;
mod markup;

use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, json, plugin};
use hookwright_words::{Link, Ordered, Summary, Template, body, deliver, units};

use crate::markup::{cut, escaped};

const MAX_CONTENT: usize = 2000;
const MAX_USERNAME: usize = 80;
const MAX_FIELDS: usize = 25;
/// Discord's flag for a message that makes no sound.
const SUPPRESS_NOTIFICATIONS: u32 = 1 << 12;

#[config]
struct Config {
    /// What stands above the embed, as Discord's Markdown; by default nothing
    #[serde(default)]
    text: Option<Template>,
    /// Whether to show what happened as an embed; if not, it is told as text, unless there is a text already
    #[serde(default = "yes")]
    embed: bool,
    /// Where somebody can look at the entry; by default the message leads nowhere
    #[serde(default)]
    link: Option<Link>,
    /// Values shown in the embed, by their labels; those that are not there are left out
    #[serde(default)]
    #[schemars(extend("maxProperties" = 25))]
    fields: Ordered<Template>,
    /// Whom the text may mention; by default nobody
    #[serde(default)]
    mentions: Vec<Mention>,
    /// The name the message is posted under; by default the one that Discord knows the webhook by
    #[serde(default)]
    #[schemars(length(min = 1, max = 80))]
    username: Option<String>,
    /// Post without a sound
    #[serde(default)]
    silent: bool,
}

#[config]
#[serde(rename_all = "lowercase")]
enum Mention {
    Everyone,
    Roles,
    Users,
}

fn yes() -> bool {
    true
}

#[plugin]
fn discord(delivery: Delivery, config: Config) -> Result<Verdict> {
    check(&config)?;
    let event = body(&delivery)?;
    let summary = Summary::of(&delivery, event);
    let link = config.link.as_ref().and_then(|link| link.to(&delivery, event));
    let mut message = json!({});
    if let Some(content) = content(&delivery, event, &config, &summary, link.as_deref()) {
        if content.trim().is_empty() && !config.embed {
            let message = "the message would be empty: nothing stands where text looks";
            return Err(Failure::permanent(message).with_code("empty-message"));
        }
        message["content"] = content.into();
    }
    if config.embed {
        message["embeds"] = json!([embed::of(&delivery, event, &config.fields, &summary, link)]);
    }
    if let Some(username) = config.username {
        message["username"] = username.into();
    }
    if config.silent {
        message["flags"] = SUPPRESS_NOTIFICATIONS.into();
    }
    let mentions: Vec<&str> = config.mentions.iter().map(Mention::word).collect();
    message["allowed_mentions"] = json!({"parse": mentions});
    Ok(deliver(&delivery, &message))
}

/// What Discord would refuse with every event.
fn check(config: &Config) -> Result<()> {
    let fails = |message: String| Err(Failure::permanent(message).with_code("bad-config"));
    if config.fields.len() > MAX_FIELDS {
        return fails(format!("{} fields, and Discord shows at most {MAX_FIELDS}", config.fields.len()));
    }
    if let Some(username) = &config.username {
        let lower = username.to_ascii_lowercase();
        if !(1..=MAX_USERNAME).contains(&units(username)) || lower.contains("discord") || lower.contains("clyde") {
            return fails(format!(
                "username {username:?}: Discord takes 1 to {MAX_USERNAME} characters without its own names"
            ));
        }
    }
    Ok(())
}

fn content(
    delivery: &Delivery,
    event: &Value,
    config: &Config,
    summary: &Summary,
    link: Option<&str>,
) -> Option<String> {
    if let Some(template) = &config.text {
        return Some(cut(&template.fill(delivery, event, MAX_CONTENT, escaped).text, MAX_CONTENT));
    }
    if config.embed {
        return None;
    }
    let name = summary.name.as_deref().map(|name| format!(": {}", escaped(name))).unwrap_or_default();
    let text = cut(&format!("**{}**{name}", escaped(&summary.what)), MAX_CONTENT / 2);
    // Between angle brackets Discord shows no preview.
    let link = link.map(|link| format!("\n<{link}>")).filter(|link| units(&text) + units(link) <= MAX_CONTENT);
    Some(format!("{text}{}", link.unwrap_or_default()))
}

impl Mention {
    fn word(&self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Roles => "roles",
            Self::Users => "users",
        }
    }
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{answer, on_any_json, on_its_fixtures, on_real_bodies, rewritten};

    use super::*;

    const LINK: &str = "https://cms.example/admin/content-manager/collection-types/{/uid}/{/entry/documentId}";

    #[test]
    fn real_bodies() {
        insta::assert_snapshot!(on_real_bodies(discord, &json!({"link": LINK, "fields": {"City": "{/entry/city}"}})));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(discord, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        let all = json!({"text": "{/entry/title}", "embed": false});
        on_any_json(
            discord,
            &[json!({}), all, json!({"text": "x", "link": LINK, "fields": {"All": "{/entry|/media}"}})],
        );
    }

    #[test]
    fn an_event_can_neither_format_nor_link_nor_mention() {
        let body = json!({"entry": {"title": "@everyone <@&1> **b** [x](https://evil.example) `c`"}});
        let config = json!({"text": "<@&7> {/entry/title}", "mentions": ["roles", "everyone"]});
        let message = rewritten(discord, "entry.publish", &body, &config);
        let name = "@\u{200b}everyone \\<@\u{200b}&1> \\*\\*b\\*\\* \\[x\\](https\\://evil.example) \\`c\\`";
        assert_eq!(message["content"], json!(format!("<@&7> {name}")));
        assert_eq!(message["allowed_mentions"], json!({"parse": ["roles", "everyone"]}));
        let message = rewritten(discord, "entry.publish", &body, &json!({}));
        assert_eq!(message["embeds"][0]["title"], json!(format!("Entry published: {name}")));
        assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let body = json!({"entry": {"title": "*".repeat(5000), "note": "👍".repeat(5000)}});
        let fields: hookwright_sdk::serde_json::Map<_, _> =
            (0..25).map(|n| (n.to_string(), json!("{/entry/note}"))).collect();
        let message = rewritten(discord, "entry.create", &body, &json!({"text": "{/entry/title}", "fields": fields}));
        let long = |value: &Value| units(value.as_str().unwrap());
        assert!(long(&message["content"]) <= MAX_CONTENT);
        let embed = &message["embeds"][0];
        assert!(long(&embed["title"]) <= 256);
        let fields = embed["fields"].as_array().unwrap();
        assert!(!fields.is_empty() && fields.iter().all(|field| long(&field["value"]) <= 1024));
        let total: usize = fields.iter().map(|field| long(&field["value"]) + long(&field["name"])).sum();
        assert!(total + long(&embed["title"]) + long(&embed["footer"]["text"]) <= 6000);
    }

    #[test]
    fn without_an_embed_it_is_told_as_text() {
        let body = json!({"uid": "api::page.page", "model": "page", "entry": {"title": "Paris", "documentId": "a"}});
        let message = rewritten(discord, "entry.create", &body, &json!({"embed": false, "link": LINK, "silent": true}));
        let link = "https://cms.example/admin/content-manager/collection-types/api::page.page/a";
        let expected = json!({"content": format!("**Page created**: Paris\n<{link}>"), "flags": 4096, "allowed_mentions": {"parse": []}});
        assert_eq!(message, expected);
    }

    #[test]
    fn what_discord_would_refuse_fails_here() {
        for (config, code) in [
            (json!({"text": "{/entry/title}", "embed": false}), "empty-message"),
            (json!({"username": "My Discord"}), "bad-config"),
            (json!({"username": ""}), "bad-config"),
        ] {
            let failure =
                answer(discord, Delivery::example("entry.create", json!({"entry": {}})), &config).unwrap_err();
            assert_eq!(failure.code.as_deref(), Some(code), "{failure}");
        }
    }
}
