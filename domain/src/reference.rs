//! Pages of `docs/reference` that are tables of this crate: made from the code, and tested to be what the code says.
//! `TRANSFERSCOPE_WRITE_DOCS=1 cargo test -p transferscope-domain reference` writes them anew.

use std::{fmt::Write, fs, path::Path};

use crate::{
    Direction, Family, MetricKind, Setting, TaskKind, TrainingSpec, setting::Kind, training::EPOCHS,
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
        MetricKind::Loss => "What training minimises: the task's loss, or the pre-training objective.",
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
        MetricKind::LogLoss => {
            "Negative logarithm of the probability given to the true class, mean over cases."
        }
        MetricKind::Mae => "Mean absolute error, where the sharp image's maximum is 1.",
        MetricKind::MaskedError => {
            "Squared error on hidden patches, each standardised; 1 is the error of predicting every patch by its \
             mean."
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

What goes in and comes out is of the data set; `task:target` says of what, as in `segmentation:lesion`. Runs are ranked by
the first metric. Baselines are methods without a network on the same cases; a run has those that suit its input.

| task | ranked by | also reported | baselines |
|---|---|---|---|
",
    );
    for task in TaskKind::ALL.into_iter().chain([TaskKind::Pretraining]) {
        let labels = |kinds: &[MetricKind]| kinds.iter().map(|k| k.label()).collect::<Vec<_>>().join(", ");
        let (first, others) = task.metrics().split_at(1);
        writeln!(
            page,
            "| `{task}` | {} | {} | {} |",
            labels(first),
            labels(others),
            task.baselines().join(", ")
        )
        .unwrap();
    }
    page.push_str(
        "
Pre-training is never ranked; its values are those of the validation cases. How intervals and p-values are made from these numbers:
[study.md](../study.md).
",
    );
    page
}

/// The default of a setting for a network and a task.
fn default_of(setting: &Setting, family: Family, task: TaskKind) -> String {
    setting.text(&TrainingSpec::default_for(family, task))
}

/// The default of a setting that all networks and tasks share; none where they differ.
fn shared_default(setting: &Setting) -> Option<String> {
    let mut all = Family::ALL.into_iter().flat_map(|f| TaskKind::ALL.map(|t| default_of(setting, f, t)));
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// A row of defaults that differ for each network and all tasks that have the same ones.
fn differing(settings: &[&Setting]) -> String {
    let mut rows = String::new();
    for family in Family::ALL {
        let mut found: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
        for task in TaskKind::ALL {
            let values: Vec<String> = settings.iter().map(|s| default_of(s, family, task)).collect();
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

*Made from the code (`domain/src/setting.rs`, `domain/src/recipe.rs`) by a test; edit it there.*

On the form they are under \"Advanced settings\", on the command line `--set key=value` sets one, and a specification or the API
has them under `overrides`. A setting that is not given has its default. \
`epochs` ({} to {}, default {}) stands beside them (`--epochs`).
All arms of an experiment get the same settings; settings of the encoder do not apply to the specialist.

## Numbers

| key | on pages | limits | default | what it is |
|---|---|---|---|---|
",
        EPOCHS.start(),
        EPOCHS.end(),
        TrainingSpec::DEFAULT_EPOCHS
    );
    let mut several = Vec::new();
    for setting in Setting::ALL {
        let (low, high) = match setting.kind() {
            Kind::Whole { low, high } => (low.to_string(), high.to_string()),
            Kind::Real { low, high } => (low.to_string(), high.to_string()),
            Kind::Choice(_) | Kind::Names => continue,
        };
        let default = shared_default(setting).unwrap_or_else(|| {
            several.push(setting);
            "see below".into()
        });
        let Setting { name, label, help, .. } = setting;
        writeln!(page, "| `{name}` | {label} | {low} to {high} | {default} | {help} |").unwrap();
    }
    writeln!(
        page,
        "\nDefaults that depend on network and task:\n\n| network | tasks | {} |\n|---|---|{}\n{}",
        several.iter().map(|s| format!("`{}`", s.name)).collect::<Vec<_>>().join(" | "),
        "---|".repeat(several.len()),
        differing(&several).trim_end()
    )
    .unwrap();
    page.push_str("\n## Names\n\n| key | on pages | default | what it is |\n|---|---|---|---|\n");
    for Setting { name, label, help, .. } in Setting::ALL.iter().filter(|s| s.kind() == Kind::Names) {
        writeln!(page, "| `{name}` | {label} | | {help} |").unwrap();
    }
    page.push_str("\n## Choices\n\nThe first of each is the default.\n");
    for setting in Setting::ALL {
        let Kind::Choice(choices) = setting.kind() else { continue };
        let Setting { name, label, help, .. } = setting;
        writeln!(
            page,
            "\n### `{name}`: {label}\n\n{help}\n\n| value | on pages | what it does |\n|---|---|---|"
        )
        .unwrap();
        for choice in choices {
            writeln!(page, "| `{}` | {} | {} |", choice.name, choice.label, choice.help).unwrap();
        }
    }
    page
}

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    hold("metrics.md", &metrics());
}

#[test]
fn the_page_of_settings_is_what_the_code_says() {
    hold("settings.md", &settings());
}
