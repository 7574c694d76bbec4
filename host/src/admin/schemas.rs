//! `/v1/schemas`: which event types are known, and what an event of each must look like.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Admin;
use crate::http::problem::{Kind, Problem};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaList {
    schemas: Vec<SchemaSummary>,
    /// Content types whose entries are judged by `schemas/models/<model>.json`.
    models: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SchemaSummary {
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// A webhook can be tried out with an event of this type.
    has_example: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullSchema {
    event_type: String,
    schema: Value,
}

pub(super) async fn list(State(admin): Admin) -> Json<SchemaList> {
    let schemas = &admin.live.load_full().schemas;
    let summary = |event_type: &str| {
        let text = |key| Some(schemas.document(event_type)?.get(key)?.as_str()?.to_owned());
        SchemaSummary {
            event_type: event_type.to_owned(),
            title: text("title"),
            description: text("description"),
            has_example: schemas.example(event_type).is_some(),
        }
    };
    Json(SchemaList {
        schemas: schemas.event_types().map(summary).collect(),
        models: schemas.models().map(str::to_owned).collect(),
    })
}

pub(super) async fn one(State(admin): Admin, Path(event_type): Path<String>) -> Result<Json<FullSchema>, Problem> {
    let schemas = &admin.live.load_full().schemas;
    let Some(schema) = schemas.document(&event_type) else {
        return Err(Problem::new(Kind::NotFound, "There is no schema for this event type. `/v1/schemas` lists all."));
    };
    Ok(Json(FullSchema { schema: schema.clone(), event_type }))
}
