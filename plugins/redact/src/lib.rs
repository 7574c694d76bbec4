//! Remove or mask values of the payload.
//!
//! Config: `{"remove": ["/entry/email"], "mask": ["/entry/comments/*/author", "/**/phone"], "with": "***"}`. Places are JSON
//! Pointers; `*` stands for every element of an array and every member of an object, `**` for any way down, none included.
//! What is not there is ignored; a payload in which nothing was found is delivered byte for byte, and what is kept of
//! another one stays as it was written. A payload that is not JSON fails with `not-json`: it might contain what should not
//! leave.

mod rewrite;

use hookwright_sdk::pointer::Places;
use hookwright_sdk::{Delivery, Failure, Result, Verdict, config, plugin};

use crate::rewrite::{Action, Edit};

#[config]
#[serde(default)]
struct Config {
    /// What to take out: JSON Pointers, * for every element or member, ** for any way down
    remove: Vec<Places>,
    /// What to replace: JSON Pointers, * for every element or member, ** for any way down
    mask: Vec<Places>,
    /// What masked values are replaced by
    with: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { remove: Vec::new(), mask: Vec::new(), with: "***".into() }
    }
}

#[plugin]
fn redact(delivery: Delivery, config: Config) -> Result<Verdict> {
    check(config.remove.iter().chain(&config.mask))?;
    let removals = config.remove.iter().map(|places| Edit { way: places.segments(), action: Action::Remove });
    let masks = config.mask.iter().map(|places| Edit { way: places.segments(), action: Action::Mask });
    let edits: Vec<Edit<'_>> = removals.chain(masks).collect();
    let text = delivery.text().map_err(|failure| failure.with_code("not-json"))?;
    let rewriter = rewrite::rewrite(text, &edits, &config.with)
        .map_err(|error| Failure::permanent(format!("payload: {error}")).with_code("not-json"))?;
    let (removed, masked) = (rewriter.removed, rewriter.masked);
    if removed + masked == 0 {
        return Ok(Verdict::deliver());
    }
    let verdict = Verdict::deliver().data(rewriter.finish());
    Ok(verdict.annotate("removed", removed.to_string()).annotate("masked", masked.to_string()))
}

