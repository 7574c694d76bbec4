//! `/docs` and `/openapi.json`: the API described, for people and for programs. Open to everybody: they say nothing of this
//! installation.

use std::fmt::Write as _;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

use super::openapi;

const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(super) fn routes() -> Router {
    Router::new()
        .route("/docs", get(async || with_type("text/html; charset=utf-8", page(&openapi::document()))))
        .route("/docs/style.css", get(async || with_type("text/css", include_str!("docs/style.css").to_owned())))
        .route("/openapi.json", get(async || with_type("application/json", openapi::document().to_string())))
}

fn with_type(content_type: &'static str, text: String) -> Response {
    let mut response = text.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Each operation folded up; types at the end.
fn page(document: &Value) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Hookwright API</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><main><h1>Hookwright API</h1>\
         <p>Every route of the admin listener, with the least role its token must have. \
         <a href=\"/openapi.json\">OpenAPI 3.1</a></p>",
    );
    for (path, operations) in members(document, "/paths") {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            operation_into(&mut html, path, method, operation);
        }
    }
    html.push_str("<h2>Types</h2>");
    for (name, schema) in members(document, "/components/schemas") {
        let name = escaped(name);
        let _ = write!(html, "<details id=\"{name}\"><summary><code>{name}</code></summary>{}</details>", code(schema));
    }
    html.push_str("</main></body></html>");
    html
}

fn operation_into(html: &mut String, path: &str, method: &str, operation: &Value) {
    let text = |key: &str| escaped(operation.get(key).and_then(Value::as_str).unwrap_or_default());
    let _ = write!(
        html,
        "<details><summary><b>{}</b> <code>{}</code> <span>{}</span> <i>{}</i></summary>",
        escaped(&method.to_uppercase()),
        escaped(path),
        text("summary"),
        text("x-role")
    );
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let mut rows = String::new();
    for parameter in parameters {
        let text = |key: &str| escaped(parameter.get(key).and_then(Value::as_str).unwrap_or_default());
        let needed = if parameter.get("required") == Some(&Value::Bool(true)) { "needed" } else { "" };
        let _ = write!(
            rows,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{needed}</td><td>{}</td></tr>",
            text("name"),
            text("in"),
            text("description")
        );
    }
    if !rows.is_empty() {
        let _ = write!(html, "<h3>Parameters</h3><table>{rows}</table>");
    }
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        let _ = write!(html, "<h3>Body</h3>{}", code(schema));
    }
    html.push_str("<h3>Answers</h3><table>");
    for (status, response) in members(operation, "/responses") {
        let description = escaped(response.get("description").and_then(Value::as_str).unwrap_or_default());
        let schema = response.pointer("/content/application~1json/schema").map(code).unwrap_or_default();
        let _ = write!(html, "<tr><th scope=\"row\">{}</th><td>{description}{schema}</td></tr>", escaped(status));
    }
    html.push_str("</table></details>");
}

fn members<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// A schema as JSON, its references as links.
fn code(schema: &Value) -> String {
    let mut html = String::from("<pre>");
    let text = format!("{schema:#}");
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\"#/components/schemas/") {
        let (name, after) = after.split_once('"').unwrap_or((after, ""));
        let (before, name) = (escaped(before), escaped(name));
        let _ = write!(html, "{before}<a href=\"#{name}\">{name}</a>");
        rest = after;
    }
    html.push_str(&escaped(rest));
    html.push_str("</pre>");
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operation_and_type_is_on_the_page_and_text_stays_text() {
        let document = openapi::document();
        let html = page(&document);
        for (path, _) in members(&document, "/paths") {
            assert!(html.contains(&format!("<code>{path}</code>")), "{path}");
        }
        for (name, _) in members(&document, "/components/schemas") {
            assert!(html.contains(&format!("id=\"{name}\"")), "{name}");
        }
        let hostile = page(&json!({"paths": {"/<script>": {"get": {"summary": "<img src=x onerror=\"a\">"}}}}));
        assert!(!hostile.contains("<script>") && !hostile.contains("<img"), "{hostile}");
    }
}
