//! The leaderboard: what is best, by how much, and how sure that is.

use std::collections::BTreeSet;

use leptos::prelude::*;
use transferscope_domain::{MetricKind, Task, TaskKind, api::LeaderboardView};

use super::leaderboard_table::{LeaderboardTable, SortLink};
use crate::{
    base::to,
    components::{
        empty_state::{EmptyState, Preparing},
        task_options::task_options,
    },
    data::{DatasetName, LeaderboardState},
    format,
};

/// Address of the board in another state; defaults are left out.
fn href(state: &LeaderboardState) -> String {
    let query = query(state);
    to(&if query.is_empty() { "/".to_owned() } else { format!("/?{query}") })
}

/// The state as a query, defaults left out.
fn query(state: &LeaderboardState) -> String {
    let LeaderboardState { task, dataset, metric, group, asof, mix, sort } = state;
    let pairs = [
        ("task", task),
        ("dataset", dataset),
        ("metric", metric),
        ("group", group),
        ("asof", asof),
        ("mix", mix),
        ("sort", sort),
    ];
    let given: Vec<_> = pairs.into_iter().filter(|(_, v)| !v.is_empty()).collect();
    serde_urlencoded::to_string(given).unwrap_or_default()
}

/// Where a column head leads: the second click turns the order round.
fn sort_link(state: &LeaderboardState, key: &str) -> SortLink {
    let now = if state.sort.is_empty() { "rank" } else { &state.sort };
    let (column, down) = now.strip_prefix('-').map_or((now, false), |c| (c, true));
    let mine = column == key;
    let next = if mine && !down { format!("-{key}") } else { key.to_owned() };
    SortLink {
        href: href(&LeaderboardState { sort: next, ..state.clone() }),
        aria_sort: match (mine, down) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        },
    }
}

/// The page.
#[component]
pub fn Leaderboard(
    board: LeaderboardView,
    datasets: Vec<DatasetName>,
    /// Tasks that there are runs of.
    tasks: Vec<Task>,
    preparing: Option<String>,
    state: LeaderboardState,
) -> impl IntoView {
    let filtered =
        !query(&LeaderboardState { sort: String::new(), mix: String::new(), ..state.clone() }).is_empty();
    let not_shown = board.not_shown.clone();
    let synthetic: Vec<String> = datasets.iter().filter(|d| d.synthetic).map(|d| d.name.clone()).collect();
    let all_synthetic = !board.rows.is_empty() && board.rows.iter().all(|r| synthetic.contains(&r.dataset));
    let csv = to(&format!("/api/v1/leaderboard.csv?{}", query(&state)));
    let content = if board.rows.is_empty() {
        view! { <Empty filtered=filtered waiting=!not_shown.is_empty() /> }.into_any()
    } else {
        view! {
            <Guard board=board.clone() state=state.clone() />
            <div class="compare-bar">
                <form method="get" action=to("/compare") id="compare-form" class="compare-bar__form">
                    <input type="hidden" name="seeds" value="1" />
                    <button type="submit" class="button">"Compare selected"</button>
                    <span class="quiet">"Select rows below; a row adds all of its seeds."</span>
                </form>
                <a class="compare-bar__export" href=csv rel="external">"CSV"</a>
            </div>
            {tables(&board, &synthetic, &state)}
        }
        .into_any()
    };
    let asof = (!state.asof.is_empty()).then(|| {
        let now = href(&LeaderboardState { asof: String::new(), ..state.clone() });
        view! {
            <p class="notice">
                {format!("The leaderboard as it was at the end of {} (UTC). ", state.asof)}
                <a href=now>"Show it as it is now"</a>
                "."
            </p>
        }
    });
    view! {
        <div class="page__head">
            <div>
                <h1>"Leaderboard"</h1>
                <p class="page__lead">"When does a pre-trained model help a downstream task? Finished runs, averaged over seeds."</p>
            </div>
            <a class="button button--primary" href=to("/new")>"New experiment"</a>
        </div>
        <Preparing message=preparing />
        {all_synthetic
            .then(|| view! {
                <p class="notice">
                    "All rows come from synthetic data (computed phantoms): they show that the method works, not how a model performs on patients."
                </p>
            })}
        {asof}
        <Filters state=state tasks=tasks datasets=datasets.into_iter().map(|d| d.name).collect() />
        {content}
        <NotShown counts=not_shown.into_iter().collect() />
    }
}

