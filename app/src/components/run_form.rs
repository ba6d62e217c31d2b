//! The new-experiment form: plain fields that post without scripts; with them, the same parser
//! speaks while one types.

mod advanced;

use leptos::{ev, prelude::*};
use transferscope_domain::{
    Arm, Setting, Task, TaskKind,
    api::BackboneView,
    backbone::SPECIALIST,
    dataset::{DatasetManifest, check::TaskUse},
    experiment::ExperimentSpec,
    form::{ExperimentForm, FieldErrors, check_against},
    training::TrainingSpec,
};

use self::advanced::Advanced;
use crate::{
    base::to,
    data::choices::{Choices, estimate},
    format,
};

/// Everything that is wrong with a form, by field: on its own, then against what the server has.
pub fn form_errors(form: &ExperimentForm, choices: &Choices) -> Result<ExperimentSpec, FieldErrors> {
    let spec = form.parse()?;
    let errors = check_against(&spec, &choices.backbones, &choices.datasets);
    if errors.is_empty() { Ok(spec) } else { Err(errors) }
}

/// Labels of the fields beside the settings, in the order of the page.
const FIELDS: [(&str, &str); 7] = [
    ("name", "Name"),
    ("backbones", "Backbones"),
    ("tasks", "Tasks"),
    ("arms", "Arms"),
    ("dataset", "Data set"),
    ("seeds", "Seeds"),
    ("epochs", "Epochs"),
];

/// What the fields share: the form as it is, and what is wrong with it.
#[derive(Clone, Copy)]
struct FormState {
    form: RwSignal<ExperimentForm>,
    errors: Memo<FieldErrors>,
    /// Whether messages are shown: after the form was sent once.
    checked: RwSignal<bool>,
}

impl FormState {
    fn error(self, field: &'static str) -> Option<String> {
        self.checked.get().then(|| self.errors.with(|e| e.get(field).cloned())).flatten()
    }
}

/// The form with `initial` in its fields; `checked` shows what is wrong with them.
#[component]
pub fn RunForm(choices: Choices, initial: ExperimentForm, checked: bool) -> impl IntoView {
    let form = RwSignal::new(initial.clone());
    let choices = StoredValue::new(choices);
    let parsed = Memo::new(move |_| choices.with_value(|c| form.with(|f| form_errors(f, c))));
    let errors = Memo::new(move |_| parsed.with(|p| p.as_ref().err().cloned().unwrap_or_default()));
    let state = FormState { form, errors, checked: RwSignal::new(checked) };
    let (backbones, datasets, preparing) =
        choices.with_value(|c| (c.backbones.clone(), c.datasets.clone(), c.preparing.is_some()));
    let summary = NodeRef::<leptos::html::Div>::new();
    let on_submit = move |e: ev::SubmitEvent| {
        if errors.with_untracked(|errors| !errors.is_empty()) {
            e.prevent_default();
            state.checked.set(true);
            #[cfg(feature = "hydrate")]
            request_animation_frame(move || {
                if let Some(panel) = summary.get_untracked() {
                    let _ = panel.focus();
                }
            });
        }
    };
    view! {
        <form
            class="run-form"
            method="post"
            action=to("/new")
            on:submit=on_submit
            on:input=move |e| read_form(&e, form)
            on:change=move |e| read_form(&e, form)
        >
            <div node_ref=summary tabindex="-1" class="run-form__errors">
                {move || state.checked.get().then(|| errors.with(error_summary))}
            </div>
            <BackboneFields backbones=backbones initial=initial.backbones.clone() state=state />
            <TaskFields datasets=datasets.clone() state=state />
            <ArmFields initial=initial.arms.clone() state=state />
            <DatasetFields datasets=datasets preparing=preparing initial=initial.dataset.clone() state=state />
            <fieldset class="form-section">
                <legend>"Seeds and budget"</legend>
                <div class="field-row">
                    <TextField
                        name="seeds"
                        label="Seeds"
                        help="Whole numbers or ranges: 0, 1, 2 or 0-4. Use three or more, so that the spread over seeds can be estimated."
                        value=initial.seeds.clone()
                        placeholder="0".into()
                        numeric=false
                        state=state
                    />
                    <TextField
                        name="epochs"
                        label="Epochs"
                        help="Passes over the training data, the same in every arm."
                        value=initial.epochs.clone()
                        placeholder=TrainingSpec::DEFAULT_EPOCHS.to_string()
                        numeric=true
                        state=state
                    />
                    <TextField
                        name="name"
                        label="Name"
                        help="Optional; helps to find the experiment later."
                        value=initial.name.clone()
                        placeholder=String::new()
                        numeric=false
                        state=state
                    />
                </div>
            </fieldset>
            <Advanced initial=initial state=state choices=choices />
            <div class="run-form__submit">
                <Plan parsed=parsed choices=choices />
                <button type="submit" class="button button--primary">
                    "Start"
                </button>
            </div>
        </form>
    }
}

