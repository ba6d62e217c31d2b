//! The document by itself: valid, complete, and without a word that nothing needs. What the server answers is held
//! against it in `tests/behaviour/contract.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// The schema of OpenAPI 3.1 documents of 2022-10-07, as the OpenAPI Initiative publishes it (Apache-2.0).
const OPENAPI_31: &str = include_str!("openapi-3.1.schema.json");

/// Every operation with where it stands.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

/// Calls `look` with every value of a document and where it stands.
fn walk(place: &str, value: &Value, look: &mut impl FnMut(&str, &Value)) {
    look(place, value);
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| walk(&format!("{place}/{key}"), value, look));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| walk(&format!("{place}/{i}"), v, look))
        }
        _ => {}
    }
}

/// What is wrong with a value by a schema; nothing where it is as the schema says.
fn fault(schema: &Value, value: &Value) -> Option<String> {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("http://test/schema.json", schema.clone()).unwrap();
    let compiled = compiler.compile("http://test/schema.json", &mut schemas).unwrap();
    schemas.validate(value, compiled).err().map(|error| format!("{error:#}"))
}

#[test]
fn the_document_is_openapi_3_1() {
    let schema: Value = serde_json::from_str(OPENAPI_31).unwrap();
    let document = document();
    assert_eq!(fault(&schema, &document), None);
    // It would find a fault.
    let mut wrong = document.clone();
    wrong["paths"]["/api/v1/health"]["get"]["responses"]["200"]["description"] = json!(7);
    assert!(fault(&schema, &wrong).is_some());
    // What it leaves to others: schemas are those of JSON Schema, and every reference leads somewhere.
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let of_schemas = json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" });
        assert_eq!(fault(&of_schemas, schema), None, "{name}");
    }
    walk("", &document, &mut |place, value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let pointer =
                target.strip_prefix('#').unwrap_or_else(|| panic!("{place}: {target} leads outside"));
            assert!(document.pointer(pointer).is_some(), "{place}: {target} leads nowhere");
        }
    });
}

#[test]
fn operations_have_ids_of_their_own_and_the_parameters_of_their_paths() {
    let document = document();
    let mut ids = BTreeMap::new();
    for (place, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{place} has no id"));
        if let Some(other) = ids.insert(id, place.clone()) {
            panic!("{id} is the id of {other} and of {place}");
        }
        let named: BTreeSet<&str> =
            place.split(['{', '}']).enumerate().filter(|(i, _)| i % 2 == 1).map(|(_, name)| name).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str| -> Vec<&str> {
            parameters.iter().filter(|p| p["in"] == kind).map(|p| p["name"].as_str().unwrap()).collect()
        };
        assert_eq!(of("path").iter().copied().collect::<BTreeSet<_>>(), named, "{place}");
        let query = of("query");
        assert_eq!(query.len(), query.iter().collect::<BTreeSet<_>>().len(), "{place}: a parameter twice");
        if !named.is_empty() {
            assert!(
                operation["responses"]["404"].is_object(),
                "{place} does not say what an unknown id answers"
            );
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let wrong = status == "default" || status.starts_with(['4', '5']);
            let kinds: Vec<&String> =
                response["content"].as_object().map(|c| c.keys().collect()).unwrap_or_default();
            if wrong {
                assert_eq!(kinds, ["application/problem+json"], "{place} {status}");
            } else {
                assert!(!kinds.iter().any(|k| k.contains("problem")), "{place} {status}");
            }
        }
        let tag = &operation["tags"][0];
        assert!(document["tags"].as_array().unwrap().iter().any(|t| t["name"] == *tag), "{place}: tag {tag}");
    }
}

#[test]
fn everything_has_words() {
    let document = document();
    let mut bare = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (place, operation) in operations(&document) {
        if text(&operation["summary"]).is_empty() {
            bare.insert(place.clone());
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            seen.insert(text(&parameter["name"]).to_owned());
            if text(&parameter["description"]).is_empty() {
                bare.insert(format!("{place}: {}", parameter["name"]));
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            if text(&response["description"]).is_empty() {
                bare.insert(format!("{place}: {status}"));
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        walk(name, schema, &mut |place, value| {
            let Some(properties) = value.get("properties").and_then(Value::as_object) else { return };
            for (property, schema) in properties {
                seen.insert(property.clone());
                seen.insert(format!("{name}.{property}"));
                // The discriminator of an enumeration is described by the enumeration.
                let constant = schema["enum"].as_array().is_some_and(|e| e.len() == 1);
                if text(&schema["description"]).is_empty() && !constant {
                    bare.insert(format!("{place}: {property}"));
                }
            }
        });
    }
    assert!(bare.is_empty(), "no words: {bare:#?}");
    let unused: Vec<&str> = words::names().filter(|name| !seen.contains(*name)).collect();
    assert!(unused.is_empty(), "words for nothing: {unused:?}");
}

/// An address that is added beside the list would be none of the document.
#[test]
fn the_router_has_no_address_beside_the_list() {
    let source = include_str!("../router.rs");
    assert!(!source.contains(".route("), "add handlers to `reading` or `writing` of router.rs");
}
