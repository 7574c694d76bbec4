//! A webhook's file as people may see it over the API: references as they are written, literal secrets not at all.

use serde_json::{Value, json};

use super::headers::{carries_credentials, names_a_secret};
use crate::managed::definition::SECRET;
use crate::webhook::Webhook;

/// `written` is what made `webhook`.
pub(super) fn written(written: &Value, webhook: &Webhook) -> Value {
    let mut shown = written.clone();
    if let Some(url) = shown.get_mut("url")
        && !url.as_str().is_some_and(is_reference)
    {
        *url = webhook.shown_url.clone().into();
    }
    for (name, value) in shown.get_mut("headers").and_then(Value::as_object_mut).into_iter().flatten() {
        let is_secret = |text: &str| carries_credentials(&name.to_ascii_lowercase(), text);
        if value.as_str().is_some_and(is_secret) {
            hide(value);
        }
    }
    for secret in shown.pointer_mut("/signing/secrets").and_then(Value::as_array_mut).into_iter().flatten() {
        hide(secret);
    }
    for extra in shown.pointer_mut("/signing/extra").and_then(Value::as_array_mut).into_iter().flatten() {
        extra.get_mut("secret").map(hide).unwrap_or_default();
    }
    for used in shown.get_mut("plugins").and_then(Value::as_array_mut).into_iter().flatten() {
        for pointer in ["/config", "/shadow/config"] {
            used.pointer_mut(pointer).map(hide_named).unwrap_or_default();
        }
    }
    shown
}

/// What is in members that look as if they held a secret.
fn hide_named(config: &mut Value) {
    match config {
        Value::Array(items) => items.iter_mut().for_each(hide_named),
        Value::Object(members) => {
            for (name, member) in members {
                if member.is_string() && names_a_secret(name) { hide(member) } else { hide_named(member) }
            }
        }
        _ => {}
    }
}

/// Unless it only says where the secret is.
fn hide(value: &mut Value) {
    if !value.as_str().is_some_and(is_reference) {
        *value = json!({ SECRET: true });
    }
}

/// `${ process.env.TOKEN }`, also behind the word of a scheme.
fn is_reference(text: &str) -> bool {
    let text = ["Bearer ", "Basic ", "Token "].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let inside = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    // A default is literal text.
    inside.is_some_and(|inside| !inside.contains(['$', '{', '}']) && !inside.contains(":-"))
}

#[cfg(test)]
mod tests {
    use super::super::{Layer, Variables, parse_webhook};

    #[test]
    fn references_are_shown_and_literal_secrets_are_not() {
        let text = r#"{"url": "https://a.example/x?token=canary", "events": ["*"],
            "headers": {"X-Site": "main", "Authorization": "Bearer canary", "X-Api-Key": "${ process.env.KEY }",
                        "X-Token": "${KEY:-canary}", "Cookie": "a=canary${KEY}"},
            "plugins": [{"plugin": "p", "config": {"password": "canary", "token": "${KEY}", "keep": ["/a"]}}],
            "signing": {"extra": [{"header": "X-S", "secret": "canary"}, {"header": "X-T", "secret": "${KEY}"}]}}"#;
        let layer = Layer { file: "a".into(), text: text.into() };
        let variables = Variables::from_pairs([("KEY", "canary")]);
        let webhook = parse_webhook("a".parse().expect("an id"), &[layer], &variables).expect("good");
        insta::assert_snapshot!(format!("{:#}", webhook.shown()), @r#"
        {
          "url": "https://a.example/x?…",
          "events": [
            "*"
          ],
          "headers": {
            "X-Site": "main",
            "Authorization": {
              "$secret": true
            },
            "X-Api-Key": "${ process.env.KEY }",
            "X-Token": {
              "$secret": true
            },
            "Cookie": {
              "$secret": true
            }
          },
          "plugins": [
            {
              "plugin": "p",
              "config": {
                "password": {
                  "$secret": true
                },
                "token": "${KEY}",
                "keep": [
                  "/a"
                ]
              }
            }
          ],
          "signing": {
            "extra": [
              {
                "header": "X-S",
                "secret": {
                  "$secret": true
                }
              },
              {
                "header": "X-T",
                "secret": "${KEY}"
              }
            ]
          }
        }
        "#);
        assert!(!webhook.shown().to_string().contains("canary"));
    }
}
