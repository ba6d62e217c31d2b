//! A frozen comparison as one HTML file: data, charts, tables and styles within it. It asks for nothing and opens
//! from a disk in ten years.

use leptos::prelude::*;
use transferscope_domain::api::{CompareData, RunView, ShareView};

use crate::{
    charts::{ChartOptions, Theme, build, svg},
    components::{
        case_pairs::pairs,
        compare_tables::{metric_head, setting_differences, test_metrics},
    },
    format,
    labels::run_title,
};

/// The parts of the style sheet that the file's elements use, in the order of `style/main.css`.
const STYLES: [&str; 6] = [
    include_str!("../../../style/tokens.css"),
    include_str!("../../../style/base.css"),
    include_str!("../../../style/layout.css"),
    include_str!("../../../style/forms.css"),
    include_str!("../../../style/tables.css"),
    include_str!("../../../style/charts.css"),
];
/// Most curves that are drawn: all values are in the data.
const CHARTS_MAX: usize = 24;

/// A whole file of a body that asks for nothing, with `json` in an element `id` at its end. `head` and `foot` stand
/// in the places of the same name.
pub(super) fn file(title: &str, body: &str, (id, json): (&str, &str), [head, foot]: [&str; 2]) -> String {
    // Within a script element JSON may hold no `<`; in JSON it stands in texts only.
    let json = json.replace('<', "\\u003c");
    let title = format::html(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{title} · Transferscope</title>{head}<style>{}</style></head><body>{body}{foot}\
         <script type=\"application/json\" id=\"{id}\">{json}</script></body></html>\n",
        STYLES.concat(),
    )
}

/// The whole file. `text` is the comparison's data as JSON, as it was stored and hashed.
pub fn document(share: &ShareView, text: &str) -> String {
    let nothing = CompareData::default();
    let data = share.data.as_ref().unwrap_or(&nothing);
    let title = format!("Comparison of {}", format::plural(data.runs.len() as u64, "run"));
    let body = Owner::new().with(|| body(share, data, &title).to_html());
    file(&title, &body, ("comparison", text), ["", ""])
}

fn body(share: &ShareView, data: &CompareData, title: &str) -> impl IntoView + use<> {
    let synthetic = data.runs.iter().any(|r| r.synthetic);
    view! {
        <main class="page">
            <h1>{title.to_owned()}</h1>
            <p>
                {format!("Frozen on {}, as the link ", format::date_time(share.created_ms))}
                <code>{format!("/s/{}", share.slug)}</code>
                ". The numbers do not change. This file holds everything except the images of single cases; the data are JSON in the element "
                <code>"comparison"</code>
                " at its end."
                {data.numbered.then_some(" Patient data are left out: cases and patients are numbered, and the labels of a case and the predictions for it are not included.")}
            </p>
            {share.content_hash.clone().map(|hash| view! { <p>"BLAKE3 of the data: "<code>{hash}</code></p> })}
            {synthetic.then(|| view! {
                <p class="notice">"Runs on synthetic data were trained and tested on computed phantoms, not on images of patients."</p>
            })}
            <p>"Transferscope is a research tool, not a medical device."</p>
            <h2>"Results"</h2>
            <p>
                "Test set, checkpoint that was best on the validation set; ↑ higher is better, ↓ lower is better. "
                "Each row is a single seed, so its values have no interval; the page of an experiment shows gains with intervals."
            </p>
            {results(&data.runs)}
            <h2>"Curves"</h2>
            {charts(data).into_iter().map(|svg| view! { <figure inner_html=svg></figure> }).collect_view()}
            <h2>"Paired test cases"</h2>
            {paired(data)}
            <h2>"Configuration"</h2>
            {configuration(&data.runs)}
        </main>
    }
}

fn charts(data: &CompareData) -> Vec<String> {
    let options = ChartOptions { theme: Theme::Page, ..ChartOptions::default() };
    let metrics = build::compare_metrics(data);
    let mut all: Vec<String> =
        metrics.iter().take(CHARTS_MAX).map(|metric| svg::compare_chart(data, metric, &options)).collect();
    if data.alignment.iter().any(Option::is_some) {
        all.push(svg::alignment_layers(&build::compare_alignment(data), &options));
    }
    all
}

