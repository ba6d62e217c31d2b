//! Submitting an experiment: through the server that holds the data folder, or through one that
//! this command starts for as long as it waits, or only into the queue.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;
use transferscope_domain::{
    Arm, Failure, MetricKind, RunId, RunState, Setting, Task,
    api::{CreatedRun, ExperimentCreated, RunView},
    experiment::ExperimentSpec,
    metric::Split,
    run::DeviceChoice,
    setting::Kind,
};
use transferscope_server::{
    config::{Access, ServerConfig, default_site_dir},
    data_dir::DataDir,
    inputs::builtin_data,
    queue::timing::Timing,
    server::{Server, enqueue},
};

use super::{
    Context,
    client::Client,
    output::{self, Progress},
};

/// Name of the built-in data set.
pub const PHANTOM: &str = builtin_data::NAME;

/// Time between two looks at the runs that are waited for.
const POLL: Duration = Duration::from_millis(500);
/// How often a server that does not answer is asked again before waiting is given up.
const POLL_FAILURES_MAX: u32 = 60;

/// Training settings of the commands that start runs.
#[derive(Debug, clap::Args)]
pub struct TrainingArgs {
    /// Passes over the training data (default: 10).
    #[arg(long)]
    epochs: Option<u32>,
    /// Changes a training setting; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", help = settings_help())]
    set: Vec<String>,
}

/// The keys of `--set`, with their values where these are a choice.
fn settings_help() -> String {
    let keys = Setting::ALL.iter().map(|setting| match setting.kind() {
        Kind::Choice(choices) => {
            let names: Vec<_> = choices.iter().map(|c| c.name).collect();
            format!("{} ({})", setting.name, names.join(", "))
        }
        Kind::Whole { .. } | Kind::Real { .. } | Kind::Names => setting.name.to_owned(),
    });
    let keys: Vec<_> = keys.collect();
    format!("Changes a training setting; may be repeated. Keys: {}", keys.join(", "))
}

impl TrainingArgs {
    /// Puts the settings into a specification.
    ///
    /// # Errors
    /// When a setting is unknown or no number.
    pub fn apply(&self, spec: &mut ExperimentSpec) -> Result<()> {
        if self.epochs.is_some() {
            spec.epochs = self.epochs;
        }
        for pair in &self.set {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| anyhow!("--set {pair}: write it as --set key=value"))?;
            spec.overrides.set(key.trim(), value).map_err(|e| anyhow!("--set {pair}: {e}"))?;
        }
        Ok(())
    }
}

/// How to carry runs out.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Wait until the runs have ended and print their results.
    #[arg(long)]
    wait: bool,
    /// auto, cpu, cuda or cuda:N; ignored if a server already runs on this data folder, which has its own setting.
    #[arg(long, env = "TRANSFERSCOPE_DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Runs at once; ignored if a server already runs on this data folder, which has its own setting.
    #[arg(long, env = "TRANSFERSCOPE_JOBS", default_value_t = 1, value_parser = super::serve::parse_jobs)]
    jobs: usize,
}

/// Submits an experiment and, if asked, waits for it.
///
/// # Errors
/// When it is refused, or the server cannot be started or reached.
pub fn submit(context: &Context, spec: &ExperimentSpec, how: &How) -> Result<ExitCode> {
    let errors = spec.errors();
    if !errors.is_empty() {
        let fields: Vec<_> = errors.iter().map(|(field, message)| format!("{field}: {message}")).collect();
        return Err(anyhow!("{}", fields.join("; ")));
    }
    let data = context.data()?;
    if !how.wait && data.running_server()?.is_none() {
        make_data(&data, &spec.dataset)?;
        let created = super::runtime()?.block_on(enqueue(&server_config(context, how), spec.clone()))?;
        return announce(context, &created, "the next `transferscope serve` carries them out");
    }
    with_server(context, how, &spec.dataset, async |client| {
        let created = client.submit(spec).await?;
        follow(context, client, &created, how.wait).await
    })
}

fn server_config(context: &Context, how: &How) -> ServerConfig {
    ServerConfig {
        data_dir: context.data_dir.clone(),
        addr: "127.0.0.1:0".into(),
        device: how.device,
        jobs: how.jobs,
        site_dir: default_site_dir(),
        builtin_data: false,
        access: Access::default(),
        timing: Timing::default(),
    }
}

