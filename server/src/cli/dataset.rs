//! `transferscope dataset add | synth | list | check`

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, anyhow};
use transferscope_domain::{
    Task,
    dataset::{CaseEntry, DatasetManifest, Folds},
    metric::Split,
};
use transferscope_ml::data::{
    import::{self, AddOptions, FillLabel},
    kept_check, manifest,
    split::SplitPlan,
    synth::{self, SynthOptions},
};
use transferscope_store::now_ms;

use super::{
    Context,
    output::{self, Progress, Size, plural},
    submit::PHANTOM,
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Read a folder of examinations (NIfTI, MetaImage or DICOM) and make it a data set.
    Add {
        /// A folder with one subfolder per case: t2w and, if available, adc, hbv and the masks gland, zones, lesion.
        /// Or the images of PI-CAI, with picai_labels in or beside them.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The data set's name; the folder's name if not given.
        #[arg(long)]
        name: Option<String>,
        /// Draw this many folds instead of one split.
        #[arg(long, value_name = "K", requires = "fold")]
        folds: Option<u32>,
        /// The fold used as the test set, from 0; the next one is the validation set. Without --folds, this is one of
        /// the folds stored beside the images.
        #[arg(long, value_name = "I")]
        fold: Option<u32>,
        /// Give every case voxels of this size in mm, as slices x rows x columns.
        #[arg(long, value_name = "DxHxW", value_parser = parse_spacing)]
        spacing: Option<Spacing>,
        /// A mask value that is not a label, such as 255 at borders: its voxels become background or, with =nearest,
        /// get the label of the nearest other voxel.
        #[arg(long, value_name = "VALUE[=background|nearest]")]
        fill_label: Option<FillLabel>,
    },
    /// Compute phantoms: prostate examinations with known anatomy.
    Synth {
        #[arg(long, default_value = PHANTOM)]
        name: String,
        /// Patients to split into training, validation and test; default as in the built-in data: 48, and 16 more for
        /// the test only.
        #[arg(long)]
        patients: Option<usize>,
        /// Additional patients for the test set only.
        #[arg(long, value_name = "N", requires = "patients")]
        test_only: Option<usize>,
        /// The same seed gives the same images.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Voxels as slices x rows x columns.
        #[arg(long, default_value = "24x96x96", value_name = "DxHxW", value_parser = output::parse_size)]
        size: Size,
    },
    /// List the data sets.
    List,
    /// Read every case of a data set and report problems.
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
        Command::Add { folder, name, folds, fold, spacing, fill_label } => {
            let progress = Progress::new("reading cases");
            let split = match (folds, fold) {
                (Some(count), Some(test)) => SplitPlan::DrawnFolds(Folds { count, test }),
                (None, Some(test)) => SplitPlan::StoredFold(test),
                (_, None) => SplitPlan::Single,
            };
            let options = AddOptions { name, split, spacing_mm: spacing.map(|s| s.0), fill_label };
            let made = import::add_with(&datasets, &folder, &options, &|done, total| {
                progress.set(done as u64, total as u64);
            })?;
            drop(progress);
            show(context, &made)?;
        }
        Command::Synth { name, patients, test_only, seed, size } => {
            let progress = Progress::new("computing patients");
            let usual = SynthOptions::default();
            let (patients, test_only) = match patients {
                Some(patients) => (patients, test_only.unwrap_or(0)),
                None => (usual.patients, usual.test_only),
            };
            let options = SynthOptions { name, patients, test_only, seed, size: size.0 };
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
        "data set {}: {} of {} (train {}, val {}, test {})",
        made.name,
        plural(made.cases.len() as u64, "case"),
        plural(made.patients() as u64, "patient"),
        count(Split::Train),
        count(Split::Val),
        count(Split::Test)
    ))?;
    let sources: Vec<String> =
        made.patient_sources.iter().map(|(source, cases)| format!("{source} ({cases})")).collect();
    output::print(&format!("patients from: {}", sources.join(", ")))?;
    for task in Task::ALL {
        if let Some(problem) = made.task_problem(task) {
            eprintln!("note: {problem}");
        }
    }
    for refused in &made.refused {
        eprintln!("left out {}: {}", refused.case_id, refused.reason);
    }
    show_notes(made);
    Ok(())
}

/// What was noticed, as far as it fits a screen; `dataset check` has all of it.
fn show_notes(made: &DatasetManifest) {
    const SHOWN: usize = 30;
    let of_case = |case: &CaseEntry| {
        let id = case.case_id.clone();
        case.notes.iter().map(move |note| format!("{id}: {note}")).collect::<Vec<_>>()
    };
    let notes: Vec<String> = made.notes.iter().cloned().chain(made.cases.iter().flat_map(of_case)).collect();
    for note in notes.iter().take(SHOWN) {
        eprintln!("note: {note}");
    }
    if let Some(more @ 1..) = notes.len().checked_sub(SHOWN) {
        eprintln!("note: {more} more, which `transferscope dataset check {}` lists", made.name);
    }
}

fn list(context: &Context, sets: &[DatasetManifest]) -> Result<()> {
    if context.json {
        return output::json(&sets);
    }
    if sets.is_empty() {
        eprintln!(
            "no data set yet: generate one with `transferscope dataset synth` or `transferscope dataset add FOLDER`"
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
                s.origin(),
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
        output::print(report.to_string().trim_end())?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A voxel size in mm, `[D, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing([f64; 3]);

fn parse_spacing(text: &str) -> Result<Spacing, String> {
    let sides: Option<Vec<f64>> = text.split('x').map(|side| side.trim().parse().ok()).collect();
    let sides: Option<[f64; 3]> = sides.and_then(|sides| sides.try_into().ok());
    sides.map(Spacing).ok_or_else(|| format!("{text:?}: three numbers such as 3x0.5x0.5 were expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacings_are_three_numbers() {
        assert_eq!(parse_spacing("3x0.5x0.5"), Ok(Spacing([3.0, 0.5, 0.5])));
        for bad in ["3x0.5", "3x0.5x0.5x1", "axbxc", ""] {
            assert!(parse_spacing(bad).unwrap_err().contains("3x0.5x0.5"));
        }
    }
}
