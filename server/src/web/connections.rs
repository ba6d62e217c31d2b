//! Connections: how many there may be, how long one may do nothing, and which gives way to a new one.
//!
//! A connection without a request is idle, whether it has sent nothing yet, half a header, or has had its answer. Idle
//! ones give way to new ones, the oldest first, when their address or the server has as many as it may have: who opens
//! a thousand and sends nothing pushes out only their own. A connection whose client does not take what is sent for a
//! while is closed ([`stalling`]); no accept error ends the server or makes it spin.

mod registry;
mod stalling;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt;

use super::load::Peer;
use registry::{Entry, Registry};
use stalling::Stalling;

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub total: usize,
    /// Connections from one address; a proxy is one.
    pub by_address: usize,
    /// How long a connection may be without a whole request header.
    pub idle: Duration,
    /// How long a client may take nothing of what is sent.
    pub stalled: Duration,
}

/// Connections in all, where the system allows as many open files.
const TOTAL: u64 = 1024;
/// Open files that are not connections: database, logs, workers.
const OTHER_FILES: u64 = 256;
/// Bytes of a header, and of what waits to be written to a connection.
const BUFFER: usize = 64 * 1024;
/// Bytes that the system takes for a connection whose client does not read.
const SEND_BUFFER: usize = 256 * 1024;
/// How long a connection that gives way may take to send what it has.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// Pause after an error that another connection's end may mend.
const PAUSE: Duration = Duration::from_millis(100);
/// Shortest time between two lines in the log about such errors.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl Limits {
    /// Limits by what the system allows this process, which is raised first as far as it may be.
    pub fn of_this_process() -> Self {
        let total = TOTAL.min(raise_open_files().saturating_sub(OTHER_FILES)).max(16) as usize;
        Self {
            total,
            by_address: total / 4 * 3,
            idle: Duration::from_secs(20),
            stalled: Duration::from_secs(30),
        }
    }
}

/// Asks for as many open files as this process may have, and says how many these are.
fn raise_open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (Some(current), most) = (current, maximum.unwrap_or(u64::MAX)) else { return u64::MAX };
    if current >= most || setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        return current;
    }
    most
}

/// Serves until told to stop, and then until all connections have ended.
///
/// # Errors
/// When the listener cannot be configured.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    // Connections have the options of their listener.
    socket2::SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER)?;
    let registry = Registry::new(limits);
    let mut connections = JoinSet::new();
    let mut logged: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match registry.admit(peer.ip().into()) {
                    Some(entry) => {
                        let service = router.clone();
                        connections.spawn(connection(stream, peer, service, limits, entry, stop.clone()));
                    }
                    None => refuse(&stream),
                },
                // This one went before it was taken.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    registry.make_room();
                    if logged.is_none_or(|at| at.elapsed() > LOG_EVERY) {
                        logged = Some(Instant::now());
                        tracing::error!(%error, "a connection cannot be taken; idle ones are closed");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Comes back when the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Says that there is no place, as far as the system takes it at once.
fn refuse(stream: &TcpStream) {
    let words = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    // Who is refused may not hear it.
    let _said = stream.try_write(words);
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    entry: Entry,
    mut stop: watch::Receiver<bool>,
) {
    // A peer that is gone without a word is noticed by what it does not acknowledge.
    let socket = socket2::SockRef::from(&stream);
    if let Err(error) =
        socket.set_tcp_user_timeout(Some(2 * limits.stalled)).and(socket.set_tcp_nodelay(true))
    {
        tracing::debug!(%error, "a connection's options cannot be set");
    }
    let entry = Arc::new(entry);
    let answering = Arc::clone(&entry);
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = answering.busy();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        let answer = router.clone().oneshot(request);
        async move { answer.await.map(|response| response.map(|body| busy.until_sent(body))) }
    });
    let io = TokioIo::new(Stalling::new(stream, limits.stalled));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(BUFFER)
        .serve_connection(io, service);
    tokio::pin!(serving);
    tokio::select! {
        // Why a connection has ended is nobody's concern: mostly the client has gone.
        _ended = serving.as_mut() => return,
        () = entry.asked_to_leave() => {
            // There is nothing to wait for where nothing was ever asked.
            if !entry.was_used() {
                return;
            }
            serving.as_mut().graceful_shutdown();
            let _in_time = tokio::time::timeout(LEAVE_WITHIN, serving).await;
            return;
        }
        () = stopped(&mut stop) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ended = serving.await;
}

#[cfg(test)]
mod tests;
