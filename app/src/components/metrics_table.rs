//! A run's latest values with units, directions and the simple baselines beside them.

use std::collections::BTreeMap;

use leptos::prelude::*;
use transferscope_domain::{MetricKind, Task};

use crate::format;

/// One line: a metric, its value, and what simple baselines score.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub name: String,
    pub value: f64,
    /// In the order of [`baselines`].
    pub baselines: Vec<Option<f64>>,
}

/// The simple baselines that a run has scores of.
fn baselines(task: Task, metrics: &BTreeMap<String, f64>) -> Vec<&'static str> {
    let scored = |b: &&str| metrics.keys().any(|name| name.split_once('@').is_some_and(|(_, of)| of == *b));
    task.baselines().iter().copied().filter(scored).collect()
}

/// Lines of the test split first, then validation, then training; the task's primary metric leads
/// each split.
pub fn lines(task: Task, metrics: &BTreeMap<String, f64>) -> Vec<Line> {
    let mut lines: Vec<Line> = metrics
        .iter()
        .filter(|(name, _)| !name.contains('@'))
        .map(|(name, value)| Line {
            name: name.clone(),
            value: *value,
            baselines: baselines(task, metrics)
                .iter()
                .map(|b| metrics.get(&format!("{name}@{b}")).copied())
                .collect(),
        })
        .collect();
    let order = |line: &Line| {
        let split = ["test/", "val/", "train/"].iter().position(|s| line.name.starts_with(s)).unwrap_or(3);
        let kind = MetricKind::of_name(&line.name);
        let rank = task.metrics().iter().position(|m| Some(*m) == kind).unwrap_or(usize::MAX);
        (split, rank, line.name.clone())
    };
    lines.sort_by_key(order);
    lines
}

/// The table.
#[component]
pub fn MetricsTable(task: Task, #[prop(into)] metrics: Signal<BTreeMap<String, f64>>) -> impl IntoView {
    view! {
        <div class="table-scroll" role="region" aria-label="Metrics" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Metric"</th>
                        <th scope="col" class="data-table__number">"Value"</th>
                        <th scope="col">"Unit"</th>
                        <th scope="col">"Better"</th>
                        {move || {
                            metrics
                                .with(|m| baselines(task, m))
                                .iter()
                                .map(|b| view! { <th scope="col" class="data-table__number">{*b}</th> })
                                .collect_view()
                        }}
                        {move || {
                            let words = match metrics.with(|m| baselines(task, m).len()) {
                                0 => None,
                                1 => Some("Against the baseline"),
                                _ => Some("Against the best baseline"),
                            };
                            words.map(|words| view! { <th scope="col">{words}</th> })
                        }}
                    </tr>
                </thead>
                <tbody>
                    {move || {
                        metrics.with(|m| lines(task, m)).into_iter().map(|line| row(task, line)).collect_view()
                    }}
                </tbody>
            </table>
        </div>
    }
}

fn row(task: Task, line: Line) -> impl IntoView {
    let kind = MetricKind::of_name(&line.name);
    let unit = kind.map_or("", MetricKind::unit);
    let judged = kind.filter(|k| task.metrics().contains(k));
    let direction = judged.map_or("", |k| k.direction().as_str());
    let best = judged.and_then(|k| {
        line.baselines
            .iter()
            .flatten()
            .copied()
            .reduce(|a, b| if k.direction().better(b, a) { b } else { a })
            .map(|b| (k, b))
    });
    let verdict = best.map(|(k, b)| {
        let difference = format::metric_difference(&line.name, line.value - b);
        if k.direction().better(line.value, b) {
            view! { <span class="tag tag--good">"better"</span>" "<span class="numeric">{difference}</span> }.into_any()
        } else {
            view! { <span class="tag tag--bad">"not better"</span>" "<span class="numeric">{difference}</span> }
                .into_any()
        }
    });
    let name = line.name.clone();
    view! {
        <tr>
            <th scope="row" title=line.name.clone()>{format::metric_label(&line.name)}</th>
            <td class="data-table__number data-table__primary">{format::metric_value(&line.name, line.value)}</td>
            <td>{unit}</td>
            <td>{direction}</td>
            {line
                .baselines
                .iter()
                .map(|b| {
                    let text = b.map_or_else(|| format::NONE.to_owned(), |b| format::metric_value(&name, b));
                    view! { <td class="data-table__number">{text}</td> }
                })
                .collect_view()}
            {(!line.baselines.is_empty()).then(|| view! { <td>{verdict}</td> })}
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use transferscope_domain::TaskKind;

    use super::*;

    #[test]
    fn test_values_lead_and_baselines_stand_beside() {
        let metrics = BTreeMap::from(
            [
                ("train/loss", 0.1),
                ("val/psnr_db", 30.0),
                ("test/ssim", 0.9),
                ("test/psnr_db", 31.0),
                ("test/psnr_db@bicubic", 29.0),
            ]
            .map(|(k, v)| (k.to_owned(), v)),
        );
        let lines = lines(TaskKind::SuperResolution.into(), &metrics);
        let names: Vec<_> = lines.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["test/psnr_db", "test/ssim", "val/psnr_db", "train/loss"]);
        // The other methods of the task have no score: their columns are not there.
        assert_eq!(lines[0].baselines, [Some(29.0)]);
    }
}
