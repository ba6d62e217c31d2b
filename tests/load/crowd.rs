//! Many clients at once, and one who watches whether the server still answers.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::StreamExt;
use reqwest::Client;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Longest wait for any answer.
pub const PATIENCE: Duration = Duration::from_secs(900);

/// A client from one of this machine's many loopback addresses, with a new connection for every request.
pub fn client(address: u8) -> Client {
    Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, address)))
        .build()
        .expect("an HTTP client")
}

/// Times in order.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// The time within which this share of the answers came.
    pub fn within(&self, share: f64) -> Duration {
        let at = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(at.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |share| self.within(share).as_millis();
        write!(f, "{} answers, p50 {} ms, p95 {} ms, most {} ms", self.0.len(), ms(0.5), ms(0.95), ms(1.0))
    }
}

/// Asks for one address again and again until it is told to stop.
pub struct Watch {
    stop: Arc<AtomicBool>,
    watching: JoinHandle<Vec<Duration>>,
}

impl Watch {
    pub fn start(url: String, every: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let watching = tokio::spawn(async move {
            let (client, mut times) = (client(1), Vec::new());
            while !told.load(Ordering::Relaxed) {
                let start = Instant::now();
                let answer = client
                    .get(&url)
                    .timeout(PATIENCE)
                    .send()
                    .await
                    .unwrap_or_else(|e| panic!("{url}: {e:?}"));
                assert_eq!(answer.status(), 200, "{url}");
                answer.bytes().await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
                times.push(start.elapsed());
                tokio::time::sleep(every).await;
            }
            times
        });
        Self { stop, watching }
    }

    pub async fn stop(self) -> Times {
        self.stop.store(true, Ordering::Relaxed);
        Times::of(self.watching.await.expect("the watcher is always answered"))
    }
}

/// Status and length of an answer.
pub type Answer = (u16, usize);

/// Asks for all addresses at once and reads the answers. One that turns a client away must say so and when to come back.
pub async fn all_at_once(urls: impl IntoIterator<Item = String>) -> Vec<Answer> {
    let client = client(1);
    let mut asking = JoinSet::new();
    for url in urls {
        let client = client.clone();
        asking.spawn(async move {
            let answer =
                client.get(&url).timeout(PATIENCE).send().await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
            let status = answer.status().as_u16();
            if status == 503 {
                assert!(answer.headers().contains_key("retry-after"), "{url}");
                assert_eq!(answer.headers()["content-type"], "application/problem+json", "{url}");
            }
            let mut body = answer.bytes_stream();
            let mut length = 0;
            while let Some(piece) = body.next().await {
                length +=
                    piece.unwrap_or_else(|e| panic!("{url} breaks off after {length} bytes: {e:?}")).len();
            }
            (status, length)
        });
    }
    asking.join_all().await
}

/// How many answers there were of each status.
pub fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    answers.iter().fold(BTreeMap::new(), |mut counts, (status, _)| {
        *counts.entry(*status).or_default() += 1;
        counts
    })
}

/// Connections that send `words` and then nothing.
pub async fn silent(server: SocketAddr, count: usize, words: &str) -> Vec<TcpStream> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(server).await.expect("the server takes connections");
        // A server that has closed this one already has done what it should.
        let _taken = stream.write_all(words.as_bytes()).await;
        open.push(stream);
    }
    open
}

/// How many of some connections the server has closed.
pub async fn closed(open: &[TcpStream]) -> usize {
    let mut closed = 0;
    for stream in open {
        let mut byte = [0];
        // Nothing to read yet is what an open one says.
        let peeked = tokio::time::timeout(Duration::from_millis(1), stream.peek(&mut byte)).await;
        if matches!(peeked, Ok(Ok(0) | Err(_))) {
            closed += 1;
        }
    }
    closed
}

/// What readers of a stream do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Everything,
    Nothing,
}

/// Readers of a stream from several addresses of this machine; they go on until this is dropped.
pub struct Readers {
    /// Those that were let in.
    pub taken: usize,
    _reading: JoinSet<()>,
    _open: Vec<TcpStream>,
}

impl Readers {
    /// Opens `count` streams, at most `by_address` of them from one address.
    pub async fn open(server: SocketAddr, path: &str, count: usize, by_address: usize, how: Reading) -> Self {
        let (mut taken, mut reading, mut open) = (0, JoinSet::new(), Vec::new());
        for i in 0..count {
            let socket = TcpSocket::new_v4().expect("a socket");
            let from = Ipv4Addr::new(127, 0, 1, 1 + (i / by_address) as u8);
            socket.bind(SocketAddr::from((from, 0))).expect("loopback has many addresses");
            let mut stream = socket.connect(server).await.expect("the server takes connections");
            let head = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", server.port());
            stream.write_all(head.as_bytes()).await.expect("the server reads");
            let mut start = [0; 12];
            let read =
                tokio::time::timeout(PATIENCE, tokio::io::AsyncReadExt::read_exact(&mut stream, &mut start));
            read.await.expect("a stream is answered").expect("a stream is answered");
            taken += usize::from(start.ends_with(b"200"));
            match how {
                Reading::Nothing => open.push(stream),
                Reading::Everything => {
                    reading.spawn(async move {
                        let mut buffer = vec![0; 16 * 1024];
                        while tokio::io::AsyncReadExt::read(&mut stream, &mut buffer)
                            .await
                            .is_ok_and(|n| n > 0)
                        {}
                    });
                }
            }
        }
        Self { taken, _reading: reading, _open: open }
    }
}
