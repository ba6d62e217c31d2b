//! The command line. One file a command; what several commands share is in [`client`]
//! (submitting and waiting) and [`output`] (bars, tables, JSON).

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use transferscope_server::{data_dir::DataDir, telemetry};

mod backbone;
mod client;
mod dataset;
mod doctor;
mod experiment;
mod output;
mod predict;
mod pretrain;
#[cfg(test)]
mod reference;
mod reindex;
mod resume;
mod run;
mod serve;
mod submit;
mod verify;
mod worker;

/// When does a pre-trained model help a downstream task, and can one see it coming?
///
/// Start with `transferscope serve` and open the page, or with
/// `transferscope experiment --preset quick --wait`.
#[derive(Debug, Parser)]
#[command(name = "transferscope", version)]
struct Cli {
    /// The folder that holds runs, data sets and the database.
    #[arg(
        long,
        global = true,
        env = "TRANSFERSCOPE_DATA_DIR",
        default_value = "./data",
        value_name = "FOLDER"
    )]
    data_dir: PathBuf,
    /// Print results as JSON on stdout.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the pages and the API, and carry out the queued runs.
    Serve(serve::Args),
    /// Carry out the run of one run directory (the server does this by itself).
    Worker(worker::Args),
    /// Start one run.
    Run(run::Args),
    /// Continue a run that failed or was stopped from its last checkpoint.
    Resume(resume::Args),
    /// Start an experiment: backbones x tasks x arms x seeds.
    Experiment(experiment::Args),
    /// Score backbones on a task by their frozen features, before anything is trained.
    Predict(predict::Args),
    /// Pre-train a backbone, wait until it has finished, and write its checkpoint.
    Pretrain(pretrain::Args),
    /// Add, generate, list and check data sets.
    #[command(subcommand)]
    Dataset(dataset::Command),
    /// Add checkpoint files as backbones, inspect them, and list the backbones.
    #[command(subcommand)]
    Backbone(backbone::Command),
    /// Rebuild the database from the run directories and the records beside them.
    Reindex,
    /// Check this machine and the data folder, and say how to fix what does not work.
    Doctor(doctor::Args),
    /// Compare this program's numbers with reference files from trusted libraries.
    Verify(verify::Args),
}

/// What every command gets.
#[derive(Debug, Clone)]
struct Context {
    data_dir: PathBuf,
    json: bool,
}

impl Context {
    /// Opens the data folder, made now where there is none.
    fn data(&self) -> Result<DataDir> {
        Ok(DataDir::open(&self.data_dir)?)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    // Only the owner may read what this program and its workers write: it includes images of patients.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = Cli::parse();
    let quiet = !matches!(cli.command, Command::Serve(_) | Command::Worker(_));
    telemetry::init(if quiet { "warn" } else { "info,sqlx=warn,cubecl=warn" });
    let context = Context { data_dir: cli.data_dir, json: cli.json };
    let result = match cli.command {
        Command::Serve(args) => serve::run(&context, args),
        Command::Worker(args) => return worker::run(&args),
        Command::Run(args) => run::run(&context, args),
        Command::Resume(args) => resume::run(&context, &args),
        Command::Experiment(args) => experiment::run(&context, args),
        Command::Predict(args) => predict::run(&context, args),
        Command::Pretrain(args) => pretrain::run(&context, args),
        Command::Dataset(command) => dataset::run(&context, command),
        Command::Backbone(command) => backbone::run(&context, command),
        Command::Reindex => reindex::run(&context),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::Verify(args) => verify::run(&context, &args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::from(1)
        }
    }
}

/// An error and its causes in one line; a cause that the line says already is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line.replace('\n', " ")
}

/// A runtime for the commands that talk to the server or are one.
fn runtime() -> Result<tokio::runtime::Runtime> {
    use anyhow::Context as _;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")
}
