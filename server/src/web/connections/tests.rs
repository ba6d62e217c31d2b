use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server of two addresses: one answers at once, one never ends.
async fn start(limits: Limits) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<io::Result<()>>) {
    let endless = || async {
        let zeros = futures::stream::repeat_with(|| Ok::<_, io::Error>(vec![0_u8; 1 << 16]));
        Body::from_stream(zeros)
    };
    let router = Router::new().route("/", get(|| async { "here" })).route("/endless", get(endless));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    (addr, stop, tokio::spawn(serve(listener, router, limits, stopping)))
}

fn limits(total: usize, idle: Duration, stalled: Duration) -> Limits {
    Limits { total, by_address: total, idle, stalled }
}

async fn ask(addr: SocketAddr, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(words.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut also ends what there is to read.
    let _cut = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

const WHOLE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn silent_connections_end_and_new_ones_are_answered_all_the_while() {
    let (addr, _stop, _serving) = start(limits(8, Duration::from_millis(500), LONG)).await;
    let mut silent = Vec::new();
    for i in 0..40 {
        silent.push(ask(addr, if i % 2 == 0 { "" } else { "GET / HTTP/1.1\r\nhost: a" }).await);
        if i % 10 == 0 {
            assert!(rest(ask(addr, WHOLE).await).await.ends_with("here"), "after {i} silent ones");
        }
    }
    // Also those that nobody pushes out.
    for stream in silent {
        assert!(!rest(stream).await.contains("here"));
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_connection_and_its_place() {
    let (addr, _stop, _serving) = start(limits(1, LONG, Duration::from_millis(300))).await;
    let stuck = ask(addr, "GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = rest(ask(addr, WHOLE).await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"), "{refused}");
    let mut answer = String::new();
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = rest(ask(addr, WHOLE).await).await;
        if answer.ends_with("here") {
            break;
        }
    }
    assert!(answer.ends_with("here"), "{answer}");
    drop(stuck);
}

#[tokio::test]
async fn a_server_that_stops_closes_idle_connections_and_ends() {
    let (addr, stop, serving) = start(limits(8, LONG, LONG)).await;
    let mut idle = ask(addr, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut start = [0; 12];
    idle.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
}
