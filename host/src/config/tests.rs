use http::HeaderName;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::ids::Digest;
use crate::webhook::{DebounceRule, Filter, Grouping, OnError, Order, Stuck};

const SECRET: &str = "hunter2-hunter2-hunter2";

fn variables() -> Variables {
    Variables::from_pairs([("SECRET", SECRET), ("LISTEN", "0.0.0.0:80"), ("SHORT", "s3cr3t")])
}

fn layers(name: &str, base: &str, overlay: Option<&str>) -> Vec<Layer> {
    let layer = |folder: &str, text: &str| Layer { file: format!("{folder}/{name}"), text: text.into() };
    let overlay = overlay.map(|text| layer("config/environments/development", text));
    std::iter::once(layer("config", base)).chain(overlay).collect()
}

fn server(base: &str) -> Result<ServerConfig, Vec<ConfigError>> {
    parse_server(&layers("server.json", base, None), &variables())
}

fn webhook(base: &str) -> Result<Webhook, Vec<ConfigError>> {
    parse_webhook("hook".parse().expect("plain"), &layers("webhooks/hook.json", base, None), &variables())
}

/// A webhook's file with what every webhook needs, and these keys.
fn webhook_with(keys: &str) -> Result<Webhook, Vec<ConfigError>> {
    webhook(&format!(r#"{{"url": "https://build.example/hook", "events": ["*"], {keys}}}"#))
}

fn shown<T: std::fmt::Debug>(result: Result<T, Vec<ConfigError>>) -> String {
    let errors = result.expect_err("something wrong");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn header<'h>(headers: &'h Headers, name: &str) -> &'h http::HeaderValue {
    let name: HeaderName = name.parse().expect("a name");
    headers.iter().find(|(known, _)| **known == name).expect("the header").1
}

#[test]
fn nothing_written_is_enough() {
    assert_eq!(parse_server(&[], &Variables::default()), Ok(ServerConfig::default()));
    assert_eq!(server("{}"), Ok(ServerConfig::default()));
    assert_eq!(server(r#"{"server": {"listen": null}, "sources": null}"#), Ok(ServerConfig::default()));
}

#[test]
fn reads_every_setting_of_the_server() {
    let config = server(
        r#"{"server": {"listen": "${LISTEN}", "admin": "[::1]:0", "maxBodyBytes": 2048, "maxConnections": 8,
                       "headTimeout": "1s", "bodyTimeout": "2m", "adminHosts": ["Hooks.example"]},
            "store": {"url": "sqlite:elsewhere/events.db"},
            "sources": [{"name": "strapi", "token": "${ process.env.SECRET }"}],
            "egress": {"allow": ["10.20.0.0/16", "::1/128", "0.0.0.0/0"]},
            "schemas": {"mode": "warn", "unknownEvents": "accept"},
            "plugins": {"fuel": 50000, "memoryBytes": 65536, "threads": 4,
                        "large": {"fuel": 60000, "memoryBytes": 131072, "atOnce": 3},
                        "limits": {"js": {"fuel": 70000}, "py": {"memoryBytes": 262144}, "gone": null}}}"#,
    )
    .expect("valid");
    assert_eq!((config.listen.to_string(), config.admin.port()), ("0.0.0.0:80".to_owned(), 0));
    assert_eq!((config.limits.max_body_bytes, config.limits.max_connections.get()), (2048, 8));
    assert_eq!(
        (config.limits.head_timeout, config.limits.body_timeout),
        (Duration::from_secs(1), Duration::from_mins(2))
    );
    assert_eq!(config.admin_hosts, ["hooks.example"]);
    assert_eq!(config.store_path, "elsewhere/events.db");
    assert_eq!(config.sources, [Source::plain("strapi".parse().expect("plain"), Digest::of(SECRET.as_bytes()))]);
    assert_eq!(config.egress_allow.len(), 3);
    assert_eq!(config.schemas, SchemaRules { mode: SchemaMode::Warn, unknown_events: UnknownEvents::Accept });
    assert_eq!((config.plugins.threads.get(), config.plugins.large_at_once.get()), (4, 3));
    let limits = |name: &str| {
        let limits = config.plugins.of(&name.parse().expect("a name"));
        [limits.small, limits.large].map(|run| (run.fuel.get(), run.memory_bytes.get(), run.memory_setting))
    };
    let [small, large] = ["plugins.memoryBytes", "plugins.large.memoryBytes"];
    assert_eq!(limits("any"), [(50_000, 65_536, small), (60_000, 131_072, large)]);
    assert_eq!(limits("js"), [(70_000, 65_536, small), (70_000, 131_072, large)]);
    assert_eq!(limits("py"), [(50_000, 262_144, "plugins.limits"), (60_000, 262_144, "plugins.limits")]);
}

#[test]
fn reads_every_setting_of_a_webhook() {
    let hook = webhook(
        r#"{"name": "Site build", "url": "http://127.0.0.1:9000/${SHORT}?a=b", "method": "PUT", "enabled": false,
            "labels": {"team": "web"}, "events": ["entry.publish", "media.*"],
            "filter": {"/model": ["article", "page"], "/entry/publishedAt": null},
            "headers": {"X-Site": "main"},
            "plugins": ["published-only", {"plugin": "redact", "config": {"key": "${SECRET}"}, "onError": "skip", "shadow": "redact-next"}],
            "signing": {"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]},
            "timeout": "2s", "retry": {"schedule": ["5s", "5m"]}, "concurrency": 1}"#,
    )
    .expect("valid");
    assert_eq!((hook.name.as_str(), hook.url.as_str()), ("Site build", "http://127.0.0.1:9000/s3cr3t?a=b"));
    assert_eq!((hook.method, hook.enabled, hook.labels["team"].as_str()), (http::Method::PUT, false, "web"));
    assert_eq!(hook.events.iter().map(ToString::to_string).collect::<Vec<_>>(), ["entry.publish", "media.*"]);
    let filter = hook.filter.expect("a filter");
    assert_eq!(filter.objection(&serde_json::json!({"model": "page", "entry": {"publishedAt": null}})), None);
    assert!(filter.objection(&serde_json::json!({"model": "page"})).is_some());
    assert_eq!(header(&hook.headers, "x-site"), "main");
    let plugins: Vec<_> = hook.plugins.iter().map(|p| (p.plugin.as_str(), &*p.config, p.on_error)).collect();
    let redact = r#"{"key":"hunter2-hunter2-hunter2"}"#;
    assert_eq!(plugins, [("published-only", "{}", OnError::Hold), ("redact", redact, OnError::Skip)]);
    let shadows: Vec<_> = hook.plugins.iter().filter_map(|p| p.shadow.as_ref()).collect();
    assert_eq!(shadows.iter().map(|s| (s.plugin.as_str(), &*s.config)).collect::<Vec<_>>(), [("redact-next", redact)]);
    assert_eq!((hook.signing_secrets.len(), hook.timeout, hook.concurrency.get()), (1, Duration::from_secs(2), 1));
    assert_eq!(hook.retry_schedule, [Duration::from_secs(5), Duration::from_mins(5)]);
}

#[test]
fn a_webhook_needs_little() {
    let hook = webhook(r#"{"url": "https://build.example", "events": ["*"]}"#).expect("valid");
    assert_eq!((hook.name.as_str(), hook.method, hook.enabled), ("hook", http::Method::POST, true));
    assert_eq!((hook.timeout, hook.concurrency.get()), (Duration::from_secs(15), 16));
    assert_eq!(hook.retry_schedule, crate::webhook::DEFAULT_RETRY_SCHEDULE);
    let schema = webhook_with(r#""filter": {"schema": {"required": ["model"]}}"#).expect("valid");
    assert!(matches!(schema.filter, Some(Filter::Schema(_))));
}

/// As Strapi's documentation writes them, misspelling included.
#[test]
fn strapis_own_snippets_load_unchanged() {
    for (snippet, value) in [
        (
            r#"{"webhooks":{"defaultHeaders":{"Authroization":"Bearer my-very-secured-token"}}}"#,
            "my-very-secured-token",
        ),
        (r#"{"webhooks":{"defaultHeaders":{"Authroization":"Bearer ${ process.env.WEBHOOK_TOKEN }"}}}"#, "from-env"),
    ] {
        let overlay = layers("server.json", "{}", Some(snippet));
        let config = parse_server(&overlay, &Variables::from_pairs([("WEBHOOK_TOKEN", "from-env")])).expect("valid");
        assert_eq!(header(&config.default_headers, "authroization"), &format!("Bearer {value}"));
        assert!(!format!("{config:?}").contains(value), "{config:?}");
        let hints: Vec<_> = header_hints(&overlay).iter().map(ToString::to_string).collect();
        assert_eq!(
            hints,
            ["config/environments/development/server.json at /webhooks/defaultHeaders/Authroization: \
                            did you mean Authorization? It is sent as written"]
        );
    }
}

#[test]
fn an_overlay_wins_and_takes_back() {
    let base = r#"{"server": {"maxBodyBytes": 10, "listen": "${ABSENT}"}, "egress": {"allow": ["10.0.0.0/8"]},
                   "webhooks": {"defaultHeaders": {"X-Site": "a", "X-Gone": "b"}}}"#;
    let overlay = r#"{"server": {"listen": "${LISTEN}"}, "egress": {"allow": ["127.0.0.0/8"]},
                      "webhooks": {"defaultHeaders": {"x-site": "c", "X-Gone": null}}}"#;
    let config = parse_server(&layers("server.json", base, Some(overlay)), &variables()).expect("valid");
    assert_eq!((config.limits.max_body_bytes, config.listen.port()), (10, 80));
    assert_eq!(config.egress_allow, ["127.0.0.0/8".parse().expect("a CIDR")]);
    assert_eq!(header(&config.default_headers, "x-site"), "c");
    assert_eq!(config.default_headers.iter().count(), 1);
}

#[test]
fn errors_name_the_file_that_contributed_the_value() {
    let base = r#"{"server": {"listen": "4400", "admin": "here"}}"#;
    let overlay = r#"{"server": {"listen": "${ABSENT}", "maxBodyBytes": 0}}"#;
    let result = parse_server(&layers("server.json", base, Some(overlay)), &variables());
    assert_snapshot!(shown(result), @r#"
    config/environments/development/server.json at /server/listen: the variable ABSENT is not set: set it in the environment or in .env, or write ${ABSENT:-default}; written: "${ABSENT}"
    config/server.json at /server/admin: expected an IP address and port, such as 127.0.0.1:4401 or [::1]:4401; written: "here"
    config/environments/development/server.json at /server/maxBodyBytes: expected a whole number from 1 to 67108864; written: 0
    "#);
}

#[test]
fn broken_files_are_named_with_line_and_column() {
    let result = parse_server(&layers("server.json", "{\n  \"server\": {,}\n}", Some("[]")), &variables());
    assert_snapshot!(shown(result), @r#"
    config/server.json: expected JSON: key must be a string at line 2 column 14
    config/environments/development/server.json: expected a JSON object, { … }
    "#);
}

#[test]
fn wrong_server_settings_say_what_is_allowed() {
    let result = server(
        r#"{"server": {"listen": "x", "admin": 4401, "maxBodyBytes": 1e12, "maxConnections": -1, "headTimeout": "0s",
                       "bodyTimeout": "5 s", "adminHosts": ["https://hooks.example", "hooks.example:443", "127.0.0.1"]},
            "store": {"url": "postgres://ana:pass@db/hooks"},
            "sources": [{"name": "a b", "token": "${SHORT}"}, {"token": "short"}, 7],
            "egress": {"allow": ["10.20.0.5", "10.20.0.5/16", "169.254.169.254/32", "fd00:ec2::254/128", "::ffff:10.0.0.0/104"]},
            "schemas": {"mode": "strict"},
            "webhooks": {"defaultHeaders": []},
            "plugins": {"fuel": 0, "threads": 1, "memoryBytes": 1, "color": "red", "large": {"atOnce": 0, "threads": 2},
                        "limits": {"a b": {}, "js": {"fuel": 0, "fule": 1}}},
            "extra": {"token": "hunter2"}}"#,
    );
    assert_snapshot!(shown(result), @r#"
    config/server.json at /extra: unknown key; allowed: server, store, sources, egress, schemas, webhooks, plugins
    config/server.json at /server/listen: expected an IP address and port, such as 127.0.0.1:4400 or [::1]:4400; written: "x"
    config/server.json at /server/admin: expected an IP address and port, such as 127.0.0.1:4401 or [::1]:4401; written: 4401
    config/server.json at /sources/0/name: expected a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit; written: "a b"
    config/server.json at /sources/0/token: expected a token of 16 to 512 visible ASCII characters without spaces (`openssl rand -hex 32` makes one); written: "${SHORT}"
    config/server.json at /sources/1: name is missing: expected the name of the source, such as strapi
    config/server.json at /sources/1/token: expected a token of 16 to 512 visible ASCII characters without spaces (`openssl rand -hex 32` makes one)
    config/server.json at /sources/2: expected an object, { … }; written: 7
    config/server.json at /store/url: PostgreSQL is not yet supported; expected sqlite: and a path
    config/server.json at /webhooks/defaultHeaders: expected an object, { … }; written: a list
    config/server.json at /server/adminHosts/0: expected the name of a host without scheme and port, such as hooks.example; written: "https://hooks.example"
    config/server.json at /server/adminHosts/1: expected the name of a host without scheme and port, such as hooks.example; written: "hooks.example:443"
    config/server.json at /server/adminHosts/2: expected the name of a host without scheme and port, such as hooks.example; written: "127.0.0.1"
    config/server.json at /server/maxBodyBytes: expected a whole number from 1 to 67108864; written: 1000000000000.0
    config/server.json at /server/maxConnections: expected a whole number from 1 to 65536; written: -1
    config/server.json at /server/headTimeout: expected a duration from 100ms to 10m, such as "15s"; written: "0s"
    config/server.json at /server/bodyTimeout: expected a duration from 100ms to 10m, such as "15s"; written: "5 s"
    config/server.json at /egress/allow/0: expected a range of addresses (CIDR), such as 10.20.0.0/16 or 10.20.0.5/32; written: "10.20.0.5"
    config/server.json at /egress/allow/1: expected the first address of the range: 10.20.0.0/16; written: "10.20.0.5/16"
    config/server.json at /egress/allow/2: metadata addresses are never opened; written: "169.254.169.254/32"
    config/server.json at /egress/allow/3: metadata addresses are never opened; written: "fd00:ec2::254/128"
    config/server.json at /egress/allow/4: expected an IPv4 range written as one, such as 10.20.0.0/16; written: "::ffff:10.0.0.0/104"
    config/server.json at /schemas/mode: expected enforce or warn; written: "strict"
    config/server.json at /plugins/color: unknown key; allowed: fuel, memoryBytes, threads, large, limits
    config/server.json at /plugins/large/threads: unknown key; allowed: fuel, memoryBytes, atOnce
    config/server.json at /plugins/threads: expected a whole number from 2 to 256; written: 1
    config/server.json at /plugins/fuel: expected a whole number from 10000 to 100000000000; written: 0
    config/server.json at /plugins/memoryBytes: expected a whole number from 65536 to 1073741824; written: 1
    config/server.json at /plugins/limits/a b: the key is a plugin's name: expected a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit
    config/server.json at /plugins/limits/js/fule: unknown key, did you mean fuel? Allowed: fuel, memoryBytes
    config/server.json at /plugins/limits/js/fuel: expected a whole number from 10000 to 100000000000; written: 0
    config/server.json at /plugins/large/atOnce: expected a whole number from 1 to 256; written: 0
    "#);
}

#[test]
fn sources_are_told_apart_by_name_and_token() {
    let result = server(
        r#"{"sources": [{"name": "a", "token": "${SECRET}"}, {"name": "b", "token": "hunter2-hunter2-hunter2"},
                        {"name": "a", "token": "another-long-token"}]}"#,
    );
    assert_snapshot!(shown(result), @r#"
    config/server.json at /sources/1/token: expected a token of its own: source a has the same
    config/server.json at /sources/2/name: expected a name that no other source has; written: "a"
    "#);
    assert_snapshot!(shown(server(r#"{"server": {"listen": "127.0.0.1:4401"}}"#)), @r#"
    config/server.json at /server/listen: expected two different addresses for listen and admin; written: "127.0.0.1:4401"
    "#);
}

#[test]
fn wrong_webhook_settings_say_what_is_allowed() {
    assert_snapshot!(shown(webhook("{}")), @r#"
    config/webhooks/hook.json: url is missing: expected where to send, such as https://build.example/hook
    config/webhooks/hook.json: events is missing: expected a list such as ["entry.publish"] or ["*"]
    "#);
    let result = webhook(
        r#"{"name": "", "url": "ftp://files.example", "method": "GET", "enabled": "yes", "labels": {"a": 1},
            "events": ["entry*"], "filter": {"model": "article"},
            "plugins": ["../evil", {"config": 5, "onError": "ignore"}, {"plugin": "redact", "confg": {}},
                {"plugin": "redact", "shadow": {"config": [], "onError": "hold"}}],
            "signing": {"secrets": ["hunter2"]}, "timeout": "1h", "retry": {"schedule": ["soon"]},
            "concurrency": 0, "rateLimit": 5, "order": "entry", "debounce": "5s"}"#,
    );
    assert_snapshot!(shown(result), @r#"
    config/webhooks/hook.json at /url: expected a URL that begins with https:// or http://; written: "ftp://files.example"
    config/webhooks/hook.json at /events/0: expected an event pattern: *, a prefix such as entry.*, or a type such as entry.create; written: "entry*"
    config/webhooks/hook.json at /name: expected a name of 1 to 200 characters on one line; written: ""
    config/webhooks/hook.json at /method: expected POST or PUT or PATCH; written: "GET"
    config/webhooks/hook.json at /enabled: expected true or false; written: "yes"
    config/webhooks/hook.json at /labels/a: expected a text; written: 1
    config/webhooks/hook.json at /filter/model: expected a JSON Pointer such as /model and its values, or just {"schema": {…}}
    config/webhooks/hook.json at /plugins/0: expected a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit; written: "../evil"
    config/webhooks/hook.json at /plugins/1: plugin is missing: expected the name of a file in plugins/, such as redact
    config/webhooks/hook.json at /plugins/1/config: expected an object, { … }; written: 5
    config/webhooks/hook.json at /plugins/1/onError: expected hold or fail or drop or skip; written: "ignore"
    config/webhooks/hook.json at /plugins/2/confg: unknown key, did you mean config? Allowed: plugin, config, onError, shadow
    config/webhooks/hook.json at /plugins/3/shadow/onError: unknown key; allowed: plugin, config
    config/webhooks/hook.json at /plugins/3/shadow: plugin is missing: expected the name of the candidate's file in plugins/, such as redact-next
    config/webhooks/hook.json at /plugins/3/shadow/config: expected an object, { … }; written: a list
    config/webhooks/hook.json at /timeout: expected a duration from 100ms to 5m, such as "15s"; written: "1h"
    config/webhooks/hook.json at /retry/schedule/0: expected a duration from 0s to 365d, such as "15s"; written: "soon"
    config/webhooks/hook.json at /rateLimit: expected a rate such as "10/s"; written: 5
    config/webhooks/hook.json at /order: expected "webhook" or a JSON Pointer such as "/entry/documentId"; written: "entry"
    config/webhooks/hook.json at /debounce: expected an object, { … }; written: "5s"
    config/webhooks/hook.json at /concurrency: expected a whole number from 1 to 256; written: 0
    config/webhooks/hook.json at /signing/secrets/0: expected a signing secret: whsec_ and base64 of 24 to 64 bytes, or whsk_ and an Ed25519 key (`hookwright secret new` makes either)
    "#);
    let result =
        webhook(r#"{"url": "https://x.example", "events": [], "filter": {"/a": [], "/b": {"c": 1}}, "signing": {}}"#);
    assert_snapshot!(shown(result), @r#"
    config/webhooks/hook.json at /events: expected at least one event pattern: *, entry.* or entry.create
    config/webhooks/hook.json at /filter/~1a: expected at least one value: nothing is equal to none; written: a list
    config/webhooks/hook.json at /filter/~1b: expected a text, a number, true, false or null; for more, {"schema": {…}}; written: an object
    config/webhooks/hook.json at /signing: secrets is missing: expected a list of whsec_… or whsk_… secrets
    "#);
    let result = webhook_with(r#""filter": {"schema": {"type": "strnig"}, "/model": "a"}"#);
    assert_snapshot!(shown(result), @r#"
    config/webhooks/hook.json at /filter/~1model: unknown key; allowed: schema
    config/webhooks/hook.json at /filter/schema: expected a usable JSON Schema: /type: value is not valid under any of the schemas listed in the 'anyOf' keyword
    "#);
}

#[test]
fn when_deliveries_go_out_can_be_written() {
    let hook = webhook_with(
        r#""rateLimit": "600/m", "retry": {"disableAfter": "12h"},
           "order": {"by": "/entry/documentId", "onStuck": {"failed": "block"}}"#,
    )
    .expect("valid");
    let rate = hook.rate_limit.expect("a rate");
    assert_eq!((rate.count.get(), rate.per), (600, Duration::from_mins(1)));
    let by = Grouping::Value("/entry/documentId".parse().expect("a pointer"));
    assert_eq!(hook.order, Some(Order { by, failed: Stuck::Block, held: Stuck::Block }));
    assert_eq!(hook.disable_after, Some(Duration::from_hours(12)));

    let hook = webhook_with(r#""order": "none", "debounce": {"window": "30s"}, "retry": {"disableAfter": "never"}"#);
    let hook = hook.expect("valid");
    let rule =
        DebounceRule { key: Grouping::Webhook, window: Duration::from_secs(30), max_wait: Duration::from_mins(5) };
    assert_eq!((hook.order, hook.debounce, hook.disable_after), (None, Some(rule), None));

    let result = webhook_with(
        r#""rateLimit": "10/d", "order": {"by": "entry", "onStuck": {"failed": "hold"}},
           "debounce": {"key": 5, "maxWait": "1s"}, "retry": {"disableAfter": "soon"}"#,
    );
    assert_snapshot!(shown(result), @r#"
    config/webhooks/hook.json at /retry/disableAfter: expected a duration from 1m to 365d, or "never", such as "15s"; written: "soon"
    config/webhooks/hook.json at /rateLimit: expected attempts per second, minute or hour, such as "10/s", "600/m" or "1000/h", at most 10000; written: "10/d"
    config/webhooks/hook.json at /order/onStuck/failed: expected continue or block; written: "hold"
    config/webhooks/hook.json at /order/by: expected "webhook" or a JSON Pointer such as "/entry/documentId"; written: "entry"
    config/webhooks/hook.json at /debounce: window is missing: expected the quiet time after the last event, such as "30s"
    config/webhooks/hook.json at /debounce/key: expected "webhook" or a JSON Pointer such as "/entry/documentId"; written: 5
    "#);
    let result = webhook_with(r#""order": "webhook", "debounce": {"window": "30s", "maxWait": "1s"}"#);
    assert_snapshot!(shown(result), @r#"
    config/webhooks/hook.json at /debounce/maxWait: expected a longest wait that is not shorter than the window; written: "1s"
    config/webhooks/hook.json at /debounce: expected either order or debounce, not both: of a debounced group only the newest event is sent, so there is nothing to put in order
    "#);
    let result = webhook_with(r#""order": "webhook", "debounce": {"window": "30s"}"#);
    assert_snapshot!(shown(result), @"config/webhooks/hook.json at /debounce: expected either order or debounce, not both: of a debounced group only the newest event is sent, so there is nothing to put in order");
}

#[test]
fn what_belongs_together_has_one_key() {
    let by = |pointer: &str| Grouping::Value(pointer.parse().expect("a pointer"));
    let body =
        serde_json::json!({"id": 7, "name": "a", "long": "x".repeat(200), "list": [], "none": null, "empty": ""});
    let key = |pointer| by(pointer).key(&body).map(|key| key.to_string());
    assert_eq!(key("/id").as_deref(), Some("=7"));
    assert_eq!(key("/name").as_deref(), Some("=a"));
    assert_eq!(key("/empty").as_deref(), Some("="));
    assert_eq!(key("/long").map(|key| (key.len(), key.starts_with('#'))), Some((65, true)));
    assert_eq!((key("/list"), key("/none"), key("/absent")), (None, None, None));
    assert_eq!(Grouping::Webhook.key(&body).as_deref(), Some("*"));
}

#[test]
fn urls_are_whole_and_hold_no_password() {
    for (url, reason) in [
        ("/hook", "expected a whole URL"),
        ("mailto:ana@x.example", "begins with https:// or http://"),
        ("https://ana:hunter2@x.example", "no user name or password"),
        ("https://x.example/#top", "no fragment"),
    ] {
        let errors = shown(webhook(&format!(r#"{{"url": "{url}", "events": ["*"]}}"#)));
        assert!(errors.contains(reason) && !errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn what_is_shown_of_a_webhook_holds_no_secret() {
    for (url, shown) in [
        ("https://x.example/hook", "https://x.example/hook"),
        ("https://x.example:8443/hook?token=s3cr3t", "https://x.example:8443/hook?…"),
        ("https://x.example:8443/services/${SHORT}?a=b", "https://x.example:8443/…"),
        ("${ABSENT:-http://[::1]:80/s3cr3t}", "http://[::1]/…"),
    ] {
        let hook = webhook(&format!(
            r#"{{"url": "{url}", "events": ["*"], "filter": {{"/a": "${{SHORT}}"}}, "labels": {{"a": "${{SHORT}}"}},
                "plugins": [{{"plugin": "redact", "config": {{"key": "${{SHORT}}"}}}}]}}"#
        ));
        let hook = hook.expect("valid");
        assert_eq!(hook.shown_url, shown, "{url}");
        assert!(!format!("{hook:?}").contains("s3cr3t"), "{hook:?}");
    }
}

#[test]
fn headers_of_the_dispatcher_cannot_be_written() {
    for name in ["Webhook-Id", "webhook-signature", "X-Hookwright-Event", "Host", "Content-Length", "Connection", "TE"]
    {
        let errors = shown(webhook_with(&format!(r#""headers": {{"{name}": "x"}}"#)));
        assert!(errors.contains(&format!("at /headers/{name}: the dispatcher writes this header itself")), "{errors}");
    }
    let result = webhook_with(r#""headers": {"X Site": "a", "X-Break": "a\r\nb", "X-A": "1", "x-a": "2", "X-N": 5}"#);
    assert_snapshot!(shown(result), @r#"
    config/webhooks/hook.json at /headers/X Site: expected the name of a header, such as X-Site: letters, digits and '-'
    config/webhooks/hook.json at /headers/X-Break: expected visible ASCII characters, spaces and tabs; no line breaks
    config/webhooks/hook.json at /headers/x-a: expected once: x-a is written twice, in another case
    config/webhooks/hook.json at /headers/X-N: expected a text; written: 5
    "#);
}

#[test]
fn header_values_that_may_be_secrets_are_hidden() {
    let hook = webhook_with(
        r#""headers": {"X-Site": "main", "X-Filled": "${SHORT}", "Cookie": "a=b", "X-Custom": "Basic eDp5"}"#,
    );
    let shown = format!("{:?}", hook.expect("valid").headers);
    assert!(shown.contains("main"), "{shown}");
    for secret in ["s3cr3t", "a=b", "eDp5"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn signatures_of_other_forms_are_read() {
    let read = |signing: &str| webhook_with(&format!(r#""signing": {signing}"#));
    let hub = read(r#"{"extra": [{"header": "X-Hub-Signature-256", "secret": "old"}]}"#).expect("valid");
    let value = hub.extra_signatures[0].value("", crate::clock::Timestamp::from_ms(0), b"");
    assert!(value.starts_with("sha256=") && hub.signing_secrets.is_empty(), "{value}");
    let errors = read(
        r#"{"extra": [{"header": "webhook-signature", "secret": "x", "value": "sha1={hex}"}, {"header": "X-A", "secret": ""},
            {"header": "X-B", "secret": "x", "value": "{sha1}", "signed": "url"}, {}]}"#,
    );
    insta::assert_snapshot!(shown(errors), @r#"
    config/webhooks/hook.json at /signing/extra/0/header: the dispatcher writes this header itself; leave it out
    config/webhooks/hook.json at /signing/extra/1/secret: expected a secret of one character or more
    config/webhooks/hook.json at /signing/extra/2/value: expected visible ASCII with {hex} or {base64} once, and perhaps {timestamp}: "sha256={hex}"; written: "{sha1}"
    config/webhooks/hook.json at /signing/extra/2/signed: expected body or timestamp.body or id.timestamp.body; written: "url"
    config/webhooks/hook.json at /signing/extra/3: header is missing: expected the name of a header, such as X-Hub-Signature-256
    config/webhooks/hook.json at /signing/extra/3: secret is missing: expected the secret that the receiver verifies with
    "#);
}

/// Texts in every place, the secret filled in; none of them is valid there.
#[test]
fn no_error_shows_what_a_reference_expanded_to() {
    let server_file = r#"{"server": {"listen": "S", "admin": "S", "maxBodyBytes": "S", "headTimeout": "S"}, "store": {"url": "S"},
        "sources": [{"name": "S", "token": "S\n"}, "S"], "egress": {"allow": ["S"]}, "schemas": {"mode": "S"},
        "webhooks": {"defaultHeaders": {"A": "S\n"}}, "plugins": {"fuel": "S"}, "S": "S"}"#;
    let webhook_file = r#"{"url": "S", "method": "S", "enabled": "S", "name": "S\n", "labels": {"a": ["S"]}, "events": ["S "],
        "filter": {"schema": {"type": "S", "pattern": "(S", "$ref": "S"}}, "headers": {"A": "S\n"},
        "plugins": ["S ", {"plugin": "S ", "config": "S", "onError": "S"}], "signing": {"secrets": ["S"],
        "extra": [{"header": "S ", "secret": "", "value": "S", "signed": "S"}]},
        "timeout": "S", "retry": {"schedule": ["S"]}, "concurrency": "S"}"#;
    let fill = |text: &str| text.replace('S', "${SECRET}");
    let errors = [shown(server(&fill(server_file))), shown(webhook(&fill(webhook_file)))].concat();
    assert!(!errors.contains("hunter2"), "{errors}");
    assert!(errors.matches("${SECRET}").count() > 15, "{errors}");
}

proptest! {
    #[test]
    fn any_value_anywhere_is_an_error_or_fine(
        pointer in prop::sample::select(vec![
            "/url", "/events", "/events/0", "/filter", "/filter/~1model", "/headers", "/headers/X-A", "/plugins",
            "/plugins/0", "/plugins/0/config", "/signing", "/signing/secrets/0", "/signing/extra", "/signing/extra/0/value",
            "/timeout", "/retry/schedule/0",
            "/concurrency", "/labels", "/labels/a", "/enabled", "/method", "/name",
        ]),
        value in prop_oneof![
            Just("null".to_owned()), Just("[]".to_owned()), Just("{}".to_owned()), Just("true".to_owned()),
            any::<f64>().prop_filter_map("finite", |n| serde_json::to_string(&n).ok()), any::<i64>().prop_map(|n| n.to_string()),
            ".{0,20}".prop_map(|text| serde_json::json!(text).to_string()),
            "[${}A-Z:/.-]{0,20}".prop_map(|text| serde_json::json!([text]).to_string()),
        ],
    ) {
        let mut file = serde_json::json!({
            "url": "https://x.example", "events": ["*"], "filter": {"/model": "a"}, "headers": {"X-A": "b"},
            "plugins": [{"plugin": "redact", "config": {}}], "timeout": "1s",
            "signing": {"secrets": ["x"], "extra": [{"header": "X-Hub-Signature-256", "secret": "s", "value": "{hex}"}]},
            "retry": {"schedule": ["1s"]}, "concurrency": 1, "labels": {"a": "b"}, "enabled": true, "method": "POST",
            "name": "n",
        });
        *file.pointer_mut(pointer).expect(pointer) = serde_json::from_str(&value).expect("JSON");
        let errors = webhook(&file.to_string()).err().unwrap_or_default();
        for (index, error) in errors.iter().enumerate() {
            prop_assert!(!errors[..index].contains(error), "twice: {}", error);
            prop_assert!(!error.message.is_empty() && error.file == "config/webhooks/hook.json");
            prop_assert!(error.pointer.is_empty() || file.pointer(&error.pointer).is_some(), "{}", error);
        }
    }
}