/// Does `work` with the server that holds the data folder, or with one that runs for as long as the
/// work takes; the built-in data set is made before, where `dataset` names it and it is missing.
///
/// # Errors
/// Those of `work`, or when the server cannot be started or reached.
pub fn with_server(
    context: &Context,
    how: &How,
    dataset: &str,
    work: impl AsyncFnOnce(&Client) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let data = context.data()?;
    super::runtime()?.block_on(async {
        if let Some(info) = data.running_server()? {
            let client = Client::new(&info, &data)?;
            wait_for_data(&client, dataset).await?;
            return work(&client).await;
        }
        make_data(&data, dataset)?;
        let server = Server::start(server_config(context, how)).await?;
        let client = Client::new(server.info(), &data)?;
        let code = tokio::select! {
            code = work(&client) => code,
            _ = tokio::signal::ctrl_c() => {
                eprintln!("interrupted; running workers continue, and the next `transferscope serve` carries out the rest");
                Ok(ExitCode::from(130))
            }
        };
        server.stop().await;
        code
    })
}

/// Makes the built-in data set where it is wanted and missing.
fn make_data(data: &DataDir, wanted: &str) -> Result<()> {
    if wanted != PHANTOM || builtin_data::present(data) {
        return Ok(());
    }
    let progress = Progress::new(format!("generating the built-in data set {PHANTOM:?}"));
    builtin_data::make(data, &|done, total| progress.set(done as u64, total as u64))
        .map(drop)
        .context("the built-in data set cannot be generated")
}

