//! The API's contract: every operation of `/api/v1/openapi.json` is called on a server in which everything has
//! happened, and every answer is held against the schema that the document declares for it, without a field more.

mod strict;

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use transferscope_domain::RunState;
use transferscope_tests::{
    TINY,
    filled::{Answer, Filled, HOST, NAME},
};

use strict::Contract;

/// Addresses of every GET operation, by its template.
fn reads(filled: &Filled) -> BTreeMap<&'static str, Vec<String>> {
    let Filled { whole, single, open, case, live, frozen, .. } = filled;
    let run = &filled.runs[&RunState::Succeeded];
    let every = |path: &str| -> Vec<String> {
        filled.runs.values().map(|run| format!("/api/v1/runs/{run}{path}")).collect()
    };
    let [of_one, of_two] = &filled.snapshots;
    let papers = [
        "table.csv",
        "table.md",
        "table.tex",
        "methods.md",
        "references.bib",
        "repeat.toml",
        "analysis.json",
        "gain.svg",
        "gain.png",
        "epochs.svg",
        "epochs.png",
    ];
    let slices = format!("/api/v1/datasets/{TINY}/cases/{case}");
    BTreeMap::from([
        ("/api/v1/health", vec!["/api/v1/health".into()]),
        ("/api/v1/tasks", vec!["/api/v1/tasks".into()]),
        ("/api/v1/openapi.json", vec!["/api/v1/openapi.json".into()]),
        ("/api/v1/backbones", vec!["/api/v1/backbones".into()]),
        (
            "/api/v1/backbones/{name}",
            ["provicnet-mini", "profound-conv-mini"].map(|n| format!("/api/v1/backbones/{n}")).into(),
        ),
        ("/api/v1/datasets", vec!["/api/v1/datasets".into()]),
        ("/api/v1/datasets/{name}", vec![format!("/api/v1/datasets/{TINY}")]),
        ("/api/v1/datasets/{name}/cases/{case}", vec![slices.clone()]),
        (
            "/api/v1/datasets/{name}/cases/{case}/slices/{file}",
            vec![format!("{slices}/slices/0.png"), format!("{slices}/slices/1.png?channel=zones&style=tint")],
        ),
        (
            "/api/v1/datasets/{name}/cases/{case}/sheet.png",
            vec![format!("{slices}/sheet.png?channel=adc&low=0&high=2000")],
        ),
        ("/api/v1/experiments", vec!["/api/v1/experiments".into()]),
        (
            "/api/v1/experiments/{id}",
            [whole, single, open].map(|e| format!("/api/v1/experiments/{e}")).into(),
        ),
        (
            "/api/v1/experiments/{id}/analysis",
            vec![
                format!("/api/v1/experiments/{whole}/analysis"),
                format!(
                    "/api/v1/experiments/{whole}/analysis?against=scratch&alignment=cka&layer=first&unlearnt=1"
                ),
                format!("/api/v1/experiments/{whole}/analysis?kernel=rbf-sum&estimator=biased"),
                format!("/api/v1/experiments/{single}/analysis?against=scratch"),
                format!("/api/v1/experiments/{open}/analysis"),
            ],
        ),
        ("/api/v1/comparisons", vec![format!("/api/v1/comparisons?id={whole}&id={single}")]),
        (
            "/experiments/{id}/export/{file}",
            papers.iter().map(|file| format!("/experiments/{whole}/export/{file}?against=scratch")).collect(),
        ),
        (
            "/api/v1/runs",
            vec![
                "/api/v1/runs".into(),
                "/api/v1/runs?limit=2".into(),
                format!(
                    "/api/v1/runs?state=failed&task=segmentation&dataset={TINY}&experiment={open}&backbone=unet"
                ),
            ],
        ),
        ("/api/v1/runs/{id}", every("")),
        (
            "/api/v1/runs/{id}/metrics",
            vec![
                format!("/api/v1/runs/{run}/metrics?name=train/loss&max_points=4"),
                format!("/api/v1/runs/{run}/metrics?name=val/dice"),
            ],
        ),
        (
            "/api/v1/runs/{id}/metrics.csv",
            [every("/metrics.csv"), every("/metrics.csv?name=train/loss")].concat(),
        ),
        ("/api/v1/runs/{id}/alignment", every("/alignment")),
        ("/api/v1/runs/{id}/cases", every("/cases")),
        (
            "/api/v1/runs/{id}/events",
            vec![format!("/api/v1/runs/{run}/events"), format!("/api/v1/runs/{run}/events?after=3")],
        ),
        ("/api/v1/queue", vec!["/api/v1/queue".into()]),
        ("/api/v1/queue/events", vec!["/api/v1/queue/events".into()]),
        (
            "/api/v1/leaderboard",
            vec![
                "/api/v1/leaderboard".into(),
                "/api/v1/leaderboard?group=run&sort=-mean&mix=1".into(),
                format!(
                    "/api/v1/leaderboard?task=segmentation&dataset={TINY}&experiment={single}&metric=dice"
                ),
                "/api/v1/leaderboard?asof=2001-02-03".into(),
            ],
        ),
        ("/api/v1/leaderboard.csv", vec!["/api/v1/leaderboard.csv".into()]),
        ("/api/v1/shares/{slug}", [live, frozen].map(|s| format!("/api/v1/shares/{s}")).into()),
        ("/api/v1/snapshots/{slug}", [of_one, of_two].map(|s| format!("/api/v1/snapshots/{s}")).into()),
        ("/runs/{id}/report.json", vec![format!("/runs/{run}/report.json")]),
        (
            "/runs/{id}/log",
            [RunState::Queued, RunState::Succeeded]
                .map(|state| format!("/runs/{}/log", filled.runs[&state]))
                .into(),
        ),
        ("/runs/{id}/tensorboard", vec![format!("/runs/{run}/tensorboard")]),
        ("/s/{slug}/export.html", [frozen, of_one, of_two].map(|s| format!("/s/{s}/export.html")).into()),
        ("/s/{slug}/preview.png", [live, frozen, of_one].map(|s| format!("/s/{s}/preview.png")).into()),
        ("/runs/{id}/previews/{file}", vec![format!("/runs/{run}/previews/epoch-4.png")]),
        (
            "/runs/{id}/charts/{file}",
            ["loss", "primary", "alignment", "drift"]
                .iter()
                .flat_map(|chart| {
                    ["svg", "png"].map(|end| format!("/runs/{run}/charts/{chart}.{end}?theme=dark&width=400"))
                })
                .collect(),
        ),
        (
            "/compare/charts/{file}",
            vec![format!("/compare/charts/any.svg?runs={run},{}&seeds=1", filled.finished[1])],
        ),
    ])
}

