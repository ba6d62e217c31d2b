//! `transferscope experiment`: many runs that are meant to be compared.

use std::{fs::File, io::Read, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use transferscope_domain::{experiment::ExperimentSpec, form::parse_seeds};

use transferscope_ml::backbone::registry;

use super::{Context, submit};

/// Largest specification file that is read.
const SPEC_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Preset {
    /// Two small backbones, all tasks, all arms, three seeds.
    Quick,
    /// Every added backbone of published size, all tasks, all arms, three seeds, 400 epochs: for a CUDA GPU.
    Paper,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Args {
    /// A ready-made experiment.
    #[arg(long, value_enum, group = "what")]
    preset: Option<Preset>,
    /// A specification (TOML, or JSON with the extension .json) with the fields of POST
    /// /api/v1/experiments: name, backbones, tasks, arms, dataset, seeds, label_shares, adaptations, epochs,
    /// overrides.
    #[arg(long, value_name = "SPEC", group = "what")]
    file: Option<PathBuf>,
    /// Data set to use instead of the preset's or the file's.
    #[arg(long, env = "TRANSFERSCOPE_DATASET")]
    dataset: Option<String>,
    /// Seeds to use instead, such as 0,1,2 or 0-4.
    #[arg(long)]
    seeds: Option<String>,
    /// The name on the pages.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    training: submit::TrainingArgs,
    #[command(flatten)]
    how: submit::How,
}

/// Starts the experiment.
///
/// # Errors
/// When it is refused or cannot be carried out.
pub fn run(context: &Context, args: Args) -> Result<ExitCode> {
    let mut spec = match (args.preset, &args.file) {
        (Some(Preset::Quick), _) => ExperimentSpec::quick(submit::PHANTOM),
        (Some(Preset::Paper), _) => paper(context)?,
        (None, Some(path)) => read(path)?,
        (None, None) => bail!("give --preset quick, --preset paper or --file SPEC"),
    };
    if let Some(dataset) = args.dataset {
        spec.dataset = dataset;
    }
    if let Some(seeds) = &args.seeds {
        spec.seeds = parse_seeds(seeds).map_err(anyhow::Error::msg)?;
    }
    if let Some(name) = args.name {
        spec.name = name;
    }
    args.training.apply(&mut spec)?;
    submit::submit(context, &spec, &args.how)
}

/// The `paper` preset with the backbones that a data folder has.
fn paper(context: &Context) -> Result<ExperimentSpec> {
    let backbones = ExperimentSpec::published(&registry(&context.data_dir));
    if backbones.is_empty() {
        bail!(
            "there is no backbone of published size: add one with `transferscope backbone add FILE --architecture \
             ARCHITECTURE`, or use --preset quick"
        );
    }
    Ok(ExperimentSpec::paper(submit::PHANTOM, backbones))
}

fn read(path: &PathBuf) -> Result<ExperimentSpec> {
    let what = || format!("the specification {} cannot be read", path.display());
    let mut text = String::new();
    File::open(path).with_context(what)?.take(SPEC_BYTES_MAX).read_to_string(&mut text).with_context(what)?;
    if path.extension().is_some_and(|e| e == "json") {
        serde_json::from_str(&text).with_context(what)
    } else {
        toml::from_str(&text).with_context(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_is_read_from_toml_and_a_wrong_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spec.toml");
        let good = "backbones = [\"provicnet-mini\"]\ntasks = [\"segmentation\"]\narms = [\"scratch\"]\n\
                    dataset = \"phantom\"\nseeds = [0, 1]\n[overrides]\nlr = 1e-4\n";
        std::fs::write(&path, good).unwrap();
        let spec = read(&path).unwrap();
        assert_eq!((spec.seeds.len(), spec.overrides.lr), (2, Some(1e-4)));
        std::fs::write(&path, good.replace("lr =", "learning_rate =")).unwrap();
        let message = super::super::one_line(&read(&path).unwrap_err());
        assert!(message.contains("learning_rate") && !message.contains('\n'), "{message}");
    }
}
