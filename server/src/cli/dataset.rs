//! `transferscope dataset add | synth | list | check`

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{Result, anyhow};
use transferscope_domain::{
    Task,
    dataset::{
        DatasetManifest,
        check::{CheckReport, Finding, Severity, TaskUse},
    },
    metric::Split,
};
use transferscope_ml::data::{
    import, kept_check, manifest,
    synth::{self, SynthOptions},
};
use transferscope_store::now_ms;

use super::{
    Context,
    output::{self, Progress, Size},
    submit::PHANTOM,
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Read a folder of examinations (NIfTI, MetaImage or DICOM) and make it a data set.
    Add {
        /// One folder a case with t2w, adc, hbv and, where there are, gland, zones, lesion.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The data set's name; the folder's name if not given.
        #[arg(long)]
        name: Option<String>,
    },
    /// Compute phantoms: prostate examinations with known anatomy.
    Synth {
        #[arg(long, default_value = PHANTOM)]
        name: String,
        #[arg(long, default_value_t = 48)]
        patients: usize,
        /// The same seed gives the same images.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Voxels as slices x rows x columns.
        #[arg(long, default_value = "24x96x96", value_name = "DxHxW", value_parser = output::parse_size)]
        size: Size,
    },
    /// List the data sets.
    List,
    /// Read every case of a data set and say what is wrong with it.
    Check {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Carries the command out.
///
/// # Errors
/// What is wrong with the data, with file and reason.
pub fn run(context: &Context, command: Command) -> Result<ExitCode> {
    let datasets = context.data()?.datasets();
    match command {
        Command::Add { folder, name } => {
            let progress = Progress::new("reading cases");
            let made = import::add(&datasets, &folder, name.as_deref(), &|done, total| {
                progress.set(done as u64, total as u64);
            })?;
            drop(progress);
            show(context, &made)?;
        }
        Command::Synth { name, patients, seed, size } => {
            let progress = Progress::new("computing patients");
            let options = SynthOptions { name, patients, seed, size: size.0 };
            let made = synth::generate(&datasets, &options, &|done, total| {
                progress.set(done as u64, total as u64);
            })?;
            drop(progress);
            show(context, &made)?;
        }
        Command::List => list(context, &manifest::list(&datasets)?)?,
        Command::Check { name } => return check_one(context, &datasets, &name),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, made: &DatasetManifest) -> Result<()> {
    if context.json {
        return output::json(made);
    }
    let count = |split| made.cases.iter().filter(|c| c.split == split).count();
    output::print(&format!(
        "data set {}: {} cases of {} patients (train {}, val {}, test {})",
        made.name,
        made.cases.len(),
        made.patients(),
        count(Split::Train),
        count(Split::Val),
        count(Split::Test)
    ))?;
    for task in Task::ALL {
        if let Some(problem) = made.task_problem(task) {
            eprintln!("note: {problem}");
        }
    }
    for refused in &made.refused {
        eprintln!("left out {}: {}", refused.case_id, refused.reason);
    }
    Ok(())
}

fn list(context: &Context, sets: &[DatasetManifest]) -> Result<()> {
    if context.json {
        return output::json(&sets);
    }
    if sets.is_empty() {
        eprintln!(
            "no data set yet: make one with `transferscope dataset synth` or `transferscope dataset add FOLDER`"
        );
    }
    let rows: Vec<Vec<String>> = sets
        .iter()
        .map(|s| {
            let tasks: Vec<_> =
                Task::ALL.into_iter().filter(|t| s.task_problem(*t).is_none()).map(Task::as_str).collect();
            vec![
                s.name.clone(),
                s.cases.len().to_string(),
                s.patients().to_string(),
                if s.synthetic { "synthetic".into() } else { "real".into() },
                tasks.join(", "),
                s.source.clone(),
            ]
        })
        .collect();
    output::print(&output::table(&["name", "cases", "patients", "kind", "tasks", "source"], &rows, &[1, 2]))
}

fn check_one(context: &Context, datasets: &std::path::Path, name: &str) -> Result<ExitCode> {
    let known = manifest::list(datasets)?;
    if !manifest::is_name(name) || !datasets.join(name).is_dir() {
        let names: Vec<_> = known.iter().map(|s| s.name.as_str()).collect();
        let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        return Err(anyhow!("there is no data set {name:?}; known are: {names}"));
    }
    // Kept, so that the data set's page shows the same.
    let report = kept_check::make(&datasets.join(name), now_ms())?.report;
    if context.json {
        output::json(&report)?;
    } else {
        output::print(&in_words(&report))?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn in_words(report: &CheckReport) -> String {
    let [train, val, test] = report.split_patients;
    let kind = if report.synthetic { "synthetic" } else { "real" };
    let mut lines = vec![
        format!("data set {} ({kind}; {})", report.name, report.source),
        format!(
            "{} cases of {} patients (patients: train {train}, val {val}, test {test})",
            report.cases, report.patients
        ),
    ];
    let counted = |what: &str, counts: &BTreeMap<String, usize>| {
        let parts: Vec<_> = counts.iter().map(|(value, n)| format!("{value} ({n})")).collect();
        format!("{what}: {}", parts.join(", "))
    };
    lines.push(counted("channels", &report.channels));
    lines.push(counted("shapes", &report.shapes));
    lines.push(counted("voxel sizes in mm", &report.spacings_mm));
    for (mask, values) in &report.labels {
        let values: Vec<_> = values.iter().map(u32::to_string).collect();
        lines.push(format!("values of {mask}: {}", values.join(", ")));
    }
    for TaskUse { task, train, val, test, problem, left_out } in &report.tasks {
        lines.push(match problem {
            None => {
                format!("{task}: {train} train, {val} val, {test} test cases; {} left out", left_out.len())
            }
            Some(problem) => format!("{task}: cannot run: {problem}"),
        });
    }
    for refused in &report.refused {
        lines.push(format!("refused when added: {}: {}", refused.case_id, refused.reason));
    }
    for Finding { severity, case_id, message } in &report.findings {
        let word = match severity {
            Severity::Error => "ERROR",
            Severity::Warning => "note",
        };
        let place = case_id.as_deref().map(|id| format!("{id}: ")).unwrap_or_default();
        lines.push(format!("{word}: {place}{message}"));
    }
    if report.findings.is_empty() {
        lines.push("nothing wrong was found".into());
    }
    lines.join("\n")
}
