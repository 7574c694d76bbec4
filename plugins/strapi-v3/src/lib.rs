//! Strapi 5 events (and 4) as Strapi 3 sent them, for receivers that nobody wants to touch.
//!
//! - `createdAt`, `updatedAt`, `publishedAt`, `createdBy`, `updatedBy` become `created_at` and so on, also in relations,
//!   components and media, at the places where Strapi 3 had them; `uid` and `documentId` go.
//! - Media lose what Strapi 3 did not know (focal point, folder, `publishedAt`, sizes in bytes) and get `related`.
//! - Events that Strapi 3 did not have (`entry.draft-discard`, `releases.publish`, …) are dropped; `{"others": "deliver"}`
//!   lets them pass, rewritten alike.
//!
//! Strapi 5 gives a document another `id` with every publication. `{"id": "documentId"}` sends the document's id, a text,
//! in its place, for receivers that keep what they got by id. A relation that Strapi 5 only counts stays `{"count": n}`.
//! What Strapi 3 could have sent already is delivered byte for byte; what is no event, no JSON object, fails with
//! `not-an-event`.

mod older;

use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, plugin};

use crate::older::Ids;

#[config]
#[derive(Default)]
#[serde(default)]
struct Config {
    /// What receivers get as id
    id: Ids,
    /// What becomes of events that Strapi 3 did not have
    others: Others,
}

#[config]
#[derive(Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Others {
    #[default]
    Drop,
    Deliver,
}

/// What Strapi 3 sent.
const KNOWN: [&str; 9] = [
    "entry.create",
    "entry.update",
    "entry.delete",
    "entry.publish",
    "entry.unpublish",
    "media.create",
    "media.update",
    "media.delete",
    "trigger-test",
];

#[plugin]
fn strapi_v3(delivery: Delivery, config: Config) -> Result<Verdict> {
    if config.others == Others::Drop && !KNOWN.contains(&delivery.event_type.as_str()) {
        return Ok(Verdict::drop(format!("Strapi 3 has no {}", delivery.event_type)));
    }
    let event = delivery.json().map_err(|failure| failure.with_code("not-json"))?;
    if !event.is_object() {
        return Err(Failure::permanent("the payload is no JSON object").with_code("not-an-event"));
    }
    if event.get("created_at").is_some() && event.get("createdAt").is_none() {
        return Ok(Verdict::deliver());
    }
    let Value::Object(members) = delivery.into_json()? else { return Ok(Verdict::deliver()) };
    Ok(Verdict::deliver().json(&older::event(members, config.id)))
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{answer, on_any_json, on_its_fixtures, on_real_bodies, rewritten};
    use hookwright_sdk::json;

    use super::*;

    #[test]
    fn real_bodies() {
        insta::assert_snapshot!(on_real_bodies(strapi_v3, &json!({})));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(strapi_v3, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        on_any_json(strapi_v3, &[json!({}), json!({"id": "documentId", "others": "deliver"})]);
    }

    #[test]
    fn relations_and_components_are_old_too_and_the_rest_is_left() {
        let body = json!({"event": "entry.update", "createdAt": "T", "model": "page", "uid": "api::page.page", "entry": {
            "id": 9, "documentId": "doc", "title": "t", "createdAt": "C", "updatedAt": "U", "publishedAt": null, "locale": "en",
            "blocks": [{"id": 1, "__component": "a.b", "link": {"id": 2, "documentId": "l", "createdAt": "C"}}],
            "free": {"createdAt": "mine", "documentId": "mine"}, "tags": {"count": 2},
            "cover": {"id": 3, "documentId": "m", "name": "a.png", "hash": "h", "ext": ".png", "focalPoint": null, "createdAt": "C", "publishedAt": "P",
                "formats": {"small": {"hash": "s", "ext": ".png", "sizeInBytes": 5}}},
            "createdBy": {"id": 1, "firstname": "Ana"}}});
        let expected = r#"{"event":"entry.update","created_at":"T","model":"page","entry":{"id":9,"title":"t","#
            .to_owned()
            + r#""published_at":null,"created_by":{"id":1,"firstname":"Ana"},"created_at":"C","updated_at":"U","locale":"en","#
            + r#""blocks":[{"id":1,"__component":"a.b","link":{"id":2,"created_at":"C"}}],"#
            + r#""free":{"createdAt":"mine","documentId":"mine"},"tags":{"count":2},"#
            + r#""cover":{"id":3,"name":"a.png","hash":"h","ext":".png","created_at":"C","formats":{"small":{"hash":"s","ext":".png"}}}}}"#;
        assert_eq!(rewritten(strapi_v3, "entry.update", &body, &json!({})).to_string(), expected);
        let by_document = rewritten(strapi_v3, "entry.update", &body, &json!({"id": "documentId"}));
        assert_eq!(by_document["entry"]["id"], "doc");
        assert_eq!(by_document["entry"]["cover"]["id"], "m");
        assert_eq!(by_document["entry"]["blocks"][0]["id"], 1);
    }

    #[test]
    fn what_strapi_3_did_not_send_is_dropped_or_fails() {
        let release = Delivery::example("releases.publish", json!({"event": "releases.publish", "createdAt": "T"}));
        assert_eq!(
            answer(strapi_v3, release.clone(), &json!({})),
            Ok(Verdict::drop("Strapi 3 has no releases.publish"))
        );
        assert!(matches!(answer(strapi_v3, release, &json!({"others": "deliver"})), Ok(Verdict::Deliver(_))));
        let failure = answer(strapi_v3, Delivery::example("entry.create", json!([1])), &json!({})).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("not-an-event"));
    }
}
