//! Tables of a comparison: results with differences, and configuration where it differs.

use leptos::prelude::*;
use transferscope_domain::{Direction, MetricKind, RunState, api::RunView};

use super::{provenance::settings, run_mark::RunMark, state_badge::StateBadge};
use crate::{base::to, format, labels::run_title, palette::Style};

/// Test metrics of the runs: those of their tasks, in order, then class-wise ones.
pub fn test_metrics(runs: &[RunView]) -> Vec<String> {
    let mut names: Vec<(usize, String)> = Vec::new();
    for run in runs {
        for name in run.metrics.keys().filter(|n| n.starts_with("test/") && !n.contains('@')) {
            let kind = MetricKind::of_name(name);
            let rank = run.task.metrics().iter().position(|m| Some(*m) == kind).unwrap_or(usize::MAX);
            if !names.iter().any(|(_, n)| n == name) {
                names.push((rank, name.clone()));
            }
        }
    }
    names.sort();
    names.into_iter().map(|(_, n)| n).collect()
}

/// A metric's name with its unit and an arrow to what is better.
pub fn metric_head(name: &str) -> String {
    let kind = MetricKind::of_name(name);
    let unit =
        kind.map(MetricKind::unit).filter(|u| !u.is_empty()).map_or_else(String::new, |u| format!(" [{u}]"));
    let arrow = match kind.map(MetricKind::direction) {
        Some(Direction::Higher) => "\u{a0}↑",
        Some(Direction::Lower) => "\u{a0}↓",
        None => "",
    };
    format!("{}{unit}{arrow}", format::metric_label(name))
}

/// Results, one row a run, with the difference to the first run below each value.
#[component]
pub fn ResultTable(runs: Vec<RunView>, styles: Vec<Style>) -> impl IntoView {
    let metrics = test_metrics(&runs);
    let reference = runs.first().cloned();
    let heads = metrics
        .iter()
        .map(|name| view! { <th scope="col" class="data-table__number">{metric_head(name)}</th> })
        .collect_view();
    let rows = runs
        .into_iter()
        .zip(styles)
        .enumerate()
        .map(|(i, (run, style))| {
            let cells = metrics
                .iter()
                .map(|name| result_cell(name, &run, reference.as_ref().filter(|_| i > 0)))
                .collect_view();
            let state = (run.state != RunState::Succeeded).then(|| view! { <StateBadge state=run.state /> });
            view! {
                <tr>
                    <th scope="row">
                        <span class="run-name">
                            <RunMark style=style />
                            <a href=to(&format!("/runs/{}", run.id))>{run_title(&run)}</a>
                            {(i == 0).then(|| view! { <span class="tag tag--quiet">"reference"</span> })}
                            {state}
                        </span>
                    </th>
                    {cells}
                    <td class="data-table__number">{run.training.epochs}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-scroll" role="region" aria-label="Results" tabindex="0">
            <table class="data-table result-table">
                <thead>
                    <tr>
                        <th scope="col">"Run"</th>
                        {heads}
                        <th scope="col" class="data-table__number">"Epochs"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn result_cell(name: &str, run: &RunView, reference: Option<&RunView>) -> impl IntoView + use<> {
    let value = run.metrics.get(name).copied();
    let base = reference.and_then(|r| r.metrics.get(name)).copied();
    let difference = value.zip(base).map(|(v, b)| {
        let direction = MetricKind::of_name(name).map(|k| k.direction());
        let (class, words) = match direction {
            Some(d) if d.better(v, b) => ("difference difference--better", "better than the reference"),
            Some(d) if d.better(b, v) => ("difference difference--worse", "worse than the reference"),
            _ => ("difference", "difference from the reference"),
        };
        view! { <span class=class title=words>{format::metric_difference(name, v - b)}</span> }
    });
    let text = value.map_or_else(|| format::NONE.to_owned(), |v| format::metric_value(name, v));
    view! { <td class="data-table__number">{text}{difference}</td> }
}

/// A setting and its value in each run.
type Setting = (&'static str, Vec<String>);

/// Settings in which the runs differ, and those in which they all agree.
pub fn setting_differences(runs: &[RunView]) -> (Vec<Setting>, Vec<(&'static str, String)>) {
    let all: Vec<Vec<(&'static str, String)>> = runs
        .iter()
        .map(|r| {
            let mut list = vec![
                ("Backbone", r.backbone.clone()),
                ("Task", r.task.label()),
                ("Arm", r.arm.label().to_owned()),
                ("Seed", r.seed.to_string()),
                ("Data set", r.dataset.clone()),
            ];
            let text = |value: Option<String>| value.unwrap_or_else(|| format::NONE.to_owned());
            list.extend(settings(r).into_iter().map(|(name, value)| (name, text(value))));
            list.push(("Device", r.device.clone()));
            list
        })
        .collect();
    let (mut differ, mut same) = (Vec::new(), Vec::new());
    for i in 0..all.first().map_or(0, Vec::len) {
        let name = all[0][i].0;
        let values: Vec<String> = all.iter().map(|list| list[i].1.clone()).collect();
        if values.iter().all(|v| *v == values[0]) {
            same.push((name, values[0].clone()));
        } else {
            differ.push((name, values));
        }
    }
    (differ, same)
}

/// Only what differs between the runs; the rest on demand.
#[component]
pub fn SettingDifferences(runs: Vec<RunView>, styles: Vec<Style>) -> impl IntoView {
    let (differ, same) = setting_differences(&runs);
    let heads = runs
        .iter()
        .zip(&styles)
        .map(|(run, style)| {
            view! {
                <th scope="col">
                    <a class="run-name" href=to(&format!("/runs/{}", run.id)) title=run_title(run)>
                        <RunMark style=*style />
                        <code>{run.id.to_string()}</code>
                    </a>
                </th>
            }
        })
        .collect_view();
    let table = (!differ.is_empty()).then(|| {
        view! {
            <div class="table-scroll" role="region" aria-label="Configuration differences" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Setting"</th>
                            {heads}
                        </tr>
                    </thead>
                    <tbody>
                        {differ
                            .into_iter()
                            .map(|(name, values)| view! {
                                <tr>
                                    <th scope="row">{name}</th>
                                    {values.into_iter().map(|v| view! { <td>{v}</td> }).collect_view()}
                                </tr>
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
        }
    });
    let none = table.is_none().then(|| view! { <p>"The runs have the same settings."</p> });
    view! {
        {table}
        {none}
        {(!same.is_empty()).then(|| view! {
            <details class="disclosure">
                <summary>"The same in all runs"</summary>
                <dl class="facts">
                    {same
                        .into_iter()
                        .map(|(name, value)| view! { <div class="facts__item"><dt>{name}</dt><dd>{value}</dd></div> })
                        .collect_view()}
                </dl>
            </details>
        })}
    }
}
