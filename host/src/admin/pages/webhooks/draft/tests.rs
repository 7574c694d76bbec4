use proptest::prelude::*;

use super::*;
use crate::admin::pages::webhooks::schema;

fn types() -> Vec<String> {
    ["entry.create", "entry.publish", "media.create"].map(str::to_owned).to_vec()
}

/// Of the plugin `redact` alone.
fn fields(plugin: &str) -> Option<Vec<Field>> {
    let schema = json!({
        "type": "object",
        "properties": {
            "with": {"type": "string", "default": "***"},
            "remove": {"type": "array", "items": {"type": "string"}},
            "silent": {"type": "boolean", "default": true},
            "most": {"type": "integer"},
            "mode": {"type": "string", "enum": ["a", "b"]},
            "inner": {"type": "object", "properties": {"token": {"type": "string"}, "any": {}}},
        },
    });
    (plugin == "redact").then(|| schema::fields(&schema).expect("an object"))
}

fn with_known<T>(look: impl FnOnce(&Known<'_>) -> T) -> T {
    look(&Known { types: &types(), fields: &fields })
}

/// What a browser sends of the form of a draft, as `Sent` has it.
fn as_sent(draft: &Draft) -> Sent {
    let mut sent: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, text: &str| sent.push((name.to_owned(), as_one_line_breaks(text)));
    for (name, text) in [("url", &draft.url), ("method", &draft.method), ("patterns", &draft.patterns)] {
        put(name, text);
    }
    for (name, is_on) in [("urlSecret", draft.url_secret), ("enabled", draft.enabled), ("unsigned", draft.unsigned)] {
        if is_on {
            put(name, "1");
        }
    }
    draft.events.iter().for_each(|event| put("event", event));
    for (at, row) in draft.headers.iter().enumerate() {
        put(&format!("header.{at}"), &row.name);
        put(&format!("header.{at}.value"), &row.value);
        put(&format!("header.{at}.kept"), &row.kept);
        if row.secret {
            put(&format!("header.{at}.secret"), "1");
        }
    }
    for (at, row) in draft.plugins.iter().enumerate() {
        put(&format!("plugin.{at}"), &row.plugin);
        put(&format!("plugin.{at}.was"), &row.was.map(|was| was.to_string()).unwrap_or_default());
        put(&format!("plugin.{at}.onError"), &row.on_error);
        row.typed.iter().for_each(|(place, text)| put(&field_name(at, place), text));
    }
    TEXTS.iter().zip(&draft.texts).chain(PACE.iter().zip(&draft.pace)).for_each(|(name, text)| put(name, text));
    ["orderBy", "orderFailed", "orderHeld"].iter().zip(&draft.order).for_each(|(name, text)| put(name, text));
    draft.secrets.iter().for_each(|id| put("secret", id));
    for (name, text) in [
        ("filter", &draft.filter),
        ("labels", &draft.labels),
        ("newSecrets", &draft.new_secrets),
        ("extra", &draft.extra),
    ] {
        put(name, text);
    }
    Sent::of(&sent.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
}

/// `shown`, as it is after `change` was typed.
fn typed(shown: &Value, change: impl FnOnce(&mut Draft)) -> Result<Value, Vec<Violation>> {
    with_known(|known| {
        let mut draft = Draft::of(shown, known);
        change(&mut draft);
        Draft::sent(&as_sent(&draft)).definition(shown, known)
    })
}

fn shown() -> Value {
    json!({
        "name": "Site",
        "url": {"$secret": true, "id": "s1"},
        "events": ["entry.*", "entry.create"],
        "headers": {"Authorization": {"$secret": true, "id": "s2"}, "X-Site": "main"},
        "plugins": [
            "add-headers",
            {"plugin": "redact", "shadow": "redact-next", "config": {"inner": {"token": {"$secret": true, "id": "s3"}}, "odd": 1}},
        ],
        "retry": {"schedule": ["5s", "1m"]},
        "signing": {"secrets": [{"$secret": true, "id": "s4"}, {"$secret": true, "id": "s5"}]},
        "future": {"kept": true},
    })
}

#[test]
fn what_is_typed_is_written_and_the_rest_stays() {
    let new = typed(&shown(), |draft| {
        draft.events = vec!["media.create".into()];
        draft.headers[1].value = "other".into();
        draft.plugins.swap(0, 1);
        draft.plugins[0].typed.insert("/remove".into(), "/a\n/b".into());
        draft.pace[0] = "5s".into();
        draft.texts[2] = "4".into();
        draft.secrets.remove(0);
        draft.new_secrets = "whsec_new".into();
    });
    let mut expected = shown();
    expected["events"] = json!(["entry.*", "media.create"]);
    expected["headers"]["X-Site"] = json!("other");
    expected["plugins"] = json!([expected["plugins"][1], expected["plugins"][0]]);
    expected["plugins"][0]["config"]["remove"] = json!(["/a", "/b"]);
    expected["retry"]["schedule"] = json!(["5s"]);
    expected["concurrency"] = json!(4);
    expected["signing"]["secrets"] = json!([{"$secret": "whsec_new"}, {"$secret": true, "id": "s5"}]);
    assert_eq!(new, Ok(expected));
}

#[test]
fn secrets_are_replaced_and_taken_out() {
    let new = typed(&shown(), |draft| {
        draft.url = "https://b.example/x".into();
        draft.headers[0].value = "Bearer x".into();
        draft.plugins[1].typed.insert("!/inner/token".into(), "1".into());
        draft.secrets.clear();
    })
    .expect("a definition");
    assert_eq!(new["url"], json!({"$secret": "https://b.example/x"}));
    assert_eq!(new["headers"]["Authorization"], json!({"$secret": "Bearer x"}));
    assert_eq!(new["plugins"][1]["config"], json!({"inner": {}, "odd": 1}));
    assert_eq!(new["signing"], Value::Null, "left out, they would be kept");
}

#[test]
fn what_cannot_be_read_is_told_by_its_place() {
    let faults = typed(&json!({}), |draft| {
        draft.filter = "{".into();
        draft.headers = vec![HeaderRow { value: "x".into(), ..HeaderRow::default() }];
        draft.plugins = vec![PluginRow::new("redact"), PluginRow::new("other")];
        draft.plugins[1].typed.insert(String::new(), "[".into());
        draft.labels = "nonsense".into();
    });
    let faults = faults.expect_err("refused");
    let places: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(places, ["/url", "/headers/#0", "/filter", "/plugins/1/config", "/labels"]);
    assert!(typed(&json!({"url": "https://a.example/"}), |_| {}).is_ok(), "what stands there is not judged here");
}

#[test]
fn buttons_change_the_form() {
    let mut draft = with_known(|known| Draft::of(&shown(), known));
    draft.change("up:1", "");
    assert_eq!(draft.plugins[0].was, Some(1));
    draft.change("down:0", "");
    draft.change("remove-plugin:0", "");
    draft.change("add-plugin", "pick");
    draft.change("add-header", "");
    draft.change("remove-header:7", "");
    let names: Vec<_> = draft.plugins.iter().map(|row| row.plugin.as_str()).collect();
    assert_eq!((names, draft.headers.len()), (vec!["redact", "pick"], 3));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        "[a-z \n:/,\"]{0,6}".prop_map(Value::from),
        Just(json!({"$secret": true, "id": "s1"})),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~]{1,2}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_config() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["with", "remove", "silent", "most", "mode", "inner", "odd"]);
    prop::collection::btree_map(name.prop_map(str::to_owned), any_json(), 0..5)
        .prop_map(|map| map.into_iter().collect())
}

