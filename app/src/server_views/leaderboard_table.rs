//! The board's tables: one for each task, since metrics of different tasks do not compare.

use leptos::prelude::*;
use transferscope_domain::{
    Arm, MetricKind, Overrides, Task,
    experiment::ExperimentSpec,
    form::ExperimentForm,
    leaderboard::{Resolution, Row, SeedScore},
};

use crate::{
    base::to,
    components::run_mark::{AdaptationTag, ArmTag, DatasetLabel},
    format,
    labels::way_label,
};

/// Seeds of a row that has all that one asks for.
const SEEDS_WANTED: u64 = 5;

/// How many seeds a row lacks, and the fields of the form that queues them, trained as its runs were; none where it
/// has enough.
fn more_seeds(row: &Row) -> Option<(u64, Vec<(&'static str, String)>)> {
    let known: Vec<u64> = row.seeds.iter().map(|s| s.seed).collect();
    let lacking = SEEDS_WANTED.saturating_sub(known.len() as u64);
    let seeds: Vec<u64> = (0..).filter(|s| !known.contains(s)).take(lacking as usize).collect();
    let spec = ExperimentSpec {
        name: String::new(),
        backbones: if row.arm == Arm::Specialist { Vec::new() } else { vec![row.backbone.clone()] },
        tasks: vec![row.task],
        arms: vec![row.arm],
        dataset: row.dataset.clone(),
        seeds,
        label_shares: Vec::new(),
        adaptations: Vec::new(),
        epochs: Some(row.epochs),
        overrides: Overrides::of(&row.training, row.task.kind),
    };
    (lacking > 0).then(|| (lacking, ExperimentForm::of(&spec).to_pairs()))
}

/// Fewest seeds that say anything about spread.
const SEEDS_ENOUGH: u32 = 3;

/// Rows of one task.
#[component]
pub fn LeaderboardTable(
    task: Task,
    rows: Vec<Row>,
    /// What its test cases can resolve.
    resolution: Vec<Resolution>,
    /// Names of data sets that are computed phantoms.
    synthetic: Vec<String>,
    /// Address of this board sorted by a key; the column that is sorted by now has `current`.
    sort_link: Callback<&'static str, SortLink>,
) -> impl IntoView {
    let metric =
        rows.first().and_then(|r| MetricKind::of_name(&r.metric)).unwrap_or_else(|| task.primary_metric());
    let unit = if metric.unit().is_empty() { String::new() } else { format!(" [{}]", metric.unit()) };
    let has_baseline = rows.iter().any(|r| r.baseline.is_some());
    let arrow = match metric.direction() {
        transferscope_domain::Direction::Higher => "↑",
        transferscope_domain::Direction::Lower => "↓",
    };
    let head = move |key: &'static str, label: String, class: &'static str| {
        let link = sort_link.run(key);
        view! {
            <th scope="col" class=class aria-sort=link.aria_sort>
                <a href=link.href>{label}</a>
            </th>
        }
    };
    view! {
        <section class="board">
            <h2 class="board__title">{task.label()}</h2>
            <p class="board__help">{task.help()}</p>
            {resolved(&resolution, metric)}
            <div class="table-scroll" role="region" aria-label=format!("{} ranking", task.label()) tabindex="0">
                <table class="data-table leaderboard-table">
                    <thead>
                        <tr>
                            <th scope="col" class="data-table__check">
                                <span class="visually-hidden">"Compare"</span>
                            </th>
                            {head("rank", "Rank".into(), "data-table__number")}
                            {head("backbone", "Backbone".into(), "")}
                            {head("arm", "Arm".into(), "")}
                            {head("dataset", "Data set".into(), "")}
                            {head("mean", format!("{}{unit} {arrow}", metric.label()), "data-table__number")}
                            <th scope="col" class="data-table__number">"95 % interval"</th>
                            {head("n", "Seeds".into(), "data-table__number")}
                            {has_baseline.then(|| view! { <th scope="col">"Best simple baseline"</th> })}
                            <th scope="col" class="data-table__number">"Epochs"</th>
                            <th scope="col">"Runs"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {rows
                            .into_iter()
                            .map(|row| {
                                let synthetic = synthetic.contains(&row.dataset);
                                view! { <BoardRow row=row metric=metric synthetic=synthetic has_baseline=has_baseline /> }
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
            <p class="board__note">
                {format!("{}: {}, on the test split. ", metric.label(), metric.direction().label())}
                "Intervals of means are 95 % intervals over seeds and test patients, kept within the metric's range, as on the pages of experiments. Two rows are tied if the interval of their difference, from the same model of seeds and patients, contains 0; this is not corrected for the number of pairs. Intervals of ranks are corrected over a row's pairs (Holm). A row of one seed has neither, since the variation between seeds is unknown."
            </p>
        </section>
    }
}

/// Where a column head leads, and what it says about the present order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortLink {
    pub href: String,
    pub aria_sort: &'static str,
}

/// The smallest differences that the test cases can resolve, in a sentence for each group of rows.
fn resolved(resolution: &[Resolution], metric: MetricKind) -> impl IntoView + use<> {
    let several = resolution.len() > 1;
    resolution
        .iter()
        .map(|r| {
            let whose = match r.comparable.filter(|_| several) {
                Some(group) => format!("{}, group {group}: with", r.dataset),
                None if several => format!("{}: with", r.dataset),
                None => "With".to_owned(),
            };
            let unit = if metric.unit().is_empty() { String::new() } else { format!(" {}", metric.unit()) };
            let cases = format::plural(u64::from(r.cases), "test case");
            let widest = match metric.range() {
                (Some(low), Some(high)) => high - low,
                _ => f64::INFINITY,
            };
            let sentence = if r.difference < widest {
                let least = format::number(r.difference, metric.decimals());
                format!("{whose} {cases} and these seeds, rows that differ by less than about {least}{unit} are not distinguishable.")
            } else {
                format!("{whose} {cases} and these seeds, no rows are distinguishable: more cases or seeds are needed.")
            };
            view! { <p class="board__help">{sentence}</p> }
        })
        .collect_view()
}

#[component]
fn BoardRow(row: Row, metric: MetricKind, synthetic: bool, has_baseline: bool) -> impl IntoView {
    let ids = row.seeds.iter().map(|s| s.run.as_str()).collect::<Vec<_>>().join(",");
    let name = format!("{}, {}, {}", row.backbone, way_label(row.arm, row.adaptation), row.dataset);
    let decimals = metric.decimals();
    let (rank, deviations) = (rank(&row), deviations(&row));
    let (baseline, more) = (baseline(&row, decimals), more(&row, &name));
    let few = (row.n < SEEDS_ENOUGH).then(|| {
        view! {
            " "
            <span class="tag tag--quiet" title="Fewer than three seeds: the spread over seeds is poorly known">
                "few"
            </span>
        }
    });
    view! {
        <tr>
            <td class="data-table__check">
                <input type="checkbox" name="runs" value=ids form="compare-form" aria-label=format!("Compare {name}") />
            </td>
            <td class="data-table__number">{rank}</td>
            <th scope="row">{row.backbone}</th>
            <td><ArmTag arm=row.arm /><AdaptationTag adaptation=row.adaptation />{deviations}</td>
            <td><DatasetLabel name=row.dataset synthetic=synthetic /></td>
            <td class="data-table__number data-table__primary">{format::number(row.mean, decimals)}</td>
            <td class="data-table__number">
                {match row.ci95 {
                    Some([low, high]) => {
                        format!("{} to {}", format::number(low, decimals), format::number(high, decimals))
                    }
                    None => row.unsure.map_or(format::NONE, transferscope_domain::Unsure::words).to_owned(),
                }}
            </td>
            <td class="data-table__number">{row.n}{few}</td>
            {has_baseline.then(|| view! { <td>{baseline}</td> })}
            <td class="data-table__number">{row.epochs}</td>
            <td>
                {seed_list(row.seeds, row.n, &name, decimals)}
                {more}
            </td>
        </tr>
    }
}

/// A row's rank, with its interval and the ranks that it is tied with.
fn rank(row: &Row) -> impl IntoView + use<> {
    let interval = row.rank_interval.filter(|[low, high]| low != high).map(|[low, high]| {
        view! { <span class="difference" title="95 % interval of the rank">{format!("{low} to {high}")}</span> }
    });
    let tied = (!row.tied_with.is_empty()).then(|| {
        let ranks: Vec<String> = row.tied_with.iter().map(u32::to_string).collect();
        let title = "Not distinguishable from the rows of these ranks with these test cases and seeds";
        view! { <span class="difference" title=title>{format!("tied with {}", ranks.join(", "))}</span> }
    });
    view! { {row.rank}{interval}{tied} }
}

/// In what a row was trained otherwise than rows beside it.
fn deviations(row: &Row) -> impl IntoView + use<> {
    let settings = (!row.settings.is_empty()).then(|| {
        view! { " "<span class="tag tag--quiet" title="Where it differs from other rows of this backbone and arm">{row.settings.join(", ")}</span> }
    });
    let differs = (!row.differs.is_empty()).then(|| {
        let text = format!("differs: {}", row.differs.join(", "));
        let title = format!(
            "This row differs from most rows of its task and data set in {}; ranking it with them would be misleading.",
            row.differs.join(" and ")
        );
        view! { " "<span class="tag tag--warn" title=title>{text}</span> }
    });
    view! { {settings}{differs} }
}

/// The best simple baseline on the same test cases, and whether the row is above it.
fn baseline(row: &Row, decimals: usize) -> Option<impl IntoView + use<>> {
    row.baseline.clone().map(|b| {
        let verdict = match row.beats_baseline {
            Some(false) => Some(view! { " "<span class="tag tag--bad">"not better"</span> }),
            // A mean above it says little while its interval holds it; experiments compare both on the same cases.
            Some(true) if row.ci95.is_some_and(|[low, high]| (low..=high).contains(&b.value)) => {
                Some(view! { " "<span class="tag tag--quiet">"baseline within the interval"</span> })
            }
            Some(true) | None => None,
        };
        view! {
            <span class="leaderboard-table__baseline">
                <span class="numeric">{format::number(b.value, decimals)}</span>
                " "
                {b.name}
            </span>
            {verdict}
        }
    })
}

/// Queues the seeds that a row lacks; `name` is the row's, for those who do not see it.
fn more(row: &Row, name: &str) -> Option<impl IntoView + use<>> {
    more_seeds(row).map(|(n, fields)| {
        let query = serde_urlencoded::to_string(&fields).unwrap_or_default();
        let fields = fields
            .into_iter()
            .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
            .collect_view();
        view! {
            <form method="post" action=to("/new") class="more-seeds">
                {fields}
                <button type="submit" class="button button--small" title="Queues them at once, with the settings of these runs">
                    {format!("Run {n} more {}", if n == 1 { "seed" } else { "seeds" })}
                    <span class="visually-hidden">{format!(" of {name}")}</span>
                </button>
                <a class="quiet" href=to(&format!("/new?{query}")) title="The form, filled in with the settings of these runs">
                    "edit first"
                </a>
            </form>
        }
    })
}

/// Links to a row's runs, folded up.
fn seed_list(seeds: Vec<SeedScore>, n: u32, name: &str, decimals: usize) -> impl IntoView + use<> {
    view! {
        <details class="seed-list">
            <summary>
                {format::plural(u64::from(n), "run")}
                <span class="visually-hidden">{format!(" of {name}")}</span>
            </summary>
            <ul>
                {seeds
                    .into_iter()
                    .map(|s| view! {
                        <li>
                            <a href=to(&format!("/runs/{}", s.run))>{format!("seed {}", s.seed)}</a>
                            " "
                            <span class="numeric">{format::number(s.value, decimals)}</span>
                        </li>
                    })
                    .collect_view()}
            </ul>
        </details>
    }
}
