//! The typed events on what Strapi really sends.

use std::fs;
use std::path::Path;

use hookwright_sdk::{Delivery, Id, MediaFile, Publication, Value};

/// Every body of `tests/cases`, by version and event type.
fn cases() -> Vec<(String, Delivery)> {
    let mut cases = Vec::new();
    for version in ["strapi-v3", "strapi-v5"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(version);
        for file in fs::read_dir(folder).expect("the folder of the cases") {
            let path = file.expect("a file").path();
            let case: Value = fs::read_to_string(&path).expect("a text").parse().expect("JSON");
            let body = case.get("body").cloned().unwrap_or(case);
            let event_type = path.file_stem().and_then(|stem| stem.to_str()).expect("an event type");
            cases.push((version.to_owned(), Delivery::example(event_type, body)));
        }
    }
    cases
}

#[test]
fn every_event_is_read_whole() {
    let (mut entries, mut files) = (0, 0);
    for (version, delivery) in cases() {
        let body = delivery.json().unwrap();
        if delivery.is("entry.*") {
            let event = delivery.entry_event::<Value>().unwrap();
            assert_eq!((&event.event, event.model.as_deref()), (&delivery.event_type, Some("address")));
            assert_eq!(event.entry, body["entry"]);
            assert!(event.created_at.is_some() && event.extra.is_empty(), "{event:?}");
            assert!(matches!(event.id, Some(Id::Number(1..=3))), "{event:?}");
            let v5 = version == "strapi-v5";
            assert_eq!((event.uid.is_some(), event.document_id.is_some()), (v5, v5), "{event:?}");
            let publication = match &body["entry"]["publishedAt"] {
                Value::String(since) => Publication::Since(since.clone()),
                _ if v5 => Publication::Draft,
                _ => Publication::Always,
            };
            assert_eq!(event.publication, publication);
            entries += 1;
        } else if delivery.is("media.*") {
            let event = delivery.media_event::<MediaFile>().unwrap();
            assert_eq!(event.event, delivery.event_type);
            let file = event.media;
            assert!(event.created_at.is_some() && event.extra.is_empty());
            assert!(file.url.starts_with("/uploads/") && file.name.contains(".png"), "{file:?}");
            assert_eq!((file.mime.as_deref(), file.ext.as_deref()), (Some("image/png"), Some(".png")));
            assert!(file.created_at.is_some() && file.updated_at.is_some() && file.size.is_some(), "{file:?}");
            assert!(file.extra.contains_key("provider_metadata") && !file.extra.contains_key("createdAt"), "{file:?}");
            files += 1;
        } else {
            assert!(delivery.entry_event::<Value>().is_err() && delivery.media_event::<Value>().is_err());
        }
    }
    assert_eq!((entries, files), (9, 5));
}