fn any_plugin() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["redact", "other"]);
    prop_oneof![
        name.clone().prop_map(Value::from),
        (name, any_config(), any_json()).prop_map(|(name, config, more)| {
            json!({"plugin": name, "config": config, "onError": "skip", "shadow": more})
        }),
    ]
}

/// Anything where anything may stand; the rest such as a webhook has it.
fn any_definition() -> impl Strategy<Value = Value> {
    let owned = ["name", "filter", "labels", "retry", "debounce", "order", "timeout", "concurrency", "headers", "odd"];
    let some =
        prop::collection::btree_map(prop::sample::select(owned.to_vec()).prop_map(str::to_owned), any_json(), 0..6);
    (some, prop::collection::vec(any_plugin(), 0..3), any::<bool>(), any::<bool>()).prop_map(
        |(some, plugins, is_secret, is_signed)| {
            let mut definition: Map<String, Value> = some.into_iter().collect();
            let url = if is_secret { json!({"$secret": true, "id": "s9"}) } else { "https://a.example/".into() };
            definition.insert("url".to_owned(), url);
            definition.insert("events".to_owned(), json!(["media.create", "entry.*", "entry.create"]));
            definition.insert("plugins".to_owned(), plugins.into());
            if is_signed {
                definition.insert("signing".to_owned(), json!({"secrets": [{"$secret": true, "id": "s8"}]}));
            }
            definition.into()
        },
    )
}

proptest! {
    /// Shown, made a form, sent as it is: nothing changes.
    #[test]
    fn what_nobody_touched_stays_to_the_letter(shown in any_definition()) {
        prop_assert_eq!(typed(&shown, |_| {}), Ok(shown));
    }
}