/// Waits while a server makes the built-in data set.
async fn wait_for_data(client: &Client, wanted: &str) -> Result<()> {
    let mut said = false;
    for _ in 0..600 {
        if wanted != PHANTOM || client.datasets().await?.iter().any(|d| d == wanted) {
            break;
        }
        if !said {
            eprintln!("the server is still generating the built-in data set {PHANTOM:?}; waiting for it");
            said = true;
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn follow(
    context: &Context,
    client: &Client,
    created: &ExperimentCreated,
    wait: bool,
) -> Result<ExitCode> {
    if !wait {
        return announce(
            context,
            created,
            &format!("watch them at {}/experiments/{}", client.url, created.id),
        );
    }
    if !context.json {
        eprintln!("watch at {}/experiments/{}", client.url, created.id);
    }
    let runs = wait_for_runs(client, created).await?;
    let results: Vec<RunResult> =
        created.runs.iter().filter_map(|c| runs.iter().find(|r| r.id == c.id)).map(RunResult::of).collect();
    if context.json {
        output::json(&Report { experiment: created.id.to_string(), runs: &results })?;
    } else {
        output::print(&results_table(&results))?;
        for result in &results {
            if let Some(failure) = &result.failure {
                eprintln!("run {}: {} {}", result.id, failure.message, failure.hint);
            }
        }
    }
    let all = results.len() == created.runs.len() && results.iter().all(|r| r.state == RunState::Succeeded);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn announce(context: &Context, created: &ExperimentCreated, next: &str) -> Result<ExitCode> {
    if context.json {
        output::json(created)?;
    } else {
        for CreatedRun { id, backbone, task, arm, seed } in &created.runs {
            output::print(&format!("{id}  {backbone} {task} {arm} seed {seed}"))?;
        }
        let count = created.runs.len();
        eprintln!(
            "experiment {}: {count} run{} queued; {next}",
            created.id,
            if count == 1 { "" } else { "s" }
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn wait_for_runs(client: &Client, created: &ExperimentCreated) -> Result<Vec<RunView>> {
    let progress = Progress::new("runs");
    let total = created.runs.len() as u64;
    let mut states: BTreeMap<RunId, RunState> = BTreeMap::new();
    let mut failures = 0;
    let mut paused: Option<String> = None;
    loop {
        let runs = match client.runs(&created.id).await {
            Ok(runs) => runs,
            // A server may be restarted while its workers go on.
            Err(error) if failures < POLL_FAILURES_MAX => {
                if failures == 0 {
                    progress.line(&format!("{error}; trying again"));
                }
                failures += 1;
                tokio::time::sleep(POLL).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        failures = 0;
        for run in &runs {
            if states.insert(run.id.clone(), run.state) != Some(run.state) && run.state != RunState::Queued {
                progress.line(&state_line(run));
            }
        }
        let ended = runs.iter().filter(|r| r.state.is_final()).count() as u64;
        progress.set(ended, total);
        if let Some(run) = runs.iter().find(|r| r.state.has_worker()) {
            let eta = run.eta_s.map(|s| format!(", {} left", output::duration(s))).unwrap_or_default();
            let name = format!("{} {} {}", run.backbone, run.task, run.arm);
            progress.note(format!("{name} {:.0} %{eta}", run.progress * 100.0));
        } else if let Ok(now) = client.pause().await {
            // Nothing moves: say why, once.
            let reason = now.map(|pause| pause.reason);
            if let Some(reason) = reason.as_ref().filter(|_| reason != paused) {
                progress.line(&format!("the queue is paused: {reason}"));
            }
            paused = reason;
        }
        if ended >= total {
            return Ok(runs);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn state_line(run: &RunView) -> String {
    let what = format!(
        "run {} ({} {} {} seed {}): {}",
        run.id, run.backbone, run.task, run.arm, run.seed, run.state
    );
    match (&run.failure, &run.primary) {
        (Some(failure), _) => format!("{what}: {}", failure.message),
        (None, Some(primary)) => format!("{what}, {} {:.4}", primary.name, primary.value),
        (None, None) => what,
    }
}

#[derive(Serialize)]
struct Report<'a> {
    experiment: String,
    runs: &'a [RunResult],
}

/// One line of the result table.
#[derive(Debug, Serialize)]
struct RunResult {
    id: RunId,
    backbone: String,
    task: Task,
    arm: Arm,
    seed: u64,
    state: RunState,
    metric: String,
    value: Option<f64>,
    /// The best simple baseline on the same cases.
    baseline: Option<f64>,
    baseline_name: Option<String>,
    seconds: Option<f64>,
    failure: Option<Failure>,
}

impl RunResult {
    fn of(run: &RunView) -> Self {
        let metric = run.task.primary_metric();
        let better = |a: f64, b: f64| metric.direction().better(a, b);
        let baseline = run
            .task
            .baselines()
            .iter()
            .filter_map(|name| Some((*name, *run.metrics.get(&metric.baseline_name(Split::Test, name))?)))
            .reduce(|best, next| if better(next.1, best.1) { next } else { best });
        let seconds =
            run.started_ms.zip(run.finished_ms).map(|(start, end)| (end - start).max(0) as f64 / 1000.0);
        Self {
            id: run.id.clone(),
            backbone: run.backbone.clone(),
            task: run.task,
            arm: run.arm,
            seed: run.seed,
            state: run.state,
            metric: metric.name(Split::Test),
            value: run.primary.as_ref().map(|p| p.value),
            baseline: baseline.map(|b| b.1),
            baseline_name: baseline.map(|b| b.0.to_owned()),
            seconds,
            failure: run.failure.clone(),
        }
    }
}

fn results_table(results: &[RunResult]) -> String {
    let rows: Vec<Vec<String>> = results
        .iter()
        .map(|r| {
            let decimals = MetricKind::of_name(&r.metric).map_or(4, MetricKind::decimals);
            let number = |v: Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.decimals$}"));
            let value = if r.state == RunState::Succeeded { number(r.value) } else { r.state.to_string() };
            let baseline = match (&r.baseline_name, r.baseline) {
                (Some(name), value @ Some(_)) => format!("{} ({name})", number(value)),
                _ => "-".into(),
            };
            vec![
                r.backbone.clone(),
                r.task.to_string(),
                r.arm.to_string(),
                r.seed.to_string(),
                r.metric.clone(),
                value,
                baseline,
                r.seconds.map_or_else(|| "-".into(), |s| format!("{s:.1}")),
            ]
        })
        .collect();
    let head = ["backbone", "task", "arm", "seed", "metric", "value", "baseline", "seconds"];
    output::table(&head, &rows, &[3, 5, 6, 7])
}
