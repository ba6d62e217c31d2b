//! The advanced settings of the new-experiment form: choices, then numbers.

use std::collections::BTreeMap;

use leptos::prelude::*;
use transferscope_domain::{
    Adaptation, Augmentation, Degradation, Head, Inference, Loss, Precision, Target, Task,
    form::ExperimentForm,
    training::{Overrides, TrainingSpec},
};

use super::{FieldError, FormState, TextField};
use crate::{api::new_experiment::Choices, format};

/// A setting that is a choice among a few.
struct Choice {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    /// Value and text of each option, the default first.
    options: Vec<(&'static str, &'static str)>,
}

/// The settings that are choices, in the form's order.
fn setting_choices() -> Vec<Choice> {
    macro_rules! options {
        ($all:expr) => {
            $all.iter().map(|c| (c.as_str(), c.label())).collect()
        };
    }
    vec![
        Choice {
            name: "target",
            label: "Segmentation target",
            help: "Which mask is segmented; cases without it are left out.",
            options: options!(Target::ALL),
        },
        Choice {
            name: "degradation",
            label: "Super-resolution input",
            help: "How the input was degraded.",
            options: options!(Degradation::ALL),
        },
        Choice {
            name: "head",
            label: "Head",
            help: "Turns features into the task's output. The published heads are for one family each; the specialist has its own.",
            options: options!(Head::ALL),
        },
        Choice {
            name: "loss",
            label: "Loss",
            help: "What training minimises; image restoration keeps L1 + SSIM.",
            options: options!(Loss::ALL),
        },
        Choice {
            name: "augmentation",
            label: "Augmentation",
            help: "Applied to training samples, the same in every arm. For image restoration, samples are at most mirrored.",
            options: options!(Augmentation::ALL),
        },
        Choice {
            name: "inference",
            label: "Test-time augmentation",
            help: "Averaging with the mirrored input takes twice the time.",
            options: options!(Inference::ALL),
        },
        Choice {
            name: "precision",
            label: "Precision",
            help: "For multiplications in training steps, not in tests. 16 bits are faster on CUDA cards and slower on a CPU.",
            options: options!(Precision::ALL),
        },
    ]
}

/// A choice as a list; an empty value is the default.
#[component]
fn ChoiceField(choice: Choice, value: String, state: FormState) -> impl IntoView {
    let Choice { name, label, help, options } = choice;
    let options = options
        .into_iter()
        .enumerate()
        .map(|(i, (key, text))| {
            let sent = if i == 0 { "" } else { key };
            // A link may name the default as well.
            let selected = value == sent || value == key;
            view! { <option value=sent selected=selected>{text}</option> }
        })
        .collect_view();
    view! {
        <div class="field">
            <label class="field__label" for=format!("field-{name}")>{label}</label>
            <select
                class="field__input"
                id=format!("field-{name}")
                name=name
                aria-describedby=format!("help-{name} error-{name}")
                aria-invalid=move || state.error(name).is_some().then_some("true")
            >
                {options}
            </select>
            <p class="field__help" id=format!("help-{name}")>{help}</p>
            <FieldError field=name state=state />
        </div>
    }
}

/// What a field means and what it is when left empty.
fn setting_help(key: &str) -> (&'static str, &'static str) {
    match key {
        "lora_rank" => ("LoRA rank", "Rank of the updates to the encoder's matrices; LoRA only."),
        "layer_decay" => (
            "Layer-wise learning rate decay",
            "Learning rate of an encoder layer divided by that of the layer above; 1 means equal.",
        ),
        "drop_path" => (
            "Stochastic depth",
            "Probability of skipping the encoder's last block, lower for earlier blocks; full fine-tuning only.",
        ),
        "batch_size" => ("Batch size", "Samples in one optimiser step."),
        "samples_per_case" => {
            ("Samples per case", "Crops or slices drawn from each training case in one epoch.")
        }
        "lr" => ("Learning rate", "Peak of the cosine schedule."),
        "min_lr" => ("Final learning rate", "Where the cosine schedule ends."),
        "weight_decay" => ("Weight decay", "Decoupled, on tensors of rank 2 and more."),
        "warmup_epochs" => ("Warm-up epochs", "Linear; at most half of all epochs."),
        "label_share" => (
            "Shares of training cases",
            "Fraction of the training cases that is used, the same cases in every arm, such as 0.1, 0.25, 1. Several values multiply the runs.",
        ),
        _ => ("Gradient clipping", "Largest norm of all gradients taken together."),
    }
}