/// Reads the fields as the browser would send them.
#[cfg(feature = "hydrate")]
fn read_form(event: &ev::Event, form: RwSignal<ExperimentForm>) {
    use wasm_bindgen::JsCast;

    let Some(target) = event.current_target().and_then(|t| t.dyn_into::<web_sys::HtmlFormElement>().ok())
    else {
        return;
    };
    let Ok(data) = web_sys::FormData::new_with_form(&target) else { return };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for entry in data.entries().into_iter().flatten() {
        let pair: js_sys::Array = entry.unchecked_into();
        if let (Some(key), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) {
            pairs.push((key, value));
        }
    }
    let read = ExperimentForm::from_pairs(pairs);
    if form.with_untracked(|f| *f != read) {
        form.set(read);
    }
}

#[cfg(not(feature = "hydrate"))]
fn read_form(_event: &ev::Event, _form: RwSignal<ExperimentForm>) {}

fn error_summary(errors: &FieldErrors) -> impl IntoView + use<> {
    (!errors.is_empty()).then(|| {
        let settings = Setting::ALL.iter().map(|s| (s.name, s.label));
        let items = FIELDS
            .into_iter()
            .chain(settings)
            .filter_map(|(field, label)| {
                let message = errors.get(field)?.clone();
                Some(view! { <li><a href=format!("#field-{field}") rel="external">{label}</a>": "{message}</li> })
            })
            .collect_view();
        view! {
            <div class="error-panel" role="alert">
                <h2 class="error-panel__title">"The experiment cannot start yet"</h2>
                <ul>{items}</ul>
            </div>
        }
    })
}

#[component]
fn FieldError(field: &'static str, state: FormState) -> impl IntoView {
    view! {
        <p class="field__error" id=format!("error-{field}") hidden=move || state.error(field).is_none()>
            {move || state.error(field)}
        </p>
    }
}

#[component]
fn TextField(
    name: &'static str,
    label: &'static str,
    #[prop(into)] help: String,
    value: String,
    placeholder: String,
    numeric: bool,
    state: FormState,
) -> impl IntoView {
    view! {
        <div class="field">
            <label class="field__label" for=format!("field-{name}")>{label}</label>
            <input
                class="field__input"
                type="text"
                id=format!("field-{name}")
                name=name
                value=value
                placeholder=placeholder
                inputmode=if numeric { "decimal" } else { "text" }
                autocomplete="off"
                spellcheck="false"
                aria-describedby=format!("help-{name} error-{name}")
                aria-invalid=move || state.error(name).is_some().then_some("true")
            />
            <p class="field__help" id=format!("help-{name}")>{help}</p>
            <FieldError field=name state=state />
        </div>
    }
}

