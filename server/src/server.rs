//! A running server: lock, database, recorder, dispatcher and HTTP, put together and taken apart.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use transferscope_domain::{api::ExperimentCreated, experiment::ExperimentSpec};
use transferscope_ml::device::{self, DeviceError};
use transferscope_store::{Lane, Store, StoreError};

use crate::{
    build_router,
    config::{Access, Anonymous, ServerConfig},
    data_dir::{DataDir, DataDirError, ServerInfo, ServerLock},
    inputs::builtin_data::Making,
    queue::{
        dispatcher::Dispatcher,
        executor::LocalExecutor,
        recorder::{OnChange, Recorder},
        submit::{Intake, SubmitError},
    },
    storage::{database, litter},
    web::{
        connections::{self, Limits},
        events_hub::EventsHub,
        reach::Reach,
        state::AppState,
    },
};

/// How long open requests may take when the server stops; streams never end by themselves.
const STOP_PATIENCE: Duration = Duration::from_millis(800);

/// Why a server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(
        "cannot listen on {addr}: {}",
        if source.kind() == io::ErrorKind::AddrInUse {
            "another program listens there already; choose another port with --addr".to_owned()
        } else {
            format!("{source}; give an address of this machine as --addr HOST:PORT")
        }
    )]
    Listen { addr: String, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("this program's own file cannot be found: {0}")]
    Program(io::Error),
    #[error("the server ended: {0}")]
    Ended(String),
}

/// A server at work.
pub struct Server {
    info: ServerInfo,
    data: DataDir,
    store: Store,
    new_token: Option<String>,
    events: EventsHub,
    shutdown: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
    background: Vec<JoinHandle<()>>,
    /// Dropped last: the folder is free when everything else has ended.
    _lock: ServerLock,
}

impl Server {
    /// Starts a server and takes up the runs that a server before it has left.
    ///
    /// # Errors
    /// When the data folder, the device or the address cannot be had, in this order.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        let data = DataDir::open(&config.data_dir)?;
        let lock = data.lock_server()?;
        let device = device::resolve(config.device)?;
        let listener = listen(&config.addr).await?;
        let addr = listener
            .local_addr()
            .map_err(|source| ServerError::Listen { addr: config.addr.clone(), source })?;
        let store = database::open(&data).await?;
        tidy_up(&data, &store).await?;
        let executor = Arc::new(LocalExecutor::of_this_program().map_err(ServerError::Program)?);
        let (token, new_token) = token(&data, addr, config.access.anonymous)?;
        let mut state = AppState::new(store.clone(), data.clone(), config.device).with_site(&config.site_dir);
        state.device_text = device.to_string().into();
        if let Some(token) = token {
            state = state.with_token(token.into());
        }
        state.reach = Arc::new(reach(addr, config.access));
        let making = Making::default();
        state.jobs = config.jobs;
        state.preparing = {
            let making = making.clone();
            Arc::new(move || making.in_words())
        };

        let (shutdown, stopping) = watch::channel(false);
        let on_change: OnChange = {
            let events = state.events.clone();
            Arc::new(move |run| events.run_changed(run))
        };
        // With connections of their own, so that no page can keep them waiting.
        let care = store.in_lane(Lane::Care);
        let recorder = Arc::new(Recorder::new(
            care.clone(),
            data.clone(),
            Arc::clone(&on_change),
            Arc::clone(&state.health),
        ));
        let dispatcher = Dispatcher {
            store: care,
            data: data.clone(),
            executor,
            recorder: Arc::clone(&recorder),
            wake: Arc::clone(&state.wake),
            on_change,
            health: Arc::clone(&state.health),
            pause: state.pause.clone(),
            jobs: config.jobs,
            timing: config.timing,
        };
        let events = state.events.clone();
        transferscope_app::base::set(state.reach.base());
        let limits = Limits::of_this_process();
        let serving =
            tokio::spawn(connections::serve(listener, build_router(state), limits, stopping.clone()));
        let recording = stopping.clone();
        let background = vec![
            tokio::spawn(async move { recorder.run(config.timing.record_every, recording).await }),
            tokio::spawn(async move { dispatcher.run(stopping).await }),
        ];
        let info = ServerInfo { pid: std::process::id(), addr: addr.to_string(), url: url(addr) };
        lock.announce(&info)?;
        if config.builtin_data {
            making.start_if_empty(&data);
        }
        tracing::info!(url = info.url, %device, jobs = config.jobs, data = %data.root().display(), "server started");
        Ok(Self { info, data, store, new_token, events, shutdown, serving, background, _lock: lock })
    }

    /// Where it listens.
    pub fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// Its data folder.
    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// The write token, if it was made at this start.
    pub fn new_token(&self) -> Option<&str> {
        self.new_token.as_deref()
    }

    /// Waits until the server ends by itself, which it should not, and says why.
    pub async fn failed(&mut self) -> ServerError {
        let why = match (&mut self.serving).await {
            Ok(Ok(())) => "it stopped without a signal".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        ServerError::Ended(why)
    }

    /// Stops; workers go on.
    pub async fn stop(mut self) {
        self.shutdown.send_replace(true);
        // Streams would go on as long as their readers do.
        self.events.close();
        if !self.serving.is_finished()
            && tokio::time::timeout(STOP_PATIENCE, &mut self.serving).await.is_err()
        {
            self.serving.abort();
        }
        for task in self.background {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP_PATIENCE / 2, task).await.is_err() {
                abort.abort();
            }
        }
        if tokio::time::timeout(STOP_PATIENCE / 2, self.store.close()).await.is_err() {
            tracing::debug!("the database was still busy at the end");
        }
    }
}

