//! `transferscope backbone add | inspect | list`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use transferscope_domain::report::LoadReport;
use transferscope_ml::{
    backbone::{
        AddedCard,
        add::{AddOptions, add},
        inspect::{Inspection, inspect},
        registry,
    },
    checkpoint::{Pick, architecture::Hints},
};
use transferscope_store::now_ms;

use super::{
    Context,
    output::{self, Size},
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add the encoder of a checkpoint (.pth, .pt, .ckpt, .bin, .pth.tar, .safetensors, an index of several
    /// files, or a folder with one of these) as a backbone.
    ///
    /// No code in a file is executed.
    Add {
        #[arg(value_name = "CHECKPOINT")]
        checkpoint: PathBuf,
        /// The backbone's name; derived from the file's name if not given.
        #[arg(long)]
        name: Option<String>,
        /// The architecture that the file must hold.
        #[arg(long, default_value = "auto", value_parser = ["auto", "profound-conv", "profound-vit", "provicnet"])]
        architecture: String,
        /// Checkpoint of the ADC encoder, for ProViCNet, which has one encoder per image; the first file then holds
        /// the T2-weighted one.
        #[arg(long, value_name = "CHECKPOINT")]
        adc: Option<PathBuf>,
        /// Checkpoint of the high-b-value encoder, as --adc.
        #[arg(long, value_name = "CHECKPOINT")]
        hbv: Option<PathBuf>,
        #[command(flatten)]
        told: Told,
        /// Where the file came from.
        #[arg(long)]
        source: Option<String>,
        /// The licence of the weights, such as CC-BY-NC-4.0.
        #[arg(long)]
        licence: Option<String>,
        /// Anything else worth knowing.
        #[arg(long)]
        note: Option<String>,
    },
    /// Show what a checkpoint file holds and how it would be loaded.
    Inspect {
        #[arg(value_name = "CHECKPOINT")]
        checkpoint: PathBuf,
        #[command(flatten)]
        told: Told,
    },
    /// List the backbones that runs can start from.
    List,
}

/// What weights do not tell.
#[derive(Debug, clap::Args)]
pub struct Told {
    /// Number of attention heads, needed if the width is not one of the published ones.
    #[arg(long)]
    heads: Option<usize>,
    /// Image size in voxels, for a profound-vit of another size than the published one.
    #[arg(long, value_name = "DxHxW", value_parser = output::parse_size)]
    image: Option<Size>,
    /// Key of the state dict if a file has several, such as model_ema or state.model; . for one without a key.
    #[arg(long)]
    key: Option<String>,
    /// Prefix of the encoder's tensor names if a file has several encoders, such as student.backbone
    #[arg(long)]
    prefix: Option<String>,
}

impl Told {
    fn pick(&self) -> Pick {
        Pick { key: self.key.clone(), prefix: self.prefix.clone() }
    }

    fn hints(&self) -> Hints {
        Hints { heads: self.heads, image: self.image.map(|Size(size)| size) }
    }
}

/// Carries the command out.
///
/// # Errors
/// What is wrong with the file, when it is there already, when stdout is closed, or when the data
/// folder cannot be used.
pub fn run(context: &Context, command: Command) -> Result<ExitCode> {
    match command {
        Command::Add { checkpoint, name, architecture, adc, hbv, told, source, licence, note } => {
            let kind = (architecture != "auto").then_some(architecture);
            let further = [("hbv", hbv), ("adc", adc)];
            let by_type = further.into_iter().filter_map(|(name, file)| Some((name, file?))).collect();
            let (hints, pick) = (told.hints(), told.pick());
            let added_ms = now_ms();
            let options = AddOptions { name, kind, hints, pick, source, licence, note, by_type, added_ms };
            let card = add(&context.data()?.backbones(), &checkpoint, &options)?;
            show_added(context, &card)?;
        }
        Command::Inspect { checkpoint, told } => {
            let inspection = inspect(&checkpoint, told.hints(), &told.pick())?;
            if context.json {
                output::json(&inspection)?;
            } else {
                output::print(&in_words(&inspection))?;
            }
        }
        Command::List => list(context)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn millions(count: u64) -> String {
    format!("{:.2} M", count as f64 / 1e6)
}

fn show_added(context: &Context, card: &AddedCard) -> Result<()> {
    if context.json {
        return output::json(card);
    }
    output::print(&format!(
        "backbone {}: {}\n{} parameters from {}\n{}",
        card.name,
        card.architecture,
        millions(card.parameters),
        card.file,
        report_in_words(&card.load_report)
    ))?;
    Ok(())
}

/// A line for each kind of outcome, then the names of all that is not simply applied.
fn report_in_words(report: &LoadReport) -> String {
    let LoadReport { source: _, applied, missing, unused, reshaped, defaulted, notes } = report;
    let mut lines = notes.clone();
    lines.push(format!("applied: {} tensors", applied.len()));
    for (what, names) in [
        ("missing (initialised at random)", missing),
        ("defaulted (not part of pre-training: as in a new network)", defaulted),
        ("reshaped", reshaped),
        ("unused", unused),
    ] {
        lines.push(format!("{what}: {}", names.len()));
        lines.extend(names.iter().map(|name| format!("  {name}")));
    }
    lines.join("\n")
}

fn in_words(inspection: &Inspection) -> String {
    let Inspection { container, wrapper, metadata, tensors, others, .. } = inspection;
    let state_dict = match wrapper {
        Some(key) => format!("state dict under {key:?}"),
        None => "bare state dict".to_owned(),
    };
    let mut lines = vec![format!(
        "{container}, {state_dict}: {} tensors, {} parameters",
        tensors.len(),
        millions(inspection.parameters)
    )];
    if inspection.state_dicts.len() > 1 {
        let each = inspection.state_dicts.iter().map(|d| format!("{} ({} tensors)", d.key, d.tensors));
        lines.push(format!("state dicts in it: {}", each.collect::<Vec<_>>().join(", ")));
    }
    match (&inspection.architecture, &inspection.problem) {
        (Some(architecture), _) => {
            lines.push(format!("encoder: {architecture}"));
            lines.extend(inspection.notes.iter().cloned());
            let used = tensors.iter().filter(|t| t.becomes.is_some()).count();
            lines.push(format!(
                "{used} tensors become the encoder's ({} parameters), {} are not used",
                millions(inspection.encoder_parameters),
                tensors.len() - used
            ));
        }
        (None, problem) => {
            lines.push(format!("no backbone: {}", problem.as_deref().unwrap_or("unknown")));
            lines.extend(inspection.notes.iter().cloned());
        }
    }
    lines.extend(
        inspection.defaulted.iter().map(|name| format!("not in the file, as in a new network: {name}")),
    );
    let rows: Vec<Vec<String>> = tensors
        .iter()
        .map(|t| {
            vec![
                t.name.clone(),
                format!("{:?}", t.shape),
                t.element.to_owned(),
                t.becomes.clone().unwrap_or_else(|| "-".into()),
            ]
        })
        .collect();
    lines.push(String::new());
    lines.push(output::table(&["tensor", "shape", "type", "becomes"], &rows, &[]));
    if !others.is_empty() {
        lines.push(String::new());
        lines.extend(others.iter().map(|(name, what)| format!("{name}: {what}")));
    }
    if !metadata.is_empty() {
        let rows: Vec<Vec<String>> = metadata.iter().map(|(k, v)| vec![k.clone(), v.clone()]).collect();
        lines.push(String::new());
        lines.push(output::table(&["beside the tensors", "value"], &rows, &[]));
    }
    lines.join("\n")
}

fn list(context: &Context) -> Result<()> {
    let data = context.data()?;
    let backbones = registry(data.root());
    if context.json {
        return output::json(&backbones);
    }
    let rows: Vec<Vec<String>> = backbones
        .iter()
        .map(|b| {
            let architecture = b.architecture.as_ref().map_or_else(|| b.family.as_str().into(), |a| a.name());
            let from = b.pretraining_data.as_ref().or(b.source.as_ref()).or(b.file.as_ref());
            vec![
                b.name.clone(),
                architecture,
                millions(b.parameters),
                b.objective.clone().unwrap_or_else(|| "-".into()),
                from.cloned().unwrap_or_else(|| "-".into()),
            ]
        })
        .collect();
    let head = ["name", "architecture", "parameters", "objective", "pre-trained on, or source"];
    output::print(&output::table(&head, &rows, &[2]))
}
