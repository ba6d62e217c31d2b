//! Data sets, their checks, cases and pictures.

use std::time::{Duration, Instant};

use transferscope_ml::data::synth::{SynthOptions, generate};

use super::*;

/// A server with phantoms besides.
async fn with_phantoms() -> (TestApp, DatasetManifest) {
    let app = TestApp::new().await;
    let options =
        SynthOptions { name: "small".into(), patients: 3, test_only: 0, seed: 5, size: [6, 32, 32] };
    let manifest = generate(&app.state.data.datasets(), &options, &|_, _| ()).unwrap();
    (app, manifest)
}

async fn checked(app: &TestApp, name: &str) -> Value {
    let start = Instant::now();
    loop {
        let detail = app.get(&format!("/api/v1/datasets/{name}")).await.json();
        if detail["check"]["status"]["state"] != "running" {
            return detail;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{detail}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn side(png: &[u8]) -> [u32; 2] {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert!(png.starts_with(b"\x89PNG"));
    [number(16), number(20)]
}

#[tokio::test]
async fn a_data_set_is_checked_while_nobody_waits() {
    let (app, manifest) = with_phantoms().await;
    let list = app.get("/api/v1/datasets").await.json();
    assert_eq!(list["datasets"].as_array().unwrap().len(), 2);
    let first = app.get("/api/v1/datasets/small").await.json();
    assert_eq!(first["check"]["report"]["cases"], 3);
    let detail = checked(&app, "small").await;
    assert_eq!(detail["hash"], manifest.hash.as_str());
    // Three patients are too few to have cancer and none in every split: warnings, but no error.
    let findings = detail["check"]["report"]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|f| f["severity"] == "warning"), "{findings:?}");
    assert_eq!(detail["check"]["report"]["labels"]["zones"], serde_json::json!([0, 1, 2]));
    assert_eq!(detail["runs"], 0);
    let task = |target: &str| {
        let tasks = detail["tasks"].as_array().unwrap();
        tasks.iter().find(|t| t["task"] == "segmentation" && t["target"] == target).unwrap().clone()
    };
    assert_eq!(task("zones")["cases"], serde_json::json!({"train": 1, "val": 1, "test": 1}));
    assert_eq!(task("lesion")["inputs"], serde_json::json!(["t2w", "hbv", "adc"]));
    assert!(task("zones")["problem"].is_null());
    // Its cases are not there: errors, and all the same a report.
    let tiny = checked(&app, "tiny").await;
    assert!(tiny["check"]["report"]["findings"].as_array().unwrap().len() >= 3, "{tiny}");
    for bad in ["none", "..%2Fsmall", "%2e%2e", "Small"] {
        app.get(&format!("/api/v1/datasets/{bad}")).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_case_says_what_a_viewer_needs() {
    let (app, manifest) = with_phantoms().await;
    let ids: Vec<&str> = manifest.cases.iter().map(|c| c.case_id.as_str()).collect();
    let case = app.get(&format!("/api/v1/datasets/small/cases/{}", ids[1])).await.json();
    assert_eq!((case["previous"].as_str(), case["next"].as_str()), (Some(ids[0]), Some(ids[2])));
    assert_eq!(case["sheet"], serde_json::json!({"columns": 3, "rows": 2}));
    assert_eq!((&case["placement"]["left"], &case["placement"]["top"]), (&"R".into(), &"A".into()));
    let channels: Vec<_> = case["images"].as_array().unwrap().iter().map(|i| &i["channel"]).collect();
    assert_eq!(channels, ["t2w", "hbv", "adc"]);
    app.get("/api/v1/datasets/small/cases/nobody").await.problem(404, "not-found");
    app.get("/api/v1/datasets/small/cases/..%2F..%2Fsmall").await.problem(404, "not-found");

    let entry = manifest.cases.iter().find(|c| c.case_id == ids[0]).unwrap();
    let file = app.state.data.datasets().join("small").join(&entry.prepared);
    std::fs::write(file, b"damaged").unwrap();
    let broken = format!("/api/v1/datasets/small/cases/{}", ids[0]);
    app.get(&broken).await.problem(500, "internal");
    let page = app.get(&format!("/datasets/small/{}", ids[0])).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(page.text().contains("transferscope dataset check small"), "{}", page.text());
}

#[tokio::test]
async fn slices_are_pictures_that_browsers_keep() {
    let (app, manifest) = with_phantoms().await;
    let CaseEntry { case_id, hash, .. } = &manifest.cases[0];
    let base = format!("/api/v1/datasets/small/cases/{case_id}");
    let plain = app.get(&format!("{base}/slices/3.png")).await;
    assert_eq!((plain.status, plain.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/png"));
    assert_eq!(plain.header(header::CACHE_CONTROL), "private, no-cache");
    assert_eq!(side(&plain.body), [32, 32]);
    let address = format!("{base}/slices/3.png?channel=t2w&hash={hash}");
    let kept = app.get(&address).await;
    assert_eq!(kept.header(header::CACHE_CONTROL), "private, max-age=31536000, immutable");
    assert_eq!(kept.body, plain.body);
    let tag = kept.header(header::ETAG).to_owned();
    let again = Request::get(&address).header(header::IF_NONE_MATCH, &tag).body(Body::empty()).unwrap();
    let again = app.send(again).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let darker = app.get(&format!("{base}/slices/3.png?low=0&high=100000")).await;
    assert_ne!((darker.header(header::ETAG), &darker.body), (tag.as_str(), &plain.body));
    let mask = |style: &str| format!("{base}/slices/3.png?channel=zones&style={style}");
    let (outline, tint) = (app.get(&mask("outline")).await, app.get(&mask("tint")).await);
    assert_eq!(side(&outline.body), [32, 32]);
    assert_ne!(outline.body, tint.body);
    // Three columns and two rows, two pixels apart.
    let sheet = app.get(&format!("{base}/sheet.png?channel=adc")).await;
    assert_eq!(side(&sheet.body), [100, 66]);

    for file in ["6.png", "-1.png", "01.png", "+1.png", "3.jpg", "3", "..%2F3.png"] {
        app.get(&format!("{base}/slices/{file}")).await.problem(404, "not-found");
    }
    for (query, field) in [
        ("channel=dwi", "channel"),
        ("low=5&high=5", "low"),
        ("low=NaN", "low"),
        ("high=white", "high"),
        ("style=glow", "style"),
        ("colour=red", "colour"),
    ] {
        let problem = app.get(&format!("{base}/slices/3.png?{query}")).await.problem(422, "invalid");
        assert!(problem["errors"][field].is_string(), "{query}: {problem}");
    }
}

#[tokio::test]
async fn pages_of_data_sets_come_whole() {
    let (app, manifest) = with_phantoms().await;
    checked(&app, "small").await;
    let case = &manifest.cases[0].case_id;
    let list = app.get("/datasets").await.text();
    assert!(list.contains("href=\"/datasets/small\"") && list.contains("warning"), "{list}");
    let page = app.get("/datasets/small").await.text();
    for words in [
        "Every case was read",
        "Synthetic data",
        "peripheral = 1",
        "Segmentation of zones",
        "6 × 32 × 32",
        "Runs that used it",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let test = app.get("/datasets/small?split=test&page=99").await.text();
    assert_eq!(test.matches("<th scope=\"row\"><a href=\"/datasets/small/").count(), 1, "{test}");
    assert_eq!(app.get("/datasets/small?split=none").await.status, StatusCode::BAD_REQUEST);
    let viewer = app.get(&format!("/datasets/small/{case}?z=2&masks=zones")).await.text();
    assert!(viewer.contains("/slices/2.png?channel=t2w"), "{viewer}");
    assert!(viewer.contains("channel=zones&amp;style=outline") && !viewer.contains("channel=gland"));
    for path in ["/datasets/none", "/datasets/small/nobody", "/datasets/none/nobody"] {
        assert_eq!(app.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }

    for set in ["small", "tiny"] {
        std::fs::remove_dir_all(app.state.data.datasets().join(set)).unwrap();
    }
    let empty = app.get("/datasets").await.text();
    assert!(empty.contains("transferscope dataset add FOLDER") && empty.contains("dataset synth"), "{empty}");
}