/// One table for each task.
fn tables(board: &LeaderboardView, synthetic: &[String], state: &LeaderboardState) -> impl IntoView + use<> {
    let tasks: BTreeSet<Task> = board.rows.iter().map(|r| r.task).collect();
    tasks
        .into_iter()
        .map(|task| {
            let rows: Vec<_> = board.rows.iter().filter(|r| r.task == task).cloned().collect();
            let resolution: Vec<_> = board.resolution.iter().filter(|r| r.task == task).cloned().collect();
            let state = state.clone();
            let link = Callback::new(move |key: &'static str| sort_link(&state, key));
            let synthetic = synthetic.to_vec();
            view! {
                <LeaderboardTable task=task rows=rows resolution=resolution synthetic=synthetic sort_link=link />
            }
        })
        .collect_view()
}

/// Says how rows that differ in settings that should agree are ranked, and links to the other way.
#[component]
fn Guard(board: LeaderboardView, state: LeaderboardState) -> impl IntoView {
    let apart = board.rows.iter().filter(|r| r.comparable > 1).count();
    (apart > 0).then(|| {
        let other = href(&LeaderboardState {
            mix: if board.mixed { String::new() } else { "1".into() },
            ..state
        });
        let rows = format::plural(apart as u64, "row");
        let (differ, are) = if apart == 1 { ("differs", "is") } else { ("differ", "are") };
        if board.mixed {
            view! {
                <p class="notice notice--warn">
                    {format!("Ranks are mixed: {rows} {differ} from the others of the same task in settings that should agree, but {are} ranked with them. ")}
                    <a href=other>"Rank only comparable rows"</a>
                    "."
                </p>
            }
        } else {
            view! {
                <p class="notice">
                    {format!("{rows} {differ} from most rows of the same task in settings that should agree (marked “differs”) and {are} ranked separately. ")}
                    <a href=other>"Rank all together"</a>
                    "."
                </p>
            }
        }
    })
}

#[component]
fn Filters(state: LeaderboardState, tasks: Vec<Task>, datasets: Vec<String>) -> impl IntoView {
    let option = |value: &str, label: &str, now: &str| {
        view! { <option value=value.to_owned() selected=value == now>{label.to_owned()}</option> }
    };
    let kept = [("sort", state.sort.clone()), ("mix", state.mix.clone())];
    // Metrics of the task; of all tasks none is shared by all.
    let metrics = state.task.parse::<Task>().map(Task::metrics).unwrap_or_default();
    let metrics = (!metrics.is_empty()).then(|| {
        view! {
            <label class="filters__field">
                "Metric"
                <select name="metric">
                    {option("", "primary", &state.metric)}
                    {metrics.iter().map(|m: &MetricKind| option(m.as_str(), m.label(), &state.metric)).collect_view()}
                </select>
            </label>
        }
    });
    view! {
        <form method="get" action=to("/") class="filters" role="search" aria-label="Filter the leaderboard">
            <label class="filters__field">
                "Task"
                <select name="task">
                    {option("", "All tasks", &state.task)}
                    {task_options(&TaskKind::ALL, &tasks, &state.task)}
                </select>
            </label>
            <label class="filters__field">
                "Data set"
                <select name="dataset">
                    {option("", "All data sets", &state.dataset)}
                    {datasets.iter().map(|d| option(d, d, &state.dataset)).collect_view()}
                </select>
            </label>
            <label class="filters__field">
                "A row is"
                <select name="group">
                    {option("cell", "all seeds of a backbone and arm", &state.group)}
                    {option("run", "one run", &state.group)}
                </select>
            </label>
            {metrics}
            <label class="filters__field">
                "As of"
                <input type="date" name="asof" value=state.asof.clone() />
            </label>
            {kept
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
                .collect_view()}
            <button type="submit" class="button">"Apply"</button>
        </form>
    }
}

#[component]
fn Empty(filtered: bool, waiting: bool) -> impl IntoView {
    if filtered {
        return view! {
            <EmptyState title="No finished run matches these filters">
                <p><a href=to("/")>"Show all"</a>", or look at the "<a href=to("/runs")>"runs under way"</a>"."</p>
            </EmptyState>
        }
        .into_any();
    }
    if waiting {
        return view! {
            <EmptyState title="No run has finished yet">
                <p>"Follow the "<a href=to("/runs")>"runs under way"</a>"; each appears on the leaderboard when it has a test result."</p>
            </EmptyState>
        }
        .into_any();
    }
    view! {
        <EmptyState title="Nothing has been trained here yet">
            <p>
                "Start an experiment: choose backbones, tasks and arms. The runs are trained on this machine. "
                "The quick preset takes two small backbones, all five tasks and all arms with three seeds."
            </p>
            <p class="empty-state__actions">
                <a class="button button--primary" href=to("/new?preset=quick")>"Start with the quick preset"</a>
                " "
                <a class="button" href=to("/new")>"Choose for yourself"</a>
            </p>
        </EmptyState>
    }
    .into_any()
}

/// Runs that the board does not show, by the reason.
#[component]
fn NotShown(counts: Vec<(String, u32)>) -> impl IntoView {
    (!counts.is_empty()).then(|| {
        let n = counts.len();
        let parts = counts
            .into_iter()
            .enumerate()
            .map(|(i, (state, count))| {
                let text = format!("{} {}", format::count(u64::from(count)), state.replace('-', " "));
                let comma = if i + 1 < n { ", " } else { "." };
                if state.parse::<transferscope_domain::RunState>().is_ok() {
                    view! { <a href=to(&format!("/runs?state={state}"))>{text}</a>{comma} }.into_any()
                } else {
                    view! { <span>{text}</span>{comma} }.into_any()
                }
            })
            .collect_view();
        view! { <p class="not-shown">"Runs not shown: "{parts}</p> }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_click_turns_the_order_round() {
        let state = LeaderboardState { task: "segmentation".into(), ..LeaderboardState::default() };
        let first = sort_link(&state, "mean");
        assert_eq!(first.href, "/?task=segmentation&sort=mean");
        assert_eq!(first.aria_sort, "none");
        let sorted = LeaderboardState { sort: "mean".into(), ..state.clone() };
        assert_eq!(sort_link(&sorted, "mean").href, "/?task=segmentation&sort=-mean");
        assert_eq!(sort_link(&state, "rank").aria_sort, "ascending");
        assert_eq!(href(&LeaderboardState::default()), "/");
    }
}
