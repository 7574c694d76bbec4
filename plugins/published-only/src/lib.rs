//! Deliver published entries only: what a draft says does not leave the house.
//!
//! An entry is a draft if its `publishedAt` (Strapi 4 and 5) or `published_at` (Strapi 3) is null. A content type
//! without "draft & publish" has neither field: its entries count as published. `entry.delete` and
//! `entry.unpublish` always pass, because a receiver has to hear that something is gone.
//!
//! Config: `{"others": "drop"}` drops what is not about an entry (`media.create`, …); default `"deliver"`. Strapi 5 tells of
//! a deletion twice if there was a draft beside the published entry, and also if there was nothing but a draft:
//! `{"deletes": "published"}` lets only that of the published entry pass. A payload that is not JSON fails with `not-json`.

use hookwright_sdk::{Delivery, Result, Value, Verdict, config, plugin};

#[config]
#[derive(Default)]
#[serde(default)]
struct Config {
    /// What becomes of events that are not about an entry, media.create for instance
    others: Others,
    /// Which deletions pass: all, or only those of what was published
    deletes: Deletes,
}

#[config]
#[derive(Default)]
#[serde(rename_all = "lowercase")]
enum Others {
    #[default]
    Deliver,
    Drop,
}

#[config]
#[derive(Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Deletes {
    #[default]
    All,
    Published,
}

#[plugin]
fn published_only(delivery: Delivery, config: Config) -> Result<Verdict> {
    if !delivery.is("entry.*") {
        return Ok(match config.others {
            Others::Deliver => Verdict::deliver(),
            Others::Drop => Verdict::drop(format!("{} is not about an entry", delivery.event_type)),
        });
    }
    let is_gone = delivery.is("entry.delete") && config.deletes == Deletes::All;
    if is_gone || delivery.is("entry.unpublish") {
        return Ok(Verdict::deliver());
    }
    let entry = delivery.entry().map_err(|failure| failure.with_code("not-json"))?;
    Ok(match entry.and_then(draft_mark) {
        Some(field) => Verdict::drop(format!("draft: /entry/{field} is null")),
        None => Verdict::deliver(),
    })
}

/// The field that says that this entry is a draft.
fn draft_mark(entry: &Value) -> Option<&'static str> {
    let field = ["publishedAt", "published_at"].into_iter().find(|field| entry.get(field).is_some())?;
    entry.get(field)?.is_null().then_some(field)
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{on_any_json, on_its_fixtures, on_real_bodies};
    use hookwright_sdk::json;
    use hookwright_sdk::testing::config_schema;

    use super::*;

    /// As Strapi 5 sends it.
    const V5_DRAFT: &str = r#"{"event":"entry.update","createdAt":"2026-11-23T20:41:15.549Z","model":"address",
        "uid":"api::address.address","entry":{"id":1,"documentId":"o18ypsnuhwus6acf5temqhfh","city":"Genève",
        "full_name":"Ana \"Q\" Müller 日本","postal_code":"08001","createdAt":"2026-11-23T20:41:15.189Z",
        "updatedAt":"2026-11-23T20:41:15.544Z","publishedAt":null}}"#;
    const V5_PUBLISHED: &str = r#"{"event":"entry.publish","createdAt":"2026-11-23T20:41:15.924Z","model":"address",
        "uid":"api::address.address","entry":{"id":2,"documentId":"o18ypsnuhwus6acf5temqhfh","city":"Genève",
        "createdAt":"2026-11-23T20:41:15.189Z","publishedAt":"2026-11-23T20:41:15.900Z"}}"#;
    /// As Strapi 3 sends it, without "draft & publish".
    const V3: &str = r#"{"event":"entry.create","created_at":"2020-01-10T08:47:36.649Z","model":"address",
        "entry":{"id":1,"geolocation":{},"city":"Paris","postal_code":null,"category":null,"full_name":"Paris",
        "created_at":"2020-01-10T08:47:36.264Z","updated_at":"2020-01-10T08:47:36.264Z","cover":null,"images":[]}}"#;

    fn answer(event_type: &str, body: &str) -> Verdict {
        let delivery = Delivery::example(event_type, Value::Null).with_data(body);
        published_only(delivery, Config::default()).unwrap()
    }

    #[test]
    fn drafts_are_dropped() {
        assert_eq!(answer("entry.update", V5_DRAFT), Verdict::drop("draft: /entry/publishedAt is null"));
        assert_eq!(answer("entry.draft-discard", V5_DRAFT), Verdict::drop("draft: /entry/publishedAt is null"));
        let v3 = r#"{"entry": {"id": 1, "published_at": null}}"#;
        assert_eq!(answer("entry.create", v3), Verdict::drop("draft: /entry/published_at is null"));
    }

    #[test]
    fn published_entries_pass_and_so_does_what_has_no_drafts() {
        assert_eq!(answer("entry.publish", V5_PUBLISHED), Verdict::deliver());
        assert_eq!(answer("entry.create", V3), Verdict::deliver());
        assert_eq!(answer("entry.create", r#"{"entry": null}"#), Verdict::deliver());
    }

    #[test]
    fn deletions_of_drafts_can_be_dropped() {
        let gone = |body: &str| {
            let delivery = Delivery::example("entry.delete", Value::Null).with_data(body);
            hookwright_bundled::answer(published_only, delivery, &json!({"deletes": "published"}))
        };
        assert_eq!(gone(V5_DRAFT), Ok(Verdict::drop("draft: /entry/publishedAt is null")));
        assert_eq!(gone(V5_PUBLISHED), Ok(Verdict::deliver()));
    }

    #[test]
    fn receivers_hear_that_something_is_gone() {
        assert_eq!(answer("entry.delete", V5_DRAFT), Verdict::deliver());
        assert_eq!(answer("entry.unpublish", V5_DRAFT), Verdict::deliver());
    }

    #[test]
    fn the_schema_says_what_the_config_may_be() {
        let schema = config_schema::<Config>();
        assert_eq!(schema["properties"]["others"]["default"], "deliver");
        assert_eq!(schema["$defs"]["Others"]["enum"], json!(["deliver", "drop"]));
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn real_bodies() {
        insta::assert_snapshot!(on_real_bodies(published_only, &json!({"deletes": "published"})));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(published_only, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        on_any_json(published_only, &[json!({}), json!({"others": "drop", "deletes": "published"})]);
    }

    #[test]
    fn config_decides_about_the_rest() {
        let media = Delivery::example("media.create", json!({"media": {"publishedAt": null}}));
        assert_eq!(published_only(media.clone(), Config::default()), Ok(Verdict::deliver()));
        let config = media.clone().with_config(json!({"others": "drop"})).config().unwrap();
        assert_eq!(published_only(media, config), Ok(Verdict::drop("media.create is not about an entry")));
    }
}
