//! The analysis of an experiment, its page, and what it leaves for a paper.

use super::*;

async fn started(app: &TestApp) -> (String, Vec<RunId>) {
    let created = app.post_json("/api/v1/experiments", spec(&[0, 7]).to_string()).await.json();
    let runs = created["runs"].as_array().unwrap();
    let id = |run: &Value| run["id"].as_str().unwrap().parse().unwrap();
    (created["id"].as_str().unwrap().to_owned(), runs.iter().map(id).collect())
}

#[tokio::test]
async fn an_analysis_says_what_is_open_and_a_wrong_question_is_refused() {
    let app = TestApp::new().await;
    let (id, _) = started(&app).await;
    let analysis =
        app.get(&format!("/api/v1/experiments/{id}/analysis?layer=first&alignment=cka")).await.json();
    assert_eq!(
        (analysis["counts"]["planned"].as_u64(), analysis["counts"]["open"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(
        (analysis["choice"]["layer"].as_str(), analysis["choice"]["measured"].as_str()),
        (Some("first"), Some("cka"))
    );
    assert!(analysis["findings"].as_array().unwrap().iter().all(|f| f["verdict"] == "cannot-be-told"));
    for wrong in [
        "layer=deep",
        "alignment=mmd",
        "against=pretrained",
        "unlearnt=maybe",
        "kernel=linear",
        "estimator=best",
    ] {
        app.get(&format!("/api/v1/experiments/{id}/analysis?{wrong}")).await.problem(422, "invalid");
    }
    app.get("/api/v1/experiments/no-such-thing/analysis").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_page_needs_no_scripts_and_an_unknown_experiment_is_said() {
    let app = TestApp::new().await;
    let none = app.get("/experiments").await;
    assert!(none.status.is_success() && none.text().contains("No experiment yet"));
    let (id, _) = started(&app).await;
    assert!(app.get("/experiments").await.text().contains(&format!("/experiments/{id}")));
    let page = app.get(&format!("/experiments/{id}?against=scratch")).await.text();
    for words in
        ["What the numbers say", "Results and missing runs", "0 of 2 runs have a result", "Seed 7 is queued"]
    {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("hydrate"), "the browser's program knows nothing of this page");
    let unknown = app.get("/experiments/no-such-thing").await.text();
    assert!(unknown.contains("There is no experiment"), "{unknown}");
}

#[tokio::test]
async fn what_was_stopped_is_missing_until_it_is_queued_again() {
    let app = TestApp::new().await;
    let (id, runs) = started(&app).await;
    let path = format!("/experiments/{id}/fill");
    let counts =
        async || app.get(&format!("/api/v1/experiments/{id}/analysis")).await.json()["counts"].clone();
    app.post_form(&path, "").await;
    assert_eq!(counts().await["open"], 2, "nothing was missing");
    app.post_json(&format!("/api/v1/runs/{}/cancel", runs[1]), "").await;
    assert_eq!((counts().await["stopped"].as_u64(), counts().await["open"].as_u64()), (Some(1), Some(1)));
    assert!(app.get(&format!("/experiments/{id}")).await.text().contains("Queue 1 missing run"));
    let answer = app.post_form(&path, "").await;
    assert_eq!(answer.header(header::LOCATION), format!("/experiments/{id}"));
    assert_eq!((counts().await["planned"].as_u64(), counts().await["open"].as_u64()), (Some(2), Some(2)));
    let list = app.get(&format!("/api/v1/runs?experiment={id}")).await.json();
    assert_eq!(list["runs"].as_array().unwrap().len(), 3, "the stopped run stays on record");
}

#[tokio::test]
async fn files_for_a_paper_are_there_and_the_experiment_can_be_repeated() {
    let app = TestApp::new().await;
    let (id, _) = started(&app).await;
    let file = async |name: &str| app.get(&format!("/experiments/{id}/export/{name}")).await;
    for (name, words) in [
        ("table.csv", "backbone,task"),
        ("table.md", "0 of 2 planned runs"),
        ("table.tex", "toprule"),
        ("methods.md", "We fine-tuned"),
        ("references.bib", "@article{dorfman1992"),
        ("analysis.json", "findings"),
        ("gain.svg", "No cell has both values yet"),
        ("epochs.svg", "<svg"),
    ] {
        let answer = file(name).await;
        assert!(answer.status.is_success() && answer.text().contains(words), "{name}: {}", answer.text());
    }
    let repeated: transferscope_domain::experiment::ExperimentSpec =
        toml::from_str(&file("repeat.toml").await.text()).unwrap();
    assert_eq!(repeated.seeds, [0, 7]);
    file("other.pdf").await.problem(404, "not-found");
}

/// The data set of these tests has no files: the scores fail, and the page says why and offers them again.
#[tokio::test]
async fn scores_are_asked_for_by_a_button_and_a_failure_is_said() {
    let app = TestApp::new().await;
    let (id, _) = started(&app).await;
    let page = format!("/experiments/{id}");
    assert!(app.get(&page).await.text().contains(&format!("action=\"{page}/predict\"")));
    let answer = app.post_form(&format!("{page}/predict"), "").await;
    assert_eq!(answer.header(header::LOCATION), format!("{page}#prediction"));
    let mut text = String::new();
    for _ in 0..600 {
        text = app.get(&page).await.text();
        if text.contains("The scores could not be computed") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(
        text.contains("The scores could not be computed") && text.contains("Score all backbones"),
        "{text}"
    );
    app.post_form("/experiments/no-such-thing/predict", "").await.problem(404, "not-found");
}

/// What was computed is remembered until a run of the experiment comes to another state.
#[tokio::test]
async fn an_analysis_is_made_anew_when_a_run_has_ended() {
    let app = TestApp::new().await;
    let (id, runs) = started(&app).await;
    let counts =
        async || app.get(&format!("/api/v1/experiments/{id}/analysis")).await.json()["counts"].clone();
    assert_eq!(counts().await, counts().await);
    let end = EventBody::Finished { step: 4, seconds: 2.0, peak_memory_bytes: 1 };
    app.say(&runs[0], [super::started(), metric("test/dice", 4, 0.65), end]).await;
    assert_eq!((counts().await["succeeded"].as_u64(), counts().await["open"].as_u64()), (Some(1), Some(1)));
    let page = app.get(&format!("/experiments/{id}")).await.text();
    assert!(page.contains("1 of 2 runs have a result"), "{page}");
}

#[tokio::test]
async fn experiments_stand_side_by_side_and_a_wrong_choice_is_refused() {
    let app = TestApp::new().await;
    let ((first, _), (second, runs)) = (started(&app).await, started(&app).await);
    let end = EventBody::Finished { step: 4, seconds: 2.0, peak_memory_bytes: 1 };
    app.say(&runs[0], [super::started(), metric("test/dice", 4, 0.65), end]).await;
    let networks = app.get(&format!("/api/v1/comparisons?id={first}&id={second}")).await.json();
    let sides = &networks[0]["sides"];
    assert_eq!((sides[0]["n"].as_u64(), sides[1]["n"].as_u64()), (Some(0), Some(1)), "{networks}");
    assert!(sides[1]["against_first"].is_null(), "no pair");
    let page = app.get(&format!("/experiments/compare?id={first}&id={second}")).await.text();
    for words in
        ["Experiments compared", "All have the same settings", "0.65", "no result", "use as the reference"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(app.get("/experiments").await.text().contains("action=\"/experiments/compare\""));
    for (query, status, kind) in [
        (format!("id={first}"), 422, "invalid"),
        (format!("id={first}&id={first}"), 422, "invalid"),
        (format!("id={first}&run=x"), 422, "invalid"),
        (format!("id={first}&id=no-such-thing"), 404, "not-found"),
    ] {
        app.get(&format!("/api/v1/comparisons?{query}")).await.problem(status, kind);
    }
    let alone = app.get(&format!("/experiments/compare?id={first}")).await.text();
    assert!(alone.contains("choose 2 to 6 different experiments"), "{alone}");
}

/// The board's button queues the seeds that a row lacks, trained as its runs were.
#[tokio::test]
async fn further_seeds_are_one_press_away() {
    let app = TestApp::new().await;
    app.finished().await;
    let page = app.get("/").await.text();
    assert!(page.contains("Run 4 more seeds"), "{page}");
    let form = page.split("class=\"more-seeds\"").nth(1).unwrap().split("</form>").next().unwrap();
    let fields: Vec<(String, String)> = form
        .split("<input type=\"hidden\" ")
        .skip(1)
        .map(|input| {
            let of = |key: &str| input.split(&format!("{key}=\"")).nth(1).unwrap().split('"').next().unwrap();
            (of("name").to_owned(), of("value").to_owned())
        })
        .collect();
    let answer = app.post_form("/new", &serde_urlencoded::to_string(&fields).unwrap()).await;
    let queue = app.get("/api/v1/queue").await.json();
    let waiting = queue["waiting"].as_array().unwrap();
    assert_eq!(waiting.len(), 4, "{answer_text} {queue}", answer_text = answer.text());
    let run = app.get(&format!("/api/v1/runs/{}", waiting[0]["id"].as_str().unwrap())).await.json();
    assert_eq!((run["seed"].as_u64(), run["arm"].as_str()), (Some(1), Some("specialist")));
    assert_eq!((run["training"]["epochs"].as_u64(), run["training"]["lr"].as_f64()), (Some(2), Some(1e-3)));
}
