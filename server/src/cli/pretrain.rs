//! `transferscope pretrain`: one run whose result is a backbone.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use transferscope_domain::{
    Objective, Precision, RunId, RunState,
    api::RunView,
    pretraining::{PretrainSpec, trainable, trainable_names},
};

use super::{
    Context,
    client::Client,
    output::{self, Progress},
    submit,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// mae, patch-contrast or self-distillation.
    #[arg(long)]
    objective: Objective,
    /// The architecture, with its size: profound-conv-mini, profound-vit-mini or provicnet-mini; or a
    /// published one, such as profound-conv-tiny, profound-vit-base or provicnet-small.
    #[arg(long)]
    backbone: String,
    /// Data set to train on; choose one whose patients no run is tested on.
    #[arg(long)]
    dataset: String,
    /// Name of the new backbone; by default the architecture with objective and seed.
    #[arg(long)]
    name: Option<String>,
    /// Further folder to which card.json and weights.safetensors are copied.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Backbone to continue from; default: random weights.
    #[arg(long)]
    from: Option<String>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long)]
    epochs: Option<u32>,
    /// Crops (mae) or slices in a batch.
    #[arg(long)]
    batch_size: Option<u32>,
    /// Batches whose gradients are added up for one optimiser step.
    #[arg(long)]
    accumulate: Option<u32>,
    #[arg(long)]
    lr: Option<f64>,
    /// Precision of matrix products in training steps: float32, or bfloat16 (mixed precision).
    #[arg(long, default_value_t)]
    precision: Precision,
    #[command(flatten)]
    how: submit::How,
}

/// Time between two looks at the run.
const POLL: Duration = Duration::from_millis(500);
/// How often a server that does not answer is asked again before waiting is given up.
const POLL_FAILURES_MAX: u32 = 60;

/// Carries the command out: waits for the run, which another `transferscope serve` takes up where this
/// command is ended before it.
///
/// # Errors
/// When the pre-training is refused or fails, or the folder cannot be written.
pub fn run(context: &Context, args: Args) -> Result<ExitCode> {
    if trainable(&args.backbone).is_none() {
        bail!("--backbone {:?}: {}", args.backbone, known());
    }
    let name = args.name.unwrap_or_else(|| format!("{}-{}-{}", args.backbone, args.objective, args.seed));
    let spec = PretrainSpec {
        name,
        architecture: args.backbone,
        objective: args.objective,
        dataset: args.dataset,
        seed: args.seed,
        from: args.from,
        epochs: args.epochs,
        batch_size: args.batch_size,
        accumulate: args.accumulate,
        lr: args.lr,
        precision: args.precision,
    };
    let errors = spec.errors();
    if !errors.is_empty() {
        let fields: Vec<_> = errors.iter().map(|(field, message)| format!("{field}: {message}")).collect();
        return Err(anyhow!("{}", fields.join("; ")));
    }
    submit::with_server(context, &args.how, &spec.dataset, async |client| {
        let created = client.pretrain(&spec).await?;
        eprintln!("watch at {}/runs/{}", client.url, created.id);
        let ended = wait(client, &created.id).await?;
        report(context, &ended, args.out.as_deref())
    })
}

fn known() -> String {
    format!("use one of {}", trainable_names().join(", "))
}

async fn wait(client: &Client, id: &RunId) -> Result<RunView> {
    let progress = Progress::new("pre-training");
    let mut failures = 0;
    loop {
        match client.run(id).await {
            Ok(run) if run.state.is_final() => return Ok(run),
            Ok(run) => {
                failures = 0;
                progress.set((run.progress * 100.0) as u64, 100);
                if let Some(loss) = run.metrics.get("train/loss") {
                    progress.note(format!("loss {loss:.4}"));
                }
            }
            Err(error) if failures < POLL_FAILURES_MAX => {
                failures += 1;
                progress.note(format!("{error}; trying again"));
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(POLL).await;
    }
}

fn report(context: &Context, run: &RunView, out: Option<&std::path::Path>) -> Result<ExitCode> {
    if let Some(failure) = &run.failure {
        bail!("{} {}", failure.message, failure.hint);
    }
    if run.state != RunState::Succeeded {
        bail!("the run {} ended as {}", run.id, run.state);
    }
    let made = context.data()?.run(&run.id).join("backbone");
    if let Some(out) = out {
        fs::create_dir_all(out).with_context(|| format!("the folder {} cannot be made", out.display()))?;
        for file in ["weights.safetensors", "card.json"] {
            fs::copy(made.join(file), out.join(file))
                .with_context(|| format!("{file} cannot be written to {}", out.display()))?;
        }
    }
    let card = fs::read(made.join("card.json")).context("the card cannot be read")?;
    let card: serde_json::Value = serde_json::from_slice(&card).context("the card is damaged")?;
    if context.json {
        output::json(&card)?;
    } else {
        for (name, value) in run.metrics.iter().filter(|(name, _)| name.starts_with("val/")) {
            output::print(&format!("{name} {value:.4}"))?;
        }
        output::print(&format!("backbone {} is ready", card["name"].as_str().unwrap_or_default()))?;
    }
    Ok(ExitCode::SUCCESS)
}