fn setting_of(spec: &TrainingSpec, key: &str) -> f64 {
    match key {
        "lora_rank" => f64::from(spec.lora_rank),
        "layer_decay" => spec.layer_decay,
        "drop_path" => spec.drop_path,
        "batch_size" => f64::from(spec.batch_size),
        "samples_per_case" => f64::from(spec.samples_per_case),
        "lr" => spec.lr,
        "min_lr" => spec.min_lr,
        "weight_decay" => spec.weight_decay,
        "warmup_epochs" => spec.warmup_epochs,
        "label_share" => spec.label_share,
        _ => spec.clip_norm,
    }
}

/// What a setting is when left empty, of all backbones and tasks to choose from.
fn defaults(choices: &Choices, key: &str) -> String {
    let mut values: Vec<f64> = choices
        .backbones
        .iter()
        .flat_map(|b| Task::ALL.iter().map(|task| TrainingSpec::default_for(b.backbone.family, *task)))
        .map(|spec| setting_of(&spec, key))
        .collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values.into_iter().map(format::significant).collect::<Vec<_>>().join(" or ")
}

/// The settings beside budget and seeds, folded up unless one of them is given.
#[component]
pub(super) fn Advanced(
    initial: ExperimentForm,
    state: FormState,
    choices: StoredValue<Choices>,
) -> impl IntoView {
    let given: BTreeMap<&str, String> = initial.to_pairs().into_iter().collect();
    let open = Overrides::keys().any(|k| given.contains_key(k));
    let selects = setting_choices()
        .into_iter()
        .map(|choice| {
            let value = given.get(choice.name).cloned().unwrap_or_default();
            view! { <ChoiceField choice=choice value=value state=state /> }
        })
        .collect_view();
    let fields = Overrides::NUMBERS
        .into_iter()
        .map(|key| {
            let (label, help) = setting_help(key);
            let default = choices.with_value(|c| defaults(c, key));
            let varies = if default.contains(" or ") {
                " The default depends on the backbone and the task."
            } else {
                ""
            };
            view! {
                <TextField
                    name=key
                    label=label
                    help=format!("{help}{varies}")
                    value=given.get(key).cloned().unwrap_or_default()
                    placeholder=default
                    numeric=true
                    state=state
                />
            }
        })
        .collect_view();
    view! {
        <details class="form-section disclosure" open=open>
            <summary>"Advanced settings"</summary>
            <p class="field__help">"Empty fields keep the defaults, which are shown in grey."</p>
            <Adaptations chosen=initial.adaptations state=state />
            <div class="field-row">
                {selects}
                {fields}
            </div>
        </details>
    }
}

/// What is trained: several ways at once if so wanted.
#[component]
fn Adaptations(chosen: Vec<String>, state: FormState) -> impl IntoView {
    view! {
        <fieldset class="field" id="field-adaptation" aria-describedby="help-adaptation error-adaptation">
            <legend class="field__label">"Adaptation"</legend>
            <div class="button-row">{Adaptation::ALL
                .iter()
                .map(|a| {
                    let checked = chosen.iter().any(|v| v == a.as_str());
                    view! {
                        <label class="choice-inline">
                            <input type="checkbox" name="adaptation" value=a.as_str() checked=checked />
                            {a.label()}
                        </label>
                    }
                })
                .collect_view()}</div>
            <p class="field__help" id="help-adaptation">
                "What is trained: everything (if none is selected), the head on a frozen encoder, a linear layer, or the head and low-rank updates. Several choices multiply the runs; the specialist is always trained in full."
            </p>
            <FieldError field="adaptation" state=state />
        </fieldset>
    }
}
