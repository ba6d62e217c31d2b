//! `transferscope serve`

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};
use transferscope_domain::run::DeviceChoice;
use transferscope_server::{
    config::{Access, Anonymous, ServerConfig, default_site_dir},
    queue::timing::Timing,
    server::Server,
    web::reach::{Host, PublicUrl},
};

use super::{Context, output};

/// Most workers at once that may be asked for.
const JOBS_MAX: usize = 64;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExecutorKind {
    /// Child processes on this machine.
    Local,
}

/// What people may do without the token.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AnonymousKind {
    /// Reading is open, writing needs the token.
    Read,
    /// Everything needs the token.
    None,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The address to listen on; port 0 takes a free port.
    #[arg(long, env = "TRANSFERSCOPE_ADDR", default_value = "127.0.0.1:3000", value_name = "HOST:PORT")]
    addr: String,
    /// Where workers run.
    #[arg(long, env = "TRANSFERSCOPE_EXECUTOR", value_enum, default_value = "local")]
    executor: ExecutorKind,
    /// Where runs train: auto, cpu, cuda or cuda:N. auto takes the first usable GPU, or the CPU if there is none.
    #[arg(long, env = "TRANSFERSCOPE_DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Runs at once; each uses all cores, so more than one per device rarely helps.
    #[arg(long, env = "TRANSFERSCOPE_JOBS", default_value_t = 1, value_parser = parse_jobs)]
    jobs: usize,
    /// The browser bundle, made by `cargo xtask build`.
    #[arg(long, env = "TRANSFERSCOPE_SITE_DIR", value_name = "FOLDER")]
    site_dir: Option<PathBuf>,
    /// The address by which people reach the server through a proxy, such as https://host or https://host/base.
    #[arg(long, env = "TRANSFERSCOPE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// An additional host name under which the server answers; may be given several times.
    #[arg(long, env = "TRANSFERSCOPE_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    allow_host: Vec<Host>,
    /// What people may do without the token of the data folder. Default: everything on loopback, only reading
    /// elsewhere.
    #[arg(long, env = "TRANSFERSCOPE_ANONYMOUS", value_enum)]
    anonymous: Option<AnonymousKind>,
    /// Seconds to wait before a run whose worker has died is started again.
    #[arg(long, env = "TRANSFERSCOPE_REQUEUE_AFTER", default_value_t = 15.0, value_name = "SECONDS", value_parser = parse_seconds)]
    requeue_after: f64,
    /// Do not generate the built-in data set if it is missing.
    #[arg(long, env = "TRANSFERSCOPE_NO_BUILTIN_DATA")]
    no_builtin_data: bool,
}

/// Reads `--jobs`.
///
/// # Errors
/// When the text is no number from 1 to 64.
pub fn parse_jobs(text: &str) -> Result<usize, String> {
    text.parse::<usize>()
        .ok()
        .filter(|n| (1..=JOBS_MAX).contains(n))
        .ok_or_else(|| format!("{text:?} is not a number of runs: use 1 to {JOBS_MAX}"))
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|s| (0.0..=86_400.0).contains(s))
        .ok_or_else(|| format!("{text:?} is not a time: use 0 to 86400 seconds"))
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the address, the data folder or the device cannot be had.
pub fn run(context: &Context, args: Args) -> Result<ExitCode> {
    let ExecutorKind::Local = args.executor;
    let timing = Timing { requeue_after: Duration::from_secs_f64(args.requeue_after), ..Timing::default() };
    let config = ServerConfig {
        data_dir: context.data_dir.clone(),
        addr: args.addr,
        device: args.device,
        jobs: args.jobs,
        site_dir: args.site_dir.unwrap_or_else(default_site_dir),
        builtin_data: !args.no_builtin_data,
        access: Access {
            allow_hosts: args.allow_host,
            public_url: args.public_url,
            anonymous: args.anonymous.map(|kind| match kind {
                AnonymousKind::Read => Anonymous::Read,
                AnonymousKind::None => Anonymous::Nothing,
            }),
        },
        timing,
    };
    let everywhere = config.addr.starts_with("0.0.0.0:") || config.addr.starts_with("[::]:");
    let public = config.access.public_url.as_ref().map(|url| format!("{}{}", url.origin(), url.base));
    let runtime = super::runtime()?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
        let mut server = Server::start(config).await?;
        if let Some(token) = server.new_token() {
            let file = server.data().token_file();
            // Elsewhere it would lie in a journal or a log for others to read.
            let shown = if std::io::stdout().is_terminal() { format!(": {token}") } else { String::new() };
            output::print(&format!("write token (in {}){shown}", file.display()))?;
        }
        if let Some(warning) = server.data().open_to_others() {
            tracing::warn!("{warning}");
        }
        if let Some(url) = public {
            output::print(&format!("people reach it at {url}"))?;
        }
        output::print(&format!("listening on {}", server.info().url))?;
        if everywhere {
            output::print("it answers on every address of this machine, at the same port")?;
        }
        let died = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            error = server.failed() => Some(error),
        };
        tracing::info!("stopping; running workers continue");
        server.stop().await;
        match died {
            Some(error) => Err(anyhow::Error::from(error)),
            None => Ok(()),
        }
    });
    // A request that is still being computed must not hold the end up.
    runtime.shutdown_timeout(Duration::from_millis(300));
    result?;
    Ok(ExitCode::SUCCESS)
}