/// `**` says how to get somewhere, and not where.
fn check<'c>(mut all: impl Iterator<Item = &'c Places>) -> Result<()> {
    let endless = all.find(|places| places.segments().last().is_some_and(rewrite::is_any_way));
    endless.map_or(Ok(()), |places| {
        let message = format!("{places} ends with **: name what is to be found there, or end with *");
        Err(Failure::permanent(message).with_code("bad-config"))
    })
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{for_any_json, on_any_json, on_its_fixtures, on_real_bodies};
    use hookwright_sdk::{Value, json};

    use super::*;

    /// As Strapi 5 sends it.
    const V5: &str = r#"{"event":"entry.create","createdAt":"2026-11-23T20:41:15.196Z","model":"address",
        "uid":"api::address.address","entry":{"id":9007199254740993,"city":"Zürich","full_name":"Ana \"Q\" Müller 日本",
        "rating":1.10,"big":123456789012345678901234567890,"comments":[{"author":"a","text":"x"},{"author":"b"},"bare"],"publishedAt":null}}"#;

    fn redacted(body: &str, config: Value) -> Result<Verdict> {
        let delivery = Delivery::example("entry.create", Value::Null).with_data(body).with_config(config);
        let config = delivery.config()?;
        redact(delivery, config)
    }

    fn rewritten(body: &str, config: Value) -> String {
        match redacted(body, config) {
            Ok(Verdict::Deliver(changes)) => String::from_utf8(changes.data.unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_rest_stays_as_it_was_and_where_it_was() {
        let config = json!({"remove": ["/createdAt", "/entry/city"], "mask": ["/entry/comments/*/author"]});
        assert_eq!(
            rewritten(V5, config),
            concat!(
                r#"{"event":"entry.create","model":"address","#,
                "\n        ",
                r#""uid":"api::address.address","entry":{"id":9007199254740993,"full_name":"Ana \"Q\" Müller 日本","#,
                "\n        ",
                r#""rating":1.10,"big":123456789012345678901234567890,"#,
                r#""comments":[{"author":"***","text":"x"},{"author":"***"},"bare"],"publishedAt":null}}"#
            )
        );
    }

    #[test]
    fn what_changes_nothing_is_delivered_byte_for_byte() {
        let absent =
            json!({"remove": ["/none", "/entry/comments/7", "/event/x"], "mask": ["/entry/none/*", "/entry/id/*"]});
        for config in [json!({}), absent, json!({"mask": ["/model"], "with": "address"})] {
            assert_eq!(redacted(V5, config), Ok(Verdict::deliver()));
        }
    }

    #[test]
    fn nothing_hides_behind_a_second_key_or_an_escape() {
        let body = r#"{"a":1,"a":2,"\u0061":3,"b":[10,11,12]}"#;
        assert_eq!(rewritten(body, json!({"remove": ["/a", "/b/0", "/b/1"]})), r#"{"b":[12]}"#);
        assert_eq!(rewritten(body, json!({"mask": ["/a"]})), r#"{"a":"***","a":"***","\u0061":"***","b":[10,11,12]}"#);
    }

    #[test]
    fn a_star_matches_members_and_elements() {
        let body = r#"{"b":{"x":1,"y":[1,2]},"a":[{"x":1},[1]]}"#;
        assert_eq!(rewritten(body, json!({"remove": ["/*/x"]})), r#"{"b":{"y":[1,2]},"a":[{"x":1},[1]]}"#);
        assert_eq!(rewritten(body, json!({"remove": ["/a/*"]})), r#"{"b":{"x":1,"y":[1,2]},"a":[]}"#);
        assert_eq!(
            rewritten(body, json!({"mask": ["/b/*"], "with": ""})),
            r#"{"b":{"x":"","y":""},"a":[{"x":1},[1]]}"#
        );
    }

    #[test]
    fn white_space_stays_and_commas_fit() {
        let body = r#" { "a" : 1 , "b" : [ 1 , 2 , 3 ] , "c" : { } } "#;
        for (remove, left) in [
            (vec!["/a"], r#" {"b" : [ 1 , 2 , 3 ] , "c" : { } } "#),
            (vec!["/c"], r#" { "a" : 1 , "b" : [ 1 , 2 , 3 ] } "#),
            (vec!["/a", "/b"], r#" {"c" : { } } "#),
            (vec!["/b", "/c"], r#" { "a" : 1 } "#),
            (vec!["/a", "/c"], r#" {"b" : [ 1 , 2 , 3 ] } "#),
            (vec!["/*"], r" { } "),
            (vec!["/b/0", "/b/2"], r#" { "a" : 1 , "b" : [2 ] , "c" : { } } "#),
        ] {
            assert_eq!(rewritten(body, json!({"remove": remove})), left);
        }
        assert_eq!(
            rewritten(body, json!({"mask": ["/b/*", "/c"], "remove": ["/b/1"]})),
            r#" { "a" : 1 , "b" : [ "***" , "***" ] , "c" : "***" } "#
        );
    }

    #[test]
    fn two_stars_match_at_any_depth() {
        let body = r#"{"x":1,"a":{"x":{"x":2},"b":[{"x":3,"y":4}]}}"#;
        assert_eq!(rewritten(body, json!({"remove": ["/**/x"]})), r#"{"a":{"b":[{"y":4}]}}"#);
        assert_eq!(rewritten(body, json!({"mask": ["/a/**/x"]})), r#"{"x":1,"a":{"x":"***","b":[{"x":"***","y":4}]}}"#);
        assert_eq!(rewritten(body, json!({"remove": ["/**/b/**/x"]})), r#"{"x":1,"a":{"x":{"x":2},"b":[{"y":4}]}}"#);
        assert_eq!(
            rewritten(body, json!({"mask": ["/**/*/y", "/**/b"], "remove": ["/**/none"]})),
            r#"{"x":1,"a":{"x":{"x":2},"b":"***"}}"#
        );
    }

    #[test]
    fn real_bodies() {
        let config = json!({"remove": ["/entry/postal_code", "/**/hash"], "mask": ["/entry/full_name", "/media/name"]});
        insta::assert_snapshot!(on_real_bodies(redact, &config));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(redact, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        on_any_json(redact, &[json!({"remove": ["/**/id", "/entry/*"], "mask": ["/**/*/**/title", "/*/entry"]})]);
    }

    #[test]
    fn it_does_to_the_text_what_edits_do_to_the_parsed_body() {
        let configs: [(&[&str], &[&str]); 5] = [
            (&["/*"], &[]),
            (&["/*/*"], &["/*"]),
            (&["/*/1", "/*/entry"], &["/*/*/*"]),
            (&["/*/*/*"], &["/*/0", "/entry/*"]),
            (&["/entry", "/2"], &["/*/*"]),
        ];
        for_any_json(|body| {
            for (remove, mask) in configs {
                let mut edited = body.clone();
                let places = |text: &&str| text.parse::<Places>().unwrap();
                for places in mask.iter().map(places) {
                    places.walk(&mut edited, |value| *value = json!("***"));
                }
                for places in remove.iter().map(places) {
                    places.remove(&mut edited);
                }
                for text in [body.to_string(), format!("{body:#}\n")] {
                    let found = match redacted(&text, json!({"remove": remove, "mask": mask})).unwrap() {
                        Verdict::Deliver(changes) => changes.data.map_or(text, |data| String::from_utf8(data).unwrap()),
                        Verdict::Drop(dropped) => panic!("{dropped:?}"),
                    };
                    assert_eq!(found.parse::<Value>().unwrap(), edited, "{body}\n{found}");
                }
            }
        });
    }

    #[test]
    fn what_cannot_be_read_fails() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let failure = redacted(&deep, json!({"mask": ["/**/x"]})).unwrap_err();
        assert_eq!((&*failure.message, failure.code.as_deref()), ("payload: nested deeper than 128", Some("not-json")));
        let failure = redacted("nope", json!({})).unwrap_err();
        assert!(failure.message.starts_with("payload: "), "{failure}");
        assert_eq!(failure.code.as_deref(), Some("not-json"));
        let failure = redacted("{}", json!({"remove": ["/entry/**"]})).unwrap_err();
        assert!(failure.message.contains("/entry/** ends with **: name what"), "{failure}");
        let failure = redacted(V5, json!({"remove": ["entry"]})).unwrap_err();
        let reason = "expected a JSON Pointer below the root such as /entry/email, found entry";
        assert!(failure.message.contains(reason), "{failure}");
        assert_eq!(failure, Failure::permanent(failure.message.clone()));
    }
}
