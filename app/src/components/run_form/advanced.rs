//! The advanced settings of the new-experiment form: a field for each row of the table of settings.

use leptos::prelude::*;
use transferscope_domain::{
    Setting, TaskKind,
    form::ExperimentForm,
    setting::{Choice, Kind, Value},
    training::TrainingSpec,
};

use super::{FieldError, FormState, TextField};
use crate::{data::choices::Choices, format};

/// The settings beside budget and seeds, folded up unless one of them is given.
#[component]
pub(super) fn Advanced(
    initial: ExperimentForm,
    state: FormState,
    choices: StoredValue<Choices>,
) -> impl IntoView {
    let open = !initial.settings.is_empty();
    let (mut groups, mut fields) = (Vec::new(), Vec::new());
    for setting in Setting::ALL.iter().filter(|setting| !setting.old) {
        let given = initial.texts(setting);
        match setting.kind() {
            Kind::Choice(options) if setting.several => {
                groups.push(choice_boxes(setting, options, given, state).into_any());
            }
            Kind::Choice(options) => {
                fields.push(choice_list(setting, options, given.last(), state).into_any());
            }
            Kind::Whole { .. } | Kind::Real { .. } => {
                let default = choices.with_value(|c| defaults(c, setting));
                fields.push(text_field(setting, default, given.join(", "), true, state).into_any());
            }
            Kind::Names => {
                fields.push(text_field(setting, "all".into(), given.join(", "), false, state).into_any());
            }
        }
    }
    view! {
        <details class="form-section disclosure" open=open>
            <summary>"Advanced settings"</summary>
            <p class="field__help">"Empty fields keep the defaults, which are shown in grey."</p>
            {groups}
            <div class="field-row">{fields}</div>
        </details>
    }
}

/// What a number is when left empty, of all backbones and tasks to choose from.
fn defaults(choices: &Choices, setting: &Setting) -> String {
    let family = choices.backbones.iter().map(|b| b.backbone.family);
    let specs = family.flat_map(|family| TaskKind::ALL.map(|task| TrainingSpec::default_for(family, task)));
    let mut values: Vec<f64> = specs
        .filter_map(|spec| match setting.value(&spec) {
            Value::Number(value) => Some(value),
            Value::Choice(_) | Value::Names(_) => None,
        })
        .collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values.into_iter().map(format::significant).collect::<Vec<_>>().join(" or ")
}

fn text_field(
    setting: &'static Setting,
    default: String,
    value: String,
    numeric: bool,
    state: FormState,
) -> impl IntoView {
    let varies =
        if default.contains(" or ") { " The default depends on the backbone and the task." } else { "" };
    view! {
        <TextField
            name=setting.name
            label=setting.label
            help=format!("{}{varies}", setting.help)
            value=value
            placeholder=default
            numeric=numeric
            state=state
        />
    }
}

/// A choice as a list; an empty value is the default.
fn choice_list(
    setting: &'static Setting,
    options: &'static [Choice],
    given: Option<&String>,
    state: FormState,
) -> impl IntoView + use<> {
    let Setting { name, label, help, .. } = setting;
    let given = given.map(String::as_str).unwrap_or_default();
    let options = options
        .iter()
        .enumerate()
        .map(|(i, option)| {
            let sent = if i == 0 { "" } else { option.name };
            // A link may name the default as well.
            let selected = given == sent || given == option.name;
            view! { <option value=sent selected=selected>{option.label}</option> }
        })
        .collect_view();
    view! {
        <div class="field">
            <label class="field__label" for=format!("field-{name}")>{*label}</label>
            <select
                class="field__input"
                id=format!("field-{name}")
                name=*name
                aria-describedby=format!("help-{name} error-{name}")
                aria-invalid=move || state.error(name).is_some().then_some("true")
            >
                {options}
            </select>
            <p class="field__help" id=format!("help-{name}")>{*help}</p>
            <FieldError field=name state=state />
        </div>
    }
}

/// A choice of which an experiment may have several.
fn choice_boxes(
    setting: &'static Setting,
    options: &'static [Choice],
    given: &[String],
    state: FormState,
) -> impl IntoView + use<> {
    let Setting { name, label, help, .. } = setting;
    let boxes = options
        .iter()
        .map(|option| {
            let checked = given.iter().any(|v| v == option.name);
            view! {
                <label class="choice-inline">
                    <input type="checkbox" name=*name value=option.name checked=checked />
                    {option.label}
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="field" id=format!("field-{name}") aria-describedby=format!("help-{name} error-{name}")>
            <legend class="field__label">{*label}</legend>
            <div class="button-row">{boxes}</div>
            <p class="field__help" id=format!("help-{name}")>{*help}</p>
            <FieldError field=name state=state />
        </fieldset>
    }
}
