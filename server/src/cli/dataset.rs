//! `transferscope dataset add | synth | list | check`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, anyhow};
use transferscope_domain::{
    Name,
    dataset::{CaseEntry, DatasetManifest, Description, Folds},
    metric::Split,
};
use transferscope_ml::data::{
    import::{self, AddOptions, FillLabel, Layout},
    kept_check, manifest, plan,
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
    /// Read a folder of images and make it a data set.
    ///
    /// Layouts are recognised: one folder per case (cases), nnU-Net (nnunet), Medical Segmentation Decathlon (msd), BIDS
    /// (bids), PI-CAI (picai), trees of DICOM files (dicom), pictures (pictures). A dataset.toml in the folder can say what
    /// its images, masks and labels are.
    Add {
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// How the folder is arranged, if it is not recognised: cases, nnunet, msd, bids, picai, dicom or pictures.
        #[arg(long, value_name = "LAYOUT")]
        layout: Option<Layout>,
        /// Of DICOM trees: which series is which image, by its description with * for anything, as in t2w="t2*tra*".
        #[arg(long = "image", value_name = "NAME=PATTERN", value_parser = parse_series)]
        images: Vec<(Name, String)>,
        /// What of a case's name is its patient: the part that the first * stands for, as in "sub-*_*".
        #[arg(long, value_name = "PATTERN")]
        patient: Option<String>,
        /// Show how the folder would be read, and add nothing.
        #[arg(long)]
        dry_run: bool,
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
        /// Test on this one of nnU-Net's five folds, from 0, for results on the same cases as nnU-Net's.
        #[arg(long, value_name = "I", conflicts_with_all = ["folds", "fold"])]
        nnunet_fold: Option<u32>,
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
    /// Show or change how the cases of a data set are brought to networks. Runs keep the plan that they were made with.
    Plan {
        #[arg(value_name = "NAME")]
        name: String,
        /// What to change: spacing=1,1,1 (mm), patch=40,56,40 (voxels), mirror=0,1,2 (axes, or none),
        /// normalisation=IMAGE:zscore, nonzero-zscore or fixed.
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        set: Vec<String>,
    },
    /// Write who trains, validates and tests for other programs.
    Splits {
        #[arg(value_name = "NAME")]
        name: String,
        /// nnunet (splits_final.json), cases (cases.csv, as dataset add reads it) or bids (participants.tsv).
        #[arg(long, value_name = "FORMAT", default_value = "nnunet")]
        format: SplitFormat,
    },
    /// List the data sets.
    List,
    /// Read every case of a data set and report problems.
    Check {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// How splits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SplitFormat {
    Nnunet,
    Cases,
    Bids,
}

/// Carries the command out.
///
/// # Errors
/// What is wrong with the data, with file and reason.
pub fn run(context: &Context, command: Command) -> Result<ExitCode> {
    let datasets = context.data()?.datasets();
    match command {
        Command::Add {
            folder,
            layout,
            images,
            patient,
            dry_run,
            name,
            folds,
            fold,
            nnunet_fold,
            spacing,
            fill_label,
        } => {
            let split = match (folds, fold, nnunet_fold) {
                (_, _, Some(test)) => SplitPlan::Nnunet(test),
                (Some(count), Some(test), None) => SplitPlan::DrawnFolds(Folds { count, test }),
                (None, Some(test), None) => SplitPlan::StoredFold(test),
                (_, None, None) => SplitPlan::Single,
            };
            let description = Description {
                layout: layout.map(|layout| layout.as_str().to_owned()),
                series: images.into_iter().collect(),
                patient,
                ..Description::default()
            };
            let spacing_mm = spacing.map(|s| s.0);
            let options = AddOptions { name, split, spacing_mm, fill_label, description };
            if dry_run {
                let (report, _) = import::dry_run(&folder, &options)?;
                if context.json {
                    output::json(&report)?;
                } else {
                    output::print(report.to_string().trim_end())?;
                }
                return Ok(ExitCode::SUCCESS);
            }
            let before = manifest::list(&datasets)?;
            let progress = Progress::new("reading cases");
            let made = import::add_with(&datasets, &folder, &options, &|done, total| {
                progress.set(done as u64, total as u64);
            })?;
            drop(progress);
            if before.iter().any(|there| there.name == made.name) {
                eprintln!("note: {} was there already with the same cases: nothing has changed", made.name);
            }
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
        Command::Plan { name, set } => show_plan(context, &datasets, &name, &set)?,
        Command::Splits { name, format } => {
            let splits = import::splits(&manifest::load(&existing(&datasets, &name)?)?)?;
            if format == SplitFormat::Nnunet && !splits.test.is_empty() {
                eprintln!(
                    "note: {} in none of the rounds, since they test: {}",
                    plural(splits.test.len() as u64, "case"),
                    splits.test.join(", ")
                );
            }
            let text = match format {
                SplitFormat::Nnunet => splits.splits_final,
                SplitFormat::Cases => splits.cases,
                SplitFormat::Bids => splits.participants,
            };
            output::print(text.trim_end())?;
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
    for problem in made.uses().into_iter().filter(|used| used.default).filter_map(|used| used.problem) {
        eprintln!("note: {problem}");
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
            let uses = s.uses().into_iter().filter(|used| used.problem.is_none());
            let tasks: Vec<String> = uses.map(|used| used.short().to_string()).collect();
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

/// The folder of a data set that is there.
fn existing(datasets: &Path, name: &str) -> Result<PathBuf> {
    if manifest::is_name(name) && datasets.join(name).is_dir() {
        return Ok(datasets.join(name));
    }
    let known = manifest::list(datasets)?;
    let names: Vec<_> = known.iter().map(|s| s.name.as_str()).collect();
    let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    Err(anyhow!("there is no data set {name:?}; known are: {names}"))
}

/// Changes a plan where that is asked for, and shows it.
fn show_plan(context: &Context, datasets: &Path, name: &str, set: &[String]) -> Result<()> {
    let folder = existing(datasets, name)?;
    let changes: Vec<(&str, &str)> = set
        .iter()
        .map(|change| change.split_once('=').ok_or_else(|| anyhow!("{change:?}: FIELD=VALUE was expected")))
        .collect::<Result<_>>()?;
    let made = if changes.is_empty() { manifest::load(&folder)? } else { plan::change(&folder, &changes)? };
    if context.json {
        return output::json(&made.plan);
    }
    match &made.plan {
        None => output::print(
            "The networks' own grids, as in the study: pixels of 1 mm in the slice plane for small networks and of 0.5 mm for published ones, cut around the centre.",
        ),
        Some(plan) => {
            plan.words().iter().try_for_each(|(what, words)| output::print(&format!("{what}: {words}")))
        }
    }
}

fn check_one(context: &Context, datasets: &Path, name: &str) -> Result<ExitCode> {
    existing(datasets, name)?;
    // Kept, so that the data set's page shows the same.
    let report = kept_check::make(&datasets.join(name), now_ms())?.report;
    if context.json {
        output::json(&report)?;
    } else {
        output::print(report.to_string().trim_end())?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn parse_series(text: &str) -> Result<(Name, String), String> {
    let (name, pattern) =
        text.split_once('=').ok_or_else(|| format!("{text:?}: NAME=PATTERN was expected"))?;
    Ok((Name::new(name)?, pattern.to_owned()))
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
