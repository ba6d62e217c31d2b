//! What the check of a data set has found.

use leptos::prelude::*;
use transferscope_domain::{
    dataset::{
        ImageInfo, LabelInfo, MaskInfo, Plan,
        check::{CancerCounts, Finding, Severity},
        view::CheckStatus,
    },
    metric::Split,
};

use super::summary::{DatasetSummary, FINDINGS_MAX, Reason, TaskRow};
use crate::{
    components::{
        case_table::case_link,
        provenance::{PlanFacts, fact, hash_view},
    },
    format,
};

/// Channels in words; those that not every case has with the number of cases that do.
pub fn channels(counts: &[(String, usize)], cases: usize) -> String {
    let part = |(name, n): &(String, usize)| if *n == cases { name.clone() } else { format!("{name} ({n})") };
    counts.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn counted(counts: &[(String, usize)]) -> String {
    match counts {
        [(only, _)] => only.clone(),
        _ => counts.iter().map(|(value, n)| format!("{value} ({n})")).collect::<Vec<_>>().join(", "),
    }
}

/// The same of sizes, with the sign that pages use between sides.
fn sizes(counts: &[(String, usize)]) -> String {
    counted(counts).replace(" x ", " × ").replace('x', " × ")
}

/// An image with its modality and unit.
fn image(ImageInfo { name, modality, unit, .. }: &ImageInfo) -> String {
    let unit = unit.as_ref().map(|unit| format!(", {unit}")).unwrap_or_default();
    format!("{name} ({}{unit})", modality.label())
}

/// A mask with its classes and their values.
fn mask(MaskInfo { name, classes, ignore }: &MaskInfo) -> String {
    let classes = classes.iter().map(|class| {
        let values = class.values.iter().map(u8::to_string).collect::<Vec<_>>().join(" + ");
        format!("{} = {values}", class.name)
    });
    let ignored = ignore.map(|value| format!("{value} is ignored"));
    format!("{name} ({})", classes.chain(ignored).collect::<Vec<_>>().join(", "))
}

/// A label with its classes.
fn label(LabelInfo { name, about, classes, ordered }: &LabelInfo) -> String {
    let about = about.as_ref().map(|about| format!(", {about}")).unwrap_or_default();
    let between = if *ordered { " < " } else { ", " };
    format!("{name}{about}: {}", classes.join(between))
}

fn listed<T>(all: &[T], words: fn(&T) -> String) -> String {
    all.iter().map(words).collect::<Vec<_>>().join("; ")
}

/// Clinically significant cancer by split; none where nothing is known of it.
fn cancer(by_split: &[CancerCounts; 3]) -> Option<String> {
    let known = by_split.iter().any(|c| c.yes + c.no > 0);
    known.then(|| {
        let part = |(split, c): (Split, &CancerCounts)| format!("{split} {} of {}", c.yes, c.yes + c.no);
        let parts = Split::ALL.into_iter().zip(by_split).map(part).collect::<Vec<_>>().join(", ");
        let unknown: usize = by_split.iter().map(|c| c.unknown).sum();
        if unknown > 0 { format!("{parts}; {unknown} unknown") } else { parts }
    })
}

/// How a check ended, in a few words.
#[component]
pub fn CheckTag(status: CheckStatus, errors: usize, warnings: usize, refused: usize) -> impl IntoView {
    let tag = |class: &str, text: String| view! { <span class=format!("tag {class}")>{text}</span>" " };
    let some =
        |n: usize, class: &str, word: &str| (n > 0).then(|| tag(class, format::plural(n as u64, word)));
    let first = match status {
        CheckStatus::Running => Some(tag("", "being checked".into())),
        CheckStatus::Failed { .. } => Some(tag("tag--bad", "cannot be checked".into())),
        CheckStatus::Done { .. } if errors + warnings == 0 => Some(tag("tag--good", "sound".into())),
        CheckStatus::Done { .. } => None,
    };
    view! {
        {first}
        {some(errors, "tag--bad", "error")}
        {some(warnings, "tag--warn", "warning")}
        {(refused > 0).then(|| tag("", format!("{refused} rejected")))}
    }
}

/// Counts, shapes, voxel sizes, label values.
#[component]
pub fn Contents(page: DatasetSummary) -> impl IntoView {
    let row = &page.row;
    let [train, val, test] = row.split_patients;
    let labels = page.labels.iter().map(|(mask, values)| {
        let values = values.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        format!("{mask}: {values}")
    });
    let labels = labels.collect::<Vec<_>>().join("; ");
    view! {
        <section class="section">
            <h2>"Contents"</h2>
            <dl class="facts">
                {fact("Cases", format!(
                    "{} of {}",
                    format::plural(row.cases as u64, "case"),
                    format::plural(row.patients as u64, "patient"),
                ))}
                {fact("Split by patient", format!(
                    "{train} training, {val} validation, {test} test; split with seed {}",
                    page.split_seed
                ))}
                {(!page.patient_sources.is_empty())
                    .then(|| fact("Source of the patient ids", counted(&page.patient_sources)))}
                {fact("Images", listed(&page.contents.images, image))}
                {(!page.contents.masks.is_empty()).then(|| fact("Masks", listed(&page.contents.masks, mask)))}
                {(!page.contents.labels.is_empty())
                    .then(|| fact("Labels of the cases", listed(&page.contents.labels, label)))}
                {fact("Channels", channels(&row.channels, row.cases))}
                {fact("Slices × rows × columns", sizes(&page.shapes))}
                {fact("Voxel size [mm]", sizes(&page.spacings_mm))}
                {(!labels.is_empty()).then(|| fact("Label values of the masks", labels))}
                {page
                    .mask_sources
                    .iter()
                    .map(|(mask, makers)| fact("Source of the masks", format!("{mask}: {}", counted(makers))))
                    .collect_view()}
                {cancer(&page.cspca).map(|text| fact("Clinically significant cancer, cases", text))}
                {page
                    .label_cases
                    .iter()
                    .map(|(name, by_split)| {
                        let part = |(split, classes): (Split, &Vec<(String, usize)>)| {
                            let classes: Vec<String> = classes.iter().map(|(class, n)| format!("{class} ({n})")).collect();
                            format!("{split} {}", classes.join(", "))
                        };
                        let parts = Split::ALL.into_iter().zip(by_split).map(part).collect::<Vec<_>>().join("; ");
                        fact("Cases by label", format!("{name}: {parts}"))
                    })
                    .collect_view()}
                {page.folds.map(|f| fact("Cross-validation", format!("fold {} of {} is the test set", f.test, f.count)))}
                {(!page.split_hash.is_empty()).then(|| fact("Hash of the split", hash_view(&page.split_hash)))}
                {fact("Hash of the content", hash_view(&page.hash))}
            </dl>
        </section>
    }
}

/// How cases are brought to a network.
#[component]
pub fn CasesForNetworks(plan: Option<Plan>) -> impl IntoView {
    let words = match plan {
        Some(plan) => view! { <PlanFacts facts=plan.facts() /> }.into_any(),
        None => view! { <p>"On the grids of the study's networks."</p> }.into_any(),
    };
    view! {
        <section class="section">
            <h2>"Cases for the networks"</h2>
            {words}
        </section>
    }
}

/// What was found, errors first.
#[component]
pub fn Findings(page: DatasetSummary) -> impl IntoView {
    let row = &page.row;
    let name = row.name.clone();
    let all = row.errors + row.warnings;
    let status = match &row.status {
        CheckStatus::Running => view! {
            <p class="notice" role="status">
                "The data set is being checked: every case is read. The findings will be shown here."
            </p>
        }
        .into_any(),
        CheckStatus::Failed { message } => {
            view! { <p class="notice notice--warn" role="alert">{format!("It could not be checked: {message}")}</p> }
                .into_any()
        }
        CheckStatus::Done { checked_ms } => view! {
            <p class="section__lead">
                {if all == 0 { "Every case was read and nothing wrong was found." } else { "Every case was read." }}
                " Checked "
                <time datetime=format::date_time_iso(*checked_ms)>{format::date_time(*checked_ms)}</time>
                "; again with "
                <code>{format!("transferscope dataset check {name}")}</code>
            </p>
        }
        .into_any(),
    };
    let items = page
        .findings
        .iter()
        .map(|Finding { severity, case_id, message }| {
            let (class, word) = match severity {
                Severity::Error => ("tag tag--bad", "error"),
                Severity::Warning => ("tag tag--warn", "warning"),
            };
            let case = case_id.clone().map(|id| {
                view! { {case_link(&name, &id)}": " }
            });
            view! { <li><span class=class>{word}</span>" "{case}{message.clone()}</li> }
        })
        .collect_view();
    view! {
        <section class="section">
            <h2>"Check"</h2>
            {status}
            {(all > 0).then(|| view! { <ul class="finding-list">{items}</ul> })}
            {(all > FINDINGS_MAX).then(|| view! {
                <p class="quiet">{format!("and {} more; the command shows all", all - FINDINGS_MAX)}</p>
            })}
        </section>
    }
}

/// What each task uses and leaves out.
#[component]
pub fn Tasks(tasks: Vec<TaskRow>) -> impl IntoView {
    let rows = tasks
        .into_iter()
        .map(|TaskRow { task, used: [train, val, test], problem, note, left_out }| {
            let can = match problem {
                None => view! { <span class="tag tag--good">"can run"</span> }.into_any(),
                Some(why) => {
                    view! { <span class="tag tag--bad">"cannot run"</span><span class="difference">{why}</span> }
                        .into_any()
                }
            };
            view! {
                <tr>
                    <th scope="row">{task.label()}</th>
                    <td class="data-table__number">{train}</td>
                    <td class="data-table__number">{val}</td>
                    <td class="data-table__number">{test}</td>
                    <td>{can}{note.map(|n| view! { <span class="difference">{n}</span> })}</td>
                    <td>{reasons(left_out)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="section">
            <h2>"Cases for each task"</h2>
            <div class="table-scroll" role="region" aria-label="Tasks" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Task"</th>
                            <th scope="col" class="data-table__number">"Training cases"</th>
                            <th scope="col" class="data-table__number">"Validation"</th>
                            <th scope="col" class="data-table__number">"Test"</th>
                            <th scope="col">"Can it run?"</th>
                            <th scope="col">"Left out"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}

fn reasons(left_out: Vec<Reason>) -> AnyView {
    if left_out.is_empty() {
        return view! { <span class="quiet">"none"</span> }.into_any();
    }
    let items = left_out
        .into_iter()
        .map(|Reason { reason, count, cases }| {
            let more = if count > cases.len() { ", …" } else { "" };
            let cases = format!(" ({}{more})", cases.join(", "));
            view! { <li>{format::plural(count as u64, "case")}": "{reason}<span class="quiet">{cases}</span></li> }
        })
        .collect_view();
    view! { <ul class="task-list">{items}</ul> }.into_any()
}

/// Cases that were refused when the set was added; nothing where there were none.
#[component]
pub fn Refused(refused: Vec<Reason>) -> impl IntoView {
    (!refused.is_empty()).then(|| {
        view! {
            <section class="section">
                <h2>"Rejected on import"</h2>
                {reasons(refused)}
            </section>
        }
    })
}
