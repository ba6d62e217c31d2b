//! Server-sent events: nothing is lost, nothing comes twice, and streams end.

use std::time::Duration;

use futures::StreamExt;

use super::*;

/// A stream that is read message by message.
struct Messages {
    body: std::pin::Pin<Box<dyn futures::Stream<Item = Result<Bytes, axum::Error>> + Send>>,
    text: String,
}

/// One message: id, event and data.
#[derive(Debug, PartialEq)]
struct Message {
    id: String,
    event: String,
    data: String,
}

impl Messages {
    async fn open(app: &TestApp, mut request: Request<Body>) -> Self {
        request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("127.0.0.1:3000"));
        let response = app.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        assert!(response.headers().get(header::CONTENT_ENCODING).is_none());
        Self { body: Box::pin(response.into_body().into_data_stream()), text: String::new() }
    }

    /// The next message; none at the end of the stream.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
                        .unwrap_or("")
                        .to_owned()
                };
                if block.starts_with(':') {
                    continue;
                }
                return Some(Message { id: field("id"), event: field("event"), data: field("data") });
            }
            let piece = tokio::time::timeout(Duration::from_secs(10), self.body.next())
                .await
                .expect("a message in time");
            self.text.push_str(std::str::from_utf8(&piece?.unwrap()).unwrap());
        }
    }

    async fn rest(&mut self) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header(header::ACCEPT_ENCODING, "gzip, br").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_run_is_followed_from_any_point_to_its_end() {
    let app = TestApp::new().await;
    let run = app.start(&[0]).await.remove(0);
    let path = format!("/api/v1/runs/{run}/events");
    let mut live = Messages::open(&app, get(&path)).await;
    app.say(&run, [started(), step(1, 1.0)]).await;
    let first = live.next().await.unwrap();
    assert_eq!((first.id.as_str(), first.event.as_str()), ("1", "started"));
    let second = live.next().await.unwrap();
    let data: Value = serde_json::from_str(&second.data).unwrap();
    assert_eq!((&data["seq"], &data["kind"], &data["loss"]), (&2.into(), &"step".into(), &1.0.into()));

    app.say(&run, [step(2, 0.5), log_line("two\nlines")]).await;
    app.say(&run, [failed()]).await;
    let rest = live.rest().await;
    assert_eq!(rest.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["3", "4", "5"]);
    assert_eq!(rest[2].event, "failed");

    // A reader that comes back gets what it missed, once.
    let again = Request::get(&path).header("last-event-id", "3").body(Body::empty()).unwrap();
    let ids: Vec<String> = Messages::open(&app, again).await.rest().await.into_iter().map(|m| m.id).collect();
    assert_eq!(ids, ["4", "5"]);
    let ids = Messages::open(&app, get(&format!("{path}?after=4"))).await.rest().await.len();
    assert_eq!(ids, 1);
    // Nothing more will come: a browser stops asking.
    assert_eq!(app.get(&format!("{path}?after=5")).await.status, StatusCode::NO_CONTENT);
    app.get("/api/v1/runs/no-such-run/events").await.problem(404, "not-found");
    app.get(&format!("{path}?after=x")).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_run_that_ends_without_a_word_ends_its_stream() {
    let app = TestApp::new().await;
    let run = app.start(&[0]).await.remove(0);
    let mut live = Messages::open(&app, get(&format!("/api/v1/runs/{run}/events"))).await;
    app.post_json(&format!("/api/v1/runs/{run}/cancel"), "").await;
    assert_eq!(live.next().await, None);
}

#[tokio::test]
async fn the_queue_tells_what_changed_and_not_too_often() {
    let app = TestApp::new().await;
    let ids = app.start(&[0, 1]).await;
    let mut live = Messages::open(&app, get("/api/v1/queue/events")).await;
    let runs = |message: Message| -> Vec<Value> {
        assert_eq!(message.event, "runs");
        serde_json::from_str::<Value>(&message.data).unwrap()["runs"].as_array().unwrap().clone()
    };
    assert_eq!(runs(live.next().await.unwrap()).len(), 2);
    let before = std::time::Instant::now();
    app.say(&ids[0], [started()]).await;
    for s in 1..=20 {
        app.say(&ids[0], [step(s, 1.0)]).await;
    }
    let changed = runs(live.next().await.unwrap());
    assert!(before.elapsed() >= Duration::from_millis(300), "{:?}", before.elapsed());
    assert_eq!(changed.len(), 1);
    assert_eq!((&changed[0]["id"], &changed[0]["state"]), (&ids[0].as_str().into(), &"running".into()));
    assert_eq!(changed[0]["metrics"]["train/loss"], 1.0);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let app = TestApp::new().await;
    let run = app.start(&[0]).await.remove(0);
    let mut of_run = Messages::open(&app, get(&format!("/api/v1/runs/{run}/events"))).await;
    let mut of_queue = Messages::open(&app, get("/api/v1/queue/events")).await;
    of_queue.next().await.unwrap();
    app.state.events.close();
    assert_eq!(of_run.next().await, None);
    assert_eq!(of_queue.next().await, None);
}