/// A request of every operation that changes something, in an order in which each can be done: method, template,
/// address, body (a form where it is text), and what it answers.
fn writes(filled: &Filled) -> Vec<(Method, &'static str, String, Value, u16)> {
    let Filled { whole, single, open, live, frozen, .. } = filled;
    let run = &filled.runs[&RunState::Succeeded];
    let (queued, running, preparing) = (
        &filled.runs[&RunState::Queued],
        &filled.runs[&RunState::Running],
        &filled.runs[&RunState::Preparing],
    );
    let failed = &filled.runs[&RunState::Failed];
    let spec = json!({
        "name": "another", "backbones": [], "tasks": ["segmentation"], "arms": ["specialist"], "dataset": TINY,
        "seeds": [1], "epochs": 1, "overrides": { "lr": 1e-3 },
    });
    let pretrain = json!({
        "objective": "mae", "architecture": "profound-conv-mini", "dataset": TINY, "name": "mine", "epochs": 1,
    });
    let view = json!({ "x": "step" });
    let post = Method::POST;
    vec![
        (post.clone(), "/api/v1/experiments", "/api/v1/experiments".into(), spec, 201),
        (post.clone(), "/api/v1/pretrainings", "/api/v1/pretrainings".into(), pretrain, 201),
        (
            post.clone(),
            "/api/v1/runs/{id}/move",
            format!("/api/v1/runs/{queued}/move"),
            json!({ "to": "first" }),
            200,
        ),
        (
            post.clone(),
            "/api/v1/experiments/{id}/move",
            format!("/api/v1/experiments/{open}/move"),
            json!({ "to": "last" }),
            200,
        ),
        (post.clone(), "/api/v1/runs/{id}/cancel", format!("/api/v1/runs/{running}/cancel"), json!({}), 200),
        (post.clone(), "/api/v1/runs/{id}/cancel", format!("/api/v1/runs/{run}/cancel"), json!({}), 409),
        (post.clone(), "/api/v1/runs/{id}/resume", format!("/api/v1/runs/{failed}/resume"), json!({}), 409),
        (post.clone(), "/runs/{id}/resume", format!("/runs/{failed}/resume"), json!(""), 409),
        (post.clone(), "/sign-in", "/sign-in".into(), json!("to=/runs"), 303),
        (post.clone(), "/api/v1/runs/{id}/repeat", format!("/api/v1/runs/{run}/repeat"), json!({}), 201),
        (
            post.clone(),
            "/api/v1/shares",
            "/api/v1/shares".into(),
            json!({ "runs": [run], "view": view, "frozen": true }),
            201,
        ),
        (
            post.clone(),
            "/api/v1/snapshots",
            "/api/v1/snapshots".into(),
            json!({ "experiments": [whole] }),
            201,
        ),
        (post.clone(), "/runs/{id}/move", format!("/runs/{queued}/move"), json!("to=last"), 303),
        (post.clone(), "/experiments/{id}/move", format!("/experiments/{open}/move"), json!("to=first"), 303),
        (post.clone(), "/runs/{id}/cancel", format!("/runs/{preparing}/cancel"), json!(""), 303),
        (post.clone(), "/runs/{id}/repeat", format!("/runs/{run}/repeat"), json!(""), 303),
        (
            post.clone(),
            "/compare/share",
            "/compare/share".into(),
            json!(format!("runs={run}&frozen=1&x=step")),
            303,
        ),
        (
            post.clone(),
            "/experiments/freeze",
            "/experiments/freeze".into(),
            json!(format!("id={whole}&id={single}")),
            303,
        ),
        (post.clone(), "/experiments/{id}/fill", format!("/experiments/{open}/fill"), json!(""), 303),
        (post.clone(), "/experiments/{id}/predict", format!("/experiments/{open}/predict"), json!(""), 303),
        (post.clone(), "/new", "/new".into(), json!("tasks=nonsense"), 303),
        (post.clone(), "/backbones/pretrain", "/backbones/pretrain".into(), json!("objective=mae"), 303),
        (post.clone(), "/s/{slug}/revoke", format!("/s/{frozen}/revoke"), json!(""), 303),
        (Method::DELETE, "/api/v1/shares/{slug}", format!("/api/v1/shares/{live}"), Value::Null, 204),
        (Method::DELETE, "/api/v1/shares/{slug}", format!("/api/v1/shares/{live}"), Value::Null, 410),
        (post.clone(), "/experiments/{id}/cancel", format!("/experiments/{open}/cancel"), json!(""), 303),
        (
            post,
            "/api/v1/experiments/{id}/cancel",
            format!("/api/v1/experiments/{open}/cancel"),
            json!({}),
            200,
        ),
    ]
}

