//! The leaderboard: what is best, by how much, and how sure that is.

use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use leptos_router::{components::Form, hooks::use_query_map, params::ParamsMap};
use transferscope_domain::Task;

use crate::{
    api::leaderboard::{Board, LeaderboardState, leaderboard},
    components::{
        empty_state::{EmptyState, Preparing},
        leaderboard_table::{LeaderboardTable, SortLink},
        loaded::loaded,
    },
    format,
};

fn state_of(query: &ParamsMap) -> LeaderboardState {
    let get = |key| query.get(key).unwrap_or_default();
    LeaderboardState { task: get("task"), dataset: get("dataset"), group: get("group"), sort: get("sort") }
}

/// The page.
#[component]
pub fn LeaderboardPage() -> impl IntoView {
    let query = use_query_map();
    let state = Memo::new(move |_| query.with(state_of));
    let board = Resource::new(move || state.get(), leaderboard);
    view! {
        <Title text="Leaderboard" />
        <Meta name="description" content="Which vision foundation models help which downstream tasks, with intervals over seeds." />
        <div class="page__head">
            <div>
                <h1>"Leaderboard"</h1>
                <p class="page__lead">"When does a pre-trained model help a downstream task? Finished runs, seeds together."</p>
            </div>
            <a class="button button--primary" href="/new">"New experiment"</a>
        </div>
        {loaded(board, "the leaderboard", move |board| view! { <BoardView board=board state=state.get_untracked() /> })}
    }
}

/// Address of the board in another state; defaults are left out.
fn href(state: &LeaderboardState) -> String {
    let pairs: Vec<(&str, &str)> =
        [("task", &state.task), ("dataset", &state.dataset), ("group", &state.group), ("sort", &state.sort)]
            .into_iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(k, v)| (k, v.as_str()))
            .collect();
    if pairs.is_empty() {
        return "/".to_owned();
    }
    format!("/?{}", serde_urlencoded::to_string(pairs).unwrap_or_default())
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

#[component]
fn BoardView(board: Board, state: LeaderboardState) -> impl IntoView {
    let filtered = !state.task.is_empty() || !state.dataset.is_empty();
    let not_shown = board.view.not_shown.clone();
    let rows = board.view.rows;
    let synthetic: Vec<String> =
        board.datasets.iter().filter(|d| d.synthetic).map(|d| d.name.clone()).collect();
    let all_synthetic = !rows.is_empty() && rows.iter().all(|r| synthetic.contains(&r.dataset));
    let tables = Task::ALL
        .into_iter()
        .filter_map(|task| {
            let rows: Vec<_> = rows.iter().filter(|r| r.task == task).cloned().collect();
            let state = state.clone();
            let link = Callback::new(move |key: &'static str| sort_link(&state, key));
            (!rows.is_empty()).then(|| {
                view! { <LeaderboardTable task=task rows=rows synthetic=synthetic.clone() sort_link=link /> }
            })
        })
        .collect_view();
    let content = if rows.is_empty() {
        view! { <Empty filtered=filtered waiting=!not_shown.is_empty() /> }.into_any()
    } else {
        view! {
            <div class="compare-bar">
                <Form method="GET" action="/compare" attr:id="compare-form" attr:class="compare-bar__form">
                    <button type="submit" class="button">"Compare selected"</button>
                    <span class="quiet">"Tick rows below; a row brings all of its seeds."</span>
                </Form>
                <a class="compare-bar__export" href="/api/v1/leaderboard.csv" rel="external">"CSV"</a>
            </div>
            {tables}
        }
        .into_any()
    };
    view! {
        <Preparing message=board.preparing />
        {all_synthetic
            .then(|| view! {
                <p class="notice">
                    "All rows come from synthetic data (computed phantoms): they show that the method works, not how a model does on patients."
                </p>
            })}
        <Filters state=state datasets=board.datasets.iter().map(|d| d.name.clone()).collect() />
        {content}
        <NotShown counts=not_shown.into_iter().collect() />
    }
}

#[component]
fn Filters(state: LeaderboardState, datasets: Vec<String>) -> impl IntoView {
    let option = |value: &str, label: &str, now: &str| {
        view! { <option value=value.to_owned() selected=value == now>{label.to_owned()}</option> }
    };
    let sort = state.sort.clone();
    view! {
        <Form method="GET" action="/" attr:class="filters" attr:role="search" attr:aria-label="Filter the leaderboard">
            <label class="filters__field">
                "Task"
                <select name="task">
                    {option("", "All tasks", &state.task)}
                    {Task::ALL.iter().map(|t| option(t.as_str(), t.label(), &state.task)).collect_view()}
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
            {(!sort.is_empty()).then(|| view! { <input type="hidden" name="sort" value=sort /> })}
            <button type="submit" class="button">"Apply"</button>
        </Form>
    }
}

#[component]
fn Empty(filtered: bool, waiting: bool) -> impl IntoView {
    if filtered {
        return view! {
            <EmptyState title="No finished run fits these filters">
                <p><a href="/">"Show all"</a>", or look at the "<a href="/runs">"runs under way"</a>"."</p>
            </EmptyState>
        }
        .into_any();
    }
    if waiting {
        return view! {
            <EmptyState title="No run has finished yet">
                <p>"Follow the "<a href="/runs">"runs under way"</a>"; each comes onto the board when it has a test result."</p>
            </EmptyState>
        }
        .into_any();
    }
    view! {
        <EmptyState title="Nothing has been trained here yet">
            <p>
                "Start an experiment: pick backbones, tasks and arms, and the runs are trained here, on this machine. "
                "The quick preset takes two small backbones, all tasks and arms."
            </p>
            <p class="empty-state__actions">
                <a class="button button--primary" href="/new?preset=quick">"Start with the quick preset"</a>
                " "
                <a class="button" href="/new">"Choose for yourself"</a>
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
                    view! { <a href=format!("/runs?state={state}")>{text}</a>{comma} }.into_any()
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
