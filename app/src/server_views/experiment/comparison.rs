//! Whole experiments side by side: the same network in each, against the first.

use leptos::prelude::*;
use transferscope_domain::{
    Arm, Task,
    api::{ExperimentView, FrozenLink},
};
use transferscope_study::{
    analysis::{Against, Choice, Network, Side},
    statistics::p_in_words,
};

use super::{Links, gains::better_word, name, synthetic_notice, way};
use crate::{
    base::to,
    context::{Study, Versus},
    format,
    labels::share_label,
    server_views::table::table_of,
};

/// Most runs that one comparison of curves takes.
const CURVES_MAX: usize = 32;

/// The page.
#[component]
pub fn Comparison(
    versus: Versus,
    /// Whether it is kept as it is: without what asks the server for something.
    #[prop(optional)]
    frozen: bool,
) -> impl IntoView {
    let Versus { studies, networks, missing } = versus;
    let names: Vec<String> = studies.iter().map(|s| name(&s.view)).collect();
    let mut tasks: Vec<Task> = networks.iter().map(|n| n.task).collect();
    tasks.dedup();
    let ids: Vec<_> = studies.iter().map(|s| s.view.id.clone()).collect();
    // Pages that show all of these.
    let shown = |link: &FrozenLink| studies.iter().all(|s| s.frozen.contains(link));
    let links =
        studies.first().map(|s| s.frozen.iter().filter(|l| shown(l)).cloned().collect()).unwrap_or_default();
    let synthetic = studies.iter().any(|s| s.synthetic);
    let tables = tasks
        .into_iter()
        .map(|task| {
            let of_task = networks.iter().filter(|n| n.task == task).cloned().collect();
            view! { <Networks task=task names=names.clone() networks=of_task /> }
        })
        .collect_view();
    view! {
        <div class="page__head">
            <div>
                <h1>"Experiments compared"</h1>
                <p class="page__lead">
                    {format!("{} is the reference for the others.", names[0])}
                </p>
            </div>
            {(!frozen).then(|| view! { <a class="button" href=to("/experiments") rel="external">"All experiments"</a> })}
        </div>
        {(!missing.is_empty()).then(|| {
            let ids = missing.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
            view! { <p class="notice notice--warn">{format!("Not found: {ids}. The others are compared.")}</p> }
        })}
        {synthetic_notice(synthetic)}
        <Asked studies=studies.clone() names=names frozen=frozen />
        <Verdicts studies=studies />
        {tables}
        {(!frozen).then(|| view! { <Links ids=ids choice=Choice::default() links=links /> })}
    }
}

/// What an experiment asked for, field by field.
fn fields(view: &ExperimentView) -> Vec<(String, String)> {
    let spec = &view.spec;
    let joined = |list: Vec<String>| list.join(", ");
    let text = |list: &[f64]| joined(list.iter().map(|v| format!("{} %", 100.0 * v)).collect());
    let mut fields = vec![
        ("Backbones".to_owned(), joined(spec.backbones.clone())),
        ("Tasks".into(), joined(spec.tasks().iter().map(|t| t.label()).collect())),
        ("Arms".into(), joined(spec.arms.iter().map(|a| a.label().to_lowercase()).collect())),
        ("Data set".into(), spec.dataset.clone()),
        ("Seeds".into(), joined(spec.seeds.iter().map(u64::to_string).collect())),
        ("Share of training cases".into(), text(&spec.label_shares)),
        ("Fine-tuning".into(), joined(spec.adaptations.iter().map(|a| a.label().to_owned()).collect())),
        ("Epochs".into(), spec.epochs.map(|e| e.to_string()).unwrap_or_default()),
    ];
    fields.extend(spec.overrides.to_pairs().into_iter().map(|(key, value)| (key.to_owned(), value)));
    fields
}

/// The address of the same experiments with another one first.
fn with_first(ids: &[String], first: usize) -> String {
    let rest = ids.iter().enumerate().filter(|(place, _)| *place != first).map(|(_, id)| id);
    let pairs: Vec<(&str, &String)> = std::iter::once(&ids[first]).chain(rest).map(|id| ("id", id)).collect();
    to(&format!("/experiments/compare?{}", serde_urlencoded::to_string(pairs).unwrap_or_default()))
}

