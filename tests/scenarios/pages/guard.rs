//! Who may see pages and change something by them: every page × every role, links that are good once, and requests that come
//! from elsewhere.

use hookwright_tests::{Hookwright, Receiver, SECRET, cases};
use http::{Method, StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::json;

/// What the documentation says of each page.
const DOCUMENTED: &str = include_str!("../../../docs/pages.md");

/// A browser as far as headers go.
struct Visitor {
    client: Client,
    base: String,
    cookie: String,
    csrf: String,
}

impl Visitor {
    fn nobody(host: &Hookwright) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
        Self { client, base: format!("http://{}", host.admin_address()), cookie: String::new(), csrf: String::new() }
    }

    /// Signs in with a token.
    async fn with_token(host: &Hookwright, token: &str) -> Self {
        let nobody = Self::nobody(host);
        let answer = nobody.send(Method::POST, "/login", &[("token", token)]).await;
        nobody.signed_in(&answer).await
    }

    async fn signed_in(mut self, answer: &Response) -> Self {
        let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("text");
        assert!(cookie.contains("; HttpOnly; SameSite=Strict; ") && !cookie.contains("Domain"), "{cookie}");
        cookie.split(';').next().expect("a pair").clone_into(&mut self.cookie);
        let page = self.get("/settings").await.text().await.expect("text");
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().expect("its value").clone_into(&mut self.csrf);
        self
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).header(header::COOKIE, &self.cookie);
        request.header(header::ACCEPT, "text/html").send().await.expect("an answer")
    }

    /// As a form of our own pages is sent.
    async fn send(&self, method: Method, path: &str, fields: &[(&str, &str)]) -> Response {
        self.from(&self.base, method, path, fields).await
    }

    async fn from(&self, origin: &str, method: Method, path: &str, fields: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client.request(method, format!("{}{path}", self.base)).header(header::COOKIE, &self.cookie);
        let request = request.header(header::ORIGIN, origin).body(body);
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").send().await.expect("an answer")
    }
}

fn location(answer: &Response) -> &str {
    answer.headers().get(header::LOCATION).map_or("", |to| to.to_str().expect("text"))
}

