//! Answers held against the schemas of an OpenAPI document, taken at their word: a field that no schema names is a
//! fault.

use std::collections::BTreeMap;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use transferscope_tests::filled::Answer;

/// Schemas of objects that may hold anything: what a frozen page kept, in the version that it names, and the document
/// itself.
const FREE: [&str; 1] = ["data"];

/// A document whose schemas allow no more than they name.
pub struct Contract {
    document: Value,
    schemas: Schemas,
    /// Schemas of the answers: method, template, status and kind.
    answers: BTreeMap<[String; 4], SchemaIndex>,
}

/// Where the document is said to be, for references inside it.
const PLACE: &str = "http://test/openapi.json";

impl Contract {
    pub fn of(mut document: Value) -> Self {
        for schema in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
            // Where a schema is used decides, since it may be a part of another.
            close(schema.1, true);
        }
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object_mut().expect("paths") {
            for (method, operation) in item.as_object_mut().expect("operations") {
                for (status, response) in operation["responses"].as_object_mut().expect("responses") {
                    for (kind, content) in response["content"].as_object_mut().into_iter().flatten() {
                        close(&mut content["schema"], false);
                        found.push([method, path, status, kind].map(Clone::clone));
                    }
                }
            }
        }
        let mut compiler = Compiler::new();
        compiler.add_resource(PLACE, document.clone()).expect("a document");
        let mut schemas = Schemas::new();
        let mut compile = |key: [String; 4]| {
            let part = |name: &str| {
                name.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D")
            };
            let [method, path, status, kind] = key.each_ref().map(|name| part(name));
            let place = format!("{PLACE}#/paths/{path}/{method}/responses/{status}/content/{kind}/schema");
            let schema = compiler.compile(&place, &mut schemas).unwrap_or_else(|e| panic!("{place}: {e:#}"));
            (key, schema)
        };
        let answers = found.into_iter().map(&mut compile).collect();
        Self { document, schemas, answers }
    }

    fn operation(&self, method: &str, template: &str) -> &Value {
        &self.document["paths"][template][method]
    }

    /// Every operation: method and template.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.methods();
        paths
            .into_iter()
            .flat_map(|(path, methods)| methods.into_iter().map(move |m| (m, path.clone())))
            .collect()
    }

    /// Every template with its methods.
    pub fn methods(&self) -> Vec<(String, Vec<String>)> {
        let paths = self.document["paths"].as_object().expect("paths").iter();
        paths
            .map(|(path, item)| {
                (path.clone(), item.as_object().expect("operations").keys().cloned().collect())
            })
            .collect()
    }

    pub fn tag(&self, method: &str, template: &str) -> &str {
        self.operation(method, template)["tags"][0].as_str().unwrap_or_default()
    }

    /// Names of the query that an operation takes.
    pub fn query(&self, method: &str, template: &str) -> Vec<&str> {
        let parameters = self.operation(method, template)["parameters"].as_array().into_iter().flatten();
        parameters.filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str()).collect()
    }

    /// Whether an answer is one that the document declares.
    pub fn check(&self, method: &str, template: &str, path: &str, answer: &Answer, faults: &mut Vec<String>) {
        let status = answer.status.as_u16();
        let Some(response) = self.response(method, template, status) else {
            faults.push(format!("{method} {path}: {status} is not declared: {}", answer.text()));
            return;
        };
        let kind = answer.kind();
        let declared = response["content"].as_object();
        if answer.body.is_empty() {
            if declared.is_some() && kind.is_empty() {
                faults.push(format!("{method} {path}: {status} has no body"));
            }
            return;
        }
        if !declared.is_some_and(|content| content.contains_key(kind)) {
            faults.push(format!("{method} {path}: {status} is {kind:?}, which is not declared"));
            return;
        }
        if kind.ends_with("json") {
            self.check_json(method, template, status, kind, &answer.json(), path, faults);
        } else if !looks_like(kind, &answer.body) {
            faults.push(format!("{method} {path}: this is no {kind}: {:.100}", answer.text()));
        }
    }

    fn response(&self, method: &str, template: &str, status: u16) -> Option<&Value> {
        let responses = &self.operation(method, template)["responses"];
        let found = responses.get(status.to_string());
        // What may go wrong anywhere is declared once; success must be declared by its number.
        found.or_else(|| if status >= 400 { responses.get("default") } else { None })
    }

    /// Whether JSON is what the document declares for it.
    #[expect(
        clippy::too_many_arguments,
        reason = "where the answer comes from, what it is, and where faults go"
    )]
    pub fn check_json(
        &self,
        method: &str,
        template: &str,
        status: u16,
        kind: &str,
        body: &Value,
        path: &str,
        faults: &mut Vec<String>,
    ) {
        let key = |status: &str| [method, template, status, kind].map(str::to_owned);
        let found = self.answers.get(&key(&status.to_string()));
        let Some(schema) = found.or_else(|| self.answers.get(&key("default")).filter(|_| status >= 400))
        else {
            faults.push(format!("{method} {path}: {status} {kind} has no schema"));
            return;
        };
        if let Err(error) = self.schemas.validate(body, *schema) {
            // The first lines: the same field may be wrong in a thousand rows.
            let lines: Vec<String> =
                format!("{error:#}").lines().skip(1).take(12).map(str::to_owned).collect();
            faults.push(format!("{method} {path}: {}", lines.join("\n  ")));
        }
    }
}

/// Lets a schema allow no more than it names; `part` for one that others are combined with.
fn close(schema: &mut Value, part: bool) {
    let Some(fields) = schema.as_object_mut() else { return };
    let says_more =
        ["properties", "$ref", "allOf", "oneOf", "anyOf"].iter().any(|key| fields.contains_key(*key));
    if !part && says_more && !fields.contains_key("additionalProperties") {
        fields.insert("unevaluatedProperties".into(), json!(false));
    }
    for (key, value) in fields {
        match key.as_str() {
            "properties" => {
                for (name, schema) in value.as_object_mut().into_iter().flatten() {
                    if *schema == json!({ "type": "object" })
                        || (schema["type"] == "object" && schema.get("properties").is_none())
                    {
                        let free =
                            FREE.contains(&name.as_str()) || schema.get("additionalProperties").is_some();
                        assert!(free, "the schema of {name} says nothing: {schema}");
                    }
                    close(schema, false);
                }
            }
            "items" | "additionalProperties" => close(value, false),
            "prefixItems" => value.as_array_mut().into_iter().flatten().for_each(|v| close(v, false)),
            "allOf" | "oneOf" | "anyOf" => {
                value.as_array_mut().into_iter().flatten().for_each(|v| close(v, true))
            }
            _ => {}
        }
    }
}

/// Whether bytes are of their kind, as far as their beginning and their letters tell.
fn looks_like(kind: &str, body: &[u8]) -> bool {
    match kind {
        "image/png" => body.starts_with(b"\x89PNG\r\n\x1a\n"),
        "application/octet-stream" => !body.is_empty(),
        _ => {
            let Ok(text) = std::str::from_utf8(body) else { return false };
            match kind {
                "image/svg+xml" => text.starts_with("<svg") || text.starts_with("<?xml"),
                "text/html" => text.to_lowercase().starts_with("<!doctype html"),
                "text/csv" => text.lines().all(|line| line.contains(',')),
                _ => true,
            }
        }
    }
}