/// Clears away what killed processes have left, and brings the database and the files beside it into agreement.
async fn tidy_up(data: &DataDir, store: &Store) -> Result<(), StoreError> {
    let swept = litter::sweep(data, store).await?;
    if swept.removed > 0 {
        tracing::info!(removed = swept.removed, "removed incomplete files left by killed processes");
    }
    for what in &swept.left {
        tracing::warn!(what, "an incomplete file cannot be removed");
    }
    if !swept.strangers.is_empty() {
        let first = &swept.strangers[0];
        tracing::warn!(
            runs = swept.strangers.len(), %first,
            "some run directories are not in the database; stop the server and add them with: transferscope reindex"
        );
    }
    let reconciled = store.reconcile(swept.strangers.is_empty()).await?;
    for file in &reconciled.unreadable {
        tracing::warn!(file, "a record beside the runs cannot be read");
    }
    if (reconciled.files, reconciled.rows, reconciled.dropped) != (0, 0, 0) {
        let transferscope_store::Reconciled { files, rows, dropped, .. } = reconciled;
        tracing::info!(files, rows, dropped, "the database and the records beside the runs were reconciled");
    }
    Ok(())
}

/// Puts an experiment into the queue of a folder that no server holds.
///
/// # Errors
/// When the folder cannot be had or the experiment is refused.
pub async fn enqueue(config: &ServerConfig, spec: ExperimentSpec) -> Result<ExperimentCreated, ServerError> {
    let data = DataDir::open(&config.data_dir)?;
    let _lock = data.lock_server()?;
    device::resolve(config.device)?;
    let store = database::open(&data).await?;
    let created = Intake::unattended(store.clone(), data, config.device).experiment(spec).await?;
    store.close().await;
    Ok(created)
}

async fn listen(addr: &str) -> Result<TcpListener, ServerError> {
    TcpListener::bind(addr).await.map_err(|source| ServerError::Listen { addr: addr.to_owned(), source })
}

/// The names of a server, and whether reading is open.
fn reach(addr: SocketAddr, access: Access) -> Reach {
    Reach {
        names: access.allow_hosts,
        public: access.public_url,
        reading_is_open: access.anonymous != Some(Anonymous::Nothing),
        ..Reach::at(addr)
    }
}

/// The token that writing needs: none on loopback, where only this machine can ask, unless it is asked for.
fn token(
    data: &DataDir,
    addr: SocketAddr,
    anonymous: Option<Anonymous>,
) -> Result<(Option<String>, Option<String>), DataDirError> {
    if addr.ip().is_loopback() && anonymous.is_none() {
        return Ok((None, None));
    }
    let (token, new) = data.token_or_create()?;
    Ok((Some(token.clone()), new.then_some(token)))
}

/// A URL under which a client on this machine reaches the server.
fn url(addr: SocketAddr) -> String {
    match addr {
        SocketAddr::V4(a) if a.ip().is_unspecified() => format!("http://127.0.0.1:{}", a.port()),
        SocketAddr::V6(a) if a.ip().is_unspecified() => format!("http://[::1]:{}", a.port()),
        other => format!("http://{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_can_be_opened_on_this_machine() {
        assert_eq!(url("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(url("[::1]:80".parse().unwrap()), "http://[::1]:80");
        assert_eq!(url("10.0.0.7:3000".parse().unwrap()), "http://10.0.0.7:3000");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_or_no_address_is_said_in_words() {
        let first = listen("127.0.0.1:0").await.unwrap();
        let addr = first.local_addr().unwrap().to_string();
        let taken = listen(&addr).await.unwrap_err().to_string();
        assert!(taken.contains(&addr) && taken.contains("another program"), "{taken}");
        let wrong = listen("nonsense").await.unwrap_err().to_string();
        assert!(wrong.contains("nonsense") && wrong.contains("--addr"), "{wrong}");
    }
}
