//! Start builds: the body that GitHub, Netlify, Vercel or another service wants.
//!
//! | `service` | URL of the webhook | what is sent |
//! |---|---|---|
//! | `github` | `https://api.github.com/repos/OWNER/REPO/dispatches` | `event_type` and `client_payload` of a `repository_dispatch` |
//! | `github-workflow` | `…/repos/OWNER/REPO/actions/workflows/FILE.yml/dispatches` | `ref` and `inputs` of a `workflow_dispatch` |
//! | `netlify` | the build hook, with `?trigger_title=…` and the like | the payload, which the build finds in `INCOMING_HOOK_BODY` |
//! | `vercel` | the deploy hook | `{}`: Vercel reads nothing |
//! | `generic` | any | the payload |
//!
//! ```json
//! {"service": "github", "eventType": "cms-{type}", "payload": {"slug": "/entry/slug", "model": "/model"}}
//! ```
//! `payload` says where values come from: JSON Pointers, `{"template": "…"}`, `{"value": …}`; what is not there is left out.
//! By default it says which entry it was: id, type, source and time of the event, model, ids, locale and slug. Inputs of a
//! workflow are none by default, because GitHub refuses those that the workflow does not declare.
//!
//! The token for GitHub is a header of the webhook: `"headers": {"Authorization": "Bearer ${ process.env.GITHUB_TOKEN }"}`. A
//! burst of changes becomes one build by the webhook's `debounce`, and drafts are kept out by the plugin `published-only`
//! before this one. What the service would refuse fails with `too-large`, `bad-event-type` or `bad-config`.

mod limits;

use hookwright_sdk::serde_json::Map;
use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, json, plugin};
use hookwright_words::{Ordered, Rule, Template, body, deliver, rfc3339};

/// The version of GitHub's API that this plugin was written for.
const GITHUB_VERSION: &str = "2022-11-28";

#[config]
#[derive(Default)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    /// Whom to ask for a build
    service: Service,
    /// For github: the type that workflows wait for, entry.publish by default
    event_type: Option<Template>,
    /// For github-workflow: the branch or tag to run on, main by default
    #[serde(rename = "ref")]
    git_ref: Option<Template>,
    /// What the build is told, and where the values come from
    payload: Option<Ordered<Rule>>,
}

#[config]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Service {
    Github,
    GithubWorkflow,
    Netlify,
    Vercel,
    #[default]
    Generic,
}

#[plugin]
fn deploy_hook(delivery: Delivery, config: Config) -> Result<Verdict> {
    check(&config)?;
    let event = body(&delivery)?;
    let payload = |default: fn(&Delivery, &Value) -> Value| match &config.payload {
        Some(rules) => picked(rules, &delivery, event),
        None => default(&delivery, event),
    };
    let text = |template: &Option<Template>, default: &str| match template {
        Some(template) => template.fill(&delivery, event, limits::MAX_TEXT, str::to_owned).text,
        None => default.to_owned(),
    };
    let verdict = match config.service {
        Service::Github => {
            let event_type = text(&config.event_type, &delivery.event_type);
            limits::event_type(&event_type)?;
            let payload = payload(about);
            limits::client_payload(&payload)?;
            as_github(deliver(&delivery, &json!({"event_type": event_type, "client_payload": payload})))
        }
        Service::GithubWorkflow => {
            let git_ref = text(&config.git_ref, "main");
            limits::git_ref(&git_ref)?;
            let inputs = as_texts(payload(|_, _| json!({})));
            limits::inputs(&inputs)?;
            let body =
                if inputs.is_empty() { json!({"ref": git_ref}) } else { json!({"ref": git_ref, "inputs": inputs}) };
            as_github(deliver(&delivery, &body))
        }
        Service::Netlify | Service::Generic => deliver(&delivery, &payload(about)),
        Service::Vercel => deliver(&delivery, &payload(|_, _| json!({}))),
    };
    Ok(verdict)
}

/// Settings that the service has no use for are mostly meant for another one.
fn check(config: &Config) -> Result<()> {
    let fails = |what: &str| Err(Failure::permanent(what).with_code("bad-config"));
    if config.event_type.is_some() && config.service != Service::Github {
        return fails("eventType is for service github alone");
    }
    if config.git_ref.is_some() && config.service != Service::GithubWorkflow {
        return fails("ref is for service github-workflow alone");
    }
    Ok(())
}

fn as_github(verdict: Verdict) -> Verdict {
    verdict.header("Accept", "application/vnd.github+json").header("X-GitHub-Api-Version", GITHUB_VERSION)
}

fn picked(rules: &Ordered<Rule>, delivery: &Delivery, event: &Value) -> Value {
    let values = rules.iter().filter_map(|(name, rule)| Some((name.to_owned(), rule.value(delivery, event)?)));
    Value::Object(values.collect())
}