/// A template with something in every place that names nothing.
fn unknown(template: &str) -> String {
    let part =
        |(i, part): (usize, &str)| if i % 2 == 1 { "nothing-of-this".to_owned() } else { part.to_owned() };
    template.split(['{', '}']).enumerate().map(part).collect()
}

async fn ask(filled: &Filled, method: Method, path: &str) -> Answer {
    filled.send(Request::builder().method(method).uri(path).body(Body::empty()).expect("a request")).await
}

/// The messages of a stream's first piece: their data.
async fn first_messages(filled: &Filled, path: &str) -> Vec<Value> {
    let request = Request::get(path).header(header::HOST, HOST).body(Body::empty()).expect("a request");
    let response = filled.router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream", "{path}");
    let piece = response.into_body().into_data_stream().next().await.expect("a message").expect("bytes");
    messages(&String::from_utf8_lossy(&piece))
}

fn messages(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).expect("data is JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_document_says() {
    let filled = Filled::new(|state| state).await;
    let contract = Contract::of(filled.get("/api/v1/openapi.json").await.json());
    let done = filled.state.data.run(&filled.runs[&RunState::Succeeded]);
    std::fs::write(done.join("worker.log"), "what it printed\n").expect("a log is written");
    let reads = reads(&filled);
    let mut tried = BTreeSet::new();
    let mut faults = Vec::new();

    for (template, addresses) in &reads {
        for path in addresses {
            if *template == "/api/v1/queue/events" {
                for message in first_messages(&filled, path).await {
                    contract.check_json(
                        "get",
                        template,
                        200,
                        "text/event-stream",
                        &message,
                        path,
                        &mut faults,
                    );
                }
                continue;
            }
            let answer = filled.get(path).await;
            if answer.status != 200 {
                faults.push(format!("{path}: {} {}", answer.status, answer.text()));
                continue;
            }
            if answer.kind() == "text/event-stream" {
                let events = messages(&answer.text());
                assert!(events.len() > 3, "{path}: {}", answer.text());
                for event in &events {
                    contract.check_json("get", template, 200, "text/event-stream", event, path, &mut faults);
                }
                continue;
            }
            contract.check("get", template, path, &answer, &mut faults);
        }
        tried.insert(("get".to_owned(), (*template).to_owned()));

        // Without a body the same; with a query that it does not know, or of something unknown, a problem.
        let first = &addresses[0];
        let head = ask(&filled, Method::HEAD, first).await;
        if head.status != 200 || !head.body.is_empty() {
            faults.push(format!("HEAD {first}: {} with {} bytes", head.status, head.body.len()));
        }
        let passes_over =
            contract.tag("get", template) == "files" || contract.query("get", template).is_empty();
        if !template.contains("events") || !passes_over {
            let sign = if first.contains('?') { '&' } else { '?' };
            let path = format!("{first}{sign}no-such-name=1");
            let answer = filled.get(&path).await;
            let wanted = if passes_over { 200 } else { 422 };
            if answer.status != wanted {
                faults.push(format!("{path}: {} instead of {wanted}: {}", answer.status, answer.text()));
            }
            contract.check("get", template, &path, &answer, &mut faults);
        }
        if template.contains('{') {
            // Which curve is asked before whose.
            let query = if template.ends_with("/metrics") { "?name=val/dice" } else { "" };
            let path = unknown(template) + query;
            let answer = filled.get(&path).await;
            if answer.status != 404 {
                faults.push(format!("{path}: {} instead of 404: {}", answer.status, answer.text()));
            }
            contract.check("get", template, &path, &answer, &mut faults);
        }
    }

    // A link that was taken back, a run that has nothing yet, a stream that has nothing more.
    let revoked = &filled.revoked;
    let (failed, done) = (&filled.runs[&RunState::Failed], &filled.runs[&RunState::Succeeded]);
    for (template, path, status) in [
        ("/api/v1/shares/{slug}", format!("/api/v1/shares/{revoked}"), 410),
        ("/s/{slug}/export.html", format!("/s/{revoked}/export.html"), 410),
        ("/s/{slug}/export.html", format!("/s/{}/export.html", filled.live), 409),
        ("/s/{slug}/preview.png", format!("/s/{revoked}/preview.png"), 410),
        ("/runs/{id}/report.json", format!("/runs/{failed}/report.json"), 404),
        // Its directory holds no log, though it had a worker.
        ("/runs/{id}/log", format!("/runs/{failed}/log"), 410),
        ("/api/v1/runs/{id}/events", format!("/api/v1/runs/{done}/events?after=100000"), 204),
        ("/api/v1/runs/{id}/metrics", format!("/api/v1/runs/{done}/metrics"), 422),
        ("/api/v1/runs", "/api/v1/runs?limit=0&state=asleep".into(), 422),
        ("/api/v1/leaderboard", "/api/v1/leaderboard?group=herd&asof=yesterday".into(), 422),
        (
            "/api/v1/experiments/{id}/analysis",
            format!("/api/v1/experiments/{}/analysis?layer=top", filled.whole),
            422,
        ),
        ("/api/v1/comparisons", "/api/v1/comparisons".into(), 422),
        ("/compare/charts/{file}", "/compare/charts/any.svg".into(), 422),
    ] {
        let answer = filled.get(&path).await;
        if answer.status != status {
            faults.push(format!("{path}: {} instead of {status}: {}", answer.status, answer.text()));
        }
        contract.check("get", template, &path, &answer, &mut faults);
    }

    // A method that an address does not take.
    for (path, methods) in contract.methods() {
        let answer = ask(&filled, Method::PUT, &unknown(&path)).await;
        let allowed =
            answer.headers.get(header::ALLOW).map_or("", |v| v.to_str().unwrap_or_default()).to_lowercase();
        if answer.status != 405 || methods.iter().any(|m| !allowed.contains(m.as_str())) {
            faults.push(format!("PUT {path}: {}, Allow: {allowed:?}", answer.status));
        }
        contract.check(&methods[0], &path, &path, &answer, &mut faults);
    }

    for (method, template, path, body, status) in writes(&filled) {
        let (kind, body) = match body {
            Value::String(form) => ("application/x-www-form-urlencoded", form),
            other => ("application/json", other.to_string()),
        };
        let request = Request::builder().method(&method).uri(&path).header(header::CONTENT_TYPE, kind);
        let answer = filled.send(request.body(body.into()).expect("a request")).await;
        if answer.status != status {
            faults.push(format!("{method} {path}: {} instead of {status}: {}", answer.status, answer.text()));
        }
        let method = method.as_str().to_lowercase();
        contract.check(&method, template, &path, &answer, &mut faults);
        tried.insert((method.clone(), template.to_owned()));
        if template.contains('{') && status < 400 {
            let path = unknown(template);
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let body =
                if kind.contains("json") { json!({ "to": "first" }).to_string() } else { "to=first".into() };
            let request = request.header(header::CONTENT_TYPE, kind).body(body.into()).expect("a request");
            let answer = filled.send(request).await;
            if answer.status != 404 {
                faults.push(format!("{method} {path}: {} instead of 404: {}", answer.status, answer.text()));
            }
            contract.check(&method, template, &path, &answer, &mut faults);
        }
    }

    let untried: Vec<_> = contract.operations().into_iter().filter(|o| !tried.contains(o)).collect();
    assert!(untried.is_empty(), "this test does not call {untried:?}");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// What somebody called an experiment reads the same in every file that it leaves in.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_reads_the_same_in_every_export() {
    let filled = Filled::new(|state| state).await;
    let file = async |name: &str| {
        let answer = filled.get(&format!("/experiments/{}/export/{name}", filled.single)).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        answer.text()
    };
    let tex = file("table.tex").await;
    assert!(tex.is_ascii(), "{tex}");
    let escaped = "A\\_b 50\\% \\& \\$x\\textasciicircum{}2 \\textasciitilde{} {\\ttfamily\\char34}q{\\ttfamily\\char34} \
                   \\textbar{} \\textless{}C\\textgreater{} \\'{e} $\\geq$ [U+1F600]";
    assert!(tex.contains(escaped), "{tex}");
    let repeat: toml::Table = toml::from_str(&file("repeat.toml").await).expect("a specification");
    assert_eq!(repeat["name"].as_str(), Some(NAME));
    assert!(file("references.bib").await.is_ascii());
    for line in file("table.md").await.lines().take_while(|line| line.starts_with('|')) {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 7, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_nobody_declared_is_found() {
    let document = json!({
        "paths": { "/a": { "get": { "responses": { "200": { "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/A" } } } } } } } },
        "components": { "schemas": {
            "A": { "allOf": [{ "$ref": "#/components/schemas/B" }, { "type": "object", "properties": { "x": { "type": "integer" } } }] },
            "B": { "type": "object", "properties": { "y": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/C" }] } } },
            "C": { "type": "object", "properties": { "z": { "type": "array", "items": { "$ref": "#/components/schemas/B" } } } },
        } },
    });
    let contract = Contract::of(document);
    let faults = |body: Value| {
        let mut faults = Vec::new();
        contract.check_json("get", "/a", 200, "application/json", &body, "/a", &mut faults);
        faults
    };
    assert_eq!(faults(json!({ "x": 1, "y": { "z": [{ "y": null }] } })), Vec::<String>::new());
    for wrong in [
        json!({ "x": 1, "more": 2 }),
        json!({ "y": { "z": [], "more": 2 } }),
        json!({ "y": { "z": [{ "more": 1 }] } }),
        json!({ "x": "one" }),
    ] {
        assert_eq!(faults(wrong.clone()).len(), 1, "{wrong}");
    }
}
