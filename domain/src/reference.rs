//! Pages of `docs/reference` that are tables of this crate: made from the code, and tested to be what the code says.
//! `TRANSFERSCOPE_WRITE_DOCS=1 cargo test -p transferscope-domain reference` writes them anew.

use std::{fmt::Write, fs, path::Path};

use crate::{
    Adaptation, Augmentation, Degradation, Direction, Family, Head, Inference, Loss, MetricKind, Overrides,
    Precision, Target, Task, TrainingSpec, training::EPOCHS,
};

/// Holds a page against its file, or writes the file where that is asked for.
fn hold(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    if std::env::var_os("TRANSFERSCOPE_WRITE_DOCS").is_some() {
        fs::write(&file, page).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        there, page,
        "docs/reference/{name} is not what the code says: run with TRANSFERSCOPE_WRITE_DOCS=1"
    );
}

/// What a metric measures, for people who compare it with their own.
fn meaning(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Loss => {
            "What the training makes smaller: the task's loss, or the pre-training objective."
        }
        MetricKind::Dice => {
            "Dice coefficient in the case's own grid: mean over the classes that a case has, then over cases; a class that the true mask does not have is left out."
        }
        MetricKind::PsnrDb => "Peak signal-to-noise ratio, where the sharp image's maximum is 1.",
        MetricKind::Ssim => {
            "Structural similarity, three-dimensional Gaussian window of 11 voxels, sigma 1.5."
        }
        MetricKind::Nmse => "Squared error divided by the squared sum of the true image.",
        MetricKind::Hd95Mm => {
            "95th percentile of the distances between the surfaces, the larger of both directions; undefined where a mask is empty."
        }
        MetricKind::AssdMm => {
            "Mean distance between the surfaces, both directions pooled; undefined where a mask is empty."
        }
        MetricKind::Auroc => {
            "Area under the ROC curve; 0.5 is chance, undefined where all cases are of one class."
        }
        MetricKind::AveragePrecision => "Precision averaged over the steps of recall, without interpolation.",
        MetricKind::BalancedAccuracy => "Mean of sensitivity and specificity at probability 0.5.",
        MetricKind::SensitivityAt80 => {
            "Largest sensitivity at a threshold with a specificity of at least 0.8."
        }
        MetricKind::SensitivityAt90 => {
            "Largest sensitivity at a threshold with a specificity of at least 0.9."
        }
        MetricKind::Kappa => "Cohen's kappa with quadratic weights at probability 0.5.",
        MetricKind::LogLoss => "Minus the logarithm of the probability given to the truth, mean over cases.",
        MetricKind::Mae => "Mean absolute error, where the sharp image's maximum is 1.",
        MetricKind::MaskedError => {
            "Squared error on hidden patches, each standardised; 1 is what predicting a patch's mean costs."
        }
        MetricKind::Lr => "Learning rate of a step.",
        MetricKind::GradNorm => "Norm of all gradients together, before clipping.",
        MetricKind::StepMs => "Wall time of an optimiser step.",
    }
}

fn metrics() -> String {
    let mut page = "\
# Metrics

*Made from the code (`domain/src/metric.rs`, `domain/src/task.rs`) by a test; edit it there.*

A value is named `split/metric`, as in `train/loss`, `val/dice` and `test/psnr_db`. `test/dice.peripheral` is the value of one
class, `test/psnr_db@bicubic` that of a simple baseline on the same cases. The API, the CSV files and `report.json` use these names.

| name | on pages | unit | better | range | what it is |
|---|---|---|---|---|---|
"
    .to_owned();
    for kind in MetricKind::ALL {
        let better = match kind.direction() {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        };
        let range = match kind.range() {
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (Some(low), None) => format!("{low} and more"),
            (None, _) => String::new(),
        };
        let (name, label, unit) = (kind.as_str(), kind.label(), kind.unit());
        writeln!(page, "| `{name}` | {label} | {unit} | {better} | {range} | {} |", meaning(kind)).unwrap();
    }
    page.push_str(
        "
## By task

Runs are ranked by the first metric. Baselines are methods without a network on the same cases; a run has those that fit its input.

| task | images in | ranked by | also reported | baselines |
|---|---|---|---|---|
",
    );
    for task in Task::ALL.into_iter().chain([Task::Pretraining]) {
        let labels = |kinds: &[MetricKind]| kinds.iter().map(|k| k.label()).collect::<Vec<_>>().join(", ");
        let (first, others) = task.metrics().split_at(1);
        writeln!(
            page,
            "| `{task}` | {} | {} | {} | {} |",
            task.sequences().join(", "),
            labels(first),
            labels(others),
            task.baselines().join(", ")
        )
        .unwrap();
    }
    page.push_str(
        "
Pre-training is never ranked; its values are of the validation cases. How intervals and p-values are made from these numbers:
[study.md](../study.md).
",
    );
    page
}