/// Which event it was, and which entry: little enough for everybody's limits, enough to build one page only.
fn about(delivery: &Delivery, event: &Value) -> Value {
    let mut about = json!({
        "id": delivery.event_id,
        "type": delivery.event_type,
        "source": delivery.source,
        "time": rfc3339(delivery.received_ms),
    });
    let subject = ["/entry", "/media", "/release", "/entity"].into_iter().find_map(|place| event.pointer(place));
    let known = [
        ("model", event.get("model")),
        ("uid", event.get("uid")),
        ("entryId", subject.and_then(|subject| subject.get("id"))),
        ("documentId", subject.and_then(|subject| subject.get("documentId"))),
        ("locale", subject.and_then(|subject| subject.get("locale"))),
        ("slug", subject.and_then(|subject| subject.get("slug"))),
    ];
    for (name, value) in known {
        // Of scalars only, and short ones: what they are in other payloads nobody knows.
        if let Some(value) = value.filter(|value| limits::is_small_scalar(value)) {
            about[name] = value.clone();
        }
    }
    about
}

/// GitHub takes texts only.
fn as_texts(payload: Value) -> Map<String, Value> {
    let Value::Object(members) = payload else { return Map::new() };
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    members.into_iter().map(|(name, value)| (name, text(value).into())).collect()
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{answer, on_any_json, on_its_fixtures, on_real_bodies, rewritten};

    use super::*;

    #[test]
    fn real_bodies() {
        insta::assert_snapshot!(on_real_bodies(deploy_hook, &json!({"service": "github"})));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(deploy_hook, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        let github = json!({"service": "github", "eventType": "{type}{/entry/title}", "payload": {"all": "", "t": "/entry/title"}});
        let workflow = json!({"service": "github-workflow", "ref": "{/entry/title|main}", "payload": {"all": "", "none": "/none"}});
        on_any_json(
            deploy_hook,
            &[json!({}), github, workflow, json!({"service": "github"}), json!({"service": "vercel"})],
        );
    }

    fn built(config: &Value) -> Value {
        let body = json!({"model": "page", "entry": {"id": 7, "slug": "paris", "n": null, "tags": ["a"]}});
        rewritten(deploy_hook, "entry.publish", &body, config)
    }

    #[test]
    fn each_service_gets_its_body() {
        let payload = json!({"slug": "/entry/slug", "tags": "/entry/tags", "n": "/entry/n", "none": "/none", "kind": {"value": "x"}});
        assert_eq!(
            built(&json!({"service": "github", "eventType": "cms-{type}", "payload": payload})),
            json!({"event_type": "cms-entry.publish", "client_payload": {"slug": "paris", "tags": ["a"], "n": null, "kind": "x"}})
        );
        assert_eq!(
            built(&json!({"service": "github-workflow", "payload": payload})),
            json!({"ref": "main", "inputs": {"slug": "paris", "tags": "[\"a\"]", "n": "", "kind": "x"}})
        );
        assert_eq!(built(&json!({"service": "github-workflow", "ref": "live"})), json!({"ref": "live"}));
        assert_eq!(built(&json!({"service": "netlify", "payload": {"slug": "/entry/slug"}})), json!({"slug": "paris"}));
        assert_eq!(built(&json!({"service": "vercel"})), json!({}));
        assert_eq!(
            built(&json!({})),
            json!({"id": "evt_00000000000000000000000001", "type": "entry.publish", "source": "example",
                "time": "2026-01-01T00:00:00.000Z", "model": "page", "entryId": 7, "slug": "paris"})
        );
    }

    #[test]
    fn what_the_service_would_refuse_fails_here() {
        let many = |count: usize| (0..count).map(|n| (format!("k{n}"), json!("/model"))).collect::<Map<_, _>>();
        for (config, code) in [
            (json!({"service": "github", "eventType": "{/entry/long}"}), "bad-event-type"),
            (json!({"service": "github", "eventType": "{/none}"}), "bad-event-type"),
            (json!({"service": "github", "payload": many(11)}), "bad-config"),
            (json!({"service": "github", "payload": {"all": ""}}), "too-large"),
            (json!({"service": "github-workflow", "payload": many(26)}), "bad-config"),
            (json!({"service": "github-workflow", "payload": {"all": ""}}), "too-large"),
            (json!({"service": "github-workflow", "ref": "{/none}"}), "bad-config"),
            (json!({"service": "vercel", "eventType": "x"}), "bad-config"),
            (json!({"service": "github", "ref": "x"}), "bad-config"),
        ] {
            let body = json!({"model": "page", "entry": {"long": "x".repeat(101), "text": "é".repeat(33_000)}});
            let failure = answer(deploy_hook, Delivery::example("entry.publish", body), &config).unwrap_err();
            assert_eq!(failure.code.as_deref(), Some(code), "{config}: {failure}");
        }
    }
}
