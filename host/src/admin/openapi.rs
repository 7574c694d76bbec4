//! The API described by itself: OpenAPI 3.1 out of the golden list of routes and the types of their bodies.
//!
//! Nothing is written twice: a route that is not described does not compile. `docs/openapi.json` is what this makes, kept
//! current by a test.

use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::routes::{self, Route};
use crate::http::problem::Kind;
use crate::ids::{DeliveryId, EventId, EventType, PluginName, QuarantineId, ReplayId, TokenId, WebhookId};

/// What is said of a route beside method, path and role.
pub(super) struct Doc {
    pub(super) summary: &'static str,
    pub(super) query: Option<MakeSchema>,
    pub(super) body: Option<MakeSchema>,
    /// The content type of a body that is no JSON.
    pub(super) bytes: Option<&'static str>,
    /// Status, content type, body.
    pub(super) answers: Vec<(u16, &'static str, Option<MakeSchema>)>,
    pub(super) refusals: Vec<Kind>,
    pub(super) headers: Vec<Header>,
}

/// Makes the schema of one type.
pub(super) type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// A header that a request may have.
#[derive(Clone, Copy)]
pub(super) enum Header {
    IfMatch { required: bool },
    IdempotencyKey,
}

pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The whole document.
pub(crate) fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all() {
        let operation = operation(&route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_ascii_lowercase(), operation);
        }
    }
    let problem = json!({
        "type": "object",
        "description": "RFC 9457. `detail` is for people; further members, such as `errors`, are for programs.",
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
        },
        "required": ["type", "title", "status", "detail"],
    });
    let mut components = schemas.definitions();
    components.insert("Problem".to_owned(), problem);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hookwright",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The admin listener. Every route needs a token: `Authorization: Bearer <token>`; `x-role` is the \
                            least role it must have.",
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": components,
        },
    })
}

/// Types as they are sent, and as they are read: two sets of definitions in one place.
struct Schemas {
    sent: SchemaGenerator,
    read: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = |contract| {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
                settings.contract = contract;
            })
        };
        Self {
            sent: settings(Contract::Serialize).into_generator(),
            read: settings(Contract::Deserialize).into_generator(),
        }
    }

    /// What is read, without references.
    fn inline(&self, make: MakeSchema) -> Schema {
        let settings = self.read.settings().clone().with(|settings| settings.inline_subschemas = true);
        make(&mut settings.into_generator())
    }

    fn definitions(mut self) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        all.extend(self.sent.take_definitions(true));
        all
    }
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let Doc { summary, query, body, bytes, answers, refusals, headers } = &route.doc;
    let mut parameters: Vec<Value> = path_parameters(route.path, schemas);
    parameters.extend(query.iter().flat_map(|query| query_parameters(*query, schemas)));
    parameters.extend(headers.iter().map(|header| header.parameter()));
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": summary,
        "x-role": route.role.as_str(),
        "responses": responses(route, answers, refusals, schemas),
    });
    let Some(members) = operation.as_object_mut() else { return operation };
    if !parameters.is_empty() {
        members.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = body {
        // What has no member that must be there may be left out as a whole.
        let required = !schemas.inline(*body).get("required").is_none_or(|names| names == &json!([]));
        let content = json!({ "application/json": { "schema": body(&mut schemas.read) } });
        members.insert("requestBody".to_owned(), json!({ "required": required, "content": content }));
    }
    if let Some(content_type) = bytes {
        let content = json!({ *content_type: { "schema": { "type": "string", "format": "binary" } } });
        members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

/// `getWebhooksIdExport`.
fn operation_id(route: &Route) -> String {
    let mut id = route.method.to_ascii_lowercase();
    for word in route.path.split(['/', '{', '}', '-', '.']).skip(2).filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn path_parameters(path: &str, schemas: &mut Schemas) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let schema = named_in(path)
                .map_or(json!({ "type": "string", "minLength": 1 }), |make| make(&mut schemas.read).into());
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect()
}

/// What stands behind the first word of a path.
fn named_in(path: &str) -> Option<MakeSchema> {
    match path.split('/').nth(2)? {
        "webhooks" => Some(schema_of::<WebhookId>),
        "events" => Some(schema_of::<EventId>),
        "deliveries" => Some(schema_of::<DeliveryId>),
        "quarantine" => Some(schema_of::<QuarantineId>),
        "replays" => Some(schema_of::<ReplayId>),
        "tokens" => Some(schema_of::<TokenId>),
        "schemas" => Some(schema_of::<EventType>),
        "plugins" => Some(schema_of::<PluginName>),
        _ => None,
    }
}

/// One for each member of the type that the query is read as.
fn query_parameters(query: MakeSchema, schemas: &mut Schemas) -> Vec<Value> {
    let schema = schemas.inline(query);
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "required": required.contains(&name.as_str().into()), "schema": not_null(schema) });
        if let (Some(parameter), Some(description)) = (parameter.as_object_mut(), description) {
            parameter.insert("description".to_owned(), description);
        }
        parameter
    };
    members.into_iter().map(parameter).collect()
}