/// What a setting that is a number means.
fn number(key: &str) -> &'static str {
    match key {
        "lora_rank" => "Rank of LoRA's additions to the encoder's matrices; LoRA only.",
        "layer_decay" => "Learning rate of an encoder layer divided by that of the layer above it.",
        "drop_path" => {
            "Chance that a sample skips the encoder's last block, less for earlier ones; full fine-tuning only."
        }
        "batch_size" => "Samples in one optimiser step.",
        "samples_per_case" => {
            "Crops (3-D networks) or slices (ProViCNet) drawn from each training case in one epoch."
        }
        "lr" => "Peak of the cosine schedule.",
        "min_lr" => "End of the cosine schedule; at most `lr`.",
        "weight_decay" => "Decoupled weight decay, on tensors of rank 2 and more.",
        "warmup_epochs" => "Epochs of linear warm-up; at most half of all epochs.",
        "clip_norm" => "Largest norm of all gradients together; larger ones are scaled down.",
        "label_share" => "Share of the training cases that is learnt from; the same cases in every arm.",
        other => panic!("{other} has no words yet"),
    }
}

/// The limits of a setting, as its own message names them.
fn limits(key: &str) -> String {
    let mut beyond = Overrides::default();
    beyond.set(key, "4000000000").unwrap();
    let errors = beyond.errors();
    errors[key].split_once(": use ").unwrap().1.to_owned()
}

/// The default of a setting for a network and a task.
fn default_of(key: &str, family: Family, task: Task) -> Option<String> {
    let pairs = Overrides::of(&TrainingSpec::default_for(family, task), task).to_pairs();
    pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// The default of a setting that all networks and tasks share; none where they differ.
fn shared_default(key: &str) -> Option<String> {
    let mut all = Family::ALL.into_iter().flat_map(|f| Task::ALL.map(|t| default_of(key, f, t)));
    let first = all.next()??;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// A row of defaults that differ for each network and all tasks that have the same ones.
fn differing(keys: &[&str]) -> String {
    let mut rows = String::new();
    for family in Family::ALL {
        let mut found: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
        for task in Task::ALL {
            let values: Vec<String> = keys.iter().filter_map(|key| default_of(key, family, task)).collect();
            match found.iter_mut().find(|(known, _)| *known == values) {
                Some((_, tasks)) => tasks.push(task.as_str()),
                None => found.push((values, vec![task.as_str()])),
            }
        }
        for (values, tasks) in found {
            writeln!(
                rows,
                "| `{family}` | {} | {} |",
                tasks.join(", "),
                values.join(" | "),
                family = family.as_str()
            )
            .unwrap();
        }
    }
    rows
}

fn settings() -> String {
    let mut page = format!(
        "\
# Settings of a training

*Made from the code (`domain/src/training.rs`, `domain/src/recipe.rs`) by a test; edit it there.*

On the form they stand under \"Advanced settings\", on the command line `--set key=value` sets one, and a specification or the API
has them under `overrides`. What is not set has its default. `epochs` ({} to {}, default {}) stands beside them (`--epochs`).
All arms of an experiment get the same settings; what is said of encoders does not count for the specialist.

## Numbers

| key | limits | default | what it is |
|---|---|---|---|
",
        EPOCHS.start(),
        EPOCHS.end(),
        TrainingSpec::DEFAULT_EPOCHS
    );
    let mut several = Vec::new();
    for key in Overrides::NUMBERS {
        let default = shared_default(key).unwrap_or_else(|| {
            several.push(key);
            "see below".into()
        });
        writeln!(page, "| `{key}` | {} | {default} | {} |", limits(key), number(key)).unwrap();
    }
    writeln!(
        page,
        "\nDefaults that depend on network and task:\n\n| network | tasks | {} |\n|---|---|{}\n{}",
        several.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" | "),
        "---|".repeat(several.len()),
        differing(&several).trim_end()
    )
    .unwrap();
    page.push_str("\n## Choices\n\nThe first of each is the default.\n\n| key | value | on pages | what it does |\n|---|---|---|---|\n");
    let mut row = |key: &str, value: &str, label: &str, help: &str| {
        writeln!(page, "| `{key}` | `{value}` | {label} | {help} |").unwrap();
    };
    for a in Adaptation::ALL {
        let help = match a {
            Adaptation::Full => "Encoder and head are trained.",
            Adaptation::Frozen => "The encoder stays as it is, the head is trained.",
            Adaptation::LinearProbe => {
                "The encoder stays as it is, one linear layer on its last features is the head."
            }
            Adaptation::Lora => "The encoder's matrices get low-rank additions, trained with the head.",
        };
        row("adaptation", a.as_str(), a.label(), help);
    }
    macro_rules! rows {
        ($($key:literal $name:ident),*) => {
            $($name::ALL.iter().for_each(|c| row($key, c.as_str(), c.label(), c.help()));)*
        };
    }
    rows!("target" Target, "degradation" Degradation, "head" Head, "loss" Loss, "augmentation" Augmentation,
        "inference" Inference, "precision" Precision);
    page
}

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    hold("metrics.md", &metrics());
}

#[test]
fn the_page_of_settings_is_what_the_code_says() {
    let page = settings();
    for key in Overrides::keys() {
        assert!(page.contains(&format!("| `{key}` |")), "{key} is missing");
    }
    hold("settings.md", &page);
}