/// The experiments, and what they were asked for where it is not the same.
#[component]
fn Asked(studies: Vec<Study>, names: Vec<String>, frozen: bool) -> impl IntoView {
    let asked: Vec<Vec<(String, String)>> = studies.iter().map(|s| fields(&s.view)).collect();
    let mut keys: Vec<String> = Vec::new();
    for (key, _) in asked.iter().flatten() {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    let value = |place: usize, key: &str| {
        let found = asked[place].iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        found.filter(|v| !v.is_empty()).unwrap_or_else(|| "default".into())
    };
    let differing: Vec<String> = keys
        .into_iter()
        .filter(|key| (1..studies.len()).any(|place| value(place, key) != value(0, key)))
        .collect();
    let row = |head: String, cells: Vec<AnyView>| view! { <tr><th scope="row">{head}</th>{cells}</tr> };
    let started = studies
        .iter()
        .map(|s| view! { <td>{format::date_time(s.view.created_ms)}</td> }.into_any())
        .collect();
    let results = studies
        .iter()
        .map(|s| {
            let counts = s.analysis.counts;
            view! { <td>{format!("{} of {}", counts.succeeded, counts.planned)}</td> }.into_any()
        })
        .collect();
    let none = differing.is_empty().then(|| {
        view! { <p class="board__note">"All have the same settings."</p> }
    });
    let differences = differing
        .into_iter()
        .map(|key| {
            let cells = (0..studies.len()).map(|i| view! { <td>{value(i, &key)}</td> }.into_any()).collect();
            row(key, cells)
        })
        .collect_view();
    let ids: Vec<String> = studies.iter().map(|s| s.view.id.to_string()).collect();
    let head = names.into_iter().enumerate().map(|(place, name)| {
        let href = to(&format!("/experiments/{}", ids[place]));
        let first = (place > 0 && !frozen).then(|| {
            view! {
                <span class="difference">
                    <a href=with_first(&ids, place) rel="external">"use as the reference"</a>
                </span>
            }
        });
        (view! { <a href=href rel="external">{name}</a>{first} }.into_any(), false)
    });
    let columns = std::iter::once(("Experiment".into_any(), false)).chain(head);
    let rows = view! {
        {row("Started".into(), started)}
        {row("Runs with a result".into(), results)}
        {differences}
    };
    view! {
        <section class="section">
            <h2>"Settings"</h2>
            {table_of("The experiments and the settings in which they differ", columns, rows)}
            {none}
        </section>
    }
}

/// What each says of the findings.
#[component]
fn Verdicts(studies: Vec<Study>) -> impl IntoView {
    let claims: Vec<String> = studies
        .first()
        .map(|s| s.analysis.findings.iter().map(|f| f.claim.clone()).collect())
        .unwrap_or_default();
    let rows = claims
        .into_iter()
        .enumerate()
        .map(|(i, claim)| {
            let cells = studies
                .iter()
                .map(|study| {
                    let verdict = study.analysis.findings.get(i).map(|f| f.label());
                    // The first finding has no correlation.
                    let relation = i.checked_sub(1).and_then(|i| study.analysis.relations.get(i));
                    let spearman = relation.and_then(|r| Some((r.spearman?, r.points.len()))).map(|(r, n)| {
                        let value = format::signed(r.value, 2);
                        view! { <span class="difference">{format!("Spearman {value} over {n} cells")}</span> }
                    });
                    view! { <td>{verdict}{spearman}</td> }
                })
                .collect_view();
            view! { <tr><th scope="row">{claim}</th>{cells}</tr> }
        })
        .collect_view();
    let head = studies.iter().map(|s| (name(&s.view), false));
    let columns = std::iter::once(("Finding".to_owned(), false)).chain(head);
    view! {
        <section class="section">
            <h2>"What the numbers say"</h2>
            {table_of("Findings by experiment", columns, rows)}
        </section>
    }
}

/// The networks of a task.
#[component]
fn Networks(task: Task, names: Vec<String>, networks: Vec<Network>) -> impl IntoView {
    let metric = task.primary_metric();
    let unit = if metric.unit().is_empty() { String::new() } else { format!(" in {}", metric.unit()) };
    let runs: Vec<String> = networks
        .iter()
        .flat_map(|n| n.sides.iter().flatten())
        .flat_map(|s| &s.runs)
        .map(ToString::to_string)
        .collect();
    let curves = (runs.len() > 1 && runs.len() <= CURVES_MAX).then(|| {
        let href = to(&format!("/compare?runs={}&seeds=1", runs.join(",")));
        view! { <p class="board__note"><a href=href rel="external">"Curves, cases and a link to share"</a></p> }
    });
    let usual = networks.iter().all(|n| n.adaptation == Default::default() && n.label_share == 1.0);
    let rows = networks
        .iter()
        .map(|network| {
            let which = (!usual).then(|| {
                // A specialist has no encoder to adapt.
                let words = match network.arm {
                    Arm::Specialist => share_label(network.label_share),
                    Arm::Pretrained | Arm::Scratch => Some(way(network.adaptation, network.label_share)),
                };
                view! { <span class="difference">{words}</span> }
            });
            let title = format!("{}, {}", network.backbone, network.arm.label().to_lowercase());
            let first = network.sides.first().and_then(Option::as_ref).is_some_and(|s| s.mean.is_some());
            let sides = network
                .sides
                .iter()
                .enumerate()
                .map(|(place, s)| side(task, s.as_ref(), first && place > 0))
                .collect_view();
            view! { <tr><th scope="row">{title}{which}</th>{sides}</tr> }
        })
        .collect_view();
    let columns =
        std::iter::once(("Network".to_owned(), false)).chain(names.into_iter().map(|name| (name, true)));
    view! {
        <section class="section">
            <h2>{task.label()}</h2>
            <p class="section__lead">
                {format!(
                    "{}{unit}, {}: mean over seeds with its 95 % interval over seeds and test patients. Below it: the difference from the first experiment, over the seeds that both have, with its interval and p from the same model of seeds and patients; p is corrected over all networks (Holm). A single seed has no interval.",
                    metric.label(),
                    metric.direction().label(),
                )}
            </p>
            {table_of(format!("{} by network and experiment", task.label()), columns, rows)}
            {curves}
        </section>
    }
}

/// `paired`: whether there is a first experiment with a result to be held against.
fn side(task: Task, side: Option<&Side>, paired: bool) -> AnyView {
    let metric = task.primary_metric().as_str();
    let Some(side) = side else {
        return view! { <td class="data-table__number quiet">"not planned"</td> }.into_any();
    };
    let Some(mean) = side.mean else {
        return view! { <td class="data-table__number quiet">"no result"</td> }.into_any();
    };
    let range = |low: f64, high: f64| {
        format!("{} to {}", format::metric_value(metric, low), format::metric_value(metric, high))
    };
    let interval = side.interval.map(|i| view! { <span class="difference">{range(i.low, i.high)}</span> });
    let unsure = side.unsure.map(|why| view! { <span class="difference">{why.words()}</span> });
    let apart = (paired && side.against_first.is_none())
        .then(|| view! { <span class="difference">"no seed in common"</span> });
    let few =
        (side.n < 3).then(|| view! { " "<span class="tag tag--quiet">{format!("n = {}", side.n)}</span> });
    view! {
        <td class="data-table__number">
            {format::metric_value(metric, mean)}{few}
            {interval}
            {unsure}
            {side.against_first.as_ref().map(|a| against(task, a))}
            {apart}
        </td>
    }
    .into_any()
}

fn against(task: Task, against: &Against) -> impl IntoView + use<> {
    let metric = task.primary_metric().as_str();
    let differs = (!against.differs.is_empty())
        .then(|| view! { <span class="difference">{format!("runs differ in {}", against.differs.join(", "))}</span> });
    let Some(difference) = against.difference else {
        return view! { <span class="difference">"different test cases: no difference computed"</span>{differs} }
            .into_any();
    };
    let interval = against.interval.map(|i| {
        format!(
            " ({} to {})",
            format::metric_difference(metric, i.low),
            format::metric_difference(metric, i.high)
        )
    });
    let unsure = against.unsure.map(|why| format!(" ({})", why.words()));
    let p = against.p_corrected.map(|p| format!(", p {}", p_in_words(p)));
    let better = format!("{} in {} of {} cases", better_word(task), against.cases_better, against.cases);
    view! {
        <span class="difference">{format::metric_difference(metric, difference)}{interval}{unsure}{p}</span>
        <span class="difference">{better}</span>
        {differs}
    }
    .into_any()
}