/// A table of texts; the first column names its line.
fn table(head: Vec<String>, rows: Vec<Vec<String>>) -> impl IntoView + use<> {
    let line = |cells: Vec<String>| {
        let mut cells = cells.into_iter();
        view! {
            <tr>
                <th scope="row">{cells.next()}</th>
                {cells.map(|cell| view! { <td>{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <div class="table-scroll">
            <table class="data-table">
                <thead><tr>{head.into_iter().map(|h| view! { <th scope="col">{h}</th> }).collect_view()}</tr></thead>
                <tbody>{rows.into_iter().map(line).collect_view()}</tbody>
            </table>
        </div>
    }
}

/// Test metrics, one line a run.
fn results(runs: &[RunView]) -> impl IntoView + use<> {
    let metrics = test_metrics(runs);
    let mut head = vec!["Run".to_owned(), "Id".to_owned(), "State".to_owned()];
    head.extend(metrics.iter().map(|name| metric_head(name)));
    let rows = runs.iter().map(|run| {
        let mut cells = vec![run_title(run), run.id.to_string(), run.state.to_string()];
        cells.extend(metrics.iter().map(|name| {
            run.metrics.get(name).map_or_else(|| format::NONE.to_owned(), |v| format::metric_value(name, *v))
        }));
        cells
    });
    table(head, rows.collect())
}

/// Each run against the first on the cases that both have scored, worst first.
fn paired(data: &CompareData) -> impl IntoView + use<> {
    let Some((reference, base)) = data.runs.first().zip(data.cases.first()) else { return ().into_any() };
    let metric = reference.task.case_metric();
    let decimals = metric.decimals();
    let sections = data.runs.iter().zip(&data.cases).skip(1).map(|(run, cases)| {
        let same = (run.task, &run.dataset) == (reference.task, &reference.dataset);
        let pairs = if same { pairs(metric, base, cases) } else { Vec::new() };
        let title = format!("{} against {}", run_title(run), run_title(reference));
        if pairs.is_empty() {
            return view! { <p>{title}": no paired test cases."</p> }.into_any();
        }
        let head = ["Case, worst first", "Reference", "This run", "Difference"].map(str::to_owned).to_vec();
        let rows = pairs.iter().map(|p| {
            let values = [p.reference, p.value].map(|v| format::number(v, decimals));
            let [reference, value] = values;
            vec![p.case_id.clone(), reference, value, format::signed(p.difference(), decimals)]
        });
        view! { <h3>{title}", "{metric.label()}</h3>{table(head, rows.collect())} }.into_any()
    });
    let lead = (data.runs.len() > 1).then(|| {
        let better = metric.direction().label();
        let words = "One seed each: these numbers do not include the variation between seeds.";
        view! { <p>{format!("{}, {better}. {words}", metric.label())}</p> }
    });
    view! { {lead}{sections.collect_view()} }.into_any()
}

/// Settings, those that differ first.
fn configuration(runs: &[RunView]) -> impl IntoView + use<> {
    let (differ, same) = setting_differences(runs);
    let mut head = vec!["Setting".to_owned()];
    head.extend(runs.iter().map(run_title));
    let line = |name: &str, values: Vec<String>| [vec![name.to_owned()], values].concat();
    let mut rows: Vec<Vec<String>> = differ.into_iter().map(|(name, values)| line(name, values)).collect();
    rows.extend(same.into_iter().map(|(name, value)| line(name, vec![value; runs.len()])));
    table(head, rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::charts::build::tests as samples;

    #[test]
    fn the_file_holds_everything_and_asks_for_nothing() {
        let mut data = samples::data();
        data.runs[0].backbone = "</script><b>".into();
        let text = serde_json::to_string(&data).unwrap();
        let share = ShareView {
            slug: "abcdefgh".parse().unwrap(),
            schema: 1,
            frozen: true,
            created_ms: 0,
            view: BTreeMap::new(),
            runs: data.runs.iter().map(|r| r.id.clone()).collect(),
            include_patients: true,
            data: Some(data.clone()),
            content_hash: Some("0f".repeat(32)),
        };
        let html = document(&share, &text);
        for asks in ["src=", "href=", "url(", "@import", "fetch(", "</script><b>"] {
            assert!(!html.contains(asks), "{asks}");
        }
        assert!(html.contains("<svg") && html.contains("<table") && html.contains(&"0f".repeat(32)));
        let (_, json) = html.split_once("id=\"comparison\">").unwrap();
        let json = json.split_once("</script>").unwrap().0;
        assert_eq!(serde_json::from_str::<CompareData>(json).unwrap(), data);
    }
}