#[component]
fn BackboneFields(backbones: Vec<BackboneView>, initial: Vec<String>, state: FormState) -> impl IntoView {
    let cards = backbones
        .into_iter()
        .filter(|b| b.backbone.name != SPECIALIST)
        .map(|b| {
            let b = b.backbone;
            let checked = initial.contains(&b.name);
            let training = match (&b.objective, b.pretrained) {
                (Some(objective), true) => {
                    let on = b.pretraining_data.as_ref().map(|d| format!(" on {d}")).unwrap_or_default();
                    format!("Pre-trained with {objective}{on}")
                }
                (None, true) => "Pre-trained".to_owned(),
                (_, false) => "No pre-trained checkpoint available".to_owned(),
            };
            view! {
                <label class="card choice-card">
                    <input type="checkbox" name="backbones" value=b.name.clone() checked=checked />
                    <span class="choice-card__body">
                        <strong class="choice-card__title">{b.name.clone()}</strong>
                        <span class="choice-card__meta">
                            {b.family.label()}
                            " · "
                            {format::parameters(b.parameters)}
                            " parameters"
                        </span>
                        <span>{b.summary.clone()}</span>
                        <span class="choice-card__meta">
                            {training}
                            {b
                                .synthetic
                                .then(|| view! { " "<span class="tag tag--synthetic">"synthetic data"</span> })}
                        </span>
                    </span>
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="form-section" id="field-backbones" aria-describedby="error-backbones">
            <legend>"Backbones"</legend>
            <div class="choice-grid">{cards}</div>
            <FieldError field="backbones" state=state />
        </fieldset>
    }
}

/// A task to choose.
struct Offer {
    task: Task,
    /// What is sent: a default target goes without saying, as links from before tasks had targets have it.
    value: String,
    inputs: String,
    problem: Option<String>,
}

impl Offer {
    /// All tasks of a data set; of none that is known, the kinds.
    fn of(dataset: Option<&DatasetManifest>) -> Vec<Self> {
        let kind = |kind: TaskKind| Self {
            task: kind.into(),
            value: kind.to_string(),
            inputs: String::new(),
            problem: None,
        };
        let used = |used: TaskUse| Self {
            task: used.named(),
            value: used.short().to_string(),
            inputs: used.inputs.iter().map(|i| i.as_str()).collect::<Vec<_>>().join(", "),
            problem: used.problem,
        };
        match dataset {
            None => TaskKind::ALL.map(kind).into(),
            Some(dataset) => dataset.uses().into_iter().map(used).collect(),
        }
    }

    /// Whether a text of the form asks for it.
    fn is(&self, text: &str) -> bool {
        text == self.value || text == self.task.to_string()
    }
}

/// The tasks of the chosen data set.
#[component]
fn TaskFields(datasets: Vec<DatasetManifest>, state: FormState) -> impl IntoView {
    let datasets = StoredValue::new(datasets);
    let chosen = Memo::new(move |_| state.form.with(|f| f.dataset.clone()));
    let offers = move || {
        let name = chosen.get();
        datasets.with_value(|all| Offer::of(all.iter().find(|d| d.name == name)))
    };
    // A box of another data set is another box, whatever it was ticked to before.
    let key = move |offer: &Offer| format!("{} {}", chosen.get_untracked(), offer.value);
    Effect::new(move |_| {
        let offers = offers();
        let there = |text: &String| offers.iter().any(|o| o.problem.is_none() && o.is(text));
        let gone = |text: &String| text.parse::<Task>().is_ok() && !there(text);
        if state.form.with_untracked(|f| f.tasks.iter().any(gone)) {
            state.form.update(|f| f.tasks.retain(|text| !gone(text)));
        }
    });
    view! {
        <fieldset class="form-section" id="field-tasks" aria-describedby="error-tasks">
            <legend>"Tasks"</legend>
            <div class="choice-grid">
                <For each=offers key=key children=move |offer| task_card(offer, state) />
            </div>
            <FieldError field="tasks" state=state />
        </fieldset>
    }
}

fn task_card(offer: Offer, state: FormState) -> impl IntoView {
    // What is ticked stays ticked where the next data set has it too.
    let wanted = state.form.with_untracked(|f| f.tasks.iter().any(|text| offer.is(text)));
    let Offer { task, value, inputs, problem } = offer;
    let runs = problem.is_none();
    view! {
        <label class="card choice-card">
            <input type="checkbox" name="tasks" value=value checked=wanted && runs disabled=!runs />
            <span class="choice-card__body">
                <strong class="choice-card__title">{task.label()}</strong>
                <span>{task.help()}</span>
                {(!inputs.is_empty()).then(|| view! { <span class="choice-card__meta">"From "{inputs}</span> })}
                {problem.map(|p| view! { <span class="choice-card__problem">{p}</span> })}
            </span>
        </label>
    }
}

#[component]
fn ArmFields(initial: Vec<String>, state: FormState) -> impl IntoView {
    let cards = Arm::ALL
        .into_iter()
        .map(|arm| {
            view! {
                <label class="card choice-card">
                    <input
                        type="checkbox"
                        name="arms"
                        value=arm.as_str()
                        checked=initial.iter().any(|a| a == arm.as_str())
                    />
                    <span class="choice-card__body">
                        <strong class="choice-card__title">{arm.label()}</strong>
                        <span>{arm.help()}</span>
                    </span>
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="form-section" id="field-arms" aria-describedby="help-arms error-arms">
            <legend>"Arms"</legend>
            <p class="field__help" id="help-arms">
                "How the weights are initialised. Arms of one backbone, task and seed are paired: same split, same case order, same budget."
            </p>
            <div class="choice-grid">{cards}</div>
            <FieldError field="arms" state=state />
        </fieldset>
    }
}

#[component]
fn DatasetFields(
    datasets: Vec<DatasetManifest>,
    /// Whether the built-in one is on its way, which stands above.
    preparing: bool,
    initial: String,
    state: FormState,
) -> impl IntoView {
    let none = datasets.is_empty();
    let cards = datasets
        .into_iter()
        .map(|d| {
            let counts = d
                .uses()
                .into_iter()
                .filter(|used| used.default)
                .map(|n| format!("{}: {} / {} / {}", n.task.label(), n.train, n.val, n.test))
                .collect::<Vec<_>>()
                .join(" · ");
            view! {
                <label class="card choice-card">
                    <input type="radio" name="dataset" value=d.name.clone() checked=d.name == initial />
                    <span class="choice-card__body">
                        <strong class="choice-card__title">
                            {d.name.clone()}
                            {d.synthetic.then(|| view! { " "<span class="tag tag--synthetic">"synthetic"</span> })}
                        </strong>
                        <span class="choice-card__meta">
                            {format::plural(d.patients() as u64, "patient")}
                            " · "
                            {format::plural(d.cases.len() as u64, "case")}
                            " · "
                            {d.origin()}
                        </span>
                        <span class="choice-card__meta">"Usable for training / validation / test – "{counts}</span>
                    </span>
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="form-section" id="field-dataset" aria-describedby="error-dataset">
            <legend>"Data set"</legend>
            {none
                .then(|| if preparing {
                    view! { <p>"The built-in data set is being generated: load this page again in a minute."</p> }.into_any()
                } else {
                    view! {
                        <p>
                            "There is no data set yet. Add one with "<code>"transferscope dataset add FOLDER"</code>
                            " or generate phantoms with "<code>"transferscope dataset synth"</code>", then load this page again."
                        </p>
                    }
                    .into_any()
                })}
            <div class="choice-grid">{cards}</div>
            <FieldError field="dataset" state=state />
        </fieldset>
    }
}

/// How many runs the form stands for, and how long they took here before.
#[component]
fn Plan(parsed: Memo<Result<ExperimentSpec, FieldErrors>>, choices: StoredValue<Choices>) -> impl IntoView {
    let text = move || {
        parsed.with(|p| match p {
            Err(errors) => {
                let n = errors.len() as u64;
                (format!("{} to complete first", format::plural(n, "field")), String::new())
            }
            Ok(spec) => {
                let e = choices.with_value(|c| estimate(spec, &c.timings));
                let time = if e.measured == 0 {
                    "How long they take is not known yet: no run of this kind has finished here.".to_owned()
                } else if e.measured == e.runs {
                    format!(
                        "About {} one after another, estimated from runs that finished here.",
                        format::duration(e.seconds)
                    )
                } else {
                    format!(
                        "About {} for {} of them, estimated from runs that finished here; the rest is not known yet.",
                        format::duration(e.seconds),
                        e.measured,
                    )
                };
                (format::plural(e.runs as u64, "run"), time)
            }
        })
    };
    view! {
        <p class="plan" role="status" aria-live="polite">
            <strong class="plan__runs">{move || text().0}</strong>
            " "
            <span class="plan__time">{move || text().1}</span>
        </p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_of_a_data_set_are_offered_and_old_links_stay_ticked() {
        let text = r#"{"schema":1,"name":"d","source":"s","synthetic":false,"hash":"h","split_seed":0,"refused":[],
            "cases":[{"case_id":"a","patient_id":"a","split":"train","shape":[1,1,1],"spacing_mm":[1,1,1],
            "channels":["t2w","zones","lesion"],"prepared":"p","hash":"h"}]}"#;
        let mut dataset: DatasetManifest = serde_json::from_str(text).unwrap();
        dataset.settle();
        let offers = Offer::of(Some(&dataset));
        let values: Vec<_> = offers.iter().map(|o| o.value.as_str()).collect();
        assert_eq!(&values[..2], ["segmentation", "segmentation:lesion"]);
        assert!(offers[0].is("segmentation") && offers[0].is("segmentation:zones"));
        assert!(!offers[1].is("segmentation") && offers[1].is("segmentation:lesion"));
        assert_eq!(
            (offers[0].task.label().as_str(), offers[0].inputs.as_str()),
            ("Segmentation of zones", "t2w")
        );
        let label = offers.iter().find(|o| o.value == "classification").unwrap();
        assert!(label.problem.as_ref().unwrap().contains("a label of its cases"));
        assert_eq!(Offer::of(None).len(), TaskKind::ALL.len());
    }
}
