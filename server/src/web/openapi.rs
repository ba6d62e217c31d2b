//! The OpenAPI document: what the handlers' annotations say, completed with what holds everywhere.
//!
//! The addresses are those of the router itself ([`super::router::addresses`]), so that neither can have one that the
//! other lacks. What is said of fields and parameters that many places share stands once, in [`words`].

mod words;

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{Json, response::IntoResponse};
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

use super::router::addresses;

const INTRODUCTION: &str = "Fine-tuning runs of vision foundation models on medical imaging tasks, their curves, \
alignment and leaderboard.

Reading is open; writing needs the server's token where others can reach it. Errors are problem documents (RFC 9457) \
with a stable `kind` and, for invalid values, `errors` by field. An unknown id or name is a problem of kind \
`not-found`; a method that an address does not support is one of kind `method-not-allowed`, with the supported \
methods in `Allow`. \
`HEAD` answers as `GET` does, without a body. An address with query parameters refuses unknown ones (kind \
`invalid`), except drawings, which ignore them; an address without parameters ignores the whole query. \
Fields may be added to answers, never renamed or removed. Times ending in `_ms` are milliseconds since 1970 (UTC).

Pages are not in this document; the forms that they post are, under `forms`.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Transferscope", description = INTRODUCTION, license(name = "MIT OR Apache-2.0")),
    components(schemas(transferscope_domain::api::Problem)),
    tags(
        (name = "server", description = "The server, its tasks and its backbones"),
        (name = "datasets", description = "Data sets, their cases, and pictures of single slices"),
        (name = "experiments", description = "Runs that were started together, and their joint analysis"),
        (name = "runs", description = "Single trainings"),
        (name = "queue", description = "The order in which runs start"),
        (name = "backbones", description = "Pre-training"),
        (name = "leaderboard", description = "Ranked results"),
        (name = "shares", description = "Links that others can open"),
        (name = "streams", description = "Server-sent events; the schema is that of a message's data"),
        (name = "exports", description = "Tables as CSV"),
        (name = "files", description = "Drawings, reports and other files"),
        (name = "forms", description = "Forms that pages post; each ends with a redirect to a page"),
    )
)]
struct Frame;

/// The fields of a posted form.
#[derive(ToSchema)]
pub struct FormFields(pub BTreeMap<String, String>);

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "get_openapi", tag = "server", responses(
    (status = 200, body = BTreeMap<String, Value>, description = "An OpenAPI 3.1 document"),
))]
pub async fn serve() -> impl IntoResponse {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
    Json(&*DOCUMENT)
}

/// The whole document.
pub fn document() -> Value {
    let mut made = Frame::openapi();
    made.merge(addresses().into_openapi());
    // Maps of texts and numbers: there is nothing in it that has no JSON.
    let mut document = serde_json::to_value(made).unwrap_or_default();
    document["components"]["securitySchemes"]["token"] = json!({ "type": "http", "scheme": "bearer", "description": "The server's token; not needed on its own machine" });
    for (_, item) in entries(&mut document["paths"]) {
        for (method, operation) in entries(item) {
            complete(method, operation);
        }
    }
    for (name, schema) in entries(&mut document["components"]["schemas"]) {
        describe(name, schema);
    }
    document
}

/// The fields of an object; none of anything else.
fn entries(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}

/// Adds to an operation what its kind always has.
fn complete(method: &str, operation: &mut Value) {
    let writes = method != "get";
    if writes {
        operation["security"] = json!([{}, { "token": [] }]);
    }
    // By `get_mut`: an index would write a null where there are none.
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        if text(&parameter["description"]).is_empty()
            && let Some(words) = words::parameter(&name)
        {
            parameter["description"] = words.into();
        }
    }
    let problem = |description: &str| {
        json!({ "description": description, "content": {
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } }
        } })
    };
    let mut responses: Map<String, Value> =
        operation["responses"].as_object_mut().map(std::mem::take).unwrap_or_default();
    if writes {
        for status in ["401", "403"] {
            responses.entry(status).or_insert_with(|| problem(""));
        }
    }
    responses.insert("default".into(), problem("What went wrong otherwise"));
    for (status, response) in &mut responses {
        if text(&response["description"]).is_empty() {
            response["description"] = words::status(status).into();
        }
    }
    operation["responses"] = Value::Object(responses);
}

/// Adds what many fields share to the properties of a schema that say nothing themselves.
fn describe(name: &str, schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "properties" {
                    for (property, schema) in entries(value) {
                        if text(&schema["description"]).is_empty()
                            && let Some(words) = words::property(name, property)
                            && let Some(schema) = schema.as_object_mut()
                        {
                            schema.insert("description".into(), words.into());
                        }
                    }
                }
                describe(name, value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|part| describe(name, part)),
        _ => {}
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
