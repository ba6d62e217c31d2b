//! The pre-training form: plain fields that post; what is wrong with them comes back in the address.

use leptos::prelude::*;
use transferscope_domain::{
    Family, Precision,
    api::BackboneView,
    dataset::DatasetManifest,
    form::FieldErrors,
    pretraining::{Objective, PretrainForm, PretrainSpec, check_pretraining, trainable, trainable_names},
};

use crate::base::to;

/// Everything that is wrong with a form, by field.
pub fn form_errors(
    form: &PretrainForm,
    backbones: &[BackboneView],
    datasets: &[DatasetManifest],
) -> FieldErrors {
    match form.parse() {
        Ok(spec) => check_pretraining(&spec, backbones, datasets),
        Err(errors) => errors,
    }
}

#[component]
fn Field(
    name: &'static str,
    label: &'static str,
    #[prop(into)] help: String,
    #[prop(into)] placeholder: String,
    form: StoredValue<PretrainForm>,
    errors: StoredValue<FieldErrors>,
) -> impl IntoView {
    let error = errors.with_value(|e| e.get(name).cloned());
    view! {
        <div class="field">
            <label class="field__label" for=format!("field-{name}")>{label}</label>
            <input
                class="field__input"
                type="text"
                id=format!("field-{name}")
                name=name
                value=form.with_value(|f| f.field(name).to_owned())
                placeholder=placeholder
                autocomplete="off"
                spellcheck="false"
                aria-describedby=format!("help-{name} error-{name}")
                aria-invalid=error.is_some().then_some("true")
            />
            <p class="field__help" id=format!("help-{name}")>{help}</p>
            {message(name, error)}
        </div>
    }
}

fn message(name: &str, error: Option<String>) -> impl IntoView + use<> {
    let none = error.is_none();
    view! { <p class="field__error" id=format!("error-{name}") hidden=none>{error}</p> }
}

#[component]
fn Choice(
    name: &'static str,
    label: &'static str,
    #[prop(into)] help: String,
    /// Value and text of each option.
    options: Vec<(String, String)>,
    form: StoredValue<PretrainForm>,
    errors: StoredValue<FieldErrors>,
) -> impl IntoView {
    let error = errors.with_value(|e| e.get(name).cloned());
    let chosen = form.with_value(|f| f.field(name).to_owned());
    view! {
        <div class="field">
            <label class="field__label" for=format!("field-{name}")>{label}</label>
            <select
                id=format!("field-{name}")
                name=name
                aria-describedby=format!("help-{name} error-{name}")
                aria-invalid=error.is_some().then_some("true")
            >
                {options
                    .into_iter()
                    .map(|(value, text)| {
                        let selected = value == chosen;
                        view! { <option value=value selected=selected>{text}</option> }
                    })
                    .collect_view()}
            </select>
            <p class="field__help" id=format!("help-{name}")>{help}</p>
            {message(name, error)}
        </div>
    }
}

/// The form with `form` in its fields; `checked` shows what is wrong with them.
#[component]
pub fn PretrainFields(
    form: PretrainForm,
    backbones: Vec<BackboneView>,
    datasets: Vec<DatasetManifest>,
    checked: bool,
) -> impl IntoView {
    let errors = if checked { form_errors(&form, &backbones, &datasets) } else { FieldErrors::new() };
    let wrong = !errors.is_empty();
    let (form, errors) = (StoredValue::new(form), StoredValue::new(errors));
    let no_data = datasets.is_empty();
    view! {
        <form class="run-form" method="post" action=to("/backbones/pretrain")>
            {wrong
                .then(|| view! {
                    <div class="error-panel" role="alert">
                        <h3 class="error-panel__title">"The pre-training cannot start yet"</h3>
                        <p>"The errors are shown below the fields."</p>
                    </div>
                })}
            {no_data
                .then(|| view! {
                    <p class="notice">
                        "There is no data set yet: the built-in one is being generated, or add one with "
                        <code>"transferscope dataset add FOLDER"</code>
                        ", then load this page again."
                    </p>
                })}
            <Essentials form=form errors=errors backbones=backbones datasets=datasets />
            <Budget form=form errors=errors open=wrong />
            <div class="run-form__submit">
                <p class="plan">"One run; its page shows the curves, and the backbone is listed here when it has finished."</p>
                <button type="submit" class="button button--primary">"Start pre-training"</button>
            </div>
        </form>
    }
}