/// What is optional in a query is left out; there is no way to write `null`.
fn not_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type")
        && let Some([Value::String(one), Value::String(null)]) = types.as_array().map(Vec::as_slice)
        && null == "null"
    {
        *types = one.clone().into();
    }
    let chosen = match schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([one, null]) if null.get("type").is_some_and(|kind| kind == "null") => one.clone(),
        _ => return schema,
    };
    // What stands beside the choice holds too.
    if let Some(members) = schema.as_object_mut() {
        members.remove("anyOf");
        members.extend(chosen.as_object().cloned().unwrap_or_default().into_iter().filter(|(key, _)| key != "enum"));
        if !members.contains_key("enum")
            && let Some(choices) = chosen.get("enum")
        {
            members.insert("enum".to_owned(), choices.clone());
        }
    }
    schema
}

fn responses(
    route: &Route,
    answers: &[(u16, &'static str, Option<MakeSchema>)],
    refusals: &[Kind],
    schemas: &mut Schemas,
) -> Value {
    let mut responses = Map::new();
    for (status, content_type, body) in answers {
        let mut response = json!({ "description": "Done." });
        if let (Some(response), Some(body)) = (response.as_object_mut(), body) {
            let schema = body(&mut schemas.sent);
            response.insert("content".to_owned(), json!({ *content_type: { "schema": schema } }));
        }
        responses.insert(status.to_string(), response);
    }
    let mut kinds = vec![
        Kind::BadRequest,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::TooManyRuns,
        Kind::TooManyAttempts,
        Kind::StoreUnavailable,
    ];
    if route.path.contains('{') {
        kinds.push(Kind::NotFound);
    }
    if route.doc.body.is_some() || route.doc.bytes.is_some() {
        kinds.extend([Kind::BodyTooLarge, Kind::BodyTooSlow]);
    }
    kinds.extend(refusals);
    let mut by_status: std::collections::BTreeMap<u16, Vec<&str>> = std::collections::BTreeMap::new();
    for kind in kinds {
        let titles = by_status.entry(kind.status().as_u16()).or_default();
        if !titles.contains(&kind.title()) {
            titles.push(kind.title());
        }
    }
    for (status, titles) in by_status {
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        responses.insert(
            status.to_string(),
            json!({ "description": format!("{}.", titles.join(". ")), "content": content }),
        );
    }
    responses.into()
}

impl Header {
    fn parameter(self) -> Value {
        match self {
            Self::IfMatch { required } => json!({
                "name": "If-Match", "in": "header", "required": required, "schema": { "type": "string" },
                "description": "The ETag of what is to be changed, or `*`.",
            }),
            Self::IdempotencyKey => json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
                "description": "The same again makes nothing.",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_the_repository_is_current() {
        let committed = include_str!("../../../docs/openapi.json");
        let current = format!("{:#}\n", document());
        assert!(committed == current, "run `hookwright openapi > docs/openapi.json`");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
        let document = document();
        let (mut open, mut ids) = (vec![&document], Vec::new());
        while let Some(value) = open.pop() {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(reference)) = members.get("$ref") {
                        let pointer = reference.strip_prefix('#').expect("inside of the document");
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    ids.extend(members.get("operationId").and_then(Value::as_str));
                    open.extend(members.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), count), (count, routes::all().len()));
    }
}
