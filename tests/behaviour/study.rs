//! A study with real workers: the order of the queue, scores before training, and experiments side by side.

use std::time::Duration;

use serde_json::{Value, json};
use transferscope_domain::{RunState, api::RunDetail};
use transferscope_tests::{RUN_PATIENCE, TestServer, tiny_spec};

/// Runs start in the order that somebody gave them, also after the server was killed in between.
#[tokio::test]
async fn runs_start_in_the_order_of_the_queue() {
    let server = TestServer::start().await;
    let spec = |epochs| tiny_spec("profound-conv-mini", "super-resolution", "scratch", epochs);
    let first = server.submit_one(spec(2000)).await;
    let second = server.submit_one(spec(1)).await;
    let third = server.submit_one(spec(1)).await;
    server.wait_for(&first, RUN_PATIENCE, "training", |r| r.run.metrics.contains_key("train/loss")).await;
    let (status, queue) = server.post(&format!("/api/v1/runs/{third}/move"), &json!({"to": "first"})).await;
    assert_eq!((status, &queue["waiting"][0]["id"]), (200, &json!(third)));

    let server = server.kill_and_restart(&[]).await;
    let (status, _) = server.post(&format!("/api/v1/runs/{first}/cancel"), &json!({})).await;
    assert!((200..300).contains(&status), "{status}");
    let done = async |id| -> RunDetail { server.wait_state(id, RunState::Succeeded, RUN_PATIENCE).await };
    let (third, second) = (done(&third).await, done(&second).await);
    assert!(third.run.started_ms.unwrap() < second.run.started_ms.unwrap(), "{third:?} {second:?}");
    assert!(third.run.finished_ms.unwrap() <= second.run.started_ms.unwrap(), "one at a time");
}

/// Two experiments of one network and its control: scores before training by the page's button, gains afterwards,
/// and both side by side.
#[tokio::test]
async fn an_experiment_is_scored_analysed_and_set_against_another() {
    let server = TestServer::start().await;
    let spec = |name: &str, epochs| {
        let mut spec = tiny_spec("provicnet-mini", "super-resolution", "pretrained", epochs);
        spec["name"] = json!(name);
        spec["arms"] = json!(["pretrained", "scratch"]);
        spec
    };
    let short = server.submit(spec("short", 1)).await;
    let long = server.submit(spec("long", 2)).await;
    for run in short.runs.iter().chain(&long.runs) {
        server.wait_state(&run.id, RunState::Succeeded, RUN_PATIENCE).await;
    }

    let page = format!("/experiments/{}", short.id);
    let (_, before) = server.get_raw(&page).await;
    assert!(before.contains("No scores of frozen features yet"), "{before}");
    let host = server.url.strip_prefix("http://").unwrap().to_owned();
    let pressed = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let pressed = pressed
        .unwrap()
        .post(format!("{}{page}/predict", server.url))
        .header("host", host)
        .header("origin", &server.url)
        .send()
        .await
        .unwrap();
    assert_eq!(pressed.status().as_u16(), 303);
    let mut text = String::new();
    for _ in 0..600 {
        text = server.get_raw(&page).await.1;
        assert!(!text.contains("The scores could not be computed"), "{text}");
        if text.contains("Actual gain") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for words in ["provicnet-mini@random-weights", "profound-vit-mini", "Actual gain", "Drift over epochs"] {
        assert!(text.contains(words), "{words}: {text}");
    }

    // The gain over scratch is that of the runs' own metrics, whether it is computed or remembered.
    let analysis: Value =
        server.get(&format!("/api/v1/experiments/{}/analysis?against=scratch", short.id)).await;
    let mut values = Vec::new();
    for run in &short.runs {
        values.push(server.run(&run.id).await.run.primary.unwrap().value);
    }
    let gain = analysis["cells"][0]["gains"][0]["mean"].as_f64().unwrap();
    let expected = 100.0 * (values[0] - values[1]) / values[1].abs();
    assert!((gain - expected).abs() < 1e-9, "{gain} and {expected}");
    let again: Value =
        server.get(&format!("/api/v1/experiments/{}/analysis?against=scratch", short.id)).await;
    assert_eq!(again, analysis);

    // By another kernel and estimator, from the features that the run has left.
    let aligned = async |query: &str| -> f64 {
        let path = format!("/api/v1/experiments/{}/analysis?{query}", short.id);
        let analysis: Value = server.get(&path).await;
        let layers = analysis["cells"][0]["alignment"].as_array().unwrap().clone();
        layers.last().unwrap()["mean"].as_f64().unwrap()
    };
    let usual = aligned("").await;
    assert_eq!(aligned("kernel=rbf&estimator=unbiased").await, usual);
    let (biased, sum) = (aligned("estimator=biased").await, aligned("kernel=rbf-sum&estimator=biased").await);
    assert!(biased >= 0.0 && biased > usual && sum > biased, "{usual} {biased} {sum}");

    let networks: Value = server.get(&format!("/api/v1/comparisons?id={}&id={}", short.id, long.id)).await;
    let networks = networks.as_array().unwrap();
    assert_eq!(networks.len(), 2, "{networks:?}");
    for network in networks {
        let [before, after] = [0, 1].map(|side| network["sides"][side]["mean"].as_f64().unwrap());
        let against = &network["sides"][1]["against_first"];
        assert!((against["difference"].as_f64().unwrap() - (after - before)).abs() < 1e-9);
        assert_eq!(against["differs"], json!(["epochs"]));
        assert!(against["cases"].as_u64().unwrap() > 0);
    }
    let (status, page) =
        server.get_raw(&format!("/experiments/compare?id={}&id={}", short.id, long.id)).await;
    assert_eq!(status, 200);
    for words in ["short is the reference for the others", "runs differ in epochs", "Super-resolution"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}