/// What is trained, on which data, from which weights.
#[component]
fn Essentials(
    form: StoredValue<PretrainForm>,
    errors: StoredValue<FieldErrors>,
    backbones: Vec<BackboneView>,
    datasets: Vec<DatasetManifest>,
) -> impl IntoView {
    let architectures = trainable_names()
        .into_iter()
        .map(|name| {
            let small = trainable(&name).is_some_and(|a| a.is_small());
            let note = if small { "a CPU is enough" } else { "published size, for a GPU" };
            let shown = format!("{name} – {note}");
            (name, shown)
        })
        .collect();
    let objectives =
        Objective::ALL.into_iter().map(|o| (o.as_str().to_owned(), o.label().to_owned())).collect();
    let of = |o: Objective| Family::trained_by(o).map(Family::as_str).collect::<Vec<_>>().join(" and ");
    let trained = Objective::ALL.map(|o| format!("{} trains {}.", o.label(), of(o))).join(" ");
    let objective_help = Objective::ALL.map(|o| format!("{}: {}", o.label(), o.help())).join(" ");
    let sets = datasets
        .iter()
        .map(|d| (d.name.clone(), format!("{} ({} patients)", d.name, d.patients())))
        .collect();
    let mut starts = vec![(String::new(), "random weights".to_owned())];
    starts.extend(
        backbones
            .iter()
            .filter(|b| b.backbone.pretrained)
            .map(|b| (b.backbone.name.clone(), b.backbone.name.clone())),
    );
    view! {
        <div class="field-row">
            <Field
                name="name"
                label="Name of the new backbone"
                help="Letters, digits, '-', '_' and '.'."
                placeholder="my-backbone"
                form=form
                errors=errors
            />
            <Choice
                name="architecture"
                label="Architecture"
                help=trained
                options=architectures
                form=form
                errors=errors
            />
            <Choice
                name="objective"
                label="Objective"
                help=objective_help
                options=objectives
                form=form
                errors=errors
            />
            <Choice
                name="dataset"
                label="Data set"
                help="Best a data set that no run is tested on, since its test patients are trained on too."
                options=sets
                form=form
                errors=errors
            />
            <Choice
                name="from"
                label="Start from"
                help="A backbone of the same architecture to continue from."
                options=starts
                form=form
                errors=errors
            />
        </div>
    }
}

/// Budget and optimiser.
#[component]
fn Budget(form: StoredValue<PretrainForm>, errors: StoredValue<FieldErrors>, open: bool) -> impl IntoView {
    let epochs = PretrainSpec::DEFAULT_EPOCHS.to_string();
    let precisions = Precision::ALL.iter().map(|p| (p.as_str().to_owned(), p.label().to_owned())).collect();
    view! {
        <details class="form-section disclosure" open=open>
            <summary>"Budget and optimiser"</summary>
            <p class="field__help">"Empty fields keep the defaults, which are shown in grey."</p>
            <div class="field-row">
                <Field name="epochs" label="Epochs" help="Passes over the data." placeholder=epochs form=form errors=errors />
                <Field
                    name="batch_size"
                    label="Batch size"
                    help="Crops or slices in one batch; the default depends on the objective."
                    placeholder="2, 4 or 8"
                    form=form
                    errors=errors
                />
                <Field
                    name="accumulate"
                    label="Gradient accumulation"
                    help="Batches whose gradients are added up for one optimiser step: a larger batch in the same memory."
                    placeholder="1"
                    form=form
                    errors=errors
                />
                <Field name="lr" label="Learning rate" help="Peak of the cosine schedule." placeholder="0.001" form=form errors=errors />
                <Choice
                    name="precision"
                    label="Precision"
                    help="For multiplications in training steps. 16 bits are faster on CUDA GPUs and slower on a CPU."
                    options=precisions
                    form=form
                    errors=errors
                />
                <Field name="seed" label="Seed" help="Determines the initial weights, the order of the data and the masks." placeholder="0" form=form errors=errors />
            </div>
        </details>
    }
}