async fn token(host: &Hookwright, role: &str) -> String {
    let wanted = json!({ "name": role, "role": role }).to_string();
    let made = host.admin_send(Method::POST, "/v1/tokens", wanted).await;
    made.body["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn every_page_is_open_to_its_roles_and_to_nobody_else() {
    let host = Hookwright::builder().start().await;
    let mut visitors = vec![("nobody", Visitor::nobody(&host))];
    for role in ["viewer", "operator", "admin"] {
        visitors.push((role, Visitor::with_token(&host, &token(&host, role).await).await));
    }
    let ranks = ["nobody", "viewer", "operator", "admin"];
    let rank = |role: &str| ranks.iter().position(|known| *known == role).expect("a role");
    let rows = DOCUMENTED.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let mut looked_at = 0;
    for (route, rest) in rows {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let needed = rest.split(" | ").next().expect("a role");
        // It would sign out, and it has no end.
        if ["/logout", "/live"].contains(&path) {
            continue;
        }
        let path = path.replace("{id}", "none").replace("{type}", "none").replace("{name}", "none");
        for (role, visitor) in &visitors {
            let answer = match method {
                "GET" => visitor.get(&path).await,
                _ => visitor.send(Method::POST, &path, &[("csrf", &visitor.csrf)]).await,
            };
            let (status, to) = (answer.status(), location(&answer).to_owned());
            let case = format!("{method} {path} by {role}: {status} {to}");
            if *role == "nobody" {
                assert!(status == StatusCode::SEE_OTHER && to.starts_with("/login?next="), "{case}");
            } else if rank(role) < rank(needed) {
                assert_eq!(status, StatusCode::FORBIDDEN, "{case}");
            } else {
                assert!(
                    status != StatusCode::FORBIDDEN && !to.starts_with("/login") && !status.is_server_error(),
                    "{case}"
                );
            }
            looked_at += 1;
        }
    }
    assert!(looked_at > 100, "{looked_at} were looked at");
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let host = Hookwright::builder().start().await;
    let link = host.admin_send(Method::POST, "/v1/login-links", "").await;
    assert_eq!(link.status, StatusCode::CREATED);
    let path = link.body["path"].as_str().expect("a path");
    let code = path.split_once("code=").expect("a code").1;
    let nobody = Visitor::nobody(&host);
    // Whatever looks at links before people do does not use it up.
    for _ in 0..2 {
        let page = nobody.get(path).await.text().await.expect("text");
        assert!(page.contains("Sign in") && page.contains("data/admin.token"), "{page}");
    }
    let answer = nobody.send(Method::POST, "/login", &[("code", code), ("next", "//evil.example")]).await;
    assert_eq!((answer.status(), location(&answer)), (StatusCode::SEE_OTHER, "/"));
    let visitor = nobody.signed_in(&answer).await;
    assert_eq!(visitor.get("/settings/audit").await.status(), StatusCode::OK);

    let again = Visitor::nobody(&host).send(Method::POST, "/login", &[("code", code)]).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    assert!(!again.headers().contains_key(header::SET_COOKIE));

    let out = visitor.send(Method::POST, "/logout", &[("csrf", &visitor.csrf)]).await;
    assert_eq!(location(&out), "/login");
    assert_eq!(location(&visitor.get("/settings").await), "/login?next=%2Fsettings");
}

#[tokio::test]
async fn whoever_loses_the_token_is_signed_out() {
    let host = Hookwright::builder().start().await;
    let visitor = Visitor::with_token(&host, &token(&host, "viewer").await).await;
    assert_eq!(visitor.get("/settings").await.status(), StatusCode::OK);
    let mut live = visitor.get("/live").await;
    assert!(live.chunk().await.expect("an event").is_some());
    let id = host.api("/v1/tokens").await["tokens"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(host.admin_send(Method::POST, &format!("/v1/tokens/{id}/revoke"), "").await.status, StatusCode::OK);
    assert_eq!(location(&visitor.get("/settings").await), "/login?next=%2Fsettings");

    let wrong = Visitor::nobody(&host);
    let source = host.admin_send(Method::POST, "/v1/tokens", r#"{"name":"s","role":"source","source":"s"}"#).await;
    let tokens = [source.body["token"].as_str().expect("a token"), "nonsense", ""];
    for token in tokens {
        let answer = wrong.send(Method::POST, "/login", &[("token", token)]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{token}");
        assert!(!answer.headers().contains_key(header::SET_COOKIE));
    }
}

#[tokio::test]
async fn what_another_site_sends_changes_nothing() {
    let settings =
        json!({ "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "adminHosts": ["hooks.example"] } });
    let host = Hookwright::builder().server(settings).start().await;
    let visitor = Visitor::with_token(&host, &token(&host, "admin").await).await;
    let before = host.revision().await;
    let reload = async |origin: &str, csrf: &str| {
        visitor.from(origin, Method::POST, "/settings/reload", &[("csrf", csrf)]).await.status()
    };
    for (origin, csrf) in [
        ("https://evil.example", visitor.csrf.as_str()),
        ("null", &visitor.csrf),
        (&visitor.base, ""),
        (&visitor.base, &visitor.csrf.replace(|c: char| c.is_ascii_digit(), "a")),
    ] {
        assert_eq!(reload(origin, csrf).await, StatusCode::FORBIDDEN, "{origin} {csrf}");
    }
    let unsaid =
        visitor.client.post(format!("{}/settings/reload", visitor.base)).header(header::COOKIE, &visitor.cookie);
    assert_eq!(unsaid.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    assert!(
        host.api("/v1/reloads").await["reloads"].as_array().is_some_and(|all| all.len() == 1),
        "nothing was reloaded"
    );
    assert_eq!(reload(&visitor.base, &visitor.csrf).await, StatusCode::SEE_OTHER);
    assert!(host.revision().await >= before);

    // A name that was bound to our address is not ours; one that is configured is.
    let by = async |name: &str| {
        let request = visitor.client.get(format!("{}/login", visitor.base)).header(header::HOST, name);
        request.send().await.expect("an answer").status()
    };
    assert_eq!(by("evil.example").await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(by("hooks.example").await, StatusCode::OK);
}

#[tokio::test]
async fn a_browser_is_told_to_run_nothing_but_ours() {
    let host = Hookwright::builder().start().await;
    let visitor = Visitor::with_token(&host, &token(&host, "viewer").await).await;
    let nothing = visitor.get("/nothing").await;
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    assert!(nothing.text().await.expect("text").contains("There is nothing here"));
    for path in ["/login", "/settings", "/assets/none/app.css", "/nothing"] {
        let answer = visitor.get(path).await;
        let policy = answer.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn no_page_shows_what_is_secret() {
    let receiver = Receiver::start().await;
    let headers =
        json!({ "defaultHeaders": { "X-Site": "${ process.env.SITE }", "Authorization": "Bearer canary-default" } });
    let webhook = json!({
        "url": format!("{}?key=canary-url", receiver.url()), "events": ["*"], "headers": { "X-Api-Key": "canary-header" },
    });
    let host = Hookwright::builder()
        .env("SITE", "canary-site")
        .server(json!({ "webhooks": headers }))
        .webhook("site", webhook);
    let host = host.start().await;
    let managed = json!({
        "id": "here", "url": { "$secret": format!("{}/canary-managed-url", receiver.url()) }, "events": ["*"],
        "headers": { "X-Plain": { "$secret": "canary-managed-header" } }, "signing": { "secrets": [SECRET] },
    });
    assert_eq!(host.admin_send(Method::POST, "/v1/webhooks", managed.to_string()).await.status, StatusCode::CREATED);
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    let deliveries = host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
    let visitor = Visitor::with_token(&host, &token(&host, "admin").await).await;
    let mut paths = vec![format!("/events/{}", posted.event())];
    paths.extend(["/settings", "/settings/audit", "/webhooks", "/deliveries", "/events"].map(str::to_owned));
    for id in ["site", "here"] {
        paths.extend(["", "/edit", "/export", "/try"].map(|part| format!("/webhooks/{id}{part}")));
    }
    for delivery in &deliveries {
        paths.push(format!("/deliveries/{}", delivery["id"].as_str().expect("an id")));
    }
    for path in paths {
        let page = visitor.get(&path).await.text().await.expect("text");
        assert!(page.contains("<main"), "{path}: {page}");
        for secret in ["canary", SECRET.trim_start_matches("whsec_")] {
            assert!(!page.contains(secret), "{path} shows {secret}: {page}");
        }
    }
}
